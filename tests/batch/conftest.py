"""A folder of five stacks in a tree, and the method that gets into trouble."""

import os
import sys

import pytest
from batches import fill, install_trouble

from napari_depth_interp.methods import registry

NAMES = ("a.tif", "b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif")


@pytest.fixture
def source(tmp_path):
    return fill(tmp_path / "in", NAMES)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def trouble(tmp_path, monkeypatch):
    """Make the method ``trouble`` known to this process and to those that it starts."""
    folder = install_trouble(tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    registry._third_party.cache_clear()
    yield folder
    registry._third_party.cache_clear()
    sys.modules.pop("trouble_plugin", None)

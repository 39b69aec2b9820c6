"""Data that many tests share: small, made here, with known truth."""

import gc
import os
import sys
import tempfile

import hypothesis
import numpy as np
import pytest

from batches import install_trouble
from command_line import SHARED
from napari_depth_interp.methods import registry
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset

os.environ["DEPTH_INTERP_MODELS"] = f"{tempfile.gettempdir()}/no-models-{os.getpid()}"  # not the user's own
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait must not take the other tests' cores
os.environ.setdefault("OMP_NUM_THREADS", "1")  # nor do small networks gain from more, unless a test asks for it

hypothesis.settings.register_profile("any machine", deadline=None)  # no test is timed
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Give all processes of the suite one place; where there are several, this is the one that starts them."""
    if SHARED not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="suite-")
        os.environ[SHARED] = folder.name
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop(SHARED))


@pytest.fixture(scope="session")
def tissue() -> Dataset:
    """A small simulated organoid: uint16, 9 sections of 40 x 36 pixels, 2 x 0.5 x 0.5 um; not writable."""
    dataset = simulate("organoid", shape=(9, 40, 36), voxel_size=(2.0, 0.5, 0.5)).observed
    dataset.voxels.flags.writeable = False
    return dataset


@pytest.fixture
def models_home(tmp_path, monkeypatch):
    """A folder of models of the test's own."""
    home = tmp_path / "models"
    monkeypatch.setenv("DEPTH_INTERP_MODELS", str(home))
    return home


@pytest.fixture
def sections() -> np.ndarray:
    """Three sections of 4 x 5 pixels with different values, uint16."""
    return np.arange(60, dtype=np.uint16).reshape(3, 4, 5) * 7 % 101


@pytest.fixture
def trouble(tmp_path_factory, monkeypatch):
    """Make the method ``trouble`` known to this process and to those that it starts."""
    folder = install_trouble(tmp_path_factory.mktemp("plugin"))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    registry._third_party.cache_clear()
    yield folder
    registry._third_party.cache_clear()
    sys.modules.pop("trouble_plugin", None)


LONG = ("test_demo.py", "test_pyside6.py", "test_bioimageio.py", "test_contract.py", "test_section_sr.py")
"""Files that take long, some of them in one test: last, they would leave all processes but one idle."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Import what the tests need without looking for garbage in between: there is next to none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish():
    """Take what has been imported out of garbage collection, which napari starts with every layer that is removed."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Spell out what is no UTF-8 in captured output: pytest-xdist cannot send it from one process to the other."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report

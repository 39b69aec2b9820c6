"""A folder of five stacks in a tree."""

import pytest

from batches import NAMES, fill


@pytest.fixture
def source(tmp_path):
    return fill(tmp_path / "in", NAMES)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out"

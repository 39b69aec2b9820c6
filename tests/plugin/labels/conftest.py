"""The dock "Interpolate labels" in the real viewer, with labels in it."""

import pytest
from labelled import drawn, open_dock, settled


@pytest.fixture
def dock(viewer):
    return open_dock(viewer)


@pytest.fixture
def layer(viewer, dock, qtbot):
    """A labels layer with three annotated sections, chosen in the dock."""
    layer = viewer.add_labels(drawn(), scale=(2, 0.5, 0.5), units=("um",) * 3, name="cells")
    settled(qtbot, dock)
    return layer

"""The dock "Repair sections" in the real viewer, with a damaged stack in it."""

import pytest
from controls import press
from damaged import damaged, finish, open_dock


@pytest.fixture
def dock(viewer):
    return open_dock(viewer)


@pytest.fixture
def layer(viewer, dock):
    """The damaged stack, 2 x 0.5 x 0.5 um."""
    return viewer.add_image(damaged(), scale=(2, 0.5, 0.5), units=("um",) * 3, name="em")


@pytest.fixture
def found(qtbot, dock, layer):
    """The dock after Find."""
    press(dock.search, "Find damaged sections")
    finish(qtbot, dock)
    return dock

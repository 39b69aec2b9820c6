"""Icons of napari's own set beside the words of buttons."""

import numpy as np
import pytest
from controls import find, press
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QAbstractButton

PLUGIN = "napari-depth-interp"


def seen(button):
    return button.icon().pixmap(button.iconSize() * 3).toImage().convertToFormat(QImage.Format.Format_ARGB32)


def drawn(button):
    """Return the mean colour (blue, green, red) of what is drawn of a button's icon."""
    image = seen(button)
    pixels = np.frombuffer(image.bits().asstring(image.sizeInBytes()), np.uint8).reshape(-1, 4)
    return pixels[pixels[:, 3] > 200, :3].mean(axis=0)


@pytest.fixture
def widget(shown_viewer):
    _, widget = shown_viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    return widget


def test_they_have_the_colour_of_words_in_each_theme(qtbot, shown_viewer, widget):
    button = find(widget.bar, "preview", QAbstractButton)
    assert drawn(button).min() > 100
    shown_viewer.theme = "light"
    qtbot.waitUntil(lambda: drawn(button).max() < 120)
    shown_viewer.theme = "dark"
    qtbot.waitUntil(lambda: drawn(button).min() > 100)


def test_they_say_the_state(widget):
    pin = find(widget.stack, "Pin", QAbstractButton)
    free = seen(pin)
    press(widget.stack, "Pin")
    assert seen(pin) != free
    press(widget.stack, "Pin")
    assert seen(pin) == free

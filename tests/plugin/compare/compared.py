"""What a user does with the widget "Compare methods", and what it shows."""

from controls import find, press, read
from drive import finish
from qtpy.QtCore import Qt

TITLE = "Compare methods"


def compare(qtbot, widget, *methods, timeout=20_000):
    """Compare to the end and return the comparison."""
    if methods:
        widget.methods.set_methods(methods)
    before = widget.scores.comparison
    assert find(widget.bar, "run").isEnabled(), find(widget.bar, "run").toolTip()
    press(widget.bar, "run")
    finish(qtbot, widget, timeout)
    assert widget.scores.comparison is not before, read(widget.bar, "message")
    assert widget.scores.comparison.scores is not None, read(widget.bar, "message")
    return widget.scores.comparison


def headings(widget):
    """Return the headings in one line each."""
    model = widget.scores.table.scores
    return [model.headerData(i, Qt.Orientation.Horizontal).replace("\n", " ") for i in range(model.columnCount())]


def column(widget, heading, role=Qt.ItemDataRole.DisplayRole):
    """Return one column from top to bottom, found by how its heading begins."""
    model = widget.scores.table.scores
    [place] = [i for i, each in enumerate(headings(widget)) if each.startswith(heading)]
    return [model.data(model.index(row, place), role) for row in range(model.rowCount())]


def bold(widget, heading):
    """Return the methods whose number is bold."""
    fonts = column(widget, heading, Qt.ItemDataRole.FontRole)
    return [name for name, font in zip(column(widget, "method"), fonts, strict=True) if font.bold()]


def click(qtbot, widget, method, modifier=Qt.KeyboardModifier.NoModifier):
    """Click the row of a method with the mouse."""
    table = widget.scores.table
    index = table.scores.index(table.scores.names().index(method), 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def visible(viewer):
    """Return the names of the visible layers, from the lowest up."""
    return [layer.name for layer in viewer.layers if layer.visible]

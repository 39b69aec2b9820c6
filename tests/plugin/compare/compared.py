"""What a user does with the widget "Compare methods", and what it shows."""

from controls import find, pick, press, read, tick
from drive import finish, sparse_tiff
from qtpy.compat import isalive
from qtpy.QtCore import Qt

PLUGIN, TITLE = "napari-depth-interp", "Compare methods"


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
    return [name for name, font in zip(column(widget, "Method"), fonts, strict=True) if font.bold()]


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


class Finished:
    """A dock with the finished comparison of a stack of nine sections, for tests that leave both where they are."""

    def __init__(self, qtbot, viewer, folder, methods):
        self.viewer, self.path = viewer, folder / "a.tif"
        _, self.widget = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
        self.voxels = sparse_tiff(self.path, sections=9)
        self.widget.stack.open_files([self.path])
        self.layer = viewer.layers["a"]
        self.comparison = compare(qtbot, self.widget, *methods)
        qtbot.wait(50)
        self._said, self._camera = read(self.widget.bar, "message"), self._view()
        self._point = viewer.dims.point

    def _view(self):
        return {name: getattr(self.viewer.scene.camera, name) for name in ("center", "zoom")}

    def put_back(self):
        """Show the comparison as when it had just ended, by the widget's own means; return whether that can be done."""
        viewer, widget = self.viewer, self.widget
        if not isalive(widget) or widget.parent() is None or self.layer not in viewer.layers:
            return False
        if widget.scores.comparison is not self.comparison or widget.job is not None:
            return False
        widget.scores.begin(self.comparison)
        for scored in self.comparison.scored.values():
            widget.scores.table.scores.add(scored.scores)
        widget.scores.complete(self.comparison.scores)
        viewer.layers.selection = set(viewer.layers) - {self.layer}
        viewer.layers.remove_selected()
        viewer.layers.selection.active, self.layer.visible = self.layer, True
        for part in ("Truth", "Restored", "Error", "Uncertainty"):
            tick(widget.scores, part, part != "Truth")
        find(widget.scores.plots, "plots").setCurrentIndex(0)
        pick(widget.scores.plots, "Score in the plots", "psnr")
        widget.bar.say(self._said)
        viewer.dims.point = self._point
        viewer.scene.camera.update(self._camera)
        return True

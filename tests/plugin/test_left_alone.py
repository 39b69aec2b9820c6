"""What a widget leaves to others: the canvas' words, and the viewer once its dock is closed."""

import numpy as np
from controls import find
from drive import run, sparse_tiff


def test_words_of_somebody_else_stay_in_the_canvas(viewer, widget):
    overlay = viewer.canvas.overlays.text
    overlay.text, overlay.visible = "mine", True
    viewer.add_image(np.zeros((4, 5, 6)))
    viewer.dims.set_point(0, 2.0)
    assert overlay.visible
    viewer.window.remove_dock_widget(widget)
    assert (overlay.text, overlay.visible) == ("mine", True)
    overlay.visible = False


def test_a_closed_dock_follows_nothing(qtbot, viewer, widget, tmp_path):
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    result = run(qtbot, widget, factor=2).layers[0]
    overlay = viewer.canvas.overlays.text
    assert overlay.visible
    viewer.window.remove_dock_widget(widget)
    assert not overlay.visible
    result.visible = False
    result.visible = True
    assert not overlay.visible
    viewer.layers["a"].name = "renamed"
    assert find(widget.stack, "Layer").itemText(0) == "a"


def test_closed_boxes_follow_no_names(viewer, models_home):
    layer = viewer.add_image(np.zeros((4, 5, 6)), name="before")
    docks = ("Compare methods", "Train a model")
    compare, train = (viewer.window.add_plugin_dock_widget("napari-depth-interp", title)[1] for title in docks)
    for widget in (compare, train):
        viewer.window.remove_dock_widget(widget)
    layer.name = "after"
    assert find(compare.protocol, "Reference layer").itemText(0) == "before"
    assert find(train.data, "Layers to learn from").item(0).text() == "before"


def test_the_plot_needs_no_layers(qtbot, viewer, widget):
    before = viewer.dims.point
    widget.runs.plot.depth_chosen.emit(3.0)
    assert viewer.dims.point == before

"""Methods for labels compared in the dock: a Labels layer is chosen as the stack, and scored as on the command line."""

import json
import shlex

import numpy as np
import pytest
from controls import column_texts, find, focus_chain, pick, press, read, row_texts, tick
from drive import finish, said
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_depth_interp as ndi
from command_line import succeed, write_imagej
from label_stacks import cone, only
from napari_depth_interp import io
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.plugin.layers.label_layers import to_label_layers

TRUTH = cone(9, 40, centre=(20, 18))


@pytest.fixture
def labels(viewer, widget, tmp_path):
    """Nine annotated sections from a file, 2 um apart, chosen as the stack."""
    path = write_imagej(tmp_path / "seg.tif", TRUTH, spacing=2.0, pixel=1.0)
    [(data, kwargs, _)] = to_label_layers(io.read(path), "seg")
    layer = viewer.add_labels(data, **kwargs)
    pick(widget.stack, "Layer", layer.name)
    return layer


def compared(qtbot, widget, every=2):
    widget.protocol.set_protocol(Protocol("keep_every", every=every))
    assert find(widget.bar, "run").isEnabled(), find(widget.bar, "run").toolTip()
    press(widget.bar, "run")
    finish(qtbot, widget)
    assert widget.labels.panel.outcome is not None, read(widget.bar, "message")
    return widget.labels.panel


def test_a_labels_layer_is_scored_as_the_library_scores_it(qtbot, widget, labels):
    panel = compared(qtbot, widget)
    own = ndi.evaluate_labels(TRUTH, ["nearest", "shape"], keep_every=2, z_spacing="2um")
    found = {each.method: each for each in panel.outcome.scores.methods}
    assert found["shape"].mean["dice"] == own.of("shape").mean["dice"]
    table = find(panel, "Scores of the methods for labels")
    assert column_texts(table, 0)[:2] == ["nearest", "shape"]
    assert row_texts(table, 1)[1] == f"{own.of('shape').mean['dice']:.4f}"
    assert table.item(1, 1).font().bold()
    assert not table.item(0, 1).font().bold()
    assert row_texts(find(panel, "Dice of each label"), 0)[0] == "7"
    assert "Best: shape" in read(panel, "label summary")
    assert "methods for labels compared" in read(widget.bar, "message")


def test_the_boxes_follow_the_layer(widget, labels, stack):
    pick(widget.stack, "Layer", labels.name)
    assert not widget.labels.box.isHidden()
    assert widget.methods.isHidden()
    pick(widget.stack, "Layer", "a")
    assert widget.labels.box.isHidden()
    assert not widget.methods.isHidden()


def test_what_does_not_fit_is_said_before_a_run(widget, labels):
    widget.protocol.set_protocol(Protocol("sr4"))
    assert not find(widget.bar, "run").isEnabled()
    assert "hiding annotated sections" in find(widget.bar, "run").toolTip() + read(widget.bar, "message")
    widget.protocol.set_protocol(Protocol("leave_one_out"))
    assert find(widget.bar, "run").isEnabled()
    for box in ("Nearest section", "Shape"):
        tick(widget.labels.box, box, False)
    assert not find(widget.bar, "run").isEnabled()
    assert "tick some" in find(widget.bar, "run").toolTip() + read(widget.bar, "message")


def test_labels_that_cannot_be_hidden_end_in_one_line(qtbot, viewer, widget):
    layer = viewer.add_labels(np.zeros((6, 9, 9), int), name="empty", scale=(2, 1, 1))
    pick(widget.stack, "Layer", layer.name)
    press(widget.bar, "run")
    finish(qtbot, widget)
    assert "no section holds a label" in read(widget.bar, "message")
    assert said("warning")


def test_what_was_filled_in_is_no_truth(qtbot, viewer, widget):
    sparse = io.Dataset.from_array(only(TRUTH, [0, 2, 4, 6, 8]), z_spacing=2.0, unit="um", pixel_size=(1.0, 1.0))
    filled = ndi.interpolate_labels(sparse, method="nearest").dataset
    [(data, kwargs, _)] = to_label_layers(filled, "seg")
    layer = viewer.add_labels(data, **kwargs)
    pick(widget.stack, "Layer", layer.name)
    panel = compared(qtbot, widget)
    assert panel.outcome.scores.stack["annotated"] == [0, 2, 4, 6, 8]
    assert panel.outcome.scores.stack["hidden"] == [2, 6]
    press(panel, "Copy labels command")
    assert "--annotated 0,2,4,6,8" in QApplication.clipboard().text()


def test_results_become_layers_and_files(qtbot, viewer, widget, labels, tmp_path, monkeypatch):
    panel = compared(qtbot, widget)
    find(panel, "Scores of the methods for labels").selectRow(1)
    press(panel, "Add as layer")
    made = viewer.layers["seg shape restored"]
    assert (made.data[::2] == TRUTH[::2]).all()
    assert (made.data[1::2] != 0).any()
    assert np.allclose(made.scale, labels.scale)
    folder = tmp_path / "report"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    press(panel, "Report on labels…")
    finish(qtbot, widget)
    assert str(folder) in read(widget.bar, "message")
    written = json.loads((folder / "scores.json").read_text())
    assert written["methods"][1]["mean"]["dice"] == panel.outcome.scores.methods[1].mean["dice"]


def test_the_command_repeats_the_comparison(qtbot, viewer, widget, tmp_path):
    path = write_imagej(tmp_path / "seg.tif", TRUTH, spacing=2.0, pixel=1.0)
    [layer] = viewer.open(str(path), layer_type="labels", plugin="napari")
    pick(widget.stack, "Layer", layer.name)
    panel = compared(qtbot, widget)
    press(panel, "Copy labels command")
    words = shlex.split(QApplication.clipboard().text())
    assert words[:3] == ["depth-interp", "evaluate", str(path)]
    again = json.loads(succeed(*words[1:], "--json").stdout)
    assert again["methods"][1]["mean"]["dice"] == panel.outcome.scores.methods[1].mean["dice"]


def test_leaving_one_out_puts_sections_together(qtbot, viewer, widget, labels):
    widget.protocol.set_protocol(Protocol("leave_one_out"))
    press(widget.bar, "run")
    finish(qtbot, widget)
    panel = widget.labels.panel
    restored = panel.outcome.restored["nearest"].voxels[0, 0]
    assert (restored[1:-1] == TRUTH[:-2]).all()  # halfway, the section below


def test_every_control_can_be_reached_by_keyboard(viewer, widget, labels):
    chain = focus_chain(widget)
    for name in ("Nearest section", "Shape", "Image of the labels"):
        assert find(widget.labels.box, name) in chain

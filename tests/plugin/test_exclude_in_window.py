"""Sections that are left out in the window: typed, checked, shown as new, remembered with their layer, copied."""

import shlex

import numpy as np
import pytest
from controls import enter, find, heading, pick, press, read
from drive import finish, opened, run
from qtpy.QtWidgets import QApplication

from command_line import depth_interp
from napari_depth_interp import evaluate, interpolate, io
from napari_depth_interp.plugin.interpolate.runs_panel import describe_section
from napari_depth_interp.plugin.preferences import remembered_settings
from napari_depth_interp.stack import Dataset

PLUGIN = "napari-depth-interp"


@pytest.fixture
def layer(widget, tmp_path):
    """A stack of 7 sections of 40 x 50 pixels of 0.5 um, 2 um apart."""
    return opened(widget, tmp_path / "a.tif")


@pytest.fixture
def compare(viewer, layer):
    """The dock that compares, with the stack of ``layer``."""
    _, compare = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare methods")
    return compare


@pytest.mark.parametrize("protocol", ["Keep one section in a few", "Leave one out"])
def test_methods_are_compared_without_them(qtbot, compare, layer, protocol):
    enter(compare.stack, "Exclude sections", "2")
    compare.methods.set_methods(["linear", "cubic"])
    pick(compare.protocol, "Protocol", protocol)
    press(compare.bar, "run")
    finish(qtbot, compare)
    scored = compare.scores.comparison.scores.methods
    stack = Dataset.from_array(np.asarray(layer.data), z_spacing=2, pixel_size=(0.5, 0.5), unit="um")
    how = {} if protocol == "Leave one out" else {"keep_every": 2}
    expected = evaluate(stack, ["linear", "cubic"], exclude="2", **how).methods
    assert [each.mean for each in scored] == [each.mean for each in expected]
    press(compare.scores, "Copy as command")
    assert "--exclude 2" in QApplication.clipboard().text()


def test_excluded_sections_are_new_ones_of_the_result(qtbot, widget, layer, tmp_path):
    enter(widget.stack, "Exclude sections", "3,5")
    assert widget.settings().exclude == "3,5"
    assert heading(widget.stack).endswith("without 3,5")
    assert "7 → 25 sections" in read(widget.target, "summary")
    done = run(qtbot, widget, factor=2)
    expected = interpolate(tmp_path / "a.tif", method="linear", factor=2, exclude="3,5")
    np.testing.assert_array_equal(done.layers[0].data, expected)
    assert done.layers[0].metadata["depth_interp"]["excluded"] == [3, 5]
    assert describe_section(done, 4.0) == ("result: observed section, z = 4 um", True)
    assert describe_section(done, 6.0) == ("result: new section, z = 6 um", False)
    press(widget.runs, "Copy as command")
    words = shlex.split(QApplication.clipboard().text())
    assert "--z-spacing" not in words
    assert words[words.index("--exclude") + 1] == "3,5"
    assert depth_interp(*words[1:], cwd=tmp_path).returncode == 0
    np.testing.assert_array_equal(io.read(tmp_path / words[3]).voxels[0, 0], expected)


def test_a_layer_that_was_rescaled_is_copied_with_its_spacing(qtbot, widget, layer):
    layer.scale = (3, 0.5, 0.5)
    enter(widget.stack, "Exclude sections", "1")
    run(qtbot, widget, factor=2)
    press(widget.runs, "Copy as command")
    assert "--z-spacing 3.0um" in QApplication.clipboard().text()


def test_what_cannot_be_excluded_is_said_before_a_run(widget, layer):
    for text, words in {
        "7": "section 7 was named, but the stack has sections 0 to 6; correct 'Exclude sections' 7",
        "a": "the sections 'a' cannot be read",
        "0-5": "'Exclude sections' 0-5 leaves 1 of 7 sections",
    }.items():
        enter(widget.stack, "Exclude sections", text)
        assert words in read(widget.stack, "summary")
        assert not find(widget.bar, "run").isEnabled()
    enter(widget.stack, "Exclude sections", "")
    assert find(widget.bar, "run").isEnabled()
    assert widget.settings().exclude is None


def test_it_belongs_to_its_layer_and_is_not_remembered_for_the_next_start(qtbot, widget, layer, tmp_path):
    enter(widget.stack, "Exclude sections", "3")
    opened(widget, tmp_path / "b.tif")
    assert read(widget.stack, "Exclude sections") == ""
    pick(widget.stack, "Layer", "a")
    assert read(widget.stack, "Exclude sections") == "3"
    run(qtbot, widget, factor=2)
    assert remembered_settings().exclude is None
    widget.save_settings(str(tmp_path / "s.yaml"))
    enter(widget.stack, "Exclude sections", "")
    widget.load_settings(str(tmp_path / "s.yaml"))
    assert read(widget.stack, "Exclude sections") == "3"


def test_the_preview_fills_the_wider_gap(qtbot, viewer, widget, layer):
    enter(widget.stack, "Exclude sections", "3")
    pick(widget.method, "Method", "linear")
    viewer.dims.set_point(0, 6.0)
    press(widget.bar, "preview")
    finish(qtbot, widget)
    shown = viewer.layers["a linear preview"]
    np.testing.assert_array_equal(shown.data[[0, -1]], layer.data[[2, 4]])
    middle = layer.data[[2, 4]].astype(float).mean(0)
    np.testing.assert_allclose(shown.data[len(shown.data) // 2], middle, atol=0.5)

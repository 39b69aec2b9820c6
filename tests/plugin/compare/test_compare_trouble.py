"""Cancel, errors, and everything that changes or disappears during a comparison."""

import gc
import time
import weakref

import numpy as np
import pytest
from compared import TITLE, column, compare, visible
from controls import find, press, read, shows
from drive import finish, said, sparse_tiff
from qtpy.QtCore import QThreadPool

PLUGIN = "napari-depth-interp"


@pytest.fixture
def widget(slow, widget):
    """A widget that knows the slow method."""
    return widget


def start(qtbot, widget, *methods):
    """Start a comparison whose last method is slow, and wait until that one runs."""
    widget.methods.set_methods([*methods, "slow:best"])
    press(widget.bar, "run")
    qtbot.waitUntil(lambda: "fitting" in read(widget.bar, "message"), timeout=5000)


def is_ready(widget):
    return (
        read(widget.bar, "run").startswith("Run")
        and find(widget.bar, "run").isEnabled()
        and not shows(widget.bar, "progress")
    )


class TestCancel:
    def test_stops_at_once(self, qtbot, viewer, widget, stack):
        start(qtbot, widget)
        assert read(widget.bar, "run") == "Cancel"
        asked = time.perf_counter()
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert time.perf_counter() - asked < 0.5
        assert is_ready(widget)
        assert read(widget.bar, "message") == "cancelled; nothing was changed"
        assert [layer.name for layer in viewer.layers] == ["a"]

    def test_what_was_done_stays(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, "linear")
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert read(widget.bar, "message") == "cancelled; 1 method done"
        widget.scores.table.choose("linear")
        assert "a linear restored" in visible(viewer)
        exports = find(widget.scores, "Export").menu().actions()
        assert [each.text() for each in exports if each.isEnabled()] == ["Plot in view (PNG)…"]
        assert find(widget.scores, "Copy as command").isEnabled()

    def test_progress_and_time_left(self, qtbot, widget, stack):
        start(qtbot, widget, "linear")
        qtbot.waitUntil(lambda: " left" in read(widget.bar, "message"), timeout=4000)
        first = find(widget.bar, "progress").value()
        qtbot.waitUntil(lambda: find(widget.bar, "progress").value() > first, timeout=3000)
        widget.cancel()
        finish(qtbot, widget)

    def test_a_run_after_a_cancelled_one(self, qtbot, widget, stack):
        start(qtbot, widget, "linear")
        widget.cancel()
        finish(qtbot, widget)
        compare(qtbot, widget, "linear", "cubic")
        assert column(widget, "Method") == ["linear", "cubic"]

    def test_a_second_run_is_not_started_beside_the_first(self, qtbot, widget, stack, tmp_path):
        start(qtbot, widget)
        job = widget.job
        widget.run()
        widget.write_report(tmp_path)
        assert widget.job is job
        widget.cancel()
        finish(qtbot, widget)


class TestErrors:
    def test_a_method_that_fails_leaves_the_finished_ones(self, qtbot, widget, stack, slow, monkeypatch):
        monkeypatch.setitem(slow.presets, "best", {"steps": 2, "outcome": "error"})
        widget.methods.set_methods(["linear", "slow:best"])
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert "RuntimeError: the fit went wrong" in read(widget.bar, "message")
        assert any("the fit went wrong" in message for message in said("error"))
        assert column(widget, "Method") == ["linear"]
        assert is_ready(widget)

    def test_out_of_memory_gets_advice(self, qtbot, widget, stack, slow, monkeypatch):
        monkeypatch.setitem(slow.presets, "best", {"steps": 2, "outcome": "memory"})
        widget.methods.set_methods(["slow:best"])
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert "use a crop of the stack" in read(widget.bar, "message")

    def test_voxels_that_are_not_numbers(self, qtbot, viewer, widget):
        voxels = np.ones((5, 9, 9), np.float32)
        voxels[1, 2, 3] = np.nan
        viewer.add_image(voxels, scale=(2, 1, 1), units="um", name="holes")
        widget.run()
        finish(qtbot, widget)
        assert "1 of 405 voxels are NaN" in read(widget.bar, "message")
        assert is_ready(widget)

    def test_a_constant_stack(self, qtbot, viewer, widget):
        viewer.add_image(np.full((5, 9, 9), 5, np.uint8), scale=(2, 1, 1), units="um", name="flat")
        widget.run()
        finish(qtbot, widget)
        assert "the truth is constant (5)" in read(widget.bar, "message")
        assert "'Data range'" in read(widget.bar, "message")


class TestChangesDuringARun:
    def test_the_input_is_removed(self, qtbot, viewer, widget, stack, slow, monkeypatch):
        monkeypatch.setitem(slow.presets, "best", {"steps": 10})
        start(qtbot, widget, "linear")
        viewer.layers.remove("a")
        finish(qtbot, widget)
        assert "changed or removed during the run" in read(widget.bar, "message")
        assert column(widget, "Method") == ["linear", "slow"]
        press(widget.scores, "Truth")
        widget.scores.table.choose("linear")
        np.testing.assert_array_equal(viewer.layers["a truth"].data, stack)

    def test_another_stack_is_chosen(self, qtbot, viewer, widget, stack, tmp_path, slow, monkeypatch):
        monkeypatch.setitem(slow.presets, "best", {"steps": 10})
        start(qtbot, widget, "linear")
        sparse_tiff(tmp_path / "b.tif", sections=3)
        widget.stack.open_files([tmp_path / "b.tif"])
        widget.methods.set_methods(["cubic"])
        finish(qtbot, widget)
        assert widget.scores.comparison.title == "a"
        assert "changed or removed" not in read(widget.bar, "message")
        press(widget.scores, "Truth")
        widget.scores.table.choose("linear")
        assert len(viewer.layers["a truth"].data) == 9

    def test_the_dock_is_closed(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, "linear")
        viewer.window.remove_dock_widget(widget)
        assert QThreadPool.globalInstance().waitForDone(1000)
        qtbot.wait(50)
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert viewer.mouse_move_callbacks == []
        viewer.add_image(np.zeros((3, 4, 5)), name="later")
        viewer.dims.set_point(0, 1.0)
        viewer.theme = "light"

    @pytest.mark.parametrize("view", ["_side", "_flicker"])
    def test_the_dock_is_closed_in_a_special_view(self, qtbot, viewer, widget, stack, view):
        compare(qtbot, widget, "linear", "cubic")
        widget.scores.table.choose("cubic")
        getattr(widget.scores, view).click()
        viewer.window.remove_dock_widget(widget)
        assert not viewer.canvas.grid.enabled
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]

    def test_the_dock_is_closed_after_another_choice(self, qtbot, viewer, widget, stack):
        """Closing adds no layer for the row that was chosen last."""
        compare(qtbot, widget, "linear", "cubic")
        widget.scores.table.choose("cubic")
        press(widget.scores, "Side by side")
        widget.scores.table.choose("linear")
        before = list(viewer.layers)
        viewer.window.remove_dock_widget(widget)
        assert list(viewer.layers) == before
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]


def test_a_closed_dock_is_forgotten(qtbot, viewer, tmp_path):
    def use():
        _dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
        sparse_tiff(tmp_path / "a.tif", sections=9)
        widget.stack.open_files([tmp_path / "a.tif"])
        compare(qtbot, widget, "linear", "cubic")
        widget.scores.table.choose("cubic")
        viewer.window.remove_dock_widget(widget)
        return weakref.ref(widget)

    gone = use()
    qtbot.wait(50)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("view", ["none", "_side", "_flicker", "running"])
def test_the_window_is_closed(qtbot, slow, make_napari_viewer, tmp_path, view):
    viewer = make_napari_viewer(strict_qt="raise")
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)
    sparse_tiff(tmp_path / "a.tif", sections=9)
    widget.stack.open_files([tmp_path / "a.tif"])
    if view == "running":
        start(qtbot, widget, "linear")
    else:
        compare(qtbot, widget, "linear", "cubic")
        widget.scores.table.choose("cubic")
        if view != "none":
            getattr(widget.scores, view).click()
    job = widget.job
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(1000)  # of the ten seconds that the run takes
    assert job is None or job.abort_requested

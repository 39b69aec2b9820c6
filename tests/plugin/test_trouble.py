"""Cancel, errors, and everything that changes or disappears during a run."""

import gc
import time
import weakref

import numpy as np
import pytest
from controls import enter, find, press, read, shows, tick
from drive import choose, finish, run, said, sparse_tiff
from PIL import Image
from qtpy.QtCore import Qt, QThreadPool

PLUGIN = "napari-depth-interp"


@pytest.fixture
def widget(slow, open_widget):
    """A widget that knows the slow method, with a stack."""
    return open_widget()


@pytest.fixture
def stack(widget, tmp_path):
    voxels = sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    return voxels


def start(qtbot, widget, steps=200, **parameters):
    """Start a slow run and wait until it reports."""
    choose(widget, method="slow", parameters={"steps": steps, **parameters}, factor=2)
    press(widget.bar, "run")
    qtbot.waitUntil(lambda: "fitting" in read(widget.bar, "message"), timeout=3000)


def is_ready(widget):
    bar = widget.bar
    return (
        read(bar, "run").startswith("Run")
        and find(bar, "run").isEnabled()
        and find(bar, "preview").isEnabled()
        and not shows(bar, "progress")
    )


class TestCancel:
    def test_run_turns_into_cancel_and_stops_within_half_a_second(self, qtbot, viewer, widget, stack):
        start(qtbot, widget)
        bar = widget.bar
        assert read(bar, "run") == "Cancel"
        assert find(bar, "run").isEnabled()
        assert not find(bar, "preview").isEnabled()
        assert shows(bar, "progress")
        asked = time.perf_counter()
        press(bar, "run")
        assert read(bar, "run") == "Cancelling…"
        assert not find(bar, "run").isEnabled()
        finish(qtbot, widget)
        assert time.perf_counter() - asked < 0.5
        assert is_ready(widget)
        assert "cancelled" in read(bar, "message")
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert widget.runs.runs == []

    def test_a_change_in_a_box_does_not_end_cancelling(self, qtbot, widget, stack):
        start(qtbot, widget)
        press(widget.bar, "run")
        enter(widget.target, "Factor", 7)
        assert read(widget.bar, "run") == "Cancelling…"
        assert not find(widget.bar, "run").isEnabled()
        finish(qtbot, widget)
        assert is_ready(widget)

    def test_a_result_on_its_way_when_cancel_is_clicked_is_dropped(self, qtbot, viewer, widget, stack):
        choose(widget, method="linear")
        press(widget.bar, "run")
        QThreadPool.globalInstance().waitForDone(5000)
        time.sleep(0.2)  # the job may start only now: it waits for the event loop
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert "cancelled" in read(widget.bar, "message")
        assert is_ready(widget)

    def test_a_run_after_a_cancelled_one(self, qtbot, widget, stack):
        start(qtbot, widget)
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert run(qtbot, widget, method="slow", parameters={"steps": 1}).name == "a slow"

    def test_a_second_run_is_not_started_beside_the_first(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, steps=6)
        job = widget.job
        widget.run()
        widget.preview()
        assert widget.job is job
        finish(qtbot, widget)
        assert [layer.name for layer in viewer.layers] == ["a", "a slow"]

    def test_progress_and_time_left(self, qtbot, widget, stack):
        start(qtbot, widget, steps=40)
        qtbot.waitUntil(lambda: " left" in read(widget.bar, "message"), timeout=4000)
        first = find(widget.bar, "progress").value()
        qtbot.waitUntil(lambda: find(widget.bar, "progress").value() > first, timeout=2000)
        widget.cancel()
        finish(qtbot, widget)


class TestErrors:
    def test_an_error_is_shown_in_the_widget_and_by_napari(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, steps=2, outcome="error")
        finish(qtbot, widget)
        assert "RuntimeError: the fit went wrong" in read(widget.bar, "message")
        assert any("the fit went wrong" in message for message in said("error"))
        assert is_ready(widget)
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert run(qtbot, widget, method="linear", parameters={}).name == "a linear"

    def test_out_of_memory_gets_advice(self, qtbot, widget, stack):
        start(qtbot, widget, steps=2, outcome="memory")
        finish(qtbot, widget)
        assert "use a smaller factor, one channel, or a crop" in read(widget.bar, "message")
        assert is_ready(widget)

    def test_what_an_error_said_goes_with_its_cause(self, qtbot, widget, stack):
        start(qtbot, widget, steps=2, outcome="error")
        finish(qtbot, widget)
        assert "went wrong" in read(widget.bar, "message")
        enter(widget.target, "Factor", 3)
        assert read(widget.bar, "message") == ""

    def test_a_request_that_does_not_fit(self, qtbot, viewer, widget, stack):
        choose(widget, method="slow", acquisition="projection:4")
        press(widget.bar, "run")
        finish(qtbot, widget)
        assert "projection" in read(widget.bar, "message")
        assert any("projection" in message for message in said("warning"))
        assert is_ready(widget)

    def test_voxels_that_are_not_numbers(self, qtbot, viewer, widget):
        voxels = np.ones((4, 9, 9), np.float32)
        voxels[1, 2, 3] = np.nan
        viewer.add_image(voxels, scale=(2, 1, 1), units="um", name="holes")
        widget.run()
        finish(qtbot, widget)
        assert "1 of 324 voxels are NaN" in read(widget.bar, "message")
        assert is_ready(widget)

    def test_warnings_of_a_run_are_shown(self, qtbot, viewer, widget):
        viewer.add_image(np.full((4, 9, 9), 5, np.uint8), scale=(2, 1, 1), units="um", name="flat")
        run(qtbot, widget, method="cubic")
        assert "the stack is constant" in read(widget.bar, "message")
        assert any("the stack is constant" in message for message in said("warning"))


class TestChangesDuringARun:
    def test_the_input_is_removed(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, steps=6)
        viewer.layers.remove("a")
        finish(qtbot, widget)
        assert viewer.layers["a slow"].data.shape[0] == 13
        assert "changed or removed during the run" in read(widget.bar, "message")
        np.testing.assert_array_equal(viewer.layers["a slow"].data[::2], stack)

    def test_the_input_gets_other_data(self, qtbot, viewer, widget, stack):
        start(qtbot, widget, steps=6)
        viewer.layers["a"].data = np.zeros_like(stack)
        finish(qtbot, widget)
        assert "changed or removed during the run" in read(widget.bar, "message")
        np.testing.assert_array_equal(viewer.layers["a slow"].data[::2], stack)

    def test_another_stack_and_other_settings_are_chosen(self, qtbot, viewer, widget, stack, tmp_path):
        start(qtbot, widget, steps=6)
        sparse_tiff(tmp_path / "b.tif", sections=3)
        widget.stack.open_files([tmp_path / "b.tif"])
        choose(widget, method="linear", parameters={}, factor=9)
        finish(qtbot, widget)
        record = viewer.layers["a slow"].metadata["depth_interp"]
        assert (record["method"], record["input"]["file"]) == ("slow", "a.tif")
        assert len(viewer.layers["a slow"].data) == 13

    def test_an_input_that_is_left_alone_is_not_complained_about(self, qtbot, widget, stack):
        start(qtbot, widget, steps=4)
        finish(qtbot, widget)
        assert "changed or removed" not in read(widget.bar, "message")

    def test_the_dock_is_closed(self, qtbot, viewer, widget, stack):
        start(qtbot, widget)
        viewer.window.remove_dock_widget(widget)
        assert QThreadPool.globalInstance().waitForDone(1000)
        qtbot.wait(50)
        assert [layer.name for layer in viewer.layers] == ["a"]
        viewer.add_image(np.zeros((3, 4, 5)), name="later")
        viewer.dims.set_point(0, 1.0)
        viewer.theme = "light"

    def test_a_closed_dock_is_forgotten(self, qtbot, viewer, slow, open_widget):
        widget = open_widget()
        gone = weakref.ref(widget)
        viewer.window.remove_dock_widget(widget)
        del widget
        qtbot.wait(50)
        gc.collect()
        assert gone() is None


class TestWindowClosed:
    @pytest.fixture
    def running(self, qtbot, slow, make_napari_viewer, tmp_path):
        viewer = make_napari_viewer(strict_qt="raise")
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        start(qtbot, widget)
        return viewer, widget

    def test_the_run_ends(self, qtbot, running):
        viewer, widget = running
        job = widget.job
        assert viewer.window._task_status_manager.is_busy()
        viewer.close()
        assert QThreadPool.globalInstance().waitForDone(1000)  # of the ten seconds that the run takes
        assert job.abort_requested
        qtbot.wait(100)  # what was sent meanwhile arrives at a window that is gone

    def test_a_result_that_arrives_afterwards_is_dropped(self, qtbot, slow, make_napari_viewer, tmp_path):
        viewer = make_napari_viewer()
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / "a.tif"])
        start(qtbot, widget, steps=3)
        QThreadPool.globalInstance().waitForDone(5000)
        viewer.close()
        qtbot.wait(100)
        assert len(viewer.layers) == 0


def test_nothing_is_left_behind(qtbot, slow, make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(strict_qt="raise")
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
    sparse_tiff(tmp_path / "a.tif", sections=9)
    widget.stack.open_files([tmp_path / "a.tif"])
    widget.compute.set_scoring(2)
    for method in ("nearest", "cubic", "slow"):
        run(qtbot, widget, method=method)
        for part in ("Truth", "Restored", "Error"):
            tick(widget.runs, part)
    tick(widget.runs, "Uncertainty")
    assert len(viewer.layers) == 1 + 4 + 4 + 5


def test_tags_in_files_and_names_are_read_as_they_stand(qtbot, viewer, widget, tmp_path):
    """A page that was downloaded instead of an image, and names with what looks like rich text."""
    (tmp_path / "page.tif").write_text("<html><b>404</b></html>")
    widget.stack.open_files([tmp_path / "page.tif"])
    label = find(widget.stack, "summary")
    assert "(it begins with b'<html><b')" in label.text()
    assert label.textFormat() == Qt.TextFormat.PlainText
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((9, 8), number, np.uint8)).save(folder / f"<b>{number}.png")
    widget.stack.open_files([folder])
    assert "from &lt;b&gt;0.png to &lt;b&gt;2.png" in label.text()
    assert label.textFormat() == Qt.TextFormat.RichText
    viewer.layers["images"].name = "<i>a</i>"
    choose(widget, method="linear", factor=2, z_spacing="2um")
    press(widget.bar, "run")
    finish(qtbot, widget)
    message = find(widget.bar, "message")
    assert message.text().startswith("<i>a</i> linear: done in")
    assert message.textFormat() == Qt.TextFormat.PlainText

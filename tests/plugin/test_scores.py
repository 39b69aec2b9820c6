"""Scored runs: layers, table, plot, and the words in the canvas."""

import numpy as np
import pytest
from controls import cursor_at, drawn_curves, enter, find, front_page, graph, press, read, row_texts, tick
from drive import choose, run, sparse_tiff
from napari.settings import get_plugin_settings
from qtpy.QtCore import QPointF, Qt

from napari_depth_interp import evaluate

PLUGIN = "napari-depth-interp"


@pytest.fixture
def stack(widget, tmp_path):
    voxels = sparse_tiff(tmp_path / "a.tif", sections=9)
    widget.stack.open_files([tmp_path / "a.tif"])
    widget.compute.set_scoring(2)
    return voxels


def cells(widget, row):
    return row_texts(find(widget.runs, "Runs"), row)


def shown_part(widget, name):
    """Show a part of the chosen run by its button, and return its layer."""
    tick(widget.runs, name)
    [layer] = next(reversed(widget.runs.chosen.more.values()))
    return layer


def overlay(viewer):
    return viewer.canvas.overlays.text


class TestLayers:
    def test_truth_restored_and_error(self, qtbot, viewer, widget, stack):
        [result] = run(qtbot, widget, factor=4).layers
        assert list(viewer.layers) == [viewer.layers["a"], result]
        truth, restored, error = (shown_part(widget, part) for part in ("Truth", "Restored", "Error"))
        assert [layer.name for layer in (truth, restored, error)] == [
            "a linear truth", "a linear restored", "a linear absolute error",
        ]  # fmt: skip
        np.testing.assert_array_equal(truth.data, stack)
        np.testing.assert_array_equal(restored.data[::2], stack[::2])
        assert (restored.data[1] != stack[1]).any()
        np.testing.assert_array_equal(error.data, np.abs(restored.data.astype(float) - stack))
        assert error.data.dtype == np.float32
        assert result.data.shape == (33, 40, 50)
        assert all(layer.visible for layer in (result, truth, restored, error))
        for layer in (truth, restored, error):
            np.testing.assert_allclose(layer.scale, viewer.layers["a"].scale)
            np.testing.assert_allclose(layer.translate, viewer.layers["a"].translate)
            assert layer.units == result.units
        assert front_page(widget) is widget.runs

    def test_the_last_sections_that_no_kept_one_encloses_are_left_out(self, qtbot, widget, stack):
        widget.compute.set_scoring(3)
        run(qtbot, widget)
        truth, restored = (shown_part(widget, part) for part in ("Truth", "Restored"))
        np.testing.assert_array_equal(truth.data, stack[:7])
        assert restored.data.shape == truth.data.shape

    def test_colours_are_those_of_the_preferences(self, qtbot, widget, stack):
        defaults = get_plugin_settings(PLUGIN).defaults
        defaults.error_colormap = "magma"
        try:
            run(qtbot, widget)
            assert shown_part(widget, "Error").colormap.name == "magma"
        finally:
            defaults.error_colormap = "inferno"


class TestTable:
    def test_row_holds_the_scores_of_the_library(self, qtbot, widget, stack, tmp_path):
        run(qtbot, widget, method="cubic")
        expected = evaluate(tmp_path / "a.tif", ["linear", "cubic"], keep_every=2)
        name, seconds, psnr, ssim, rmse, gain = cells(widget, 0)
        linear, cubic = expected.methods
        assert name == "a cubic"
        assert seconds.endswith(" s")
        assert ssim == f"{cubic.mean['ssim']:.3f}"
        difference = cubic.gain_over(linear)
        assert gain.startswith(f"{difference:+.2f} dB")
        assert float(psnr) == pytest.approx(cubic.volume["psnr"], abs=0.5)
        assert float(rmse) > 0

    def test_worse_than_linear_is_said_in_words(self, qtbot, widget, stack):
        run(qtbot, widget, method="nearest")
        assert cells(widget, 0)[-1].endswith("dB worse")
        assert cells(widget, 0)[-1].startswith("-")
        assert "nearest is worse than linear interpolation" in read(widget.runs, "summary")

    def test_linear_is_the_baseline(self, qtbot, widget, stack):
        run(qtbot, widget)
        assert cells(widget, 0)[-1] == "baseline"

    def test_a_run_that_was_not_scored(self, qtbot, widget, stack):
        tick(widget.compute, "score", False)
        run(qtbot, widget)
        assert cells(widget, 0)[2:] == ["-", "-", "-", "not scored"]
        assert "not scored" in read(widget.runs, "summary")
        assert drawn_curves(widget.runs.plot) == {}

    def test_parameters_of_the_method_are_not_given_to_the_baseline(self, qtbot, widget, stack):
        done = run(qtbot, widget, method="cubic", parameters={"kind": "spline"})
        assert done.scores.config["kind"] == "spline"

    def test_a_clicked_row_shows_its_own_layers(self, qtbot, viewer, widget, stack):
        first, second = run(qtbot, widget), run(qtbot, widget, method="cubic")
        error = shown_part(widget, "Error")
        assert not first.layers[0].visible
        find(widget.runs, "Runs").selectRow(0)
        assert first.layers[0].visible
        assert not any(layer.visible for layer in (*second.layers, error))
        assert viewer.layers["a"].visible

    def test_a_row_whose_layers_are_gone(self, qtbot, viewer, widget, stack):
        first = run(qtbot, widget)
        run(qtbot, widget, method="cubic")
        for layer in first.layers:
            viewer.layers.remove(layer)
        find(widget.runs, "Runs").selectRow(0)
        assert find(widget.runs, "Copy as command").isEnabled()
        assert not overlay(viewer).visible

    @pytest.mark.parametrize("text", ["1", "a b", "5 2"])
    def test_a_data_range_that_is_none(self, qtbot, viewer, widget, stack, text):
        enter(widget.compute, "Data range", text)
        widget.run()
        qtbot.waitUntil(lambda: widget.job is None, timeout=5000)
        assert "data range must be two numbers" in read(widget.bar, "message")
        assert len(viewer.layers) == 1

    def test_a_given_data_range(self, qtbot, widget, stack):
        enter(widget.compute, "Data range", "0, 40000")
        assert run(qtbot, widget).outcome.held_out.scores.data_range == ((0.0, 40000.0),)
        assert "0 to 40000" in read(widget.runs, "summary")

    def test_too_few_sections_to_hide_some(self, viewer, widget, stack, qtbot):
        widget.compute.set_scoring(20)
        widget.run()
        qtbot.waitUntil(lambda: widget.job is None, timeout=5000)
        assert "keeping one section in 20 of 9" in read(widget.bar, "message")
        assert find(widget.bar, "run").isEnabled()


class TestParts:
    def test_a_button_hides_and_shows_again(self, qtbot, viewer, widget, stack):
        run(qtbot, widget)
        error = shown_part(widget, "Error")
        tick(widget.runs, "Error", False)
        assert not error.visible
        assert shown_part(widget, "Error") is error
        assert error.visible
        assert not find(widget.runs, "Uncertainty").isEnabled()

    def test_what_was_removed_by_hand_comes_back(self, qtbot, viewer, widget, stack):
        run(qtbot, widget)
        before = shown_part(widget, "Truth").data.copy()
        viewer.layers.remove("a linear truth")
        assert not find(widget.runs, "Truth").isChecked()
        np.testing.assert_array_equal(shown_part(widget, "Truth").data, before)

    def test_they_go_with_the_result(self, qtbot, viewer, widget, stack):
        done = run(qtbot, widget)
        shown_part(widget, "Truth")
        viewer.layers.remove(done.layers[0])
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert not find(widget.runs, "Truth").isEnabled()

    def test_a_run_is_removed_and_taken_back(self, qtbot, viewer, widget, stack):
        first, second = run(qtbot, widget), run(qtbot, widget, method="cubic")
        find(widget.runs, "Runs").selectRow(0)
        truth = shown_part(widget, "Truth")
        viewer.dims.set_point(0, 6.0)
        press(widget.runs, "Remove run")
        assert widget.runs.runs == [second]
        assert [layer.name for layer in viewer.layers] == ["a", "a cubic"]
        press(widget.runs, "Undo remove")
        assert widget.runs.runs == [first, second]
        assert widget.runs.chosen is first
        assert {first.layers[0], truth} < set(viewer.layers)
        assert cells(widget, 0)[0] == "a linear"
        assert not find(widget.runs, "Undo remove").isEnabled()
        assert find(widget.runs, "Truth").isChecked()
        assert viewer.dims.point[0] == 6.0

    def test_before_a_run_there_is_nothing_to_show(self, widget):
        names = ("Truth", "Restored", "Error", "Uncertainty", "Beside input", "Remove run")
        assert [name for name in names if find(widget.runs, name).isEnabled()] == []


class TestPlot:
    def test_a_point_for_each_hidden_section(self, qtbot, widget, stack):
        done = run(qtbot, widget, method="cubic")
        curves = drawn_curves(widget.runs.plot)
        assert set(curves) == {"linear", "a cubic"}
        for x, y in curves.values():
            np.testing.assert_allclose(x, [2, 6, 10, 14])
            assert (y > 0).all()
        np.testing.assert_allclose(curves["a cubic"][1], [row["psnr"] for row in done.scores.sections])

    def test_the_baseline_is_drawn_once(self, qtbot, widget, stack):
        for method in ("nearest", "cubic", "linear"):
            run(qtbot, widget, method=method)
        names = [item.name() for item in graph(widget.runs.plot).listDataItems()]
        assert sorted(names) == ["a cubic", "a nearest", "linear"]

    def test_the_cursor_follows_the_slider(self, qtbot, viewer, widget, stack):
        run(qtbot, widget)
        for depth in (0.0, 6.0, 16.0):
            viewer.dims.set_point(0, depth)
            assert cursor_at(widget.runs.plot) == pytest.approx(depth)

    def test_a_click_moves_the_slider(self, qtbot, shown_viewer, tmp_path):
        viewer = shown_viewer
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN)
        sparse_tiff(tmp_path / "a.tif", sections=9)
        widget.stack.open_files([tmp_path / "a.tif"])
        widget.compute.set_scoring(2)
        run(qtbot, widget)
        view = graph(widget.runs.plot)
        qtbot.waitUntil(lambda: view.isVisible() and view.width() > 150, timeout=3000)
        qtbot.wait(100)  # let the plot find its range
        (low, high), (bottom, top) = view.getViewBox().viewRange()
        viewer.dims.set_point(0, 0.0)
        depth = low + 0.6 * (high - low)
        place = view.mapFromScene(view.getViewBox().mapViewToScene(QPointF(depth, (bottom + top) / 2)))
        qtbot.mouseMove(view.viewport(), place)
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.waitUntil(lambda: abs(viewer.dims.point[0] - depth) < 0.4, timeout=3000)
        assert cursor_at(widget.runs.plot) == pytest.approx(viewer.dims.point[0])

    def test_follows_the_theme(self, viewer, widget):
        before = graph(widget.runs.plot).backgroundBrush().color().name()
        viewer.theme = "light"
        assert graph(widget.runs.plot).backgroundBrush().color().name() != before


class TestWords:
    def test_new_and_observed_sections_are_told_apart(self, qtbot, viewer, widget, stack):
        run(qtbot, widget, factor=4)
        viewer.dims.set_point(0, 4.0)
        assert overlay(viewer).text.strip() == "result: observed section, z = 4 um"
        colour = np.array(overlay(viewer).color)
        viewer.dims.set_point(0, 4.5)
        assert overlay(viewer).text.strip() == "result: new section, z = 4.5 um"
        assert (np.array(overlay(viewer).color) != colour).any()
        assert overlay(viewer).visible

    def test_only_while_the_result_is_seen(self, qtbot, viewer, widget, stack):
        layer = run(qtbot, widget).layers[0]
        layer.visible = False
        assert not overlay(viewer).visible
        layer.visible = True
        assert overlay(viewer).visible
        viewer.dims.ndisplay = 3
        assert not overlay(viewer).visible
        viewer.dims.ndisplay = 2
        assert overlay(viewer).visible
        viewer.layers.remove(layer)
        assert not overlay(viewer).visible

    def test_colours_are_those_of_the_preferences(self, qtbot, viewer, widget, stack):
        defaults = get_plugin_settings(PLUGIN).defaults
        defaults.new_colour = "#ff0000"
        try:
            run(qtbot, widget, factor=4)
            viewer.dims.set_point(0, 4.5)
            np.testing.assert_allclose(np.array(overlay(viewer).color)[:3], (1, 0, 0))
            defaults.new_colour = "no colour"
            viewer.dims.set_point(0, 5.0)
            assert "new section" in overlay(viewer).text
        finally:
            defaults.new_colour = "#ffb14e"

    def test_choose_keeps_what_it_was_not_given(self, widget, stack):
        choose(widget, factor=5)
        choose(widget, method="cubic")
        assert widget.settings().factor == 5

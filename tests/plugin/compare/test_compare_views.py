"""Layers of a clicked row, side by side, flicker, plots and the profile."""

import numpy as np
import pytest
from compared import Finished, click, compare, visible
from controls import cursor_at, drawn_curves, find, graph, pick, point_labels, press, read, shows
from qtpy.compat import isalive
from qtpy.QtCore import QPoint, QPointF, Qt

from napari_depth_interp.plugin.compare import views
from napari_depth_interp.plugin.layers import cell_names

METHODS = ("linear", "cubic", "slow:fast")


@pytest.fixture(autouse=True)
def _quick_flicker(monkeypatch):
    monkeypatch.setattr(views, "FLICKER_INTERVAL", 60)


@pytest.fixture
def compared(finished):
    """A window with a finished comparison: viewer, widget, voxels."""
    done = finished(*METHODS)
    return done.viewer, done.widget, done.voxels


@pytest.fixture
def shown(qtbot, slow, shown_viewer, tmp_path):
    """The same on the screen, where all is drawn: one test of each view, and those that need places on it."""
    done = Finished(qtbot, shown_viewer, tmp_path, METHODS)
    return done.viewer, done.widget, done.voxels


class TestLayers:
    def test_there_are_none_before_the_first_click(self, qtbot, viewer, widget, stack):
        compare(qtbot, widget)
        assert [layer.name for layer in viewer.layers] == ["a"]

    def test_a_click_shows_the_layers_of_its_row(self, qtbot, shown):
        viewer, widget, voxels = shown
        assert "slow (fast)" in read(widget.scores, "summary")
        assert "slow:fast" not in read(widget.scores, "summary")
        click(qtbot, widget, "cubic")
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]
        click(qtbot, widget, "slow:fast")
        own = ["restored", "absolute error", "uncertainty"]
        assert visible(viewer) == ["a", *(f"a slow (fast) {part}" for part in own)]
        assert "a cubic uncertainty" not in viewer.layers
        click(qtbot, widget, "cubic")
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]
        restored, error = viewer.layers["a cubic restored"].data, viewer.layers["a cubic absolute error"].data
        assert restored.dtype == voxels.dtype
        np.testing.assert_array_equal(restored[::2], voxels[::2])
        np.testing.assert_array_equal(error, np.abs(restored.astype(float) - voxels).astype(np.float32))
        press(widget.scores, "Truth")
        np.testing.assert_array_equal(viewer.layers["a truth"].data, voxels)

    def test_they_lie_over_the_input(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "slow:fast")
        press(widget.scores, "Truth")
        source = viewer.layers["a"]
        assert len(viewer.layers) == 5
        for layer in viewer.layers:
            np.testing.assert_allclose(layer.scale, source.scale)
            np.testing.assert_allclose(layer.translate, source.translate)
            assert layer.units == source.units
            assert layer.axis_labels == source.axis_labels
        assert viewer.layers.units is not None

    def test_a_turned_input(self, qtbot, viewer, widget, stack):
        source = viewer.layers["a"]
        source.rotate = 30
        compare(qtbot, widget)
        press(widget.scores, "Truth")
        widget.scores.table.choose("cubic")
        np.testing.assert_allclose(viewer.layers["a truth"].rotate, source.rotate)
        np.testing.assert_allclose(viewer.layers["a cubic absolute error"].translate, source.translate)

    def test_errors_have_the_same_limits(self, qtbot, compared):
        viewer, widget, _ = compared
        for name in ("slow:fast", "cubic"):
            click(qtbot, widget, name)
        limits = [viewer.layers[f"a {name} absolute error"].contrast_limits for name in ("cubic", "slow (fast)")]
        assert limits[0] == limits[1]

    def test_the_boxes_choose_what_is_in_view(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "slow:fast")
        press(widget.scores, "Error")
        assert visible(viewer) == ["a", "a slow (fast) restored", "a slow (fast) uncertainty"]
        press(widget.scores, "Truth")
        assert "a truth" in visible(viewer)
        click(qtbot, widget, "cubic")
        assert visible(viewer) == ["a", "a truth", "a cubic restored"]

    def test_layers_removed_by_hand_come_back_with_a_click(self, qtbot, compared):
        viewer, widget, _ = compared
        press(widget.scores, "Truth")
        click(qtbot, widget, "cubic")
        for name in ("a truth", "a cubic restored", "a"):
            viewer.layers.remove(name)
        viewer.dims.set_point(0, 4.0)
        click(qtbot, widget, "linear")
        click(qtbot, widget, "cubic")
        names = [layer.name for layer in viewer.layers]
        assert names.index("a truth") < names.index("a cubic restored") < names.index("a cubic absolute error")
        viewer.layers.clear()
        click(qtbot, widget, "linear")
        assert visible(viewer) == ["a truth", "a linear restored", "a linear absolute error"]

    def test_time_points(self, qtbot, viewer, widget, stack):
        film = np.stack([stack, stack // 2])
        viewer.add_image(film, name="film", scale=(1, 2, 0.5, 0.5), units=("s", "um", "um", "um"))
        pick(widget.stack, "Layer", "film")
        comparison = compare(qtbot, widget, "linear", "cubic")
        widget.scores.table.choose("cubic")
        assert viewer.layers["film cubic absolute error"].data.shape == (2, 9, 40, 50)
        assert len(comparison.scores.of("cubic").sections) == 8
        [line] = [each for each in graph(widget.scores.plots.sections).listDataItems() if each.name() == "cubic"]
        assert len(line.getData()[0]) == 4


class TestHiddenSections:
    def test_the_canvas_says_which_are_kept(self, qtbot, compared):
        viewer, widget, _ = compared
        overlay = viewer.canvas.overlays.text
        assert not overlay.visible
        widget.scores.table.choose("cubic")
        for depth, words in ((4.0, "kept section, z = 4 um"), (6.0, "hidden section, z = 6 um")):
            viewer.dims.set_point(0, depth)
            assert overlay.visible
            assert overlay.text.strip().split("\n") == [words, "colour bar: absolute error in grey values"]
        for layer in list(viewer.layers)[1:]:
            viewer.layers.remove(layer)
        viewer.dims.set_point(0, 4.0)
        assert not overlay.visible

    def test_buttons_go_from_one_to_the_next(self, qtbot, viewer, widget, stack):
        assert not find(widget.scores, "Next hidden").isEnabled()
        compare(qtbot, widget)
        viewer.dims.set_point(0, 4.0)
        seen = []
        for button in ("Next hidden", "Next hidden", "Previous hidden", "Previous hidden", "Previous hidden"):
            press(widget.scores, button)
            seen.append(viewer.dims.point[0])
        assert seen == [6.0, 10.0, 6.0, 2.0, 2.0]

    def test_side_by_side_and_flicker_begin_at_one(self, qtbot, compared):
        viewer, widget, _ = compared
        widget.scores.table.choose("cubic")
        for button in ("Side by side", "Flicker"):
            viewer.dims.set_point(0, 8.0)
            press(widget.scores, button)
            assert viewer.dims.point[0] in (6.0, 10.0)
            press(widget.scores, button)

    def test_errors_have_a_colour_bar(self, qtbot, compared):
        viewer, widget, _ = compared
        widget.scores.table.choose("cubic")
        assert viewer.layers["a cubic absolute error"].colorbar.visible
        assert not viewer.layers["a cubic restored"].colorbar.visible

    @pytest.mark.parametrize("button", ["Flicker", "Blend"])
    def test_without_a_choice_the_best_is_taken(self, qtbot, compared, button):
        _, widget, _ = compared
        assert widget.scores.table.chosen_names() == []
        press(widget.scores, button)
        best = max(widget.scores.comparison.scored.values(), key=lambda each: each.scores.volume["psnr"])
        assert widget.scores.table.chosen_names() == [best.scores.method]
        press(widget.scores, button)


class TestSideBySide:
    def test_on_and_off(self, qtbot, shown):
        viewer, widget, _ = shown
        click(qtbot, widget, "cubic")
        grid, camera = viewer.canvas.grid, viewer.scene.camera
        grid.stride, grid.shape = -2, (3, 3)
        viewer.layers["a"].visible = False
        before, zoom = visible(viewer), camera.zoom
        click(qtbot, widget, "linear", Qt.KeyboardModifier.ControlModifier)
        click(qtbot, widget, "cubic", Qt.KeyboardModifier.ControlModifier)
        click(qtbot, widget, "cubic", Qt.KeyboardModifier.ControlModifier)
        before = visible(viewer)
        press(widget.scores, "Side by side")
        assert visible(viewer) == ["a truth", "a cubic restored", "a linear restored"]
        assert grid.enabled
        assert np.prod(grid.actual_shape(viewer.layers)) >= 3
        assert all(layer.name_overlay.visible == layer.visible for layer in viewer.layers)
        assert "a linear restored" in find(widget.scores, "Side by side").toolTip()
        press(widget.scores, "Side by side")
        assert "a linear restored" not in find(widget.scores, "Side by side").toolTip()
        assert not grid.enabled
        assert (grid.stride, grid.shape) == (-2, (3, 3))
        assert visible(viewer) == before
        assert camera.zoom == pytest.approx(zoom)
        assert not any(layer.name_overlay.visible for layer in viewer.layers)

    def test_without_a_choice_all_methods_are_shown(self, qtbot, compared):
        viewer, widget, _ = compared
        press(widget.scores, "Side by side")
        assert len(visible(viewer)) == 4
        assert visible(viewer)[0] == "a truth"
        press(widget.scores, "Side by side")
        assert visible(viewer) == ["a"]

    def test_follows_the_choice(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Side by side")
        click(qtbot, widget, "linear")
        assert visible(viewer) == ["a truth", "a linear restored"]
        press(widget.scores, "Side by side")
        assert visible(viewer) == ["a", "a linear restored", "a linear absolute error"]
        assert not viewer.canvas.grid.enabled

    def test_a_removed_layer(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Side by side")
        viewer.layers.remove("a truth")
        press(widget.scores, "Side by side")
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]

    def test_another_comparison_ends_it(self, qtbot, compared):
        viewer, widget, _ = compared
        press(widget.scores, "Side by side")
        compare(qtbot, widget, "linear", "nearest")
        assert not find(widget.scores, "Side by side").isChecked()
        assert not viewer.canvas.grid.enabled
        assert visible(viewer) == ["a"]


class TestBlend:
    def test_from_truth_over_the_method_to_linear(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        before = visible(viewer)
        press(widget.scores, "Blend")
        slider = find(widget.scores, "Blend of truth, method and linear")
        for value, shown, faded in (
            (0, {"a truth", "a cubic restored"}, ("a cubic restored", 0.0)),
            (50, {"a truth", "a cubic restored"}, ("a cubic restored", 0.5)),
            (100, {"a cubic restored", "a linear restored"}, None),
            (200, {"a cubic restored", "a linear restored"}, None),
        ):
            slider.setValue(value)
            assert set(visible(viewer)) == shown
            if faded is not None:
                assert viewer.layers[faded[0]].opacity == pytest.approx(faded[1])
        seen = viewer.layers["a linear restored"]
        hidden = viewer.layers["a cubic restored"]
        order = [viewer.layers.index(seen), viewer.layers.index(hidden)]
        assert (seen.opacity, hidden.opacity) == ((1.0, 1.0) if order[0] > order[1] else (1.0, 0.0))
        press(widget.scores, "Blend")
        assert visible(viewer) == before
        assert {layer.opacity for layer in (seen, hidden, viewer.layers["a truth"])} == {1.0}
        assert not shows(widget.scores, "Blend of truth, method and linear")

    def test_another_view_takes_over(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Blend")
        press(widget.scores, "Flicker")
        assert not find(widget.scores, "Blend").isChecked()
        assert viewer.layers["a cubic restored"].opacity == 1.0
        press(widget.scores, "Flicker")

    def test_of_linear_itself_there_are_two(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "linear")
        press(widget.scores, "Blend")
        find(widget.scores, "Blend of truth, method and linear").setValue(200)
        assert set(visible(viewer)) == {"a truth", "a linear restored"}
        press(widget.scores, "Blend")


class TestFlicker:
    def test_truth_and_result_by_turns(self, qtbot, shown):
        viewer, widget, _ = shown
        click(qtbot, widget, "cubic")
        before = visible(viewer)
        press(widget.scores, "Flicker")
        seen = set()
        for _ in range(2):
            seen.add(tuple(visible(viewer)))
            now = visible(viewer)
            assert viewer.canvas.overlays.text.text.strip() == now[0]
            qtbot.waitUntil(lambda now=now: visible(viewer) != now, timeout=3000)
        assert seen == {("a truth",), ("a cubic restored",)}
        press(widget.scores, "Flicker")
        assert visible(viewer) == before
        assert "hidden section" in viewer.canvas.overlays.text.text
        qtbot.wait(200)
        assert visible(viewer) == before

    def test_side_by_side_takes_over(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Flicker")
        press(widget.scores, "Side by side")
        assert not find(widget.scores, "Flicker").isChecked()
        assert visible(viewer) == ["a truth", "a cubic restored"]
        press(widget.scores, "Side by side")
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]

    def test_a_removed_layer_ends_it(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Flicker")
        viewer.layers.remove("a truth")
        qtbot.waitUntil(lambda: not find(widget.scores, "Flicker").isChecked(), timeout=3000)
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]

    def test_a_closed_dock_ends_it(self, qtbot, compared):
        viewer, widget, _ = compared
        click(qtbot, widget, "cubic")
        press(widget.scores, "Flicker")
        viewer.window.remove_dock_widget(widget)
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]
        qtbot.wait(200)
        assert visible(viewer) == ["a", "a cubic restored", "a cubic absolute error"]


class TestPlots:
    def test_scores_along_z(self, qtbot, compared):
        _, widget, _ = compared
        plots, scores = widget.scores.plots, widget.scores.comparison.scores
        for name in ("psnr", "ssim", "mae"):
            pick(plots, "Score in the plots", name)
            drawn = drawn_curves(plots.sections)
            assert list(drawn) == ["linear", "cubic", "slow (fast)"]
            np.testing.assert_allclose(drawn["cubic"][0], [2, 6, 10, 14])
            np.testing.assert_allclose(drawn["cubic"][1], [row[name] for row in scores.of("cubic").sections])
            place, value = drawn_curves(plots.gap)["cubic"]
            np.testing.assert_allclose(place, [0.5])
            np.testing.assert_allclose(value, scores.of("cubic").mean[name])
            seconds, value = drawn_curves(plots.time)["cubic"]
            np.testing.assert_allclose(10 ** seconds[0], max(scores.of("cubic").seconds, 1e-3))
        assert point_labels(plots.time) == ["linear", "cubic", "slow (fast)"]

    def test_the_cursor_follows_the_slider(self, compared):
        viewer, widget, _ = compared
        for depth in (0.0, 6.0, 16.0):
            viewer.dims.set_point(0, depth)
            for plot in (widget.scores.plots.sections, widget.scores.plots.profile):
                assert cursor_at(plot) == pytest.approx(depth)

    def test_a_click_moves_the_slider(self, qtbot, shown):
        viewer, widget, _ = shown
        view = graph(widget.scores.plots.sections)
        qtbot.waitUntil(lambda: view.isVisible() and view.width() > 150, timeout=3000)
        qtbot.wait(100)  # let the plot find its range
        (low, high), (bottom, top) = view.getViewBox().viewRange()
        viewer.dims.set_point(0, 0.0)
        depth = low + 0.6 * (high - low)
        place = view.mapFromScene(view.getViewBox().mapViewToScene(QPointF(depth, (bottom + top) / 2)))
        qtbot.mouseMove(view.viewport(), place)
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.waitUntil(lambda: abs(viewer.dims.point[0]) > 0 and abs(viewer.dims.point[0] - depth) <= 1, timeout=3000)
        assert cursor_at(widget.scores.plots.sections) == pytest.approx(viewer.dims.point[0])
        viewer.dims.set_point(0, 0.0)
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.RightButton, pos=place)
        view.getViewBox().menu.close()
        assert viewer.dims.point[0] == 0.0  # that was for the menu

    def test_they_are_gone_as_soon_as_the_dock_is_closed(self, compared):
        viewer, widget, _ = compared
        drawn = [graph(each) for each in (widget.scores.plots.sections, widget.scores.plots.time)]
        titles = [each.getPlotItem().titleLabel for each in drawn]
        viewer.window.remove_dock_widget("all")
        assert not any(isalive(title) for title in titles)

    def test_they_follow_the_theme(self, viewer, widget):
        plots = widget.scores.plots
        before = [graph(plot).backgroundBrush().color().name() for plot in (plots.sections, plots.time)]
        viewer.theme = "light"
        after = [graph(plot).backgroundBrush().color().name() for plot in (plots.sections, plots.time)]
        assert before[0] == before[1] != after[0] == after[1]


class TestProfile:
    def test_grey_values_at_the_mouse(self, qtbot, shown):
        viewer, widget, voxels = shown
        plots = widget.scores.plots
        find(plots, "plots").setCurrentWidget(plots.profile)
        canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
        middle = QPoint(canvas.width() // 2, canvas.height() // 2)

        qtbot.mouseMove(canvas, middle - QPoint(3, 3))
        qtbot.mouseMove(canvas, middle)
        qtbot.waitUntil(lambda: "truth" in drawn_curves(plots.profile), timeout=10_000)
        _, y, x = np.rint(viewer.layers["a"].world_to_data(plots.pointer.point)).astype(int)
        drawn = drawn_curves(plots.profile)
        np.testing.assert_allclose(drawn["truth"][0], np.arange(9) * 2.0)
        np.testing.assert_allclose(drawn["truth"][1], voxels[:, y, x])
        np.testing.assert_allclose(drawn["cubic"][1][::2], voxels[::2, y, x])
        assert list(drawn) == ["linear", "cubic", "slow (fast)", "truth"]
        assert f"row {y}, column {x}" in graph(plots.profile).getPlotItem().titleLabel.text

    def test_outside_the_image_there_is_none(self, compared):
        _, widget, _ = compared
        plots = widget.scores.plots
        find(plots, "plots").setCurrentWidget(plots.profile)
        plots.pointer.point = (0.0, -50.0, -50.0)
        plots.draw_profile()
        assert drawn_curves(plots.profile) == {}
        assert "move the mouse over the image" in graph(plots.profile).getPlotItem().titleLabel.text

    def test_the_same_with_and_without_the_truth_layer(self, qtbot, compared):
        viewer, widget, _ = compared
        plots = widget.scores.plots
        find(plots, "plots").setCurrentWidget(plots.profile)
        plots.pointer.point = tuple(viewer.layers["a"].data_to_world((3, 20, 31)))
        plots.draw_profile()
        before = drawn_curves(plots.profile)["truth"][1]
        click(qtbot, widget, "cubic")
        plots.draw_profile()
        np.testing.assert_array_equal(before, drawn_curves(plots.profile)["truth"][1])


def test_cells_say_in_what_their_layers_differ():
    assert cell_names.distinct(["a b truth", "a b linear restored", "a b"]) == ["truth", "linear restored", "a b"]
    assert cell_names.distinct(["alone it is"]) == ["alone it is"]
    assert cell_names.elided("embryo 12, left side", 9) == "embr…side"
    assert cell_names.elided("short", 9) == "short"

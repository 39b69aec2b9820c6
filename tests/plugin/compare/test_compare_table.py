"""The table: it fills while the methods run, agrees with the library, sorts by number and says what is worse."""

import numpy as np
import pytest
from compared import bold, column, compare, headings
from controls import front_page, graph, pick, press, read
from drive import finish, sparse_tiff
from qtpy.QtCore import Qt

from napari_depth_interp import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics import CATALOGUE

ASCENDING, DESCENDING = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


METHODS = ("linear", "cubic", "nearest")


def sort(widget, heading, order):
    [place] = [i for i, each in enumerate(headings(widget)) if each.startswith(heading)]
    widget.scores.table.sortByColumn(place, order)


class TestNumbers:
    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, tmp_path_factory):
        """What the library says of the same stack."""
        path = tmp_path_factory.mktemp("library") / "a.tif"
        sparse_tiff(path, sections=9)
        return evaluate(path, METHODS, keep_every=2)

    def test_they_are_those_of_the_library(self, finished, expected):
        widget = finished(*METHODS).widget
        linear = expected.of("linear")
        assert column(widget, "Method") == ["linear", "cubic", "nearest"]
        for heading, average, name, digits in (
            ("PSNR (dB)", "volume", "psnr", 2), ("PSNR fg", "volume", "psnr_fg", 2), ("SSIM", "mean", "ssim", 3),
            ("MS-SSIM", "mean", "ms_ssim", 3), ("Dice", "mean", "dice", 3), ("Gradient", "volume", "gradient_z", 3),
            ("Flicker", "volume", "flicker", 3), ("FRC XZ", "volume", "frc_xz", 3),
        ):  # fmt: skip
            values = [getattr(each, average)[name] for each in expected.methods]
            shown = [None if text == "–" else float(text) for text in column(widget, heading)]
            for value, text in zip(values, shown, strict=True):
                assert text is None if value is None else text == pytest.approx(value, abs=0.6 * 10**-digits), heading
        gains = column(widget, "Over linear")
        assert gains[0] == "baseline"
        assert gains[1].startswith(f"{expected.of('cubic').gain_over(linear):+.2f}")

    def test_the_scores_are_those_of_evaluate_with_the_comparison_to_linear(self, finished, expected):
        done = finished(*METHODS)
        widget, found = done.widget, done.comparison.scores
        for own, other in zip(found.methods, expected.methods, strict=True):
            assert (own.mean, own.volume, own.sections) == (other.mean, other.volume, other.sections)
            assert own.against_linear == other.against_linear
        assert widget.scores.comparison.scored["cubic"].scores is found.of("cubic")

    @pytest.mark.parametrize(
        ("protocol", "words"),
        [
            (Protocol("hold_out", sections=(3, 5)), "ections 3, 5 hidden"),
            (Protocol("leave_one_out"), "ach inner section hidden in turn"),
            (Protocol("projection", every=2), "eans of 2 sections recorded"),
            (Protocol("sr4"), "eans of 4 x 4 x 4 voxels recorded"),
        ],
    )
    def test_every_protocol(self, qtbot, viewer, widget, stack, protocol, words):
        widget.protocol.set_protocol(protocol)
        comparison = compare(qtbot, widget, "linear", "cubic")
        assert comparison.scores.protocol == protocol
        assert words in read(widget.scores, "summary")
        press(widget.scores, "Truth")
        for name in ("linear", "cubic"):
            widget.scores.table.choose(name)
        truth, error = viewer.layers["a truth"], viewer.layers["a cubic absolute error"]
        assert error.data.dtype == np.float32
        hidden = [row["index"] for row in comparison.scores.of("cubic").sections]
        at = comparison.restored("cubic").truth_at.tolist()
        np.testing.assert_array_equal(truth.data, stack[at])
        rows, columns = error.data.shape[1:]
        places = [at.index(index) for index in hidden]
        squared = (error.data[places].astype(float) ** 2).mean()
        assert squared == pytest.approx(comparison.scores.of("cubic").volume["mse"], rel=1e-4)
        assert (rows, columns) == (40, 48 if protocol.kind == "sr4" else 50)
        np.testing.assert_allclose(error.translate, truth.translate)
        np.testing.assert_allclose(error.scale, truth.scale)

    def test_a_reference_layer(self, qtbot, viewer, widget, stack):
        viewer.add_image(stack[::2], name="sparse", scale=(4, 0.5, 0.5), units="um")
        pick(widget.stack, "Layer", "sparse")
        widget.protocol.set_protocol(Protocol("reference"))
        pick(widget.protocol, "Reference layer", "a")
        comparison = compare(qtbot, widget, "linear", "cubic")
        assert [row["index"] for row in comparison.scores.of("linear").sections] == [1, 3, 5, 7]
        press(widget.scores, "Truth")
        widget.scores.table.choose("linear")
        np.testing.assert_array_equal(viewer.layers["sparse truth"].data, stack)
        np.testing.assert_allclose(viewer.layers["sparse truth"].scale, viewer.layers["a"].scale)


class TestFilling:
    def test_rows_come_while_the_rest_still_runs(self, qtbot, slow, widget, stack):
        widget.methods.set_methods(["linear", "cubic", "slow:best"])
        press(widget.bar, "run")
        qtbot.waitUntil(lambda: column(widget, "Method") == ["linear", "cubic"], timeout=5000)
        assert widget.job is not None
        assert front_page(widget) is widget.scores
        assert column(widget, "Over linear")[0] == "baseline"
        assert len(graph(widget.scores.plots.sections).listDataItems()) == 2
        widget.scores.table.choose("cubic")
        assert "a cubic restored" in widget.viewer.layers
        widget.cancel()
        finish(qtbot, widget)
        assert "cancelled; 2 methods done" in read(widget.bar, "message")
        assert column(widget, "Method") == ["linear", "cubic"]

    def test_gains_appear_when_linear_comes_last(self, qtbot, widget, stack):
        compare(qtbot, widget, "cubic", "linear")
        assert column(widget, "Over linear")[1] == "baseline"
        assert column(widget, "Over linear")[0] != "–"

    def test_without_linear_there_is_no_gain(self, qtbot, widget, stack):
        compare(qtbot, widget, "cubic", "nearest")
        assert column(widget, "Over linear") == ["–", "–"]
        assert "Linear interpolation was not among the methods" in read(widget.scores, "summary")

    def test_a_second_comparison_takes_the_place_of_the_first(self, qtbot, viewer, widget, stack):
        compare(qtbot, widget)
        press(widget.scores, "Truth")
        widget.scores.table.choose("cubic")
        first = viewer.layers["a cubic restored"]
        compare(qtbot, widget, "linear", "nearest")
        assert column(widget, "Method") == ["linear", "nearest"]
        assert first in viewer.layers
        assert not first.visible
        widget.scores.table.choose("nearest")
        assert {"a truth", "a truth #2", "a nearest restored"} <= {layer.name for layer in viewer.layers}


class TestLooks:
    def test_sorts_by_number_and_keeps_the_chosen_row(self, qtbot, slow, widget, stack):
        compare(qtbot, widget, "linear", "cubic", "nearest", "slow:fast")
        widget.scores.table.choose("cubic")
        for heading, key in (
            ("PSNR (dB)", lambda each: each.volume["psnr"]), ("Time", lambda each: each.seconds),
            ("Over linear", lambda each: each.volume["psnr"]),
        ):  # fmt: skip
            for order in (ASCENDING, DESCENDING):
                sort(widget, heading, order)
                methods = sorted(widget.scores.comparison.scores.methods, key=key, reverse=order == DESCENDING)
                assert widget.scores.table.scores.names() == [each.method for each in methods]
                assert widget.scores.table.chosen_names() == ["cubic"]

    def test_a_number_is_not_sorted_as_text(self, qtbot, slow, widget, stack):
        compare(qtbot, widget, "linear", "slow:fast")
        texts = column(widget, "PSNR (dB)")
        sort(widget, "PSNR (dB)", ASCENDING)
        assert [float(text) for text in column(widget, "PSNR (dB)")] == sorted(map(float, texts))

    def test_what_has_no_number_comes_last_either_way(self, qtbot, viewer, widget):
        ramp = np.arange(9, dtype=np.float32)[:, None, None] + np.zeros((9, 20, 20), np.float32)
        viewer.add_image(ramp, name="ramp", scale=(2, 1, 1), units="um")
        compare(qtbot, widget)
        assert column(widget, "PSNR (dB)")[0] == "–"
        for order in (ASCENDING, DESCENDING):
            sort(widget, "PSNR (dB)", order)
            assert column(widget, "PSNR (dB)")[-1] == "–"
        assert column(widget, "Over linear")[column(widget, "Method").index("nearest")] == "worse"

    def test_the_best_is_bold_and_what_is_worse_than_linear_said_in_words_and_colour(self, finished):
        done = finished(*METHODS)
        widget, scores = done.widget, done.comparison.scores
        best = max(scores.methods, key=lambda each: each.volume["psnr"]).method
        assert bold(widget, "PSNR (dB)") == bold(widget, "Over linear") == [best]
        nearest_to_one = min(scores.methods, key=lambda each: abs(each.volume["gradient_z"] - 1)).method
        assert bold(widget, "Gradient") == [nearest_to_one]
        assert bold(widget, "Time") == [min(scores.methods, key=lambda each: each.seconds).method]
        assert bold(widget, "Method") == []
        texts = column(widget, "Over linear")
        colours = column(widget, "Over linear", Qt.ItemDataRole.ForegroundRole)
        assert texts[2].endswith(" worse")
        assert colours[2].name() == "#e0803a"
        assert colours[0] is None
        assert "nearest is worse than linear interpolation on this stack" in read(widget.scores, "summary")

    def test_tool_tips_explain_the_columns(self, finished):
        widget = finished(*METHODS).widget
        model = widget.scores.table.scores
        tips = [
            model.headerData(i, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
            for i in range(model.columnCount())
        ]
        for name in ("psnr", "ssim", "ms_ssim", "dice", "gradient_z", "flicker", "frc_xz"):
            assert any(CATALOGUE[name].help in tip for tip in tips), name
        assert all(column(widget, "SSIM", Qt.ItemDataRole.ToolTipRole))
        assert column(widget, "Method", Qt.ItemDataRole.ToolTipRole)[0].startswith("<qt>")

    def test_the_preset_has_a_column_when_there_is_one(self, qtbot, slow, widget, stack):
        compare(qtbot, widget)
        assert widget.scores.table.isColumnHidden(1)
        compare(qtbot, widget, "linear", "slow:fast")
        assert column(widget, "Preset") == ["", "fast"]
        assert not widget.scores.table.isColumnHidden(1)
        assert "the preset fast" not in column(widget, "Method")

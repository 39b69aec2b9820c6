"""Statistics of an evaluation: over sections, over places in a gap, over stacks."""

import json

import numpy as np
import pytest
from making import EVERY_2, make
from scipy.stats import wilcoxon

from napari_depth_interp.evaluation.evaluate import MethodScores, Scores, evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.evaluation.summary import across

RNG = np.random.default_rng(12)


@pytest.fixture(scope="module")
def scores():
    return evaluate(make(RNG.random((21, 12, 12))), ["nearest", "linear", "cubic"], Protocol("keep_every", every=4))


def column(method, name):
    return [row[name] for row in method.sections]


def test_the_spread_is_the_standard_deviation_over_sections(scores):
    for method in scores.methods:
        for name in ("psnr", "mae_fg", "ssim"):
            assert method.std[name] == pytest.approx(np.std(column(method, name), ddof=1))
    (single,) = evaluate(make(RNG.random((3, 12, 12))), ["linear"], EVERY_2).methods
    assert set(single.std.values()) == {None}


def test_the_curve_along_a_gap(scores):
    for method in scores.methods:
        assert [point["position"] for point in method.gap_curve] == [0.25, 0.5, 0.75]
        for place, point in enumerate(method.gap_curve, start=1):
            there = [row for row in method.sections if row["index"] % 4 == place]
            assert point["n"] == len(there) == 5
            assert set(point) == {"position", "n", "psnr", "ssim", "mae"}
            assert point["psnr"] == pytest.approx(np.mean([row["psnr"] for row in there]))


def test_sections_say_where_in_the_gap_they_are():
    uneven = make(RNG.random((5, 12, 12)))
    (method,) = evaluate(uneven, ["linear"], Protocol("hold_out", sections=(1, 2))).methods
    assert column(method, "gap_position") == pytest.approx([1 / 3, 2 / 3])
    (images,) = evaluate(make(RNG.random((6, 12, 12))), ["linear"], Protocol("projection", every=3)).methods
    # The middle sections of the two images lie where the images do.
    assert column(images, "gap_position") == [None, 0, pytest.approx(1 / 3), pytest.approx(2 / 3), 0, None]


def test_methods_are_tested_against_linear_section_by_section(scores):
    nearest, linear, cubic = scores.methods
    assert linear.against_linear == {}
    for method in (nearest, cubic):
        assert set(method.against_linear) == {"psnr", "ssim", "mae"}
        for name, found in method.against_linear.items():
            own, baseline = np.array(column(method, name)), np.array(column(linear, name))
            assert found["n"] == 15
            assert found["difference"] == pytest.approx((own - baseline).mean())
            assert found["p_value"] == pytest.approx(wilcoxon(own, baseline).pvalue)


def test_without_linear_nothing_is_compared():
    (cubic,) = evaluate(make(RNG.random((5, 12, 12))), ["cubic"], EVERY_2).methods
    assert cubic.against_linear == {}


# Several stacks


def method_scores(name, psnr, ssim, mae):
    return MethodScores(name, {}, 1.0, 1.0, {"ssim": ssim}, {"psnr": psnr, "mae": mae}, ())


def stack_scores(*methods, ranges=((0.0, 10.0),)):
    return Scores(None, EVERY_2, ranges, "cpu", tuple(method_scores(*each) for each in methods))


def test_stacks_are_averaged_and_compared_in_pairs():
    stacks = [stack_scores(("linear", 30 + i, 0.8, 1.0), ("cubic", 31 + 2 * i, 0.9, 0.5)) for i in range(6)]
    found = across(stacks)
    assert found["linear"]["psnr"] == {"mean": 32.5, "std": pytest.approx(np.std(range(6), ddof=1)), "stacks": 6}
    assert found["cubic"]["psnr"]["mean"] == 36
    assert found["cubic"]["psnr"]["difference"] == 3.5
    assert found["cubic"]["psnr"]["n"] == 6
    assert found["cubic"]["psnr"]["p_value"] == pytest.approx(2 / 64)  # all six of one sign
    assert found["cubic"]["ssim"]["difference"] == pytest.approx(0.1)
    assert found["cubic"]["mae"]["mean"] == pytest.approx(0.05)  # of the data range
    assert "lpips" not in found["cubic"]
    json.dumps(found, allow_nan=False)


def test_errors_are_shares_of_the_range_of_their_own_stack():
    stacks = [
        stack_scores(("linear", 30, 0.8, 1.0), ranges=((0.0, 10.0),)),
        stack_scores(("linear", 30, 0.8, 300.0), ranges=((-500.0, 500.0),)),
        stack_scores(("linear", 30, 0.8, 7.0), ranges=((0.0, 1.0), (0.0, 100.0))),  # one range per channel: no share
    ]
    assert across(stacks)["linear"]["mae"] == {
        "mean": pytest.approx(0.2), "std": pytest.approx(0.1 * np.sqrt(2)), "stacks": 2,
    }  # fmt: skip


def test_stacks_that_lack_a_score_or_a_method_are_left_out():
    stacks = [
        stack_scores(("linear", None, 0.8, 0.0), ("cubic", 31, 0.9, 0.5)),
        stack_scores(("linear", 30, 0.8, 1.0)),
    ]
    found = across(stacks)
    assert found["linear"]["psnr"]["stacks"] == 1
    assert found["cubic"]["psnr"] == {
        "mean": 31, "std": None, "stacks": 1, "difference": None, "p_value": None, "n": 0,
    }  # fmt: skip


def test_without_the_baseline_nothing_is_compared():
    found = across([stack_scores(("cubic", 31, 0.9, 0.5))] * 2)
    assert set(found["cubic"]["psnr"]) == {"mean", "std", "stacks"}
    other = across([stack_scores(("cubic", 31, 0.9, 0.5), ("nearest", 30, 0.9, 0.5))] * 2, baseline="nearest")
    assert other["cubic"]["psnr"]["difference"] == 1

"""Spread, paired tests and curves along a gap: by hand, and against scipy."""

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from napari_depth_interp.metrics.statistics import gap_curve, mean_of, paired, std_of

RNG = np.random.default_rng(2)


def test_mean_and_spread_of_the_known_values():
    assert mean_of([1.0, None, 4.0]) == 2.5
    assert std_of([1.0, None, 4.0]) == pytest.approx(np.sqrt(4.5))  # n - 1
    assert mean_of([None]) is None
    assert mean_of([]) is None
    assert std_of([3.0, None]) is None
    assert std_of([]) is None
    assert std_of([3.0, 3.0]) == 0


def signed_rank_p_value(differences):
    """Return the share of all signs under which the smaller rank sum is as small as the one found."""
    ranks = rankdata(np.abs(differences))
    found = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    sums = [np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=len(ranks))]
    return np.mean([min(each, ranks.sum() - each) <= found for each in sums])


@pytest.mark.parametrize("n", [6, 9, 12])
def test_the_paired_test_equals_counting_all_signs(n):
    own, baseline = RNG.normal(0.4, 1, n), RNG.normal(0, 1, n)
    found = paired(own.tolist(), baseline.tolist())
    assert found["difference"] == pytest.approx((own - baseline).mean())
    assert found["p_value"] == pytest.approx(signed_rank_p_value(own - baseline))
    assert found["n"] == n


def test_a_test_by_hand():
    """Six differences of one sign: 2 of the 64 ways to choose signs are as extreme."""
    found = paired([2.0, 4.0, 6.0, 8.0, 10.0, 12.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert found == {"difference": 3.5, "p_value": pytest.approx(2 / 64), "n": 6}


def test_many_pairs_equal_scipy():
    own, baseline = RNG.normal(0.1, 1, 200), RNG.normal(0, 1, 200)
    assert paired(own.tolist(), baseline.tolist())["p_value"] == pytest.approx(wilcoxon(own, baseline).pvalue)


def test_sections_without_a_score_are_left_out_in_pairs():
    own = [1.0, None, 3.0, 5.0]
    baseline = [0.0, 1.0, None, 1.0]
    assert paired(own, baseline) == {"difference": 2.5, "p_value": None, "n": 2}


@pytest.mark.parametrize("own", [[2.0] * 5, [1.0] * 20, []])
def test_too_few_pairs_or_no_difference_have_no_p_value(own):
    found = paired(own, [1.0] * len(own))
    assert found["p_value"] is None
    assert found["n"] == len(own)
    assert found["difference"] == (own[0] - 1 if own else None)


@pytest.mark.parametrize("n", [6, 13, 14, 60])
@pytest.mark.parametrize("moved", [1, 3])
def test_mostly_equal_sections_give_a_p_value_without_a_warning(n, moved):
    own = [1.5] * moved + [1.0] * (n - moved)
    assert 0.05 < paired(own, [1.0] * n)["p_value"] <= 1


def rows(places, **scores):
    return [
        {"gap_position": place, **{name: values[i] for name, values in scores.items()}}
        for i, place in enumerate(places)
    ]


def test_scores_are_averaged_at_each_place_of_a_gap():
    curve = gap_curve(
        rows([0.5, 0.25, 0.75, 0.25, None], psnr=[30.0, 40.0, None, 50.0, 1.0], mae=[1.0, 2.0, 3.0, 4.0, 9.0]),
        ["psnr", "mae"],
    )
    assert curve == (
        {"position": 0.25, "n": 2, "psnr": 45.0, "mae": 3.0},
        {"position": 0.5, "n": 1, "psnr": 30.0, "mae": 1.0},
        {"position": 0.75, "n": 1, "psnr": None, "mae": 3.0},
    )


def test_places_that_differ_by_rounding_are_one():
    depths = np.array([0.1 + 0.1 + 0.1, 0.3]) - np.array([1e-12, 0])
    (point,) = gap_curve(rows(depths.tolist(), psnr=[1.0, 3.0]), ["psnr"])
    assert point == {"position": pytest.approx(0.3), "n": 2, "psnr": 2.0}


def test_many_places_are_collected_in_tenths():
    places = np.linspace(0, 1, 101)
    curve = gap_curve(rows(places.tolist(), psnr=(10 * places).tolist()), ["psnr"])
    assert [point["position"] for point in curve] == pytest.approx(np.arange(11) / 10)
    assert sum(point["n"] for point in curve) == 101
    assert [point["psnr"] for point in curve[1:-1]] == pytest.approx(range(1, 10), abs=0.06)


def test_nothing_between_sections_has_no_curve():
    assert gap_curve([], ["psnr"]) == ()
    assert gap_curve(rows([None, None], psnr=[1.0, 2.0]), ["psnr"]) == ()

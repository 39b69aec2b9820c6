"""Mixing: known weights are found again, and weights are always shares."""

import math

import numpy as np
import pytest

from napari_depth_interp.methods.auto.blend import PROVEN, Evidence, added_along_z, bounded, fit, proven
from napari_depth_interp.methods.auto.trials import Answer

RNG = np.random.default_rng(0)


def answers(mixture, *, noise=0.0, sections=4, count=2, seed=0):
    """Known sections whose truth is linear plus ``mixture`` times what each candidate adds."""
    rng = np.random.default_rng(seed)
    for _ in range(sections):
        linear = rng.normal(100, 20, (12, 13))
        others = linear + rng.normal(0, 5, (count, 12, 13))
        truth = linear + np.tensordot(mixture, others - linear, axes=1) + rng.normal(0, noise or 1e-9, linear.shape)
        yield Answer(truth, linear, others, np.zeros_like(linear))


def evidence(mixture, **options):
    return Evidence.of(answers(mixture, **options), scale=50.0)


class TestEvidence:
    @pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, 0.0], [0.3, 0.6], [-1.0, 2.0]])
    def test_errors_are_those_of_the_mixture(self, weights):
        known = list(answers([0.5, 0.1], noise=2.0))
        expected = [
            np.mean((each.linear + np.tensordot(weights, each.others - each.linear, axes=1) - each.truth) ** 2) / 50**2
            for each in known
        ]
        found = Evidence.of(known, 50.0)
        np.testing.assert_allclose(found.errors(np.array(weights)), expected)
        assert found.sections == 4

    def test_half_the_error_is_6_decibels(self):
        found = evidence([1.0], count=1)
        assert found.gain_db(np.array([0.5])) == pytest.approx(20 * math.log10(2))
        assert found.gain_db(np.array([0.0])) == 0
        assert found.gain_db(np.array([3.0])) == pytest.approx(-20 * math.log10(2))

    def test_sections_are_pooled(self):
        """A section with ten times the error counts a hundred times as much."""
        linear = np.zeros((2, 8, 8))
        truth = np.stack([np.full((8, 8), 10.0), np.full((8, 8), 1.0)])
        others = np.stack([np.full((1, 8, 8), 5.0), np.full((1, 8, 8), 1.0)])
        known = [Answer(*each, np.zeros((8, 8))) for each in zip(truth, linear, others, strict=True)]
        expected = 10 * math.log10((100 + 1) / (25 + 0))
        assert Evidence.of(known, 1.0).gain_db(np.array([1.0])) == pytest.approx(expected)

    def test_left_out_sections_and_hidden_rows_count_one_half_each(self):
        """However many and however large: the best weight of both lies half-way for equal candidates."""
        sections = Evidence(np.ones((40, 1, 1)), np.full((40, 1), 0.2), np.ones(40))
        rows = Evidence(np.full((3, 1, 1), 1e-4), np.full((3, 1), 0.8e-4), np.full(3, 1e-4))
        assert fit(sections.with_rows(rows), np.zeros(1), 0.0) == pytest.approx([0.5], abs=1e-3)

    def test_an_exact_mixture_gives_a_number(self):
        assert 60 < evidence([1.0, 0.0]).gain_db(np.array([1.0, 0.0])) < 1000
        nothing = Evidence(np.zeros((1, 1, 1)), np.zeros((1, 1)), np.zeros(1))
        assert nothing.gain_db(np.array([1.0])) == 0


class TestFit:
    @pytest.mark.parametrize("mixture", [[0.5, 0.3], [0.0, 1.0], [0.2, 0.0], [0.0, 0.0]])
    @pytest.mark.parametrize("prior", [[0.0, 0.0], [0.7, 0.3]])
    def test_without_caution_the_true_mixture_is_found(self, mixture, prior):
        found = fit(evidence(mixture, noise=1.0, sections=40), np.array(prior), caution=0.0)
        np.testing.assert_allclose(found, mixture, atol=0.02)

    def test_with_much_caution_it_is_the_prior(self):
        found = fit(evidence([0.9, 0.0], noise=1.0), np.array([0.2, 0.5]), caution=1e4)
        np.testing.assert_allclose(found, [0.2, 0.5], atol=0.01)

    @pytest.mark.parametrize("caution", [0.0, 0.5, 1.0, 4.0])
    def test_between_truth_and_prior(self, caution):
        """With one candidate the minimum is the mean of both, weighted with 1 and the caution."""
        found = fit(evidence([0.2], count=1), np.array([0.8]), caution)
        assert found == pytest.approx([(0.2 + caution * 0.8) / (1 + caution)], abs=1e-3)

    @pytest.mark.parametrize("caution", [0.0, 1.0])
    @pytest.mark.parametrize("mixture", [[-2.0, 0.5], [1.5, 0.7], [-1.0, -1.0], [3.0, -3.0]])
    def test_weights_are_shares(self, mixture, caution):
        found = fit(evidence(mixture, noise=1.0), proven(["flow", "section_sr"]), caution)
        assert (found >= 0).all()
        assert found.sum() <= 1 + 1e-6

    @pytest.mark.parametrize("mixture", [[-2.0, 0.5], [1.5, 0.7], [0.4, 0.4]])
    def test_no_other_shares_are_better(self, mixture):
        known = evidence(mixture, noise=3.0)
        best = known.errors(fit(known, np.array([0.5, 0.5]), 0.0)).mean()
        for first in np.linspace(0, 1, 21):
            for second in np.linspace(0, 1 - first, 21):
                assert best <= known.errors(np.array([first, second])).mean() * (1 + 1e-4)

    def test_units_do_not_matter(self):
        known = list(answers([0.5, 0.3], noise=4.0))
        weights = [fit(Evidence.of(known, span), np.array([0.1, 0.9]), 1.0) for span in (1e-3, 50.0, 1e6)]
        np.testing.assert_allclose(weights[0], weights[1], atol=0.01)
        np.testing.assert_allclose(weights[2], weights[1], atol=0.01)

    def test_candidates_that_all_are_linear(self):
        known = Evidence(np.zeros((3, 2, 2)), np.zeros((3, 2)), np.ones(3))
        assert np.isfinite(fit(known, np.array([0.7, 0.3]), 1.0)).all()

    def test_equal_candidates_share(self):
        linear = RNG.normal(size=(10, 10))
        other = linear + RNG.normal(size=(10, 10))
        known = Evidence.of([Answer(other, linear, np.stack([other, other]), linear)], 1.0)
        assert fit(known, np.array([0.5, 0.5]), 1.0).sum() == pytest.approx(1, abs=1e-3)


class TestBounded:
    @pytest.mark.parametrize("mixture", [[-1.0, 0.0], [-0.2, -0.2]])
    def test_a_mixture_that_only_harms_gives_way_to_linear(self, mixture):
        known = evidence(mixture, noise=1.0)
        for rows in (None, (known, known)):
            assert (bounded(np.array([0.6, 0.3]), known, rows) == 0).all()

    def test_what_does_not_fit_hidden_rows_is_not_believed_at_the_doubled_gap_alone(self):
        weights, fits, harms = np.array([0.8, 0.1]), evidence([0.8, 0.1]), evidence([-0.8, 0.0])
        np.testing.assert_allclose(bounded(weights, fits, None), weights)
        np.testing.assert_allclose(bounded(weights, fits, (harms, harms)), 0.1 * weights)
        assert (bounded(weights, harms, (fits, fits)) == 0).all()

    def test_rows_that_are_smoother_than_sections_say_nothing(self):
        weights, fits, harms = np.array([0.8, 0.1]), evidence([0.8, 0.1]), evidence([-0.8, 0.0])
        easy = Evidence(harms.gram / 100, harms.gain / 100, harms.error / 100)
        np.testing.assert_allclose(bounded(weights, fits, (easy, easy)), weights)

    def test_without_rows_sections_farther_apart_are_asked_as_well(self):
        weights, fits, harms, half = np.array([0.8, 0.1]), *(evidence([x * 0.8, x * 0.1]) for x in (1, -1, 0.6))
        np.testing.assert_allclose(bounded(weights, fits, None, wider=fits), weights)
        np.testing.assert_allclose(bounded(weights, fits, None, wider=half), 0.5 * weights, rtol=1e-6)
        np.testing.assert_allclose(bounded(weights, fits, None, wider=harms), 0.1 * weights)
        assert (bounded(weights, harms, None, wider=fits) == 0).all()
        np.testing.assert_allclose(bounded(weights, fits, (fits, fits), wider=harms), weights)

    def test_a_mixture_that_fits_the_doubled_gap_badly_on_rows_too_may_fit_the_real_one(self):
        """On rows the share rises from 0 to 1 with the smaller gap: it may on sections, if errors fall as well."""
        weights = np.array([0.8, 0.1])
        fits, little, nothing = (evidence([x * 0.8, x * 0.1]) for x in (1, 0.1, 0))
        for before, share in ((4.0, 1.0), (2.0, 1.0), (1.6, 0.1 + 0.5 * 0.9 + 0.01), (1.3, 0.1), (1.0, 0.1)):
            farther = Evidence(nothing.gram, nothing.gain, fits.error * before)
            found = bounded(weights, little, (fits, farther))[0] / weights[0]
            assert found == pytest.approx(share, abs=0.04), before

    def test_where_noise_is_all_that_is_missed_at_the_real_gap_nothing_is_added(self):
        """What fits elsewhere does not tell then."""
        weights, fits = np.array([0.8, 0.1]), evidence([0.8, 0.1])
        shares = [bounded(weights, fits, (fits, fits), added=added)[0] / 0.8 for added in (0.0, 0.2, 0.25, 0.3, 2.0)]
        np.testing.assert_allclose(shares, [0, 0, 0.5, 1, 1], atol=1e-9)

    def test_what_is_left_of_what_is_added_is_known_without_the_truth(self):
        known = evidence([0.5, 0.5])
        left = [Evidence(known.gram * part, known.gain * np.nan, known.error * np.nan) for part in (1.0, 0.2)]
        rows = known, Evidence(known.gram * 2, known.gain, known.error)
        weights = np.array([0.3, 0.6])
        assert added_along_z(weights, known, rows, left[0]) == pytest.approx(2)
        assert added_along_z(weights, known, rows, left[1]) == pytest.approx(0.4)
        assert added_along_z(np.zeros(2), known, rows, left[0]) == 1
        assert added_along_z(weights, known, None, left[0]) == 1

    def test_more_that_fits_is_never_less_that_is_added(self):
        weights = np.array([0.8, 0.4])
        added = [bounded(weights, evidence(weights * share), None)[0] for share in np.linspace(0, 1.2, 25)]
        assert added[0] == 0
        assert added[-1] == weights[0]
        assert (np.diff(added) >= -1e-9).all()

    def test_shares_keep_their_proportion(self):
        weights = np.array([0.8, 0.4])
        shorter = bounded(weights, evidence(weights / 2), None)
        assert 0 < shorter[0] < 0.8
        assert shorter[0] == pytest.approx(2 * shorter[1])

    def test_one_that_adds_too_little_is_not_lengthened(self):
        weights = np.array([0.4, 0.2])
        np.testing.assert_allclose(bounded(weights, evidence([0.8, 0.4]), None), weights)

    def test_nothing_stays_nothing(self):
        assert (bounded(np.zeros(2), evidence([0.5, 0.5]), None) == 0).all()

    @pytest.mark.parametrize("seed", range(5))
    def test_the_result_never_loses_on_left_out_sections(self, seed):
        mixture = np.random.default_rng(seed).normal(0, 1, 3)
        known = evidence(mixture, noise=5.0, count=3, seed=seed)
        assert known.gain_db(bounded(fit(known, np.array([0.3, 0.3, 0.3]), 1.0), known, None)) >= 0

    def test_nothing_is_added_where_linear_is_exact(self):
        known = evidence([0.5, 0.5])
        assert (bounded(np.array([0.5, 0.5]), known, None, exact=float(known.error.mean())) == 0).all()


class TestProven:
    def test_shares_of_those_that_are_there(self):
        names = ["cubic", "flow", "section_sr"]
        weights = proven(names)
        assert weights.sum() == pytest.approx(1)
        assert dict(zip(names, weights, strict=True))["section_sr"] > 0
        assert proven(list(PROVEN)[:1]).tolist() == [1]

    def test_presets_of_one_method_share_alike(self):
        alone, both = proven(["flow", "section_sr"]), proven(["flow", "section_sr", "section_sr:fast"])
        assert both.tolist() == pytest.approx([alone[0], alone[1] / 2, alone[1] / 2])

    def test_strangers_get_nothing(self):
        assert proven(["somebodys", "section_sr"])[0] == 0
        assert proven(["somebodys", "others"]).tolist() == [0, 0]
        assert len(proven([])) == 0

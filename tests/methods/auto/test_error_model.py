"""Expected errors: large where errors are large, and 90 % of them within the interval."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from napari_depth_interp.methods.auto.uncertainty import ErrorModel, features
from napari_depth_interp.metrics.uncertainty import INTERVAL_90


def heteroscedastic(kind, count=40_000, seed=0):
    """Features, absolute errors, and the true mean absolute error of each voxel."""
    rng = np.random.default_rng(seed)
    known = np.concatenate([rng.gamma(1.0, 10.0, (count, 3)), np.ones((count, 1))], axis=1)
    size = known @ np.array([0.5, 0.0, 0.2, 1.0])
    draw = {"laplace": rng.laplace(0, 1, count), "gauss": rng.normal(0, np.sqrt(np.pi / 2), count)}[kind]
    return known, np.abs(draw) * size, size


@pytest.mark.parametrize("kind", ["laplace", "gauss"])
@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e5])
class TestFit:
    def test_90_percent_of_other_errors_lie_within_the_interval(self, kind, unit):
        known, errors, _ = heteroscedastic(kind)
        model = ErrorModel.fit(known * unit, errors * unit)
        known, errors, _ = heteroscedastic(kind, seed=1)
        expected = model.expect((known * unit).T)
        assert np.mean(errors * unit <= INTERVAL_90 * expected) == pytest.approx(0.9, abs=0.01)

    def test_the_expected_error_is_the_mean_error(self, kind, unit):
        known, errors, size = heteroscedastic(kind)
        expected = ErrorModel.fit(known * unit, errors * unit).expect(known.T * unit) / unit
        assert spearmanr(expected, size).statistic > 0.97
        np.testing.assert_allclose(np.median(expected / size), 1, atol=0.12)
        for low, high in ((0, 25), (25, 50), (50, 75), (75, 100)):
            some = (size >= np.percentile(size, low)) & (size <= np.percentile(size, high))
            assert errors[some].mean() == pytest.approx(expected[some].mean(), rel=0.25)


@pytest.mark.parametrize(("empty", "inside"), [(0.1, 0.9), (0.6, 0.9), (0.8, 0.94)])
def test_voxels_without_errors_count_among_the_90_percent(empty, inside):
    """A dark background is foretold rightly; too wide an interval elsewhere would make it 95 % and more."""
    known, errors, _ = heteroscedastic("laplace")
    dark = np.arange(len(known)) < empty * len(known)
    known, errors = known * ~dark[:, None], errors * ~dark
    expected = ErrorModel.fit(known, errors).expect(known.T)
    assert np.mean(errors <= INTERVAL_90 * expected) == pytest.approx(inside, abs=0.012)


class TestMoved:
    model = ErrorModel(np.array([1.0, 0.5, 0.0, 2.0]))

    def test_hidden_rows_correct_what_the_features_foretell(self):
        """The features say that errors shrink to 0.8, the rows say to 0.6, or to 0.8 as well."""
        less = self.model.moved(foretold=0.8, measured=0.6).weights / self.model.weights.clip(1e-9)
        assert 0.6 / 0.8 <= less[0] < 1
        assert less[0] == pytest.approx(less[1]) == pytest.approx(less[3])
        np.testing.assert_allclose(self.model.moved(foretold=0.8, measured=0.8).weights, self.model.weights)

    @pytest.mark.parametrize(("foretold", "measured"), [(0.0, 1.0), (1.0, 0.0), (1e-9, 1e9), (1e9, 1e-9)])
    def test_only_within_bounds(self, foretold, measured):
        factors = self.model.moved(foretold, measured).weights[[0, 3]] / self.model.weights[[0, 3]]
        assert (factors > 0.2).all()
        assert (factors < 2).all()


class TestDegenerate:
    def test_weights_are_never_negative(self):
        rng = np.random.default_rng(0)
        known = rng.random((500, 4))
        assert (ErrorModel.fit(known, 2 - known[:, 0]).weights >= 0).all()

    def test_no_errors_no_uncertainty(self):
        model = ErrorModel.fit(np.random.default_rng(0).random((50, 4)), np.zeros(50))
        assert (model.expect(np.ones((4, 3, 3))) == 0).all()

    def test_features_that_say_nothing(self):
        model = ErrorModel.fit(np.zeros((50, 4)), np.random.default_rng(0).random(50))
        assert np.isfinite(model.expect(np.ones((4, 3, 3)))).all()


class TestFeatures:
    rng = np.random.default_rng(0)
    linear, mixture, change = rng.random((3, 20, 21))
    others = rng.random((2, 20, 21))

    def found(self, **changed):
        values = {"linear": self.linear, "others": self.others, "mixture": self.mixture, "change": self.change}
        return features(**{**values, "share": 0.5, **changed})

    def test_one_image_each_and_no_negative_ones(self):
        assert self.found().shape[1:] == (20, 21)
        assert (self.found() >= 0).all()

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_at_an_observed_section_nothing_is_left_but_disagreement(self, share):
        alike = {"linear": self.mixture, "others": np.stack([self.mixture] * 2)}
        assert np.abs(self.found(share=share, **alike)).max() < 1e-9

    def test_the_middle_of_a_gap_is_the_least_sure(self):
        near, middle, far = (self.found(share=share).sum() for share in (0.1, 0.5, 0.9))
        assert middle > near
        assert near == pytest.approx(far)

    def test_methods_that_disagree_and_sections_that_change_raise_them(self):
        spot = np.zeros((20, 21))
        spot[10, 10] = 5.0
        for changed in ({"others": self.others + spot}, {"change": self.change + spot}):
            raised = self.found(**changed) - self.found()
            assert raised[:, 10, 10].max() > 0.1
            assert np.abs(raised[:, 0, 0]).max() < 0.01

    def test_units_are_those_of_the_intensities(self):
        scaled = self.found(
            linear=7 * self.linear, others=7 * self.others, mixture=7 * self.mixture, change=7 * self.change
        )
        np.testing.assert_allclose(scaled[:3], 7 * self.found()[:3])

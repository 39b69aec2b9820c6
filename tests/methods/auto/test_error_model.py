"""Expected errors: large where errors are large, and 90 % of them within the interval."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from napari_depth_interp.methods.auto.uncertainty import ErrorModel, Tried, features
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
        model = ErrorModel.fit(Tried(known * unit, errors * unit))
        known, errors, _ = heteroscedastic(kind, seed=1)
        expected = model.expect((known * unit).T)
        assert np.mean(errors * unit <= INTERVAL_90 * expected) == pytest.approx(0.9, abs=0.01)

    def test_the_expected_error_is_the_mean_error(self, kind, unit):
        known, errors, size = heteroscedastic(kind)
        expected = ErrorModel.fit(Tried(known * unit, errors * unit)).expect(known.T * unit) / unit
        assert spearmanr(expected, size).statistic > 0.97
        np.testing.assert_allclose(np.median(expected / size), 1, atol=0.12)
        for low, high in ((0, 25), (25, 50), (50, 75), (75, 100)):
            some = (size >= np.percentile(size, low)) & (size <= np.percentile(size, high))
            assert errors[some].mean() == pytest.approx(expected[some].mean(), rel=0.25)


@pytest.mark.parametrize(("empty", "inside"), [(0.1, 0.91), (0.6, 0.91), (0.8, 0.93)])
def test_voxels_without_errors_count_among_the_90_percent(empty, inside):
    """A dark background is predicted rightly; too wide an interval elsewhere would make it 95 % and more."""
    known, errors, _ = heteroscedastic("laplace")
    dark = np.arange(len(known)) < empty * len(known)
    known, errors = known * ~dark[:, None], errors * ~dark
    expected = ErrorModel.fit(Tried(known, errors)).expect(known.T)
    assert np.mean(errors <= INTERVAL_90 * expected) == pytest.approx(inside, abs=0.012)


def noisy(gap, count=60_000, noise=1.0, seed=0):
    """Errors that grow with the gap where there is structure, in half of the voxels, beside noise that does not."""
    rng = np.random.default_rng(seed)
    structure = rng.gamma(2.0, 4.0, count) * gap * (rng.random(count) < 0.5)
    found = np.stack([structure, *np.zeros((2, count)), np.ones(count)], axis=1)
    return Tried(found, np.abs(rng.normal(0, np.hypot(structure, noise))))


def inside(model, tried):
    """How many of the errors the 90 % interval holds where little, and where much is predicted."""
    held = tried.errors <= INTERVAL_90 * model.expect(tried.found.T)
    quiet = tried.found[:, 0] == 0
    return held[quiet].mean(), held[~quiet].mean()


class TestMoved:
    far, double, real = (noisy(gap, seed=number) for number, gap in enumerate((4.0, 2.0, 1.0)))
    model = ErrorModel.fit(double)

    def test_noise_does_not_fall_with_the_gap_and_the_rest_does(self):
        fall = self.model.fall(self.double, self.far)
        assert fall[0] == pytest.approx(0, abs=0.1)
        assert fall[-1] == pytest.approx(np.log(0.5), abs=0.1)

    def test_errors_at_the_real_gap_are_held_wherever_they_are(self):
        """Along z they are told to fall a little faster than on hidden rows."""
        fall = self.model.fall(self.double, self.far)
        quiet, rich = inside(self.model.moved(self.real.found, None, fall), self.real)
        assert quiet == pytest.approx(0.9, abs=0.03)
        assert 0.8 < rich < 0.9

    def test_hidden_rows_alone_are_asked_where_there_are_any(self):
        low, high = np.full(6, np.log(0.4)), np.full(6, np.log(0.9))
        told = [self.model.moved(self.real.found, sections, high).errors for sections in (low, high, None)]
        np.testing.assert_allclose(told[0], told[1])
        np.testing.assert_allclose(told[0], told[2])
        assert (self.model.moved(self.real.found, low, None).errors < told[0]).all()

    def test_where_nothing_is_known_of_the_fall_there_is_none(self):
        dark = [Tried(each.found, each.errors * (each.found[:, 0] > 0)) for each in (self.double, self.far)]
        model = ErrorModel.fit(dark[0])
        fall = model.fall(*dark)
        assert np.isnan(fall[:2]).all()
        assert fall[-1] == pytest.approx(np.log(0.5), abs=0.1)
        whole = np.where(np.isnan(fall), 0.0, fall)
        moved = model.moved(self.real.found, None, fall).errors
        np.testing.assert_allclose(moved, model.moved(self.real.found, None, whole).errors)
        dark_rows = np.full(6, np.nan)
        np.testing.assert_allclose(
            model.moved(self.real.found, fall, dark_rows).errors, model.moved(self.real.found, fall, None).errors
        )

    def test_unknown_falls_leave_the_errors_of_the_doubled_gap(self):
        moved = self.model.moved(self.real.found, None, None)
        assert (moved.errors >= self.model.errors).all()
        assert (moved.errors < 1.1 * self.model.errors.max()).all()

    @pytest.mark.parametrize("fall", [-1e9, 1e9])
    def test_only_within_bounds(self, fall):
        factors = self.model.moved(self.real.found, np.full(6, fall), None).errors / self.model.errors
        assert ((factors > 0.05) & (factors < 2)).all()

    def test_more_is_never_expected_where_less_is_predicted(self):
        falls = np.log([1.0, 0.3, 1.0, 0.3, 1.0, 0.3])
        assert (np.diff(self.model.moved(self.real.found, falls, None).errors) >= 0).all()

    def test_at_an_observed_section_nothing_is_expected(self):
        moved = self.model.moved(self.real.found, None, None)
        assert (moved.expect(np.zeros((4, 2, 2))) == 0).all()


class TestForeground:
    """Where the truth is bright (one voxel in 50), errors are three times as large as the features say."""

    rng = np.random.default_rng(0)
    truth = np.where(np.arange(50_000) % 50 == 0, 100.0, 0.0) + rng.normal(0, 1, 50_000)
    errors = np.abs(rng.normal(0, np.where(truth > 50, 3.0, 1.0)))
    found = np.ones((50_000, 4))

    def held(self, peaks):
        tried = Tried(self.found, self.errors, peaks, self.truth)
        model = ErrorModel.fit(tried)
        bright, factor = model.foreground(tried)
        model = replace(model, bright=bright, factor=factor)
        inside = self.errors <= INTERVAL_90 * model.expect(self.found.T, peaks)
        return factor, inside[self.truth > 50].mean(), inside.mean()

    def test_the_interval_is_wider_where_voxels_may_be_bright(self):
        assert np.mean(self.errors[self.truth > 50] < 1.65) < 0.5
        factor, foreground, everywhere = self.held(self.truth)
        assert factor > 2
        assert foreground == pytest.approx(0.88, abs=0.02)
        assert everywhere == pytest.approx(0.9, abs=0.02)

    def test_not_if_it_would_hold_nearly_all_voxels(self):
        _, foreground, everywhere = self.held(np.full(50_000, 100.0))
        assert foreground < 0.8
        assert everywhere <= 0.95

    def test_nothing_bright_nothing_wider(self):
        for peaks, truth in ((self.truth, np.zeros(50_000)), (np.zeros(50_000), self.truth), (None, None)):
            tried = Tried(self.found, self.errors, peaks, truth)
            assert ErrorModel.fit(tried).foreground(tried)[1] == 1

    def test_it_is_kept_with_the_rest_and_older_files_have_none(self):
        model = ErrorModel(np.ones(4), np.arange(6.0), np.arange(6.0), 50.0, 2.5)
        assert ErrorModel.from_json(model.as_json()).factor == 2.5
        older = {name: values for name, values in model.as_json().items() if name != "foreground"}
        assert ErrorModel.from_json(older).factor == 1


class TestDegenerate:
    def test_weights_are_never_negative(self):
        rng = np.random.default_rng(0)
        known = rng.random((500, 4))
        assert (ErrorModel.fit(Tried(known, 2 - known[:, 0])).weights >= 0).all()

    def test_no_errors_no_uncertainty(self):
        model = ErrorModel.fit(Tried(np.random.default_rng(0).random((50, 4)), np.zeros(50)))
        assert (model.expect(np.ones((4, 3, 3))) == 0).all()

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_fewer_voxels_than_bands(self, count):
        rng = np.random.default_rng(0)
        tried = Tried(rng.random((count, 4)), rng.random(count))
        model = ErrorModel.fit(tried)
        moved = model.moved(tried.found, model.fall(tried, tried), None)
        assert np.isfinite(moved.expect(np.ones((4, 1, 1)))).all()

    def test_features_that_say_nothing(self):
        model = ErrorModel.fit(Tried(np.zeros((50, 4)), np.random.default_rng(0).random(50)))
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

    def test_rows_that_are_no_neighbours_do_not_touch_each_other(self):
        change = self.change.copy()
        change[10] += 5.0
        raised = self.found(change=change, apart=True) - self.found(apart=True)
        assert raised[:, 10].max() > 0.1
        assert (np.delete(raised, 10, axis=1) == 0).all()

    def test_units_are_those_of_the_intensities(self):
        scaled = self.found(
            linear=7 * self.linear, others=7 * self.others, mixture=7 * self.mixture, change=7 * self.change
        )
        np.testing.assert_allclose(scaled[:3], 7 * self.found()[:3])

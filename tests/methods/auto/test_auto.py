"""The automatic choice on whole stacks: never worse than linear, and honest about what it is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.method import Explains, Findings, Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.auto import AutoConfig, candidate_config, names_in
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Stack

SPEC = registry.get("auto")
CHEAP = {"candidates": "cubic, flow"}
"""Candidates that need no training."""


def dataset_of(voxels, *, z_spacing=1.0, pixel_size=(0.5, 0.5)):
    return Dataset.from_array(voxels, z_spacing=z_spacing, pixel_size=pixel_size, unit="um")


def organoid(seed=0, shape=(17, 64, 64)):
    return simulate("organoid", shape=shape, voxel_size=(1.0, 0.5, 0.5), seed=seed).observed


def run(dataset, *, method="auto", at=None, settings=None, **parameters):
    target = {} if at else {"factor": 2}
    chosen = make_settings(method=method, parameters=parameters, threads=1, **target, **(settings or {}))
    return execute(resolve(dataset, chosen, depths=at))


def prepared(stack, **parameters):
    method = SPEC.create(SPEC.config(**parameters), Runtime())
    method.prepare(stack)
    return method


@pytest.fixture(scope="module")
def tissue_run():
    """A stack and what auto makes of it without training."""
    dataset = organoid(shape=(11, 40, 44))
    return dataset, run(dataset, **CHEAP)


def blobs(shape):
    """Smooth random blobs that look alike in all directions, 0 to 1000."""
    field = gaussian_filter(np.random.default_rng(0).normal(size=shape), 4.0)
    return 1000 / (1 + np.exp(-field / field.std() / 0.3))


def smooth(z, y, x):
    return 500 + 300 * np.sin(z / 5 + x / 20) + 200 * np.cos(y / 15 - z / 9)


SHAPE = (17, 40, 40)


def ramp():
    return 83.3 * np.arange(17)[:, None, None] + 10.7 * np.arange(40)[:, None] + np.zeros(SHAPE)


def noise(size):
    return np.random.default_rng(0).normal(0, size, SHAPE)


def points(background, count=60):
    """Single bright voxels."""
    voxels, rng = background.copy(), np.random.default_rng(1)
    voxels[tuple(rng.integers(0, size, count) for size in SHAPE)] = 3000
    return dataset_of(voxels)


STACKS = {
    "tissue": organoid,
    "sparse points": lambda: points(np.abs(noise(20))),
    "points in the dark": lambda: points(np.zeros(SHAPE)),
    "noise": lambda: dataset_of(500 + noise(100)),
    "ramp": lambda: dataset_of(ramp().astype(np.float32)),
    "noisy ramp": lambda: dataset_of(ramp() + noise(5)),
}


class TestNeverWorseThanLinear:
    @pytest.mark.parametrize("every", [2, 4])
    @pytest.mark.parametrize("name", STACKS)
    def test_whatever_the_stack(self, name, every):
        settings = make_settings(method="auto", parameters={"training_steps": 20}, threads=1)
        protocol = Protocol("keep_every", every=every)
        linear, auto = evaluate(STACKS[name](), ["linear", "auto"], protocol, settings).methods
        exact = auto.volume["psnr"] > 120  # to a millionth of the range: the digits of float32
        assert exact or auto.gain_over(linear) > -0.02

    def test_where_every_candidate_harms(self):
        """Sections without any relation, and brightness that goes up and down."""
        rng = np.random.default_rng(0)
        voxels = np.where(np.arange(13) % 2, 100.0, 900.0)[:, None, None] + rng.normal(0, 5, (13, 40, 40))
        scores = evaluate(
            dataset_of(voxels),
            ["linear", "auto"],
            Protocol("keep_every", every=3),
            make_settings(method="auto", parameters=CHEAP, threads=1),
        )
        linear, auto = scores.methods
        assert auto.gain_over(linear) > -0.02

    def test_a_ramp_in_floats_stays_one(self):
        ramp = 80.0 * np.arange(9)[:, None, None] + 10 * np.arange(40)[:, None] + np.zeros((9, 40, 40))
        result = run(dataset_of(ramp), training_steps=30).dataset.voxels[0, 0]
        np.testing.assert_allclose(result[1::2], (ramp[1:] + ramp[:-1]) / 2, atol=0.01)

    def test_smooth_tissue_gains_and_says_so(self):
        z, y, x = np.indices((17, 48, 48))
        settings = make_settings(method="auto", parameters=CHEAP, threads=1)
        scores = evaluate(dataset_of(smooth(z, y, x)), ["linear", "auto"], Protocol("keep_every", every=2), settings)
        linear, auto = scores.methods
        assert auto.gain_over(linear) > 2
        assert auto.expected_gain_db > 1


class TestFindings:
    def test_shares_sum_to_1_and_name_every_method(self, tissue_run):
        _, result = tissue_run
        (found,) = result.record["findings"]
        assert list(found["shares"]) == ["linear", "cubic", "flow"]
        assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-6)
        assert min(found["shares"].values()) >= 0
        assert (found["time"], found["channel"]) == (0, 0)
        assert found["gain_std_db"] > 0
        assert result.expected_gain_db == found["expected_gain_db"] > 0

    def test_shares_are_those_of_the_result(self, tissue_run):
        """What auto gives is the sum of what the methods give, times their shares."""
        dataset, result = tissue_run
        stack = dataset.stack()
        method = prepared(stack, **CHEAP)
        shares = method.findings().shares
        assert shares == result.record["findings"][0]["shares"]
        z = [0.5, 4.3, 9.5]
        expected = 0.0
        for name, share in shares.items():
            spec = registry.get(name)
            single = spec.create(spec.config(), Runtime())
            single.prepare(stack, report=lambda progress: None)
            expected = expected + share * single.sections_at(stack, z, report=lambda progress: None).values
        np.testing.assert_allclose(method.sections_at(stack, z).values, expected, atol=0.1)

    def test_it_explains_itself_once_prepared(self, tissue_run):
        dataset, _ = tissue_run
        method = SPEC.create(SPEC.config(**CHEAP), Runtime())
        assert isinstance(method, Explains)
        assert method.findings() == Findings(shares={"linear": 1.0})
        method.prepare(dataset.stack())
        assert set(method.findings().seconds) == {"cubic", "flow"}
        assert min(method.findings().seconds.values()) > 0

    def test_the_record_holds_only_what_equal_runs_share(self, tissue_run):
        dataset, result = tissue_run
        assert json.loads(json.dumps(result.record["findings"])) == result.record["findings"]
        assert run(dataset, **CHEAP).record == result.record

    def test_no_pixel_size_is_said(self, tissue_run):
        dataset, result = tissue_run
        unknown = replace(dataset, grid=replace(dataset.grid, pixel_size=None))
        assert any("no pixel size" in line for line in run(unknown, **CHEAP).warnings)
        assert not any("no pixel size" in line for line in result.warnings)

    def test_a_stack_unlike_xy_is_said(self):
        shifted = np.stack([np.roll(section, 7 * k, axis=1) for k, section in enumerate(organoid().voxels[0, 0])])
        near = dataset_of(shifted, z_spacing=0.5)
        assert any("times as much along z" in line for line in run(near, **CHEAP).warnings)


class TestFewSections:
    @pytest.mark.parametrize("count", [2, 3])
    def test_linear_with_a_warning_and_an_unknown_uncertainty(self, count):
        dataset = organoid(shape=(count, 24, 24))
        result, linear = run(dataset), run(dataset, method="linear")
        np.testing.assert_array_equal(result.dataset.voxels, linear.dataset.voxels)
        assert any(f"{count} sections" in line and "linear" in line for line in result.warnings)
        assert (result.uncertainty[:, :, ::2] == 0).all()
        assert np.isnan(result.uncertainty[:, :, 1::2]).all()
        assert result.expected_gain_db is None
        assert result.record["findings"][0]["shares"] == {"linear": 1.0}

    @pytest.mark.parametrize("count", [4, 5])
    def test_four_are_enough(self, count):
        result = run(organoid(shape=(count, 40, 40)), **CHEAP)
        assert result.expected_gain_db is not None
        assert not any("sections" in line and "fewer" in line for line in result.warnings)
        assert (result.uncertainty[:, :, 1::2] > 0).any()


@pytest.fixture(scope="module")
def mixed():
    """Projections of tissue that looks alike in all directions, their truth, and what auto makes of them."""
    truth = blobs((36, 40, 40))
    dataset = Dataset(
        truth.reshape(1, 1, 6, 6, 40, 40).mean(axis=3).astype(np.float32),
        Grid(6.0 * np.arange(6) + 2.5, (1.0, 1.0), "um"),
        Acquisition(6),
    )
    settings = make_settings(method="auto", preset="fast", threads=1, parameters={"training_steps": 80})
    return dataset, truth, execute(resolve(dataset, settings))


class TestProjections:
    def test_what_rows_averaged_alike_teach_is_mixed_in(self, mixed):
        dataset, truth, result = mixed
        shares = result.record["findings"][0]["shares"]
        assert set(shares) == {"linear", "cubic", "section_sr"}  # flow says that it cannot
        assert shares["section_sr"] > 0.2
        cubic = execute(resolve(dataset, make_settings(method="cubic"))).dataset.voxels[0, 0]
        errors = [np.sqrt(np.mean((values - truth) ** 2)) for values in (result.dataset.voxels[0, 0], cubic)]
        assert errors[0] < 0.95 * errors[1]

    def test_averages_of_the_mixture_are_the_projections(self, mixed):
        dataset, _, result = mixed
        again = result.dataset.voxels.reshape(1, 1, 6, 6, 40, 40).mean(axis=3)
        np.testing.assert_allclose(again, dataset.voxels, atol=0.5)

    def test_gain_and_uncertainty_are_predicted(self, mixed):
        _, truth, result = mixed
        assert result.expected_gain_db > 0
        assert np.isfinite(result.uncertainty).all()
        errors = np.abs(result.dataset.voxels[0, 0] - truth)
        assert np.corrcoef(result.uncertainty[0, 0].ravel(), errors.ravel())[0, 1] > 0.05

    def test_only_candidates_that_cannot_leave_linear_interpolation(self, mixed):
        settings = make_settings(method="auto", parameters={"candidates": "flow"})
        result = execute(resolve(mixed[0], settings))
        linear = execute(resolve(mixed[0], make_settings(method="linear")))
        np.testing.assert_array_equal(result.dataset.voxels, linear.dataset.voxels)


class TestCandidates:
    @pytest.mark.parametrize("given", ["cubic,flow", " flow , cubic ,", "cubic,linear,cubic,flow"])
    def test_names_are_read_from_a_list(self, given):
        assert sorted(names_in(given)) == ["cubic", "flow"]

    @pytest.mark.parametrize(
        "given", ["cubic,magic", "auto", "cubic, auto", "cubic;flow", "section_sr:quick", "auto:fast"]
    )
    def test_what_cannot_be_a_candidate_is_refused(self, given):
        with pytest.raises(RequestError, match="cannot be a candidate"):
            resolve(organoid(), make_settings(method="auto", factor=2, parameters={"candidates": given}))

    def test_one_method_takes_part_with_two_presets(self):
        names = "flow, section_sr, section_sr:fast"
        configs = [candidate_config(AutoConfig(effort="best", candidates=names), name) for name in names_in(names)]
        assert [configs[1].channels, configs[2].channels] == [48, 32]
        (found,) = run(organoid(shape=(6, 24, 24)), candidates=names, training_steps=10).record["findings"]
        assert list(found["shares"]) == ["linear", *names_in(names)]

    def test_what_two_presets_warn_of_is_said_once(self):
        warnings = run(organoid(shape=(6, 12, 12)), candidates="section_sr, section_sr:fast").warnings
        assert sum("section_sr is linear interpolation here" in line for line in warnings) == 1

    @pytest.mark.parametrize("given", ["linear", "", " , "])
    def test_linear_alone(self, given):
        dataset = organoid(shape=(6, 24, 24))
        result = run(dataset, candidates=given)
        np.testing.assert_array_equal(result.dataset.voxels, run(dataset, method="linear").dataset.voxels)
        assert result.record["findings"][0]["shares"] == {"linear": 1.0}

    def test_only_those_named_take_part(self, tissue_run):
        dataset, _ = tissue_run
        (found,) = run(dataset, candidates="nearest").record["findings"]
        assert list(found["shares"]) == ["linear", "nearest"]

    @pytest.mark.parametrize("parameters", [{"caution": 0.0}, {"caution": 100.0}])
    def test_caution_changes_the_mixture(self, tissue_run, parameters):
        dataset, result = tissue_run
        (found,) = run(dataset, **CHEAP, **parameters).record["findings"]
        assert found["shares"] != result.record["findings"][0]["shares"]

    def test_training_steps_reach_the_candidate_that_trains(self):
        dataset = organoid(shape=(5, 24, 24))
        few, more = (run(dataset, training_steps=steps, candidates="section_sr").dataset.voxels for steps in (10, 40))
        assert (few != more).any()

    @pytest.mark.parametrize(
        ("name", "value"), [("training_steps", 5), ("caution", -1.0), ("caution", 101.0), ("effort", "none")]
    )
    def test_values_out_of_bounds_are_refused(self, name, value):
        with pytest.raises(RequestError, match=name):
            resolve(organoid(), make_settings(method="auto", factor=2, parameters={name: value}))

    def test_presets_are_efforts(self):
        assert {name: SPEC.config(**values).effort for name, values in SPEC.presets.items()} == {
            name: name for name in ("fast", "balanced", "best")
        }


class TestUncertainty:
    def test_zero_at_observed_sections_and_positive_between(self, tissue_run):
        _, result = tissue_run
        assert (result.uncertainty[:, :, ::2] == 0).all()
        assert (result.uncertainty[:, :, 1::2].mean(axis=(3, 4)) > 0).all()

    def test_largest_in_the_middle_of_a_gap(self, tissue_run):
        dataset, _ = tissue_run
        means = run(dataset, at=[4.0, 4.1, 4.5, 4.9, 5.0], **CHEAP).uncertainty.mean(axis=(0, 1, 3, 4))
        assert means[0] == means[4] == 0
        assert means[2] > 1.2 * max(means[1], means[3])

    def test_it_holds_on_sections_that_are_hidden(self):
        """At the sections' true distance, not at the doubled one at which it was fitted."""
        settings = make_settings(method="auto", parameters=CHEAP, threads=1)
        (auto,) = evaluate(organoid(seed=1), ["auto"], Protocol("keep_every", every=2), settings).methods
        assert 0.8 < auto.uncertainty["coverage_90"] < 0.98
        assert auto.uncertainty["spearman"] > 0.4

    def test_it_is_larger_where_sections_change(self):
        """Half of each image never changes."""
        voxels = organoid(shape=(11, 48, 48)).voxels[0, 0].astype(float)
        voxels[:, :, 24:] = 500
        result = run(dataset_of(voxels), **CHEAP).uncertainty[0, 0, 1::2]
        assert result[:, :, :18].mean() > 5 * result[:, :, 30:].mean()


class TestStack:
    def test_brightness_and_contrast_do_not_matter(self, tissue_run):
        dataset, _ = tissue_run
        plain = replace(dataset, voxels=dataset.voxels.astype(float))
        shifted = replace(plain, voxels=20 * plain.voxels - 30_000)
        first, second = (run(each, **CHEAP) for each in (plain, shifted))
        np.testing.assert_allclose((second.dataset.voxels + 30_000) / 20, first.dataset.voxels, atol=1)
        np.testing.assert_allclose(second.uncertainty / 20, first.uncertainty, atol=1)
        assert second.expected_gain_db == pytest.approx(first.expected_gain_db, abs=0.02)

    def test_it_is_not_changed(self):
        voxels = organoid(shape=(6, 24, 24)).voxels[0, 0].copy()
        before = voxels.copy()
        voxels.flags.writeable = False
        method = prepared(Stack(voxels, Grid(np.arange(6.0), (0.5, 0.5), "um")), training_steps=10)
        method.sections_at(Stack(voxels, Grid(np.arange(6.0), (0.5, 0.5), "um")), [0.5, 3.5])
        np.testing.assert_array_equal(voxels, before)

    def test_uneven_depths(self):
        z, y, x = np.meshgrid([0, 1, 3, 4, 6, 9, 10, 12, 13.0], np.arange(40), np.arange(40), indexing="ij")
        dataset = Dataset.from_array(smooth(z, y, x), depths=list(z[:, 0, 0]), pixel_size=(1, 1), unit="um")
        asked = [0.5, 2.0, 5.0, 7.5, 11.0]
        truth = smooth(np.array(asked)[:, None, None], y[0], x[0])
        auto, linear = (run(dataset, at=asked, method=name, **more) for name, more in (("auto", CHEAP), ("linear", {})))
        errors = [np.sqrt(np.mean((each.dataset.voxels[0, 0] - truth) ** 2)) for each in (auto, linear)]
        assert errors[0] < 0.8 * errors[1]

    def test_a_second_time_point_has_findings_of_its_own(self):
        one, two = organoid(0, (6, 24, 24)).voxels[0], organoid(1, (6, 24, 24)).voxels[0]
        grid = Grid(np.arange(6.0), (0.5, 0.5), "um")
        both = run(Dataset(np.stack([one, two]), grid, axes="TZYX"), **CHEAP)
        alone = run(Dataset(two[None], grid), **CHEAP)
        found = both.record["findings"]
        assert [each["time"] for each in found] == [0, 1]
        assert found[1]["shares"] == pytest.approx(alone.record["findings"][0]["shares"])
        assert both.expected_gain_db == pytest.approx(np.mean([each["expected_gain_db"] for each in found]))
        np.testing.assert_array_equal(both.dataset.voxels[1], alone.dataset.voxels[0])
        np.testing.assert_allclose(both.uncertainty[1], alone.uncertainty[0], rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 1, 1), (5, 1, 2)])
def test_images_of_a_pixel_or_two(shape):
    result = run(dataset_of(np.random.default_rng(0).random(shape)), **CHEAP)
    assert np.isfinite(np.asarray(result)).all()
    assert np.isfinite(result.uncertainty).all()


class TestDrafts:
    def test_candidates_are_tried_as_drafts_and_run_in_full(self):
        dataset = organoid(shape=(9, 40, 44))
        stack = dataset.stack()
        method = prepared(stack, candidates="section_sr", training_steps=10)
        (full,) = method._candidates.values()
        (draft,) = method._drafts().values()
        z = [0.5, 1.5]
        tried = draft.sections_at(stack, z).values
        made = full.sections_at(stack, z).values
        assert 0 < np.abs(tried - made).max() < 0.1 * np.ptp(made)
        plain = method._linear.sections_at(stack, z).values
        weight = method._weights[0]
        np.testing.assert_allclose(method.sections_at(stack, z).values, plain + weight * (made - plain), rtol=1e-4)


@pytest.mark.parametrize(("shape", "has_rows"), [((17, 24, 24), True), ((17, 4, 4), False)])
def test_sections_at_four_times_the_gap_are_asked_only_where_no_rows_can_be_hidden(shape, has_rows):
    stack = dataset_of(np.random.default_rng(0).random(shape), z_spacing=2.0).stack()
    known = prepared(stack, candidates="cubic").ask([stack])
    assert (known.rows is not None) == has_rows
    assert bool(known.wider) != has_rows

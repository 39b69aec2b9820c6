"""Section super-resolution on whole stacks: it gains where XY is like Z, and stands by its promises elsewhere."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from blobs import blobs
from scipy.ndimage import correlate1d, gaussian_filter1d

from napari_depth_interp.errors import RequestError
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Stack
from napari_depth_interp.stack.profile import Profile

SPEC = registry.get("section_sr")
TINY = {"training_steps": 10, "channels": 4, "blocks": 1, "batch": 2}
"""Enough to see that something changes."""
LEARNED = {"training_steps": 100, "channels": 8, "blocks": 1}
"""Enough to gain."""
TRUTH = blobs((41, 48, 48))
HIDDEN = [k for k in range(41) if k % 4]


def stack_of(voxels, depths=None, pixel_size=(1.0, 1.0)):
    depths = 4.0 * np.arange(len(voxels)) if depths is None else np.asarray(depths, float)
    return Stack(np.asarray(voxels), Grid(depths, pixel_size, "um"))


def prepared(stack, *, seed=0, method="section_sr", **parameters):
    spec = registry.get(method)
    made = spec.create(spec.config(**parameters), Runtime(seed=seed))
    made.prepare(stack)
    return made


def sections(stack, z, **options):
    """Sections of a method prepared on the stack itself."""
    return prepared(stack, **options).sections_at(stack, z).values


def gain(method, stack, z, truth):
    """Decibels over linear interpolation."""
    linear = sections(stack, z, method="linear")
    return 10 * np.log10(np.mean((linear - truth) ** 2) / np.mean((method.sections_at(stack, z).values - truth) ** 2))


@pytest.fixture(scope="module")
def sparse():
    """One section in four of the blobs; not writable."""
    voxels = TRUTH[::4].copy()
    voxels.flags.writeable = False
    return stack_of(voxels)


@pytest.fixture(scope="module")
def smeared():
    """The blobs blurred along z by a Gaussian of 10 pixels (FWHM)."""
    return gaussian_filter1d(TRUTH, 10 / 2.355, axis=0)


@pytest.fixture(scope="module")
def unsmearing(smeared):
    return prepared(stack_of(smeared[::4]), **LEARNED)


@pytest.fixture(scope="module")
def trained(sparse):
    return prepared(sparse, **LEARNED)


class TestQuality:
    def test_what_xy_teaches_helps_along_z(self, sparse, trained):
        assert gain(trained, sparse, HIDDEN, TRUTH[HIDDEN]) > 0.8

    def test_other_sections_of_the_stack_may_be_left_out(self, trained):
        """As the automatic choice does; the gaps are uneven then, 4 to 8 pixels."""
        kept = [0, 4, 8, 16, 20, 28, 32, 40]
        hidden = [k for k in range(41) if k not in kept]
        assert gain(trained, stack_of(TRUTH[kept], kept), hidden, TRUTH[hidden]) > 0.15

    def test_a_draft_is_nearly_as_good(self, sparse, trained):
        draft = trained.draft()
        assert np.abs(draft.sections_at(sparse, HIDDEN).values - trained.sections_at(sparse, HIDDEN).values).max() > 0
        assert gain(draft, sparse, HIDDEN, TRUTH[HIDDEN]) > gain(trained, sparse, HIDDEN, TRUTH[HIDDEN]) - 0.15

    def test_uneven_stacks(self):
        kept = [0, 2, 5, 9, 12, 16, 18, 22, 25, 29, 33, 36, 40]
        hidden = [k for k in range(41) if k not in kept]
        stack = stack_of(TRUTH[kept], kept)
        assert gain(prepared(stack, **LEARNED), stack, hidden, TRUTH[hidden]) > 0.5

    def test_more_training_is_better(self, sparse, trained):
        little = prepared(sparse, training_steps=20, channels=8, blocks=1)
        assert gain(trained, sparse, HIDDEN, TRUTH[HIDDEN]) > gain(little, sparse, HIDDEN, TRUTH[HIDDEN]) + 0.2


class TestSections:
    def test_observed_depths_and_beyond_are_the_sections(self, sparse, trained):
        found = trained.sections_at(sparse, [-5.0, 0.0, 8.0, 40.0, 44.0]).values
        np.testing.assert_allclose(found, sparse.voxels[[0, 0, 2, 10, 10]], atol=1e-3)

    def test_one_at_a_time_is_all_at_once(self, sparse, trained):
        z = [1.0, 6.5, 18.0, 39.0]
        together = trained.sections_at(sparse, z).values
        alone = np.concatenate([trained.sections_at(sparse, [depth]).values for depth in z])
        np.testing.assert_allclose(alone, together, atol=0.01)

    def test_the_order_of_the_depths_does_not_matter(self, sparse, trained):
        z = np.array([18.0, 1.0, 39.0, 6.5])
        found = trained.sections_at(sparse, z.tolist()).values
        np.testing.assert_allclose(found, trained.sections_at(sparse, np.sort(z)).values[[2, 0, 3, 1]], atol=0.01)

    def test_swapped_axes_give_swapped_sections(self, sparse, trained):
        z = [2.0, 17.0, 38.0]
        again = trained.sections_at(stack_of(sparse.voxels.swapaxes(1, 2).copy()), z).values
        expected = trained.sections_at(sparse, z).values.swapaxes(1, 2)
        np.testing.assert_allclose(again, expected, atol=8)  # bfloat16 of what is added, out of 1000

    @pytest.mark.parametrize(
        ("turn", "share"),
        [
            (np.s_[::-1, ::-1, ::-1], 0.02),  # planes turned by half, which they are seen as well: rounding is left
            (np.s_[::-1, :, :], 0.25),
            (np.s_[:, ::-1], 0.25),
            (np.s_[:, :, ::-1], 0.25),
        ],
    )
    def test_turned_stacks_give_nearly_turned_sections(self, sparse, trained, turn, share):
        z = np.array([2.0, 17.0, 38.0])
        again = trained.sections_at(stack_of(sparse.voxels[turn].copy()), 40 - z if turn[0] == np.s_[::-1] else z)
        found = trained.sections_at(sparse, z).values
        added = found - sections(sparse, z, method="linear")
        within = found[(slice(None), *turn[1:])]
        assert np.std(again.values - within) < share * np.std(added)

    def test_the_stack_is_not_changed(self, sparse, trained):
        """It is read-only, too: writing would raise."""
        np.testing.assert_array_equal(sparse.voxels, TRUTH[::4])

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
    def test_intensities_of_any_type_and_range(self, dtype):
        voxels = (TRUTH[::8] * (0.2 if dtype == "uint8" else 1.0)).astype(dtype)
        found = sections(stack_of(voxels), [6.0, 14.0], **TINY)
        assert found.dtype == (np.float64 if dtype == "float64" else np.float32)
        assert abs(found.mean() - voxels.mean(dtype=float)) < 0.1 * np.ptp(voxels)

    def test_brightness_and_contrast_do_not_matter(self):
        voxels = TRUTH[::8]
        plain, shifted = (sections(stack_of(v), [6.0, 14.0], **TINY) for v in (voxels, 50 * voxels - 3e5))
        np.testing.assert_allclose((shifted + 3e5) / 50, plain, atol=1)

    def test_lengths_count_relative_to_each_other_only(self, sparse):
        micrometres = stack_of(sparse.voxels, sparse.depths, (0.8, 0.8))
        nanometres = stack_of(sparse.voxels, 1000 * sparse.depths, (800.0, 800.0))
        found = sections(micrometres, [6.0], axial_blur=3.0, **TINY)
        np.testing.assert_allclose(sections(nanometres, [6000.0], axial_blur=3000.0, **TINY), found, atol=1)


class TestRepeatable:
    def test_same_seed_same_sections(self, sparse):
        first, second, other = (sections(sparse, [6.0], seed=seed, **TINY) for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, second)
        assert np.abs(first - other).max() > 0.5


class TestRefit:
    """A further time point begins from what is known of the one before."""

    def test_it_is_better_than_as_little_training_from_the_start(self, trained):
        later = blobs((41, 48, 48), seed=5)
        stack = stack_of(later[::4])
        method = copy.deepcopy(trained)
        steps = []
        method.refit(stack, report=steps.append)
        short = prepared(stack, **LEARNED | {"training_steps": 20})
        assert gain(method, stack, HIDDEN, later[HIDDEN]) > gain(short, stack, HIDDEN, later[HIDDEN]) + 0.2
        assert len(steps) < 80

    def test_brightness_may_have_changed(self, trained):
        dark = stack_of(TRUTH[::4] / 50 + 3)
        method = copy.deepcopy(trained)
        method.refit(dark, report=lambda progress: None)
        assert gain(method, dark, HIDDEN, TRUTH[HIDDEN] / 50 + 3) > 0.5

    def test_preparing_anew_forgets(self, sparse):
        method = prepared(stack_of(blobs((21, 48, 48), seed=5)[::4]), **TINY)
        method.prepare(sparse)
        np.testing.assert_array_equal(method.sections_at(sparse, [6.0]).values, sections(sparse, [6.0], **TINY))


class TestScale:
    @pytest.mark.parametrize(("spacing", "steps", "low", "high"), [(2.0, 100, 1.1, 2.0), (8.0, 10, 0.5, 0.7)])
    def test_a_wrong_z_spacing_is_noticed(self, spacing, steps, low, high):
        """The sections are 4 pixels apart; the file says 2, or 8."""
        voxels = blobs((49, 64, 64), sigma=4)[::4]
        method = prepared(stack_of(voxels, spacing * np.arange(13)), training_steps=steps)
        assert low <= method.scale <= high

    def test_rows_of_images_are_told_their_true_distance(self, sparse):
        method = prepared(sparse, **TINY | {"training_steps": 50, "scale": 2.0})
        rows = method.in_plane()
        assert (rows.scale, method.scale) == (1.0, 2.0)
        found, stretched = (each.sections_at(sparse, [2.0]).values for each in (rows, method))
        assert not np.array_equal(found, stretched)

    def test_a_given_scale_is_kept_and_used(self, sparse):
        methods = [prepared(sparse, **TINY | {"training_steps": 50, "scale": scale}) for scale in (0.5, 2.0)]
        assert [method.scale for method in methods] == [0.5, 2.0]
        assert np.abs(np.subtract(*(method.sections_at(sparse, [6.0]).values for method in methods))).max() > 0.2

    def test_a_few_sections_cannot_tell(self, sparse):
        assert prepared(sparse.crop(slice(0, 4), slice(None)), **TINY).scale == 1.0


class TestLoss:
    def test_the_squared_error_is_chosen_on_noise_only(self, sparse):
        noise = stack_of(np.random.default_rng(0).normal(500, 100, (5, 40, 40)))
        for stack, chosen, other in ((noise, "l2", "l1"), (sparse, "l1", "l2")):
            automatic, same, not_same = (sections(stack, [6.0], loss=loss, **TINY) for loss in ("auto", chosen, other))
            np.testing.assert_array_equal(automatic, same)
            assert np.abs(automatic - not_same).max() > 0.1

    def test_noise_is_told_from_structure_at_any_contrast(self, sparse):
        """Noise on blobs counts by its share of what linear interpolation misses."""
        noise = np.random.default_rng(0).normal(0, 1, sparse.voxels.shape)
        for level, chosen in ((20.0, "l1"), (600.0, "l2")):
            stack = replace(sparse, voxels=1e3 * (sparse.voxels + level * noise))
            automatic, same = (sections(stack, [6.0], loss=loss, **TINY) for loss in ("auto", chosen))
            np.testing.assert_array_equal(automatic, same)


@pytest.fixture(scope="module")
def plain(sparse):
    """A section of what has hardly been trained, at the true scale."""
    return sections(sparse, [6.0], scale=1.0, **TINY)


class TestParameters:
    @pytest.mark.parametrize(
        "parameters",
        [
            {"training_steps": 20},
            {"batch": 4},
            {"channels": 8},
            {"blocks": 2},
            {"flips": False},
            {"axial_blur": 6.0},
            {"sharpness": 5.0},
        ],
    )
    def test_each_changes_the_result(self, sparse, plain, parameters):
        changed = sections(sparse, [6.0], scale=1.0, **{**TINY, **parameters})
        assert np.abs(plain - changed).max() > 0.2

    def test_a_known_thickness_helps(self):
        """Sections are averages of eight pixels, four apart; a given axial blur wins over what is known of them."""
        averaged = correlate1d(TRUTH, Profile("box", 8.0).kernel(1.0), axis=0)
        thin = stack_of(averaged[::4])
        thick = replace(thin, acquisition=Acquisition(profile=Profile("box", 8.0)))
        unknown, known = prepared(thin, axial_blur=0.0, scale=1.0, **LEARNED), prepared(thick, scale=1.0, **LEARNED)
        assert gain(known, thick, HIDDEN, averaged[HIDDEN]) > gain(unknown, thin, HIDDEN, averaged[HIDDEN]) + 0.3
        assert known.axial_blur == 0  # it was not looked for
        told = [sections(each, [6.0], axial_blur=0.0, scale=1.0, **TINY) for each in (thin, thick)]
        np.testing.assert_array_equal(*told)

    def test_thinner_than_a_pixel_is_thin(self, sparse):
        thin = replace(sparse, acquisition=Acquisition(profile=Profile("box", 0.9)))
        np.testing.assert_array_equal(sections(thin, [6.0], scale=1.0, axial_blur=None, **TINY),
                                      sections(sparse, [6.0], scale=1.0, axial_blur=0.0, **TINY))  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("training_steps", 0),
            ("batch", 0),
            ("channels", 1),
            ("blocks", 0),
            ("loss", "l3"),
            ("scale", 0.1),
            ("scale", 5.0),
            ("axial_blur", -1.0),
        ],
    )
    def test_values_out_of_bounds_are_refused(self, name, value):
        dataset = Dataset.from_array(TRUTH[::8], z_spacing=1.0)
        with pytest.raises(RequestError, match=name):
            resolve(dataset, make_settings(method="section_sr", factor=2, parameters={name: value}))

    def test_presets_go_from_quick_to_thorough(self):
        fast, balanced, best = (SPEC.config(**SPEC.presets[name]) for name in ("fast", "balanced", "best"))
        assert fast.training_steps < balanced.training_steps < best.training_steps
        assert balanced == SPEC.config()


class TestOddStacks:
    @pytest.mark.parametrize("shape", [(4, 15, 15), (5, 1, 1), (2, 3, 12)])
    def test_images_too_small_to_learn_from_give_linear_interpolation(self, shape):
        stack = stack_of(np.random.default_rng(0).random(shape))
        z = [1.0, 3.0]
        np.testing.assert_array_equal(sections(stack, z, **TINY), sections(stack, z, method="linear"))

    @pytest.mark.parametrize(
        ("n", "spacing", "learned"), [(1, 24, True), (1, 60, False), (6, 18, True), (6, 30, False)]
    )
    def test_gaps_wider_than_the_images_cannot_be_learned_and_it_says_so(self, n, spacing, learned):
        """Rows as far apart as the sections do not fit into images of 48 pixels; nor do two means as thick."""
        stack = replace(stack_of(TRUTH[:6], spacing * np.arange(6.0)), acquisition=Acquisition(n))
        method = prepared(stack, **TINY)
        z = [1.4 * spacing, 2.1 * spacing]
        same = np.array_equal(method.sections_at(stack, z).values, sections(stack, z, method="linear"))
        assert same != learned
        assert [f"48 pixels wide, too few to hide rows {spacing} pixels apart" in line for line in
                method.findings().warnings] == ([] if learned else [True])  # fmt: skip

    @pytest.mark.parametrize("shape", [(2, 40, 40), (6, 64, 5), (6, 5, 64), (6, 1, 64), (5, 17, 9), (3, 300, 8)])
    def test_few_sections_and_narrow_images(self, shape):
        stack = stack_of(blobs(shape, sigma=1.5))
        found = sections(stack, [1.0, 2.0], **TINY)
        linear = sections(stack, [1.0, 2.0], method="linear")
        assert np.isfinite(found).all()
        assert 0 < np.abs(found - linear).max() < 300

    @pytest.mark.parametrize("pixel_size", [(1.0, 1.6), (1.6, 1.0)])
    def test_pixels_that_are_not_square(self, pixel_size):
        voxels = blobs((21, 40, 40), sigma=(2.5, 2.5 / pixel_size[0], 2.5 / pixel_size[1]))
        stack, hidden = stack_of(voxels[::4], pixel_size=pixel_size), [k for k in range(21) if k % 4]
        assert gain(prepared(stack, training_steps=60, channels=8, blocks=1), stack, hidden, voxels[hidden]) > 0.1

    def test_no_pixel_size(self):
        """The sections are taken to be a few pixels apart, whatever their distance in the file."""
        near, far = (
            sections(stack_of(TRUTH[::4], spacing * np.arange(11.0), None), [1.5 * spacing], **TINY)
            for spacing in (1.0, 700.0)
        )
        np.testing.assert_allclose(near, far, atol=0.5)
        assert np.abs(near - sections(stack_of(TRUTH[::4]), [6.0], method="linear")).max() > 0.5

    @pytest.mark.parametrize("spacing", [0.3, 1.0, 60.0])
    def test_sections_nearer_than_pixels_or_very_far_apart(self, spacing):
        stack = stack_of(TRUTH[::8], spacing * np.arange(6))
        found = sections(stack, [0.5 * spacing, 2.5 * spacing], **TINY)
        assert np.isfinite(found).all()
        assert np.abs(found - TRUTH[::8].mean()).max() < 1500

    def test_a_point_in_the_dark(self):
        voxels = np.zeros((5, 24, 24), np.uint16)
        voxels[2, 10, 10] = 1000
        assert np.isfinite(sections(stack_of(voxels), [6.0, 10.0], **TINY)).all()


def test_through_the_front_door(sparse):
    """Depths, dtype and grid as for any other method; the network does work."""
    dataset = Dataset.from_array(TRUTH[::8].astype(np.uint16), z_spacing=8.0, pixel_size=(1, 1), unit="um")
    settings = {"factor": 4, "threads": 1}
    found, linear = (
        execute(resolve(dataset, make_settings(method=name, parameters=parameters, **settings)))
        for name, parameters in (("section_sr", TINY), ("linear", {}))
    )
    assert found.dataset.voxels.shape == (1, 1, 21, 48, 48)
    assert found.dataset.voxels.dtype == np.uint16
    np.testing.assert_array_equal(found.dataset.voxels[0, 0, ::4], dataset.voxels[0, 0])
    assert (found.dataset.voxels != linear.dataset.voxels).mean() > 0.2
    assert found.uncertainty is None
    assert found.expected_gain_db is None


class TestAxialBlur:
    """Every fourth section is seen."""

    def test_it_is_found_used_and_said(self, unsmearing):
        assert 4 < unsmearing.axial_blur <= 14
        assert unsmearing.findings().chosen == {"axial blur of section_sr": unsmearing.axial_blur}

    def test_it_helps(self, smeared, unsmearing):
        stack = stack_of(smeared[::4])
        none = prepared(stack, axial_blur=0.0, **LEARNED)
        assert none.axial_blur == 0
        assert not none.findings().chosen
        assert gain(unsmearing, stack, HIDDEN, smeared[HIDDEN]) > gain(none, stack, HIDDEN, smeared[HIDDEN])

    def test_rows_that_are_blurred_alike_are_put_back_by_what_puts_sections_back(self, unsmearing):
        assert unsmearing.in_plane()._network is unsmearing._network

    def test_a_value_is_used_as_it_is(self, smeared):
        assert prepared(stack_of(smeared[::4]), axial_blur=3.0, **TINY).axial_blur == 3.0

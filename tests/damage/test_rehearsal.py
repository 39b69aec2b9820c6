"""Repairs are judged on sound sections: what is no better than linear interpolation gives way to it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import shift

from damaged_stacks import asked, damaged, fibres, rms, tissue
from napari_depth_interp import io
from napari_depth_interp.damage.cases import case_of
from napari_depth_interp.damage.execute import execute_repair
from napari_depth_interp.damage.rehearsal import best_share, harmless
from napari_depth_interp.damage.remedies import blur_of, measured_shift, unstriped
from napari_depth_interp.damage.views import smoothed
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import is_lazy

SOUND = tissue()


def repaired(stack, /, **settings):
    return execute_repair(asked(stack, **settings))


def plain_of(stack, k):
    return (stack[k - 1].astype(float) + stack[k + 1]) / 2


@pytest.mark.parametrize(("made", "share"), [(1.0, 1.0), (2.0, 0.5), (-1.0, 0.0), (0.5, 1.0)])
def test_the_way_to_the_truth(made, share):
    plain, truth = np.zeros((4, 4)), np.ones((4, 4))
    assert best_share(plain, plain + made, truth) == pytest.approx(share)


def test_the_way_between_equal_images():
    plain, truth = np.zeros((4, 4)), np.ones((4, 4))
    assert best_share(plain, plain - 1e-7, truth) == 1.0


@pytest.mark.parametrize("sigma", [1.75, 3.1])
def test_how_far_a_section_is_out_of_focus(sigma):
    case = case_of(Dataset.from_array(SOUND).counted(), (0, 0, 8), {8})
    assert blur_of(replace(case, section=smoothed(SOUND[8].astype("float32"), sigma))) == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize(("ratio", "believed"), [(0.5, 1.0), (1.0, 1.0), (1.125, 0.5), (1.5, 0.0)])
def test_a_correction_that_one_sound_section_is_worse_for(ratio, believed):
    assert harmless(ratio) == pytest.approx(believed)


@pytest.mark.parametrize("rows", [5.0, 4.93])
def test_a_shift_is_rounded_only_where_it_is_whole(rows):
    case = case_of(Dataset.from_array(SOUND).counted(), (0, 0, 8), {8})
    moved = shift(case.plain, (rows, -3.0), order=3, mode="nearest")
    assert measured_shift(replace(case, section=moved)) == pytest.approx((rows, -3.0), abs=0.02)


def test_the_way_where_nothing_is_known():
    assert best_share(np.zeros(3), np.full(3, np.nan), np.ones(3)) == 1.0


def test_a_method_that_is_worse_than_linear_gives_way_to_it():
    stack, sound, _ = damaged("missing")
    result = repaired(stack, method="nearest")
    assert rms(result[5], sound[5]) <= 1.012 * rms(plain_of(sound, 5), sound[5])
    assert any("nearest" in warning and "linear interpolation" in warning for warning in result.warnings)


class TestNeighboursThatShowOtherThings:
    @pytest.fixture
    def shifted(self):
        stack = fibres(43)
        stack[7] = shift(stack[7].astype(float), (5, -4), order=1, mode="nearest")
        return stack

    def test_a_shift_that_looks_like_stripes_is_left(self, shifted):
        [entry] = repaired(shifted).sections
        assert (entry["index"], entry["kind"], entry["action"]) == (7, "stripes", "leave")
        assert "so little in common" in entry["reason"]

    def test_a_section_that_is_named_is_repaired(self, shifted):
        result = repaired(shifted, sections="7")
        [entry] = result.sections
        assert entry["action"] == "correct"
        assert (np.asarray(result[7]) != shifted[7]).any()


@pytest.mark.parametrize(("unevenness", "exact"), [(0.0, True), (0.5, False)])
def test_how_exactly_the_place_of_a_shifted_section_can_be_told(unevenness, exact):
    random = np.random.default_rng(1)
    uneven = [shift(each.astype(float), random.normal(0, unevenness, 2), order=1, mode="nearest") for each in SOUND]
    stack = np.array(uneven).astype("uint16")
    moved = stack.copy()
    moved[12] = shift(stack[12].astype(float), (6, -7), order=1, mode="nearest")
    result = repaired(moved)
    [entry] = result.sections
    assert (entry["index"], entry["kind"]) == (12, "shift")
    assert (entry["expected_shift_error"] <= 0.3) is exact
    assert ("its place can be told to" in entry["reason"]) is not exact
    assert (entry["action"] == "correct") is exact
    assert rms(result[12], stack[12]) <= 1.01 * rms(plain_of(stack, 12), stack[12])


@pytest.mark.parametrize("kind", ["blur", "brightness", "stripes"])
@pytest.mark.parametrize("height", [0, 100, 200])
def test_damage_that_is_not_quite_as_it_was_told_ends_no_worse_than_linear_interpolation(kind, height):
    stack, sound, _ = damaged(kind)
    rows, columns = np.mgrid[:72, :72] - 36
    bump = height * np.exp(-(rows**2 + columns**2) / 2 / 12**2)
    stack[5] = np.clip(stack[5] + bump, 0, 65535)
    result = repaired(stack)
    assert [(each["index"], each["kind"]) for each in result.sections] == [(5, kind)]
    assert rms(result[5], sound[5]) <= 1.012 * rms(plain_of(sound, 5), sound[5])


def test_a_correction_that_no_sound_section_could_vouch_for_says_so():
    stack, sound, _ = damaged("saturated", "saturated", first=2, apart=3)
    result = repaired(stack[:8])
    assert [(each["index"], each["action"]) for each in result.sections] == [(2, "fill"), (5, "fill")]
    assert all("was not measured" in each["reason"] for each in result.sections)
    assert rms(result[2], sound[2]) < rms(plain_of(sound, 2), sound[2])


def test_a_lost_section_is_made_from_a_corrected_one_beside_it():
    stack, far = SOUND.copy(), SOUND.copy()
    stack[8], stack[9] = 0, np.clip(SOUND[9] * 1.5 + 100, 0, 65535)
    result = repaired(stack)
    assert [(each["index"], each["action"]) for each in result.sections] == [(8, "interpolate"), (9, "correct")]
    far[8] = (2 * SOUND[7].astype(float) + SOUND[10]) / 3
    assert rms(result[8], SOUND[8]) < 0.97 * rms(far[8], SOUND[8])


def test_a_lost_section_is_made_from_a_filled_one_beside_it():
    stack, far = SOUND.copy(), SOUND.copy()
    stack[8], stack[9, 20:45, 10:50] = 0, 0
    result = repaired(stack, gaps=True)
    assert [(each["index"], each["action"]) for each in result.sections] == [(8, "interpolate"), (9, "fill")]
    far[8] = (2 * SOUND[7].astype(float) + SOUND[10]) / 3
    assert rms(result[8], SOUND[8]) < 0.97 * rms(far[8], SOUND[8])


def test_rows_that_end_at_black():
    rows = np.random.default_rng(3).normal(-300, 900, 72)[:, None]
    section = np.clip(SOUND[8] + rows, 0, None).astype("float32")
    case = replace(case_of(Dataset.from_array(SOUND).counted(), (0, 0, 8), {8}), section=section)
    black = section == 0
    assert 0.02 < black.mean() < 0.5
    assert (unstriped(case)[black] == case.anew[black]).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_of_another_gain(axis):
    stack = SOUND.copy()
    gains = 1 + np.expand_dims(np.random.default_rng(3).normal(0, 0.1, 72), 1 - axis)
    stack[8] = np.clip((SOUND[8] - 800.0) * gains + 800, 0, 65535)
    result = repaired(stack)
    assert [(each["index"], each["kind"], each["action"]) for each in result.sections] == [(8, "stripes", "correct")]
    assert rms(result[8], SOUND[8]) < 0.85 * rms(plain_of(SOUND, 8), SOUND[8])


def test_what_is_not_repaired_stays_in_its_file(tmp_path):
    stack, _, _ = damaged("missing", "shift")
    stack[14] = np.roll(stack[14], (3, -4), (0, 1))
    io.write(tmp_path / "in.ome.zarr", Dataset.from_array(stack, z_spacing=2.0, unit="um"))
    request = asked(io.read(tmp_path / "in.ome.zarr", lazy=True), kinds="missing", align="translation")
    left, whole = execute_repair(request, in_file=True), execute_repair(request)
    assert is_lazy(left.dataset.voxels)
    assert not is_lazy(whole.dataset.voxels)
    assert (np.asarray(left) == np.asarray(whole)).all()
    assert left.sections == whole.sections


class TestValues:
    @pytest.mark.parametrize("scale", [2.0**45, 1e30, 1e-9])
    def test_large_and_small(self, scale):
        stack = SOUND.astype("float64")
        stack[7], stack[12] = stack[7] * 1.5, 0
        result = repaired(stack * scale)
        assert [(each["index"], each["kind"]) for each in result.sections] == [(7, "brightness"), (12, "missing")]
        assert rms(result[7] / scale, SOUND[7]) < 0.5 * rms(plain_of(SOUND, 7), SOUND[7])

    def test_beyond_float32(self):
        stack = SOUND.astype("float64") * 1e60
        stack[7] = 0
        with pytest.raises(InputError, match="divide the image"):
            repaired(stack)

    def test_no_numbers_at_the_edge_of_all_sections(self):
        stack = SOUND.astype("float32")
        stack[7] *= 1.5
        stack[:, :4] = np.nan
        result = repaired(stack)
        assert [(each["index"], each["action"]) for each in result.sections] == [(7, "correct")]
        assert np.isnan(result[7, :4]).all()
        assert np.isfinite(result[7, 4:]).all()

    def test_one_row(self):
        stack = tissue(12, 40)[:, :1]
        assert repaired(stack, sections="4").sections[0]["action"] == "interpolate"

"""``examine``: what it finds, and what it does not take for damage."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as displaced

from damaged_stacks import EVERY, asked, damaged, tissue
from napari_depth_interp.damage.detect import examine
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.damage.settings import make_repair_settings
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset, Grid


def found_in(stack, **settings):
    given = stack if isinstance(stack, Dataset) else Dataset.from_array(stack)
    return examine(given, make_repair_settings(**settings))


def kinds_of(stack, **settings):
    return {each.index: each.kind for each in found_in(stack, **settings).found}


class TestEveryKind:
    @pytest.mark.parametrize("kind", list(KINDS))
    @pytest.mark.parametrize("dtype", ["uint16", "float32"])
    def test_is_found_where_it_is(self, kind, dtype):
        stack, _, truth = damaged(kind, dtype=dtype)
        assert kinds_of(stack) == truth

    def test_is_found_among_others(self):
        stack, _, truth = damaged(*EVERY)
        assert kinds_of(stack) == truth

    def test_has_a_score_over_the_threshold_and_words_with_numbers(self):
        stack, _, truth = damaged("shift", "partial")
        examination = found_in(stack)
        shift, torn = examination.found
        assert shift.score == pytest.approx(5.0, abs=0.3)
        assert "rows" in shift.detail
        assert shift.severity == shift.score / shift.threshold
        assert examination.scores["shift"][shift.index] == pytest.approx(shift.score)
        lost = np.zeros((72, 72), bool)
        lost[20:50, 10:60] = True
        assert torn.part[lost].all()
        assert torn.part.mean() < 1.2 * lost.mean()
        assert list(truth) == [shift.index, torn.index]

    def test_a_shift_where_everything_moves(self):
        wide = tissue(1, 160)[0]
        stack = np.stack([wide[3 * k : 3 * k + 72, 40:112] for k in range(24)])
        stack[9] = wide[27 - 2 : 27 + 70, 40 + 1 : 112 + 1]
        (damage,) = found_in(stack).found
        assert (damage.index, damage.kind) == (9, "shift")
        assert damage.score == pytest.approx(np.hypot(2, 1), abs=0.2)

    @pytest.mark.parametrize(("step", "by"), [(2, (2, -2)), (3, (2, -2)), (3, (0, 4))])
    def test_a_shift_where_what_moves_changes_too(self, step, by):
        wide = tissue(24, 180)
        stack = np.stack([wide[k, 40:112, step * k : step * k + 72] for k in range(24)])
        assert kinds_of(stack) == {}
        rows, columns = 40 - by[0], 12 * step - by[1]
        stack[12] = wide[12, rows : rows + 72, columns : columns + 72]
        (damage,) = found_in(stack).found
        assert (damage.index, damage.kind) == (12, "shift")
        assert damage.score == pytest.approx(np.hypot(*by), abs=0.3)

    def test_a_shift_beside_an_edge_that_came_in(self):
        stack = np.full((24, 72, 72), 100, "uint8") + np.random.default_rng(0).integers(0, 3, (24, 72, 72), "uint8")
        stack[:, 20:26, 30:36] += 50
        stack[9] = np.roll(stack[9], (6, -5), (0, 1))
        stack[9, :6] = stack[9, :, -5:] = 0
        assert kinds_of(stack) == {9: "shift"}

    def test_a_shift_or_a_lost_edge_among_sections_that_are_unlike(self):
        random = np.random.default_rng(2)
        noise = gaussian_filter(random.normal(size=(16, 72, 72)), (0.8, 4, 4))
        stack = (2000 + 400 * noise / noise.std() + random.normal(0, 20, noise.shape)).astype("uint16")
        assert kinds_of(stack) == {}
        moved, lost = stack.copy(), stack.copy()
        moved[8] = displaced(stack[8].astype(float), (-3, 7), order=1, mode="constant", cval=stack.min())
        lost[8, :12] = stack.min()
        assert kinds_of(moved) == {8: "shift"}
        assert kinds_of(lost) == {8: "partial"}

    def test_a_thin_slanting_tear(self):
        stack = tissue()
        rows, columns = np.mgrid[:72, :72]
        stack[9][np.abs(rows - 36 - 0.6 * (columns - 36)) < 1.6] = 0
        assert kinds_of(stack) == {9: "partial"}

    def test_half_a_section_black_where_there_is_little_to_see(self):
        noise = gaussian_filter(np.random.default_rng(0).normal(size=(16, 60, 60)), (0.6, 2, 2))
        stack = (150 + 2 * noise / noise.std()).round().astype("uint8")
        assert kinds_of(stack) == {}
        stack[9, :28] = 4
        assert kinds_of(stack) == {9: "partial"}

    def test_a_little_less_contrast_among_sections_that_are_nearly_alike(self):
        stack = tissue(16, 60)
        mean = stack[7].mean()
        stack[7] = (stack[7] - mean) * 0.79 + mean
        assert kinds_of(stack) == {7: "brightness"}

    def test_a_section_whose_background_is_too_bright(self):
        stack = np.clip((tissue(16, 60) - 1200.0) / 12, 0, 255).astype("uint8")
        stack[:, :, :20] = 0
        stack[9] = stack[9] * 0.8 + 25
        assert kinds_of(stack) == {9: "brightness"}

    def test_a_tear_through_dark_places(self):
        stack = tissue()
        rows, columns = np.mgrid[:72, :72]
        tear = np.abs(rows - 36 - 0.6 * (columns - 36)) < 2.5
        stack[9][np.hypot(rows - 24, columns - 30) < 7] //= 4  # dark on this section only, and not of one value
        stack[9][tear] = 0
        (damage,) = found_in(stack).found
        assert (damage.index, damage.kind) == (9, "partial")
        assert damage.part[tear].all()
        assert damage.part.mean() < 1.7 * tear.mean()

    def test_two_damaged_neighbours(self):
        stack = tissue()
        for k in (10, 11):
            EVERY["blur"](stack, k)
        stack[16] = stack[17] = 0
        assert kinds_of(stack) == {10: "blur", 11: "blur", 16: "missing", 17: "missing"}

    @pytest.mark.parametrize("count", [2, 3, 4, 7])
    def test_many_missing_or_equal_in_a_row(self, count):
        dark = np.random.default_rng(0).normal(20, 5, (count, 72, 72)).clip(0)
        for kind, lost in {"missing": np.zeros((count, 72, 72)), "missing ": dark, "duplicate": None}.items():
            stack = tissue(30)
            stack[10 : 10 + count] = stack[9] if lost is None else lost  # the camera had stopped: 9 was recorded
            assert kinds_of(stack) == dict.fromkeys(range(10, 10 + count), kind.strip())

    def test_first_and_last_section(self):
        stack = tissue()
        stack[0] = 0
        EVERY["brightness"](stack, 23)
        assert kinds_of(stack) == {0: "missing", 23: "brightness"}

    def test_voxels_that_are_no_number(self):
        stack = tissue(dtype="float32")
        stack[8] = np.nan
        stack[15, :20] = np.nan
        stack[:, 60:, 60:] = np.nan  # on all sections: outside of what was recorded
        assert kinds_of(stack) == {8: "missing", 15: "partial"}
        assert found_in(stack).at(8)[0].detail == "no pixel is a number"
        assert found_in(stack).at(15)[0].part.mean() == pytest.approx(20 / 72, abs=0.02)


class TestNoDamage:
    @pytest.mark.parametrize("specimen", ["organoid", "vessels", "dendrites"])
    def test_in_simulated_tissue(self, specimen):
        assert found_in(simulate(specimen, shape=(32, 72, 72), seed=2).observed).found == []

    def test_in_empty_ends(self):
        stack = np.zeros((30, 72, 72), "uint16")
        z = np.arange(30)[:, None, None]
        inside = np.hypot(*(np.mgrid[:72, :72] - 36))[None] < 30 * np.sqrt(np.clip(1 - ((z - 15) / 10) ** 2, 0, 1))
        stack[inside] = tissue(30)[inside]
        assert kinds_of(stack) == {}

    def test_where_everything_moves_or_fades_steadily(self):
        wide = tissue(1, 160, dtype="float32")[0]
        sliding = (
            np.stack([wide[2 * k : 2 * k + 72, 40:112] for k in range(24)]) * np.linspace(1, 0.4, 24)[:, None, None]
        )
        assert kinds_of(sliding.astype("float32") + np.random.default_rng(0).normal(0, 12, sliding.shape)) == {}

    def test_where_a_dark_section_only_ends_at_black(self):
        objects = np.hypot(*(np.mgrid[:72, :72] - 36)) < 14
        stack = np.where(objects, tissue(), 60 + np.random.default_rng(0).integers(0, 40, (24, 72, 72))).astype(
            "uint16"
        )
        stack[9] = np.maximum(stack[9].astype(int) - 110, 0)
        assert "partial" not in kinds_of(stack).values()

    def test_where_the_stack_shifts_for_good(self):
        stack = tissue()
        assert kinds_of(np.concatenate([stack[:12], np.roll(stack[12:], 6, 2)])) == {}

    def test_where_sections_were_repeated_on_purpose(self):
        examination = found_in(np.repeat(tissue(12), 2, axis=0))
        assert [each for each in examination.found if each.kind == "duplicate"] == []
        assert "repeated" in " ".join(examination.notes)

    def test_between_two_objects(self):
        stack = tissue(30).astype(float) * np.clip(np.abs(np.arange(30) - 15) / 10, 0.02, 1)[:, None, None]
        assert kinds_of(stack.astype("uint16")) == {}


class TestHostile:
    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_sections(self, count):
        examination = found_in(tissue(count))
        assert examination.found == []
        assert examination.count == count

    @pytest.mark.parametrize("value", [0, 7])
    def test_a_constant_stack(self, value):
        examination = found_in(np.full((6, 20, 20), value, "uint8"))
        assert examination.found == []
        assert "only 0 of 6 sections" in examination.notes[0]

    def test_nothing_but_no_numbers(self):
        assert found_in(np.full((6, 20, 20), np.nan, "float32")).found == []

    def test_one_sound_section(self):
        stack = np.zeros((8, 40, 40), "uint16")
        stack[3] = tissue(1, 40)[0]
        assert all(each.kind == "missing" for each in found_in(stack).found)

    @pytest.mark.parametrize("shape", [(5, 1, 1), (5, 2, 3), (5, 1, 40), (4, 300, 5)])
    def test_small_and_narrow_sections(self, shape):
        assert found_in(np.random.default_rng(0).integers(0, 200, shape).astype("uint8")).count == shape[0]

    def test_a_stack_of_noise(self):
        assert kinds_of(np.random.default_rng(0).integers(0, 4000, (20, 64, 64)).astype("uint16")) == {}


class TestChannelsAndTimes:
    def test_each_channel_at_each_time_alone(self):
        voxels = np.stack([np.stack([tissue(12, 48, seed=2 * t + c) for c in range(2)]) for t in range(2)])
        voxels[1, 0, 5] = 0
        examination = found_in(Dataset.from_array(voxels, axes="TCZYX"))
        assert [(each.index, each.time, each.channel) for each in examination.found] == [(5, 1, 0)]
        assert examination.scores["missing"][5] == pytest.approx(1.0)

    def test_colours_together(self):
        voxels = np.stack([tissue(12, 48, seed=1) // 20] * 3, axis=-1).astype("uint8")
        voxels[5] = 0
        examination = found_in(Dataset.from_array(voxels, axes="ZYXS"))
        assert [(each.index, each.channel) for each in examination.found] == [(5, 0)]


class TestSettings:
    def test_only_the_kinds_asked_for(self):
        stack, _, _ = damaged("missing", "blur")
        assert kinds_of(stack, kinds="blur") == {10: "blur"}
        assert list(found_in(stack, kinds="blur").scores) == ["blur"]

    def test_sensitivity(self):
        stack = tissue()
        stack[10] = gaussian_filter(stack[10].astype(float), 0.55)
        assert kinds_of(stack, sensitivity=0.2) == {}
        assert kinds_of(stack, sensitivity=4, kinds="blur") == {10: "blur"}


def test_table_and_json():
    stack, _, _ = damaged("missing")
    examination = examine(Dataset.from_array(stack, z_spacing=2.0, unit="um"))
    rows = examination.as_table()
    assert [row["index"] for row in rows] == list(range(24))
    assert rows[5]["kind"] == "missing"
    assert rows[5]["depth"] == 10.0
    assert rows[6]["kind"] == ""
    assert set(KINDS) < set(rows[0])
    assert examination.as_json()["found"][0]["index"] == 5


def test_cancel():
    def cancel(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        examine(Dataset.from_array(tissue()), report=cancel)


def test_sections_are_reduced_where_they_are_large():
    large = np.kron(tissue(8, 150), np.ones((1, 4, 4))).astype("uint16")
    large[4] = np.roll(large[4], 24, axis=1)
    (damage,) = found_in(Dataset(large[None, None], Grid(None))).found
    assert (damage.kind, round(damage.score)) == ("shift", 24)


def test_nothing_is_changed_by_looking():
    stack, _, _ = damaged("partial")
    before = stack.copy()
    asked(stack)
    assert (stack == before).all()

"""``execute_repair``: what is repaired is better than before, and nothing else changes."""

import numpy as np
import pytest
import tifffile

from damaged_stacks import EVERY, asked, damaged, rms, tissue
from displaced_stacks import displaced, tissue_like
from napari_depth_interp import io
from napari_depth_interp.damage import memory
from napari_depth_interp.damage.execute import execute_repair
from napari_depth_interp.damage.result import RepairResult
from napari_depth_interp.damage.settings import make_repair_settings
from napari_depth_interp.damage.voxels import RepairedVoxels
from napari_depth_interp.errors import InputError, RequestError, TooLargeError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import is_lazy

ACTIONS = {
    "missing": "interpolate", "duplicate": "interpolate", "saturated": "fill", "partial": "fill", "blur": "correct",
    "brightness": "correct", "shift": "correct", "stripes": "correct",
}  # fmt: skip


def repaired(stack, /, **settings):
    return execute_repair(asked(stack, **settings))


class TestEveryKind:
    @pytest.mark.parametrize("kind", list(ACTIONS))
    def test_is_repaired_and_nothing_else_changes(self, kind):
        stack, sound, _ = damaged(kind)
        result = repaired(stack)
        (entry,) = result.sections
        assert (entry["index"], entry["kind"], entry["action"]) == (5, kind, ACTIONS[kind])
        plain = (sound[4].astype(float) + sound[6]) / 2
        assert rms(result[5], sound[5]) < rms(stack[5], sound[5])
        assert rms(result[5], sound[5]) <= 1.02 * rms(plain, sound[5])
        others = np.arange(24) != 5
        assert (np.asarray(result)[others] == stack[others]).all()
        assert result.dtype == stack.dtype

    @pytest.mark.parametrize("kind", ["brightness", "shift", "stripes", "partial"])
    def test_keeps_what_the_section_itself_tells(self, kind):
        stack, sound, _ = damaged(kind)
        plain = (sound[4].astype(float) + sound[6]) / 2
        assert rms(repaired(stack)[5], sound[5]) < 0.9 * rms(plain, sound[5])

    def test_together(self):
        stack, sound, truth = damaged(*EVERY)
        result = repaired(stack)
        assert {entry["index"]: entry["kind"] for entry in result.sections} == truth
        assert np.flatnonzero(result.repaired).tolist() == list(truth)
        assert all(rms(result[k], sound[k]) < rms(stack[k], sound[k]) for k in truth)

    def test_only_the_torn_part(self):
        stack, sound, _ = damaged("partial")
        result = repaired(stack)
        lost = np.zeros((72, 72), bool)
        lost[17:53, 7:63] = True
        assert (result[5][~lost] == sound[5][~lost]).all()
        assert (result[5] > 0).all()


class TestChoices:
    def test_named_sections_and_no_others(self):
        stack, _, _ = damaged("missing", "blur")
        result = repaired(stack, sections="5,8")
        assert [(each["index"], each["kind"], each["action"]) for each in result.sections] == [
            (5, "missing", "interpolate"), (8, "named", "interpolate"),
        ]  # fmt: skip
        assert (result[10] == stack[10]).all()
        assert rms(result[8], (stack[7].astype(float) + stack[9]) / 2) < 1

    def test_two_neighbours_only_when_asked(self):
        stack = tissue()
        stack[10] = stack[11] = 0
        left = repaired(stack)
        assert [each["action"] for each in left.sections] == ["leave", "leave"]
        assert (np.asarray(left) == stack).all()
        assert "--gaps" in " ".join(left.warnings)
        made = repaired(stack, gaps=True)
        assert [each["action"] for each in made.sections] == ["interpolate", "interpolate"]
        assert rms(made[10], stack[9] * (2 / 3) + stack[12] / 3) < 1
        assert made.sections[0]["expected_error"] > 0

    def test_the_expected_error_is_about_the_error(self):
        stack, sound, _ = damaged("missing", count=60)
        entry = repaired(stack).sections[0]
        assert entry["expected_error"] == pytest.approx(rms(repaired(stack)[5], sound[5]), rel=0.5)

    def test_a_mask(self):
        sound = tissue()
        mask = np.zeros(sound.shape, "uint8")
        mask[9, 10:30, 10:30] = 1
        stack = sound.copy()
        stack[9, 10:30, 10:30] = sound[9].max()
        result = execute_repair(asked(stack, mask=mask))
        assert [(each["index"], each["action"]) for each in result.sections] == [(9, "fill")]
        assert (result[9][mask[9] == 0] == sound[9][mask[9] == 0]).all()
        assert rms(result[9], sound[9]) < rms(stack[9], sound[9])

    def test_removed_sections_leave_a_gap(self):
        stack, _, _ = damaged("missing")
        result = repaired(stack, remove="5", z_spacing="2um")
        assert result.shape == (23, 72, 72)
        assert result.depths[4:6].tolist() == [8.0, 12.0]
        assert (np.asarray(result) == np.delete(stack, 5, axis=0)).all()
        assert result.sections[0]["action"] == "remove"

    def test_first_and_last_section_are_left(self):
        stack = tissue()
        stack[0] = 0
        result = repaired(stack)
        assert result.sections[0]["action"] == "leave"
        assert "nothing is made up" in result.sections[0]["reason"]
        assert (np.asarray(result) == stack).all()

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"sections": "99"}, "section 99 was named"),
            ({"sections": "a"}, "--sections 12,40-41"),
            ({"remove": "5"}, "--z-spacing"),
            ({"kinds": "mould"}, "choose kinds out of"),
            ({"factor": 2}, "leave --factor out"),
            ({"method": "enlarge"}, "no sections between others"),
            ({"method": "nothing"}, "nothing"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, settings, words):
        with pytest.raises(RequestError, match=words):
            repaired(tissue(8), **settings)

    def test_a_mask_of_another_size(self):
        with pytest.raises(RequestError, match="8 x 72 x 72"):
            asked(tissue(8), mask=np.zeros((8, 72, 71)))


class TestHostile:
    def test_all_sections_damaged(self):
        stack = np.zeros((8, 40, 40), "uint16")
        stack[3] = tissue(1, 40)[0]
        result = repaired(stack, sections="0-7")
        assert {each["action"] for each in result.sections} == {"leave"}
        assert (np.asarray(result) == stack).all()

    def test_more_lost_in_a_row_than_there_are_sound(self):
        stack = tissue(12)
        stack[2:11] = 0
        result = repaired(stack, gaps=True)
        assert {each["index"]: each["action"] for each in result.sections} == dict.fromkeys(range(2, 11), "leave")
        assert "only 3 of 12 sections are sound" in result.sections[0]["reason"]
        assert (np.asarray(result) == stack).all()

    @pytest.mark.parametrize("count", [1, 2])
    def test_one_and_two_sections(self, count):
        stack = tissue(count, 40)
        result = repaired(stack)
        assert (np.asarray(result) == stack).all()
        assert repaired(stack, sections="0").sections[0]["action"] == "leave"

    def test_a_constant_stack(self):
        stack = np.full((6, 20, 20), 7, "uint8")
        assert (np.asarray(repaired(stack, sections="2")) == stack).all()

    def test_no_numbers(self):
        stack = tissue(dtype="float32")
        stack[8], stack[15, :20] = np.nan, np.nan
        result = repaired(stack)
        assert np.isfinite(np.asarray(result)).all()
        assert (result[15, 24:] == stack[15, 24:]).all()

    def test_three_sections(self):
        stack = tissue(3, 40)
        assert rms(repaired(stack, sections="1")[1], (stack[0].astype(float) + stack[2]) / 2) < 1

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
    def test_types(self, dtype):
        stack = (tissue() // 20).astype(dtype)
        stack[7] = 0
        result = repaired(stack)
        assert result.dtype == dtype
        assert rms(result[7], (stack[6].astype(float) + stack[8]) / 2) < 1


class TestChannels:
    def test_only_the_damaged_channel_is_touched(self):
        voxels = np.stack([np.stack([tissue(12, 48, seed=2 * t + c) for c in range(2)]) for t in range(2)])
        voxels[1, 0, 5] = 0
        result = repaired(Dataset.from_array(voxels, axes="TCZYX"))
        assert np.argwhere((np.asarray(result) != voxels).any((3, 4))).tolist() == [[1, 0, 5]]
        assert result.sections[0]["channels"] == [0]

    def test_all_colours_are(self):
        voxels = np.stack([tissue(12, 48, seed=1) // 20] * 3, axis=-1).astype("uint8")
        voxels[5] = 0
        result = repaired(Dataset.from_array(voxels, axes="ZYXS"))
        assert result.shape == voxels.shape
        assert (result[5] > 0).all()


class TestHistoryAndFiles:
    def test_every_touched_section_with_its_reason(self, tmp_path):
        stack, _, _ = damaged("missing", "blur")
        result = repaired(Dataset.from_array(stack, z_spacing=2.0, unit="um"))
        result.save(tmp_path / "out.ome.tif")
        again = RepairResult.load(tmp_path / "out.ome.tif")
        assert again.sections == result.sections
        assert np.flatnonzero(again.repaired).tolist() == [5, 10]
        assert not again.is_observed[[5, 10]].any()
        assert again.is_observed.sum() == 22
        assert all(entry["reason"] for entry in again.sections)
        assert (np.asarray(again) == np.asarray(result)).all()

    def test_another_result_is_no_repair(self, tmp_path):
        import napari_depth_interp as ndi

        ndi.interpolate(tissue(3, 16), method="linear", z_spacing="1um", factor=2).save(tmp_path / "dense.tif")
        with pytest.raises(InputError, match="no repaired stack"):
            RepairResult.load(tmp_path / "dense.tif")

    @pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
    def test_large_files_are_streamed(self, tmp_path, name):
        stack, _, _ = damaged("missing", "partial")
        io.write(tmp_path / "in.ome.zarr", Dataset.from_array(stack, z_spacing=2.0, unit="um"))
        lazy = io.read(tmp_path / "in.ome.zarr", lazy=True)
        assert is_lazy(lazy.voxels)
        result = execute_repair(asked(lazy), target=Target(tmp_path / name))
        assert is_lazy(result.dataset.voxels)
        assert (np.asarray(result) == np.asarray(repaired(stack))).all()

    def test_many_repaired_sections_wait_in_files_beside_the_result(self, tmp_path, monkeypatch):
        stack, _, truth = damaged("missing", "brightness", "blur")
        monkeypatch.setattr(memory, "LARGE_BYTES", 1)
        seen = []

        def look(_progress):
            seen.extend(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file())

        result = execute_repair(asked(stack), look, target=Target(tmp_path / "out.ome.tif"))
        waiting = {name.rpartition("/")[2] for name in seen if name.endswith(".npy")}
        assert waiting == {f"0-0-{k}.npy" for k in truth}
        assert any("anew.ome.zarr" in name or "/zarr.json" in name for name in seen)
        assert [each.name for each in tmp_path.iterdir()] == ["out.ome.tif"]
        assert (np.asarray(result) == np.asarray(repaired(stack))).all()

    def test_of_a_part_of_many_sections_no_whole_ones_are_held(self):
        stack, _, _ = damaged("missing")
        mended = {(0, 0, 5): np.full(stack.shape[1:], 7, stack.dtype)}
        voxels = RepairedVoxels(stack[None, None], mended, range(len(stack)))
        part = voxels._part(0, 0, 4, (slice(3, 9), slice(2, 4)))
        assert part.base is None
        block = voxels[0:1, 0:1, 4:6, 3:9, 2:4]
        assert block.shape == (1, 1, 2, 6, 2)
        assert (block[0, 0, 0] == part).all()
        assert (part == stack[4, 3:9, 2:4]).all()
        assert (block[0, 0, 1] == 7).all()

    def test_with_less_memory_the_same_is_made_and_more_waits_in_files(self):
        stack, _, _ = damaged("missing", "brightness")
        plain, limited = repaired(stack), repaired(stack, memory="8GB")
        assert (np.asarray(plain) == np.asarray(limited)).all()
        assert plain.record == limited.record
        sizes = [memory.held_bytes(make_repair_settings(memory=each)) for each in (None, "600MB", "1TB")]
        assert sizes == [2**28, 75 * 10**6, 2**28]

    @pytest.mark.parametrize(("size", "shape"), [("100MB", (8, 64, 64)), ("1GB", (6, 4000, 4000))])
    def test_sections_that_are_too_large_for_the_memory_are_refused_before_they_are_read(self, size, shape):
        lazy = Dataset.from_array(np.broadcast_to(np.uint16(7), shape))
        with pytest.raises(TooLargeError, match=rf"to repair this stack takes .* and --memory gives it {size[:-2]}"):
            asked(lazy, memory=size)

    @pytest.mark.parametrize("after", [0.0, 0.5, 0.9])
    def test_cancelling_leaves_nothing(self, tmp_path, after):
        stack, _, _ = damaged("missing")

        def cancel(progress):
            if progress.fraction >= after:
                raise Cancelled

        with pytest.raises(Cancelled):
            execute_repair(asked(stack), cancel, target=Target(tmp_path / "out.ome.tif"))
        assert list(tmp_path.iterdir()) == []

    def test_nothing_damaged(self, tmp_path):
        stack = tissue(12)
        result = repaired(stack)
        result.save(tmp_path / "out.tif")
        assert result.sections == []
        assert (tifffile.imread(tmp_path / "out.tif") == stack).all()


class TestAlign:
    """A stack with a missing section and three that are displaced, of which only the first is looked for."""

    INNER = (slice(8, -8), slice(8, -8))
    MOVED = (3, 9, 12)

    @pytest.fixture(scope="class")
    @classmethod
    def stacks(cls):
        sound = tissue_like(16, slant=0.4)
        stack = sound.copy()
        for k in cls.MOVED:
            stack[k] = displaced(sound[k], (2.5, -3.0))
        stack[6] = 0
        return stack, sound

    def test_displaced_sections_are_brought_back_after_the_repair(self, stacks):
        stack, sound = stacks
        result = repaired(stack, kinds="missing", align="translation")
        assert [entry["index"] for entry in result.sections] == [6]
        assert np.flatnonzero(result.is_moved).tolist() == list(self.MOVED)
        for k in self.MOVED:
            made, before, truth = (np.asarray(each[k])[self.INNER] for each in (result, stack, sound))
            assert rms(made, truth) < 0.3 * rms(before, truth)
        plain = np.rint((sound[5].astype(float) + sound[7]) / 2)
        assert rms(result[6], sound[6]) < 1.05 * rms(plain, sound[6])
        others = np.setdiff1d(np.arange(16), [6, *self.MOVED])
        assert (np.asarray(result)[others] == stack[others]).all()

    def test_the_history_brings_them_back(self, stacks, tmp_path):
        stack, _ = stacks
        result = repaired(stack, kinds="missing", align="translation")
        assert set(result.record["observed"]) == set(range(16)) - {6, *self.MOVED}
        result.save(tmp_path / "out.tif")
        again = RepairResult.load(tmp_path / "out.tif")
        np.testing.assert_allclose(again.transforms.shifts[0, self.MOVED[0]], (2.5, -3.0), atol=0.3)
        assert any("3 of 16 sections were moved" in warning for warning in again.warnings)

    def test_streamed_it_is_the_same(self, stacks, tmp_path):
        stack, _ = stacks
        io.write(tmp_path / "in.ome.zarr", Dataset.from_array(stack, z_spacing=2.0, unit="um"))
        lazy = io.read(tmp_path / "in.ome.zarr", lazy=True)
        settings = {"kinds": "missing", "align": "rigid", "remove": "0"}
        result = execute_repair(asked(lazy, **settings), target=Target(tmp_path / "out.ome.zarr"))
        whole = repaired(Dataset.from_array(stack, z_spacing=2.0, unit="um"), **settings)
        assert result.shape == (15, *stack.shape[1:])
        assert (np.asarray(result) == np.asarray(whole)).all()

    def test_sound_sections_stay_bit_by_bit(self):
        stack, _, _ = damaged("missing")
        aligned = repaired(stack, align="translation")
        assert not aligned.is_moved.any()
        assert (np.asarray(aligned) == np.asarray(repaired(stack))).all()

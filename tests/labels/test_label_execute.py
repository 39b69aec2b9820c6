"""What is done once for all methods for labels: gaps, identifiers, what stays as it is, files, cancelling."""

import tracemalloc

import numpy as np
import pytest

from label_stacks import asked, cone, dataset, dice, filled_in, only
from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.labels import execute as module
from napari_depth_interp.labels import guide
from napari_depth_interp.labels.execute import execute_labels
from napari_depth_interp.labels.result import LabelResult
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.result import RECORD_KEY
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.stack.lazy import LazyVoxels

TRUTH = cone()
KEPT = [0, 4, 8]
SPARSE = only(TRUTH, KEPT)


class TestSameSections:
    def test_gaps_are_filled_and_annotated_sections_stay(self):
        result = filled_in(SPARSE)
        assert dice(result, TRUTH) > 0.99
        np.testing.assert_array_equal(result[KEPT], TRUTH[KEPT])
        assert result.annotated.nonzero()[0].tolist() == KEPT
        assert result.interpolated.nonzero()[0].tolist() == [1, 2, 3, 5, 6, 7]
        assert result.dtype == np.uint16

    def test_sections_beyond_the_annotated_ones_stay(self):
        voxels = only(TRUTH, [2, 6])
        result = filled_in(voxels)
        np.testing.assert_array_equal(result[[0, 1, 7, 8]], 0)
        assert result[4].any()
        assert result.interpolated.nonzero()[0].tolist() == [3, 4, 5]
        assert any("sections 0 to 1 and 7 to 8 lie before the first" in each for each in result.warnings)

    def test_an_object_ends_before_an_empty_annotated_section(self):
        areas = (np.asarray(filled_in(only(TRUTH, [0, 4]), annotated="0,4,8")) > 0).sum((1, 2))
        assert areas[5] > 0
        assert areas[7] < areas[5]
        assert areas[8] == 0

    def test_labels_that_stand_on_other_sections_stay(self):
        voxels = SPARSE.copy()
        voxels[2, 20:28, 20:28], voxels[6, :3, :3] = 9, 11
        result = filled_in(voxels, annotated=KEPT)
        before = voxels != 0
        np.testing.assert_array_equal(np.asarray(result)[before], voxels[before])
        assert set(np.unique(result[2])) == {0, 7, 9}
        assert result.confidence[0, 0, 2, 24, 24] == 1

    def test_only_the_labels_named_are_filled(self):
        voxels = only(TRUTH, KEPT)
        voxels[[0, 4], :6, :6] = 9
        result = filled_in(voxels, labels=[7])
        assert set(np.unique(result[2])) == {0, 7}
        np.testing.assert_array_equal(result[KEPT], voxels[KEPT])
        assert set(np.unique(filled_in(voxels)[2])) == {0, 7, 9}

    def test_only_the_gaps_named_are_filled(self):
        whole, first = filled_in(SPARSE), filled_in(SPARSE, gaps=[0])
        np.testing.assert_array_equal(first[:5], whole[:5])
        np.testing.assert_array_equal(first[5:8], 0)
        assert first.interpolated.nonzero()[0].tolist() == [1, 2, 3]

    def test_after_a_correction_only_the_gaps_beside_it_change(self):
        whole = filled_in(SPARSE)
        corrected = np.asarray(whole).copy()
        corrected[4] = np.roll(corrected[4], 5, axis=1)
        corrected[6] = 3
        again = filled_in(dataset(corrected, record={RECORD_KEY: dict(whole.record)}), gaps=[0])
        np.testing.assert_array_equal(again[4:], corrected[4:])
        assert (again[3] != whole[3]).any()
        assert again.interpolated.nonzero()[0].tolist() == [1, 2, 3, 5, 6, 7]

    def test_two_annotated_sections_without_one_in_between(self):
        result = filled_in(TRUTH)
        np.testing.assert_array_equal(result, TRUTH)
        assert not result.interpolated.any()
        assert "all sections are annotated, so there is none to fill" in result.warnings[0]

    def test_an_empty_gap_between_empty_annotated_sections(self):
        result = filled_in(only(TRUTH, [6, 8]), annotated="0,4,6,8")
        np.testing.assert_array_equal(result[:5], 0)


class TestOtherSections:
    def test_denser_equals_filling_in(self):
        dense = filled_in(dataset(TRUTH[::4], [0, 4, 8]), factor=4)
        np.testing.assert_array_equal(dense, filled_in(SPARSE))
        assert dense.depths.tolist() == list(range(9))

    def test_uneven_sections(self):
        depths = [0.0, 1.0, 5.0, 8.0]
        result = filled_in(dataset(TRUTH[[0, 1, 5, 8]], depths), spacing="1um")
        assert dice(result, TRUTH) > 0.99
        assert result.annotated.nonzero()[0].tolist() == [0, 1, 5, 8]

    def test_the_way_back_copies_what_was_recorded_and_interpolates_the_rest(self):
        like = dataset(np.zeros((4, 48, 48)), [0, 2.5, 5, 8])
        result = filled_in(TRUTH, like=like)
        np.testing.assert_array_equal(result[[0, 2, 3]], TRUTH[[0, 5, 8]])
        assert TRUTH[2].sum() < result[1].sum() < TRUTH[3].sum()
        assert result.annotated.tolist() == [True, False, True, True]

    def test_the_ends_are_held_for_half_a_gap(self):
        result = filled_in(dataset(TRUTH[::4], [0, 4, 8]), at=[-3, -1, 0, 8, 9.9, 10.1])
        np.testing.assert_array_equal(result[1], TRUTH[0])
        np.testing.assert_array_equal(result[4], TRUTH[8])
        assert not result[0].any()
        assert not result[5].any()
        assert result.confidence[0, 0, :, 0, 0].tolist() == [0, 0.75, 1, 1, np.float32(1 - 1.9 / 4), 0]
        assert result.interpolated.tolist() == [True, True, False, False, True, True]


class TestVoxels:
    @pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
    def test_the_largest_and_the_smallest_identifier_survive(self, kind):
        limits = np.iinfo(kind)
        labels = [limits.max, limits.min or 1]
        voxels = np.zeros((3, 32, 64), kind)
        for label, column in zip(labels, (4, 36), strict=True):
            voxels[::2, 8:24, column : column + 20] = label
        result = filled_in(voxels)
        assert result.dtype == kind
        assert sorted(np.unique(result[1]).tolist()) == sorted([0, *labels])
        np.testing.assert_array_equal(result[1], voxels[0])

    def test_a_million_identifiers(self):
        side = 1000
        voxels = np.zeros((3, side, side), np.uint32)
        voxels[::2] = np.arange(1, side * side + 1).reshape(side, side)
        result = filled_in(voxels, method="nearest")
        np.testing.assert_array_equal(result[1], voxels[0])

    def test_a_grey_image_is_refused(self):
        with pytest.raises(InputError, match="a grey image and no labels; use 'depth-interp run'"):
            filled_in(np.random.default_rng(0).integers(0, 99, (3, 32, 32)).astype(np.uint16))

    def test_each_channel_and_time_point_alone(self):
        other = np.roll(SPARSE, 6, axis=2)
        voxels = np.stack([np.stack([SPARSE, other]), np.stack([other, SPARSE])])
        result = filled_in(dataset(voxels, axes="TCZYX"))
        alone = np.asarray(filled_in(SPARSE)), np.asarray(filled_in(other))
        for t, c in np.ndindex(2, 2):
            np.testing.assert_array_equal(result[t, c], alone[(t + c) % 2])
        assert result.axes == "TCZYX"

    def test_equal_runs_are_equal_wherever_arrays_lie_in_memory(self):
        y, x = np.mgrid[:200, :200]
        first = ((y - 60) ** 2 / 40**2 + (x - 70) ** 2 / 50**2 < 1) | ((y - 150) ** 2 + (x - 140) ** 2 < 30**2)
        voxels = np.zeros((9, 200, 200), np.uint8)
        voxels[0], voxels[8] = first, np.roll(first, (7, 11), (0, 1)) & (x > 40)
        runs, held = [], []
        for odd in range(1, 8):
            held.append(np.zeros(odd * 1001, np.uint8))
            runs.append(filled_in(voxels))
        for each in runs[1:]:
            np.testing.assert_array_equal(each.confidence, runs[0].confidence)

    def test_the_input_is_not_changed(self):
        voxels = SPARSE.copy()
        voxels.flags.writeable = False
        filled_in(voxels)

    def test_large_gaps_are_filled_in_parts(self, monkeypatch):
        whole = filled_in(SPARSE)
        monkeypatch.setattr(module, "_AT_ONCE", 48 * 48)
        np.testing.assert_array_equal(filled_in(SPARSE), whole)

    def test_confidence_is_one_where_it_was_drawn_and_least_at_outlines(self):
        confidence = filled_in(SPARSE).confidence[0, 0]
        assert confidence.dtype == np.float32
        np.testing.assert_array_equal(confidence[KEPT], 1)
        assert 0.4 < confidence[2].min() < 0.7
        assert confidence[2, 24, 24] > 0.95
        assert confidence[2, 0, 0] > 0.95


class TestImage:
    def test_a_sparse_image_is_made_dense_beside_its_labels(self):
        rng = np.random.default_rng(0)
        image = dataset(rng.random((3, 48, 48)).astype("float32"), [0, 4, 8])
        result = filled_in(dataset(TRUTH[::4], [0, 4, 8]), image=image, factor=4)
        assert result.image.shape == result.shape
        np.testing.assert_array_equal(result.image[::4], image.voxels[0, 0])
        np.testing.assert_allclose(result.image[2], image.voxels[0, 0, :2].mean(0), rtol=1e-5)

    def test_a_dense_image_is_not_made_again(self):
        image = dataset(np.random.default_rng(0).random((9, 48, 48)))
        assert filled_in(SPARSE, image=image).image is None

    def test_the_image_made_dense_has_the_sections_of_the_result(self):
        labels, like = dataset(TRUTH[::4], [0, 4, 8]), dataset(np.zeros((3, 48, 48)), [1, 3, 8])
        image = dataset(np.random.default_rng(0).random((3, 48, 48)), [0, 4, 8])
        made = filled_in(labels, image=image, like=like).image
        assert made.depths.tolist() == [1, 3, 8]
        assert made.is_observed.tolist() == [False, False, True]
        np.testing.assert_array_equal(made[2], image.voxels[0, 0, 2])

    def test_a_method_sees_the_image_between_two_sections(self):
        image = dataset(np.arange(9.0)[:, None, None] * np.ones((9, 48, 48)))
        request = asked(SPARSE, image=image)
        with request.image.made() as (made, _):
            gap, names = request.series(image=made).gap(0, 1, [1.0, 2.0, 3.0])
        assert gap.image_shares.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]  # two beyond, where there are
        np.testing.assert_allclose(np.diff(gap.image[:, 0, 0]), 1 / 8, rtol=0.05)
        assert names.tolist() == [0, 7]

    def test_voxels_of_the_image_that_are_no_number_are_filled(self):
        voxels = np.random.default_rng(0).random((3, 48, 48)).astype("float32")
        voxels[1, :5] = np.nan
        labels = dataset(TRUTH[::4], [0, 4, 8])
        result = filled_in(labels, image=dataset(voxels, [0, 4, 8]), factor=2)
        assert np.isfinite(np.asarray(result.image)).all()
        with pytest.raises(InputError, match="infinite"):
            filled_in(labels, image=dataset(np.where(voxels > 0.99, np.inf, 0), [0, 4, 8]), factor=2)

    def test_a_large_dense_image_lies_in_a_file_while_it_is_needed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(guide, "STREAMED_BYTES", 1000)
        image = dataset(np.random.default_rng(0).random((3, 48, 48)), [0, 4, 8])
        labels = dataset(TRUTH[::4], [0, 4, 8])
        result = filled_in(labels, image=image, factor=4, target=Target(tmp_path / "out.ome.zarr"))
        np.testing.assert_array_equal(result, filled_in(labels, image=image, factor=4))
        assert [each.name for each in tmp_path.iterdir()] == ["out.ome.zarr"]
        with pytest.raises(Cancelled):
            filled_in(labels, image=image, factor=4, target=Target(tmp_path / "b.ome.zarr"), report=cancel_late)
        assert [each.name for each in tmp_path.iterdir()] == ["out.ome.zarr"]


def cancel_late(progress):
    if progress.fraction > 0.5:
        raise Cancelled


class TestFiles:
    @pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
    def test_streamed_equals_made_in_memory(self, tmp_path, name):
        voxels = dataset(np.stack([TRUTH[::4], np.roll(TRUTH[::4], 3, 1)]), [0, 4, 8], axes="CZYX")
        target = Target(tmp_path / name, tmp_path / f"sure-{name}")
        streamed, whole = filled_in(voxels, factor=5, target=target), filled_in(voxels, factor=5)
        np.testing.assert_array_equal(streamed, whole)
        np.testing.assert_array_equal(np.asarray(streamed.confidence), whole.confidence)
        assert dict(LabelResult.load(tmp_path / name).record) == dict(whole.record)

    @pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
    def test_cancelling_leaves_nothing(self, tmp_path, name):
        seen = []

        def stop(progress):
            seen.append(progress.fraction)
            if progress.fraction > 0.3:
                raise Cancelled

        with pytest.raises(Cancelled):
            filled_in(SPARSE, target=Target(tmp_path / name), report=stop)
        assert not list(tmp_path.iterdir())
        assert seen == sorted(seen)

    def test_progress_ends_at_one(self):
        seen = []
        filled_in(SPARSE, report=lambda progress: seen.append(progress.fraction))
        assert seen == sorted(seen)
        assert seen[-1] == 1

    def test_lazy_labels_give_the_same_result(self):
        lazy = Dataset(LazyVoxels(SPARSE[None, None]), Grid(np.arange(9.0), (1, 1), "um"))
        np.testing.assert_array_equal(filled_in(lazy), filled_in(SPARSE))

    def test_memory_is_that_of_a_gap(self, tmp_path):
        side, gaps = 512, 24
        section = cone(1, side, dtype="uint16", centre=(256, 256), radius=100)[0]
        path = tmp_path / "in.ome.zarr"
        with io.creating(path, dataset(section[None]), (1, 1, gaps + 1, side, side), np.dtype("uint16")) as sink:
            for z in range(gaps + 1):
                sink.write(0, 0, slice(z, z + 1), slice(None), slice(None), section[None])
            sink.finish({})
        labels = io.read(path, lazy=True).with_depths(np.arange(gaps + 1.0))
        request = asked(labels, factor=8, method="nearest")
        tracemalloc.start()
        execute_labels(request, target=Target(tmp_path / "out.ome.zarr"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 0.5 * (gaps * 8 + 1) * side * side * 2


class TestResult:
    def test_it_is_saved_and_opened_again(self, tmp_path):
        result = filled_in(SPARSE)
        for name in ("a.tif", "a.nii.gz", "a.ome.zarr"):
            result.save(tmp_path / name)
            again = LabelResult.load(tmp_path / name)
            np.testing.assert_array_equal(again, result)
            np.testing.assert_array_equal(again.interpolated, result.interpolated)
            np.testing.assert_array_equal(again.annotated, result.annotated)
            assert again.dtype == result.dtype
            assert repr(again) == repr(result)

    def test_a_saved_result_is_known_to_hold_labels(self, tmp_path):
        result = filled_in(SPARSE)
        result.save(tmp_path / "a.nii")
        result.save_confidence(tmp_path / "b.nii")
        assert io.read(tmp_path / "a.nii").holds_labels
        assert not io.read(tmp_path / "b.nii").holds_labels
        assert io.read(tmp_path / "b.nii").voxels.dtype == np.float32

    def test_coarser_resolutions_hold_no_identifier_that_is_not_there(self, tmp_path):
        voxels = np.zeros((3, 600, 600), np.uint16)
        voxels[::2, 101:501, 100:300], voxels[::2, 101:501, 300:500] = 10, 20
        filled_in(voxels, method="nearest", target=Target(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr"))
        finest, coarser = io.read_levels(tmp_path / "a.ome.zarr")
        assert finest.holds_labels
        np.testing.assert_array_equal(coarser.voxels[0, 0, 1], np.asarray(finest.voxels[0, 0, 1])[::2, ::2])
        assert coarser.grid.origin == finest.grid.origin
        assert not io.read(tmp_path / "b.ome.zarr", lazy=True).holds_labels

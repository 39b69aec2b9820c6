"""Excluded sections: no method sees them, they are made anew, and the result lies on the grid of the whole stack."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from napari_depth_interp import evaluate, interpolate, io
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate as evaluate_dataset
from napari_depth_interp.evaluation.holdout import Protocol, make_trials
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import load_settings, make_settings, save_settings, to_arguments
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import is_lazy

VOXELS = np.random.default_rng(0).integers(0, 250, (9, 20, 24)).astype(np.uint8)
DAMAGED = VOXELS.copy()
DAMAGED[3], DAMAGED[6] = 0, 255
USED = [0, 1, 2, 4, 5, 7, 8]


def dataset(voxels=DAMAGED, **more):
    return Dataset.from_array(voxels, **({"z_spacing": 2.0, "unit": "um"} | more))


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic", "flow"])
def test_the_content_of_an_excluded_section_changes_nothing(method):
    found = [interpolate(dataset(voxels), method=method, factor=2, exclude="3,6") for voxels in (VOXELS, DAMAGED)]
    assert found[0].shape == (17, 20, 24)
    np.testing.assert_array_equal(*found)
    kept = [2 * i for i in USED]
    np.testing.assert_array_equal(found[0][kept], VOXELS[USED])
    assert np.flatnonzero(found[0].is_observed).tolist() == kept


def test_it_is_what_leaving_the_section_out_and_giving_depths_makes():
    alone = interpolate(DAMAGED[USED], method="cubic", depths=[2.0 * i for i in USED], at=np.arange(17.0))
    np.testing.assert_array_equal(interpolate(dataset(), method="cubic", factor=2, exclude="3,6"), alone)


def test_without_a_target_only_the_excluded_sections_are_new():
    found = interpolate(dataset(), method="linear", exclude=[3, 6])
    np.testing.assert_array_equal(found[USED], VOXELS[USED])
    expected = (VOXELS[[2, 5]].astype(float) + VOXELS[[4, 7]]) / 2
    np.testing.assert_array_equal(found[[3, 6]], np.rint(expected))
    uneven = interpolate(dataset(z_spacing=None, depths=[0, 1, 2, 5, 6, 7, 8, 9, 20]), method="linear", exclude="3")
    assert uneven.depths.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 20]
    np.testing.assert_array_equal(uneven[3], np.rint(VOXELS[2] / 4 + 0.75 * VOXELS[4]))


def test_the_history_names_them():
    record = interpolate(dataset(), method="linear", exclude="6,3,3").record
    assert record["excluded"] == [3, 6]
    assert record["input"]["shape"] == [1, 1, 7, 20, 24]
    assert record["depths"] == [2.0 * i for i in range(9)]
    assert "excluded" not in interpolate(dataset(), method="linear", factor=2).record


@pytest.mark.parametrize("method", ["linear", "cubic", "flow"])
def test_at_an_end_the_nearest_used_section_stands_and_it_is_said(method):
    found = interpolate(dataset(), method=method, factor=2, exclude="0-1,3,6,8")
    for k in range(4):
        np.testing.assert_array_equal(found[k], VOXELS[2])
    np.testing.assert_array_equal(found[15], VOXELS[7])
    np.testing.assert_array_equal(found[16], VOXELS[7])
    assert not found.is_observed[[0, 1, 2, 3, 15, 16]].any()
    assert sum("sections 0-1,8 are excluded at an end of the stack" in each for each in found.warnings) == 1


def test_many_sections_at_an_end():
    voxels = np.random.default_rng(1).random((90, 8, 9))
    found = interpolate(dataset(voxels), method="linear", exclude="0-79")
    np.testing.assert_array_equal(found[:80], np.broadcast_to(voxels[80], (80, 8, 9)))
    np.testing.assert_array_equal(found[80:], voxels[80:])


def test_numbers_that_are_none_do_no_harm_in_an_excluded_section():
    broken = VOXELS.astype(np.float32)
    broken[3], broken[6] = np.nan, np.inf
    found = interpolate(dataset(broken), method="linear", exclude="3,6")
    np.testing.assert_allclose(found[3], (VOXELS[2] / 2.0 + VOXELS[4] / 2.0))
    gap = broken.copy()
    gap[[3, 6]] = VOXELS[[3, 6]]
    gap[4, 5, 5] = np.nan
    filled = interpolate(dataset(gap), method="linear", exclude="3", nan="fill")
    assert np.isnan(filled[4, 5, 5])
    assert np.isfinite(filled[3]).all()


@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        ("9", "section 9 was named, but the stack has sections 0 to 8; correct --exclude 9"),
        ("three", "the sections 'three' cannot be read"),
        ("", "the sections '' cannot be read"),
        ("0-7", "--exclude 0-7 leaves 1 of 9 sections"),
        ("0-8", "--exclude 0-8 leaves 0 of 9 sections"),
    ],
)
def test_what_cannot_be_excluded_is_refused_in_one_line(exclude, message):
    with pytest.raises(RequestError, match=message) as caught:
        interpolate(dataset(), method="linear", factor=2, exclude=exclude)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "srcnn"}, "srcnn enhances the sections that there are .* --method auto --enhance srcnn"),
        ({"method": "enlarge"}, "enlarge makes all three axes finer, which needs evenly spaced images"),
        ({"method": "linear", "acquisition": "projection:2"}, "images are means of sections, which needs evenly"),
    ],
)
def test_methods_that_need_every_section_say_so(settings, message):
    with pytest.raises(RequestError, match=message):
        interpolate(dataset(), exclude="3", **settings)


def test_sections_in_a_file_stay_there_and_the_excluded_ones_are_not_read(tmp_path):
    path = tmp_path / "a.ome.zarr"
    io.write(path, dataset())
    whole = io.read(path, lazy=True)
    request = resolve(whole, make_settings(method="linear", factor=2, exclude="3,6"))
    assert is_lazy(request.dataset.voxels)
    expected = interpolate(dataset(), method="linear", factor=2, exclude="3,6")
    streamed = execute(request, target=Target(tmp_path / "out.ome.zarr"))
    np.testing.assert_array_equal(streamed, expected)
    assert io.read(tmp_path / "out.ome.zarr").record["depth_interp"]["excluded"] == [3, 6]
    assert streamed.record["input"] == expected.record["input"] | {"file": "a.ome.zarr"}


def test_xarray_and_dask():
    z = xr.DataArray(np.arange(9) * 2.0, dims="z", attrs={"units": "um"})
    image = xr.DataArray(DAMAGED, dims=("z", "y", "x"), coords={"z": z})
    found = interpolate(image, method="linear", exclude="3,6")
    assert found.is_observed.values.tolist() == [i in USED for i in range(9)]
    later = interpolate(image.chunk(), method="linear", exclude="3,6")
    np.testing.assert_array_equal(later, found)
    lazy = interpolate(da.from_array(DAMAGED), method="linear", z_spacing=2, exclude="3,6")
    np.testing.assert_array_equal(lazy.compute(), found)


def test_settings_are_written_and_read_again(tmp_path):
    settings = make_settings(exclude=(3, 6))
    assert settings.exclude == "3,6"
    save_settings(tmp_path / "a.yaml", settings)
    assert make_settings(**load_settings(tmp_path / "a.yaml")) == settings
    assert to_arguments(settings) == ["--exclude", "3,6"]
    assert make_settings(exclude=3).exclude == "3"


class TestScores:
    def test_the_content_of_excluded_sections_changes_no_score(self):
        both = [dataset(voxels) for voxels in (VOXELS, DAMAGED)]
        found = [evaluate(each, ["linear"], keep_every=2, exclude="3,6").methods[0] for each in both]
        assert found[0].mean == found[1].mean
        assert found[0].volume == found[1].volume
        assert [row["index"] for row in found[0].sections] == [1, 5, 7]

    def test_held_out_sections_keep_their_numbers(self):
        found = evaluate(dataset(), ["linear"], hold_out=[4], exclude="3,6").methods[0]
        assert [row["index"] for row in found.sections] == [4]
        [trial] = make_trials(dataset(), Protocol("hold_out", sections=(4,)), used=np.array(USED))
        np.testing.assert_array_equal(trial.visible.voxels[0, 0], VOXELS[[0, 1, 2, 5, 7, 8]])
        assert trial.truth_at.tolist() == USED

    def test_each_in_turn(self):
        rows = evaluate(dataset(), ["linear"], exclude="3,6").methods[0].sections
        assert [row["index"] for row in rows] == [1, 2, 4, 5, 7]

    @pytest.mark.parametrize(
        ("protocol", "message"),
        [
            (Protocol("hold_out", sections=(3,)), "sections 3 are excluded, so nothing can be scored there"),
            (Protocol("hold_out", sections=(0,)), r"between the first \(0\) and the last \(8\)"),
            (Protocol("keep_every", every=6), "of the sections that are kept, one in 6, 1 is not excluded"),
            (Protocol("projection", every=3), "none can be excluded; leave --exclude out, or choose --keep-every"),
            (Protocol("sr4"), "none can be excluded"),
        ],
    )
    def test_what_cannot_be_scored(self, protocol, message):
        with pytest.raises(RequestError, match=message):
            evaluate_dataset(dataset(), ["linear"], protocol, make_settings(exclude="3,6"))

    def test_a_reference_scores_the_excluded_sections(self):
        found = evaluate_dataset(
            dataset(), ["linear"], Protocol("reference"), make_settings(exclude="3,6"), reference=dataset(VOXELS)
        )
        assert [row["index"] for row in found.methods[0].sections] == [3, 6]


class TestDecreasingDepths:
    GIVEN = (30.0, 28.0, 25.0, 20.0, 16.0, 12.0, 11.0, 10.0, 4.0)

    def test_the_result_has_the_order_and_the_depths_that_were_given(self):
        found = interpolate(VOXELS, method="linear", depths=self.GIVEN, spacing="1")
        assert found.depths.tolist() == np.arange(30.0, 3, -1).tolist()
        assert found.record["depths"] == found.depths.tolist()
        assert found.record["input"]["depths"] == list(self.GIVEN)
        places = [int(30 - z) for z in self.GIVEN]
        np.testing.assert_array_equal(found[places], VOXELS)
        mirrored = interpolate(VOXELS[::-1], method="linear", depths=self.GIVEN[::-1], at=found.depths[::-1])
        np.testing.assert_allclose(found.values.astype(int), mirrored[::-1].astype(int), atol=1)  # halves are rounded
        assert any("the depths decrease" in each for each in found.warnings)

    def test_targets_are_given_as_the_depths_are(self):
        found = interpolate(VOXELS, method="linear", depths=self.GIVEN, at=[27.0, 20.0, 8.0])
        assert found.depths.tolist() == [27, 20, 8]
        np.testing.assert_array_equal(found[1], VOXELS[3])

    def test_xarray_coordinates_that_decrease(self):
        z = xr.DataArray(list(self.GIVEN), dims="z", attrs={"units": "um"})
        image = xr.DataArray(VOXELS, dims=("z", "y", "x"), coords={"z": z})
        found = interpolate(image, method="linear", exclude="3")
        assert found.z.values.tolist() == list(self.GIVEN)
        np.testing.assert_array_equal(found[3], np.rint(VOXELS[2] * (4 / 9) + VOXELS[4] * (5 / 9)))

    def test_a_reference_that_increases(self):
        reference = Dataset.from_array(VOXELS[::-1], depths=self.GIVEN[::-1])
        sparse = Dataset.from_array(VOXELS[::2], depths=self.GIVEN[::2])
        scores = evaluate_dataset(sparse, ["linear"], Protocol("reference"), reference=reference)
        forward = Dataset.from_array(VOXELS[::-1][::2], depths=self.GIVEN[::-1][::2])
        expected = evaluate_dataset(forward, ["linear"], Protocol("reference"), reference=reference)
        assert scores.methods[0].volume["psnr"] == pytest.approx(expected.methods[0].volume["psnr"])
        assert sorted(row["index"] for row in scores.methods[0].sections) == [1, 3, 5, 7]

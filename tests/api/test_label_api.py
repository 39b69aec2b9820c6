"""``ndi.interpolate_labels``: what goes in, what comes out."""

import nibabel
import numpy as np
import pytest
import xarray

import napari_depth_interp as ndi
from label_stacks import cone, dataset, dice, only
from napari_depth_interp.errors import InputError, OutputError, RequestError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.stack.lazy import is_lazy

TRUTH = cone(9, 40, centre=(20, 18))
SPARSE = only(TRUTH, [0, 4, 8])
PLAIN = {"method": "shape", "threads": 1}


def test_an_array_gives_an_array():
    filled = ndi.interpolate_labels(SPARSE, z_spacing="1um", **PLAIN)
    assert isinstance(filled, ndi.LabelResult)
    assert dice(filled, TRUTH) > 0.99
    assert filled.warnings == ()
    assert (filled.spacing, filled.unit) == (1.0, "um")
    assert filled.metadata["interpolated"] == [1, 2, 3, 5, 6, 7]


def test_the_default_needs_no_spacing_to_fill():
    filled = ndi.interpolate_labels(SPARSE, **PLAIN)
    assert dice(filled, TRUTH) > 0.99
    assert filled.dataset.grid.depths is None


def test_a_mask_of_booleans():
    filled = ndi.interpolate_labels(SPARSE > 0, **PLAIN)
    assert filled.dtype == np.uint8
    assert set(np.unique(filled)) == {0, 1}


def test_some_labels_some_sections():
    voxels = SPARSE.copy()
    voxels[:, :3, :3] = 9
    filled = ndi.interpolate_labels(voxels, annotated=[0, 8], labels=[7], z_spacing=1, **PLAIN)
    assert filled.annotated.nonzero()[0].tolist() == [0, 8]
    np.testing.assert_array_equal(filled[:, :3, :3], 9)


def test_xarray_brings_its_depths():
    z = xarray.DataArray([0.0, 4.0, 8.0], dims="z", attrs={"units": "um"})
    image = xarray.DataArray(TRUTH[::4].transpose(1, 2, 0), dims=("y", "x", "z"), coords={"z": z})
    filled = ndi.interpolate_labels(image, factor=4, **PLAIN)
    assert filled.shape == (9, 40, 40)
    assert filled.unit == "um"


def test_files_in_and_streamed_out(tmp_path):
    ndi.write(tmp_path / "in.ome.zarr", dataset(TRUTH[::4], [0, 4, 8]))
    filled = ndi.interpolate_labels(tmp_path / "in.ome.zarr", factor=4, out=tmp_path / "out.ome.zarr", **PLAIN)
    assert is_lazy(filled.dataset.voxels)
    np.testing.assert_array_equal(filled, ndi.interpolate_labels(tmp_path / "in.ome.zarr", factor=4, **PLAIN))
    with pytest.raises(OutputError, match="exists already"):
        ndi.interpolate_labels(tmp_path / "in.ome.zarr", factor=4, out=tmp_path / "out.ome.zarr", **PLAIN)


def test_the_grid_of_a_nifti_file_that_is_as_fine_along_all_axes(tmp_path):
    """Its sections lie along x as those of the labels, though nothing in it says so."""
    affine = np.diag([4.0, 1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(TRUTH[::4].transpose(0, 2, 1), affine), tmp_path / "sparse.nii")
    nibabel.save(nibabel.Nifti1Image(TRUTH.transpose(0, 2, 1), np.eye(4)), tmp_path / "like.nii")
    there = ndi.interpolate_labels(tmp_path / "sparse.nii", like=tmp_path / "like.nii", **PLAIN)
    assert there.shape == (9, 40, 40)
    assert dice(there, TRUTH) > 0.99
    there.save(tmp_path / "there.nii")
    back = ndi.interpolate_labels(tmp_path / "like.nii", like=tmp_path / "sparse.nii", **PLAIN)
    np.testing.assert_array_equal(back, TRUTH[::4])


def test_an_image_and_its_labels_together():
    image = np.random.default_rng(0).random((3, 40, 40))
    filled = ndi.interpolate_labels(TRUTH[::4], image=image, z_spacing="4um", factor=4, **PLAIN)
    assert filled.image.shape == filled.shape
    np.testing.assert_allclose(filled.image[2], image[:2].mean(0))


def test_cancelling():
    def stop(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        ndi.interpolate_labels(SPARSE, report=stop, **PLAIN)


@pytest.mark.parametrize(
    ("labels", "settings", "kind", "words"),
    [
        (TRUTH[0], {}, InputError, r"the array has the shape \(40, 40\): one section, with nothing in between"),
        (TRUTH[None, None, None], {}, InputError, "axes 'ZYX' do not fit an array of shape"),
        (np.full((3, 4, 5), "a"), {}, InputError, "voxels of type"),
        (SPARSE.astype(complex), {}, InputError, "complex"),
        (SPARSE, {"method": "linear"}, RequestError, "there is no method 'linear' for labels"),
        (SPARSE, {"channel": "0"}, RequestError, "'channel' is not known"),
        ("none.tif", {}, InputError, "there is no file 'none.tif'"),
    ],
)
def test_what_is_refused_in_one_line(labels, settings, kind, words):
    with pytest.raises(kind, match=words) as error:
        ndi.interpolate_labels(labels, **{**PLAIN, **settings})
    assert "\n" not in str(error.value)

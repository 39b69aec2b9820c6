"""What cannot be fused is refused in one line that says why."""

import nibabel
import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from napari_depth_interp.errors import DepthInterpError
from thick_stacks import affine_along, specimen, stacks, thick, write_nifti, write_stacks

STILL = {"registration": "none", "profile": "box", "threads": 1, "unchecked": True}


def refusal(*images, **how):
    with pytest.raises(DepthInterpError) as caught:
        ndi.fuse(*images, **{**STILL, **how})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_pair_of_stacks(tmp_path):
    arrays, affines = stacks(2)
    assert "1 stack was given" in refusal(arrays[0], affines=affines[:1])
    assert "at most 8" in refusal(*arrays * 5, affines=affines * 5)
    assert "single image" in refusal(arrays[0], arrays[1][:1], affines=affines)
    assert "3 channels" in refusal(arrays[0], ndi.Dataset.from_array(np.zeros((3, 4, 8, 8)), axes="CZYX"))
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, arrays[0])
    assert "does not say how it lies in space" in refusal(*write_stacks(tmp_path, 1), path)
    nowhere = nibabel.Nifti1Image(arrays[0].transpose(2, 1, 0), None)  # its header has neither form
    nibabel.save(nowhere, tmp_path / "nowhere.nii")
    assert "does not say how it lies in space" in refusal(*write_stacks(tmp_path, 1), tmp_path / "nowhere.nii")
    assert "invertible" in refusal(*arrays, affines=[affines[0], np.zeros((4, 4))])
    infinite = refusal(arrays[0], np.where(arrays[1] > 400, np.inf, arrays[1]), affines=affines)
    assert "infinite" in infinite
    assert "--nan" not in infinite  # there is no such option here: what is NaN does not count
    assert "all voxels of 'stack 1' are 7" in refusal(arrays[0], np.full_like(arrays[1], 7), affines=affines)


def test_a_stack_given_twice(tmp_path):
    """Its held-out sections would be found in its copy, and score very well."""
    paths = write_stacks(tmp_path, 2)
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(paths[1].read_bytes())
    assert "'copy.nii.gz' holds the same sections as 'coronal.nii.gz'" in refusal(*paths, copy)
    assert "leave one out" in refusal(paths[0], paths[0])


def test_stacks_of_different_things(tmp_path):
    arrays, affines = stacks(2)
    elsewhere = affines[1].copy()
    elsewhere[0, 3] = 500
    assert "does not overlap" in refusal(*arrays, affines=[affines[0], elsewhere])
    other = np.random.default_rng(9).permutation(specimen().ravel()).reshape(specimen().shape)
    assert "does not show what" in refusal(arrays[0], thick(1, volume=other), affines=affines)
    negative = thick(1, volume=1000 - specimen())
    assert "another contrast" in refusal(arrays[0], negative, affines=affines)
    whole = affine_along(2)
    labels = write_nifti(tmp_path / "labels.nii.gz", arrays[0] > 400, whole)
    image = nibabel.load(labels)
    image.header.set_intent("label")
    nibabel.save(image, labels)
    assert "holds labels" in refusal(*write_stacks(tmp_path, 1), labels)


def test_settings_that_do_not_fit(tmp_path, monkeypatch):
    arrays, affines = stacks(2)
    assert "does not fuse stacks" in refusal(*arrays, affines=affines, method="linear")
    assert "its parameters are: smoothness" in refusal(*arrays, affines=affines, parameters={"smooth": 1})
    assert "3 lengths for 2 stacks" in refusal(*arrays, affines=affines, thickness="1,2,3")
    assert "one stack alone" in refusal(*arrays, affines=affines, factor=2)
    assert "is missing" in refusal(*arrays, affines=affines, transforms=tmp_path)
    assert "needs" in refusal(*arrays, affines=affines, spacing="0.001")
    (tmp_path / "1_stack 1.tfm").write_text("no transform")
    assert "no transform of ITK" in refusal(*arrays, affines=affines, transforms=tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    assert "napari-depth-interp[fusion]" in refusal(*arrays, affines=affines, registration="rigid")

"""The truth: its data range, and what scores are measured against."""

import numpy as np
import pytest
from making import EVERY_2, make

from napari_depth_interp.errors import InputError, RequestError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.run.settings import make_settings

# The data range


def test_the_data_range_is_the_percentiles_of_the_truth_or_as_given(noise):
    assert evaluate(noise, ["linear"], EVERY_2).data_range == (tuple(np.percentile(noise.voxels, (0.1, 99.9))),)
    given = evaluate(noise, ["linear"], EVERY_2, data_range=(0, 255))
    assert given.as_json()["data_range"] == [0.0, 255.0]
    assert given.methods[0].mean["psnr"] > 40


def test_several_channels_have_one_range_each():
    voxels = np.random.default_rng(1).random((1, 2, 5, 12, 12)) * np.array([1, 100])[:, None, None, None]
    ranges = evaluate(make(voxels), ["linear"], EVERY_2).as_json()["data_range"]
    assert ranges == [list(np.percentile(voxels[:, c], (0.1, 99.9))) for c in range(2)]
    assert evaluate(make(voxels), ["linear"], EVERY_2, data_range=(0, 1)).data_range == ((0.0, 1.0),) * 2


@pytest.mark.parametrize("data_range", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_ranges_that_make_no_sense_are_refused(noise, data_range):
    with pytest.raises(RequestError, match="two numbers, low < high"):
        evaluate(noise, ["linear"], EVERY_2, data_range=data_range)


def test_hounsfield_units_need_a_range():
    voxels = (np.random.default_rng(0).random((5, 12, 12)) * 2000 - 1000).astype(np.int16)
    with pytest.raises(RequestError, match=r"Hounsfield units.*--data-range -1000 1000"):
        evaluate(make(voxels), ["linear"], EVERY_2)
    assert evaluate(make(voxels), ["linear"], EVERY_2, data_range=(-1000, 1000)).data_range == ((-1000, 1000),)
    with pytest.raises(RequestError, match="Hounsfield units"):  # stored as scaled integers, read as floats
        evaluate(make(voxels.astype(np.float32)), ["linear"], EVERY_2)
    evaluate(make(voxels + np.float32(0.25)), ["linear"], EVERY_2)
    evaluate(make(voxels // 3), ["linear"], EVERY_2)  # not as low as air


def test_a_constant_truth_is_refused_and_a_nearly_constant_one_is_not():
    with pytest.raises(RequestError, match=r"constant \(7\)"):
        evaluate(make(np.full((5, 12, 12), 7.0)), ["linear"], EVERY_2)
    one_voxel = np.zeros((5, 60, 60))
    one_voxel[2, 3, 3] = 5
    assert evaluate(make(one_voxel), ["linear"], EVERY_2).data_range == ((0, 5),)
    one_voxel[0, 0, 0] = np.nan
    scores = evaluate(make(one_voxel), ["linear"], EVERY_2, make_settings(nan="fill"))
    assert scores.data_range == ((0, 5),)


def test_a_channel_without_any_number_is_refused():
    voxels = np.random.default_rng(0).random((1, 2, 5, 12, 12))
    voxels[:, 1] = np.nan
    with pytest.raises(InputError, match="holds no numbers"):
        evaluate(make(voxels), ["linear"], EVERY_2, make_settings(nan="fill"))

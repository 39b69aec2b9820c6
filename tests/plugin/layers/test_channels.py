"""Channels of one image as one dataset."""

from dataclasses import replace

import dask.array
import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_depth_interp import io
from napari_depth_interp.plugin.layers import to_dataset, to_layers
from napari_depth_interp.plugin.layers.channels import joined
from napari_depth_interp.stack import Dataset, without_voxels
from napari_depth_interp.stack.lazy import is_lazy


@pytest.fixture
def dataset():
    voxels = np.random.default_rng(0).integers(0, 999, (2, 3, 5, 6, 7)).astype(np.uint16)
    made = Dataset.from_array(voxels, axes="TCZYX", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")
    return replace(made, channel_names=("a", "b", "c"), channel_colours=("FF0000", "00FF00", "0000FF"))


def layers_of(dataset):
    return [Layer.create(*each) for each in to_layers(dataset, "image")]


def test_are_put_together_again(dataset):
    layers = layers_of(dataset)
    whole = joined([to_dataset(layer) for layer in layers], layers)
    np.testing.assert_array_equal(whole.voxels, dataset.voxels)
    assert (whole.axes, whole.channel_names) == ("TCZYX", ("a", "b", "c"))
    assert whole.channel_colours == dataset.channel_colours
    np.testing.assert_array_equal(whole.grid.depths, dataset.grid.depths)


def test_without_voxels_they_take_no_memory(dataset):
    layers = layers_of(dataset)
    whole = joined([without_voxels(to_dataset(layer)) for layer in layers], layers)
    assert (whole.voxels.shape, set(whole.voxels.strides)) == ((2, 3, 5, 6, 7), {0})


def test_large_ones_stay_in_their_file(dataset, monkeypatch):
    monkeypatch.setattr(io, "LARGE_BYTES", 100)
    layers = layers_of(dataset)
    with dask.config.set(scheduler="synchronous"):
        for layer in layers:
            layer.data = dask.array.from_array(layer.data)
        whole = joined([to_dataset(layer) for layer in layers], layers)
        assert is_lazy(whole.voxels)
        np.testing.assert_array_equal(np.asarray(whole.voxels), dataset.voxels)


def test_layers_name_channels_of_which_no_file_does():
    layers = [Image(np.zeros((3, 4, 5)), name=name, scale=(2, 1, 1)) for name in ("nuclei", "actin")]
    assert joined([to_dataset(layer) for layer in layers], layers).channel_names == ("nuclei", "actin")

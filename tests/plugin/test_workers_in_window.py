"""A run of the window on worker processes: the same file as the command makes, and words where it cannot be."""

import dask
import numpy as np
import pytest
from controls import press, read
from drive import opened, run

from blockwise import files_of
from napari_depth_interp import interpolate
from napari_depth_interp.run.result import Result


@pytest.fixture(autouse=True)
def _dask_computes_where_it_is_called():
    with dask.config.set(scheduler="synchronous"):
        yield


def test_workers_make_what_the_layer_shows(qtbot, widget, tmp_path):
    opened(widget, tmp_path / "a.tif", shape=(600, 50))
    widget.compute._workers.setValue(1)
    press(widget.bar, "run")
    assert "tick 'Stream to a file' and name it .ome.zarr" in read(widget.bar, "message")
    widget.output.set_file(str(tmp_path / "dense.ome.zarr"))
    layer = run(qtbot, widget, method="linear", factor=2, shard="8,256,256").layers[0]
    interpolate(tmp_path / "a.tif", out=tmp_path / "alone.ome.zarr", method="linear", factor=2, shard="8,256,256")
    assert files_of(tmp_path / "dense.ome.zarr") == files_of(tmp_path / "alone.ome.zarr")
    np.testing.assert_array_equal(
        layer.data[0].compute(scheduler="synchronous"), Result.load(tmp_path / "dense.ome.zarr")
    )


def test_a_layer_without_a_file_is_refused(widget, tmp_path):
    widget.viewer.add_image(np.zeros((4, 20, 20), np.uint8), name="drawn", scale=(2, 1, 1))
    widget.output.set_file(str(tmp_path / "dense.ome.zarr"))
    widget.compute._scheduler.setText("tcp://nowhere:1")
    press(widget.bar, "run")
    assert (
        read(widget.bar, "message") == "workers read a file, and 'drawn' has none; save it as .ome.zarr and open that"
    )

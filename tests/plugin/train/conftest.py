"""The widget "Train a model" in the real viewer, with models of its own and two small stacks to learn from."""

import numpy as np
import pytest
from controls import find, press, read

from napari_depth_interp import io
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid

PLUGIN = "napari-depth-interp"
TINY = {"channels": 8, "levels": 1, "batch": 2, "columns": 16, "steps": 1}


@pytest.fixture
def dense(tmp_path):
    """A folder with two dense stacks."""
    folder = tmp_path / "dense"
    folder.mkdir()
    z, y, x = np.indices((13, 32, 24))
    for number in range(2):
        noise = np.random.default_rng(number).normal(0, 2, z.shape)
        voxels = (100 + 20 * np.sin(z / 2 + y / 3 + number) + 20 * np.cos(x / 4 - z / 3) + noise).astype(np.float32)
        io.write(folder / f"{'ab'[number]}.tif", Dataset(voxels[None, None], Grid(np.arange(13.0), (1.0, 1.0), "um")))
    return folder


@pytest.fixture
def open_trainer(viewer, models_home):
    """A function that docks a new widget through the manifest and returns it."""

    def make():
        _dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train a model")
        return widget

    return make


@pytest.fixture
def trainer_widget(open_trainer):
    return open_trainer()


@pytest.fixture
def begin(dense):
    """A function that fills in the form of a widget and clicks Train."""

    def click(widget, name="mine", **parameters):
        widget.data.show_folder(str(dense))
        settings = make_settings(method="msdsr", device="cpu", threads=1, parameters={**TINY, **parameters})
        widget.method.set_values(settings)
        widget.compute.set_values(settings)
        widget.model.set_name(name)
        assert find(widget.bar, "run").isEnabled(), read(widget.bar, "message")
        press(widget.bar, "run")

    return click

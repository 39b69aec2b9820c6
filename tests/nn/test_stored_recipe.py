"""A run with a model follows the recipe that is stored with it, and its history shows so."""

import json

import numpy as np
import pytest

from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.nn.recipe import completed
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset
from small_models import make_model


@pytest.fixture
def model(tmp_path):
    """A model that says to be drawn from in 200 steps, with fresh noise."""
    made = make_model(tmp_path / "model")
    described = json.loads((made / model_folder.CONFIG).read_text())
    described["config"]["run"] = {"steps": 200, "eta": 1.0}
    (made / model_folder.CONFIG).write_text(json.dumps(described))
    return made


def recorded(model, preset="balanced", **parameters):
    dataset = Dataset.from_array(np.random.default_rng(0).random((3, 20, 20)), z_spacing=2.0)
    settings = make_settings(method="msdsr", preset=preset, factor=2, parameters={"model": str(model), **parameters})
    return resolve(dataset, settings).record()["config"]


def test_the_history_shows_what_the_model_brings(model):
    found = recorded(model)
    assert (found["steps"], found["eta"], found["samples"]) == (200, 1.0, 2)


def test_a_parameter_or_a_preset_overrides_the_model(model):
    assert recorded(model, steps=4)["steps"] == 4
    assert recorded(model, preset="best")["steps"] == 10
    assert recorded(model, preset="best")["eta"] == 1.0


def test_a_model_without_a_recipe_changes_nothing(tmp_path):
    plain = MsdsrConfig(model=make_model(tmp_path / "old"))
    assert completed(plain) == plain
    missing = MsdsrConfig(model=tmp_path / "none")
    assert completed(missing) == missing

"""A training from its order to a model: checked, locked, resumed exactly."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import OutputError, RequestError, WeightsError
from napari_depth_interp.methods import registry
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.models import library
from napari_depth_interp.progress import Cancelled, Stopped, silent
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.training import session
from napari_depth_interp.training.reading import from_layers

MSDSR, SRCNN = registry.get("msdsr"), registry.get("srcnn")
TINY = {"training_steps": 12, "channels": 8, "levels": 1, "batch": 2, "rows": 2, "steps": 1}


def dataset(seed=0, *, shape=(9, 32, 24), spacing=1.0):
    voxels = np.random.default_rng(seed).normal(100, 20, shape).cumsum(0).astype(np.float32)
    depths = None if spacing is None else np.arange(shape[0]) * spacing
    return Dataset(voxels[None, None], Grid(depths, (1.0, 1.0), "um"))


def order(**parameters):
    settings = make_settings(method="msdsr", parameters={**TINY, **parameters}, device="cpu", threads=1)
    return session.Order(settings=settings, layers=("a", "b"), licence="CC0-1.0")


LAYERS = {"a": dataset(1), "b": dataset(2)}


def train(folder, *, report=silent, resume=False, layers=LAYERS, **parameters):
    training = session.prepare(order(**parameters), folder, overwrite=resume)
    data = from_layers(MSDSR, layers, training.order.settings)
    return session.train(training, data, report, resume=resume)


def at(step, error):
    def report(progress):
        if progress.training is not None and progress.training.step == step:
            raise error

    return report


def weights(folder):
    return model_folder.load(folder, "msdsr").tensors


def test_a_model_says_all_about_itself(tmp_path):
    outcome = train(tmp_path / "model")
    assert (outcome.steps, outcome.planned) == (12, 12)
    assert sorted(each.name for each in (tmp_path / "model").iterdir()) == sorted(model_folder.FILES)
    record = model_folder.about(tmp_path / "model").record
    assert [each["file"] for each in record["data"]] == ["a", "b"]
    assert all(len(each["sha256"]) == 64 for each in record["data"])
    assert (record["licence"], record["device"], record["seed"]) == ("CC0-1.0", "cpu", 0)
    assert record["trained"].startswith("20")
    assert {"psnr", "psnr_linear"} < set(record["validation"][-1])


def test_stopped_keeps_the_best_and_says_so(tmp_path):
    outcome = train(tmp_path / "model", report=at(5, Stopped))
    assert (outcome.steps, outcome.planned) == (5, 12)
    record = model_folder.about(tmp_path / "model").record
    assert (record["steps"], record["planned_steps"]) == (5, 12)


def test_interrupted_goes_on_exactly(tmp_path):
    train(tmp_path / "whole")
    with pytest.raises(Cancelled):
        train(tmp_path / "part", report=at(5, Cancelled))
    assert sorted(each.name for each in (tmp_path / "part").iterdir()) == [library.CHECKPOINT, library.ORDER]
    history = session.history_of(tmp_path / "part")
    assert len(history["losses"]) == 5
    training = session.unfinished(tmp_path / "part")
    assert training.order == order()
    seen = []
    data = from_layers(MSDSR, LAYERS, training.order.settings)
    session.train(training, data, lambda progress: seen.append(progress.training.step), resume=True)
    assert seen == list(range(6, 13))
    for name, tensor in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "part")[name], tensor)
    whole, part = (model_folder.about(tmp_path / name).record for name in ("whole", "part"))
    assert part["loss"] == whole["loss"]
    assert part["validation"] == whole["validation"]


def test_what_is_refused_leaves_no_unfinished_model(tmp_path):
    with pytest.raises(RequestError, match="5 sections or more"):
        train(tmp_path / "model", layers={"a": dataset(shape=(3, 32, 24))})
    assert not (tmp_path / "model").exists()


def test_other_data_are_not_resumed_on(tmp_path):
    with pytest.raises(Cancelled):
        train(tmp_path / "part", report=at(3, Cancelled))
    with pytest.raises(WeightsError, match="training on other data"):
        train(tmp_path / "part", resume=True, layers={"a": dataset(3), "b": dataset(2)})
    assert (tmp_path / "part" / library.CHECKPOINT).exists()


def test_a_lost_or_damaged_order_is_said(tmp_path):
    with pytest.raises(WeightsError, match="is missing, so it is not known what was trained"):
        session.unfinished(tmp_path)
    (tmp_path / library.ORDER).write_text("{")
    with pytest.raises(WeightsError, match="is damaged"):
        session.unfinished(tmp_path)


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    with (
        session.locked(tmp_path / "model"),
        pytest.raises(OutputError, match="is being trained by another process"),
    ):
        train(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    train(tmp_path / "model")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"method": "linear"}, RequestError, "linear is not trained on other data.* msdsr"),
        ({"method": "msdsr", "parameters": {"rows": 1}}, RequestError, "rows"),
        ({"method": "msdsr", "device": "gpu"}, RequestError, "device 'gpu' is not known"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_read(tmp_path, settings, error, words):
    with pytest.raises(error, match=words):
        session.prepare(session.Order(settings=make_settings(**settings)), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_order_holds_no_surprise(tmp_path):
    order().save(tmp_path)
    found = json.loads((tmp_path / library.ORDER).read_text())
    assert set(found) == {"settings", "folder", "layers", "licence"}
    assert session.Order.load(Path(tmp_path)) == order()

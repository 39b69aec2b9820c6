"""``depth-interp train`` as a user types it, and the model used afterwards."""

import json

import numpy as np
import pytest

from command_line import depth_interp
from napari_depth_interp import io
from napari_depth_interp.stack import Dataset, Grid

SMALL = ["-p", "iterations=12", "-p", "channels=8", "-p", "levels=2", "-p", "batch=2", "-p", "rows=2", "--threads", "1"]


def write(path, sections, seed=0):
    rng = np.random.default_rng(seed)
    voxels = rng.normal(100, 20, (sections, 24, 20)).cumsum(0).astype(np.float32)
    io.write(path, Dataset(voxels[None, None], Grid(np.arange(sections) * 2.0, (1.0, 1.0), "um")))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "a.tif", 9)
    write(tmp_path / "data" / "b.nii.gz", 11, seed=1)
    (tmp_path / "data" / "notes.txt").write_text("not a stack")
    return tmp_path / "data"


def test_a_model_is_trained_and_used(data, tmp_path):
    model = tmp_path / "model"
    done = depth_interp("train", "msdsr", data, "--out", model, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["method"], answer["stacks"]) == ("msdsr", 2)
    record = json.loads((model / "training.json").read_text())
    assert [each["file"] for each in record["data"]] == ["a.tif", "b.nii.gz"]
    write(tmp_path / "sparse.tif", 5, seed=2)
    run = depth_interp(
        "run", tmp_path / "sparse.tif", tmp_path / "dense.tif", "--method", "msdsr", "--factor", "2",
        "-p", f"model={model}", "-p", "steps=1", "--threads", "1",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert io.read(tmp_path / "dense.tif").voxels.shape[2] == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["linear", "DATA"], "linear is not trained on other data"),
        (["nonsense", "DATA"], "there is no method 'nonsense'"),
        (["msdsr", "EMPTY"], "holds no stack to train on"),
        (["msdsr", "DATA/a.tif"], "is not a folder"),
        (["msdsr", "DATA", "-p", "iterations=0"], "iterations"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(data, tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    arguments = [each.replace("DATA", str(data)).replace("EMPTY", str(tmp_path / "empty")) for each in arguments]
    done = depth_interp("train", *arguments, "--out", tmp_path / "model")
    assert done.returncode in (1, 2)
    [line] = done.stderr.strip().splitlines()
    assert words in line
    assert not (tmp_path / "model").exists()


def test_a_damaged_stack_is_named_and_an_old_model_kept(data, tmp_path):
    (data / "c.tif").write_bytes(b"II*\0 damaged")
    done = depth_interp("train", "msdsr", data, "--out", tmp_path / "model", *SMALL)
    assert done.returncode == 1
    assert "'c.tif' cannot be trained on" in done.stderr
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"precious")
    again = depth_interp("train", "msdsr", data, "--out", tmp_path / "model", *SMALL)
    assert "holds a model already" in again.stderr
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == b"precious"

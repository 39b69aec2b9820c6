"""``depth-interp train`` as a user types it, and the model used afterwards."""

import json
import socket
import subprocess

import numpy as np
import pytest

from command_line import ENVIRONMENT, MODULE, at_the_same_time, depth_interp
from napari_depth_interp import io
from napari_depth_interp.stack import Dataset, Grid

SMALL = ["training_steps=12", "channels=8", "levels=1", "batch=2", "rows=2", "steps=2"]
SMALL = [word for each in SMALL for word in ("-p", each)] + ["--threads", "1"]


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
        (["msdsr", "DATA", "-p", "training_steps=0"], "training_steps"),
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


GAN = ["features=4", "growth=2", "blocks=1", "tail=direct", "epochs=2", "batch=2", "patch=5", "patch_z=4",
       "discriminator_channels=4", "slices=2", "patches_per_volume=2", "objective=published"]  # fmt: skip
GAN = [word for each in GAN for word in ("-p", each)] + ["--threads", "1"]
SRCNN = ["-p", "training_steps=10", "-p", "filters=8", "-p", "mapped=8", "-p", "batch=4", "--threads", "1"]


@pytest.fixture
def volumes(tmp_path):
    (tmp_path / "volumes").mkdir()
    for seed in range(2):
        write(tmp_path / "volumes" / f"{seed}.tif", 20, seed)
    return tmp_path / "volumes"


def test_super_resolution_from_a_list_of_pairs_to_scores(volumes, tmp_path):
    dense = io.read(volumes / "0.tif")
    blocks = dense.voxels.reshape(1, 1, 5, 4, 6, 4, 5, 4).mean((3, 5, 7))
    io.write(volumes / "coarse.tif", Dataset(blocks, Grid(3.0 + 8.0 * np.arange(5), (4.0, 4.0), "um")))
    listed = volumes / "pairs.csv"
    listed.write_text("hr,lr,class\n0.tif,coarse.tif,liver\n1.tif,,brain\n")
    model = tmp_path / "model"
    done = depth_interp("train", "rrdb_gan", listed, "--out", model, *GAN)
    assert done.returncode == 0, done.stderr
    assert "note: the perceptual loss compares Fourier amplitudes" in done.stderr
    assert json.loads((model / "config.json").read_text())["config"]["classes"] == ["brain", "liver"]
    fine = tmp_path / "fine.nii.gz"
    run = depth_interp(
        "run", volumes / "coarse.tif", fine, "--method", "rrdb_gan", "-p", f"model={model}", "--uncertainty",
        tmp_path / "uncertain.tif", "--threads", "1", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["shape"] == [20, 24, 20]
    found = io.read(fine)
    assert found.grid.pixel_size == pytest.approx((1.0, 1.0))
    np.testing.assert_allclose(found.grid.depths, dense.grid.depths, atol=1e-4)
    np.testing.assert_allclose(found.grid.origin, (-1.5, -1.5), atol=1e-4)
    scored = depth_interp(
        "evaluate", volumes / "1.tif", "--protocol", "sr4", "--methods", f"linear,enlarge,rrdb_gan:model={model}",
        "--threads", "1", "--json",
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    methods = json.loads(scored.stdout)["methods"]
    assert [len(each["sections"]) for each in methods] == [20, 20, 20]
    assert methods[2]["volume"]["psnr"] > 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.tif,1.tif\n", "has the columns 0.tif, 1.tif"),
        ("hr,lr,kind\n0.tif,,a\n", "must name hr"),
        ("hr,lr\n0.tif,missing.tif\n", "missing.tif"),
        ("hr,lr\n,1.tif\n", "line 2 of 'pairs.csv' names no dense stack"),
        ("hr,lr\n0.tif,1.tif\n", "do not fit the factors"),
        ("hr\n", "names no stack to train on"),
    ],
)
def test_a_wrong_list_is_explained_in_one_line(volumes, tmp_path, text, words):
    (volumes / "pairs.csv").write_text(text)
    done = depth_interp("train", "rrdb_gan", volumes / "pairs.csv", "--out", tmp_path / "model", *GAN)
    assert done.returncode in (1, 2)
    line = done.stderr.strip().splitlines()[-1]
    assert words in line
    assert not (tmp_path / "model" / "model.safetensors").exists()


def from_scratch(commands, environments):
    """Run these commands at the same time in processes that have imported nothing."""
    started = [
        subprocess.Popen(
            [*MODULE, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for command, environment in zip(commands, environments, strict=True)
    ]
    ended = [process.communicate(timeout=240) for process in started]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *printed)
        for process, printed in zip(started, ended, strict=True)
    ]


@pytest.mark.parametrize(
    ("method", "options", "steps", "together"),
    [("rrdb_gan", GAN, 2, at_the_same_time), ("srcnn", SRCNN, 10, from_scratch)],
    ids=["rrdb_gan", "srcnn"],
)
def test_two_processes_train_together(volumes, tmp_path, method, options, steps, together):
    """As accelerate and torchrun start them; without torchrun, which needs a name server for its own host."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = ENVIRONMENT | {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo",
        "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    train = ["train", method, str(volumes), "--out", str(tmp_path / "model"), *options]
    ranks = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in (0, 1)]
    both = together([train] * 2, ranks)
    assert [process.returncode for process in both] == [0, 0], [process.stderr for process in both]
    assert "".join(process.stdout for process in both).count("Trained on 2 stacks") == 1
    assert json.loads((tmp_path / "model" / "training.json").read_text())["steps"] == steps

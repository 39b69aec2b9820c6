"""Enhancement as a user types it: train on pairs, enhance alone, enhance before interpolation."""

import json

import numpy as np
import pytest
import tifffile

from command_line import depth_interp
from napari_depth_interp import io

QUICK = ["-p", "training_steps=12", "-p", "filters=4", "-p", "mapped=4", "-p", "batch=2", "--threads", "1"]


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("noisy", "clean"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(3):
        truth = rng.random((24, 30)).astype(np.float32).cumsum(0)
        for name, noise in (("noisy", 0.5), ("clean", 0.0)):
            image = truth + noise * rng.normal(size=truth.shape).astype(np.float32)
            tifffile.imwrite(tmp_path / "data" / name / f"{number}.tif", image.astype(np.float32))
    stack = rng.integers(0, 4000, (5, 24, 30)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "sparse.tif", stack, imagej=True, metadata={"axes": "ZYX", "spacing": 2, "unit": "um"})
    return tmp_path


def test_train_then_enhance_alone_and_before_interpolation(data):
    model, sparse = data / "model", data / "sparse.tif"
    trained = depth_interp("train", "srcnn", data / "data", "--out", model, *QUICK, "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["stacks"] == 3
    alone = depth_interp("run", sparse, data / "alone.tif", "--method", "srcnn", "-p", f"model={model}", "--json")
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout)["shape"] == [5, 24, 30]
    assert "none of them is as it was recorded" in alone.stderr
    both = depth_interp(
        "run", sparse, data / "dense.tif", "--method", "linear", "--factor", "2", "--enhance", "srcnn",
        "--enhance-param", f"model={model}",
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    assert "5 enhanced and 4 new, srcnn and linear" in both.stdout
    np.testing.assert_allclose(
        io.read(data / "dense.tif").voxels[:, :, ::2].astype(float), io.read(data / "alone.tif").voxels, atol=1
    )


def test_a_single_image_without_spacing(data):
    image = data / "data" / "noisy" / "0.tif"
    done = depth_interp("run", image, data / "out.tif", "--method", "srcnn", *QUICK)
    assert done.returncode == 0, done.stderr
    assert io.read(data / "out.tif").voxels.shape == (1, 1, 1, 24, 30)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "srcnn", "--factor", "2"], "srcnn enhances the sections that there are and makes no new ones"),
        (["--method", "linear", "--factor", "2", "--enhance", "flow"], "flow makes new sections"),
    ],
)
def test_what_does_not_fit_is_one_line(data, arguments, words):
    done = depth_interp("run", data / "sparse.tif", data / "out.tif", *arguments)
    assert done.returncode in (1, 2)
    [line] = done.stderr.strip().splitlines()
    assert words in line
    assert not (data / "out.tif").exists()

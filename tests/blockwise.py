"""A small image that is made in many blocks, and what its files hold, for the tests of runs block by block."""

import hashlib
from pathlib import Path

import numpy as np

from napari_depth_interp import io
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid

SHARD = "8,64,64"
SETTINGS = {"method": "linear", "factor": 3, "shard": SHARD, "device": "cpu"}
OPTIONS = ("--method", "linear", "--factor", "3", "--shard", SHARD)


def sparse(folder: Path, shape=(1, 2, 9, 600, 40), dtype="uint16") -> Path:
    """Write an image of two channels, so tall that it has a coarser resolution."""
    voxels = np.random.default_rng(0).integers(0, 60000, shape).astype(dtype)
    dataset = Dataset(voxels, Grid(np.arange(shape[2]) * 3.0, (1.0, 1.0), "um"), axes="TCZYX")
    io.write(folder / "sparse.ome.zarr", dataset)
    return folder / "sparse.ome.zarr"


def dense(source: Path, output: Path, report=lambda progress: None, **target):
    """Run on it in this process."""
    request = resolve(io.open_stack(source), make_settings(**SETTINGS))
    return execute(request, report, Target(output, **target))


def files_of(folder: Path) -> dict[str, str]:
    """Return the hash of every file."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    return {each.relative_to(folder).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}

"""Print a hash of the result of every method, to see that a change of the code changes no result.

    python scripts/same_results.py > before.txt
    (change the code)
    python scripts/same_results.py | diff before.txt -

Every method of the registry runs through the command line, with the quick settings of the tests, seed 0, one thread and
no GPU, on two simulated stacks and on the MRI that nibabel carries. Results are the same on one machine only: other
processors and libraries round otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_depth_interp import io
from napari_depth_interp.demo import example_mri
from napari_depth_interp.methods import registry
from napari_depth_interp.simulate import simulate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from quick import QUICK, TINY  # type: ignore[import-not-found]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def command_line(*words: object) -> None:
    """Run the command line in a process of its own; end with what it said if it fails."""
    environment = os.environ | dict.fromkeys(_THREADS, "1") | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "napari_depth_interp", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def write_inputs(folder: Path) -> list[Path]:
    """Write the three stacks and return their files."""
    mri = example_mri()
    stacks = {
        "organoid.tif": simulate("organoid", shape=(9, 40, 36), voxel_size=(2.0, 0.5, 0.5), seed=0).observed,
        "dendrites.tif": simulate("dendrites", shape=(9, 36, 40), voxel_size=(2.0, 0.5, 0.5), seed=1).observed,
        "mri.nii.gz": replace(mri, voxels=mri.voxels[..., 30:70, 40:80]),
    }
    for name, dataset in stacks.items():
        io.write(folder / name, dataset)
    return [folder / name for name in stacks]


def write_training_data(folder: Path) -> Path:
    """Write two small dense specimens and return their folder."""
    folder.mkdir()
    for seed in (0, 1):
        dense = simulate("organoid", shape=(21, 40, 36), voxel_size=(0.5, 0.5, 0.5), seed=seed).observed
        io.write(folder / f"{seed}.tif", dense)
    return folder


def options(parameters: Mapping[str, Any]) -> list[str]:
    """Return parameters as the command line takes them."""
    return [word for key, value in parameters.items() for word in ("-p", f"{key}={value}")]


def digest(path: Path) -> str:
    """Return the SHA-256 of the voxels of a file, their shape and type."""
    voxels = np.ascontiguousarray(io.read(path).voxels)
    return hashlib.sha256(f"{voxels.shape} {voxels.dtype.str}".encode() + voxels.tobytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line for each method and stack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=registry.names(), help="only these")
    chosen = parser.parse_args(arguments).methods
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, data = write_inputs(folder), write_training_data(folder / "dense")
        for method in chosen:
            spec = registry.get(method)
            target = () if spec.enhances else ("--factor", spec.enlarges if spec.enlarges > 1 else 2)
            parameters: dict[str, Any] = dict(QUICK.get(method, {}))
            if spec.needs_model:
                model = folder / f"model-{method}"
                command_line("train", method, data, "--out", model, "--threads", 1, "--seed", 0, *options(TINY))
                parameters["model"] = model
            for path in inputs:
                result = folder / f"{method}-{path.name}"
                fixed = ("--method", method, "--threads", 1, "--seed", 0, *options(parameters))
                command_line("run", path, result, *target, *fixed)
                print(method, path.name, digest(result), flush=True)


if __name__ == "__main__":
    main()

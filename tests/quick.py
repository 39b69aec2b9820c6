"""Settings under which slow methods take a moment, and models for those that need one."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_depth_interp import io
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import silent
from napari_depth_interp.simulate import simulate

QUICK = {
    "section_sr": {"training_steps": 10, "channels": 8, "blocks": 1, "batch": 2},
    "auto": {"training_steps": 10},
    "msdsr": {"training_steps": 10, "channels": 8, "levels": 1, "steps": 2, "batch": 1},
    "msdsr_kplanes": {"training_steps": 10, "channels": 8, "levels": 1, "batch": 1},
    "srcnn": {"training_steps": 10, "filters": 8, "mapped": 8, "batch": 2},
    "cae": {"training_steps": 10, "filters": 8, "code": 8, "batch": 2},
    "inr": {"training_steps": 10, "features": 4},
    "microdiffusion": {
        "prior": "cubic",
        "training_steps": 10,
        "channels": 8,
        "levels": 1,
        "steps": 2,
        "samples": 2,
        "batch": 1,
        "window": 16,
    },
}
"""Parameters under which methods that train on the stack take a moment."""

TINY = {
    "features": 4, "growth": 2, "blocks": 1, "tail": "direct", "epochs": 2, "batch": 2, "patch": 6, "patch_z": 4,
    "patches_per_volume": 2, "discriminator_channels": 4, "validate_every": 1, "slices": 2,
}  # fmt: skip
"""Parameters under which methods that need a model learn one in a moment."""


def quick(name: str) -> dict[str, Any]:
    """Return quick parameters of a method, with a model where it needs one."""
    return {**QUICK.get(name, {}), **({"model": str(model_of(name))} if registry.get(name).needs_model else {})}


@cache
def model_of(name: str) -> Path:
    """Return a model of a method, trained once in this process on two small simulated specimens."""
    folder = Path(_kept.name) / name
    files, stacks = [], []
    for seed in (0, 1):
        dataset = simulate("organoid", shape=(21, 40, 36), voxel_size=(0.5, 0.5, 0.5), seed=seed).observed
        files.append(Path(_kept.name) / f"{seed}.tif")
        io.write(files[-1], dataset, overwrite=True)
        stacks.append(dataset.stack())
    spec = registry.get(name)
    learner = spec.create(spec.config(**TINY), Runtime("cpu", 1, 0))
    learner.train(TrainingData(stacks, files), folder, resume=False, report=silent)
    return folder


_kept = TemporaryDirectory(prefix="models-")

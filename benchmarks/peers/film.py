"""FILM, a network for frames that are far apart, which InterpolAI uses; its weights have to be there already.

No package carries them. The variable FILM_MODEL names the folder of the SavedModel that its authors offer.
"""

from __future__ import annotations

import os
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job

TITLE = "FILM"
SOURCE, LICENCE = "https://github.com/google-research/frame-interpolation", "Apache-2.0"
REQUIRES = ("tensorflow-cpu==2.21.0",)
NEEDS = ("FILM_MODEL",)
_MULTIPLE = 64


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack; the network halves gaps, so other places than 1/2, 1/4 ... are blended of its frames."""
    tensorflow: Any = import_module("tensorflow")
    model = tensorflow.saved_model.load(os.environ["FILM_MODEL"])
    depth, height, width = stack.shape
    grey = np.clip((stack.astype(np.float32) - job.low) / (job.high - job.low), 0, 1)
    grey = np.pad(grey, ((0, 0), (0, -height % _MULTIPLE), (0, -width % _MULTIPLE)), mode="edge")
    halvings = int(np.ceil(np.log2(job.factor)))
    frames = list(grey)
    for _ in range(halvings):
        frames = [each for pair in pairwise(frames) for each in (pair[0], _middle(model, *pair))] + [frames[-1]]
    places = np.arange(job.count(depth)) * 2**halvings / job.factor
    below = np.minimum(places.astype(int), len(frames) - 2)
    share = (places - below)[:, None, None]
    made = np.asarray(frames)
    dense = ((1 - share) * made[below] + share * made[below + 1])[:, :height, :width]
    return np.asarray(job.low + dense * (job.high - job.low))


def _middle(model: Any, below: NDArray[Any], above: NDArray[Any]) -> NDArray[Any]:
    colours = [np.repeat(each[None, ..., None], 3, axis=-1) for each in (below, above)]
    asked = {"x0": colours[0], "x1": colours[1], "time": np.full((1, 1), 0.5, np.float32)}
    found = model(asked, training=False)
    return np.asarray(np.asarray(found["image"])[0].mean(-1))

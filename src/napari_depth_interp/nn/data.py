"""Data to learn from: what tells it from other data, and what of it is held back to check what was learned."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.weights import sha256_of
from ..stack.lazy import signature
from .contract import TrainingData

if TYPE_CHECKING:
    from .checkpoint import History

_PACKAGES = ("napari-depth-interp", "torch", "diffusers", "numpy")
"""What may change what a network learns."""


def hashes_of(data: TrainingData) -> list[str]:
    """Return the signature of each stack and of each clean counterpart.

    Of files that is their SHA-256; of folders, as OME-Zarr are, and of one series in a file that of the voxels.
    """
    if data.signatures:
        return list(data.signatures)
    files, stacks = [*data.files, *data.target_files], [*data.stacks, *data.targets]
    known = {path: sha256_of(path) for path in dict.fromkeys(files) if path.is_file()}
    return [known[path] if path in known else signature(stacks[i].voxels) for i, path in enumerate(files)]


def signed(data: TrainingData) -> TrainingData:
    """Return the data with their signatures: files may change or vanish while a training goes on."""
    return replace(data, signatures=tuple(hashes_of(data)))


def fingerprint_of(data: TrainingData, parts: Mapping[str, Any]) -> str:
    """Return a hash of all that a training depends on: its data with their classes, and ``parts`` such as the seed."""
    recorded = [None if each is None else signature(each.voxels) for each in data.inputs]
    known = {"data": hashes_of(data), "inputs": recorded, "classes": list(data.classes)}
    text = json.dumps({**parts, **known}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hold_back(data: TrainingData, share: float, seed: int, *, at_least: int = 0) -> tuple[list[int], list[int]]:
    """Return the indices of the stacks to learn from, and of those held back to check what was learned.

    Whole files that the seed chooses, with all their channels and time points: those of one specimen are alike. Never
    all of them; a method that can holds a part of each stack back where the share makes no whole file.

    Parameters
    ----------
    data : TrainingData
    share : float
        Of the files, 0 (nothing) to 1.
    seed : int
    at_least : int
        Files that are held back even if the share makes fewer, unless it is 0.
    """
    files = list(dict.fromkeys(data.files))
    count = min(len(files) - 1, max(at_least, round(share * len(files)))) if share > 0 else 0
    order = np.random.default_rng((seed, 1)).permutation(len(files))
    held = {files[i] for i in order[:count]}
    numbers = range(len(data.stacks))
    return [i for i in numbers if data.files[i] not in held], [i for i in numbers if data.files[i] in held]


def record_of(data: TrainingData, parameters: Mapping[str, Any], history: History) -> dict[str, Any]:
    """Return how a model was trained; of long loss curves about a thousand points."""
    losses = history.losses
    step = max(1, math.ceil(len(losses) / 1000))
    names = [path.name for path in (*data.files, *data.target_files)]
    sources = dict.fromkeys(zip(names, hashes_of(data), strict=True))
    return {
        "data": [{"file": name, "sha256": digest} for name, digest in sources],
        "parameters": dict(parameters),
        "steps": len(losses),
        "loss": [round(value, 6) for value in losses[::step]],
        "validation": history.validation,
        "versions": {name: version(name) for name in _PACKAGES},
    }

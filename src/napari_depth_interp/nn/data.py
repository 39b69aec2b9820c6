"""Data to learn from: what tells it from other data, and what of it is held back to check what was learned."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from ..method import TrainingData
from ..models.weights import sha256_of
from ..stack import Stack
from ..stack.lazy import signature

if TYPE_CHECKING:
    from .checkpoint import History

_PACKAGES = ("napari-depth-interp", "torch", "diffusers", "numpy")
"""What may change what a network learns."""
_THINNEST = 8
"""Rows or columns that a part of a volume needs to be of use."""


def hashes_of(data: TrainingData) -> list[str]:
    """Return the signature of each stack and of each clean counterpart.

    Of files that is their SHA-256; of folders, as OME-Zarr are, that of the voxels.
    """
    if data.signatures:
        return list(data.signatures)
    files, stacks = [*data.files, *data.target_files], [*data.stacks, *data.targets]
    known = {path: sha256_of(path) for path in dict.fromkeys(files) if not path.is_dir()}
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


@dataclass(frozen=True, eq=False)
class Split:
    """Stacks to learn from, and stacks that the training never sees."""

    kept: tuple[Stack, ...]
    held: tuple[Stack, ...]


def hold_back(data: TrainingData, share: float, seed: int) -> Split:
    """Hold a share of the data back for validation.

    Where the share makes a whole file, files chosen by the seed are held back with all their channels and time points.
    Of fewer files each gives a slab across its longer side, so that no voxel is both learned from and checked: from
    the middle, where the specimen is, which leaves two stacks to learn from; of small images from the end.

    Parameters
    ----------
    data : TrainingData
    share : float
        0 (nothing) to 1.
    seed : int

    Returns
    -------
    Split
    """
    count = round(share * len(set(data.files)))
    if 1 <= count < len(set(data.files)):
        kept, held = _by_file(data, count, seed)
        return Split(tuple(data.stacks[i] for i in kept), tuple(data.stacks[i] for i in held))
    pairs = [_cut(stack, share) for stack in data.stacks]
    return Split(tuple(part for kept, _ in pairs for part in kept), tuple(part for _, held in pairs for part in held))


def _cut(stack: Stack, share: float) -> tuple[list[Stack], list[Stack]]:
    """Return what is left of a stack, and the slab cut out of it; no slab where too little would be left."""
    axis = 1 if stack.voxels.shape[1] >= stack.voxels.shape[2] else 2
    length = stack.voxels.shape[axis]
    thickness = max(_THINNEST, round(share * length))
    left = length - thickness
    if share <= 0 or left < 2 * _THINNEST:
        return [stack], []
    start = left // 2 if left >= 4 * _THINNEST else left
    before, slab, after = (
        replace(stack, voxels=part) for part in np.split(stack.voxels, [start, start + thickness], axis=axis)
    )
    return [part for part in (before, after) if part.voxels.size], [slab]


def split(data: TrainingData, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices of the stacks to train on and of those to validate on.

    Stacks of the same file stay together: channels and time points of one specimen are alike. With a single file
    nothing is kept for validation.

    Parameters
    ----------
    data : TrainingData
    share : float
        Of the files to validate on; one file at least unless it is 0.
    seed : int
    """
    files = len(set(data.files))
    if share <= 0 or files < 2:
        return list(range(len(data.stacks))), []
    return _by_file(data, min(files - 1, max(1, round(share * files))), seed)


def _by_file(data: TrainingData, count: int, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices of the stacks that stay, and of those in so many files that the seed chooses."""
    files = list(dict.fromkeys(data.files))
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

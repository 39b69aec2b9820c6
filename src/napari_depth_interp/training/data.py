"""Dividing what a method learns from."""

from __future__ import annotations

import numpy as np

from ..method import TrainingData


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
    files = sorted(set(data.files))
    everything = list(range(len(data.stacks)))
    if share <= 0 or len(files) < 2:
        return everything, []
    count = min(len(files) - 1, max(1, round(share * len(files))))
    kept = {files[i] for i in np.random.default_rng((seed, 3)).permutation(len(files))[:count]}
    return (
        [i for i in everything if data.files[i] not in kept],
        [i for i in everything if data.files[i] in kept],
    )

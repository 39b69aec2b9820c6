"""One network for all stacks that weighs outlines against what the image says (scripts/train_label_fusion.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..io.files import replacing
from ..models.weights import read
from .candidates import FEATURES, FLOW, SHAPE, Candidate
from .distance import FAR, Contest
from .network import RowClassifier, logits_of

WIDTH = 32
"""Units in each hidden layer."""
_OUTLINES = 1.0
"""Weight of the outlines' own score, in typical errors, beside the network's log-odds: it was trained on few kinds."""
SURE = 0.5
"""Log-odds of a voxel being right for each unit of both together; on experts' labels 0.4 to 0.85 fit best."""
_LEAST = 0.2
"""Pixels that are less likely an object's own are never taken."""


@cache
def ready() -> RowClassifier:
    """Return the network with the weights that the package brings."""
    return load(Path(__file__).with_name("fusion.safetensors"))


def load(path: Path) -> RowClassifier:
    """Return the network with the weights of a file."""
    network = RowClassifier(FEATURES, 1, WIDTH)
    network.load_state_dict(read(path))
    return network.eval()


def save(path: Path, network: RowClassifier, about: Mapping[str, Any]) -> None:
    """Write weights, with how they were made."""
    from safetensors.torch import save_file

    tensors = {name: each.detach().contiguous() for name, each in network.state_dict().items()}
    with replacing(path, overwrite=True) as temporary:
        save_file(tensors, temporary, metadata={"made": json.dumps(dict(about))})


def log_odds(network: RowClassifier, found: Sequence[Candidate]) -> list[NDArray[np.float32]]:
    """Return for each candidate the log-odds of its pixels to belong to its object."""
    rows = np.concatenate([each.features for each in found])
    learned = logits_of(network, torch.from_numpy(rows)).numpy()[:, 0]
    odds = learned + _OUTLINES * (rows[:, SHAPE] + rows[:, FLOW]) / 2
    return np.split(odds, np.cumsum([len(each.features) for each in found])[:-1])


def cut_of(odds: NDArray[np.float32]) -> float:
    """Return the log-odds from which on pixels are taken into an object so that its expected Dice is highest.

    That is the probability of half the Dice that can be expected: an object that is certain has all pixels that are
    more likely its own than not; of one that may be elsewhere or gone, less likely ones are worth taking, too.
    """
    chances = np.sort(1 / (1 + np.exp(-SURE * odds.astype(np.float64))))[::-1]
    taken = np.cumsum(chances)
    best = float(np.max(2 * taken / (np.arange(1, len(taken) + 1) + taken[-1])))
    half = float(np.clip(best / 2, _LEAST, 0.5))
    return float(np.log(half / (1 - half)) / SURE)


def fused(network: RowClassifier, found: Iterable[Candidate], shape: tuple[int, int, int]) -> Contest:
    """Let objects compete with their log-odds over their cut; the candidates of an object follow each other."""
    contest = Contest.empty(shape)
    for _, group in groupby(found, lambda each: id(each.object)):
        sections = list(group)
        found_odds = log_odds(network, sections)
        cut = cut_of(np.concatenate(found_odds))
        for each, odds in zip(sections, found_odds, strict=True):
            thing = each.object.thing
            score = np.full(each.mask.shape, FAR, np.float32)
            score[each.mask] = odds - cut
            contest.enter(each.section, thing.box, thing.label, score)
    return contest

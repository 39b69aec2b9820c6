"""Networks for all stacks that weigh outlines against what the image says (scripts/train_label_fusion.py).

There are two: the second one also knows what the first said around a pixel, on the sections beside, and of other
objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..io.files import replacing
from ..models.weights import read
from .borders import settled
from .candidates import ENDS, FEATURES, FLOW, SHAPE, SIZE, TOUCHING, Candidate
from .distance import FAR, Box, Contest
from .evidence import LIMIT
from .gap import Filled
from .network import RowClassifier, logits_of
from .review import ADDED, Review, expected_dice

WIDTH = 32
"""Units in each hidden layer."""
_LEARNED, _ALWAYS, _LARGE, _BLIND = 0.8, 0.5, 1.6, 1.5
"""Weights of the network's log-odds, and of the outlines' own score beside them: always, and where more is due."""
_CLEAR, _TELLING = 0.8, 0.25
"""Share of what there is to know of known outlines from which on an image leaves nothing to outlines, and little."""
_SURE = 0.7
"""Share of the log-odds that the confidence is made of, so that it is right on kinds that the network has not seen."""
_MOST = 20.0
"""Log-odds beyond which nothing gets surer."""
_LEAST = 0.2
"""Pixels that are less likely an object's own are never taken."""


@dataclass(frozen=True, eq=False)
class Networks:
    """The network of the first weighing, on features of candidates, and that of the second, on a review's, too."""

    first: RowClassifier
    second: RowClassifier


@cache
def ready() -> Networks:
    """Return the networks with the weights that the package brings."""
    return load(Path(__file__).with_name("fusion.safetensors"))


def load(path: Path) -> Networks:
    """Return the networks with the weights of a file."""
    made, weights = Networks(RowClassifier(FEATURES, 1, WIDTH), RowClassifier(FEATURES + ADDED, 1, WIDTH)), read(path)
    for name, network in vars(made).items():
        network.load_state_dict(
            {each.removeprefix(f"{name}."): weights[each] for each in weights if each.startswith(f"{name}.")}
        )
        network.eval()
    return made


def save(path: Path, networks: Networks, about: Mapping[str, Any]) -> None:
    """Write weights, with how they were made."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}.{each}": values.detach().contiguous()
        for name, network in vars(networks).items()
        for each, values in network.state_dict().items()
    }
    with replacing(path, overwrite=True) as temporary:
        save_file(tensors, temporary, metadata={"made": json.dumps(dict(about))})


def log_odds(network: RowClassifier, rows: NDArray[np.float32], told: float) -> NDArray[np.float32]:
    """Return the log-odds of candidates' pixels to belong to their object; their (N, FEATURES) features come first."""
    learned = logits_of(network, torch.from_numpy(rows)).numpy()[:, 0]
    outlines = (rows[:, SHAPE] + rows[:, FLOW]) / 2
    return np.asarray(_LEARNED * learned + _weight_of_outlines(rows, told) * outlines, np.float32)


def review_of(network: RowClassifier, found: Iterable[Candidate], shape: tuple[int, int, int]) -> Review:
    """Return what the network of the first weighing says of the candidates of a gap."""
    return Review.of(found, lambda sections: _weighed(network, sections, [each.features for each in sections]), shape)


def _weighed(
    network: RowClassifier, sections: Sequence[Candidate], features: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Return the log-odds of an object's candidates, section by section."""
    odds = log_odds(network, np.concatenate(features), sections[0].told)
    return np.split(odds, np.cumsum([len(each) for each in features])[:-1])


def _weight_of_outlines(rows: NDArray[np.float32], told: float) -> NDArray[np.float32]:
    """Return how much the outlines' own score counts beside the network, which was trained on few kinds.

    More for what goes through the gap, where the image tells little of outlines that are known, and where the object is
    large against the typical error of outlines.
    """
    doubt, blind = (float(np.clip(1 - told / share, 0, 1)) for share in (_CLEAR, _TELLING))
    large = np.clip(np.exp(rows[:, SIZE]) / 2 - 1, 0, 2)
    return np.asarray(_ALWAYS + (1 - rows[:, ENDS]) * (_LARGE * doubt * large + _BLIND * blind), np.float32)


def cut_of(odds: NDArray[np.float32]) -> float:
    """Return the log-odds from which on pixels are taken into an object so that its expected Dice is highest.

    That is the probability of half the Dice that can be expected: an object that is certain has all pixels that are
    more likely its own than not; of one that may be elsewhere or gone, less likely ones are worth taking, too.
    """
    half = float(np.clip(expected_dice(odds) / 2, _LEAST, 0.5))
    return float(np.log(half / (1 - half)))


def fused(networks: Networks, found: Callable[[], Iterable[Candidate]], shape: tuple[int, int, int]) -> Filled:
    """Let objects compete with their log-odds over their cut; the candidates of an object follow each other.

    ``found`` is asked for the candidates twice, as their features together would take much memory.
    What counts is the mean of both weighings. Between objects that are about as likely, the border runs where the image
    shows that they touch.
    """
    review = review_of(networks.first, found(), shape)
    contest, chances, touching = Contest.empty(shape), _Chances.empty(shape), np.full(shape, -LIMIT, np.float32)
    for _, group in groupby(found(), lambda each: id(each.object)):
        sections = list(group)
        rows = [np.concatenate([each.features, review.features(each)], axis=1) for each in sections]
        again = _weighed(networks.second, sections, rows)
        parts = [(review.odds(each) + part) / 2 for each, part in zip(sections, again, strict=True)]
        cut = cut_of(np.concatenate(parts))
        for each, part in zip(sections, parts, strict=True):
            thing = each.object.thing
            score = np.full(each.mask.shape, FAR, np.float32)
            score[each.mask] = part
            chances.enter(each.section, thing.box, score, score - cut > contest.best[each.section][thing.box])
            contest.enter(each.section, thing.box, thing.label, score - np.float32(cut))
            touching[each.section][thing.box][each.mask] = each.features[:, TOUCHING]
    labels = settled(contest, touching)
    chances.give_up(labels != contest.winners(), contest)
    return Filled(labels, chances.of(labels > 0))


@dataclass(frozen=True)
class _Chances:
    """Odds of what leads, and those of all objects together; those of the background are 1."""

    leading: NDArray[np.float32]
    together: NDArray[np.float32]

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> _Chances:
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def enter(self, section: int, box: Box, score: NDArray[np.float32], leads: NDArray[np.bool_]) -> None:
        """Add an object's log-odds in a box of one section, and where it leads now."""
        odds = np.exp(_SURE * np.minimum(score, _MOST))
        self.together[section][box] += odds
        self.leading[section][box][leads] = odds[leads]

    def give_up(self, lost: NDArray[np.bool_], contest: Contest) -> None:
        """Count the odds of the second where the leader lost its pixels."""
        self.leading[lost] *= np.exp(_SURE * (contest.second - contest.best)[lost])

    def of(self, taken: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the probability of what leads where it is taken, elsewhere that of the background."""
        return np.asarray(np.where(taken, self.leading, 1) / (1 + self.together), np.float32)

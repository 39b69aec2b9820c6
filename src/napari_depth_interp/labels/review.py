"""What a first weighing says of the objects of a gap, as features of a second one that knows of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .candidates import SHAPE, Candidate
from .distance import Contest

Map = NDArray[np.float32]
_LIMIT = 8.0
"""Log-odds beyond this make no difference; pixels that an object was not asked about count as so unlikely its own."""
_NEAR, _RIVAL = (1.5, 3.0, 6.0), 2.0
"""Standard deviations in pixels of the Gaussians that average probabilities, of the object itself and of its rivals."""
_BLANK = 5.0
"""Pixels that are added to areas before they are compared."""
ADDED = 11
"""How many features a review adds to those of a candidate."""


@dataclass(frozen=True, eq=False)
class _Opinion:
    """Log-odds (y, x) of one object in its box, by wanted section, and the Dice that can be expected of it."""

    odds: dict[int, Map]
    dice: float


@dataclass(frozen=True, eq=False)
class Review:
    """What a first weighing says of all objects of a gap.

    Attributes
    ----------
    opinions : mapping of id(object) -> its opinion
    contest : Contest
        Of all objects, in log-odds.
    together : (n, Y, X) float32 array
        Sum of the probabilities of all objects.
    """

    opinions: dict[int, _Opinion]
    contest: Contest
    together: Map

    @classmethod
    def of(
        cls,
        found: Iterable[Candidate],
        weigh: Callable[[list[Candidate]], list[Map]],
        shape: tuple[int, int, int],
    ) -> Review:
        """Weigh the candidates of a gap, object by object; those of an object follow each other."""
        made = cls({}, Contest.empty(shape), np.zeros(shape, np.float32))
        for name, group in groupby(found, lambda each: id(each.object)):
            sections = list(group)
            made._enter(name, sections, weigh(sections))
        return made

    def _enter(self, name: int, sections: list[Candidate], weighed: list[Map]) -> None:
        thing, odds = sections[0].object.thing, dict[int, Map]()
        for each, values in zip(sections, weighed, strict=True):
            score = np.full(each.mask.shape, -_LIMIT, np.float32)
            score[each.mask] = np.clip(values, -_LIMIT, _LIMIT)
            odds[each.section] = score
            self.contest.enter(each.section, thing.box, thing.label, score)
            self.together[each.section][thing.box] += _chance(score)
        dice = expected_dice(np.concatenate(weighed))
        self.opinions[name] = _Opinion(odds, dice)

    def odds(self, candidate: Candidate) -> NDArray[np.float32]:
        """Return the log-odds of a candidate's pixels to belong to its object."""
        return self.opinions[id(candidate.object)].odds[candidate.section][candidate.mask]

    def features(self, candidate: Candidate) -> Map:
        """Return (pixels, ADDED) features of a candidate's pixels.

        What was said of the object there, around, and on the sections beside; of the likeliest other object there and
        around, and of all others together; how large the object is against its outline; and how sure it is.
        """
        import cv2

        thing, section, mask = candidate.object.thing, candidate.section, candidate.mask
        opinion = self.opinions[id(candidate.object)]
        own = opinion.odds[section]
        chance = _chance(own)
        leads = self.contest.labels[section][thing.box] == thing.label
        rival = np.where(leads, self.contest.second[section][thing.box], self.contest.best[section][thing.box])
        rival = np.maximum(rival, np.float32(-_LIMIT))
        area = np.count_nonzero(candidate.features[:, SHAPE] > 0)
        size = float(np.log((chance.sum() + _BLANK) / (area + _BLANK)))
        maps = [own, *(cv2.GaussianBlur(chance, (0, 0), each, borderType=cv2.BORDER_CONSTANT) for each in _NEAR)]
        maps += [opinion.odds.get(section + step, own) for step in (-1, 1)]
        maps += [rival, cv2.GaussianBlur(1 / (1 + np.exp(-rival)), (0, 0), _RIVAL)]
        maps.append(self.together[section][thing.box] - chance)
        columns = np.empty((np.count_nonzero(mask), ADDED), np.float32)
        columns[:, :-2] = np.stack([each[mask] for each in maps], axis=-1)
        columns[:, -2:] = size, opinion.dice
        return columns


def _chance(score: Map) -> Map:
    """Return probabilities; none where an object was not asked about."""
    return np.asarray(np.where(score > -_LIMIT, 1 / (1 + np.exp(-score)), 0), np.float32)


def expected_dice(odds: NDArray[np.float32]) -> float:
    """Return the Dice that can be expected of an object whose pixels have these log-odds, cut where it is highest."""
    chances = np.sort(1 / (1 + np.exp(-odds.astype(np.float64))))[::-1]
    taken = np.cumsum(chances)
    return float(np.max(2 * taken / (np.arange(1, len(taken) + 1) + taken[-1])))

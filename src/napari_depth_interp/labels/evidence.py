"""What the image says: how likely each pixel is inside an object, learned from the annotated sections themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..progress import Progress, Report, part, silent
from ..stack.thinning import spread_over
from .gap import AROUND, Gap
from .network import RowClassifier, logits_of, train_rows
from .pixels import BLUR, pixel_features
from .series import Series, Window

Map = NDArray[np.float32]
Sample = tuple[Map, NDArray[np.int64]]
"""(N, F) features of pixels and their classes."""

_SECTIONS = 32
"""Annotated sections that are learned from, spread over the stack."""
_REACH = 12
"""Background is learned this far around labels, in pixels: what lies farther away is seldom like it."""
_MANY = 6
"""More labels than this are objects of one kind; up to so many, each is taken to look different."""
_FEW = 400
"""Pixels that a label needs among those drawn to be learned for itself."""
LIMIT = 6.0
"""Largest log-odds that are believed."""
_HALVED = 4
"""Annotated sections from which on every second one is kept from a network, to see how it does there."""
_AT_ONCE = 2**22
"""Pixels whose features are in memory at once, and of a section that is learned from as a whole."""
_WINDOWS, _WINDOW = 4, 1024
"""How many windows of a larger section are learned from, and their side."""
INSIDE, TOUCHING = 1, 2


@dataclass(frozen=True, eq=False)
class Look:
    """Log-odds (Y, X) of one section of the image.

    Attributes
    ----------
    inside : of being inside any object
    smooth : the same, smoothed
    touching : of being where two objects touch
    own : mapping of identifier -> of being inside this one, where labels were learned one by one
    """

    inside: Map
    smooth: Map
    touching: Map
    own: dict[int, Map]

    def of(self, name: int) -> Map:
        """Return the log-odds of being inside the object with this identifier."""
        return self.own.get(name, self.inside)


class Evidence:
    """Networks on pixel features, fitted on the annotated sections of a series.

    Those sections themselves are looked at by a network that has not seen them: of two, each is fitted on every second
    one.

    Parameters
    ----------
    steps : int
        Training steps of each network.
    seed : int
    """

    def __init__(self, steps: int, seed: int) -> None:
        self._steps, self._seed = steps, seed
        self._networks: list[RowClassifier] = []
        self._folds: dict[int, int] = {}  # index of an annotated section -> the network that has not seen it
        self._names: list[int] = []
        self._slope, self._offset = 1.0, 0.0

    def fit(self, series: Series, report: Report) -> None:
        """Learn from the annotated sections."""
        chosen = spread_over(np.arange(len(series)), _SECTIONS).tolist()
        rng = np.random.default_rng(self._seed)
        self._names = _own_names(series, chosen)
        samples = []
        for i in chosen:
            samples.append(self._sample(series, i, 60_000 // len(chosen), rng))
            report(Progress(0.1 * len(samples) / len(chosen)))
        self._networks = [self._fit(samples, 0, part(report, 0.1, 0.4))]
        if len(chosen) < _HALVED:
            return
        for half in (0, 1):
            inner = part(report, 0.4 + 0.3 * half, 0.7 + 0.3 * half)
            self._networks.append(self._fit(samples[1 - half :: 2], half + 1, inner))
        self._folds = {i: 1 + row % 2 for row, i in enumerate(chosen)}
        self._calibrate(samples)

    def _sample(
        self, series: Series, index: int, count: int, rng: np.random.Generator
    ) -> tuple[Map, NDArray[np.int64]]:
        """Return features and classes of pixels of one annotated section, near labels."""
        assert series.image_depths is not None
        centre = int(np.argmin(np.abs(series.image_depths - series.depths[index])))
        found = []
        places = _looked_at(series.section(index), rng)
        for window in places:
            seen = series.within(window)
            section, (block, _) = seen.section(index), seen.image_around(centre, centre)
            chosen = _near_labels(section, count // len(places), rng)
            features = pixel_features(block, min(centre, AROUND))
            classes = self._classes(section).ravel()[chosen]
            found.append((features.reshape(-1, features.shape[-1])[chosen], classes))
        rows, classes = (np.concatenate(each) for each in zip(*found, strict=True))
        return rows, classes

    def _classes(self, section: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._names:
            found = np.zeros(section.shape, np.int64)
            for number, name in enumerate(self._names):
                found[section == name] = number + 1
            found[(section != 0) & (found == 0)] = len(self._names) + 1
            return found
        return np.where(section != 0, np.where(_touches(section), TOUCHING, INSIDE), 0)

    def _fit(self, samples: Sequence[Sample], number: int, report: Report) -> RowClassifier:
        rows, classes = (torch.from_numpy(np.concatenate(each)) for each in zip(*samples, strict=True))
        outputs = len(self._names) + 2 if self._names else 3
        torch.manual_seed(self._seed + number)
        network = RowClassifier(rows.shape[1], outputs, 64)
        seed = self._seed + number
        return train_rows(network, rows, classes, steps=self._steps, batch=2048, rate=5e-3, seed=seed, report=report)

    def _calibrate(self, samples: Sequence[Sample]) -> None:
        """Scale log-odds so that they are as sure as they are right on sections that their network has not seen."""
        unseen = [logits_of(self._networks[1 + i % 2], torch.from_numpy(rows)) for i, (rows, _) in enumerate(samples)]
        odds = -_odds(torch.cat(unseen).numpy(), [0])
        truth = np.concatenate([classes for _, classes in samples]) > 0
        slope, offset = 1.0, 0.0
        for _ in range(20):  # Newton's method on the logistic loss
            p = 1 / (1 + np.exp(-(slope * odds + offset)))
            weight, missed = p * (1 - p) + 1e-6, p - truth
            gradient = np.array([np.mean(missed * odds) + 1e-3 * (slope - 1), np.mean(missed) + 1e-3 * offset])
            cross = np.mean(weight * odds)
            hessian = np.array([[np.mean(weight * odds**2) + 1e-3, cross], [cross, np.mean(weight) + 1e-3]])
            slope, offset = np.array([slope, offset]) - np.linalg.solve(hessian, gradient)
            slope, offset = float(np.clip(slope, 0.1, 1.5)), float(np.clip(offset, -1, 1))
        self._slope, self._offset = slope, offset

    def looks(self, gap: Gap, report: Report = silent) -> list[Look]:
        """Return what the image says from the section below to the one above, both included."""
        assert gap.image is not None
        first, last = gap.place_in_image(0.0), gap.place_in_image(1.0)
        seen = dict(zip((first, last), gap.annotated, strict=True))
        found = []
        for place in range(first, last + 1):
            network = self._networks[self._folds.get(seen.get(place, -1), 0)]
            block = gap.image[max(0, place - AROUND) : place + AROUND + 1]
            found.append(self._look(_logits(network, block, min(place, AROUND))))
            report(Progress((place - first + 1) / (last - first + 1)))
        return found

    def _look(self, logits: Map) -> Look:
        import cv2

        inside = np.clip(-self._slope * _odds(logits, [0]) + self._offset, -LIMIT, LIMIT).astype(np.float32)
        if self._names:
            touching = np.full(inside.shape, -LIMIT, np.float32)
            own = {name: self._slope * _odds(logits, [number + 1]) for number, name in enumerate(self._names)}
        else:
            touching, own = _odds(logits, [TOUCHING]), {}
        return Look(inside, cv2.GaussianBlur(inside, (0, 0), 1.5), touching, own)


def _logits(network: RowClassifier, block: Map, centre: int) -> Map:
    """Return (Y, X, outputs) logits of section ``centre`` of a block, some rows at a time."""
    height, width = block.shape[1:]
    rows, found = max(1, _AT_ONCE // width), []
    for top in range(0, height, rows):
        start, stop = max(0, top - BLUR), min(height, top + rows + BLUR)
        features = pixel_features(block[:, start:stop], centre)[top - start : top - start + rows]
        seen = torch.from_numpy(features.reshape(-1, features.shape[-1]))
        found.append(logits_of(network, seen).numpy().reshape(*features.shape[:2], -1))
    return np.concatenate(found)


def _looked_at(section: NDArray[Any], rng: np.random.Generator) -> list[Window]:
    """Return where pixels to learn from are drawn: all of a section, or some windows on labels of a large one."""
    rows, columns = section.shape
    if section.size <= _AT_ONCE:
        return [(slice(0, rows), slice(0, columns))]
    step, side = max(1, isqrt(section.size // _AT_ONCE)) * 8, _WINDOW
    places = np.argwhere(section[::step, ::step] != 0) * step
    if not len(places):
        places = rng.integers(0, section.shape, (_WINDOWS, 2))
    starts = np.clip(rng.choice(places, _WINDOWS) - side // 2, 0, np.maximum(np.array(section.shape) - side, 0))
    return [(slice(y, min(y + side, rows)), slice(x, min(x + side, columns))) for y, x in starts.tolist()]


def _near_labels(section: NDArray[Any], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most so many pixels (of the section in one row) on labels or near them; of an empty one any."""
    import cv2

    near = cv2.dilate((section != 0).astype(np.uint8), np.ones((2 * _REACH + 1,) * 2, np.uint8)).ravel()
    places = np.flatnonzero(near) if near.any() else np.arange(near.size)
    return rng.choice(places, min(count, len(places)), replace=False)


def _odds(logits: Map, classes: list[int]) -> Map:
    """Return the log-odds of belonging to one of the classes."""
    rest = np.delete(logits, classes, axis=-1)
    odds = np.logaddexp.reduce(logits[..., classes], axis=-1) - np.logaddexp.reduce(rest, axis=-1)
    return np.asarray(np.clip(odds, -LIMIT, LIMIT), np.float32)


def _touches(section: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pixels of objects have another object among their eight neighbours."""
    from scipy.ndimage import maximum_filter, minimum_filter

    high = maximum_filter(section, 3)
    low = minimum_filter(np.where(section == 0, np.iinfo(section.dtype).max, section), 3)
    return np.asarray((high != section) | (low < section))


def _own_names(series: Series, chosen: Sequence[int]) -> list[int]:
    """Return the labels that are learned one by one: where there are few, and each is on several sections."""
    halves: list[dict[int, int]] = [{}, {}]
    for row, i in enumerate(chosen):
        section = series.section(i)
        step = 1 + isqrt(max(0, section.size - 1) // _AT_ONCE)
        names, counts = np.unique(section[::step, ::step], return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            halves[row % 2][name] = halves[row % 2].get(name, 0) + count * step**2
    every = {name for half in halves for name in half} - {0}
    if not 2 <= len(every) <= _MANY:
        return []
    return sorted(name for name in every if all(half.get(name, 0) >= _FEW for half in halves))

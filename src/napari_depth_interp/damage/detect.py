"""Looking for damaged sections: scores against thresholds that the stack itself gives. Nothing is changed by it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, part, silent
from ..run.inputs import placed
from ..stack import Dataset
from ..stack.colours import luminance
from .evidence import evidence
from .examination import Examination
from .kinds import KINDS, Damage
from .neighbours import FAR as NEAR
from .settings import RepairSettings
from .survey import Survey, measured_again, shift_again, survey
from .views import Views

_SOUND = 0.8
"""Share of the sections that are taken to be sound where thresholds are drawn."""
_OVER: Mapping[str, float] = {"shift": 3.5, "partial": 3.0, "stripes": 2.5, "brightness": 2.5, "blur": 3.5}
"""Thresholds over what all but that share of the sections reach; other kinds have a threshold of their own."""
_LIKE_BLUR = ("stripes", "brightness")
"""Kinds that a strong blur looks like, too: they explain a section unless its blur is further above the threshold."""
LIKE_SHIFT = ("partial", "stripes", "blur")
"""Kinds that a shift may be taken for: what comes in at the edges is black, and moving between pixels blurs."""
_FURTHER = 1.5
"""Scores of a section are divided by this where a neighbour is damaged, and it was compared with the next one."""
_ENDS, _AT_LEAST = 2.0, 3.0
"""The threshold of a section with neighbours on one side, over what one side sees in nearly all sections, and over that
of others: an object that ends there is no damage."""


@dataclass(frozen=True)
class Place:
    """What is judged together: one channel at one time point, or all colours of an image."""

    time: int
    channels: tuple[int, ...]


def places(dataset: Dataset) -> list[Place]:
    """Return what is judged alone: every channel at every time point; colours together, by their brightness."""
    times, channels = dataset.voxels.shape[:2]
    together = [tuple(range(channels))] if dataset.rgb else [(channel,) for channel in range(channels)]
    return [Place(time, each) for time in range(times) for each in together]


def sections_of(dataset: Dataset, place: Place) -> Any:
    """Return the sections (Z, Y, X) of a place, read when they are asked for."""
    if len(place.channels) == 1:
        return dataset.voxels[place.time, place.channels[0]]
    return _Brightness(dataset, place.time)


class _Brightness:
    """The brightness of a colour image, section by section."""

    def __init__(self, dataset: Dataset, time: int) -> None:
        self._dataset, self._time = dataset, time
        self.shape = dataset.voxels.shape[2:]

    def __getitem__(self, index: int) -> NDArray[Any]:
        return luminance(*(np.asarray(self._dataset.voxels[self._time, c, index]) for c in range(3)))


def examine(dataset: Dataset, settings: RepairSettings | None = None, report: Report = silent) -> Examination:
    """Look for damaged sections.

    Parameters
    ----------
    dataset : Dataset
        Its sections are read one by one; the spacing does not matter.
    settings : RepairSettings, optional
        Which kinds to look for, and how easily a section is called damaged.
    report : callable
        Gets a :class:`~napari_depth_interp.progress.Progress` after every section; cancels by raising ``Cancelled``.

    Returns
    -------
    Examination
    """
    settings = settings or RepairSettings()
    dataset = placed(dataset, settings)
    chosen = places(dataset)
    judged = []
    for number, place in enumerate(chosen):
        inner = part(report, number / len(chosen), (number + 1) / len(chosen))
        views = Views(sections_of(dataset, place))
        found = survey(views, inner)
        judged.append(_Judged(place, found, limits(found, settings), views))
    return _together(judged, settings, dataset)


@dataclass(frozen=True, eq=False)
class _Judged:
    place: Place
    survey: Survey
    limits: Mapping[str, NDArray[np.float64]]
    views: Views
    shifts: dict[tuple[int, frozenset[int]], float] = field(default_factory=dict)

    def found(self, settings: RepairSettings) -> Iterator[Damage]:
        """Yield the damage of each section: the first kind above its threshold, which explains the others.

        A damaged section may make its neighbours look damaged. So each is judged once more without those that are
        damaged for sure: first those whose kind explains others, and of one kind those furthest above its threshold.
        """
        suspected = [k for k in range(len(self.views)) if self._kind(self.survey, k, k) is not None]
        certain: list[int] = []
        for k in sorted(suspected, key=self._rank):
            if self._again(k, certain)[0] is not None:
                certain.append(k)
        for k in suspected:
            kind, scores = self._again(k, certain)
            if kind is None or kind not in settings.wanted_kinds:
                continue
            self._correct(k, scores)
            told = evidence(self.views, k, kind, [each for each in certain if each != k])
            score, limit = float(self.survey.scores[kind][k]), float(self.limits[kind][k])
            yield Damage(k, kind, score, limit, told.part, told.words, self.place.time, self.place.channels[0])
        for k in set(suspected) - set(certain):
            self._correct(k, self._again(k, certain)[1])

    def _kind(self, found: Survey, k: int, row: int) -> str | None:
        """Return the kind of damage in a row of a survey, which is section ``k`` of the stack."""
        return first_kind({name: float(found.scores[name][row] / self.limits[name][k]) for name in KINDS})

    def _rank(self, k: int) -> tuple[int, float]:
        """Return the place of a suspected section's kind among all kinds, and less than 0 how severe it is."""
        kind = self._kind(self.survey, k, k)
        assert kind is not None
        return list(KINDS).index(kind), -float(self.survey.scores[kind][k] / self.limits[kind][k])

    def _again(self, k: int, damaged: Collection[int]) -> tuple[str | None, Survey]:
        others = [each for each in damaged if each != k and abs(each - k) <= NEAR]
        if self.survey.void[k]:  # the nearest sections that hold something have told, however far away
            return self._kind(self.survey, k, k), self.survey
        if not others:
            return self._exactly(k, others, self._kind(self.survey, k, k), self.survey)
        found = measured_again(self.views, self.survey, k, others)
        if any(abs(each - k) == 1 for each in others):  # what lies further away differs more
            for name in _OVER:
                found.scores[name] /= _FURTHER
        if found.is_end[0] and not self.survey.is_end[k]:  # too little is left around it to tell anything but copies
            is_copy = self.survey.scores["duplicate"][k] >= self.limits["duplicate"][k]
            return "duplicate" if is_copy else None, self.survey
        return self._exactly(k, others, self._kind(found, k, 0), found)

    def _exactly(self, k: int, damaged: Collection[int], kind: str | None, found: Survey) -> tuple[str | None, Survey]:
        """Ask more exactly whether a section is shifted that seems to be something else that a shift looks like."""
        if kind not in LIKE_SHIFT:
            return kind, found
        asked = k, frozenset(damaged)
        if asked not in self.shifts:
            self.shifts[asked] = shift_again(self.views, k, damaged)
        score = self.shifts[asked]
        if score < self.limits["shift"][k]:
            return kind, found
        row = k if found is self.survey else 0
        found.scores["shift"][row] = score
        return "shift", found

    def _correct(self, k: int, again: Survey) -> None:
        """Take over the scores of a section that was judged once more."""
        if again is not self.survey:
            for name, values in again.scores.items():
                self.survey.scores[name][k] = values[0]


def first_kind(over: Mapping[str, float]) -> str | None:
    """Return the first kind whose score is over its threshold, as it explains the others; None: no score is.

    Parameters
    ----------
    over : mapping of kind -> float
        How many times over its threshold each score is; NaN where nothing can be said.
    """
    chosen = next((name for name in KINDS if over[name] >= 1), None)
    return max(chosen, "blur", key=lambda name: over[name]) if chosen in _LIKE_BLUR else chosen


def limits(found: Survey, settings: RepairSettings) -> dict[str, NDArray[np.float64]]:
    """Return the threshold of each kind for each section (Z,): higher at the ends, where one side alone tells."""
    chosen = {}
    for name, kind in KINDS.items():
        limit = kind.floor
        measured = found.scores[name]
        if name == "brightness":  # however much light changes from section to section, explained or not
            measured = np.where(np.isfinite(measured), found.jumps, np.nan)
        values = measured[~found.is_end & np.isfinite(measured)]
        if name in _OVER and values.size:
            limit = max(limit, _OVER[name] * float(np.quantile(values, _SOUND)))
        at_end, seen = limit, found.beside[name][np.isfinite(found.beside[name])]
        if name in _OVER:
            at_end = max(_AT_LEAST * limit, _ENDS * float(np.quantile(seen, 0.95)) if seen.size else 0.0)
        chosen[name] = np.where(found.is_end, at_end, limit) / settings.sensitivity
    return chosen


def _together(judged: list[_Judged], settings: RepairSettings, dataset: Dataset) -> Examination:
    """Return one examination of all channels and time points: of each section what is furthest above its threshold."""
    found = sorted(
        (damage for each in judged for damage in each.found(settings)),
        key=lambda damage: (damage.index, damage.time, damage.channel),
    )
    scores, thresholds = {}, {}
    for name in settings.wanted_kinds:
        thresholds[name] = float(np.median([np.median(each.limits[name]) for each in judged]))
        ratios = np.stack([each.survey.scores[name] / each.limits[name] for each in judged])
        known = np.isfinite(ratios).any(0)
        highest = np.where(np.isfinite(ratios), ratios, -np.inf).max(0)
        scores[name] = np.where(known, highest * thresholds[name], np.nan)
    notes = tuple(dict.fromkeys(note for each in judged for note in [*each.survey.notes, *_notes(each)]))
    return Examination(scores, thresholds, found, dataset.grid.depths, notes)


def _notes(judged: _Judged) -> Iterator[str]:
    count, flat = len(judged.views), int(judged.survey.flat.sum())
    if count - flat < 3:
        yield (
            f"only {count - flat} of {count} sections hold anything, and a section is judged by two others; little can "
            "be said"
        )

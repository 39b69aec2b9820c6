"""The damaged sections of one place are made anew, corrected or filled, as far as sound sections vouch for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, part
from ..stack import Dataset
from ..stack.lazy import LazyVoxels, as_array
from ..system.memory import give_back
from .anew import Anew, made_anew
from .cases import Case, Spot, case_of
from .detect import LIKE_SHIFT, Place
from .doubt import lies_oddly, little_in_common, surely_damaged
from .plan import CHANGES, LOST, Step, runs
from .rehearsal import Verdict, verdict
from .remedies import REMEDIES
from .settings import RepairSettings
from .voxels import InFile, Mended, RepairedVoxels

_EXACT = 0.3
"""Pixels up to which the place of a section counts as known."""
_LEAST, _LEAST_NEAR = 0.1, 0.5
"""A correction that deserves less of the way than this is none; the same where the section lies no further from its
neighbours than sound ones do, and so may be sound."""


@dataclass(eq=False)
class Mending:
    """The repair of one place.

    Attributes
    ----------
    dataset : Dataset
        With depths.
    place : Place
    settings : RepairSettings
    folder : Path or None
        Where repaired sections are held; None: in memory.
    mended : mapping of (time, channel, section) -> (Y, X) array
        What has been repaired, in the type of the stack.
    warnings : list of str
    sound : set of int
        Sections that were left because they lie as sound ones do.
    """

    dataset: Dataset
    place: Place
    settings: RepairSettings
    folder: Path | None = None
    mended: Mended = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    sound: set[int] = field(default_factory=set)

    def run(self, steps: Sequence[Step], report: Report) -> list[Step]:
        """Mend what the steps say; return what was done.

        What is made anew beside sections that were corrected, filled in or left is made once more from these, which are
        nearer than others.
        """
        damaged = {step.index for step in steps}
        todo = {step.index: step for step in steps if step.action not in ("leave", "remove")}
        own = {k for k, step in todo.items() if step.action == "correct"}
        late = {k for k, step in todo.items() if step.action in LOST and {k - 1, k + 1} & own}
        first = [step for k, step in todo.items() if k not in late]
        done = self._mend(self.dataset, first, damaged, part(report, 0.0, 0.5 if late else 1.0))
        used: dict[int, set[int]] = {}
        while True:
            kept = {k for k, step in done.items() if step.action in ("correct", "fill", "leave")}
            made = {k for k, step in done.items() if step.action == "interpolate"}
            again = late - set(done) | {k for k in made if ({k - 1, k + 1} & kept) - used.get(k, set())}
            if not again:
                break
            done |= self._mend(
                self._with_mended(), [todo[k] for k in sorted(again)], damaged - kept, part(report, 0.5, 1.0)
            )
            used |= {k: {k - 1, k + 1} & kept for k in again}
        return self._judgeable([done.get(step.index, step) for step in steps], damaged)

    def _judgeable(self, steps: list[Step], damaged: set[int]) -> list[Step]:
        """Leave neighbours of which one may well be sound; what was named, or where gaps are asked for, is repaired."""
        if self.settings.gaps or self.settings.sections != "auto":
            return steps
        sure = {step.index for step in steps if step.action == "remove" or step.damage.told}
        sure |= {step.index for step in steps if step.index in self.sound}
        left: dict[int, int] = {}
        for run in runs(damaged):
            if len(run) > 1 and run[0] > 0 and run[-1] + 1 < self.dataset.voxels.shape[2]:
                doubt = next((k for k in run if k not in sure and not self._surely(k, damaged)), None)
                left |= {} if doubt is None else dict.fromkeys(run, doubt)
        return [self._left(step, _neighbours(step, left)) if step.index in left else step for step in steps]

    def _surely(self, k: int, damaged: set[int]) -> bool:
        spots = [(self.place.time, channel, k) for channel in self.place.channels]
        return any(surely_damaged(self.dataset, spot, damaged) for spot in spots)

    def _left(self, step: Step, why: str) -> Step:
        """Leave a section as it was recorded, with the reason."""
        if step.action not in CHANGES:
            return step
        for channel in self.place.channels:
            self.mended.pop((self.place.time, channel, step.index), None)
        return replace(step, action="leave", error=None, reason=f"{step.reason}; {why}")

    def _with_mended(self) -> Dataset:
        voxels = RepairedVoxels(self.dataset.voxels, self.mended, range(self.dataset.voxels.shape[2]))
        return replace(self.dataset, voxels=as_array(LazyVoxels(voxels)))

    def _mend(self, dataset: Dataset, steps: Sequence[Step], damaged: set[int], report: Report) -> dict[int, Step]:
        """Mend some sections from those of a dataset that are not damaged; return what was done, by section."""
        wanted = {step.index for step in steps}
        if not wanted:
            return {}
        with made_anew(dataset, self.place, damaged, wanted, self.settings, report, self.folder) as anew:
            self.warnings += [each for each in anew.warnings if each not in self.warnings]
            done = {}
            for step in steps:
                done[step.index] = self._mended(dataset, step, anew, damaged)
                give_back()  # a repair takes many times the memory of a section, for a moment
            return done

    def _mended(self, dataset: Dataset, step: Step, anew: Anew, damaged: set[int]) -> Step:
        """Repair one section in all channels of its place; return what was done."""
        spots = [(self.place.time, channel, step.index) for channel in self.place.channels]
        made = [
            replace(case_of(dataset, spot, damaged, row), part=step.damage.part)
            for spot, row in zip(spots, anew.section(step.index), strict=True)
        ]
        if self._cannot_be_told(step, made):
            why = "the sections beside it have so little in common that this cannot be judged; name it to repair it"
            return self._left(step, why)
        errors = [anew.error(step.index, case.change) for case in made]
        if step.action == "interpolate":
            values = [case.anew for case in made]
        else:
            values = [_remedied(case, step.damage.kind) for case in made]
        if self._lies_oddly(dataset, step, made, values, damaged):
            why = "even so it lies further off its neighbours than sound sections do, and so it was made anew"
            values = [case.anew for case in made]
            step = replace(step, action="interpolate", reason=f"{step.reason}; {why}")
        if step.action == "correct" or (step.action == "fill" and step.damage.kind == "saturated"):
            values, step = self._judged(dataset, step, made, values, damaged)
        for spot in spots:  # of an earlier round
            self.mended.pop(spot, None)
        if step.action != "leave":
            self.mended |= {
                spot: self._kept(stored(each, dataset, spot, step), spot)
                for spot, each in zip(spots, values, strict=True)
            }
        known = [each for each in errors if each is not None]
        return replace(step, error=float(np.mean(known)) if known and step.action in LOST else None)

    def _cannot_be_told(self, step: Step, made: Sequence[Case]) -> bool:
        """Whether neighbours that show other things say that a section is damaged; one that was named is repaired."""
        if step.action != "correct" or step.damage.told or self.settings.sections != "auto":
            return False
        return any(little_in_common(case) for case in made)

    def _lies_oddly(
        self, dataset: Dataset, step: Step, made: Sequence[Case], values: list[NDArray[Any]], damaged: set[int]
    ) -> bool:
        """Whether a section was found to be torn, striped or blurred, and seems to be shifted, too."""
        if step.action not in ("fill", "correct") or step.damage.told or step.damage.kind not in LIKE_SHIFT:
            return False
        spots = [(self.place.time, channel, step.index) for channel in self.place.channels]
        return any(
            lies_oddly(dataset, spot, damaged, case, each) for spot, case, each in zip(spots, made, values, strict=True)
        )

    def _kept(self, section: NDArray[Any], spot: Spot) -> NDArray[Any] | InFile:
        if self.folder is None:
            return section
        return InFile.of(section, self.folder / f"{'-'.join(map(str, spot))}.npy")

    def _judged(
        self, dataset: Dataset, step: Step, made: Sequence[Case], values: list[NDArray[Any]], damaged: set[int]
    ) -> tuple[list[NDArray[Any]], Step]:
        """Return corrected sections as far as they are better than those made anew, and the step with what was done."""
        told = [
            verdict(dataset, (self.place.time, channel, step.index), step.damage.kind, damaged, case, repaired)
            for channel, case, repaired in zip(self.place.channels, made, values, strict=True)
        ]
        share = min(each.share for each in told)
        step = _placed(step, told)
        if share >= 1:
            return values, step if all(each.tried for each in told) else _untried(step)
        if share < _LEAST_NEAR and step.damage.kind != "blur" and all(each.lies_well for each in told):
            why = "but it lies no further from its neighbours than sound sections do, and a correction would do harm"
            self.sound.add(step.index)
            return [], replace(step, action="leave", reason=f"{step.reason}; {why}")
        if share < _LEAST:
            why = "a correction would be further from the truth than a section made anew, and so it was made anew"
            step = replace(step, action="interpolate", reason=f"{step.reason}; {why}")
            return [case.anew for case in made], step
        why = f"drawn {100 * (1 - share):.0f} % of the way to a section made anew, as sound sections nearby ask for"
        blended = [
            np.where(np.isfinite(each), case.anew + share * (each - case.anew), case.anew)
            for case, each in zip(made, values, strict=True)
        ]
        return blended, replace(step, reason=f"{step.reason}; {why}")


def _neighbours(step: Step, doubts: Mapping[int, int]) -> str:
    """Return why a section is left that has a neighbour which may well be sound, or may be so itself."""
    which = "it" if doubts[step.index] == step.index else f"section {doubts[step.index]} beside it"
    return f"{which} may well be sound, so that neighbours cannot be judged by each other; --gaps repairs them"


def _untried(step: Step) -> Step:
    why = "no sound sections nearby, between sound ones, to try it on, so how good it is was not measured"
    return replace(step, reason=f"{step.reason}; {why}")


def _placed(step: Step, told: Sequence[Verdict]) -> Step:
    """Return the step of a shifted section with how exactly its place can be told; said where that is not exact."""
    error = max((each.shift_error for each in told if each.shift_error is not None), default=None)
    if error is None or error <= _EXACT:
        return replace(step, shift_error=error)
    why = f"its place can be told to {error:.1f} pixel only, as sound sections nearby do not lie evenly"
    return replace(step, shift_error=error, reason=f"{step.reason}; {why}")


def _remedied(case: Case, kind: str) -> NDArray[np.float32]:
    """Return a section after the remedy of its kind; what is no number in all sections stays so."""
    values = REMEDIES[kind](case.whole())
    unknown = ~np.isfinite(case.section) & ~np.isfinite(case.anew)
    return np.where(unknown, case.anew, values) if unknown.any() else values


def stored(values: NDArray[Any], dataset: Dataset, spot: Spot, step: Step) -> NDArray[Any]:
    """Return a repaired section in the type of the stack; where only a part was filled, the rest bit by bit."""
    dtype = dataset.voxels.dtype
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        rounded = np.clip(np.rint(values.astype(np.float64)), limits.min, limits.max)
        section = np.where(rounded >= float(limits.max), limits.max, rounded.astype(dtype)).astype(dtype)
    else:
        section = values.astype(dtype)
    if step.action == "fill" and step.damage.kind == "partial" and step.damage.part is not None:
        section = np.where(step.damage.part, section, np.asarray(dataset.voxels[spot]))
    return np.asarray(section, dtype)

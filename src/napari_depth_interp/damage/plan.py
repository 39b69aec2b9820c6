"""What is to be done about each damaged section, and why; nothing is computed here but decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..stack import Dataset
from ..stack.section_list import parse_sections
from .detect import Place, places
from .examination import Examination
from .kinds import KINDS, NAMED, Damage
from .settings import RepairSettings

Action = Literal["interpolate", "correct", "fill", "leave", "remove"]
LOST = ("interpolate", "fill")
"""Actions that take voxels from other sections."""
CHANGES = (*LOST, "correct")
"""Actions after which a section is not what was recorded."""
_MOST = 0.6
"""A section that has lost a larger share is made anew as a whole."""
_SOUND = 2
"""Sections that a repair needs at least."""


@dataclass(frozen=True, eq=False)
class Step:
    """What is done about one damaged section of one channel at one time point (or of all colours).

    Attributes
    ----------
    damage : Damage
        Of kind ``named`` where a section was named and shows no damage.
    place : Place
    action : {"interpolate", "correct", "fill", "leave", "remove"}
    reason : str
        Why, in plain words.
    error : float or None
        Expected error (root mean square, in voxel values) of what is made anew, from hiding sound sections; None: not
        known, or nothing is made anew.
    shift_error : float or None
        By how many pixels the worst of some sound sections, shifted alike, was brought back to the wrong place; None:
        it was not measured, or there is no shift.
    """

    damage: Damage
    place: Place
    action: Action
    reason: str
    error: float | None = None
    shift_error: float | None = None

    @property
    def index(self) -> int:
        return self.damage.index

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        found = {"action": self.action, "reason": self.reason, "expected_error": self.error}
        if self.damage.kind == "shift":
            found["expected_shift_error"] = self.shift_error
        return self.damage.as_json() | found | {"channels": list(self.place.channels)}


def plan(
    dataset: Dataset,
    examination: Examination,
    settings: RepairSettings,
    mask: NDArray[np.bool_] | None = None,
) -> list[Step]:
    """Return a step for every section that was found, named, masked or is to be removed, in their order.

    Raises
    ------
    RequestError
        If sections are named that there are not.
    """
    count = dataset.voxels.shape[2]
    removed = () if settings.remove is None else parse_sections(settings.remove, count, "--remove")
    steps: list[Step] = []
    for place in places(dataset):
        chosen = _chosen(place, count, examination, settings)
        chosen |= {k: _masked(k, place, mask[k]) for k in range(count) if mask is not None and mask[k].any()}
        chosen |= {k: chosen.get(k) or _named(k, place, examination) for k in removed}
        own = [_step(damage, place) for _, damage in sorted(chosen.items())]
        own = [replace(s, action="remove", reason="left out as told") if s.index in removed else s for s in own]
        steps += _possible(own, count, settings)
    return sorted(steps, key=lambda step: (step.index, step.place.time, step.place.channels))


def _chosen(place: Place, count: int, examination: Examination, settings: RepairSettings) -> dict[int, Damage]:
    """Return the damage to see to in one place by section."""
    found = {
        each.index: each for each in examination.found if each.time == place.time and each.channel == place.channels[0]
    }
    if settings.sections == "auto":
        return found
    elsewhere = {each.index for each in examination.found}
    named = parse_sections(settings.sections, count, "--sections")
    return {k: found.get(k) or _named(k, place, examination) for k in named if k in found or k not in elsewhere}


def _named(k: int, place: Place, examination: Examination) -> Damage:
    """Return what stands for damage where there is none to be seen; its score is that of the worst kind."""
    over = [values[k] / examination.thresholds[name] for name, values in examination.scores.items()]
    score = max((float(each) for each in over if np.isfinite(each)), default=0.0)
    return Damage(k, NAMED, max(score, 0.0), 1.0, None, "named by the user", place.time, place.channels[0], told=True)


def _masked(k: int, place: Place, part: NDArray[np.bool_]) -> Damage:
    """Return the damage that a given mask shows."""
    limit = KINDS["partial"].floor
    words = f"{100 * part.mean():.1f} % of the area is in the mask"
    return Damage(k, "partial", float(part.mean()), limit, part, words, place.time, place.channels[0], told=True)


def _step(damage: Damage, place: Place) -> Step:
    """Return what the kind of damage asks for."""
    if damage.kind == NAMED:
        return Step(damage, place, "interpolate", "named by the user")
    kind = KINDS[damage.kind]
    action: Action = kind.remedy
    if action == "fill" and (damage.part is None or damage.part.mean() > _MOST):
        action = "interpolate"
    return Step(damage, place, action, f"{kind.title}: {damage.detail}" if damage.detail else kind.title)


def _possible(steps: Sequence[Step], count: int, settings: RepairSettings) -> list[Step]:
    """Leave what cannot be repaired, or was not asked for, as it is."""
    lost = [step.index for step in steps]
    sound = sorted(set(range(count)) - set(lost))
    if len(sound) < _SOUND or (settings.sections == "auto" and len(sound) < len(lost)):
        why = f"only {len(sound)} of {count} sections are sound, too few to repair others by"
        return [_left(step, why) for step in steps]
    inside = [step if sound[0] < step.index < sound[-1] else _left(step, _at_end(step)) for step in steps]
    if settings.gaps:
        return inside
    wide = {k for run in runs(step.index for step in inside if step.action in LOST) if len(run) > 1 for k in run}
    why = "next to it another section is lost; --gaps makes both anew, with a larger error"
    return [_left(step, why) if step.index in wide and step.action in LOST else step for step in inside]


def _left(step: Step, why: str) -> Step:
    return step if step.action == "remove" else replace(step, action="leave", reason=f"{step.reason}; {why}")


def _at_end(step: Step) -> str:
    return "there is no sound section on one side of it, and nothing is made up beyond the ends"


def runs(indices: Iterable[int]) -> list[list[int]]:
    """Return whole numbers in groups of neighbours."""
    ordered = sorted(set(indices))
    groups = groupby(enumerate(ordered), key=lambda pair: pair[1] - pair[0])
    return [[index for _, index in group] for _, group in groups]

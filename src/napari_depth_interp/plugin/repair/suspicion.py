"""What is known of the suspected sections: found or named, with thumbnails, and in words what is done about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...damage.examination import Examination
from ...damage.kinds import KINDS, NAMED
from ...damage.request import RepairRequest, resolve_repair
from ...damage.settings import RepairSettings
from ...stack import Dataset
from ..jobs.messages import name_fields
from .section_words import ACTIONS
from .suspects_box import REPAIR, Suspect
from .task import Strip

_COUNTED = {
    "interpolate": "to make anew",
    "fill": "to fill in part",
    "correct": "to correct",
    "remove": "to leave out",
    "leave": "that cannot be repaired",
}
"""What is said of numbers of sections."""
_IN_LIST = {"interpolate": "made anew", "fill": "part filled in"}
"""What would be done, where it is longer than a row of the list has room for."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """The sections that are listed.

    Attributes
    ----------
    examination : Examination or None
        None where nothing was looked for.
    strips : section -> thumbnails
        Of all sections that are listed.
    named : set of int
        Those that somebody has added.
    entries : sequence of mapping
        What the last repair has done, as its history has it.
    """

    examination: Examination | None = None
    strips: Mapping[int, Strip] = field(default_factory=dict)
    named: frozenset[int] = frozenset()
    entries: Sequence[Mapping[str, Any]] = ()

    def with_section(self, index: int, strip: Strip) -> Suspicion:
        """Return it with one more section."""
        if index in self.strips:
            return self
        return replace(self, strips={**self.strips, index: strip}, named=self.named | {index}, entries=())

    def looked_through(self, examination: Examination, strips: Mapping[int, Strip]) -> Suspicion:
        """Return what was found, and the sections that somebody has added: those stay listed."""
        kept = {index: self.strips[index] for index in self.named}
        return Suspicion(examination, {**kept, **strips}, self.named)

    def done(self, entries: Sequence[Mapping[str, Any]]) -> Suspicion:
        """Return it with what a repair has done."""
        return replace(self, entries=entries)

    def suspects(self, request: RepairRequest | None = None) -> dict[int, Suspect]:
        """Return what is said of each section; ``request`` is what would be done now."""
        actions = {step.index: step for step in reversed(request.steps)} if request is not None else {}
        return {index: self._suspect(index, actions.get(index)) for index in sorted(self.strips)}

    def _suspect(self, index: int, step: Any) -> Suspect:
        found = self.examination.at(index) if self.examination is not None else []
        worst = max(found, key=lambda each: each.severity, default=None)
        if worst is None:
            name, what, detail, times = NAMED, NAMED, "added by you", ""
        else:
            name, what, detail = worst.kind, KINDS[worst.kind].title, worst.detail
            times = f"; score {worst.score:.3g}, threshold {worst.threshold:.3g}"
        action = "" if step is None else f"\n{_IN_LIST.get(step.action, ACTIONS[step.action])}"
        reason = "" if step is None else f"<br>{ACTIONS[step.action]}: {name_fields(step.reason)}"
        tip = f"section {index}: {what}{f' ({detail})' if detail else ''}{times}{reason}{self._outcome(index)}"
        return Suspect(index, f"{index}: {name}{action}", tip, REPAIR, what)

    def _outcome(self, index: int) -> str:
        """Return what the last repair has done about a section, and the error that is to be expected there."""
        entry = next((each for each in self.entries if each["index"] == index), None)
        if entry is None:
            return ""
        error = entry["expected_error"]
        expected = "" if error is None else f", expected error {error:.3g} (from hidden sound sections)"
        return f"<br>last repair: {ACTIONS[entry['action']]}{expected}"

    def sentence(self) -> str:
        """Return how many sections are suspected."""
        if self.examination is None:
            return ""
        found = len({each.index for each in self.examination.found})
        which = "no section is" if not found else "1 section is" if found == 1 else f"{found} sections are"
        return f"{which} suspected among {self.examination.count}"

    def summary(self, request: RepairRequest | None, chosen: Mapping[str, int]) -> str:
        """Return what would be done with the sections that are listed; ``chosen`` counts each choice."""
        if not self.strips:
            return "Press Find damaged sections, or add the section in view."
        if request is None and any(chosen.values()):
            counted = ", ".join(f"{number} {words}" for words, number in chosen.items() if number)
            return f"{counted}; all are looked at first"
        if request is None:
            return f"{len(self.strips)} listed; choose for each what to do."
        counts: dict[str, int] = {}
        for index in {step.index for step in request.steps}:
            action = next(step.action for step in request.steps if step.index == index)
            counts[action] = counts.get(action, 0) + 1
        return ", ".join(f"{counts[action]} {words}" for action, words in _COUNTED.items() if action in counts)

    def nothing_chosen(self, dataset: Dataset, settings: RepairSettings) -> RepairRequest:
        """Return what would be done about all that was found, for the table."""
        return resolve_repair(dataset, settings, examination=self.examination)

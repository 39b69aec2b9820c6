"""What an evaluation of labels gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..metrics.statistics import mean_of
from .holdout import Protocol

SIMPLE = "nearest"
"""The plain method that others are compared with."""


@dataclass(frozen=True)
class LabelMethodScores:
    """One method's scores.

    Attributes
    ----------
    mean : dict
        Each score averaged over the labels on hidden sections; count and volume errors by their size.
    total : dict
        Of all labels together, and ``accuracy``: the share of voxels that are right, background too.
    labels : tuple of dict
        One per label: ``label``, ``voxels`` and ``objects`` of the truth, ``unseen`` (it stands on hidden sections
        only, so that no method can know it), scores.
    sections : tuple of dict
        One per hidden section: ``index`` in the file, ``z``, ``gap_position``, ``dice`` (mean over its labels),
        ``accuracy``.
    expected_dice : float or None
        What the method itself expected from the sections that it saw.
    """

    method: str
    config: dict[str, Any]
    seconds: float
    peak_memory_mb: float
    mean: dict[str, float | None]
    total: dict[str, float | int | None]
    labels: tuple[dict[str, Any], ...]
    sections: tuple[dict[str, Any], ...]
    gap_curve: tuple[dict[str, float | int | None], ...] = ()
    warnings: tuple[str, ...] = ()
    expected_dice: float | None = None


@dataclass(frozen=True)
class LabelScores:
    """The outcome of an evaluation of labels; ``as_json`` is what ``depth-interp evaluate --as-labels --json`` prints.

    Attributes
    ----------
    input, image : str or None
        Names of the files.
    stack : dict
        ``shape`` (t, c, z, y, x), ``voxel_size`` (z, y, x; null where unknown), ``unit``, ``dtype``, ``annotated`` and
        ``hidden`` sections, number of ``labels`` on hidden sections.
    unseen : tuple of int
        Labels that stand on hidden sections only: they count as a Dice of 0.
    warnings : tuple of str
        About the labels, such as gaps that are wider than objects are tall.
    """

    input: str | None
    protocol: Protocol
    methods: tuple[LabelMethodScores, ...]
    image: str | None = None
    stack: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    unseen: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def of(self, method: str) -> LabelMethodScores | None:
        """Return the scores of a method, if it was scored."""
        return next((each for each in self.methods if each.method == method), None)

    def best(self) -> LabelMethodScores | None:
        """Return the method with the highest mean Dice, the first of equal ones; None where there is no Dice."""
        known = [each for each in self.methods if each.mean["dice"] is not None]
        return max(known, key=lambda each: each.mean["dice"] or 0.0) if known else None

    def describe(self) -> str:
        """Return the protocol in words, as it stands beside every score."""
        words = {
            "keep_every": f"one annotated section in {self.protocol.every} kept, the others hidden",
            "hold_out": f"annotated sections {', '.join(map(str, self.protocol.sections))} hidden",
            "leave_one_out": "each inner annotated section hidden in turn",
        }
        return words[self.protocol.kind]

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "input": self.input,
            "image": self.image,
            "stack": self.stack,
            "protocol": vars(self.protocol) | {"description": self.describe()},
            "settings": self.settings,
            "unseen": list(self.unseen),
            "warnings": list(self.warnings),
            "methods": [
                vars(each) | {"labels": list(each.labels), "sections": list(each.sections)} for each in self.methods
            ],
        }


def as_json(scored: Sequence[tuple[str, LabelScores]]) -> dict[str, Any]:
    """Return what ``evaluate --as-labels --json`` prints: one file's scores, or those of all and their means."""
    if len(scored) == 1:
        return scored[0][1].as_json()
    files = [scores for _, scores in scored]
    names = dict.fromkeys(each.method for scores in files for each in scores.methods)
    summary = {name: _over_files([scores.of(name) for scores in files]) for name in names}
    return {"stacks": [scores.as_json() for scores in files], "summary": summary}


def _over_files(scores: Sequence[LabelMethodScores | None]) -> dict[str, float | None]:
    known = [each.mean for each in scores if each is not None]
    return {name: mean_of([each[name] for each in known]) for name in known[0]}

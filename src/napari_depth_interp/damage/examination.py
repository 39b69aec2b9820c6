"""What looking for damage has found: scores of every section, thresholds, damaged sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kinds import Damage


@dataclass(frozen=True, eq=False)
class Examination:
    """How damaged each section of a stack is; nothing was changed.

    Attributes
    ----------
    scores : mapping of kind -> (Z,) float array
        In the unit of the kind; NaN where a section cannot be judged. Of several channels and time points the one that
        is furthest above its threshold.
    thresholds : mapping of kind -> float
    found : list of Damage
        In the order of sections; one entry per section, channel and time point.
    depths : (Z,) float array or None
    notes : tuple of str
        What could not be judged, in plain words.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((9, 32, 32)).cumsum(0)
    >>> stack[4] = 0
    >>> [(each.index, each.kind) for each in ndi.examine(stack).found]
    [(4, 'missing')]
    """

    scores: Mapping[str, NDArray[np.float64]]
    thresholds: Mapping[str, float]
    found: list[Damage]
    depths: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of sections."""
        return len(next(iter(self.scores.values())))

    def at(self, index: int) -> list[Damage]:
        """Return what was found on a section, in all channels and at all time points."""
        return [each for each in self.found if each.index == index]

    def as_table(self) -> list[dict[str, Any]]:
        """Return a row per section: index, depth, what was found (empty if nothing), and the score of each kind."""
        rows = []
        for index in range(self.count):
            worst = max(self.at(index), key=lambda each: each.severity, default=None)
            rows.append(
                {
                    "index": index,
                    "depth": None if self.depths is None else float(self.depths[index]),
                    "kind": "" if worst is None else worst.kind,
                    "detail": "" if worst is None else worst.detail,
                    **{name: _number(values[index]) for name, values in self.scores.items()},
                }
            )
        return rows

    def as_json(self) -> dict[str, Any]:
        """Return everything but the scores of sound sections as JSON-ready values."""
        return {
            "count": self.count,
            "thresholds": dict(self.thresholds),
            "found": [each.as_json() for each in self.found],
            "notes": list(self.notes),
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

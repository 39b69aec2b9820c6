"""The kinds of damage that a section can have, and what is known about one damaged section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Remedy = Literal["interpolate", "correct", "fill"]
"""Made anew from its neighbours; corrected, its own voxels kept; made anew in a part only."""


@dataclass(frozen=True)
class Kind:
    """A kind of damage.

    Attributes
    ----------
    name, title : str
    score : str
        What its score is, with the unit.
    remedy : str
        What is done about it.
    floor : float
        Scores below this are never damage, however even the stack is.
    """

    name: str
    title: str
    score: str
    remedy: Remedy
    floor: float


_ALL = (
    Kind("missing", "missing or constant", "share of the neighbours' structure that is lacking", "interpolate", 0.9),
    Kind("duplicate", "copy of a neighbour", "share of the usual change to a neighbour that is lacking",
         "interpolate", 0.97),
    Kind("saturated", "saturated", "share of pixels at the highest value, beyond that of the neighbours", "fill", 0.06),
    Kind("shift", "shifted sideways", "distance from both neighbours in pixels", "correct", 1.0),
    Kind("partial", "partly black or torn", "share of the area that is lost", "fill", 0.02),
    Kind("stripes", "stripe noise", "height of stripes in shares of the stack's contrast", "correct", 0.06),
    Kind("brightness", "brightness or contrast jump", "change in shares of the contrast", "correct", 0.25),
    Kind("blur", "blurred", "fine detail that is lacking, in octaves (1 is half of it)", "correct", 0.35),
)  # fmt: skip

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""All kinds by name. Of two that a section shows, the earlier one explains the later."""

NAMED = "named"
"""Stands for a kind where a section was named by the user and shows none."""


@dataclass(frozen=True, eq=False)
class Damage:
    """One damaged section of one channel at one time point.

    Attributes
    ----------
    index : int
        The section, counted from 0.
    kind : str
        A name out of :data:`KINDS`.
    score, threshold : float
        In the unit of the kind (:attr:`Kind.score`); at least the threshold.
    part : (Y, X) bool array or None
        Which pixels are lost; None: the whole section.
    detail : str
        What was found, in plain words with numbers.
    time, channel : int
    told : bool
        Said by the user, not found.
    """

    index: int
    kind: str
    score: float
    threshold: float
    part: NDArray[np.bool_] | None = None
    detail: str = ""
    time: int = 0
    channel: int = 0
    told: bool = False

    @property
    def severity(self) -> float:
        """How many times over the threshold."""
        return self.score / self.threshold

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values; of the part its share and its box (rows and columns, ends excluded)."""
        values = {name: getattr(self, name) for name in ("index", "kind", "score", "threshold", "detail")}
        values |= {"time": self.time, "channel": self.channel}
        if self.part is not None:
            rows, columns = (np.flatnonzero(self.part.any(axis)) for axis in (1, 0))
            box = [[int(each[0]), int(each[-1]) + 1] for each in (rows, columns) if each.size]
            values |= {"part": float(self.part.mean()), "box": box}
        return values

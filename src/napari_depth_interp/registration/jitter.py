"""Whether sections jitter at all, before anyone aligns them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..progress import Report, part, silent
from ..stack import Dataset
from .config import Kind, make_config
from .estimation import displacements

_LEAST = 1.0
"""Pixels: sections that are off by less do not jitter to speak of."""
_BEYOND = 3.0
"""How many times what motions contradict each other by a jitter has to be."""


@dataclass(frozen=True)
class JitterReport:
    """By how much sections are off from where their neighbours would have them.

    Attributes
    ----------
    pixels : float
        Typically: half of the sections are off by more.
    largest : float
    section : int
        The one that is off by most, counted from 0.
    error : float
        Pixels by which what was measured contradicts itself: nothing smaller can be seen.
    displaced : tuple of int
        Sections that are off by more than the limit, at any time point.
    unjudged : tuple of int
        Sections that have too little in common with their neighbours to say anything.
    limit : float
        Pixels from which a section counts as displaced.
    sections : int
    """

    pixels: float
    largest: float
    section: int
    error: float
    displaced: tuple[int, ...]
    unjudged: tuple[int, ...]
    limit: float
    sections: int

    @property
    def is_there(self) -> bool:
        """Whether there is anything to align."""
        return bool(self.displaced)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if len(self.unjudged) == self.sections:
            return "Whether the sections jitter cannot be said: neighbours have too little in common."
        if not self.displaced:
            return (
                f"No jitter to speak of: sections are off by {self.pixels:.2f} pixels, by {self.largest:.2f} at most; "
                "leave the stack as it is."
            )
        count, where = len(self.displaced), f"{self.largest:.1f} pixels at section {self.section}"
        if count <= max(3, self.sections // 20):
            named, verb = ", ".join(map(str, self.displaced)), "is" if count == 1 else "are"
            return f"{count} of {self.sections} sections {verb} displaced ({named}), by up to {where}."
        many = f"{count} of {self.sections} are off by {self.limit:.1f} pixels or more"
        return f"The sections jitter: {many}, by up to {where}."

    def as_json(self) -> dict[str, Any]:
        """Return the numbers and the sentence, JSON-ready."""
        return asdict(self) | {"is_there": self.is_there, "sentence": self.sentence}


def check_jitter(
    dataset: Dataset, kind: Kind = "translation", *, report: Report = silent, **parameters: Any
) -> JitterReport:
    """Say whether sections are displaced against their neighbours beyond what slow motion along z explains.

    Nothing is changed. Parameters as for :func:`~napari_depth_interp.registration.estimate`, of which only ``period``
    counts.
    """
    config = make_config(**{**parameters, "kind": kind, "drift": "keep"})
    times = dataset.voxels.shape[0]
    found = [
        displacements(dataset, time, config, _LEAST, part(report, time / times, (time + 1) / times))
        for time in range(times)
    ]
    sizes = np.stack([np.hypot(np.linalg.norm(each.shifts, axis=1), each.size * each.angles) for each in found])
    known = np.stack([each.judged for each in found])
    worst = sizes.max(axis=0)
    error = float(np.median([each.contradiction for each in found]))
    limit = max(_LEAST, _BEYOND * error)
    return JitterReport(
        pixels=float(np.median(sizes[known])) if known.any() else 0.0,
        largest=float(worst.max()),
        section=int(worst.argmax()),
        error=error,
        displaced=tuple(np.flatnonzero(worst > limit).tolist()),
        unjudged=tuple(np.flatnonzero(~known.all(axis=0)).tolist()),
        limit=limit,
        sections=sizes.shape[1],
    )

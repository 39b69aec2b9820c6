"""How a run is scored beside its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scoring:
    """How a run is scored: one section in ``keep_every`` stays visible; the range may be given."""

    keep_every: int
    data_range: tuple[float, float] | None = None

"""Axes of plots; imported when the first plot is drawn, as all that needs pyqtgraph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg

_TICK_WIDTH = 40
"""Pixels that a number on the axis takes."""


class TimeAxis(pg.AxisItem):  # type: ignore[misc]
    """Seconds on a logarithmic axis: 1, 2, 5, 10 ... where there is room, else powers of ten."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float | None, list[float]]]:  # noqa: N802
        powers = range(math.floor(low), math.ceil(high) + 1)
        steps = (1, 2, 5) if size > _TICK_WIDTH * 3 * (high - low) else (1,)
        ticks = [power + math.log10(step) for power in powers for step in steps]
        return [(None, [tick for tick in ticks if low <= tick <= high])]

    def tickStrings(self, values: Sequence[float], _scale: float, _spacing: float | None) -> list[str]:  # noqa: N802
        return [f"{10**value:.3g}" for value in values]

"""Colour bars in the cells of napari's grid: small ones in small cells, so that they do not cover the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer

_SHARE = 0.04, 0.2
"""Width and height of a bar as shares of its cell."""
_LEAST = 6.0, 40.0
"""Pixels in which a bar can be read."""
_ROOMY = 400
"""Pixels of a cell with room for words of the usual size."""
_SMALL = 7.0
"""Points of the words in smaller cells."""


class CellBars:
    """Fits colour bars to cells, and gives them their own sizes back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, tuple[float, float], float]] = []

    def fit(self, layers: Sequence[Layer], cell: tuple[float, float]) -> None:
        """Fit the bars of layers to a cell of so many pixels (width, height); none grows."""
        self.restore()
        for bar in (layer.colorbar for layer in layers if hasattr(layer, "colorbar")):
            self._before.append((bar, bar.size, bar.font_size))
            width, height = (
                min(own, max(least, share * room))
                for own, least, share, room in zip(bar.size, _LEAST, _SHARE, cell, strict=True)
            )
            bar.size = width, height
            if min(cell) < _ROOMY:
                bar.font_size = min(_SMALL, bar.font_size)

    def restore(self) -> None:
        """Give the bars their own sizes back."""
        for bar, size, font_size in self._before:
            bar.size, bar.font_size = size, font_size
        self._before = []

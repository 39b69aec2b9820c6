"""What stands in the cells of napari's grid: names that fit, not the beginning of long ones.

napari 0.9 has no public way: the name overlay of a layer writes its whole name, text overlays belong to the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer

_MARGIN = 24
"""Pixels of a cell that its name leaves free."""
_shown: WeakKeyDictionary[Any, tuple[str, float]] = WeakKeyDictionary()
"""Layer -> what its cell says, and how wide the cell is in pixels."""


def name_cells(layers: Sequence[Layer], width: float) -> None:
    """Let the cells of these layers say in what their names differ, within a width."""
    _teach_napari()
    for layer, words in zip(layers, distinct([layer.name for layer in layers]), strict=True):
        bare, now = _bare(layer), (words, width - _MARGIN)
        if _shown.get(bare) != now:
            _shown[bare] = now
            bare.events.name()  # its cell may be there, and wider or narrower than before


def forget(layer: Layer) -> None:
    """Let a layer be called by its name again."""
    _shown.pop(_bare(layer), None)


def distinct(names: Sequence[str]) -> list[str]:
    """Return names without the words that all begin with; one that has no others stays whole."""
    by_word = zip(*(name.split() for name in names), strict=False)
    same = len(list(takewhile(lambda words: len(set(words)) == 1, by_word))) if len(names) > 1 else 0
    return [" ".join(name.split()[same:]) or name for name in names]


def elided(words: str, characters: int) -> str:
    """Return words with what is too much left out of their middle: they differ at both ends."""
    kept = max(characters - 1, 2)
    return words if len(words) <= characters else f"{words[: kept - kept // 2]}…{words[-(kept // 2) :]}"


def _bare(layer: Layer) -> Any:
    return getattr(layer, "__wrapped__", layer)  # a plugin may be given a proxy


@cache
def _teach_napari() -> None:
    """Let napari write these words; one of other insides writes the names, as far as there is room."""
    try:
        from napari._vispy.overlays.text import VispyLayerNameOverlay as Overlay
    except ImportError:
        return
    usual = getattr(Overlay, "_on_text_change", None)
    if usual is None:
        return

    def write(self: Any, *event: Any) -> None:
        words, width = _shown.get(self.layer, ("", 0.0))
        if not words:
            usual(self, *event)
            return
        self.node.text = words
        needed = float(self.node.get_width_height()[0])
        if needed > width:
            self.node.text = elided(words, int(len(words) * width / needed))
        self._on_position_change()

    Overlay._on_text_change = write

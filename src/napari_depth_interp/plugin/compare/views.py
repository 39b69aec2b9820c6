"""Ways to look at truth and methods: by turns, blended. All leave the viewer as they found it."""

from __future__ import annotations

from collections.abc import Sequence

import napari
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer, Signal

from ..layers.overlay import CanvasWords
from ..layers.side_by_side import Visibility
from ..layers.viewer_parts import set_visible

FLICKER_INTERVAL = 500
"""Milliseconds that truth or result stay in view."""


class Flicker(QObject):
    """Shows truth and a result by turns; ``stopped`` is emitted when one of them was removed."""

    stopped = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: tuple[Layer, Layer] | None = None
        self._before: Visibility | None = None
        self._words = CanvasWords(viewer)
        self._turn = 0
        self._timer = QTimer(self)
        self._timer.setInterval(FLICKER_INTERVAL)
        self._timer.timeout.connect(self._next)

    @property
    def is_on(self) -> bool:
        return self._layers is not None

    def show(self, truth: Layer, result: Layer) -> None:
        """Begin with the truth."""
        if self._before is None:
            self._before = Visibility(self._viewer)
        for layer in self._viewer.layers:
            set_visible(layer, layer == truth)
        self._layers, self._turn = (truth, result), 0
        self._show_turn()
        self._timer.start()

    def stop(self, own: Sequence[Layer] = ()) -> None:
        """Stop, and bring back the layers in view; ``own`` layers may be newer than that."""
        self._timer.stop()
        before, self._before, self._layers = self._before, None, None
        if before is not None:
            before.restore(own)
            self._words.clear()

    def _next(self) -> None:
        if self._layers is None or any(layer not in self._viewer.layers for layer in self._layers):
            self._timer.stop()
            self.stopped.emit()
            return
        self._turn = 1 - self._turn
        self._show_turn()

    def _show_turn(self) -> None:
        assert self._layers is not None
        for i, layer in enumerate(self._layers):
            set_visible(layer, i == self._turn)
        self._words.write(self._layers[self._turn].name)


class Blend:
    """Truth, a result and linear interpolation over each other, two of them at a time, by their opacity."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._before: Visibility | None = None
        self._opacities: dict[Layer, float] = {}

    @property
    def is_on(self) -> bool:
        return self._before is not None

    def show(self, layers: Sequence[Layer], place: float) -> None:
        """Show what lies at a place between layers: 0 is the first, 1 the second, 0.5 half of both, and so on."""
        if self._before is None:
            self._before = Visibility(self._viewer)
        for layer in layers:
            self._opacities.setdefault(layer, layer.opacity)
        first = min(int(place), len(layers) - 2)
        pair, share = layers[first : first + 2], place - first
        for layer in self._viewer.layers:
            set_visible(layer, layer in pair)
        one, other = pair
        one_is_above = self._viewer.layers.index(one) > self._viewer.layers.index(other)
        above, below, shown = (one, other, 1 - share) if one_is_above else (other, one, share)
        above.opacity, below.opacity = shown, 1.0

    def stop(self, own: Sequence[Layer] = ()) -> None:
        """Bring back opacities and the layers in view; ``own`` layers may be newer than that."""
        before, self._before = self._before, None
        for layer, opacity in self._opacities.items():
            layer.opacity = opacity
        self._opacities = {}
        if before is not None:
            before.restore(own)

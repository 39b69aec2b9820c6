"""Layers in cells of their own, beside each other; the viewer is left as it was found."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QAbstractButton

from .cell_bars import CellBars
from .cell_names import forget, name_cells
from .viewer_parts import camera_of, fit_to_view, grid_of, resized, set_visible, size_of


class Visibility:
    """Which layers were visible."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._was = [(layer, layer.visible) for layer in viewer.layers]

    def restore(self, made_since: Sequence[Layer]) -> None:
        """Show and hide the layers that are still there as they were; hide our own that are newer."""
        for layer in made_since:
            set_visible(layer, False)
        for layer, visible in self._was:
            if layer in self._viewer.layers:
                set_visible(layer, visible)


class SideBySide:
    """napari's grid with one layer per cell, named; all cells are zoomed, moved and turned together."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._before: tuple[Visibility, dict[str, Any], dict[str, Any], Any] | None = None
        self._named: list[tuple[Layer, bool]] = []
        self._layers: list[Layer] = []
        self._cell = 0.0, 0.0
        self._bars = CellBars()
        self._button: QAbstractButton | None = None
        self._tip = ""

    @property
    def is_on(self) -> bool:
        return self._before is not None

    def show(self, layers: Sequence[Layer], together: int = 1) -> None:
        """Show these layers only, each in a cell of its own; or ``together`` channels in a cell, if they lie so."""
        grid, camera = grid_of(self._viewer), camera_of(self._viewer)
        if self._before is None:
            state = {name: getattr(grid, name) for name in ("enabled", "stride", "shape", "spacing")}
            self._before = (
                Visibility(self._viewer),
                state,
                {"center": camera.center, "zoom": camera.zoom},
                self._looks(),
            )
            for event in self._turned():
                event.connect(self._arrange)
            for event in resized(self._viewer):
                event.connect(self._refit)
        self._unname()
        for layer in self._viewer.layers:
            set_visible(layer, layer in layers)
        grid.stride = together if self._fit(layers, together) else 1
        grid.spacing = 2
        self._layers = list(layers)
        self._lay_out()
        for layer in layers:
            self._named.append((layer, layer.name_overlay.visible))
            layer.name_overlay.visible = True
        self._show_tip()
        grid.enabled = True
        self._fit_cells()

    def explain(self, button: QAbstractButton, tip: str) -> None:
        """Set the tool tip of the button; while there are cells, it has their names whole."""
        self._button, self._tip = button, tip
        self._show_tip()

    def _show_tip(self) -> None:
        if self._button is not None:
            names = "".join(f"<br>{html.escape(layer.name)}" for layer in self._layers)
            self._button.setToolTip(f"<qt>{self._tip}{names}</qt>")

    def _there(self) -> list[Layer]:
        return [layer for layer in self._layers if layer in self._viewer.layers]

    def _arrange(self, _event: Any = None) -> None:
        self._lay_out()
        self._fit_cells()

    def _refit(self, _event: Any = None) -> None:
        """Follow the canvas as it grows or shrinks; what is zoomed to stays, unless the cells change places."""
        before = grid_of(self._viewer).shape
        self._lay_out()
        if grid_of(self._viewer).shape != before:
            self._fit_cells()

    def _lay_out(self) -> None:
        self._choose_columns()
        name_cells(self._there(), self._cell[0])
        self._bars.fit(self._there(), self._cell)

    def _fit_cells(self) -> None:
        if layers := self._there():
            fit_to_view(self._viewer, layers)

    def _choose_columns(self) -> None:
        """Choose as many columns as make the images largest, as they are looked at now."""
        grid, layers = grid_of(self._viewer), self._there()
        if not layers:
            return
        cells = -(-len(layers) // grid.stride)
        low, high = np.asarray(self._viewer.layers.extent.world)[:, list(self._viewer.dims.displayed[-2:])]
        height, width = np.maximum(high - low, 1e-12)
        canvas_height, canvas_width = size_of(self._viewer)

        def zoom(columns: int) -> float:
            rows = -(-cells // columns)
            return float(min(canvas_width / columns / width, canvas_height / rows / height))

        columns = max(range(1, cells + 1), key=zoom)
        grid.shape = (-1, columns)
        self._cell = canvas_width / columns, canvas_height / -(-cells // columns)

    def stop(self, own: Sequence[Layer] = ()) -> None:
        """Bring back the grid, the camera and the layers in view; ``own`` layers may be newer than that."""
        if self._before is None:
            return
        visibility, grid, camera, looked = self._before
        self._before = None
        self._layers = []
        self._bars.restore()
        self._show_tip()
        for event in self._turned():
            event.disconnect(self._arrange)
        for event in resized(self._viewer):
            event.disconnect(self._refit)
        self._unname()
        for name, value in grid.items():  # first whether there are cells at all: each change would arrange them anew
            setattr(grid_of(self._viewer), name, value)
        visibility.restore(own)
        if looked != self._looks():
            fit_to_view(self._viewer)
            return
        for name, value in camera.items():
            setattr(camera_of(self._viewer), name, value)

    def _turned(self) -> tuple[Any, ...]:
        return self._viewer.dims.events.order, self._viewer.dims.events.ndisplay

    def _looks(self) -> Any:
        """Return along which axes the viewer looks: a camera belongs to them."""
        return self._viewer.dims.ndisplay, tuple(self._viewer.dims.order)

    def _fit(self, layers: Sequence[Layer], together: int) -> bool:
        """Whether the channels of each image lie where napari, which counts all layers, begins a cell."""
        places = [self._viewer.layers.index(layer) for layer in layers]
        cells = [places[i : i + together] for i in range(0, len(places), together)]
        return all(cell == list(range(cell[0], cell[0] + together)) and cell[0] % together == 0 for cell in cells)

    def _unname(self) -> None:
        for layer, visible in self._named:
            forget(layer)
            layer.name_overlay.visible = visible
        self._named = []

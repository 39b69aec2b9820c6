"""Following the viewer's list of layers, and where layers lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import napari
from napari.layers import Layer


class LayerListWatch:
    """Calls back when layers come, go, change places or get another name, until it leaves.

    napari holds callbacks weakly: whoever wants to be called keeps this object.
    """

    def __init__(self, viewer: napari.Viewer, changed: Callable[[], None]) -> None:
        self._viewer, self._changed = viewer, changed
        for event in self._events():
            event.connect(self._list_changed)
        self._follow_names()

    def leave(self) -> None:
        """Call back no longer."""
        for event in self._events():
            event.disconnect(self._list_changed)
        for layer in self._viewer.layers:
            layer.events.name.disconnect(self._name_changed)

    def _events(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _follow_names(self) -> None:
        for layer in self._viewer.layers:
            layer.events.name.connect(self._name_changed)  # napari connects a callback once only

    def _list_changed(self, _event: Any = None) -> None:
        self._follow_names()
        self._changed()

    def _name_changed(self, _event: Any = None) -> None:
        self._changed()


class PlaceWatch:
    """Calls back when the voxels, the scale, the place, the turn or the unit of some layers change.

    napari holds callbacks weakly: whoever wants to be called keeps this object.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, self._paused = changed, False
        self._layers: list[Layer] = []

    def follow(self, layers: Sequence[Layer]) -> None:
        """Follow these layers and no others."""
        for event in self._events():
            event.disconnect(self._layer_changed)
        self._layers = list(layers)
        for event in self._events():
            event.connect(self._layer_changed)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not call back meanwhile."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def _layer_changed(self, _event: Any = None) -> None:
        if not self._paused:
            self._changed()

    def _events(self) -> list[Any]:
        names = ("data", "scale", "translate", "rotate", "shear", "affine", "units")
        return [getattr(layer.events, name) for layer in self._layers for name in names]

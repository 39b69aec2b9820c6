"""Following what is painted on a labels layer, taken back and done again."""

from __future__ import annotations

import time
from typing import Any

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer, Signal

from .marks import Place
from .sections import Sections

_CALM = 120
"""Milliseconds after the last stroke until the sections are looked at."""
_AT_ONCE = 0.015
"""Seconds of looking between two turns of the window."""


class SectionWatch(QObject):
    """Knows the sections of one labels layer and looks at those that change.

    ``changed`` is emitted when something about them has, or more of them are known.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.sections: Sections | None = None
        self._steps: tuple[int, int] = (0, 0)
        self._place: tuple[float, ...] = ()
        self._dirty: set[Place] = set()
        self._calm = self._timer(_CALM, self._look)
        self._idle = self._timer(0, self._look_a_while)

    def _timer(self, interval: int, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval)
        timer.timeout.connect(slot)
        return timer

    def follow(self, layer: Labels | None) -> None:
        """Follow this layer and no other."""
        for event, slot in () if self.sections is None else self._followed(self.sections.layer):
            event.disconnect(slot)
        self._calm.stop()
        self._idle.stop()
        self._dirty.clear()
        self.sections = None if layer is None else Sections(layer)
        if layer is not None:
            for event, slot in self._followed(layer):
                event.connect(slot)
            self._steps, self._place = _steps_of(layer), tuple(self._viewer.dims.point)
        self.look_anew()

    def _followed(self, layer: Labels) -> tuple[tuple[Any, Any], ...]:
        events = layer.events
        return (
            (events.paint, self._painted), (events.set_data, self._drawn), (events.visible, self._shown),
            (events.data, self._new),
        )  # fmt: skip

    @property
    def time(self) -> int:
        """The time point in view."""
        sections = self.sections
        if sections is None or sections.layer.ndim < 4:
            return 0
        return int(np.clip(round(self._point(-4)), 0, sections.layer.data.shape[0] - 1))

    @property
    def section(self) -> float:
        """The section in view, as an index that may lie between two sections, or beside the layer."""
        return 0.0 if self.sections is None or self._viewer.dims.ndim < 3 else self._point(-3)

    def _point(self, axis: int) -> float:
        assert self.sections is not None
        layer = self.sections.layer
        return float(layer.world_to_data(np.asarray(self._viewer.dims.point[-layer.ndim :]))[axis])

    @property
    def busy(self) -> bool:
        """Whether some sections were not looked at yet."""
        return self._calm.isActive() or self._idle.isActive()

    def finish(self) -> None:
        """Look at all sections now: what follows must know them as they are."""
        if self.sections is not None:
            self._calm.stop()
            self._idle.stop()
            self._dirty.clear()
            self.sections.forget()
            for z in range(self.sections.count):
                self.sections.digest((self.time, z))

    def look_anew(self) -> None:
        """Look at all sections, bit by bit."""
        if self.sections is not None:
            self.sections.forget()
            self._idle.start()
        self.changed.emit()

    def look_on(self) -> None:
        """Look at the sections of the time point in view that were not looked at yet."""
        sections = self.sections
        if sections is not None and not all(sections.knows((self.time, z)) for z in range(sections.count)):
            self._idle.start()

    # What napari tells

    def _painted(self, event: Any) -> None:
        assert self.sections is not None
        self._steps = _steps_of(self.sections.layer)
        for place in _places(event.value, self.sections):
            self._dirty.add(place)
        self._calm.start()

    def _drawn(self, _event: Any = None) -> None:
        """Nobody tells of undo and redo, nor of what other plugins write, but the layer is drawn anew, unmoved."""
        assert self.sections is not None
        steps, point = _steps_of(self.sections.layer), tuple(self._viewer.dims.point)
        if steps != self._steps or point == self._place:
            self.look_anew()
        self._steps, self._place = steps, point

    def _shown(self, _event: Any = None) -> None:
        self._drawn()
        self.changed.emit()

    def _new(self, _event: Any = None) -> None:
        self.look_anew()

    # Looking

    def _look(self) -> None:
        for place in self._dirty if self.sections is not None else ():
            self.sections.forget(place)
        self._dirty.clear()
        self.look_on()
        self.changed.emit()

    def _look_a_while(self) -> None:
        sections, end = self.sections, time.monotonic() + _AT_ONCE
        if sections is None:
            return
        for z in range(sections.count):
            if not sections.knows((self.time, z)):
                sections.digest((self.time, z))
                if time.monotonic() > end:
                    self._idle.start()
                    return
        self.changed.emit()


def _steps_of(layer: Labels) -> tuple[int, int]:
    """Return how many steps can be taken back and done again."""
    return len(layer._undo_history), len(layer._redo_history)  # napari has no public way to ask


def _places(atoms: Any, sections: Sections) -> set[Place]:
    """Return the sections that an undo step has changed."""
    found: set[Place] = set()
    for atom in atoms:
        index = getattr(atom, "slice_key", None) or atom[0]
        times = _numbers(index[-4], len(sections.layer.data)) if sections.layer.ndim == 4 else [0]
        found |= {(t, z) for t in times for z in _numbers(index[-3], sections.count)}
    return found


def _numbers(index: Any, count: int) -> list[int]:
    if isinstance(index, slice):
        return list(range(*index.indices(count)))
    return [int(number) for number in np.unique(np.asarray(index))]

"""What the section in view is, in a corner of the canvas."""

from __future__ import annotations

import napari

from ..layers.overlay import CanvasWords
from ..layers.sections import Kind, Status
from ..preferences import colour
from .sections_box import describe_kind


class SectionWords:
    """Writes "annotated", "interpolated" or "corrected" into the canvas."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._words = CanvasWords(viewer)

    def write(self, section: int, status: Status, place: str) -> None:
        """Say what a section is; of an empty one nothing is said."""
        if status.kind is Kind.EMPTY and not status.counts:
            self.clear()
            return
        new = status.kind is Kind.INTERPOLATED and not status.counts
        words = f"labels: {describe_kind(status)} section {section}{place}"
        self._words.write(words, colour("new_colour" if new else "observed_colour"))

    def clear(self) -> None:
        """Say nothing."""
        self._words.clear()

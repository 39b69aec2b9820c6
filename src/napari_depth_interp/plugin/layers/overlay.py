"""Words in a corner of the canvas."""

from __future__ import annotations

import napari

from .viewer_parts import text_of


class CanvasWords:
    """Writes into a corner of the canvas; takes away only what it has written itself."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._overlay = text_of(viewer)
        self._written: str | None = None

    def write(self, words: str, colour: str = "white", *, at: str = "top_left") -> None:
        """Write these words instead of what stands there, in a corner of the canvas."""
        overlay = self._overlay
        overlay.text = self._written = words + 2 * "\N{NO-BREAK SPACE}"  # napari's box is a little too short
        overlay.color = colour
        if hasattr(overlay, "box_color"):  # since napari 0.9
            overlay.box_color = (0, 0, 0, 0.7)
        overlay.position, overlay.font_size, overlay.visible = at, 10, True

    def clear(self) -> None:
        """Take the words away, unless somebody else has written others meanwhile."""
        if self._written is not None and self._overlay.text == self._written:
            self._overlay.visible = False
        self._written = None

"""What the section in view is, in a corner of the canvas: repaired, as recorded, suspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Layer

from ...run.result import RECORD_KEY
from ..layers.hidden import depth_in_view
from ..layers.overlay import CanvasWords
from ..preferences import colour

ACTIONS = {
    "interpolate": "made anew from its neighbours",
    "fill": "lost part filled in",
    "correct": "corrected",
    "leave": "left as it is",
    "remove": "left out",
}


class RepairWords:
    """Writes into the canvas what a section of a repaired layer is, or what is suspected of one of the input."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self._viewer = viewer
        self._words = CanvasWords(viewer)

    def write(self, layer: Layer | None, suspected: Mapping[int, str]) -> None:
        """Say what is in view: of the topmost repaired layer, else of the input ``layer``."""
        depth = depth_in_view(self._viewer)
        repaired = next((each for each in reversed(self._viewer.layers) if each.visible and is_repaired(each)), None)
        if depth is not None and repaired is not None:
            words, changed = describe_repaired(repaired.metadata[RECORD_KEY], section_at(repaired, depth))
            self._words.write(words, colour("new_colour" if changed else "observed_colour"))
        elif depth is not None and layer is not None and section_at(layer, depth) in suspected:
            section = section_at(layer, depth)
            self._words.write(f"section {section}: {suspected[section]}", colour("new_colour"))
        else:
            self.clear()

    def clear(self) -> None:
        """Say nothing."""
        self._words.clear()


def is_repaired(layer: Layer) -> bool:
    """Whether a layer is a repaired stack, made here or opened from a file."""
    record = layer.metadata.get(RECORD_KEY) if isinstance(layer, Image) else None
    return isinstance(record, Mapping) and "repaired" in record and "sections" in record


def section_at(layer: Layer, depth: float) -> int:
    """Return the section of a layer at a depth, or nearest to it."""
    point = np.zeros(layer.ndim)
    point[-3] = depth
    return int(np.clip(round(float(layer.world_to_data(point)[-3])), 0, _count(layer) - 1))


def _count(layer: Layer) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    return int(data.shape[layer.ndim - 3])


def describe_repaired(record: Mapping[str, Any], row: int) -> tuple[str, bool]:
    """Return what a section of a repaired stack is, in words, and whether it was changed."""
    entries = {entry["index"]: entry for entry in record["sections"]}
    removed = {index for index, entry in entries.items() if entry["action"] == "remove"}
    kept = [k for k in range(len(record["depths"]) + len(removed)) if k not in removed]
    entry = entries.get(kept[row])
    if row in record["repaired"] and entry is not None:
        return f"repaired section {kept[row]}: {entry['kind']}, {ACTIONS[entry['action']]}", True
    left = f", {entry['kind']}, {ACTIONS['leave']}" if entry is not None else ""
    return f"section {kept[row]}, as recorded{left}", False

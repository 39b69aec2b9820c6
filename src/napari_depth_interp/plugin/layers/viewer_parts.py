"""Parts of the viewer that napari 0.9 has moved; where they were before, for releases from 0.7 on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import napari
from napari.layers import Layer


def grid_of(viewer: napari.Viewer) -> Any:
    """Return what lays layers out in cells."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def camera_of(viewer: napari.Viewer) -> Any:
    """Return the camera."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def text_of(viewer: napari.Viewer) -> Any:
    """Return the words in a corner of the canvas."""
    return viewer.canvas.overlays.text if hasattr(viewer, "canvas") else viewer.text_overlay


def size_of(viewer: napari.Viewer) -> tuple[float, float]:
    """Return the height and the width of the canvas in pixels."""
    if hasattr(viewer, "canvas"):
        height, width = viewer.canvas.size
    else:
        height, width = getattr(viewer, "__wrapped__", viewer)._canvas_size
    return float(height), float(width)


def resized(viewer: napari.Viewer) -> list[Any]:
    """Return the events that tell that the canvas has another size; before napari 0.9 there is none."""
    return [viewer.canvas.events.size] if hasattr(viewer, "canvas") else []


def set_visible(layer: Layer, on: bool) -> None:
    """Show or hide a layer; napari arranges the canvas anew even for one that is so already."""
    if layer.visible != on:
        layer.visible = on


def fit_to_view(viewer: napari.Viewer, layers: Sequence[Layer] | None = None) -> None:
    """Let all layers, or these, fill the canvas."""
    if layers is None or not hasattr(viewer, "canvas"):  # before: all that are visible
        viewer.fit_to_view()
    else:
        viewer.fit_to_view(layers=layers)

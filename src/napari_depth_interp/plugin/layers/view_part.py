"""Which rows and columns of a layer are in view, or lie in a rectangle that was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import napari
import numpy as np
from napari.layers import Layer, Shapes
from numpy.typing import NDArray

from ...errors import RequestError

_EDGE = 1e-6
"""Of a pixel: what rounding may move an edge."""


def visible_part(layer: Layer | None) -> tuple[slice, slice]:
    """Return the rows and columns of a layer that the canvas shows; all of them if none are in view."""
    if layer is None:
        return slice(0, 1), slice(0, 1)
    height, width = pixel_counts(layer)
    corners = np.asarray(layer.corner_pixels)[:, -2:] + [[0, 0], [1, 1]]  # ends of slices
    if getattr(layer, "multiscale", False):  # counted in pixels of the level that is drawn
        corners = np.rint(corners * layer.downsample_factors[layer.data_level][-2:]).astype(int)
    (top, left), (bottom, right) = corners.tolist()
    rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
    if rows.stop - rows.start < 2 or columns.stop - columns.start < 2:
        return slice(0, height), slice(0, width)
    return rows, columns


def drawn_part(viewer: napari.Viewer, layer: Layer) -> tuple[slice, slice]:
    """Return the rows and columns of a layer whose pixels have their centres in a drawn rectangle.

    It is the selected rectangle of the selected Shapes layer; where none is selected, the last one that was drawn.

    Raises
    ------
    RequestError
        If there is no rectangle, or it lies beside the image.
    """
    shapes, corners = _rectangle(viewer)
    places = np.array([_in_pixels(viewer, shapes, layer, corner) for corner in corners])
    first = np.ceil(places.min(0) - _EDGE).clip(0).astype(int)
    end = np.minimum(np.floor(places.max(0) + _EDGE).astype(int) + 1, pixel_counts(layer))
    if (end - first < 1).any():
        raise RequestError(
            f"the rectangle in '{shapes.name}' lies beside the image '{layer.name}'; draw it over the image"
        )
    (top, left), (bottom, right) = first.tolist(), end.tolist()
    return slice(top, bottom), slice(left, right)


def _rectangle(viewer: napari.Viewer) -> tuple[Shapes, NDArray[np.float64]]:
    active = viewer.layers.selection.active
    layers = [*(each for each in viewer.layers if isinstance(each, Shapes) and each is not active)]
    layers += [active] if isinstance(active, Shapes) else []
    for shapes in reversed(layers):
        found = [i for i, kind in enumerate(shapes.shape_type) if kind == "rectangle"]
        if found:
            chosen = [i for i in found if i in shapes.selected_data]
            return shapes, np.asarray(shapes.data[(chosen or found)[-1]], float)
    raise RequestError(
        "there is no rectangle; add a layer with File > New Layer > Shapes, choose its rectangle tool and draw one"
    )


def _in_pixels(viewer: napari.Viewer, shapes: Layer, layer: Layer, corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the row and column of a point of another layer; the axes of layers fit at their ends.

    Where all layers have units that go together, the viewer puts them into its own; else it ignores them.
    """
    world = np.asarray(viewer.dims.point, float)
    there = np.asarray(shapes.data_to_world(corner), float)
    world[-len(there) :] = there * _factors(shapes.units, viewer.layers.units)
    own = world[-layer.ndim :] / _factors(layer.units, viewer.layers.units)
    return np.asarray(layer.world_to_data(own), float)[-2:]


def _factors(units: Sequence[Any], world: Sequence[Any] | None) -> NDArray[np.float64]:
    if world is None:
        return np.ones(len(units))
    return np.array([(1.0 * unit).m_as(there) for unit, there in zip(units, world[-len(units) :], strict=True)])


def pixel_counts(layer: Layer) -> tuple[int, int]:
    """Return how many rows and columns a layer has."""
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    height, width = data.shape[-3:-1] if getattr(layer, "rgb", False) else data.shape[-2:]
    return int(height), int(width)

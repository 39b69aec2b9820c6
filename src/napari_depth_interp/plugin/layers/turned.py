"""Layers that the user, or another plugin, has turned, sheared or stretched by an affine matrix of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.layers import Layer
from napari.utils.transforms import Affine
from numpy.typing import NDArray

_SAME, _ANGLE = 1e-6, 1e-4
"""What counts as no stretch and, in radians, as no angle."""


def turn_of(layer: Layer) -> NDArray[np.float64]:
    """Return what turns and shears a layer (n, n) after it has been scaled, less its affine."""
    own = Affine(scale=np.ones(layer.ndim), rotate=layer.rotate, shear=layer.shear)
    return np.asarray(own.linear_matrix, np.float64)


def stretch_of(layer: Layer) -> NDArray[np.float64]:
    """Return by how much turn, shear and affine lengthen distances of sections, rows and columns: (z, y, x).

    That of sections is taken across them: shearing moves them past each other, and no farther apart.
    """
    z, y, x = _spatial(layer).T
    plane = np.linalg.norm(np.cross(y, x))
    across = abs(np.dot(z, np.cross(y, x))) / plane if plane else 0.0
    found = np.array([across, np.linalg.norm(y), np.linalg.norm(x)])
    return np.where(np.abs(found - 1) < _SAME, 1.0, found)


def words_on_turn(layer: Layer) -> tuple[str, ...]:
    """Return what has to be known of a layer that is turned or sheared: nothing, or one sentence."""
    axes = _spatial(layer)
    axes = axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _ANGLE:
        return ("the layer is sheared in the viewer: new sections are made along its own axis, so deskew it first",)
    if np.abs(axes - np.eye(3)).max() > _ANGLE:
        return ("the layer is turned in the viewer: so is its result there, but not in a file",)
    return ()


def _spatial(layer: Layer) -> NDArray[np.float64]:
    """Return where steps of one unit of scale along z, y and x lead: the columns of (3, 3)."""
    whole = np.asarray(layer.affine.linear_matrix) @ turn_of(layer)
    return np.asarray(whole[-3:, -3:], np.float64)


def turn_like(source: Layer, layers: Sequence[Layer]) -> None:
    """Turn new layers as the source is turned, so that they lie over it.

    The lengths of the new layers are those in the viewer; a result of one time point has fewer axes than its source.
    """
    turn, affine = turn_of(source), np.asarray(source.affine.affine_matrix)
    if np.allclose(turn, np.eye(source.ndim)) and np.allclose(affine, np.eye(source.ndim + 1)):
        return
    stretch = np.ones(source.ndim)
    stretch[-3:] = stretch_of(source)
    rotate = np.asarray(Affine(rotate=source.rotate, ndim=source.ndim).linear_matrix)
    shear = np.asarray(Affine(shear=source.shear, ndim=source.ndim).linear_matrix)
    for layer in layers:
        n = layer.ndim
        shift = (layer.translate - source.translate[-n:]) / stretch[-n:]
        layer.scale = layer.scale / stretch[-n:]
        layer.translate = source.translate[-n:] + turn[-n:, -n:] @ shift
        layer.rotate, layer.shear = rotate[-n:, -n:], shear[-n:, -n:]
        layer.affine = affine[-n - 1 :, -n - 1 :]

"""Labels drawn over an image: outlines in the colour of each label, and what is wrong in three colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

MISSED, ADDED, SWAPPED = (86, 180, 233), (230, 120, 0), (204, 80, 190)
"""A label that is missing, one where there should be none, one in the place of another; for colour-blind eyes too."""
_GOLDEN = 0.6180339887
_WIDE = 580
"""Pixels that a picture is enlarged to at least, so that outlines are thin."""
_DARKER = 0.6
"""Brightness of the image below errors."""


def colours_of(labels: NDArray[Any]) -> Pixels:
    """Return (Y, X, 3) the colour of each label: the same one in all pictures, unlike those of its neighbours."""
    from matplotlib.colors import hsv_to_rgb

    names, places = np.unique(labels, return_inverse=True)
    order = np.array([int(name) for name in names.tolist()], float)
    hue = (order * _GOLDEN) % 1.0
    value = 0.9 + 0.1 * np.cos(order)
    table = hsv_to_rgb(np.stack([hue, np.full(len(names), 0.75), value], axis=1))
    return np.asarray((table[places.reshape(labels.shape)] * 255).round(), np.uint8)


def grey(image: NDArray[Any] | None, shape: tuple[int, ...]) -> Pixels:
    """Return (Y, X, 3) the image, percentiles 0.5 to 99.5 black to white; a dark grey where there is none."""
    if image is None:
        return np.full((*shape, 3), 40, np.uint8)
    values = np.nan_to_num(np.asarray(image, np.float64))
    low, high = np.percentile(values, (0.5, 99.5))
    shades = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(shape)
    return np.repeat((shades * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def enlarged(plane: NDArray[Any]) -> NDArray[Any]:
    """Return a small plane with each pixel repeated, so that an outline of a picture is not as wide as its pixels."""
    times = max(1, -(-_WIDE // max(plane.shape[:2])))
    return plane.repeat(times, axis=0).repeat(times, axis=1)


def outlines(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of labels beside another label or the background, two pixels wide."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for step in (1, 2):
            ahead, at = np.moveaxis(labels, axis, 0), np.moveaxis(edge, axis, 0)
            differs = ahead[step:] != ahead[:-step]
            at[step:] |= differs
            at[:-step] |= differs
    return np.asarray(edge & (labels != 0))


def outlined(image: NDArray[Any] | None, labels: NDArray[Any]) -> Pixels:
    """Return the image with the outlines of the labels in their colours."""
    large = enlarged(labels)
    pixels = enlarged(grey(image, labels.shape))
    edge = outlines(large)
    pixels[edge] = colours_of(large)[edge]
    return pixels


def errors(image: NDArray[Any] | None, truth: NDArray[Any], result: NDArray[Any]) -> Pixels:
    """Return the darkened image with what is wrong in colours, and the true outlines in white."""
    base = grey(image, truth.shape) * _DARKER
    for where, colour in (
        ((truth != 0) & (result == 0), MISSED),
        ((truth == 0) & (result != 0), ADDED),
        ((truth != 0) & (result != 0) & (truth != result), SWAPPED),
    ):
        base[where] = colour
    pixels = enlarged(base.round().astype(np.uint8))
    pixels[outlines(enlarged(truth))] = 255
    return pixels

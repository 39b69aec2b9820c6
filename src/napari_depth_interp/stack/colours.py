"""Red, green and blue as channels, and their brightness; the colours in which channels are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in the brightness of a colour: ITU-R BT.709."""
COLOUR_NAMES = ("red", "green", "blue", "alpha")
"""Names of the channels of an RGB image."""


def luminance(red: NDArray[Any], green: NDArray[Any], blue: NDArray[Any]) -> NDArray[Any]:
    """Return what of colours is brightness, by the weights of ITU-R BT.709, in the type of the colours."""
    found = np.zeros(red.shape, np.float64 if red.dtype.itemsize > 4 else np.float32)
    for weight, channel in zip(LUMINANCE, (red, green, blue), strict=True):
        found += weight * channel.astype(found.dtype)
    return (np.rint(found) if red.dtype.kind in "iu" else found).astype(red.dtype)


def named_colours(axes: str) -> tuple[str, bool]:
    """Return names of axes with C for S, and whether S (the samples of a colour image) was there."""
    return (axes.replace("S", "C"), True) if "S" in axes and "C" not in axes else (axes, False)


def colours_of(words: Sequence[object]) -> tuple[str, ...]:
    """Return colours as ``"RRGGBB"``; nothing unless all words are such, or where several channels have all the same.

    The same for all, mostly white, is what writers say who know nothing of colours.
    """
    found = [str(word).lstrip("#").upper() for word in words]
    usable = all(re.fullmatch("[0-9A-F]{6}", each) for each in found)
    return tuple(found) if usable and (len(found) == 1 or len(set(found)) > 1) else ()

"""Sections as they are looked at: read one by one, reduced where pixels are many, a few of them kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 256
"""Sections are reduced to at most about so many pixels a side where what is looked for is not fine."""
SMOOTH = 1.5
"""Standard deviation, in pixels of the reduced section, of the smoothing that takes noise away."""
_COARSE = 8.0
"""Structures larger than this, in such pixels, do not tell where a section lies."""
_LOCAL = 5
"""Side of the neighbourhood of which local means and contrasts are taken."""
EVEN = 3
"""The same where it is asked whether all pixels are equal."""
_KEPT = 6
"""Sections that are kept: one is compared with two on each side."""

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class View:
    """One section and what is measured on it alone.

    Attributes
    ----------
    raw : (Y, X) array
        As recorded.
    values : (Y, X) float32 array
        The same with the mean in place of voxels that are no number.
    lost : (Y, X) bool array or None
        Where voxels are no number.
    factor : int
        How many pixels of the section are one of the reduced section.
    scale : float
        What recorded values were multiplied with, so that their squares fit into float32.
    """

    raw: NDArray[Any]
    values: Image
    lost: NDArray[np.bool_] | None
    factor: int
    scale: float = 1.0

    @classmethod
    def of(cls, raw: NDArray[Any], factor: int | None = None, scale: float = 1.0) -> View:
        """Make the view of a section; the factor is chosen by its size unless it is given."""
        factor = factor or max(1, -(-int(max(raw.shape)) // LARGEST))
        with np.errstate(over="ignore"):
            values = np.asarray(raw if scale == 1 else raw.astype(np.float64) * scale, np.float32)
        good = np.isfinite(values)
        if good.all():
            return cls(raw, values, None, factor, scale)
        mean = np.float32(values[good].mean()) if good.any() else np.float32(0)
        return cls(raw, np.where(good, values, mean), ~good, factor, scale)

    @cached_property
    def is_flat(self) -> bool:
        """Whether all its numbers are equal."""
        return bool(self.values.min() == self.values.max())

    @cached_property
    def small(self) -> Image:
        """The section reduced by means of blocks; what does not fill a block at the far edges is left out."""
        return reduced(self.values, self.factor)

    @cached_property
    def smooth(self) -> Image:
        """The reduced section without its noise."""
        return smoothed(self.small, SMOOTH)

    @cached_property
    def contrast(self) -> float:
        """Standard deviation of :attr:`smooth`."""
        return float(self.smooth.std())

    @cached_property
    def spectrum(self) -> NDArray[np.complex64]:
        """Fourier transform of the structures of middle size, faded out towards the edges."""
        return spectrum_of(self.structures)

    @cached_property
    def structures(self) -> Image:
        """The reduced section without its noise and without what is larger than a few pixels."""
        return np.asarray(self.smooth - smoothed(self.smooth, _COARSE), np.float32)

    @cached_property
    def detail(self) -> NDArray[np.float64]:
        """Mean height of structures of about 1, 2 and 4 pixels, at full resolution."""
        levels = [self.values, *(smoothed(self.values, sigma) for sigma in (1.0, 2.0, 4.0))]
        return np.array([np.abs(fine - coarse).mean() for fine, coarse in pairwise(levels)])

    @cached_property
    def local_mean(self) -> Image:
        """Mean around each pixel of the reduced section."""
        return box_mean(self.small)

    @cached_property
    def local_contrast(self) -> Image:
        """Standard deviation around each pixel of the reduced section."""
        centred = self.small.astype(np.float64) - float(self.small.mean())
        squares = box_mean(np.square(centred)) - box_mean(centred) ** 2
        return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)

    @cached_property
    def is_even(self) -> NDArray[np.bool_]:
        """Where all pixels around one of the reduced section have one value."""
        import cv2

        around = np.ones((EVEN, EVEN), np.uint8)
        return np.asarray(cv2.dilate(self.small, around) == cv2.erode(self.small, around))

    @cached_property
    def frame(self) -> tuple[int, int, int, int]:
        """How many rows at the top and bottom and columns at the left and right of the reduced section are equal."""
        rows = (self.small[1:] == self.small[:-1]).all(1)
        columns = (self.small[:, 1:] == self.small[:, :-1]).all(0)
        found = (_leading(each) for each in (rows, rows[::-1], columns, columns[::-1]))
        top, bottom, left, right = (each + 1 if each else 0 for each in found)
        return top, bottom, left, right

    @cached_property
    def plateau(self) -> float:
        """Share of pixels at the highest value."""
        return float((self.values == self.values.max()).mean())


def _leading(true: NDArray[np.bool_]) -> int:
    """Return how many values at the start are true."""
    return int(true.size if true.all() else np.argmin(true))


class Views:
    """Views of the sections of one channel at one time point; the last few that were asked for are kept."""

    def __init__(self, voxels: Any) -> None:
        self._voxels = voxels
        self._scale: float | None = None
        self._kept: OrderedDict[int, View] = OrderedDict()

    def __len__(self) -> int:
        return int(self._voxels.shape[0])

    def __getitem__(self, index: int) -> View:
        if index not in self._kept:
            raw = np.asarray(self._voxels[index])
            self._scale = self._scale or _scale_of(raw)
            self._kept[index] = View.of(raw, scale=self._scale or 1.0)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]


def _scale_of(section: NDArray[Any]) -> float | None:
    """Return a power of 2 that brings values of a section to a range that can be squared; None: it holds none."""
    high = max((abs(float(each)) for each in _extremes(section)), default=0.0)
    if high == 0:
        return None
    return 1.0 if 2.0**-20 < high < 2.0**40 else float(2.0 ** (16 - np.floor(np.log2(high))))


def _extremes(section: NDArray[Any]) -> list[Any]:
    known = section[np.isfinite(section)] if section.dtype.kind == "f" else section
    return [known.min(), known.max()] if known.size else []


class Remembered:
    """Values of pairs of sections; of pairs that are left behind they are forgotten."""

    def __init__(self, make: Callable[[int, int], Any], kept: int = 32) -> None:
        self._make, self._limit = make, kept
        self._kept: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def __call__(self, first: int, second: int) -> Any:
        """Return the value of a pair."""
        key = first, second
        if key not in self._kept:
            self._kept[key] = self._make(first, second)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return self._kept[key]


def reduced(image: Image, factor: int) -> Image:
    """Return means of blocks of ``factor`` by ``factor`` pixels."""
    if factor == 1:
        return image
    rows, columns = (size // factor for size in image.shape)
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean((1, 3)), np.float32)


def smoothed(image: Image, sigma: float) -> Image:
    """Return the image after a Gaussian."""
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def spectrum_of(structures: Image) -> NDArray[np.complex64]:
    """Return the Fourier transform of an image that is faded out towards its edges."""
    from scipy.fft import fft2

    rows, columns = (np.hanning(size + 2)[1:-1] for size in structures.shape)
    return np.asarray(fft2(structures * np.outer(rows, columns).astype(np.float32)), np.complex64)


def box_mean(image: NDArray[Any]) -> NDArray[Any]:
    """Return the mean around each pixel, in the type of the image."""
    import cv2

    return np.asarray(cv2.blur(image, (_LOCAL, _LOCAL), borderType=cv2.BORDER_REFLECT))

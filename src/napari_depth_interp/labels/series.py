"""The annotated sections of one channel at one time point, with the image around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..metrics.identifiers import counted
from ..stack.scaling import Scaling
from .gap import AROUND, Gap

_AS_IT_IS = Scaling(0.0, 1.0)

Window = tuple[slice, slice]
"""Rows and columns of a section."""


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Some sections of others, each read when it is asked for."""

    sections: NDArray[Any]
    kept: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.kept), *self.sections.shape[1:]

    def __getitem__(self, index: int) -> NDArray[Any]:
        return np.asarray(self.sections[self.kept[index]])


@dataclass(frozen=True, eq=False)
class Series:
    """What a method may see: annotated sections, and the image where there is one.

    Attributes
    ----------
    labels : (A, Y, X) integer array
        The annotated sections alone; read section by section, so it may be lazy.
    depths : (A,) float64 array
        Where they lie, increasing.
    pixel : float
        Size of a pixel in the unit of the depths.
    image : (D, Y, X) array or None
        The image on any sections; it may be lazy.
    image_depths : (D,) float64 array or None
        Where its sections lie, increasing; those of the annotated sections are among them.
    scaling : Scaling
        Brings the image to about 0 to 1.
    window : (rows, columns) or None
        The part of all sections that is looked at; None: they are looked at whole.
    """

    labels: NDArray[Any]
    depths: NDArray[np.float64]
    pixel: float
    image: NDArray[Any] | None = None
    image_depths: NDArray[np.float64] | None = None
    scaling: Scaling = _AS_IT_IS
    window: Window | None = None

    def __len__(self) -> int:
        return len(self.depths)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) that are looked at."""
        if self.window is None:
            return int(self.labels.shape[-2]), int(self.labels.shape[-1])
        rows, columns = self.window
        return rows.stop - rows.start, columns.stop - columns.start

    def within(self, window: Window) -> Series:
        """Return what lies in some of the rows and columns that are looked at, counted from their first."""
        rows, columns = self.window or (slice(0, 0), slice(0, 0))
        moved = [
            slice(start.start + each.start, start.start + each.stop)
            for start, each in zip((rows, columns), window, strict=True)
        ]
        return replace(self, window=(moved[0], moved[1]))

    def section(self, index: int) -> NDArray[Any]:
        """Return an annotated section."""
        section = np.asarray(self.labels[index])
        return section if self.window is None else section[self.window]

    def subset(self, kept: Sequence[int]) -> Series:
        """Return the series without the other annotated sections; the image stays whole."""
        labels: Any = _Chosen(self.labels, kept)  # not stacked: a large file is read section by section
        return replace(self, labels=labels, depths=self.depths[list(kept)])

    def gap(self, below: int, above: int, targets: ArrayLike) -> tuple[Gap, NDArray[Any]]:
        """Return the gap between two annotated sections, and the identifiers that its labels 0, 1, 2 ... stand for.

        Parameters
        ----------
        below, above : int
            Indices of annotated sections.
        targets : sequence of float
            Depths wanted, strictly between theirs.
        """
        start, stop = float(self.depths[below]), float(self.depths[above])
        step = above - below
        around = [i for i in (below - step, below, above, above + step) if 0 <= i < len(self)]
        names, numbers = counted(*(self.section(i) for i in around))
        by_index = dict(zip(around, numbers, strict=True))

        def share(depths: ArrayLike) -> NDArray[np.float64]:
            return (np.asarray(depths, float) - start) / (stop - start)

        image, image_shares = self._image_between(start, stop)
        made = Gap(
            by_index[below],
            by_index[above],
            share(targets),
            (stop - start) / self.pixel,
            by_index.get(below - step),
            by_index.get(above + step),
            float(share(self.depths[below - step])) if below - step in by_index else -1.0,
            float(share(self.depths[above + step])) if above + step in by_index else 2.0,
            image,
            None if image_shares is None else share(image_shares),
            (below, above),
            names,
        )
        return made, names

    def images_in(self, below: int) -> int:
        """Return how many sections of the image a method is shown for the gap after an annotated section."""
        if self.image is None:
            return 0
        first, last = self._between(float(self.depths[below]), float(self.depths[below + 1]))
        return last - first + 1 + 2 * AROUND

    def _image_between(
        self, start: float, stop: float
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float64] | None]:
        return (None, None) if self.image is None else self.image_around(*self._between(start, stop))

    def _between(self, start: float, stop: float) -> tuple[int, int]:
        """Return the first and the last section of the image from one depth to another."""
        assert self.image_depths is not None
        tolerance = 1e-6 * (stop - start)
        there = np.flatnonzero((self.image_depths >= start - tolerance) & (self.image_depths <= stop + tolerance))
        return int(there[0]), int(there[-1])

    def image_around(self, first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the image from one of its sections to another and a few beyond, scaled, and where they lie."""
        assert self.image is not None
        assert self.image_depths is not None
        span = slice(max(0, first - AROUND), last + 1 + AROUND)
        seen = self.image[span] if self.window is None else self.image[span, *self.window]
        return self.scaling.apply(np.asarray(seen)), self.image_depths[span]

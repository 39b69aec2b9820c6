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


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Some sections of others, each read when it is asked for."""

    sections: NDArray[Any]
    kept: Sequence[int]

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
    """

    labels: NDArray[Any]
    depths: NDArray[np.float64]
    pixel: float
    image: NDArray[Any] | None = None
    image_depths: NDArray[np.float64] | None = None
    scaling: Scaling = _AS_IT_IS

    def __len__(self) -> int:
        return len(self.depths)

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
        names, numbers = counted(*(np.asarray(self.labels[i]) for i in around))
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

    def _image_between(
        self, start: float, stop: float
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float64] | None]:
        if self.image is None or self.image_depths is None:
            return None, None
        tolerance = 1e-6 * (stop - start)
        there = np.flatnonzero((self.image_depths >= start - tolerance) & (self.image_depths <= stop + tolerance))
        return self.image_around(int(there[0]), int(there[-1]))

    def image_around(self, first: int, last: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return the image from one of its sections to another and a few beyond, scaled, and where they lie."""
        assert self.image is not None
        assert self.image_depths is not None
        span = slice(max(0, first - AROUND), last + 1 + AROUND)
        return self.scaling.apply(np.asarray(self.image[span])), self.image_depths[span]

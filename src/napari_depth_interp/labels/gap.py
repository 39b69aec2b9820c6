"""One gap between two annotated sections: what a method fills, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Section = NDArray[np.int32]
"""(Y, X) labels of one section, counted 1, 2, 3 ... within its gap; 0 is background."""

AROUND = 2
"""Sections of the image beyond the two annotated ones that are shown to a method, too."""


@dataclass(frozen=True, eq=False)
class Gap:
    """Two annotated sections, the sections wanted between them, and the image there.

    Attributes
    ----------
    below, above : (Y, X) int32 array
        Labels of the annotated sections, counted 1, 2, 3 ... over both; 0 is background.
    shares : (n,) float64 array
        Where the wanted sections lie, as parts of the gap: above 0 and below 1, increasing.
    width : float
        Distance of the two annotated sections in pixels.
    before, after : (Y, X) int32 array or None
        The annotated sections before the one below and after the one above, numbered alike; None: there is none.
    before_share, after_share : float
        Where they lie: below 0 and above 1.
    image : (m, Y, X) float32 array or None
        The image from the section below to the one above and :data:`AROUND` sections beyond each where there are,
        scaled to about 0 to 1; None: there is none.
    image_shares : (m,) float64 array or None
        Where its sections lie: 0 and 1 are the annotated ones; every wanted section is among them.
    annotated : (below, above)
        Which of the series' annotated sections these are, counted from 0.
    names : (count + 1,) integer array or None
        The identifiers that the numbers stand for; they are the same in all gaps.
    """

    below: Section
    above: Section
    shares: NDArray[np.float64]
    width: float
    before: Section | None = None
    after: Section | None = None
    before_share: float = -1.0
    after_share: float = 2.0
    image: NDArray[np.float32] | None = None
    image_shares: NDArray[np.float64] | None = None
    annotated: tuple[int, int] = (0, 1)
    names: NDArray[Any] | None = None

    def place_in_image(self, share: float) -> int:
        """Return which section of the image lies at a share of the gap."""
        assert self.image_shares is not None
        return int(np.argmin(np.abs(self.image_shares - share)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, Y, X) of what is wanted."""
        return len(self.shares), *self.below.shape

    @property
    def count(self) -> int:
        """Largest label of both sections."""
        return int(max(self.below.max(initial=0), self.above.max(initial=0)))


@dataclass(frozen=True, eq=False)
class Filled:
    """Sections between two annotated ones.

    Attributes
    ----------
    labels : (n, Y, X) int32 array
        Numbered as in the gap.
    confidence : (n, Y, X) float32 array
        Probability that the label of a voxel (or its being background) is right, 0 to 1, as the method sees it.
    """

    labels: NDArray[np.int32]
    confidence: NDArray[np.float32]

"""Where the pixels between two annotated sections come from, by the motion of the image section by section."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..numerics.motion import motion, moved, single_threaded
from ..progress import Progress, Report, silent
from .gap import Gap

_REFINEMENTS = 10
_LARGE = 768
"""Images with a side of more pixels than this are halved once before the motion is found."""

Displacement = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Paths:
    """Displacements (Y, X, 2), (x, y) in pixels, of the image's sections from the one below to the one above.

    Attributes
    ----------
    places : (m,) int array
        Which of the gap's image sections these are.
    to_below, to_above : list of (Y, X, 2) arrays
        From each of them to the two annotated sections.
    share : float
        Which share of them is believed, 0 to 1.
    """

    places: NDArray[np.intp]
    to_below: list[Displacement]
    to_above: list[Displacement]
    share: float = 1.0

    @classmethod
    def of(cls, gap: Gap, smoothness: float, report: Report = silent, *, share: float = 1.0) -> Paths:
        """Find the motion from section to section, both ways, and put it together."""
        assert gap.image is not None
        first, last = gap.place_in_image(0.0), gap.place_in_image(1.0)
        images = gap.image[first : last + 1]
        scale = int(max(images.shape[1:]) > _LARGE)
        still = np.zeros((*images.shape[1:], 2), np.float32)
        to_below, to_above = [still], [still]
        with single_threaded():
            for one, other in zip(images[1:], images[:-1], strict=True):
                step = motion(one, other, finest_scale=scale, refinements=_REFINEMENTS, smoothness=smoothness)
                to_below.append(step + moved(to_below[-1], step))
                report(Progress(0.5 * (len(to_below) - 1) / (len(images) - 1)))
            for one, other in zip(images[-2::-1], images[:0:-1], strict=True):
                step = motion(one, other, finest_scale=scale, refinements=_REFINEMENTS, smoothness=smoothness)
                to_above.append(step + moved(to_above[-1], step))
                report(Progress(0.5 + 0.5 * (len(to_above) - 1) / (len(images) - 1)))
        return cls(np.arange(first, last + 1), to_below, to_above[::-1], share)

    def row_of(self, gap: Gap, share: float) -> int:
        """Return which of these sections lies at a share of the gap."""
        return gap.place_in_image(share) - int(self.places[0])

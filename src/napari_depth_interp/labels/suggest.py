"""Where to annotate next: which section would set most voxels right, and where objects may lie unseen.

Three things are expected to go wrong in a gap: outlines are where the method is not sure of them, objects that appear
or end do so elsewhere, and objects that are less tall than the gap lie in it without touching an annotated section.
What an annotation changes is known from the geometry of the gap: it cuts it in two, and both parts are narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..progress import Progress, Report, part, silent
from .gap import Gap
from .growth import end_of
from .heights import Heights, Met, heights_of, meet
from .method import LabelMethod
from .series import Series
from .windows import fullest

_END_ERROR = 0.17
"""Standard deviation of where objects end, as a share of the gap (see :func:`.growth.end_of`)."""
_LOOKING = "looking for what to annotate next"
_WHERE_EQUAL = 0.35
"""Share of a method's doubt that is true where both annotated sections say the same; elsewhere all of it is."""
_ENDING, _UNSEEN = 0.3, 0.1
"""Shares of what is expected of ending and of unseen objects that the doubt does not hold already.

All three were fitted to the errors of ``shape`` in 281 gaps of 2 to 12 sections between experts' labels of cells,
nuclei, a lumen and neurites: expected and true errors of gaps then have a correlation of 0.89 to 0.99 within each set.
"""

Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """A section that is worth annotating.

    Attributes
    ----------
    section : int
        Which of the wanted sections.
    depth : float
        Where it lies, in the unit of the stack.
    loss : float
        Voxels that are expected to be wrong now and right once it is annotated, in the whole gap.
    reasons : str
        Why, in words.
    """

    section: int
    depth: float
    loss: float
    reasons: str

    def as_json(self) -> dict[str, float | int | str]:
        """Return JSON-ready values."""
        return {"section": self.section, "depth": self.depth, "loss": round(self.loss, 1), "reasons": self.reasons}


@dataclass(frozen=True, eq=False)
class _Look:
    """What is expected of one gap.

    Attributes
    ----------
    targets : (n,) int array
        Which of all wanted sections lie in it.
    depths : (n,) float64 array
    saved : (n,) float64 array
        Voxels that annotating each of them is expected to set right.
    width : float
        Of the gap, in the unit of the depths.
    ending, lonely : int
        Objects that appear or end in it; how many of them are on one annotated section only.
    doubt : float
        Share of its voxels that the method expects to be wrong.
    """

    targets: NDArray[np.intp]
    depths: NDArray[np.float64]
    saved: Losses
    width: float
    ending: int
    lonely: int
    doubt: float


def suggest_sections(
    series: Series,
    targets: ArrayLike,
    method: LabelMethod | None = None,
    *,
    confidence: NDArray[np.float32] | None = None,
    report: Report = silent,
) -> list[Suggestion]:
    """Return for each gap the section that would help most if it were annotated, the most helpful first.

    Parameters
    ----------
    series : Series
    targets : sequence of float
        Depths of the sections that can be annotated, increasing; those outside all gaps are passed over.
    method : LabelMethod, optional
        What fills the gaps, prepared; default: ``shape``, which needs no preparation.
    confidence : (K, Y, X) float32 array, optional
        Of an earlier run at the targets, so that nothing has to be filled again.
    report : callable

    Returns
    -------
    list of Suggestion
        Of gaps without a target there is none. Of sections with more than some million pixels the part with most
        labels is looked at.
    """
    if method is None or confidence is not None:
        series = replace(series, image=None, image_depths=None)  # or it would be read and not looked at
    series = fullest(series)
    met = meet(series, part(report, 0.0, 0.3))
    heights = heights_of(series, met)
    inner = part(report, 0.3, 1.0)
    looks = _looks(series, targets, met, heights, method, confidence=confidence, report=inner)
    return _ranked(looks, heights)


def _ranked(looks: Sequence[_Look], heights: Heights) -> list[Suggestion]:
    """Return the best section of each gap, the most helpful first."""
    found = []
    for each in looks:
        best = int(np.argmax(each.saved))
        words = "; ".join(_reasons(each, heights))
        found.append(Suggestion(int(each.targets[best]), float(each.depths[best]), float(each.saved[best]), words))
    return sorted(found, key=lambda each: (-each.loss, each.section))


def _looks(
    series: Series,
    targets: ArrayLike,
    met: Sequence[Sequence[Met]],
    heights: Heights,
    method: LabelMethod | None = None,
    *,
    confidence: NDArray[np.float32] | None = None,
    report: Report = silent,
) -> list[_Look]:
    """Return what is expected of each gap that has a target; parameters as for :func:`suggest_sections`."""
    depths = np.asarray(targets, float)
    found = []
    for below in range(len(series) - 1):
        report(Progress(below / (len(series) - 1), _LOOKING))
        inside = np.flatnonzero((depths > series.depths[below]) & (depths < series.depths[below + 1]))
        inside = inside[~np.isin(depths[inside], series.depths)]
        if not len(inside):
            continue
        gap, _ = series.gap(below, below + 1, depths[inside])
        if confidence is None:
            inner = part(report, below / (len(series) - 1), (below + 1) / (len(series) - 1), _LOOKING)
            sure = (_shape() if method is None else method).fill(gap, report=inner).confidence
        else:
            sure = np.stack([confidence[i][series.window or ...] for i in inside])
        width = float(series.depths[below + 1] - series.depths[below])
        found.append(_look(gap, sure, inside, depths[inside], width, met[below], heights))
    report(Progress(1.0))
    return found


def warnings_of(series: Series, unit: str = "", report: Report = silent) -> list[str]:
    """Say where gaps are wider than typical objects are tall: those that lie in them are not on any section.

    Parameters
    ----------
    series : Series
    unit : str
        Of the depths, to be printed.
    report : callable
    """
    series = fullest(series)
    typical = heights_of(series, meet(series, report)).typical
    widths = np.diff(series.depths)
    wide = int(np.count_nonzero(widths > typical)) if typical is not None else 0
    if not wide:
        return []
    at = int(np.argmax(widths))
    unit = f" {unit}" if unit else ""
    first, last = f"{series.depths[at]:.5g}", f"{series.depths[at + 1]:.5g}"
    gaps = f"the gap from {first} to {last}{unit} is" if wide == 1 else f"{wide} of {len(widths)} gaps are"
    widest = "" if wide == 1 else f" (the widest: {widths[at]:.3g}{unit}, from {first} to {last})"
    return [
        f"{gaps} wider than typical objects are tall, about {typical:.3g}{unit}{widest}: what lies between two "
        "annotated sections is not found; annotate sections closer together there"
    ]


def _look(
    gap: Gap,
    confidence: NDArray[np.float32],
    targets: NDArray[np.intp],
    depths: NDArray[np.float64],
    width: float,
    met: Sequence[Met],
    heights: Heights,
) -> _Look:
    weight = np.where(gap.below == gap.above, np.float32(_WHERE_EQUAL), np.float32(1.0))
    doubt = ((1 - confidence) * weight).sum(axis=(1, 2), dtype=np.float64)
    ending = [each for each in met if each.ends]
    wrong = doubt + _ENDING * np.sum([_ends_elsewhere(each, gap) for each in ending], axis=0, initial=0.0)
    saved = np.array([wrong.sum() - (wrong * _left(gap.shares, at)).sum() for at in gap.shares])
    beside = 2 * len(met) - len(ending)
    unseen = heights.unseen(width, beside)
    parts = np.array([sum(heights.unseen(each * width, beside) for each in (at, 1 - at)) for at in gap.shares])
    voxels = _UNSEEN * heights.area * heights.short * len(targets) / width
    lonely = sum(each.is_lonely for each in ending)
    share = float(doubt.sum() / confidence.size)
    return _Look(targets, depths, saved + voxels * (unseen - parts), width, len(ending), lonely, share)


def _left(shares: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    """Return which part of the error of each section is left once the section at the share ``at`` is annotated.

    Errors grow with the width of a gap and towards its middle, as the way of a random walk between two fixed ends.
    """
    width = np.where(shares < at, at, 1 - at)
    way = np.where(shares < at, shares / at, (shares - at) / (1 - at))
    left = width * np.sqrt(way * (1 - way) / (shares * (1 - shares)))
    return np.where(shares == at, 0.0, np.minimum(left, 1.0))


def _ends_elsewhere(met: Met, gap: Gap) -> Losses:
    """Return how many voxels of an object that ends are expected to be wrong, because it ends elsewhere."""
    from scipy.special import ndtr

    ways = gap.shares if met.below else 1 - gap.shares
    there = ndtr((end_of(met.area, met.beyond, gap.width) - ways) / _END_ERROR)
    return np.asarray(met.area * np.minimum(there, 1 - there))


def _reasons(look: _Look, heights: Heights) -> Iterable[str]:
    if look.ending:
        alone = f", {look.lonely} of them on one annotated section only" if look.lonely else ""
        yield f"{_objects(look.ending)} {'appears or ends' if look.ending == 1 else 'appear or end'} in this gap{alone}"
    if heights.typical is not None and look.width > heights.typical:
        yield f"the gap ({look.width:.3g}) is wider than typical objects are tall ({heights.typical:.3g})"
    yield f"{100 * look.doubt:.1f} % of its voxels are in doubt"


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def _shape() -> LabelMethod:
    from ..method import Runtime
    from .methods import registry

    spec = registry.get("shape")
    return spec.create(spec.config(), Runtime())

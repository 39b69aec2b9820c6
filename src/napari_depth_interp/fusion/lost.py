"""Sections that were lost (black, displaced, of noise alone), told from what the other stacks show where they lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .contrast import Pair, compared_all
from .views import Lattice, View, Volume

Lost = tuple[NDArray[np.bool_], ...]
"""Which sections of each stack are lost, (Z,) True."""
_FEWEST, _MOST = 4, 0.5
"""Sections that a stack must have to be judged; the share of them beyond which nobody knows which ones are lost."""
_WORSE, _UNUSUAL = (4.0, 6.0), 3.0
"""How many times the expected variance a section must leave unexplained, at least and at most; between these, so many
robust standard deviations of its logarithm."""
_ALIKE = 0.2
"""Share of its variance that the others must explain of most sections of a stack for any to be judged."""
_NOTHING = 0.2
"""Share of what sections usually show of the others' variance, under which a section shows nothing of it."""
_CLEAR = 6.0
"""Times what usually differs, or half of what is usually shown, above which there is something to see in a section."""
_BRIGHTER = 2.0
"""How many times as large the variance of a section may be by a drift of its contrast."""
_EMPTY = 0.05
"""The same within a stack: of the usual standard deviation of its sections."""
_END = 1.0
"""By how much more the logarithm must be at both ends of what is seen of a stack: the others have their rims there."""
_PASSES = 4
_FLOOR = 1e-8


def empty_sections(view: View) -> NDArray[np.bool_]:
    """Return (Z,) which sections are NaN throughout, or nearly one grey value with others above and below that are not.

    Nothing need be registered for that. At the ends of a stack a specimen may just end.
    """
    flat = view.voxels.reshape(len(view.voxels), -1)
    known = np.asarray(np.isfinite(flat).any(axis=1))
    spread = np.where(known, np.nanstd(np.where(known[:, None], flat, 0), axis=1), 0)
    full = known & (spread > _EMPTY * np.median(spread[known] if known.any() else 0))
    there = np.flatnonzero(full)
    found = ~known
    if len(there):
        found[there[0] : there[-1]] |= ~full[there[0] : there[-1]]
    return found


def without_sections(view: View, lost: NDArray[np.bool_]) -> View:
    """Return the stack with NaN for some sections, (Z,) True."""
    return view.with_voxels(np.where(lost[:, None, None], np.float32(np.nan), view.voxels)) if lost.any() else view


def lost_sections(views: Sequence[View], lattice: Lattice) -> Lost:
    """Return the sections that differ much more from what the others show than the other sections of their stack.

    Brightness and contrast may drift. Those of the stack in which one stands out most are left out of what the others
    are compared with, and the rest is looked at again.

    Parameters
    ----------
    views : sequence of View
        In their places.
    lattice : Lattice
        Of the volume.
    """
    lost = [empty_sections(view) for view in views]
    for _ in range(_PASSES * len(views)):
        left = [without_sections(view, gone) for view, gone in zip(views, lost, strict=True)]
        excess = [_excess(pair) for pair in compared_all(left, lattice)]
        worst = int(np.argmax([each.max() for each in excess]))
        more = (excess[worst] > 0) & ~lost[worst]
        if not more.any() or (lost[worst] | more).mean() > _MOST:
            break
        lost[worst] = lost[worst] | more
    return tuple(lost)


def _excess(pair: Pair) -> NDArray[np.float64]:
    """Return (Z,) by how much the misfit of a section is beyond the limit (logarithm); -inf where nobody knows."""
    count = pair.there.sum(axis=(1, 2))
    found = np.full(len(count), -np.inf)
    seen = count > (np.median(count[count > 0]) / 4 if count.any() else 0)
    if seen.sum() < _FEWEST:
        return found
    there = pair.there[seen]
    ours, theirs = (np.where(pair.there, pair.fine(each), 0)[seen] for each in (pair.ours, pair.theirs))
    weight = there * _trusted(ours, theirs, there)

    def mean(values: Volume) -> NDArray[np.float64]:
        return np.asarray((weight * values).sum(axis=(1, 2), dtype=np.float64) / weight.sum(axis=(1, 2)) + _FLOOR)

    own, theirs_power, common = mean(np.square(ours)), mean(np.square(theirs)), mean(ours * theirs)
    shown = float(np.median(own / theirs_power)) * theirs_power
    explained = np.square(np.maximum(common, 0)) / theirs_power + _FLOOR
    unexplained = np.maximum(own - explained, _FLOOR)
    if np.median(explained / own) < _ALIKE:
        return found
    least = _NOTHING * float(np.median(explained / shown)) * shown
    usually = float(np.median(unexplained))
    something = shown > max(usually, min(_CLEAR * usually, float(np.median(shown)) / 2))
    nothing = np.where(something, np.log(least / explained) / 2, -np.inf)
    unexplained /= np.clip(own / shown, 1, _BRIGHTER)
    expected = np.maximum(np.median(unexplained), np.median(unexplained / shown) * shown)
    excess = np.log(unexplained / expected)
    usual = float(np.median(excess))
    spread = usual - float(np.quantile(excess, 0.16))  # those that are lost lie above
    unlike = excess - usual - np.clip(_UNUSUAL * spread, *np.log(_WORSE))
    unlike[[0, -1]] -= _END
    found[seen] = np.maximum(unlike, nothing)
    return found


def _trusted(ours: Volume, theirs: Volume, there: NDArray[np.bool_]) -> Volume:
    """Return (Y, X) weights, less where most sections do not fit: there others are lost that cross all of them."""
    gain = np.sqrt(np.square(ours).sum() / max(float(np.square(theirs).sum()), _FLOOR))
    shared = there.any(axis=0)

    def usual(values: Volume) -> Volume:
        return np.asarray(np.nanmedian(np.where(there | ~shared, values, np.nan), axis=0))

    shown = usual(np.square(ours))
    share = usual(np.square(ours - gain * theirs)) / (shown + np.median(shown[shared]) + _FLOOR)
    typical = float(np.median(share[shared])) + _FLOOR
    return np.asarray(np.square(typical / np.maximum(share, typical)), np.float32)

"""What is done to a damaged section: corrected where its own voxels tell, taken from the one made anew elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pairs import Light, displacement, fit
from .stripes import profile_of
from .views import SMOOTH, Image, View, smoothed

_FADE = 4.0
"""Pixels over which what is filled in is fitted to what stands around it."""
_CLIPPED = 0.002
"""If a larger share of the pixels has the highest or lowest value, these were clipped."""
_SIGMAS = np.geomspace(0.5, 8.0, 25)
"""Widths of the blur that are tried, in pixels."""
_WHOLE_PIXEL = 0.1
"""A shift that is so close to whole pixels is one: undoing it then loses nothing."""
_UPSAMPLED = 20


@dataclass(frozen=True, eq=False)
class Case:
    """One damaged section and what there is to repair it with.

    Attributes
    ----------
    section, anew : (Y, X) float32 array
        As recorded, and as made anew from the sound sections.
    below, above : (Y, X) float32 array
        The nearest sound sections.
    share : float
        How near the section is to the one above: 0 to 1.
    part : (Y, X) bool array or None
        What is lost of it.
    """

    section: Image
    anew: Image
    below: Image
    above: Image
    share: float
    part: NDArray[np.bool_] | None = None


def relit(case: Case) -> Image:
    """Return the section in the brightness and contrast of its neighbours; clipped voxels are made anew."""
    clipped = _clipped(case.section)
    values = _undone(case, ~clipped)
    if not clipped.any():
        return values
    highest = case.section == case.section.max()
    anew = np.where(highest & clipped, np.maximum(case.anew, values), case.anew)  # it was at least as bright
    return _blended(values, anew.astype(np.float32), clipped)


def _clipped(section: Image) -> NDArray[np.bool_]:
    """Return where voxels have the highest value, if so many have it that it stands for higher ones."""
    highest = section == section.max()
    return highest if highest.mean() > _CLIPPED else np.zeros(section.shape, bool)


def _undone(case: Case, usable: NDArray[np.bool_]) -> Image:
    """Return the section with the mean of the brightness and contrast that it would have in both neighbours."""
    own = smoothed(case.section, SMOOTH)
    if usable.mean() < 1:  # smoothing has carried clipped values into those around
        usable = smoothed(usable.astype(np.float32), SMOOTH) > 0.98
    if usable.mean() < 0.02:
        return case.section
    lights = [_light(smoothed(each, SMOOTH), own, usable) for each in (case.below, case.above)]
    below, above = (light.undone(case.section) for light in lights)
    return np.asarray((1 - case.share) * below + case.share * above, np.float32)


def _light(reference: Image, own: Image, usable: NDArray[np.bool_]) -> Light:
    return fit(reference[usable][None], own[usable][None])


def desaturated(case: Case) -> Image:
    """Return the section with its saturated part made anew, the rest in the brightness of its neighbours."""
    return relit(case)


def moved_back(case: Case) -> Image:
    """Return the section where its neighbours are; what was moved out of the image is made anew."""
    from scipy.ndimage import shift as moved

    by = _measured_shift(case)
    order = 1 if np.array_equal(by, np.rint(by)) else 3
    values = np.asarray(moved(case.section, -by, order=order, mode="nearest"), np.float32)
    outside = np.zeros(values.shape, bool)
    for axis, far in enumerate(by):
        width = int(np.ceil(abs(far))) + (0 if order == 1 else 1)
        edge = [slice(None), slice(None)]
        edge[axis] = slice(values.shape[axis] - width, None) if far > 0 else slice(0, width)
        if width and abs(far) > _WHOLE_PIXEL:
            outside[tuple(edge)] = True
    return _blended(values, case.anew, outside)


def _measured_shift(case: Case) -> NDArray[np.float64]:
    """Return how far (rows, columns) the section lies from the middle between its neighbours."""
    below, above, own = (View.of(each, 1) for each in (case.below, case.above, case.section))
    found = (1 - case.share) * displacement(below, own, _UPSAMPLED) + case.share * displacement(above, own, _UPSAMPLED)
    whole = np.rint(found)
    return np.where(np.abs(found - whole) <= _WHOLE_PIXEL, whole, found)


def unstriped(case: Case) -> Image:
    """Return the section without its stripes.

    Fine ones are told from the section made anew; of wide ones only what differs from both neighbours alike.
    """
    values = case.section
    heights = [_rms(profile_of(values - case.anew, axis)) for axis in (0, 1)]
    for axis in (0, 1):
        if heights[axis] >= 0.5 * max(heights):
            values = values - np.expand_dims(_stripes(case, axis), 1 - axis)
    return np.asarray(values, np.float32)


def _stripes(case: Case, axis: int) -> Image:
    """Return the height of the stripes along an axis."""
    fine, wide = _parts(case.section - case.anew, axis)
    below, above = (_parts(case.section - each, axis)[1] for each in (case.below, case.above))
    return np.asarray(fine + np.where(below * above > 0, wide, 0.0), np.float32)


def _parts(difference: Image, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return medians of rows (axis 0) or columns (1) as what stands above those beside it, and the rest."""
    fine = profile_of(difference, axis)
    return fine, np.median(difference, axis=1 - axis) - fine


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def sharpened(case: Case) -> Image:
    """Return the section with the fine detail of the one made anew, its own large structures kept.

    What a blur has taken away from the section is what the same blur takes away from the one made anew, about.
    """
    losses = [_rms(smoothed(case.anew, float(sigma)) - case.section) for sigma in _SIGMAS]
    sigma = float(_SIGMAS[int(np.argmin(losses))])
    return np.asarray(case.section + case.anew - smoothed(case.anew, sigma), np.float32)


def filled(case: Case) -> Image:
    """Return the section with the lost part made anew; every other voxel as it was."""
    assert case.part is not None
    return _blended(case.section, case.anew, case.part)


def renewed(case: Case) -> Image:
    """Return the section as made anew."""
    return case.anew


def _blended(values: Image, anew: Image, part: NDArray[np.bool_]) -> Image:
    """Return ``values`` with a part from ``anew``, which is brought to the level around it; nothing else changes."""
    if not part.any() or part.all():
        return anew if part.all() else values
    from scipy.ndimage import distance_transform_edt

    known = (~part).astype(np.float32)
    weight = smoothed(known, _FADE)
    level = smoothed(np.where(part, 0, values - anew).astype(np.float32), _FADE) / np.maximum(weight, 1e-3)
    near = np.exp(-distance_transform_edt(part) / _FADE) * np.minimum(1, 4 * weight)
    return np.where(part, anew + near * level, values).astype(np.float32)


REMEDIES: Mapping[str, Callable[[Case], Image]] = {
    "brightness": relit, "saturated": desaturated, "shift": moved_back, "stripes": unstriped, "blur": sharpened,
    "partial": filled,
}  # fmt: skip
"""By kind of damage, where the section is not made anew as a whole."""

"""What is done to a damaged section: corrected where its own voxels tell, taken from the one made anew elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cases import Case
from .pairs import Light, by_ecc, displacement, fit
from .stripes import profile_of, stands_above
from .views import SMOOTH, Image, View, smoothed

_FADE = 4.0
"""Pixels over which what is filled in is fitted to what stands around it."""
_CLIPPED = 0.002
"""If a larger share of the pixels has the highest or lowest value, these were clipped."""
_LEAST_USABLE = 0.02
"""Share of the pixels that brightness and contrast can be told from."""
_SIGMAS = np.geomspace(0.5, 8.0, 13)
"""Widths of the blur that are tried first, in pixels."""
_WHOLE_PIXEL = 0.02
"""A shift that is so close to whole pixels is one: undoing it then loses nothing."""
_EDGE = 2
"""Pixels at the edges of what was recorded that moving between pixels mixes with what came in beside it."""
_LEAST_GAIN = 0.1
"""Rows with a smaller gain hold nothing that could be brought back."""
_DARK = 0.002
"""Quantile of the neighbours that stands for their faintest values."""
_BELOW_FAINTEST = (0.0, 0.15, 0.3, 0.6, 1.0)
"""How far below these the value of no signal is looked for, in shares of their distance from the median."""
_BETTER_FIT = 0.95
"""Stripes are gains where these leave at most so much of what added stripes leave."""


def relit(case: Case) -> Image:
    """Return the section in the brightness and contrast of its neighbours; clipped voxels are made anew."""
    clipped = clipped_in(case.section)
    lights = lights_of(case)
    if lights is None:
        return case.section if not clipped.any() else case.anew
    below, above = (light.undone(case.section) for light in lights)
    values = np.asarray((1 - case.share) * below + case.share * above, np.float32)
    if not clipped.any():
        return values
    anew = np.maximum(case.anew, values)  # it was at least as bright
    return _blended(values, anew.astype(np.float32), clipped)


def clipped_in(section: Image) -> NDArray[np.bool_]:
    """Return where voxels have the highest value, if so many have it that it stands for higher ones."""
    highest = section == section.max()
    return highest if highest.mean() > _CLIPPED else np.zeros(section.shape, bool)


def lights_of(case: Case) -> tuple[Light, Light] | None:
    """Return brightness and contrast over both neighbours, from what is not clipped; None: too little is left."""
    usable = ~clipped_in(case.section)
    own = smoothed(case.section, SMOOTH)
    if not usable.all():  # smoothing has carried clipped values into those around
        usable = smoothed(usable.astype(np.float32), SMOOTH) > 0.98
    if usable.mean() < _LEAST_USABLE:
        return None
    below, above = (fit(smoothed(each, SMOOTH)[usable][None], own[usable][None]) for each in (case.below, case.above))
    return below, above


def desaturated(case: Case) -> Image:
    """Return the section with its saturated part made anew, the rest in the brightness of its neighbours."""
    return relit(case)


def moved_back(case: Case) -> Image:
    """Return the section where its neighbours are; what was moved out of the image is made anew."""
    from scipy.ndimage import shift as moved

    by = measured_shift(case)
    order = 1 if np.array_equal(by, np.rint(by)) else 3
    values = np.asarray(moved(case.section, -by, order=order, mode="nearest"), np.float32)
    outside = np.zeros(values.shape, bool)
    for axis, far in enumerate(by):
        if abs(far) > _WHOLE_PIXEL:
            wide, own = int(np.ceil(abs(far))), _EDGE if order == 3 else 0
            rows = np.moveaxis(outside, axis, 0)
            first, last = (own, wide + own) if far > 0 else (wide + own, own)
            rows[:first], rows[len(rows) - last :] = True, True
    return _blended(values, case.anew, outside)


def measured_shift(case: Case) -> NDArray[np.float64]:
    """Return how far (rows, columns) the section lies from the middle between its neighbours."""
    below, above = (_displaced(each, case.section) for each in (case.below, case.above))
    found = (1 - case.share) * below + case.share * above
    whole = np.rint(found)
    return np.where(np.abs(found - whole) <= _WHOLE_PIXEL, whole, found)


def _displaced(reference: Image, section: Image) -> NDArray[np.float64]:
    """Return how far a section lies from another one: by ECC, or where that finds nothing by their correlation."""
    found = by_ecc(reference, section)
    return found if found.any() else displacement(View.of(reference, 1), View.of(section, 1))


def unstriped(case: Case) -> Image:
    """Return the section without its stripes, which were added to it or are rows of another gain.

    Fine ones are told from the section made anew; of wide ones only what differs from both neighbours alike.
    """
    values = case.section
    heights = [_rms(profile_of(values - case.anew, axis)) for axis in (0, 1)]
    for axis in (0, 1):
        if heights[axis] >= 0.5 * max(heights):
            values = _without_stripes(case, values, axis)
    return np.asarray(np.where(_ends(case.section), case.anew, values), np.float32)


def _ends(section: Image) -> NDArray[np.bool_]:
    """Return where voxels have the highest or the lowest value, if so many have it that stripes may end there."""
    found = [section == value for value in (section.max(), section.min())]
    often = [each if each.mean() > _CLIPPED else np.zeros_like(each) for each in found]
    return np.asarray(often[0] | often[1], bool)


def _without_stripes(case: Case, values: Image, axis: int) -> Image:
    """Return values without the stripes along an axis: of those that were added and of gains what fits better."""
    added = values - np.expand_dims(_stripes(case, values, axis), 1 - axis)
    faintest, middle = (float(np.quantile(np.stack([case.below, case.above]), each)) for each in (_DARK, 0.5))
    tried = [faintest - step * (middle - faintest) for step in _BELOW_FAINTEST]
    found = min((_scaled(case, values, axis, dark) for dark in tried), key=lambda each: _left(case, each))
    return np.asarray(found if _left(case, found) < _BETTER_FIT * _left(case, added) else added, np.float32)


def _scaled(case: Case, values: Image, axis: int, dark: float) -> Image:
    """Return values without gains of rows (axis 0) or columns (1), where ``dark`` is the value of no signal."""
    gains = np.maximum(np.expand_dims(_gains(case, values, axis, dark), 1 - axis), _LEAST_GAIN)
    return np.asarray(dark + (values - dark) / gains, np.float32)


def _left(case: Case, values: Image) -> float:
    return float(np.mean(np.abs(values - case.anew)))


def _gains(case: Case, values: Image, axis: int, dark: float) -> NDArray[np.float64]:
    """Return how many times brighter each row (axis 0) or column (1) is than it should be, seen from ``dark``."""
    fine, wide = _gain_parts(case.anew - dark, values - dark, axis)
    below, above = (_gain_parts(each - dark, values - dark, axis)[1] for each in (case.below, case.above))
    return 1 + fine + np.where(below * above > 0, wide, 0.0)


def _gain_parts(reference: Image, values: Image, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gains less 1, from the bright half of each row, as what stands above those beside it, and the rest."""
    half = np.median(reference, axis=1 - axis, keepdims=True)
    weights = np.where(reference >= np.maximum(half, 0.05 * reference.std()), reference, 0).astype(np.float64)
    total = (weights * reference).sum(1 - axis)
    gains = np.where(total > 0, (weights * values).sum(1 - axis) / np.where(total > 0, total, 1), 1) - 1
    fine = stands_above(gains)
    return fine, gains - fine


def _stripes(case: Case, values: Image, axis: int) -> Image:
    """Return the height of the stripes along an axis."""
    fine, wide = _parts(values - case.anew, axis)
    below, above = (_parts(values - each, axis)[1] for each in (case.below, case.above))
    return np.asarray(fine + np.where(below * above > 0, wide, 0.0), np.float32)


def _parts(difference: Image, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return medians of rows (axis 0) or columns (1) as what stands above those beside it, and the rest."""
    fine = profile_of(difference, axis)
    return fine, np.median(difference, axis=1 - axis) - fine


def _rms(values: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def sharpened(case: Case) -> Image:
    """Return the section with the fine detail of the one made anew, its own large structures kept.

    What a blur has taken away from the section is what the same blur takes away from the one made anew, about.
    """
    return np.asarray(case.section + case.anew - smoothed(case.anew, blur_of(case)), np.float32)


def blur_of(case: Case) -> float:
    """Return the standard deviation, in pixels, of the blur after which the section made anew is most like this one."""
    from scipy.optimize import minimize_scalar

    def loss(sigma: float) -> float:
        return _rms(smoothed(case.anew, sigma) - case.section)

    best = int(np.argmin([loss(float(sigma)) for sigma in _SIGMAS]))
    near = float(_SIGMAS[max(best - 1, 0)]), float(_SIGMAS[min(best + 1, len(_SIGMAS) - 1)])
    return float(minimize_scalar(loss, bounds=near, method="bounded", options={"xatol": 0.01}).x)


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

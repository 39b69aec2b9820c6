"""Parts of a section that are lost: black, white or torn, or no numbers, while the rest is sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .views import EVEN, Image, View

Mask = NDArray[np.bool_]
_BEYOND = 0.8
"""A lost part is at least so many times the contrast darker or brighter than both neighbours."""
_EVEN_BEYOND = 0.35
"""The same where it is of one value, in stacks in which much is."""
_FLAT = 0.35
"""A lost part has at most this share of the local contrast of its neighbours."""
_CONSTANT = 0.05
"""The first figure where the part is one value."""
OFTEN_EVEN = 0.02
"""Share of the area where neighbouring pixels are equal in sound sections, above which that says nothing."""
_COMMON = 5
"""Values that are looked at, those of most even pixels, to find the one of a lost part."""
_MOST_OF_IT = 0.5
"""A lost part is its pixels of one value alone where these are such a share of all that seem lost."""
_RARE = 0.1
"""Blocks of one value say something where the neighbours have at most this share of them."""
_NOISE = 0.01
"""Local contrast, in shares of the contrast, of neighbours that are not of one value themselves."""
_SMALLEST = 0.002
"""Parts with a smaller share of the area are specks."""
_JOINED = 2
"""Pixels of the reduced section by which pieces grow into one."""
WHOLE = 0.9
"""A lost part with a larger share is a change of the whole section."""
_MARGIN = 2
"""Pixels around a part that are taken for lost, too, because its edge is not sharp; 1 where it is of one value."""


def lost_part(section: View, first: View, second: View) -> Mask | None:
    """Return which pixels of a section are lost (Y, X), as far as two other sections tell; None: none, or all."""
    if section.lost is not None:
        others = [np.zeros(section.lost.shape, bool) if each.lost is None else each.lost for each in (first, second)]
        found = section.lost & ~others[0] & ~others[1]
        return found if _SMALLEST / 10 < found.mean() < WHOLE else None
    even, core = _cores(section, first, second)
    even = _of_one_value(section.small, even)
    even, core = (_large(each, _SMALLEST * each.size, section, (first, second)) for each in (even, core))
    if not (even.any() or core.any()):
        return None
    if even.sum() >= _MOST_OF_IT * core.sum():  # what is dark beside it is a hole, or would hide it
        core = even
    found = _grown(section, core, (first, second))
    return found if found.mean() < WHOLE else None


def _cores(section: View, first: View, second: View) -> tuple[Mask, Mask]:
    """Return where the reduced section is outside the range of the two and of one value, or without their structure."""
    means = np.stack([first.local_mean, second.local_mean])
    outside, value = (_outside(each, means) for each in (section.local_mean, section.small))
    contrast = min(first.contrast, second.contrast)
    local = np.minimum(first.local_contrast, second.local_contrast)
    smooth = (section.local_contrast < _FLAT * local) & (outside > _BEYOND * contrast)
    blocks = _blocks_of_one_value(section, (first, second))
    if max(first.is_even.mean(), second.is_even.mean()) > OFTEN_EVEN:
        even = (blocks | section.is_even) & (value > _EVEN_BEYOND * contrast)
        return even, smooth | even
    constant = (section.is_even | blocks) & ~first.is_even & ~second.is_even
    limits = [float(value) for each in (first, second) for value in (each.values.min(), each.values.max())]
    inner = (section.small > max(limits[0], limits[2])) & (section.small < min(limits[1], limits[3]))
    odd = inner & (local > _NOISE * contrast)  # one value that is neither black nor white, where both have noise
    even = (blocks & (value > _EVEN_BEYOND * contrast)) | (constant & (odd | (value > _CONSTANT * contrast)))
    return even, smooth | even


def _of_one_value(image: Image, mask: Mask) -> Mask:
    """Return where a mask has the value that most of its pixels have."""
    values, counts = np.unique(image[mask], return_counts=True)
    return mask & (image == values[np.argmax(counts)]) if values.size else mask


def _blocks_of_one_value(section: View, others: tuple[View, View]) -> Mask:
    """Return where blocks of 2 x 2 pixels have a value that hardly any have in the others, the most common such one.

    A thin slanting tear is nowhere wider.
    """
    values, counts = np.unique(section.small[section.is_even], return_counts=True)
    if not values.size:
        return section.is_even
    most = np.argsort(counts)[-_COMMON:]
    before = [max(int((each.small[each.is_even] == value).sum()) for each in others) for value in values[most]]
    value = values[most][np.argmax(counts[most] - before)]
    found, *elsewhere = (_blocks(each.small == value) for each in (section, *others))
    return found if max(each.mean() for each in elsewhere) < _RARE * found.mean() else np.zeros_like(found)


def _blocks(mask: Mask, side: int = 2) -> Mask:
    """Return a mask without what is narrower than so many pixels."""
    from scipy.ndimage import binary_opening

    return np.asarray(binary_opening(mask, np.ones((side, side))), bool)


def _outside(image: Image, means: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each pixel is darker or brighter than all others at its place."""
    return np.asarray(np.maximum(means.min(0) - image, image - means.max(0)), np.float32)


def _large(mask: Mask, least: float, section: View, others: tuple[View, View]) -> Mask:
    """Return the connected parts of a mask that have at least so many pixels, and no structure of their neighbours.

    What is blurred or fainter keeps the large structures, and is not lost. A thin slanting tear comes in pieces.
    """
    from scipy.ndimage import binary_dilation, label

    if not mask.any():
        return mask
    parts, count = label(binary_dilation(mask, np.ones((3, 3)), iterations=_JOINED), np.ones((3, 3)))
    parts[~mask] = 0
    own, first, second = (_contrasts(each.small, parts, count) for each in (section, *others))
    kept = (np.bincount(parts.ravel()) >= least) & (own <= _FLAT * np.minimum(first, second))
    kept[0] = False
    return np.asarray(kept[parts])


def _contrasts(image: Image, parts: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the standard deviation in each part, from 0 to ``count``; 0 where there is none."""
    names = parts.ravel()
    sizes = np.maximum(np.bincount(names, minlength=count + 1), 1)
    values = image.ravel().astype(np.float64)
    means = np.bincount(names, values, count + 1) / sizes
    return np.sqrt(np.bincount(names, (values - means[names]) ** 2, count + 1) / sizes)


def _grown(section: View, core: Mask, others: tuple[View, View]) -> Mask:
    """Return the lost pixels at full resolution: the core and what hangs together with it at its values."""
    from scipy.ndimage import binary_dilation, binary_propagation

    whole = _enlarged(core, section.factor, section.values.shape)
    values = section.values[whole]
    low, high = np.quantile(values, (0.02, 0.98))
    slack = 0.02 * section.contrast
    alike = (section.values >= low - slack) & (section.values <= high + slack)
    near = binary_dilation(whole, iterations=4 * section.factor + _MARGIN)
    if high > low:
        alike &= near
    else:  # as far as the one value goes, but not where the neighbours have it too
        alike = _blocks(section.values == low, EVEN) | (_blocks(section.values == low) & near)
        alike &= ~np.logical_and.reduce([each.values == low for each in others])
    spread = binary_propagation(whole, mask=alike | whole)
    margin = _MARGIN if high > low or section.factor > 1 else 1
    return np.asarray(binary_dilation(spread, np.ones((3, 3)), iterations=margin))


def _enlarged(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Return a mask of the reduced section at full resolution; the far edges are continued."""
    large = np.kron(mask, np.ones((factor, factor), bool))
    missing = [(0, size - have) for size, have in zip(shape, large.shape, strict=True)]
    return np.pad(large, missing, mode="edge")

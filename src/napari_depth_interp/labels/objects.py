"""Which parts of two annotated sections belong together: the objects of a gap."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..progress import Progress, Report, silent
from .distance import Box, Mask
from .gap import Gap, Section

_REACH, _ALONE = 1.0, 3.0
"""Parts of one label that do not overlap belong together up to this many mean diameters apart; farther where the label
has no other part on either section."""


_KEPT = 5


@dataclass(frozen=True, eq=False)
class Thing:
    """One object of a gap: parts of one label that belong together; one of the masks may be empty.

    Attributes
    ----------
    label : int
    box : (slice, slice)
        Rows and columns around both masks, with a margin.
    below, above : (y, x) uint8 array
        1 where the object is on the annotated sections, within the box.
    before, after : float or None
        Its area on the annotated sections before and after these two, in pixels; None: there is no such section.
    replaced : float
        Of an object that ends: on which share of its area another one goes on.
    """

    label: int
    box: Box
    below: Mask
    above: Mask
    before: float | None = None
    after: float | None = None
    replaced: float = 0.0

    @property
    def ends(self) -> bool:
        """Whether it is on one of the two sections only."""
        return not (self.below.any() and self.above.any())


@dataclass(frozen=True, eq=False)
class _Parts:
    """Connected parts of one section: an image of their numbers, and their label, centre, area and box by number."""

    image: NDArray[np.int64]
    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    areas: NDArray[np.float64]
    boxes: Sequence[tuple[int, int, int, int]]

    @classmethod
    def of(cls, section: Section) -> _Parts:
        from scipy.ndimage import find_objects
        from skimage.measure import label as connected

        image = connected(section, background=0, connectivity=2)
        count = int(image.max(initial=0))
        areas = np.bincount(image.ravel(), minlength=count + 1).astype(float)
        rows, columns = np.ogrid[: section.shape[0], : section.shape[1]]
        sums = [
            np.bincount(image.ravel(), np.broadcast_to(each, image.shape).ravel(), count + 1)
            for each in (rows, columns)
        ]
        centres = np.stack(sums, axis=1) / np.maximum(areas, 1)[:, None]
        labels = np.zeros(count + 1, np.int64)
        labels[image.ravel()] = section.ravel()
        boxes = [(0, 0, 0, 0), *((r.start, r.stop, c.start, c.stop) for r, c in find_objects(image))]
        return cls(image, labels, centres, areas, boxes)

    @property
    def count(self) -> int:
        return len(self.labels) - 1


_known: OrderedDict[tuple[tuple[int, ...], bytes], _Parts] = OrderedDict()


def _parts_of(section: Section) -> _Parts:
    """Return the parts of a section; those of the last few are kept, as each annotated section is beside two gaps."""
    key = section.shape, hashlib.blake2b(section.tobytes(), digest_size=16).digest()
    found = _known.pop(key, None) or _Parts.of(section)
    _known[key] = found
    if len(_known) > _KEPT:
        _known.popitem(last=False)
    return found


def things(gap: Gap, margin: int, report: Report = silent) -> Iterator[Thing]:
    """Yield the objects of a gap.

    Parts of one label belong together where they overlap; what then is left on both sides is paired by the
    distance of its centres, as small or moving objects do not overlap.
    """
    for number, section in enumerate((gap.below, gap.above, gap.before, gap.after)):
        if section is not None:
            _parts_of(section)  # one by one, so that it can be cancelled in between
        report(Progress((number + 1) / 4))
    first, second = _parts_of(gap.below), _parts_of(gap.above)
    before, after = _areas_beyond(first, gap.before), _areas_beyond(second, gap.after)
    for members in _groups(first, second):
        ours, theirs = members[members <= first.count], members[members > first.count] - first.count
        made = _thing(first, second, ours, theirs, margin)
        yield replace(
            made,
            before=None if before is None else float(before[ours].sum()),
            after=None if after is None else float(after[theirs].sum()),
        )


def _areas_beyond(parts: _Parts, section: Section | None) -> NDArray[np.float64] | None:
    """Return for each part the area of what belongs to it on the next annotated section, shared among its parts."""
    if section is None:
        return None
    beyond = _parts_of(section)
    found = np.zeros(parts.count + 1)
    for members in _groups(parts, beyond):
        ours, theirs = members[members <= parts.count], members[members > parts.count] - parts.count
        if len(ours):
            found[ours] = parts.areas[ours] / parts.areas[ours].sum() * beyond.areas[theirs].sum()
    return found


def _thing(first: _Parts, second: _Parts, ours: NDArray[np.intp], theirs: NDArray[np.intp], margin: int) -> Thing:
    boxes = np.array([first.boxes[i] for i in ours] + [second.boxes[i] for i in theirs])
    rows, columns = first.image.shape
    box = (
        slice(max(0, int(boxes[:, 0].min()) - margin), min(rows, int(boxes[:, 1].max()) + margin)),
        slice(max(0, int(boxes[:, 2].min()) - margin), min(columns, int(boxes[:, 3].max()) + margin)),
    )
    masks = [
        np.isin(parts.image[box], members).astype(np.uint8) for parts, members in ((first, ours), (second, theirs))
    ]
    label = first.labels[ours[0]] if len(ours) else second.labels[theirs[0]]
    return Thing(int(label), box, masks[0], masks[1])


def _groups(first: _Parts, second: _Parts) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of parts that belong together; those of the second section come after the first's."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = 1 + first.count + second.count
    pairs = np.concatenate([_overlapping(first, second), _neighbouring(first, second)])
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1] + first.count)), (size, size))
    _, group = connected_components(links, directed=False)
    order = np.argsort(group[1:], kind="stable") + 1
    yield from np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(order) else ()


def _overlapping(first: _Parts, second: _Parts) -> NDArray[np.int64]:
    """Return (n, 2) numbers of parts of one label that overlap."""
    both = (first.image > 0) & (second.image > 0)
    count = second.count + 1
    numbers = np.unique(first.image[both] * count + second.image[both])  # far faster than rows of two
    pairs = np.stack([numbers // count, numbers % count], axis=1)
    return np.asarray(pairs[first.labels[pairs[:, 0]] == second.labels[pairs[:, 1]]], np.int64).reshape(-1, 2)


def _neighbouring(first: _Parts, second: _Parts) -> NDArray[np.int64]:
    """Return (n, 2) numbers of parts of one label without overlap whose centres are nearest to each other."""
    taken = _overlapping(first, second)
    ours = np.setdiff1d(np.arange(1, first.count + 1), taken[:, 0])
    theirs = np.setdiff1d(np.arange(1, second.count + 1), taken[:, 1])
    if not (len(ours) and len(theirs)):
        return np.zeros((0, 2), np.int64)
    common = np.intersect1d(first.labels[ours], second.labels[theirs])
    mine = _by_label(ours, first.labels[ours], common)
    others = _by_label(theirs, second.labels[theirs], common)
    overlapping = set(first.labels[taken[:, 0]].tolist())
    found: list[tuple[int, int]] = []
    for label, one, other in zip(common.tolist(), mine, others, strict=True):
        alone = len(one) == len(other) == 1 and label not in overlapping
        pairs = [(int(one[0]), int(other[0]))] if alone else _mutual(first.centres, second.centres, one, other)
        found += [pair for pair in pairs if _near(first, second, *pair, _ALONE if alone else _REACH)]
    return np.array(found, np.int64).reshape(-1, 2)


def _by_label(parts: NDArray[np.intp], labels: NDArray[np.int64], common: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Return the parts of each of the common labels."""
    order = np.argsort(labels, kind="stable")
    starts, stops = (np.searchsorted(labels[order], common, side) for side in ("left", "right"))
    return [parts[order[start:stop]] for start, stop in zip(starts, stops, strict=True)]


def _mutual(
    first: NDArray[np.float64], second: NDArray[np.float64], ours: NDArray[np.intp], theirs: NDArray[np.intp]
) -> list[tuple[int, int]]:
    """Return the parts that are nearest to each other, by their centres."""
    from scipy.spatial import KDTree

    _, there = KDTree(second[theirs]).query(first[ours])
    _, back = KDTree(first[ours]).query(second[theirs])
    mutual = back[there] == np.arange(len(ours))
    return [(int(a), int(b)) for a, b in zip(ours[mutual], theirs[there[mutual]], strict=True)]


def _near(first: _Parts, second: _Parts, one: int, other: int, reach: float) -> bool:
    """Whether two parts are at most so many mean diameters apart."""
    diameter = np.sqrt(first.areas[one] / np.pi) + np.sqrt(second.areas[other] / np.pi)
    apart = np.linalg.norm(first.centres[one] - second.centres[other])
    return bool(apart <= reach * diameter)

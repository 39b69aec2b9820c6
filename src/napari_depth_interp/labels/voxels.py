"""Voxels that hold labels: what is accepted as such, and annotated sections read one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..stack import Acquisition, Dataset
from ..stack.lazy import LazyVoxels, as_array, is_lazy, planes_of

_REMEMBERED = 6
"""Sections that are kept: a gap looks at four, and the next one at three of these again."""
_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}
"""Up to where floats of so many bytes hold every whole number."""


def as_labels(dataset: Dataset) -> Dataset:
    """Return a dataset whose voxels are identifiers; whole numbers that are stored as floats become integers.

    Raises
    ------
    InputError
        For a colour image, a single section, or voxels that are no whole numbers.
    """
    if dataset.rgb:
        raise InputError("this is a colour image, not labels; give the label image: one whole number per voxel")
    times, channels, sections = dataset.voxels.shape[:3]
    if sections < 2:
        hint = f" ({times} time points, {channels} channels)" if times * channels > 1 else ""
        raise InputError(
            f"the labels have {sections} section{hint}, so there is nothing between sections to fill; "
            "give 2 or more sections along z"
        )
    dataset = replace(dataset, acquisition=Acquisition())
    return _as_integers(dataset) if dataset.voxels.dtype.kind == "f" else dataset


def _as_integers(dataset: Dataset) -> Dataset:
    kind = dataset.voxels.dtype
    largest = 0.0
    for plane in planes_of(dataset.voxels):
        if not np.isfinite(plane).all() or (plane != np.rint(plane)).any():
            bad = plane[~np.isfinite(plane) | (plane != np.rint(plane))].flat[0]
            raise InputError(
                f"the voxels are {kind} and not whole numbers (one is {bad:g}), so they are no labels; convert the "
                "labels to integers, or use 'depth-interp run' for a grey image or a probability"
            )
        largest = max(largest, float(np.abs(plane).max()))
    if largest > _EXACT[kind.itemsize]:
        raise InputError(
            f"the labels are {kind} and go up to {largest:g}, where floats cannot tell whole numbers apart; "
            "convert them to integers"
        )
    wanted = np.dtype(np.int32 if largest < 2**31 else np.int64)
    note = f"the labels are whole numbers stored as {kind}; they are filled and written as {wanted}"
    voxels: Any = dataset.voxels
    voxels = LazyVoxels(_Converted(voxels, wanted)) if is_lazy(voxels) else voxels.astype(wanted)
    return replace(dataset, voxels=as_array(voxels), notes=(*dataset.notes, note))


class _Converted:
    """A lazy image in another type."""

    def __init__(self, voxels: LazyVoxels, dtype: np.dtype[Any]) -> None:
        self._voxels, self.dtype = voxels, dtype
        self.shape, self.chunks = voxels.shape, voxels.chunks

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.asarray(self._voxels[key]).astype(self.dtype)


def chosen_only(section: NDArray[Any], labels: Collection[int] | None) -> NDArray[Any]:
    """Return a section with nothing but the labels wanted; None: all of them."""
    if labels is None:
        return section
    return np.where(np.isin(section, wanted_in(section.dtype, labels)), section, section.dtype.type(0))


def wanted_in(dtype: np.dtype[Any], labels: Collection[int]) -> NDArray[Any]:
    """Return the labels that a type can hold, in that type."""
    limits = np.iinfo(dtype)
    return np.array([each for each in labels if limits.min <= each <= limits.max], dtype)


class Sections:
    """Some sections of one channel at one time point, read one by one and remembered for a while.

    Parameters
    ----------
    voxels : (Z, Y, X) array or LazyVoxels
    chosen : sequence of int
        Which sections, in their order.
    labels : collection of int or None
        All others are left out; None: none is.
    """

    def __init__(self, voxels: Any, chosen: Sequence[int], labels: Collection[int] | None = None) -> None:
        self._voxels, self._chosen, self._labels = voxels, list(chosen), labels
        self.dtype: np.dtype[Any] = voxels.dtype
        self._read: OrderedDict[int, NDArray[Any]] = OrderedDict()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes (sections, y, x)."""
        return len(self._chosen), *self._voxels.shape[1:]

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, number: int) -> NDArray[Any]:
        place = self._chosen[number]
        if place not in self._read:
            self._read[place] = chosen_only(np.asarray(self._voxels[place]), self._labels)
        self._read.move_to_end(place)
        while len(self._read) > _REMEMBERED:
            self._read.popitem(last=False)
        return self._read[place]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.stack(list(self)).astype(dtype or self.dtype, copy=False)

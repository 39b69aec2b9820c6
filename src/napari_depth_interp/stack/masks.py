"""Masked arrays: what is masked is NaN, or refused where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError


def unmasked(array: ArrayLike) -> NDArray[Any]:
    """Return an array of NumPy's plain kind: where real values are masked, NaN.

    Raises
    ------
    InputError
        If values of a type without NaN are masked.
    """
    if not isinstance(array, np.ma.MaskedArray) or not np.ma.is_masked(array):
        return np.asarray(array)
    if array.dtype.kind == "f":
        return np.asarray(array.filled(np.nan))
    masked = np.count_nonzero(np.ma.getmaskarray(array))
    raise InputError(
        f"{masked} voxels of the array are masked, and {array.dtype} has no NaN to say so; give "
        "array.astype(float), or array.filled(value)"
    )


def in_memory(array: Any) -> NDArray[Any]:
    """Return an array of any library in memory, with NaN where it was masked.

    Raises
    ------
    InputError
        If values of a type without NaN are masked.
    """
    return unmasked(np.asanyarray(array.compute() if hasattr(array, "compute") else array))  # else dask drops masks

"""Identifiers of labels, which may be any integers, counted 0, 1, 2 ... so that arrays can be indexed with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def counted(*labels: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[np.int32]]]:
    """Count the identifiers of several arrays alike.

    Parameters
    ----------
    *labels : int arrays
        Of one type and any shapes; 0 is background.

    Returns
    -------
    names : (N,) int array
        The identifiers: 0 first, whether it is there or not, then the others in order.
    numbers : list of int32 arrays
        In the shapes given; each value is the place of the identifier in ``names``.
    """
    names = np.unique(np.concatenate([_identifiers(each) for each in labels]))
    names = np.concatenate([np.zeros(1, names.dtype), names[names != 0]])
    return names, [_numbered(each, names) for each in labels]


def _numbered(labels: NDArray[Any], names: NDArray[Any]) -> NDArray[np.int32]:
    """Return the place of each identifier in ``names``."""
    if _are_few(labels.dtype):  # looking up is faster than searching
        places = np.zeros(np.iinfo(labels.dtype).max + 1, np.int32)
        places[names] = np.arange(len(names))
        return np.asarray(places[labels])
    order = np.argsort(names)
    return order[np.searchsorted(names[order], labels)].astype(np.int32)


def _are_few(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "u" and dtype.itemsize <= 2


def _identifiers(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the values that there are, each once."""
    if _are_few(labels.dtype):  # counting is faster than sorting
        return np.flatnonzero(np.bincount(labels.ravel())).astype(labels.dtype)
    return np.unique(labels)

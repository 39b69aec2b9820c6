"""Looking at a registration: each stack on the voxels of the volume, and two volumes in the fields of a chessboard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from .problem import upsampled
from .request import FusionRequest, as_world
from .result import FusionResult
from .views import Volume

_FIELDS = 8
"""Fields of the chessboard along the longest side."""


def on_volume(request: FusionRequest, result: FusionResult, number: int) -> Volume:
    """Return a stack as it was registered, on the voxels of the result and in the grey values of the first one.

    Parameters
    ----------
    request : FusionRequest
        Whose result it is.
    result : FusionResult
    number : int
        Of the stack, from 0.

    Returns
    -------
    (Z, Y, X) float32 array, NaN where the stack does not reach.

    Raises
    ------
    RequestError
        If the result was reopened and the transforms are not known.
    """
    if number >= len(result.motions):
        raise RequestError("how the stacks were registered is not known of a reopened result; fuse again")
    view, record = request.views[number].moved(result.motions[number]), result.stacks[number]
    gains, offsets = (np.asarray(record[name])[:, None, None] for name in ("gains", "offsets"))
    low = record["zero"]
    values, reached = upsampled(view.with_voxels((view.voxels - low - offsets) / gains + low), request.lattice)
    values = np.where(reached, values, np.nan).astype(np.float32)
    found: NDArray[np.float32] = as_world(values, request.lattice, request.unit, "stack").voxels[0, 0]
    return found


def chessboard(first: Volume, second: Volume) -> Volume:
    """Return fields of two volumes by turns: edges go on across the fields where they lie over each other."""
    size = max(2, max(first.shape) // _FIELDS)
    z, y, x = (np.arange(count) // size for count in first.shape)
    dark = (z[:, None, None] + y[None, :, None] + x[None, None, :]) % 2 == 0
    return np.where(dark, first, second).astype(np.float32)

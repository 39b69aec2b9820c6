"""4x along all three axes by interpolation: what a learned super-resolution has to beat.

An observed voxel is taken to be the mean of 4 x 4 x 4 finer ones (Nishioka 2026, section 3.2). Interpolation is the
same along each axis, so it is three matrix products; back-projection to its limit makes the means of the result the
input (see :mod:`napari_depth_interp.numerics.interpolation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..method import Enlarges, Method, MethodConfig, MethodSpec, Runtime, Sections, working_dtype
from ..numerics.interpolation import enlarging, weights
from ..progress import Progress, Report, silent
from ..stack import Stack

FACTOR = 4


class EnlargeConfig(MethodConfig):
    """Parameters of enlarging by interpolation."""

    kind: Literal["catmull-rom", "linear"] = Field(
        default="catmull-rom",
        title="Interpolation",
        description="catmull-rom: cubic, with slopes from the two neighbours, sharper; linear: smoother.",
    )
    back_projection: bool = Field(
        default=True,
        title="Back-projection",
        description="Sharpen the result so that averaging blocks of 4 x 4 x 4 voxels gives the input back. Off: plain "
        "interpolation, smoother, with less noise.",
    )


class _Enlarger:
    """Interpolation along all axes."""

    def __init__(self, config: EnlargeConfig) -> None:
        self._config = config
        self._values: NDArray[Any] | None = None

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Find the values at voxel centres whose interpolation has the right means."""
        self._values = self._centres(stack)
        report(Progress(1.0))

    def _centres(self, stack: Stack) -> NDArray[Any]:
        values = stack.voxels.astype(working_dtype(stack.voxels.dtype))
        if self._config.back_projection:
            for axis in range(3):
                _, matrix = enlarging(values.shape[axis], FACTOR, self._config.kind)
                values = _along(matrix, values, axis)
        return values

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return enlarged sections."""
        known = self._values
        if known is None or len(known) != len(stack.voxels):  # asked for some sections of the prepared stack only
            known = self._centres(stack)
        kind = self._config.kind
        depths = np.asarray(z, float)
        plane = [enlarging(size, FACTOR, kind)[0] for size in stack.voxels.shape[1:]]
        values = np.empty((len(z), *(FACTOR * size for size in stack.voxels.shape[1:])), known.dtype)
        deep = weights(kind, stack.depths, depths) if len(known) > 1 else np.ones((len(z), 1))
        for k, row in enumerate(deep):
            used = np.flatnonzero(row)
            section = np.tensordot(row[used].astype(known.dtype), known[used], 1)
            values[k] = _along(plane[1], _along(plane[0], section, 0), 1)
            report(Progress((k + 1) / len(z)))
        return Sections(values)


def _along(matrix: NDArray[np.float64], values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the product of a matrix with one axis of an array."""
    moved = np.tensordot(matrix.astype(values.dtype), values, (1, axis))
    return np.asarray(np.moveaxis(moved, 0, axis))


def _create(config: EnlargeConfig, _runtime: Runtime) -> Method:
    return _Enlarger(config)


ENLARGE = MethodSpec(
    name="enlarge",
    title="Enlarge 4x (cubic)",
    summary="Makes all three axes 4 times finer by cubic interpolation with back-projection: means of 4 x 4 x 4 voxels "
    "of the result are the input. Invents nothing; the baseline for learned 4x super-resolution.",
    config=EnlargeConfig,
    create=_create,
    cost="seconds",
    training=None,
    kind=Enlarges(FACTOR),
)

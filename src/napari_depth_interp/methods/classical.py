"""Nearest, linear and cubic interpolation along z.

Each is a linear operator: every new section is a weighted sum of a few observed ones, the same
for all pixels. The weights are computed once per depth, in float64; the pixels are one matrix product.

Projections (an observed image is the mean of n sections) are un-averaged first, so that averaging
the result gives the data back: see :mod:`napari_depth_interp.numerics.interpolation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..method import Method, MethodConfig, MethodSpec, Runtime, Sections, Tiling, working_dtype
from ..method.preparation import State, images_of
from ..numerics.back_projection import REACH, Floor, window_of
from ..numerics.bounds import Bounds
from ..numerics.interpolation import Weights, unaverage, weights
from ..progress import Progress, Report, silent
from ..stack import Acquisition, Stack

_CHUNK = 64
"""Depths per matrix product."""


class NearestConfig(MethodConfig):
    """Nearest-section interpolation has no parameters."""


class LinearConfig(MethodConfig):
    """Parameters of linear interpolation."""

    match_projections: bool = Field(
        default=True,
        title="Match the projections",
        description="Only for projections: sharpen the result so that averaging it gives the recorded images back. "
        "Off: smoother, less noise, but the average of the result is a blurred version of the data.",
    )


class CubicConfig(LinearConfig):
    """Parameters of cubic interpolation."""

    kind: Literal["catmull-rom", "spline"] = Field(
        default="catmull-rom",
        title="Kind of cubic",
        description="catmull-rom: slopes from the two neighbouring sections; local, little ringing. "
        "spline: natural cubic spline with continuous curvature; better on smooth, finely sampled stacks, "
        "rings more at sharp edges.",
    )
    overshoot: Literal["clip", "keep"] = Field(
        default="clip",
        title="Overshoot",
        description="A cubic can swing beyond the values on both sides. clip: keep the result within the minimum "
        "and maximum of the stack. keep: leave it as computed. Projections are never clipped.",
    )


@dataclass
class _Interpolator:
    """Interpolation along z by one of the kinds of :func:`napari_depth_interp.numerics.interpolation.weights`."""

    kind: str
    match_projections: bool = False
    clip: bool = False
    _bounds: Bounds | None = None
    _floor: Floor = field(default_factory=Floor)

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        self.prepare_on([stack], stack, report=report)

    def prepare_on(
        self, blocks: Sequence[Stack], whole: Stack, *, report: Report = silent, again: bool = False
    ) -> None:
        if self.clip and not whole.acquisition.is_projection:
            self._bounds = Bounds.of(images_of(blocks), of_all=len(blocks) == 1)
        if self.match_projections:
            self._floor = Floor.of_images(images_of(blocks), whole.acquisition)
        report(Progress(1.0))

    def state(self) -> State:
        bounds = None if self._bounds is None else self._bounds.as_json()
        return State({"bounds": bounds, "floor": self._floor.value})

    def restore(self, state: State, stack: Stack) -> None:
        bounds, self._floor = state.values["bounds"], Floor(float(state.values["floor"]))
        self._bounds = None if bounds is None else Bounds.from_json(bounds)

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        values = self._floor.held(lambda at: self._rendered(stack, at, report), stack, np.asarray(z, float))
        return Sections(values)

    def _rendered(self, stack: Stack, z: Weights, report: Report) -> NDArray[Any]:
        dtype = working_dtype(stack.voxels.dtype)
        flat = stack.voxels.reshape(len(stack.voxels), -1)
        values = np.empty((len(z), flat.shape[1]), dtype)
        for start in range(0, len(z), _CHUNK):
            rows = slice(start, start + _CHUNK)
            window, matrix = self._weights(stack, z[rows])
            np.matmul(matrix.astype(dtype), flat[window].astype(dtype, copy=False), out=values[rows])
            report(Progress(min(1.0, rows.stop / len(z))))
        if self._bounds is not None:
            self._bounds.clip(values, stack.voxels)
        return values.reshape(len(z), *stack.voxels.shape[1:])

    def _weights(self, stack: Stack, z: Weights) -> tuple[slice, Weights]:
        """Return the observed sections that depths ``z`` need and their weights (len(z), sections)."""
        window = window_of(stack, z)
        first, depths = window.start, stack.depths[window]
        matrix = weights(self.kind, depths, z)
        if self.match_projections and stack.acquisition.is_projection:
            matrix = matrix @ unaverage(self.kind, depths, stack.fine_depths()[window])
        used = np.flatnonzero(np.abs(matrix).max(axis=0) > 1e-9)
        return slice(first + int(used[0]), first + int(used[-1]) + 1), matrix[:, used[0] : used[-1] + 1]


def _nearest(_config: NearestConfig, _runtime: Runtime) -> Method:
    return _Interpolator("nearest")


def _linear(config: LinearConfig, _runtime: Runtime) -> Method:
    return _Interpolator("linear", config.match_projections)


def _cubic(config: CubicConfig, _runtime: Runtime) -> Method:
    return _Interpolator(config.kind, config.match_projections, clip=config.overshoot == "clip")


def _reach(config: MethodConfig, acquisition: Acquisition) -> int:
    """Return the sections beyond those on both sides of a gap whose weights are not 0."""
    if acquisition.is_projection and getattr(config, "match_projections", False):
        return REACH
    if isinstance(config, CubicConfig):
        return 1 if config.kind == "catmull-rom" else REACH
    return 0


_SHARED: dict[str, Any] = {
    "training": None,
    "tiling": Tiling(halo=0, z_reach=_reach, parallel=True, lazy=True, floats=2.5),
    "cost": "seconds, even for large stacks",
}

NEAREST = MethodSpec(
    name="nearest",
    title="Nearest section",
    summary="Repeats the closest observed section. Invents nothing; use it for a quick look or as the lower bound.",
    config=NearestConfig,
    create=_nearest,
    **_SHARED,
)
LINEAR = MethodSpec(
    name="linear",
    title="Linear",
    summary="Blends the two neighbouring sections by distance. The baseline that every other method has to beat.",
    config=LinearConfig,
    create=_linear,
    **_SHARED,
)
CUBIC = MethodSpec(
    name="cubic",
    title="Cubic",
    summary="Curves through the neighbouring sections. Use it on smooth, finely sampled stacks; it can ring at edges.",
    config=CubicConfig,
    create=_cubic,
    **_SHARED,
)

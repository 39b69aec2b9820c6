"""Nearest, linear and cubic interpolation along z.

Each is a linear operator: every new section is a weighted sum of a few observed ones, the same
for all pixels. The weights are computed once per depth, in float64; the pixels are one matrix product.

Projections (an observed image is the mean of n sections) are un-averaged first: with ``W`` the
interpolation to the n fine sections and ``P`` their averaging, ``W (P W)^-1`` is the limit of
repeated back-projection, so that averaging the result gives the data back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..method import Method, MethodConfig, MethodSpec, Runtime, Sections, working_dtype
from ..progress import Progress, Report, silent
from ..stack import Stack

_REACH = 24
"""Sections on each side of a gap that a weight may use: a spline's influence falls by 1/2 or more per section."""
_CHUNK = 64
"""Depths per matrix product."""

Weights = NDArray[np.float64]


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


def _nearest_weights(depths: Weights, z: Weights) -> Weights:
    """Return (len(z), len(depths)) weights; half-way between two sections the first one counts."""
    middles = (depths[1:] + depths[:-1]) / 2
    return np.eye(len(depths))[np.searchsorted(middles, z, side="left")]


def _linear_weights(depths: Weights, z: Weights) -> Weights:
    """Return (len(z), len(depths)) weights; the ends are held."""
    return np.stack([np.interp(z, depths, unit) for unit in np.eye(len(depths))], axis=1)


def _spline_weights(depths: Weights, z: Weights) -> Weights:
    """Natural cubic spline: continuous curvature, none at the ends; the ends are held."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(depths, np.eye(len(depths)), bc_type="natural")
    return np.asarray(spline(np.clip(z, depths[0], depths[-1])))


def _catmull_rom_weights(depths: Weights, z: Weights) -> Weights:
    """Cubic Hermite with second-order finite-difference slopes (Catmull-Rom on even gaps); the ends are held."""
    from scipy.interpolate import CubicHermiteSpline

    unit = np.eye(len(depths))
    curve = CubicHermiteSpline(depths, unit, np.gradient(unit, depths, axis=0))
    return np.asarray(curve(np.clip(z, depths[0], depths[-1])))


_WEIGHTS = {
    "nearest": _nearest_weights,
    "linear": _linear_weights,
    "spline": _spline_weights,
    "catmull-rom": _catmull_rom_weights,
}


def _unaverage(kind: str, depths: Weights, fine: NDArray[np.float64]) -> Weights:
    """Return ``(P W)^-1``: recorded projections -> values whose interpolation averages to them.

    ``fine`` is (len(depths), n): the depths of the n sections of each projection.
    """
    averaged = _WEIGHTS[kind](depths, fine.ravel()).reshape(*fine.shape, len(depths)).mean(axis=1)
    return np.linalg.inv(averaged)


@dataclass
class _Interpolator:
    """Interpolation along z by one of the kinds of ``_WEIGHTS``."""

    kind: str
    match_projections: bool = False
    clip: bool = False
    _bounds: tuple[float, float] | None = None

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        if self.clip and not stack.acquisition.is_projection:
            self._bounds = float(stack.voxels.min()), float(stack.voxels.max())
        report(Progress(1.0))

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        dtype = working_dtype(stack.voxels.dtype)
        flat = stack.voxels.reshape(len(stack.voxels), -1)
        values = np.empty((len(z), flat.shape[1]), dtype)
        for start in range(0, len(z), _CHUNK):
            rows = slice(start, start + _CHUNK)
            window, weights = self._weights(stack, np.asarray(z[rows], float))
            np.matmul(weights.astype(dtype), flat[window].astype(dtype, copy=False), out=values[rows])
            report(Progress(min(1.0, rows.stop / len(z))))
        if self._bounds is not None:
            np.clip(values, *self._bounds, out=values)
        return Sections(values.reshape(len(z), *stack.voxels.shape[1:]))

    def _weights(self, stack: Stack, z: Weights) -> tuple[slice, Weights]:
        """Return the observed sections that depths ``z`` need and their weights (len(z), sections)."""
        first = max(0, int(np.searchsorted(stack.depths, z.min())) - _REACH)
        last = int(np.searchsorted(stack.depths, z.max())) + _REACH
        window = slice(first, last)
        depths = stack.depths[window]
        weights = _WEIGHTS[self.kind](depths, z)
        if self.match_projections and stack.acquisition.is_projection:
            weights = weights @ _unaverage(self.kind, depths, stack.fine_depths()[window])
        used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-9)
        return slice(first + int(used[0]), first + int(used[-1]) + 1), weights[:, used[0] : used[-1] + 1]


def _nearest(_config: NearestConfig, _runtime: Runtime) -> Method:
    return _Interpolator("nearest")


def _linear(config: LinearConfig, _runtime: Runtime) -> Method:
    return _Interpolator("linear", config.match_projections)


def _cubic(config: CubicConfig, _runtime: Runtime) -> Method:
    return _Interpolator(config.kind, config.match_projections, clip=config.overshoot == "clip")


_SHARED: dict[str, Any] = {
    "tile_halo": 0,
    "prepares_lazily": True,
    "z_reach": _REACH,
    "parallel_tiles": True,
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

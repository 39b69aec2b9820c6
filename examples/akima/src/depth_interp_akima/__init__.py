"""Akima's interpolation along z: a curve through the sections that swings less than a cubic spline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from napari_depth_interp.method import MethodConfig, MethodSpec, Runtime, Sections, working_dtype
from napari_depth_interp.progress import Progress, Report

if TYPE_CHECKING:
    from napari_depth_interp.stack import Stack


class AkimaConfig(MethodConfig):
    """Parameters of ``akima``: the form, the command line and saved runs are made from this."""

    variant: Literal["akima", "makima"] = Field(
        "makima", title="Variant", description="akima (1970), or makima, which swings less where sections are alike."
    )
    strength: float = Field(
        1.0, ge=0, le=1, title="Strength", description="1 is the full curve, 0 is linear interpolation."
    )


class Akima:
    """Holds no state: every tile of a stack is interpolated by itself."""

    def __init__(self, config: AkimaConfig) -> None:
        self._config = config

    def prepare(self, stack: Stack, *, report: Report) -> None:
        """Nothing to fit."""

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report) -> Sections:
        """Return the sections at depths ``z``; beyond the first and the last section the ends are held."""
        from scipy.interpolate import Akima1DInterpolator, make_interp_spline

        voxels = stack.voxels.astype(working_dtype(stack.voxels.dtype))
        held = np.clip(np.asarray(z, float), stack.depths[0], stack.depths[-1])
        line: Any = make_interp_spline(stack.depths, voxels, k=1, axis=0)
        values = line(held)
        if len(stack.depths) > 2 and self._config.strength > 0:
            curve = Akima1DInterpolator(stack.depths, voxels, axis=0, method=self._config.variant)
            values += self._config.strength * (curve(held) - values)
        report(Progress(1.0))
        return Sections(np.clip(values, voxels.min(), voxels.max()))


def _create(config: AkimaConfig, runtime: Runtime) -> Akima:
    return Akima(config)


AKIMA = MethodSpec(
    name="akima",
    title="Akima",
    summary="A curve through the sections that swings less than a cubic spline; for smooth stacks with few jumps.",
    config=AkimaConfig,
    create=_create,
    cost="seconds",
    training=None,
    acquisitions=frozenset({"slice"}),
    devices=("cpu",),
)

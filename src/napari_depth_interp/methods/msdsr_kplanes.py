"""MSDSR with K-Planes: a diffusion model draws coarse sections, planes of features bring them to full resolution.

Ohashi 2025, the proposed method. It imports its two parts; nothing of them is repeated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..method import (
    CompositeConfig,
    Findings,
    Method,
    MethodConfig,
    MethodSpec,
    Preset,
    Runtime,
    Sections,
    TrainingCost,
    TrainingSpec,
)
from ..progress import Progress, Report, part, silent
from ..stack import Stack
from . import registry
from .kplanes import KPLANES, KPlanesConfig
from .msdsr import MSDSR

if TYPE_CHECKING:
    from .kplanes.method import KPlanes

_SMALLEST = 16
"""Pixels of the shorter side of a coarse image under which nothing can be learned from it."""


class MsdsrKPlanesConfig(CompositeConfig):
    """Parameters of the hybrid; the defaults are the preset balanced."""

    effort: Preset = Field(
        default="balanced",
        title="Effort",
        description="Preset that the diffusion model and the planes are run with: fast, balanced or best.",
    )
    model: Path | None = Field(
        default=None,
        title="Model",
        description="Name or folder of an msdsr model that was trained on stacks of the coarse pixel size. Not set: "
        "trained on this stack.",
        json_schema_extra={"model_of": "msdsr"},
    )
    training_steps: int | None = Field(
        default=None,
        ge=10,
        le=1_000_000,
        title="Training steps",
        description="Training steps of the diffusion model. Not set: as the effort says.",
    )
    coarser: int = Field(
        default=4,
        ge=1,
        le=16,
        title="Coarser pixels",
        description="How many pixels along y and x one pixel of the drawn sections is wide; 4 as published.",
    )
    drawn: int = Field(
        default=1,
        ge=1,
        le=15,
        title="Drawn sections per gap",
        description="Coarse sections that the diffusion model draws in each gap; 1 as published.",
    )
    sampling_steps: int = Field(
        default=1,
        ge=1,
        le=1000,
        title="Sampling steps",
        description="Steps from noise to a coarse section (DDIM). 1: nearest to the truth; about 10: most texture.",
    )
    features: int = Field(
        default=32,
        ge=1,
        le=512,
        title="Features",
        description="Features on each plane of K-Planes. More: finer, slower.",
    )
    tv: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        title="Total variation",
        description="Weight of the squared differences of neighbouring cells on the planes; 0.001 as published.",
    )
    remove_background: bool = Field(
        default=False,
        title="Remove background",
        description="Set what is under the Otsu threshold of the stack to zero before all else, as published. Observed "
        "sections come back unchanged nevertheless.",
    )
    crop: int = Field(
        default=0,
        ge=0,
        le=65536,
        title="Crop to the object (pixels)",
        description="Side of the square around the centre of the object that is worked on; linear interpolation "
        "outside. 256 as published; 0: everything.",
    )

    def drawing(self) -> MethodConfig:
        """Return the parameters of the diffusion model."""
        own: dict[str, Any] = {"rows": self.drawn + 1, "steps": self.sampling_steps, "samples": 1}
        own |= {"model": self.model} if self.model else {}
        own |= {"training_steps": self.training_steps} if self.training_steps else {}
        return self.part(MSDSR, {**MSDSR.presets[self.effort], **own})

    def planes(self) -> KPlanesConfig:
        """Return the parameters of the planes."""
        own = {"features": self.features, "tv": self.tv, "cells_per_gap": 1}
        return cast(KPlanesConfig, self.part(KPLANES, {**KPLANES.presets[self.effort], **own}))

    def parts(self) -> Sequence[tuple[MethodSpec, MethodConfig]]:
        """Return both parts."""
        return [(MSDSR, self.drawing()), (KPLANES, self.planes())]


def _create(config: MsdsrKPlanesConfig, runtime: Runtime) -> Method:
    return MsdsrKPlanes(config, runtime)


class MsdsrKPlanes:
    """The hybrid on one stack."""

    def __init__(self, config: MsdsrKPlanesConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        linear = registry.get("linear")
        self._linear = linear.create(linear.config(), runtime)
        self._planes: KPlanes | None = None
        self._rows, self._columns, self._floor = slice(None), slice(None), -np.inf

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Draw coarse sections between the observed ones and fit planes on both."""
        self._linear.prepare(stack, report=silent)
        self._planes = None
        self._floor = _otsu(stack.voxels) if self._config.remove_background else -np.inf
        self._rows, self._columns = _around_object(stack.voxels, self._config.crop)
        inner = self._inner(stack)
        coarse = _coarsened(inner, self._config.coarser)
        if len(stack.depths) > 1 and min(coarse.voxels.shape[1:]) >= _SMALLEST:
            drawn = self._draw(coarse, part(report, 0.0, 0.9, "drawing coarse sections"))
            planes = self._new_planes()
            planes.prepare_fused(inner, drawn, float(self._config.coarser), report=part(report, 0.9, 1.0))
            self._planes = planes
        report(Progress(1.0))

    def findings(self) -> Findings:
        """Say so where nothing could be learned."""
        if self._planes is not None:
            return Findings()
        return Findings(
            warnings=("msdsr_kplanes is linear interpolation here: coarse images would be too small to learn from",)
        )

    def _new_planes(self) -> KPlanes:
        from .kplanes.method import KPlanes

        return KPlanes(self._config.planes(), self._runtime)

    def _draw(self, coarse: Stack, report: Report) -> Stack:
        """Return coarse sections, evenly spread in every gap."""
        method = MSDSR.create(self._config.drawing(), self._runtime)
        method.prepare(coarse, report=part(report, 0.0, 0.7))
        shares = np.arange(1, self._config.drawn + 1) / (self._config.drawn + 1)
        depths = (coarse.depths[:-1, None] + np.diff(coarse.depths)[:, None] * shares).ravel()
        values = method.sections_at(coarse, depths.tolist(), report=part(report, 0.7, 1.0)).values
        return replace(coarse, voxels=values, grid=replace(coarse.grid, depths=depths))

    def _inner(self, stack: Stack) -> Stack:
        """Return the object without its background."""
        voxels = stack.voxels[:, self._rows, self._columns]
        cleaned = voxels if np.isinf(self._floor) else np.where(voxels > self._floor, voxels, voxels.dtype.type(0))
        return replace(stack, voxels=cleaned)

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return what the planes hold, and linear interpolation outside the object."""
        values = self._linear.sections_at(stack, z, report=silent).values
        if self._planes is not None:
            found = self._planes.sections_at(self._inner(stack), z, report=report).values
            values[:, self._rows, self._columns] = found
        report(Progress(1.0))
        return Sections(values)


def _otsu(voxels: NDArray[Any]) -> float:
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(voxels.astype(np.float32))) if voxels.min() < voxels.max() else -np.inf


def _around_object(voxels: NDArray[Any], side: int) -> tuple[slice, slice]:
    """Return a square of at most so many pixels around the centre of what lies above the Otsu threshold."""
    height, width = voxels.shape[1:]
    if not side:
        return slice(0, height), slice(0, width)
    seen = (voxels > _otsu(voxels)).any(axis=0)
    centre = np.argwhere(seen).mean(axis=0) if seen.any() else np.array([height / 2, width / 2])
    found = []
    for middle, size in zip(centre, (height, width), strict=True):
        start = int(np.clip(round(middle - side / 2), 0, max(0, size - side)))
        found.append(slice(start, min(size, start + side)))
    return found[0], found[1]


def _coarsened(stack: Stack, factor: int) -> Stack:
    """Return means of ``factor`` x ``factor`` pixels; rows and columns beyond whole ones are left out."""
    count, height, width = stack.voxels.shape
    rows, columns = height // factor, width // factor
    blocks = stack.voxels[:, : rows * factor, : columns * factor].reshape(count, rows, factor, columns, factor)
    size = stack.grid.pixel_size
    grid = replace(stack.grid, pixel_size=None if size is None else (size[0] * factor, size[1] * factor))
    return replace(stack, voxels=blocks.mean(axis=(2, 4), dtype=np.float64).astype(np.float32), grid=grid)


MSDSR_KPLANES = MethodSpec(
    name="msdsr_kplanes",
    title="MSDSR with K-Planes",
    summary="A diffusion model draws coarse sections between the observed ones, and K-Planes brings them to full "
    "resolution: several times faster than msdsr alone, and any depth.",
    config=MsdsrKPlanesConfig,
    create=_create,
    cost="35 s (fast) to minutes (balanced, best) for 192 x 192 x 31 sections on two cores",
    presets={"fast": {"effort": "fast"}, "balanced": {}, "best": {"effort": "best"}},
    acquisitions=frozenset({"slice"}),
    sampled=True,
    training=TrainingSpec(TrainingCost(MsdsrKPlanesConfig.most_steps, MsdsrKPlanesConfig.limited)),
    devices=("cpu", "cuda"),
)

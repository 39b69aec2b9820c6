"""MSDSR with K-Planes: a diffusion model draws coarse sections, planes of features bring them to full resolution.

Ohashi 2025, the proposed method. It imports its two parts; nothing of them is repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

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
from ..method.preparation import State
from ..nn.noise_schedule import Schedule, Spacing
from ..nn.recipe import completed
from ..progress import Progress, Report, part, silent
from ..stack import Stack
from . import registry
from .kplanes import KPLANES, KPlanesConfig
from .msdsr import MSDSR, MsdsrConfig

if TYPE_CHECKING:
    from .kplanes.method import KPlanes

_SMALLEST = 16
"""Pixels of the shorter side of a coarse image under which nothing can be learned from it."""


def _of(part: type[MethodConfig], name: str, **own: Any) -> Any:
    """Return a parameter of a part as one of the hybrid: its words, default and bounds, unless there are own ones."""
    field = part.model_fields[name]
    bounds = {
        bound: getattr(each, bound)
        for each in field.metadata
        for bound in ("gt", "ge", "lt", "le", "multiple_of")
        if hasattr(each, bound)
    }
    words = {"title": field.title, "description": field.description, "json_schema_extra": field.json_schema_extra}
    return Field(**{"default": field.default, **words, **bounds, **own})


_DRAWING = (
    "model", "start", "training_steps", "learning_rate", "batch", "columns", "piece_rows", "channels", "levels",
    "step_spacing", "eta", "samples", "prediction", "schedule", "zero_snr", "offset_noise", "adjusted_offset", "masks",
    "fewest_observed", "most_observed", "loss", "guide", "coupled", "shared_noise",
)  # fmt: skip
"""Parameters of the diffusion model that the hybrid has under the same name."""
_PLANES = (
    "features", "tv", "tv_weighting", "scaling", "cells_per_gap", "decoder", "hidden", "fit", "sweeps", "smoothness",
    "coarse", "correct",
)  # fmt: skip
"""Parameters of the planes that it has under the same name."""


class MsdsrKPlanesConfig(CompositeConfig):
    """Parameters of the hybrid; the defaults are the preset balanced."""

    effort: Preset = Field(
        default="balanced",
        title="Effort",
        description="Preset of the diffusion model and of the planes that gives what is not set here: fast, balanced, "
        "best or published.",
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
    start: Path | None = _of(MsdsrConfig, "start")
    learning_rate: float = _of(MsdsrConfig, "learning_rate")
    batch: int = _of(MsdsrConfig, "batch")
    columns: int = _of(MsdsrConfig, "columns")
    piece_rows: int = _of(MsdsrConfig, "piece_rows")
    channels: int | None = _of(
        MsdsrConfig,
        "channels",
        default=None,
        description="Channels of the U-Net at full resolution. Time grows with about its square. Not set: as the "
        "effort says.",
    )
    levels: int = _of(MsdsrConfig, "levels")
    prediction: Literal["v", "noise"] = _of(MsdsrConfig, "prediction")
    schedule: Schedule = "scaled_linear"
    zero_snr: bool = _of(MsdsrConfig, "zero_snr")
    offset_noise: float = _of(MsdsrConfig, "offset_noise")
    adjusted_offset: bool = _of(MsdsrConfig, "adjusted_offset")
    masks: Literal["regular", "random", "both"] = _of(MsdsrConfig, "masks")
    fewest_observed: float = _of(MsdsrConfig, "fewest_observed")
    most_observed: float = _of(MsdsrConfig, "most_observed")
    loss: Literal["l2", "l1"] = _of(MsdsrConfig, "loss")
    guide: Literal["none", "shown", "residual"] = _of(MsdsrConfig, "guide")
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
    step_spacing: Spacing = _of(MsdsrConfig, "step_spacing")
    eta: float = _of(MsdsrConfig, "eta")
    samples: int = _of(
        MsdsrConfig,
        "samples",
        default=1,
        description="Coarse results that are drawn; their mean is what the planes are fitted on. Time grows in "
        "proportion.",
    )
    coupled: bool = _of(MsdsrConfig, "coupled")
    shared_noise: bool = _of(MsdsrConfig, "shared_noise")
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
        description="Weight of the squared differences of neighbouring cells on the planes; 0.001 as published, with "
        "scaling=unit and tv_weighting=published.",
    )
    tv_weighting: Literal["ours", "published"] = _of(KPlanesConfig, "tv_weighting")
    scaling: Literal["zscore", "unit"] = _of(KPlanesConfig, "scaling")
    smoothness: float = _of(KPlanesConfig, "smoothness")
    cells_per_gap: int = _of(
        KPlanesConfig,
        "cells_per_gap",
        default=1,
        description="Cells of the planes along z from one section, observed or drawn, to the next. Those between are "
        "shaped by total variation and smoothness alone.",
    )
    fit: Literal["als", "adam"] = _of(KPlanesConfig, "fit")
    decoder: Literal["sum", "mlp"] = _of(KPlanesConfig, "decoder")
    hidden: int = _of(KPlanesConfig, "hidden")
    sweeps: int | None = _of(
        KPlanesConfig,
        "sweeps",
        default=None,
        description="How often each plane is solved for (als). 0: sections are only split into features. Not set: as "
        "the effort says.",
    )
    planes_training_steps: int | None = _of(
        KPlanesConfig,
        "training_steps",
        default=None,
        title="Gradient steps of the planes",
        description="Gradient steps after the least squares (mlp: 0 means 500), or from random planes (adam: 0 means "
        "2000). Not set: as the effort says.",
    )
    planes_learning_rate: float = _of(KPlanesConfig, "learning_rate", title="Learning rate of the planes")
    coarse: Literal["mapped", "every"] = _of(KPlanesConfig, "coarse")
    correct: bool = _of(KPlanesConfig, "correct")
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
        own = {"rows": self.drawn + 1, "steps": self.sampling_steps, **self._set(*_DRAWING)}
        return self.part(MSDSR, {**MSDSR.presets[self.effort], **own})

    def planes(self) -> KPlanesConfig:
        """Return the parameters of the planes."""
        own = {"learning_rate": self.planes_learning_rate, **self._set(*_PLANES)}
        own |= {} if self.planes_training_steps is None else {"training_steps": self.planes_training_steps}
        return cast(KPlanesConfig, self.part(KPLANES, {**KPLANES.presets.get(self.effort, {}), **own}))

    def _set(self, *names: str) -> dict[str, Any]:
        """Return the parameters of these names that have a value."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def from_recipe(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return how a diffusion model is to be used, as far as that is not as msdsr is used by default.

        The hybrid has defaults of its own.
        """
        usual = MsdsrConfig.model_fields
        own = {name: value for name, value in stored.items() if name in usual and value != usual[name].default}
        return {"sampling_steps" if name == "steps" else name: value for name, value in own.items()}

    @model_validator(mode="after")
    def _parts_fit(self) -> MsdsrKPlanesConfig:
        try:
            self.parts()
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
        return self

    def parts(self) -> Sequence[tuple[MethodSpec, MethodConfig]]:
        """Return both parts."""
        return [(MSDSR, self.drawing()), (KPLANES, self.planes())]


def _create(config: MsdsrKPlanesConfig, runtime: Runtime) -> Method:
    return MsdsrKPlanes(completed(config), runtime)


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

    def state(self) -> State:
        """Return the planes, which hold one stack, and what of it they are of."""
        values = {
            "floor": None if np.isinf(self._floor) else self._floor,
            "rows": [self._rows.start, self._rows.stop],
            "columns": [self._columns.start, self._columns.stop],
            "planes": self._planes is not None,
        }
        return State.of_parts({} if self._planes is None else {"field": self._planes.state()}, values)

    def restore(self, state: State, stack: Stack) -> None:
        """Know the planes of this stack again."""
        values = state.values
        self._linear.prepare(stack, report=silent)
        self._floor = -np.inf if values["floor"] is None else float(values["floor"])
        self._rows, self._columns = slice(*map(int, values["rows"])), slice(*map(int, values["columns"]))
        self._planes = self._new_planes() if values["planes"] else None
        if self._planes is not None:
            self._planes.restore(state.part("field"), self._inner(stack))

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
    y, x = stack.grid.pixel_size or (stack.pixel, stack.pixel)  # unknown, it grows nevertheless
    grid = replace(stack.grid, pixel_size=(y * factor, x * factor))
    return replace(stack, voxels=blocks.mean(axis=(2, 4), dtype=np.float64).astype(np.float32), grid=grid)


_TAKEN_OVER = (
    "prediction", "schedule", "zero_snr", "guide", "training_steps", "eta", "step_spacing", "samples", "coupled",
    "shared_noise", "offset_noise",
)  # fmt: skip
_PUBLISHED: dict[str, Any] = {
    "effort": "published",
    **{name: MSDSR.presets["published"][name] for name in _TAKEN_OVER},
    "sampling_steps": MSDSR.presets["published"]["steps"],
    "loss": "l2", "masks": "random", "columns": 64, "piece_rows": 8, "coarser": 4, "drawn": 1,
    "features": 32, "tv": 0.001, "tv_weighting": "published", "scaling": "unit", "smoothness": 0.0,
    "cells_per_gap": 1, "fit": "adam", "decoder": "mlp", "coarse": "mapped", "correct": False,
    "remove_background": True, "crop": 256,
}  # fmt: skip
"""Ohashi 2025; what it does not state of the diffusion model is the public code of MSDSR's."""

MSDSR_KPLANES = MethodSpec(
    name="msdsr_kplanes",
    title="MSDSR with K-Planes",
    summary="A diffusion model draws coarse sections between the observed ones, and K-Planes brings them to full "
    "resolution: several times faster than msdsr alone, and any depth.",
    config=MsdsrKPlanesConfig,
    create=_create,
    cost="35 s (fast) to minutes (balanced, best) for 192 x 192 x 31 sections on two cores",
    presets={"fast": {"effort": "fast"}, "balanced": {}, "best": {"effort": "best"}, "published": _PUBLISHED},
    acquisitions=frozenset({"slice"}),
    sampled=True,
    training=TrainingSpec(TrainingCost(MsdsrKPlanesConfig.most_steps, MsdsrKPlanesConfig.limited)),
    devices=("cpu", "cuda"),
)

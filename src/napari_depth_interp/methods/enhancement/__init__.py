"""Slice enhancement: one noisy section in, the quality of the mean of many frames out, on the same grid.

Yamashita (University of Aizu; OCT). What the networks share stands here: their configs, what they are trained on,
and the method around them; a network is a module that turns (B, 1, Y, X) images into images of the same shape.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ...method import (
    Enhances,
    Method,
    MethodSpec,
    Runtime,
    Tiling,
    TrainingCost,
    TrainingSpec,
    limit_training_steps,
    steps_without_model,
)
from .config import EnhanceConfig

_TRAINING = TrainingSpec(TrainingCost(steps_without_model, limit_training_steps), makes_model=True)


_PUBLISHED: dict[str, Any] = {
    "training_steps": 10000, "batch": 16, "learning_rate": 2e-4, "schedule": "constant", "weight_average": 0.0,
    "clip": 0.0, "precision": "float32", "normalisation": "standard", "edges": "zero", "patch": 41, "stride": 14,
    "crop": 227, "crops": 20, "validation_share": 0.25, "validation_variants": True,
}  # fmt: skip
"""Yamashita, of both networks; steps and batch are not stated."""


class SrcnnConfig(EnhanceConfig):
    """Parameters of SRCNN; the defaults are the preset balanced."""

    filters: int = Field(
        default=64,
        ge=1,
        le=1024,
        title="Filters",
        description="Filters of the first convolution (9 x 9), as in SRCNN's paper. More: better and slower.",
    )
    mapped: int = Field(
        default=32, ge=1, le=1024, title="Mapped filters", description="Filters of the second convolution (1 x 1)."
    )
    output: Literal["residual", "sigmoid"] = Field(
        default="residual",
        title="Output",
        description="What the network gives. residual: what to add to the noisy image; sigmoid: the image itself, "
        "through a sigmoid, as published.",
    )


def _create_srcnn(config: SrcnnConfig, runtime: Runtime) -> Method:
    from .method import Enhancer
    from .networks import SINCE, Srcnn
    from .train import Kind

    return Enhancer(Kind("srcnn", Srcnn.from_model, ("filters", "mapped", "output"), SINCE), config, runtime)


SRCNN = MethodSpec(
    name="srcnn",
    title="SRCNN enhancement",
    summary="Takes the noise out of every section, on the same grid; trained on pairs of noisy and clean images, or "
    "on the noisy stack alone. Also as a first step before interpolation.",
    config=SrcnnConfig,
    create=_create_srcnn,
    cost="20 s (fast) to minutes (best) of training on two cores; with a model a second per ten megapixels",
    presets={
        "fast": {"training_steps": 500},
        "balanced": {},
        "best": {"training_steps": 10000},
        "published": {"filters": 64, "mapped": 32, "output": "sigmoid", **_PUBLISHED},
    },
    training=_TRAINING,
    kind=Enhances(),
    tiling=Tiling(halo=6, z_reach=0, lazy=True),
    devices=("cpu", "cuda", "mps"),
)


class CaeConfig(EnhanceConfig):
    """Parameters of the auto-encoder; the defaults are the preset balanced."""

    filters: int = Field(
        default=32,
        ge=1,
        le=512,
        title="Filters",
        description="Filters of the first level; each further level has twice as many.",
    )
    levels: int = Field(
        default=3,
        ge=1,
        le=6,
        title="Levels",
        description="How often rows and columns are halved on the way to the code.",
    )
    code: int = Field(
        default=32,
        ge=1,
        le=1024,
        title="Code channels",
        description="Numbers that the code keeps of each block of 2^levels by 2^levels pixels. Fewer: smoother.",
    )
    tied: bool = Field(
        default=False,
        title="Tied weights",
        description="The way back from the code has the weights of the way there, transposed, as published. Off: "
        "weights of its own, twice as many.",
    )


def _create_cae(config: CaeConfig, runtime: Runtime) -> Method:
    from .method import Enhancer
    from .networks import SINCE, Cae
    from .train import Kind

    since = {**SINCE, "tied": False}
    return Enhancer(Kind("cae", Cae.from_model, ("filters", "levels", "code"), since), config, runtime)


CAE = MethodSpec(
    name="cae",
    title="Auto-encoder enhancement",
    summary="Takes the noise out of every section by squeezing it through a short code; blurs fine structure. For "
    "comparison with srcnn, which is better.",
    config=CaeConfig,
    create=_create_cae,
    cost="20 s (fast) to minutes (best) of training on two cores; with a model a second per ten megapixels",
    presets={
        "fast": {"training_steps": 500},
        "balanced": {},
        "best": {"training_steps": 10000},
        "published": {"filters": 32, "levels": 3, "code": 32, "tied": True, **_PUBLISHED},
    },
    training=_TRAINING,
    kind=Enhances(),
    tiling=Tiling(z_reach=0, lazy=True),
    devices=("cpu", "cuda", "mps"),
)

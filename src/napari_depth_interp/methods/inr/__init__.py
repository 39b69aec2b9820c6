"""INR: a stack as a continuous field that averages to the recorded images.

Stage 1 of MicroDiffusion (Hui et al., CVPR 2024, section 4.1), as published, and with fields that fit in seconds.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ...method import (
    Method,
    MethodConfig,
    MethodSpec,
    Runtime,
    TrainingCost,
    TrainingSpec,
    limit_training_steps,
    steps_without_model,
)


class InrConfig(MethodConfig):
    """Parameters of the implicit representation; the defaults are the preset balanced."""

    field: Literal["factorised", "mlp", "siren", "hash"] = Field(
        default="factorised",
        title="Field",
        description="factorised: three planes of features whose product is the stack, seconds; mlp: a network on "
        "Gaussian Fourier features of the coordinates, as published, minutes to hours; siren: a network of sines; "
        "hash: tables of features at several resolutions and a small network.",
    )
    training_steps: int = Field(
        default=400,
        ge=0,
        le=10_000_000,
        title="Training steps",
        description="Gradient steps (Adam). The factorised field needs hundreds, the network thousands. 0: "
        "the field as it starts, without training.",
    )
    learning_rate: float = Field(
        default=0.01,
        gt=0.0,
        le=1.0,
        title="Learning rate",
        description="Step size of Adam. 0.01 suits the fields factorised and hash, 0.001 the network as published, "
        "0.0005 the network of sines.",
    )
    optimiser: Literal["averaged", "plain"] = Field(
        default="averaged",
        title="Optimiser",
        description="averaged: the rate of Adam falls to 2 % by a cosine, gradients are clipped, weights are averaged "
        "over steps, ours; plain: Adam at a constant rate and the last weights, as published.",
    )
    averaging: Literal["gaussian", "published", "uniform", "none"] = Field(
        default="gaussian",
        title="Average neighbours",
        description="Weights over n neighbouring sections when a section is read (only for projections). gaussian: "
        "centred, standard deviation n/4.8; published: equation 3 as printed, nearly flat and off centre; none: the "
        "field itself.",
    )
    correct: bool = Field(
        default=True,
        title="Match the data",
        description="Add what averages of the field miss of the recorded images, smoothly between them. Off: the field "
        "alone, as published.",
    )
    features: int = Field(
        default=32,
        ge=1,
        le=512,
        title="Features on the planes",
        description="Features of the factorised field. More follow more detail; time grows in proportion.",
    )
    smoothness: float = Field(
        default=0.03,
        ge=0.0,
        le=1000.0,
        title="Smoothness along z",
        description="Weight of squared second differences of the factorised field along z. More: smoother "
        "along z, less detail.",
    )
    frequencies: int = Field(
        default=256,
        ge=8,
        le=4096,
        title="Frequencies",
        description="Random frequencies of the input of field=mlp; each gives a sine and a cosine. 256 as published.",
    )
    bandwidth: float = Field(
        default=6.0,
        gt=0.0,
        le=1000.0,
        title="Bandwidth",
        description="Standard deviation of those frequencies, in cycles per half of the stack. More: finer detail, "
        "more noise between sections. Not stated in the paper; 8 in its code.",
    )
    omega: float = Field(
        default=30.0,
        gt=0.0,
        le=1000.0,
        title="First frequency",
        description="Factor inside the first sines of field=siren, in radians per half of the stack; 30 in Sitzmann "
        "et al. 2020. More: finer detail, more noise between sections.",
    )
    levels: int = Field(
        default=8,
        ge=1,
        le=24,
        title="Levels",
        description="Resolutions of field=hash, from 4 cells along each axis to the finest, evenly spaced in their "
        "logarithm; each gives two features.",
    )
    table: int = Field(
        default=14,
        ge=4,
        le=24,
        title="Table size (power of 2)",
        description="Entries of each level's table are 2 to this power; finer levels share entries by a hash. More: "
        "fewer collisions, more memory.",
    )
    finest: int = Field(
        default=64,
        ge=4,
        le=65536,
        title="Finest level (cells)",
        description="Cells of the finest level of field=hash along each axis of the stack. More: finer detail, more "
        "noise between sections.",
    )
    width: int = Field(
        default=256,
        ge=8,
        le=4096,
        title="Network width",
        description="Hidden units of each layer of the fields mlp and siren; field=hash has 64. Not stated in the "
        "paper; 64 in its code.",
    )
    layers: int = Field(
        default=4,
        ge=1,
        le=32,
        title="Network depth",
        description="Hidden layers of the fields mlp and siren; field=hash has 2. Not stated in the paper; 8 in its "
        "code.",
    )
    rays: int = Field(
        default=2048,
        ge=16,
        le=10_000_000,
        title="Rays per step",
        description="Recorded pixels that a field other than factorised is compared with in one step; each is the mean "
        "of n coordinates.",
    )


_PUBLISHED: dict[str, Any] = {
    "field": "mlp",
    "frequencies": 256,
    "bandwidth": 8.0,
    "width": 64,
    "layers": 8,
    "training_steps": 5000,
    "learning_rate": 0.001,
    "optimiser": "plain",
    "averaging": "published",
    "correct": False,
}
"""Hui et al. 2024, sections 4.1 and 5.1; what they do not state (bandwidth, width, layers) as in their code."""


def _create(config: InrConfig, runtime: Runtime) -> Method:
    from .method import Inr

    return Inr(config, runtime)


INR = MethodSpec(
    name="inr",
    title="Implicit representation",
    summary="Fits a continuous field whose averages are the recorded projections; any depth. The prior of "
    "microdiffusion; about as good as cubic interpolation by itself.",
    config=InrConfig,
    create=_create,
    cost="5 s (fast), 15 s (balanced) for 22 projections of 128 x 128 on two cores; published: minutes to hours",
    presets={
        "fast": {"training_steps": 150},
        "balanced": {},
        "best": {"training_steps": 2000, "features": 48},
        "published": _PUBLISHED,
    },
    suits="projections",
    training=TrainingSpec(TrainingCost(steps_without_model, limit_training_steps, every_voxel=True)),
    devices=("cpu", "cuda"),
)

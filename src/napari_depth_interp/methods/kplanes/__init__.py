"""K-Planes: a stack as the product of three planes of features, fitted in about a second.

Ohashi 2025, section 3.5, after Fridovich-Keil et al., CVPR 2023.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ...method import Method, MethodConfig, MethodSpec, Runtime, TrainingCost, TrainingSpec


class KPlanesConfig(MethodConfig):
    """Parameters of K-Planes; the defaults are the preset balanced."""

    features: int = Field(
        default=32,
        ge=1,
        le=512,
        title="Features",
        description="Features M on each plane. More follow more detail; time and memory grow with their square. "
        "Least squares use no more than there are sections.",
    )
    cell: float = Field(
        default=1.0,
        ge=1.0,
        le=64.0,
        title="Cell in XY (pixels)",
        description="Distance of the planes' cells along x and y, in pixels. Above 1: smoother, less memory.",
    )
    cells_per_gap: int = Field(
        default=2,
        ge=1,
        le=32,
        title="Cells per gap",
        description="Cells of the planes along z for each gap between sections. Those between sections are shaped "
        "by the smoothness alone.",
    )
    decoder: Literal["sum", "mlp"] = Field(
        default="sum",
        title="Decoder",
        description="How a grey value is made of the features. sum: added up, fitted fast; mlp: a small network, "
        "as published, trained step by step.",
    )
    hidden: int = Field(
        default=64, ge=4, le=1024, title="Decoder width", description="Hidden units of the decoder network."
    )
    fit: Literal["als", "adam"] = Field(
        default="als",
        title="Fit",
        description="als: least squares for one plane after the other, about a second; adam: gradient steps from "
        "random planes, as published.",
    )
    sweeps: int = Field(
        default=2,
        ge=0,
        le=100,
        title="Sweeps",
        description="How often each plane is solved for (als). 0: sections are only split into features.",
    )
    training_steps: int = Field(
        default=0,
        ge=0,
        le=200_000,
        title="Gradient steps",
        description="Gradient steps after the least squares (mlp: 0 means 500), or from random planes (adam: 0 means "
        "2000).",
    )
    learning_rate: float = Field(
        default=0.01,
        gt=0.0,
        le=1.0,
        title="Learning rate",
        description="Step size of the gradient steps (Adam); it falls to 0 by a cosine.",
    )
    batch: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        title="Pixels per step",
        description="Pixels at random places that a gradient step looks at, as published. 0: whole rows of four "
        "sections, ours, which need no look-up pixel by pixel.",
    )
    scaling: Literal["zscore", "unit"] = Field(
        default="zscore",
        title="Scaling of grey values",
        description="What errors are measured in, which tv and smoothness weigh against. zscore: mean 0 and standard "
        "deviation 1, ours; unit: smallest value 0, largest 1, as published.",
    )
    tv: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        title="Total variation",
        description="Weight of the squared differences of neighbouring cells. More: smoother. 0.001 as published, "
        "with scaling=unit and tv_weighting=published; on our own scale the same number means something else.",
    )
    tv_weighting: Literal["ours", "published"] = Field(
        default="ours",
        title="Weighting of the total variation",
        description="How tv counts on each plane. ours: relative to the curvature of that plane's equations (als), or "
        "per pair of neighbours (adam); published: equations 19 and 20, all planes alike, per cell.",
    )
    smoothness: float = Field(
        default=0.01,
        ge=0.0,
        le=1000.0,
        title="Smoothness along z",
        description="Weight of the squared second differences of cells along z. More: smoother along z, and less "
        "true to the sections above about 1.",
    )
    coarse: Literal["mapped", "every"] = Field(
        default="every",
        title="Coarse images",
        description="Where images of larger pixels count, if there are any. mapped: at their pixel centres only, as "
        "in the paper's text; every: at every fine pixel, interpolated, as in its equation 18.",
    )
    correct: bool = Field(
        default=True,
        title="Correct at sections",
        description="Add what the planes miss at observed sections, interpolated between them. Off: the planes alone.",
    )

    def gradient_steps(self) -> int:
        """Return the gradient steps; where none are asked for, as many as the fit needs.

        A decoder network that begins at the sum needs few.
        """
        usual = _USUAL_STEPS // 4 if self.decoder == "mlp" else 0
        return self.training_steps or (_USUAL_STEPS if self.fit == "adam" else usual)


_USUAL_STEPS = 2000

_PUBLISHED: dict[str, Any] = {
    "fit": "adam",
    "decoder": "mlp",
    "features": 32,
    "hidden": 64,
    "cell": 1.0,
    "cells_per_gap": 1,
    "training_steps": 30_000,
    "learning_rate": 0.01,
    "batch": 4096,
    "scaling": "unit",
    "tv": 0.001,
    "tv_weighting": "published",
    "smoothness": 0.0,
    "coarse": "mapped",
    "correct": False,
}
"""Ohashi 2025, section 3.5; what it does not state (features, network, batch, steps, rate) as the code of K-Planes."""


def _limited(config: KPlanesConfig, steps: int) -> KPlanesConfig:
    return config.model_copy(update={"training_steps": min(config.gradient_steps(), steps)})


def _create(config: KPlanesConfig, runtime: Runtime) -> Method:
    from .method import KPlanes

    return KPlanes(config, runtime)


KPLANES = MethodSpec(
    name="kplanes",
    title="K-Planes",
    summary="Fits three planes of features whose product is the stack, and renders any depth. About as good "
    "as linear interpolation along z; its use is speed, any depth, and fusing coarse with fine images.",
    config=KPlanesConfig,
    create=_create,
    cost="2 s (balanced), minutes (published) for 192 x 192 x 31 sections on two cores",
    training=TrainingSpec(TrainingCost(KPlanesConfig.gradient_steps, _limited)),
    presets={
        "fast": {"sweeps": 1},
        "balanced": {},
        "best": {"sweeps": 4, "training_steps": 200},
        "published": _PUBLISHED,
    },
    acquisitions=frozenset({"slice"}),
    devices=("cpu", "cuda"),
)

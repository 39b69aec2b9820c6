"""MSDSR: a diffusion model that puts back the hidden rows of XZ and YZ planes.

Jiang et al., CVPRW 2024; Ohashi 2025, sections 3.3 and 3.4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

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
from ...nn.noise_schedule import Schedule, Spacing
from ...nn.recipe import completed


class MsdsrConfig(MethodConfig):
    """Parameters of MSDSR; the defaults are the preset balanced."""

    model: Path | None = Field(
        default=None,
        title="Model",
        description="Name or folder of a model that was trained before (depth-interp train msdsr). Not set: trained on "
        "this stack, on rows hidden in its XY images.",
    )
    start: Path | None = Field(
        default=None,
        title="Begin from",
        description="Folder of a 2-D diffusion model whose weights the training begins from: an msdsr model, or a "
        "U-Net saved by diffusers, of the same width and levels. Not set: from random weights. Unused with a model.",
        json_schema_extra={"model_of": "msdsr"},
    )
    training_steps: int = Field(
        default=1500,
        ge=10,
        le=1_000_000,
        title="Training steps",
        description="How many steps the network is trained for. More: better and slower.",
    )
    batch: int = Field(
        default=8, ge=1, le=512, title="Planes per step", description="Pieces of planes looked at in one training step."
    )
    columns: int = Field(
        default=48,
        ge=8,
        le=4096,
        title="Columns of a piece",
        description="Pixels along a row of the pieces of planes that the network is trained on.",
    )
    piece_rows: int = Field(
        default=33,
        ge=4,
        le=4096,
        title="Rows of a piece",
        description="Most rows of the pieces of planes that the network is trained on; 48 in the public code.",
    )
    channels: int = Field(
        default=32,
        ge=8,
        le=512,
        multiple_of=8,
        title="Network width",
        description="Channels of the U-Net at full resolution. Time grows with about its square.",
    )
    levels: int = Field(
        default=3,
        ge=1,
        le=5,
        title="Network levels",
        description="Resolutions of the U-Net: each halves rows and columns. More: looks farther.",
    )
    learning_rate: float = Field(
        default=1e-3, gt=0.0, le=0.1, title="Learning rate", description="Step size of the training (AdamW)."
    )
    steps: int = Field(
        default=4,
        ge=1,
        le=1000,
        title="Sampling steps",
        description="Steps from noise to image (DDIM). 1: nearest to the hidden sections; about 10: most "
        "texture along z; 200 with eta=1: as published; 1000 with eta=1: plain DDPM.",
    )
    eta: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        title="Randomness",
        description="Share of fresh noise at each sampling step (eta of DDIM). 0: none; 1: as DDPM.",
    )
    step_spacing: Spacing = Field(
        default="trailing",
        title="Spacing of the steps",
        description="Which of the 1000 noise levels the sampling steps visit. trailing: from the last one on; leading: "
        "from some levels before it, as published. With few steps that begins far from pure noise.",
    )
    samples: int = Field(
        default=2,
        ge=1,
        le=64,
        title="Samples",
        description="Results that are drawn. Their mean is returned, and their standard deviation as the "
        "uncertainty; with a single sample it is not known. Time grows in proportion.",
    )
    prediction: Literal["v", "noise"] = Field(
        default="v",
        title="Prediction",
        description="What the network predicts: v (a mixture of image and noise), or the noise, as published.",
    )
    schedule: Schedule = "scaled_linear"
    zero_snr: bool = Field(
        default=True,
        title="End in pure noise",
        description="Rescale the schedule so that its last step holds no image: without it dark images drift to grey. "
        "Needs prediction=v.",
    )
    offset_noise: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        title="Offset noise",
        description="Strength of noise that is the same for a whole plane, in training and at the start of sampling "
        "(Guttenberg 2023). 0: none.",
    )
    adjusted_offset: bool = Field(
        default=False,
        title="Adjusted offset noise",
        description="Let the offset noise grow from nothing to full strength over the steps (Kutsuna 2024). "
        "Needs zero_snr=false ('End in pure noise' off).",
    )
    rows: int | None = Field(
        default=None,
        ge=2,
        le=64,
        title="Rows per gap",
        description="Rows from one section to the next, the first included. Not set: as many as pixels, 8 at most; "
        "4 when training on dense stacks.",
        json_schema_extra={"hides": True},
    )
    masks: Literal["regular", "random", "both"] = Field(
        default="regular",
        title="Rows hidden in training",
        description="regular: as sections are, at the gap of the stack; random: any rows, as published; both: in turn.",
        json_schema_extra={"hides": True},
    )
    fewest_observed: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        title="Fewest observed rows",
        description="Smallest share of a piece's rows that random masks leave observed (Zmin); one row at least.",
        json_schema_extra={"hides": True},
    )
    most_observed: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        title="Most observed rows",
        description="Largest share of a piece's rows that random masks leave observed (Zmax); one row is hidden "
        "always.",
        json_schema_extra={"hides": True},
    )
    loss: Literal["l2", "l1"] = Field(
        default="l2",
        title="Loss",
        description="What training makes small on hidden rows. l2: squared errors; l1: absolute ones, as in the public "
        "code.",
    )
    guide: Literal["none", "shown", "residual"] = Field(
        default="residual",
        title="Linear interpolation",
        description="What the network knows of linear interpolation. none: nothing, as published; shown: it "
        "is a further input; residual: only what it misses is drawn, which is nearest to the "
        "hidden sections.",
    )
    coupled: bool = Field(
        default=True,
        title="Couple both directions",
        description="Average what the XZ and the YZ planes predict at every step. Off: only at the end, as published.",
    )
    shared_noise: bool = Field(
        default=False,
        title="Same noise in all planes",
        description="Start neighbouring planes of a direction from the same noise, so that they agree.",
    )

    validation_share: float = Field(
        default=0.1,
        ge=0.0,
        le=0.5,
        title="Validation share",
        description="Share of the files of a training folder that are held back to find the best weights; where it "
        "makes no whole file, a slab of each stack. 0: none, and the last weights are kept.",
        json_schema_extra={"hides": True},
    )

    @model_validator(mode="after")
    def _fits(self) -> MsdsrConfig:
        if self.prediction == "noise" and self.zero_snr:
            raise ValueError(
                "prediction=noise and zero_snr=true exclude each other: the last step is noise alone, and predicting "
                "it says nothing of the image; give zero_snr=false, or prediction=v"
            )
        if self.fewest_observed > self.most_observed:
            raise ValueError(
                f"fewest_observed={self.fewest_observed:g} is above most_observed={self.most_observed:g}; lower the "
                "one, or raise the other"
            )
        if self.adjusted_offset and self.zero_snr:
            raise ValueError("adjusted_offset needs zero_snr=false: its strength is not bounded where no image is left")
        return self


_PUBLISHED: dict[str, Any] = {
    "prediction": "noise", "schedule": "cosine", "zero_snr": False, "loss": "l1", "masks": "random",
    "fewest_observed": 5 / 48, "most_observed": 20 / 48, "columns": 48, "piece_rows": 48, "guide": "none",
    "training_steps": 13560, "steps": 200, "eta": 1.0, "step_spacing": "leading", "samples": 1, "coupled": False,
    "shared_noise": False, "offset_noise": 0.0,
}  # fmt: skip
"""Jiang 2024, as the public code trains and draws; planes and averaging as Ohashi 2025."""


def _create(config: MsdsrConfig, runtime: Runtime) -> Method:
    from .method import Msdsr

    return Msdsr(completed(config), runtime)


MSDSR = MethodSpec(
    name="msdsr",
    title="MSDSR diffusion",
    summary="Draws the missing rows of XZ and YZ planes with a diffusion model, trained on this stack or before. For "
    "realistic texture along z; less true to the hidden sections than auto.",
    config=MsdsrConfig,
    create=_create,
    cost="50 s (fast), 5 min (balanced) or 20 min (best) for 192 x 192 x 31 sections on two quiet cores",
    presets={
        "fast": {"training_steps": 400, "channels": 16, "steps": 2},
        "balanced": {},
        "best": {"training_steps": 5000, "steps": 10, "samples": 4},
        "published": _PUBLISHED,
    },
    acquisitions=frozenset({"slice"}),
    gives_uncertainty=True,
    sampled=True,
    training=TrainingSpec(TrainingCost(steps_without_model, limit_training_steps), makes_model=True),
    devices=("cpu", "cuda"),
)

"""The parameters that all enhancing networks share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ...method import MethodConfig


class EnhanceConfig(MethodConfig):
    """Parameters of an enhancing network; crops, patches and rates as published (Yamashita)."""

    model: Path | None = Field(
        default=None,
        title="Model",
        description="Name or folder of a model that was trained before (depth-interp train). Not set: trained on this "
        "stack, without any clean image.",
    )
    targets: Literal["blind", "neighbours"] = Field(
        default="blind",
        title="Targets without clean images",
        description="What training on noisy sections alone aims at. blind: hidden pixels of the section itself, "
        "predicted from those around them; neighbours: the sections above and below, whose noise is another: better "
        "where sections are so close that they look alike, and wrong where they do not.",
    )
    blind_radius: int | None = Field(
        default=None,
        ge=0,
        le=8,
        title="Hidden around a blind pixel",
        description="Pixels on each side that are hidden together with a blind pixel. 0: for noise that differs from "
        "pixel to pixel; 2: for grains such as speckle. Not set: found out from the images.",
    )
    training_steps: int = Field(
        default=2000,
        ge=10,
        le=1_000_000,
        title="Training steps",
        description="How many steps the network is trained for. More: better and slower.",
    )
    batch: int = Field(
        default=16, ge=1, le=1024, title="Patches per step", description="Patches looked at in one training step."
    )
    learning_rate: float = Field(
        default=1e-3,
        gt=0.0,
        le=0.1,
        title="Learning rate",
        description="Largest step size of the training (Adam). Published: 0.0002 to 0.0006.",
    )
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine",
        title="Schedule",
        description="The learning rate over the training. cosine: rises in 50 steps, then falls to almost nothing; "
        "constant: stays, as published.",
    )
    weight_average: float = Field(
        default=0.99,
        ge=0.0,
        lt=1.0,
        title="Weight average",
        description="Share of the running average of the weights that stays at each step. 0: the weights as they are, "
        "as published.",
    )
    clip: float = Field(
        default=1.0,
        ge=0.0,
        le=1e6,
        title="Clip",
        description="Largest length of a gradient. 0: as it is, as published.",
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto",
        title="Number format",
        description="Of the convolutions in training. auto: bfloat16 where the hardware has it; float32: never.",
    )
    normalisation: Literal["range", "standard"] = Field(
        default="range",
        title="Normalisation",
        description="What the network sees. range: the image at about 0 to 1; standard: less the mean of the noisy "
        "training images and divided by their standard deviation, as published. What it gives is at 0 to 1 either way.",
    )
    edges: Literal["continued", "zero"] = Field(
        default="continued",
        title="Edges",
        description="What convolutions see beyond the edges of an image. continued: the edge pixels; zero: zeros, as "
        "published.",
    )
    patch: int = Field(
        default=41,
        ge=9,
        le=1024,
        title="Patch size",
        description="Pixels on each side of the patches that the network is trained on.",
    )
    stride: int = Field(
        default=14,
        ge=1,
        le=1024,
        title="Patch stride",
        description="Pixels from one patch of a crop to the next; 1: patches lie anywhere in the crop.",
    )
    crop: int = Field(
        default=227,
        ge=9,
        le=8192,
        title="Crop size",
        description="Pixels on each side of the random crops of an image that patches are cut from.",
    )
    crops: int = Field(
        default=20,
        ge=0,
        le=100_000,
        title="Crops per image",
        description="How many random crops of each image are used. 0: a new one for every patch.",
    )
    validation_share: float = Field(
        default=0.25,
        ge=0.0,
        le=0.9,
        title="Validation share",
        description="Share of the files of a training folder of pairs that are held back to find the best weights. 0, "
        "or where it makes no whole file: none, and the last weights are kept.",
        json_schema_extra={"hides": True},
    )
    validation_variants: bool = Field(
        default=False,
        title="Turn validation images",
        description="Look at each held-back image in five variants: as it is, flipped either way and turned by 90 "
        "degrees either way, as published. Off: as it is only.",
    )

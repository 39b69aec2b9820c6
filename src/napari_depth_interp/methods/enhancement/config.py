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
        description="Largest step size of the training (Adam); it falls towards 0. Published: 0.0002 to 0.0006.",
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

"""Zero-shot section super-resolution: what the stack's sharp XY images teach about its coarse Z direction.

A small network learns, on the XY images of this very stack, to put back image rows that are as far apart as
the sections are; it then puts back rows of the XZ and the YZ planes, which are new sections. The principle is
that of SMORE (Zhao et al., IEEE TMI 2021) and ECLARE (Remedios et al., 2025).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...method import (
    Method,
    MethodConfig,
    MethodSpec,
    Runtime,
    Tiling,
    TrainingCost,
    TrainingSpec,
    limit_training_steps,
    steps_without_model,
)
from ...numerics.back_projection import MATCHED
from ...stack import Acquisition


class SectionSRConfig(MethodConfig):
    """Parameters of section super-resolution; the defaults are the preset balanced."""

    training_steps: int = Field(
        default=1000,
        ge=10,
        le=200_000,
        title="Training steps",
        description="How many steps the network is trained for from the ready weights; from random ones (see Start) "
        "twice as many. More: better and slower, with small returns beyond a thousand.",
    )
    batch: int = Field(
        default=8,
        ge=1,
        le=256,
        title="Patches per step",
        description="Image patches (14 rows of 64 pixels) looked at in one training step. More: steadier, slower.",
    )
    channels: int = Field(
        default=32,
        ge=4,
        le=256,
        title="Network width",
        description="Channels of the network. Time grows with about its square.",
    )
    blocks: int = Field(
        default=4,
        ge=1,
        le=32,
        title="Network depth",
        description="Residual blocks of the network. More: looks farther sideways, slower.",
    )
    loss: Literal["auto", "l1", "l2"] = Field(
        default="auto",
        title="Loss",
        description="What training makes small. l1: the absolute error, sharper; l2: the squared error, steadier on "
        "noise and on sparse bright structure; auto: l2 where noise makes up most of the change between rows.",
    )
    sharpness: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        title="Sharpness",
        description="Weight, beside the error, of the difference in local contrast: new sections then look as sharp as "
        "those observed, with details that may lie wrong. 0: errors as small as can be; the preset sharp has 2.",
    )
    scale: float | None = Field(
        default=None,
        ge=0.25,
        le=4.0,
        title="Scale",
        description="How much finer (above 1) or coarser the structure along z is than that in XY. Not set: chosen "
        "between 0.57 and 1.74 on sections of the stack that are left out.",
    )
    flips: bool = Field(
        default=True,
        title="Average flips",
        description="Average the results of the planes as they are and turned by half. A little better; rendering "
        "takes twice as long, training as long as before.",
    )
    start: Literal["ready", "scratch"] = Field(
        default="ready",
        title="Start",
        description="What training starts from. ready: weights learned on simulated images, for a width of 32 and a "
        "depth of 4, or 48 and 6 (others start from scratch, as projections do); scratch: random weights.",
    )
    axial_blur: float | None = Field(
        default=None,
        ge=0.0,
        le=1e6,
        title="Axial blur (FWHM)",
        description="Full width at half maximum of the axial point spread function beyond the lateral one, in "
        "the unit of the section depths: the training rows are blurred by it. 0: none. Not set: estimated from how "
        "sections and image rows change with their distance, and used if left-out sections come back better.",
    )


LOOKED_AT = 300_000
"""Voxels of left-out sections on which the scale is chosen; of larger stacks, the middle of the images."""
_NARROW = 8


def reach(config: SectionSRConfig) -> int:
    """Return how many pixels of a row the network looks at on each side, or as many as a plane needs."""
    blocks = sum(2 + number % 2 for number in range(config.blocks))  # 1 pixel, and 1 or 2
    return max(_NARROW, 3 + blocks)


def rows_beyond(config: SectionSRConfig) -> int:
    """Return how many observed rows the network looks at beyond the two at a gap, on each side."""
    return 2 * config.blocks + 2


def _z_reach(config: SectionSRConfig, acquisition: Acquisition) -> int:
    """Return the sections that are needed beyond those at a gap; of projections, also to match their means."""
    return rows_beyond(config) + (MATCHED + 1 if acquisition.is_projection else 0)


def _create(config: SectionSRConfig, runtime: Runtime) -> Method:
    from .method import SectionSR

    return SectionSR(config, runtime)


SECTION_SR = MethodSpec(
    name="section_sr",
    title="Section super-resolution",
    summary="Trains a small network on the sharp XY images of this very stack and applies it along z. Use it when "
    "tissue looks alike in XY and in Z; needs no other data.",
    config=SectionSRConfig,
    create=_create,
    cost="10 s (fast), 25 s (balanced) or 4 min (best) for 192 x 192 x 31 sections on two quiet cores",
    presets={
        "fast": {"training_steps": 300, "flips": False},
        "balanced": {},
        "best": {"training_steps": 6000, "channels": 48, "blocks": 6},
        "sharp": {"sharpness": 2.0},
    },
    training=TrainingSpec(TrainingCost(steps_without_model, limit_training_steps, looked_at=LOOKED_AT)),
    tiling=Tiling(halo=reach, z_reach=_z_reach, lazy=True),
    acquisitions=frozenset({"slice", "projection", "thick"}),
    shares_fit=True,
    devices=("cpu", "cuda", "mps"),
)

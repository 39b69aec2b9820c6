"""Parameters of the ways to make a volume of several stacks, by name; nothing heavy is imported for them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from ..method import MethodConfig


class LeastSquaresConfig(MethodConfig):
    """Parameters of least squares."""

    smoothness: float = Field(
        1.0,
        ge=0.0,
        le=1000.0,
        title="Smoothness",
        description="Weight of the roughness of the volume over the one that the noise of the stacks asks for. More: "
        "less noise, less detail.",
    )
    edges: float = Field(
        2.0,
        ge=0.0,
        le=100.0,
        title="Edges",
        description="How much less roughness counts where the volume has edges: 0 smooths all alike, larger numbers "
        "keep weaker edges, and noise that looks like them.",
    )
    rounds: int = Field(
        3,
        ge=1,
        le=20,
        title="Rounds",
        description="How often the volume is solved for; between the rounds sections and voxels that do not fit, and "
        "edges, get new weights.",
    )
    steps: int = Field(
        12,
        ge=1,
        le=500,
        title="Steps per round",
        description="Conjugate-gradient steps of each round. More change little: each round goes on from the last one.",
    )
    robust: float = Field(
        3.0,
        gt=0.0,
        le=1000.0,
        title="Outliers",
        description="Standard deviations of the residuals beyond which a voxel counts less (Huber's norm), and a "
        "section whose residuals are so many times as large as usual. More: fewer outliers.",
    )


class AverageConfig(MethodConfig):
    """The average has no parameters."""


class InPlaneConfig(LeastSquaresConfig):
    """Parameters of least squares with the prior of the sharp sections."""

    weight: float = Field(
        0.02,
        ge=0.0,
        le=100.0,
        title="Weight of the prior",
        description="How much the mean of the super-resolved stacks counts beside a voxel of a stack. More: closer to "
        "what the network makes.",
    )
    training_steps: int = Field(
        300,
        ge=10,
        le=200_000,
        title="Training steps",
        description="How many steps section_sr, the network that learns from the sharp sections, is trained for on "
        "each stack; twice as many where sections are as thick as they are far apart. More: better, slower.",
    )


class FieldConfig(MethodConfig):
    """Parameters of the field of what the average lacks."""

    training_steps: int = Field(
        500,
        ge=10,
        le=1_000_000,
        title="Training steps",
        description="Gradient steps (Adam), each on some voxels of all stacks. More follow finer detail, and noise.",
    )
    rays: int = Field(
        512,
        ge=16,
        le=1_000_000,
        title="Voxels per step",
        description="Voxels of the stacks that the field is compared with in one step; each is a mean along the "
        "profile of its section.",
    )
    learning_rate: float = Field(
        0.01, gt=0.0, le=1.0, title="Learning rate", description="Step size of Adam; it falls to 2 % by a cosine."
    )
    levels: int = Field(
        6,
        ge=1,
        le=24,
        title="Levels",
        description="Resolutions of the tables, from 4 cells along each axis to the finest; each gives two features.",
    )
    table: int = Field(
        16,
        ge=4,
        le=24,
        title="Table size (power of 2)",
        description="Entries of each table are 2 to this power; finer levels share entries by a hash.",
    )
    cells: float = Field(
        0.5,
        gt=0.0,
        le=4.0,
        title="Finest cells",
        description="Cells of the finest level per voxel of the volume along its longest side. More: finer detail, "
        "more noise.",
    )


CONFIGS: Mapping[str, type[MethodConfig]] = {
    "least_squares": LeastSquaresConfig,
    "in_plane": InPlaneConfig,
    "field": FieldConfig,
    "average": AverageConfig,
}
DEFAULT = "least_squares"

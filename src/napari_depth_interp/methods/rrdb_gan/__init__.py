"""3-D RRDB-GAN: learned super-resolution, 4x in all axes or several times along z.

Ha et al., ISBI 2024; Nishioka 2026 (bachelor's thesis, University of Miyazaki).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ...method import Enlarges, Method, MethodConfig, MethodSpec, Preset, Runtime, TrainingSpec
from .parameters import NetworkParameters, ObjectiveParameters, RunParameters, TrainingParameters


class GanConfig(TrainingParameters, ObjectiveParameters, NetworkParameters, RunParameters, MethodConfig):
    """Parameters of 3-D RRDB-GAN; those after the tile size are for training."""

    model: Path | None = Field(
        default=None,
        title="Model",
        description="Name or folder of a model that was trained before, with depth-interp train. A run needs one.",
    )


class AlongZConfig(GanConfig):
    """Parameters of 3-D RRDB-GAN along z."""

    factor: int = Field(
        default=4,
        ge=2,
        le=16,
        title="Factor of training",
        description="How many times denser the sections are that the network learns to give. A run may ask for any "
        "depths: between the network's sections they are interpolated.",
        json_schema_extra={"hides": True},
    )

    @model_validator(mode="after")
    def _fits(self) -> AlongZConfig:
        if self.dimensions == 2:
            raise ValueError("dimensions=2 learns nothing along z, which factor asks for; give dimensions=3")
        return self


_SMALL: dict[str, Any] = {
    "features": 16, "growth": 8, "blocks": 2, "tail": "direct", "objective": "faithful", "batch": 4, "patch": 16,
    "patch_z": 16, "learning_rate": 1e-3, "schedule": "cosine", "fresh_patches": True, "epochs": 400,
}  # fmt: skip
_LARGE: dict[str, Any] = {
    "features": 64, "growth": 32, "blocks": 10, "patch": 30, "patch_z": 20, "batch": 16, "flips": 8,
}  # fmt: skip
_PUBLISHED: dict[str, Any] = {
    "generator": "rrdb", "features": 64, "growth": 32, "blocks": 10, "tail": "staged", "base": "none", "scale": "truth",
    "objective": "published", "mse_weight": 1.0, "ssim_weight": 1.0, "perceptual": "vgg", "slices": 10,
    "slice_choice": "random", "slice_size": 224, "discriminator_channels": 64, "patch": 30, "patch_z": 20,
    "patches_per_volume": 8, "fresh_patches": False, "augment": False, "blur": 0.0, "noise": 0.0, "batch": 16,
    "epochs": 200, "learning_rate": 2e-4, "schedule": "halving", "halve_every": 70, "weight_average": 0.0, "clip": 0.0,
    "validation_share": 0.0, "precision": "auto", "flips": 1, "back_projection": False, "dimensions": 3,
    "adversary": "plain",
}  # fmt: skip
"""Nishioka 2026, chapter 3; what it does not state is on the method's page."""
_PRESETS: dict[Preset, dict[str, Any]] = {"fast": _SMALL, "balanced": {}, "best": _LARGE}


def _create(config: GanConfig, runtime: Runtime) -> Method:
    from .method import RrdbGan

    return RrdbGan("rrdb_gan", config, runtime)


def _create_along_z(config: AlongZConfig, runtime: Runtime) -> Method:
    from .method import RrdbGan

    return RrdbGan("rrdb_gan_z", config, runtime)


_SHARED: dict[str, Any] = {
    "gives_uncertainty": True,
    "training": TrainingSpec(makes_model=True),
    "devices": ("cpu", "cuda"),
}

RRDB_GAN = MethodSpec(
    name="rrdb_gan",
    title="3-D RRDB-GAN, 4x in all axes",
    summary="Makes all three axes 4 times finer with a network trained on volumes of the same kind. A model that was "
    "trained to look real may invent detail.",
    config=GanConfig,
    create=_create,
    cost="seconds (small network) to minutes (the published one) for 60 x 60 x 39 voxels on two cores, with a model",
    kind=Enlarges(4),
    presets=_PRESETS | {"published": _PUBLISHED},
    **_SHARED,
)
RRDB_GAN_Z = MethodSpec(
    name="rrdb_gan_z",
    title="3-D RRDB-GAN along z",
    summary="Adds sections with a 3-D network trained on dense stacks of the same kind. A model that was trained to "
    "look real may invent detail.",
    config=AlongZConfig,
    create=_create_along_z,
    cost="seconds (small network) to minutes (the published one) on two cores, with a model",
    acquisitions=frozenset({"slice"}),
    presets=_PRESETS,
    **_SHARED,
)

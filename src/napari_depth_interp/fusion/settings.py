"""What a user may choose where stacks are fused: the one model behind command line, library and window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..run.settings import Option, StackSettings, checked
from .configs import CONFIGS, DEFAULT

LEFT_OUT = ("factor", "isotropic", "z_spacing", "depths")
"""Settings of a run on one stack that say nothing here."""


class FuseSettings(StackSettings):
    """Everything about a fusion but the stacks and the output."""

    method: str = Field(
        DEFAULT,
        description=f"How the volume is made of the stacks: {', '.join(CONFIGS)}.",
    )
    registration: Literal["none", "rigid", "affine"] = Field(
        "rigid",
        description="How the stacks are brought onto the first one, from where their files say that they lie: not at "
        "all, moved and turned, or stretched and sheared, too. Needs SimpleITK.",
    )
    profile: Literal["box", "gaussian"] = Field(
        "gaussian",
        title="Slice profile",
        description="How a section collects what lies above and below its centre: evenly over its thickness (box), or "
        "as a Gaussian whose full width at half maximum is the thickness.",
    )
    thickness: Annotated[str | None, Option("LENGTH[,LENGTH]")] = Field(
        None,
        description="Thickness of the sections, such as 5mm, one for all stacks or one for each, separated by commas. "
        "Default: from the files, else the distance of the sections.",
    )
    spacing: Annotated[str | None, Option("LENGTH")] = Field(
        None,
        title="Voxel size",
        description="Size of the voxels of the result, such as 0.8mm. Default: that of the smallest pixels of all "
        "stacks.",
    )
    unchecked: bool = Field(
        False,
        title="Hold no sections out",
        description="Leave out the check on held-out sections, which chooses how smooth the result is, takes the "
        "average of the stacks instead where that predicts better, and learns the uncertainty. Takes half the time. "
        "Grey values that look like those of another contrast are not refused then either.",
    )
    dtype: Literal["keep", "float32"] = Field(
        "keep",
        title="Data type",
        description="Type of the result: that of the first stack (rounded and clipped), or float32.",
    )
    device: str = Field("auto", description="Where networks compute: auto, cpu, cuda, cuda:N or mps.")

    @field_validator("thickness", mode="before")
    @classmethod
    def _one_text(cls, value: Any) -> Any:
        return value if isinstance(value, str | int | float) or not isinstance(value, Iterable) else _joined(value)

    @model_validator(mode="after")
    def _no_target(self) -> FuseSettings:
        for name in LEFT_OUT:
            if getattr(self, name):
                raise ValueError(f"{name} is of one stack alone; the voxels of a fused volume are chosen by spacing")
        return self


def _joined(values: Iterable[Any]) -> str:
    return ",".join(map(str, values))


def make_fuse_settings(**values: Any) -> FuseSettings:
    """Build settings, turning what pydantic finds wrong into one line.

    Raises
    ------
    RequestError
        For an unknown setting or a value that does not fit.
    """
    return checked(FuseSettings, values)

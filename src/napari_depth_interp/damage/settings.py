"""What a user may choose where damaged sections are repaired: the one model behind command line, library and window."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..method import Preset
from ..run.settings import DEFAULT_METHOD, MemorySize, Option, StackSettings, checked, chosen_targets
from .kinds import KINDS


class RepairSettings(StackSettings):
    """Everything about a repair but the input and the output."""

    method: str = Field(
        DEFAULT_METHOD,
        description="Method that makes lost sections and lost parts anew; any that adds sections between sections.",
    )
    preset: Preset = Field(
        "balanced",
        description="Time against quality, for methods that have presets; published: as in the method's paper.",
    )
    sections: Annotated[str, Option("auto|12,40-41")] = Field(
        "auto",
        description="Which sections to repair: auto takes those that are found damaged; or their numbers, counted from "
        "0, such as 12,40-41, and no others.",
    )
    kinds: Annotated[tuple[str, ...], Option("LIST")] = Field(
        (),
        description=f"Kinds of damage to look for, such as missing,blur; all others are left alone. Known are "
        f"{', '.join(KINDS)}. Default: all.",
    )
    gaps: bool = Field(
        False,
        description="Also make anew two or more neighbouring sections, and repair neighbours of which one may well be "
        "sound; without it they are left as they are, because the error grows with the width of the gap.",
    )
    remove: Annotated[str | None, Option("12,40-41")] = Field(
        None,
        description="Sections to leave out of the result, such as 12,40-41: gaps stay gaps, and the depths of the "
        "others are what they were.",
    )
    align: Literal["none", "translation", "rigid"] = Field(
        "none",
        title="Align sections",
        description="Then bring all sections that still lie displaced against their neighbours back: moved sideways "
        "(translation), or turned, too (rigid). Moved sections are resampled; slow motion along z is left alone.",
    )
    sensitivity: float = Field(
        1.0,
        ge=0.1,
        le=10,
        description="How easily a section is called damaged: all thresholds are divided by this number; 2 finds "
        "weaker damage, and more that is none.",
    )
    memory: MemorySize = Field(
        None,
        description="Memory that the process may take, such as 600MB: sections are made anew in parts as small as that "
        "needs, and what is many waits in temporary files beside the result. Default: what is free, and no more than "
        "helps.",
    )
    device: str = Field("auto", description="Where to compute: auto, cpu, cuda, cuda:N or mps.")

    @field_validator("sections", mode="before")
    @classmethod
    def _one_text(cls, value: Any) -> Any:
        return value if isinstance(value, str | int) or not isinstance(value, Iterable) else ",".join(map(str, value))

    @field_validator("kinds", mode="before")
    @classmethod
    def _as_names(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",")) if isinstance(value, str) else value

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(name not in KINDS for name in value):
            raise ValueError(f"choose kinds out of {', '.join(KINDS)}")
        return value

    @model_validator(mode="after")
    def _same_sections(self) -> RepairSettings:
        if wanted := chosen_targets(self):
            raise ValueError(f"a repaired stack has the sections that it had; leave {wanted[0]} out")
        return self

    @property
    def wanted_kinds(self) -> tuple[str, ...]:
        """The kinds to look for, in the order in which they explain each other."""
        return tuple(name for name in KINDS if not self.kinds or name in self.kinds)


def make_repair_settings(**values: Any) -> RepairSettings:
    """Build settings, turning what pydantic finds wrong into one line.

    Raises
    ------
    RequestError
        For an unknown setting or a value that does not fit.
    """
    return checked(RepairSettings, values)

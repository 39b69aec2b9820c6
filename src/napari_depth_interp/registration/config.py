"""What a user may choose where sections are aligned."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import RequestError

Kind = Literal["translation", "rigid"]
Drift = Literal["keep", "remove"]


class AlignConfig(BaseModel):
    """Parameters of aligning sections."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind = Field(
        default="translation",
        title="Kind",
        description="How sections may be moved: sideways (translation), or sideways and turned (rigid).",
    )
    drift: Drift = Field(
        default="keep",
        title="Drift",
        description="keep: only jitter is undone, and slow motion along z, which may be real slant and curvature, "
        "stays. remove: every section is laid on its neighbour, which straightens slanted and curved structures.",
    )
    period: float = Field(
        default=10.0,
        ge=4.0,
        le=1000.0,
        title="Period (sections)",
        description="Motion along z that is slower than this many sections per wave counts as real and is kept; faster "
        "motion is jitter. Not used where drift is removed.",
    )
    smallest: float = Field(
        default=0.25,
        ge=0.0,
        le=100.0,
        title="Smallest move (pixels)",
        description="Sections that would move by less than this many pixels stay as they were recorded, bit for bit: "
        "moving a section resamples it, and registration is hardly more exact.",
    )


def make_config(**values: Any) -> AlignConfig:
    """Build the parameters, turning what pydantic finds wrong into one line.

    Raises
    ------
    RequestError
    """
    try:
        return AlignConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"aligning: {name}: {first['msg'].lower()}, got {first['input']!r}") from error

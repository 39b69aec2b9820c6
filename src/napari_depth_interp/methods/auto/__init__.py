"""The automatic choice: every candidate is tried on sections of the stack itself, and the best mixture is used."""

from __future__ import annotations

from pydantic import Field, field_validator

from ...method import Method, MethodConfig, MethodSpec, Preset, Runtime

CANDIDATES = "cubic, flow, section_sr"


class AutoConfig(MethodConfig):
    """Parameters of the automatic choice."""

    effort: Preset = Field(
        default="balanced",
        title="Effort",
        description="Preset that the candidates are run with: fast, balanced or best. Best takes minutes.",
    )
    candidates: str = Field(
        default=CANDIDATES,
        title="Candidates",
        description="Methods that are tried beside linear interpolation, separated by commas.",
    )
    training_steps: int | None = Field(
        default=None,
        ge=10,
        le=200_000,
        title="Training steps",
        description="Training steps of the candidates that train on the stack. Not set: as the effort says.",
    )
    caution: float = Field(
        default=5.0,
        ge=0.0,
        le=100.0,
        title="Caution",
        description="How strongly the mixture is drawn from what fits left-out sections and hidden rows best "
        "towards a mixture that has proved itself on many stacks. 0: not at all.",
    )

    @field_validator("candidates")
    @classmethod
    def _known(cls, value: str) -> str:
        from .. import registry

        for name in names_in(value):
            if name == "auto" or name not in registry.names():
                raise ValueError(f"'{name}' cannot be a candidate; name methods such as {CANDIDATES}")
        return value


def names_in(candidates: str) -> list[str]:
    """Return the names in a list separated by commas; linear is always tried and left out here."""
    names = (name.strip() for name in candidates.split(","))
    return [name for name in dict.fromkeys(names) if name not in ("", "linear")]


def _create(config: AutoConfig, runtime: Runtime) -> Method:
    from .method import Auto

    return Auto(config, runtime)


AUTO = MethodSpec(
    name="auto",
    title="Automatic",
    summary="Tries linear, cubic, optical flow and section super-resolution on sections of your own stack that it "
    "leaves out, and mixes them as fits best. Says what gain to expect, and where it is unsure.",
    config=AutoConfig,
    create=_create,
    cost="25 s (fast), 60 to 100 s (balanced) or minutes (best) for 192 x 192 x 31 sections on two cores",
    presets={"fast": {"effort": "fast"}, "balanced": {}, "best": {"effort": "best"}},
    gives_uncertainty=True,
    trains_on_stack=True,
    devices=("cpu", "cuda", "mps"),
)

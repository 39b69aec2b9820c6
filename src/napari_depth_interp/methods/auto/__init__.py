"""The automatic choice: every candidate is tried on sections of the stack itself, and the best mixture is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field, field_validator

from ...method import (
    CompositeConfig,
    Method,
    MethodConfig,
    MethodSpec,
    Preset,
    Runtime,
    Tiling,
    TrainingCost,
    TrainingSpec,
)
from ...stack import Acquisition

CANDIDATES = "cubic, flow, section_sr"
BOTH_SIZES = f"{CANDIDATES}, section_sr:balanced"
"""Where XY is a poor model of z the smaller network, trained for less, is better than that of the preset best."""


class AutoConfig(CompositeConfig):
    """Parameters of the automatic choice."""

    effort: Literal["fast", "balanced", "best"] = Field(
        default="balanced",
        title="Effort",
        description="Preset that the candidates are run with: fast, balanced or best. Best takes minutes.",
    )
    candidates: str = Field(
        default=CANDIDATES,
        title="Candidates",
        description="Methods that are tried beside linear interpolation, separated by commas; section_sr:fast is "
        "one with another preset than the effort's.",
    )
    training_steps: int | None = Field(
        default=None,
        ge=10,
        le=200_000,
        title="Training steps",
        description="Training steps of the candidates that train on the stack. Not set: as the effort's preset says.",
    )
    caution: float = Field(
        default=5.0,
        ge=0.0,
        le=100.0,
        title="Caution",
        description="How strongly the mixture is pulled from what fits left-out sections and hidden rows best "
        "towards a mixture that has worked well on many stacks. 0: not at all.",
    )

    @field_validator("candidates")
    @classmethod
    def _known(cls, value: str) -> str:
        from .. import registry

        for name in names_in(value):
            method, preset = registry.method_and_preset(name)
            if method == "auto" or method not in registry.names():
                raise ValueError(f"'{name}' cannot be a candidate; name methods such as {CANDIDATES}")
            if preset and preset != "balanced" and preset not in registry.get(method).presets:
                raise ValueError(f"'{name}' cannot be a candidate: {method} has no preset '{preset}'")
        return value

    def parts(self) -> Sequence[tuple[MethodSpec, MethodConfig]]:
        """Return the candidates."""
        return [(spec_of(name), candidate_config(self, name)) for name in names_in(self.candidates)]


def names_in(candidates: str) -> list[str]:
    """Return the names in a list separated by commas; linear is always tried and left out here."""
    names = (name.strip() for name in candidates.split(","))
    return [name for name in dict.fromkeys(names) if name not in ("", "linear")]


SMOOTHED = 6
"""Pixels over which the expected errors are smoothed, on each side."""
_LOOKED_AT = 4_000_000
_SOME_SECTIONS = 100.0
"""Floats for each pixel of a section: those of all candidates for the sections that are mixed at a time (measured)."""


def spec_of(name: str) -> MethodSpec:
    """Return the method of a candidate, which may name a preset too."""
    from .. import registry

    return registry.get(registry.method_and_preset(name)[0])


def candidate_config(config: AutoConfig, name: str) -> MethodConfig:
    """Return the parameters with which a candidate is run."""
    from .. import registry

    spec = spec_of(name)
    preset = cast(Preset, registry.method_and_preset(name)[1] or config.effort)
    values = dict(spec.presets.get(preset, {}))
    if config.training_steps is not None and "training_steps" in spec.config.model_fields:
        values["training_steps"] = config.training_steps
    return config.part(spec, values)


def _halo(config: AutoConfig) -> int | None:
    """Return the largest margin that a candidate needs, and room to smooth; None if one needs whole sections."""
    margins = [spec_of(name).halo(candidate_config(config, name)) for name in names_in(config.candidates)]
    known = [margin for margin in margins if margin is not None]
    return SMOOTHED + max(known, default=0) if len(known) == len(margins) else None


def _z_reach(config: AutoConfig, acquisition: Acquisition) -> int | None:
    """Return the most sections beyond those at a gap that a candidate needs, or linear; None if one needs all."""
    linear = spec_of("linear")
    parts = [(linear, linear.config()), *config.parts()]
    known = [spec.z_reach(each, acquisition) for spec, each in parts]
    return None if None in known else max(reach for reach in known if reach is not None)


def _floats(config: AutoConfig) -> float:
    """Return two, for the mixture and how wrong it is, and one for each candidate asked at once beyond the first."""
    from .rendering import sees_far

    return 1.0 + max(1, sum(sees_far(spec, each) for spec, each in config.parts()))


def _images(config: AutoConfig, threads: int) -> float:
    """Return what the candidates take that make some sections at a time, and those sections."""
    return _SOME_SECTIONS + max((spec.images(each, threads) for spec, each in config.parts()), default=0.0)


def _takes_lazy(config: AutoConfig) -> bool:
    """Return whether all candidates take a stack that is still in its file."""
    return all(spec.takes_lazy(each) for spec, each in config.parts())


def _can_share(config: AutoConfig) -> bool:
    """Return whether no candidate learns anything that serves one channel only."""
    return all(spec.training is None or spec.can_share(each) for spec, each in config.parts())


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
    cost="15 s (fast), 35 s (balanced) or 6 min (best) for 192 x 192 x 31 sections on two quiet cores",
    presets={"fast": {"effort": "fast"}, "balanced": {}, "best": {"effort": "best", "candidates": BOTH_SIZES}},
    training=TrainingSpec(TrainingCost(AutoConfig.most_steps, AutoConfig.limited, looked_at=_LOOKED_AT)),
    tiling=Tiling(halo=_halo, z_reach=_z_reach, lazy=_takes_lazy, floats=_floats, images=_images),
    acquisitions=frozenset({"slice", "projection", "thick"}),
    gives_uncertainty=True,
    shares_fit=_can_share,
    devices=("cpu", "cuda", "mps"),
)

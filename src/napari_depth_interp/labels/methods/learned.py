"""The method ``learned``: outlines weighed against what the image looks like inside objects."""

from __future__ import annotations

from pydantic import Field

from ...method import Runtime
from ..method import LabelMethod, LabelMethodSpec
from .flow import LabelFlowConfig


class LearnedConfig(LabelFlowConfig):
    """Parameters of labels that a network fills in."""

    steps: int = Field(
        default=300,
        ge=20,
        le=5000,
        title="Training steps",
        description="Steps of the network that learns from the annotated sections what objects look like. More: a "
        "little better, and slower; 300 take a few seconds.",
    )


def _create(config: LearnedConfig, runtime: Runtime) -> LabelMethod:
    from ..learning import Learned

    return Learned(config, runtime)


LEARNED = LabelMethodSpec(
    name="learned",
    title="Learned",
    summary="Learns in seconds from the annotated sections what objects look like, and weighs that against their "
    "moving outlines. The best one where objects stand out in the image.",
    config=LearnedConfig,
    create=_create,
    needs_image=True,
)

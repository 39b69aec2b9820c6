"""The contract between a method and everything else.

A method is one :class:`MethodSpec` in :mod:`napari_depth_interp.methods.registry`. The spec says
what the method needs and can; its config is the only place where its parameters live; the
object made by ``create`` fits on a stack and gives sections at any depths.
"""

from .spec import (
    FEWEST_STEPS,
    CompositeConfig,
    Enhances,
    Enlarges,
    Interpolates,
    Kind,
    MethodConfig,
    MethodSpec,
    Preset,
    Tiling,
    TrainingCost,
    TrainingSpec,
    limit_training_steps,
    model_fields,
    steps_without_model,
)
from .work import (
    Drafts,
    Explains,
    Findings,
    Guided,
    Method,
    Refits,
    Runtime,
    Sections,
    StretchesZ,
    sections_of,
    working_dtype,
)

__all__ = [
    "FEWEST_STEPS",
    "CompositeConfig",
    "Drafts",
    "Enhances",
    "Enlarges",
    "Explains",
    "Findings",
    "Guided",
    "Interpolates",
    "Kind",
    "Method",
    "MethodConfig",
    "MethodSpec",
    "Preset",
    "Refits",
    "Runtime",
    "Sections",
    "StretchesZ",
    "Tiling",
    "TrainingCost",
    "TrainingSpec",
    "limit_training_steps",
    "model_fields",
    "sections_of",
    "steps_without_model",
    "working_dtype",
]

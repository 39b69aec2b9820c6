"""Slice enhancement by a convolutional auto-encoder (Yamashita; OCT)."""

from __future__ import annotations

from pydantic import Field

from ...method import Method, MethodSpec, Runtime
from ..enhancement.config import EnhanceConfig


class CaeConfig(EnhanceConfig):
    """Parameters of the auto-encoder; the defaults are the preset balanced."""

    filters: int = Field(
        default=32,
        ge=1,
        le=512,
        title="Filters",
        description="Filters of the first level; each further level has twice as many.",
    )
    levels: int = Field(
        default=3,
        ge=1,
        le=6,
        title="Levels",
        description="How often rows and columns are halved on the way to the code.",
    )
    code: int = Field(
        default=32,
        ge=1,
        le=1024,
        title="Code channels",
        description="Numbers that the code keeps of each block of 2^levels by 2^levels pixels. Fewer: smoother.",
    )


def _create(config: CaeConfig, runtime: Runtime) -> Method:
    from ..enhancement.method import Enhancer
    from ..enhancement.train import Kind
    from .network import Cae

    return Enhancer(Kind("cae", Cae.from_model, ("filters", "levels", "code")), config, runtime)


CAE = MethodSpec(
    name="cae",
    title="Auto-encoder enhancement",
    summary="Takes the noise out of every section by squeezing it through a short code; blurs fine structure. For "
    "comparison with srcnn, which is better.",
    config=CaeConfig,
    create=_create,
    cost="20 s (fast) to minutes (best) of training on two cores; with a model a second per ten megapixels",
    presets={
        "fast": {"iterations": 500},
        "balanced": {},
        "best": {"iterations": 10000},
    },
    keeps_observed=False,
    enhances=True,
    z_reach=0,
    trains_on_stack=True,
    trainable=True,
    devices=("cpu", "cuda", "mps"),
)

"""SRCNN slice enhancement (Yamashita; OCT)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...method import Method, MethodSpec, Runtime
from ..enhancement.config import EnhanceConfig


class SrcnnConfig(EnhanceConfig):
    """Parameters of SRCNN; the defaults are the preset balanced."""

    filters: int = Field(
        default=64,
        ge=1,
        le=1024,
        title="Filters",
        description="Filters of the first convolution (9 x 9), as in SRCNN's paper. More: better and slower.",
    )
    mapped: int = Field(
        default=32, ge=1, le=1024, title="Mapped filters", description="Filters of the second convolution (1 x 1)."
    )
    output: Literal["residual", "sigmoid"] = Field(
        default="residual",
        title="Output",
        description="What the network gives. residual: what to add to the noisy image; sigmoid: the image itself, "
        "through a sigmoid, as published.",
    )


def _create(config: SrcnnConfig, runtime: Runtime) -> Method:
    from ..enhancement.method import Enhancer
    from ..enhancement.train import Kind
    from .network import Srcnn

    return Enhancer(Kind("srcnn", Srcnn.from_model, ("filters", "mapped", "output")), config, runtime)


SRCNN = MethodSpec(
    name="srcnn",
    title="SRCNN enhancement",
    summary="Takes the noise out of every section, on the same grid; trained on pairs of noisy and clean images, or "
    "on the noisy stack alone. Also before interpolation, with --enhance srcnn.",
    config=SrcnnConfig,
    create=_create,
    cost="20 s (fast) to minutes (best) of training on two cores; with a model a second per ten megapixels",
    presets={
        "fast": {"iterations": 500},
        "balanced": {},
        "best": {"iterations": 10000},
    },
    keeps_observed=False,
    enhances=True,
    tile_halo=6,
    z_reach=0,
    trains_on_stack=True,
    trainable=True,
    devices=("cpu", "cuda", "mps"),
)

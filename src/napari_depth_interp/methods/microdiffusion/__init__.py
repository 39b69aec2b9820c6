"""MicroDiffusion: a diffusion model on XY sections, guided by a prior and the closest recorded image.

Hui et al., CVPR 2024 (arXiv 2403.10815).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from ...method import (
    CompositeConfig,
    Method,
    MethodConfig,
    MethodSpec,
    Preset,
    Runtime,
    TrainingCost,
    TrainingSpec,
)
from ...nn.noise_schedule import Schedule
from .. import registry


class MicroDiffusionConfig(CompositeConfig):
    """Parameters of MicroDiffusion; the defaults are the preset balanced."""

    prior: Literal["auto", "inr", "cubic", "linear", "none"] = Field(
        default="auto",
        title="Prior",
        description="First estimate that guides the diffusion. auto: nearest to the truth; inr: as published; "
        "cubic or linear interpolation; none: naive diffusion.",
    )
    effort: Preset = Field(
        default="fast",
        title="Effort of the prior",
        description="Preset that the prior is run with: fast, balanced, best; published, where it has one.",
    )
    prior_options: str = Field(
        default="",
        title="Parameters of the prior",
        description="Parameters of the prior over its preset, as KEY=VALUE with commas between them, such as "
        "field=mlp, averaging=published.",
    )
    prior_training_steps: int | None = Field(
        default=None,
        ge=10,
        le=1_000_000,
        title="Training steps of the prior",
        description="Training steps of the priors auto and inr. Not set: as the preset of the prior says.",
    )
    diffusion: bool = Field(
        default=True,
        title="Diffusion",
        description="Draw samples. Off: the prior alone (the rows of the paper's Table 1 without diffusion).",
    )
    draws: Literal["residual", "image"] = Field(
        default="residual",
        title="What is drawn",
        description="residual: what the prior misses, nearest to the hidden sections; image: the grey values, "
        "as published.",
    )
    gamma: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        title="Share of the prior",
        description="Share of the prior that is mixed into the noisy section that the network sees (equation 9). 0.1 "
        "as published.",
    )
    prior_use: Literal["both", "blend", "condition"] = Field(
        default="both",
        title="How the prior is given",
        description="How the network is given the prior. blend: mixed into the noisy section, as published; "
        "condition: beside the recorded image; both: both ways.",
    )
    prior_training: Literal["frozen", "trainable", "joint"] = Field(
        default="frozen",
        title="Training of the prior",
        description="Only for the prior inr. frozen: fitted before, as published; trainable: fitted before, then "
        "trained on; joint: trained with the diffusion from its start.",
    )
    condition: Literal["added", "attention", "none"] = Field(
        default="added",
        title="Condition",
        description="How the network is told the closest recorded image and the depth. added: at every residual "
        "block, as published; attention: cross attention at the coarsest level; none: not at all.",
    )
    image_code: Literal["spatial", "global"] = Field(
        default="spatial",
        title="Code of the image",
        description="What the network is told of the closest recorded image. spatial: features of every place; global: "
        "one vector for the whole image, as the public code has it.",
    )
    self_attention: bool = Field(
        default=False,
        title="Self-attention",
        description="Let all pixels of the coarsest level look at each other, as published. Slower on large images.",
    )
    frequencies: int = Field(
        default=16,
        ge=1,
        le=1024,
        title="Frequencies of the depth",
        description="Each gives a sine and a cosine of the place in the stack and of that in the recorded image. 128 "
        "make the 512 numbers of the paper.",
    )
    positions: Literal["gaussian", "sincos"] = Field(
        default="gaussian",
        title="Positions",
        description="Frequencies of the depth's features. gaussian: random, as published; sincos: evenly spread "
        "octaves.",
    )
    learn: Literal["both", "mean", "coarser", "projection"] = Field(
        default="both",
        title="What is learned from",
        description="What training compares. mean: the mean of the predicted sections with the recorded "
        "image; coarser: recorded images are averaged in pairs and have to be found again, which "
        "teaches how sections differ; both: in turn; projection: each section with the recorded "
        "image, as algorithm 1 is printed.",
    )
    noised: Literal["prior", "projection"] = Field(
        default="prior",
        title="What is made noisy",
        description="What stands for the sections behind a projection, which are not known, when noise is added in "
        "training. prior: those of the prior; projection: the recorded image, as algorithm 1 is printed.",
    )
    uncondition: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        title="Condition dropped",
        description="Probability with which the condition is left out in training, for guidance. Not stated in the "
        "paper.",
    )
    guidance: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        title="Guidance",
        description="Weight w by which what the condition changes is exaggerated: (1 + w) with it - w without it. "
        "Above 0 sampling takes twice as long. Not stated in the paper; its code has 1.8.",
    )
    training_steps: int = Field(
        default=800, ge=10, le=1_000_000, title="Training steps", description="Steps of the diffusion model (AdamW)."
    )
    batch: int = Field(
        default=12,
        ge=1,
        le=1024,
        title="Sections per step",
        description="About how many pieces of sections are looked at in one training step.",
    )
    window: int = Field(
        default=48,
        ge=8,
        le=4096,
        title="Window (pixels)",
        description="Side of the pieces of sections that the network is trained on.",
    )
    channels: int = Field(
        default=16,
        ge=8,
        le=512,
        multiple_of=8,
        title="Network width",
        description="Channels of the U-Net at full resolution. Time grows with about its square.",
    )
    levels: int = Field(
        default=3,
        ge=1,
        le=5,
        title="Network levels",
        description="Resolutions of the U-Net; each halves rows and columns. More: looks farther.",
    )
    learning_rate: float = Field(
        default=2e-3,
        gt=0.0,
        le=0.1,
        title="Learning rate",
        description="Step size of AdamW. 0.0002 as published.",
    )
    rate_falls: bool = Field(
        default=True,
        title="Falling learning rate",
        description="Let the step size rise at first and fall to 2 % by a cosine. Off: constant, as published.",
    )
    steps: int = Field(
        default=3,
        ge=1,
        le=1000,
        title="Sampling steps",
        description="Steps from noise to sections (DDIM). 1: nearest to the truth; about 10: most texture; "
        "1000 with eta=1: plain DDPM, as published.",
    )
    eta: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        title="Randomness",
        description="Share of fresh noise at each sampling step (eta of DDIM). 0: none; 1: as DDPM.",
    )
    samples: int = Field(
        default=8,
        ge=1,
        le=256,
        title="Samples",
        description="Results that are drawn. Their mean is returned, and their standard deviation as the "
        "uncertainty; with a single sample it is not known. Time grows in proportion.",
    )
    schedule: Schedule = "scaled_linear"
    zero_snr: bool = Field(
        default=True,
        title="End in pure noise",
        description="Rescale the schedule so that its last step holds no image: needed for few sampling steps.",
    )
    correct: bool = Field(
        default=True,
        title="Match the data",
        description="After every step add what averages of the sections miss of the recorded images. Off: as "
        "published.",
    )
    noise: Literal["auto", "keep"] = Field(
        default="auto",
        title="Noise",
        description="auto: white noise is taken out of projections before, where it can be told from texture, so that "
        "averages of the result match them within their noise; keep: they are matched noise and all.",
    )
    self_check: bool = Field(
        default=True,
        title="Check on own images",
        description="Trust what the mean of the samples adds to the prior only as far as it helps on image rows that "
        "training does not see. Off: trusted fully, as a single sample always is.",
    )

    @model_validator(mode="after")
    def _fits(self) -> MicroDiffusionConfig:
        if self.prior_training != "frozen" and self.prior != "inr":
            raise ValueError(f"prior_training={self.prior_training} needs prior=inr: no other prior can be trained")
        if self.prior_options and self.prior == "none":
            raise ValueError(f"prior_options={self.prior_options} needs a prior: prior=none has no parameters")
        try:
            self.parts()
        except ValidationError as error:
            wrong = error.errors()[0]
            name, message = ".".join(map(str, wrong["loc"])), wrong["msg"]
            raise ValueError(
                f"prior_options={self.prior_options} does not fit {self.prior}: {name}: {message}"
            ) from None
        return self

    def prior_of(self, name: str) -> tuple[MethodSpec, MethodConfig]:
        """Return a method as a prior, with its parameters."""
        spec = registry.get(name)
        if self.effort == "published" and spec.presets and self.effort not in spec.presets:
            raise ValueError(f"effort=published needs prior=inr: {name} has no such preset")
        values: dict[str, Any] = dict(spec.presets.get(self.effort, {}))
        if name == "inr" and self.prior_training == "joint":
            values["training_steps"] = 0
        elif name in ("auto", "inr") and self.prior_training_steps is not None:
            values["training_steps"] = self.prior_training_steps
        return spec, self.part(spec, values | (_options(self.prior_options) if name == self.prior else {}))

    def parts(self) -> Sequence[tuple[MethodSpec, MethodConfig]]:
        """Return the prior."""
        return [self.prior_of("linear" if self.prior == "none" else self.prior)]

    def most_steps(self) -> int:
        """Return the training steps of the diffusion model, or of the prior."""
        return max(self.training_steps if self.diffusion else 0, super().most_steps())

    def limited(self, steps: int) -> Any:
        """Return parameters under which both train for less."""
        copied = super().limited(steps)
        own = min(self.training_steps, copied._share_of(self.training_steps))
        return copied.model_copy(update={"training_steps": own})


def _options(text: str) -> dict[str, str]:
    """Return KEY=VALUE, KEY=VALUE as a mapping; pydantic makes numbers of the values."""
    pairs = [each.partition("=") for each in text.split(",") if each.strip()]
    if bad := [key for key, sign, _ in pairs if not sign]:
        raise ValueError(f"prior_options holds '{bad[0].strip()}'; write KEY=VALUE, KEY=VALUE")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _create(config: MicroDiffusionConfig, runtime: Runtime) -> Method:
    from .method import MicroDiffusion

    return MicroDiffusion(config, runtime)


MICRODIFFUSION = MethodSpec(
    name="microdiffusion",
    title="MicroDiffusion",
    summary="Diffusion on XY sections, guided by a prior and the closest recorded image: samples and their "
    "standard deviation for projections (means of n sections), without their white noise. For slices use auto.",
    config=MicroDiffusionConfig,
    create=_create,
    cost="2 min (fast) to many minutes (balanced, best) for 22 projections of 128 x 128 on two cores; "
    "published: many hours",
    presets={
        "fast": {"training_steps": 300, "levels": 2, "samples": 4, "steps": 2},
        "balanced": {},
        "best": {"training_steps": 4000, "channels": 32, "effort": "balanced", "steps": 10},
        "published": {
            "prior": "inr",
            "effort": "published",
            "draws": "image",
            "prior_use": "blend",
            "gamma": 0.1,
            "learn": "projection",
            "noised": "projection",
            "image_code": "global",
            "self_attention": True,
            "frequencies": 128,
            "learning_rate": 2e-4,
            "rate_falls": False,
            "training_steps": 22_000,
            "channels": 64,
            "levels": 4,
            "window": 128,
            "steps": 1000,
            "eta": 1.0,
            "samples": 1,
            "schedule": "linear",
            "zero_snr": False,
            "correct": False,
            "noise": "keep",
            "self_check": False,
        },
    },
    gives_uncertainty=True,
    sampled=True,
    suits="projections",
    training=TrainingSpec(TrainingCost(MicroDiffusionConfig.most_steps, MicroDiffusionConfig.limited)),
    devices=("cpu", "cuda"),
)

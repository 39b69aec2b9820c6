"""The parameters of 3-D RRDB-GAN, by what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

OF_THE_RUN = ("flips", "back_projection", "precision")
"""Parameters that belong to the recipe of a run: a model keeps them, and a run takes them unless others are given."""


class RunParameters(BaseModel):
    """What a run with a trained model can choose."""

    flips: int = Field(
        default=2,
        ge=1,
        le=8,
        title="Views",
        description="How many mirrored or turned copies of the stack the network sees. Their mean is "
        "returned, their standard deviation as the uncertainty; with one view of one model it is not known. "
        "Time grows in proportion.",
    )
    ensemble: str = Field(
        default="",
        title="Further models",
        description="Folders of further models, separated by commas: the mean over all models is returned, and their "
        "std joins the uncertainty.",
    )
    back_projection: bool = Field(
        default=True,
        title="Keep to the data",
        description="Take out of the result whatever contradicts the input: averages of the result are the "
        "input, or observed sections stay. Off: as the network gives it, as published.",
    )
    truth_maximum: float | None = Field(
        default=None,
        gt=0.0,
        title="Maximum of the truth",
        description="Largest value of the fine volume, in the units of the input, where it is known: what becomes 1 in "
        "a run with a model whose scale is truth. Not set: the maximum of the input, which is lower.",
    )
    tile: int | None = Field(
        default=None,
        ge=4,
        le=256,
        title="Tile size",
        description="Voxels of the input along each side that the network sees at once, without the overlap. Not set: "
        "as many as the free memory allows.",
    )


class NetworkParameters(BaseModel):
    """What the generator is."""

    generator: Literal["rrdb", "residual"] = Field(
        default="rrdb",
        title="Generator",
        description="rrdb: dense blocks in residuals (3-D RRDB-Net); residual: plain residual blocks, as the "
        "predecessor 3D-SRCGAN.",
    )
    features: int = Field(
        default=32,
        ge=4,
        le=256,
        title="Features",
        description="Channels between blocks; published: 64. Time grows with about the square.",
    )
    growth: int = Field(
        default=16,
        ge=2,
        le=128,
        title="Growth",
        description="Channels that each convolution of a dense block adds; published: 32.",
    )
    blocks: int = Field(
        default=5, ge=1, le=64, title="Blocks", description="RRDB or residual blocks in a row; published: 10 (5, 15)."
    )
    tail: Literal["staged", "direct"] = Field(
        default="staged",
        title="Enlarging",
        description="staged: by steps of 2 with a convolution each, as published; direct: in one step, several times "
        "faster and with less memory, for small networks.",
    )
    dimensions: int = Field(
        default=3,
        ge=2,
        le=3,
        title="Dimensions",
        description="3: the network sees volumes; 2: it enlarges every section by itself and sections between are "
        "interpolated linearly, as SRGAN and ESRGAN run section by section.",
    )
    base: Literal["cubic", "none"] = Field(
        default="cubic",
        title="Base estimate",
        description="cubic: the network adds to cubic interpolation with back-projection, so that it begins where that "
        "ends; none: it makes everything itself, as published.",
    )
    scale: Literal["range", "maximum", "truth"] = Field(
        default="range",
        title="Intensity scale",
        description="What becomes 0 to 1. range: minimum to maximum of the input; maximum: zero to the maximum of the "
        "input; truth: in training zero to the maximum of the truth, as published, which a run does not know (see "
        "truth_maximum).",
    )


class ObjectiveParameters(BaseModel):
    """What training makes small."""

    objective: Literal["faithful", "conservative", "published"] = Field(
        default="conservative",
        title="Objective",
        description="Weights of the losses. faithful: squared error and structural similarity only; conservative: also "
        "a little perceptual and adversarial loss; published: 0.2 perceptual, 0.001 adversarial.",
    )
    mse_weight: float = Field(
        default=1.0, ge=0.0, le=1000.0, title="Squared error", description="Weight of the mean squared error."
    )
    ssim_weight: float = Field(
        default=1.0,
        ge=0.0,
        le=1000.0,
        title="Structural similarity",
        description="Weight of 1 minus the structural similarity. 0, with weight 1 of the squared error: MSE only.",
    )
    perceptual_weight: float | None = Field(
        default=None,
        ge=0.0,
        le=1000.0,
        title="Perceptual loss",
        description="Weight of the difference of features of planes. Not set: by the objective.",
    )
    adversarial_weight: float | None = Field(
        default=None,
        ge=0.0,
        le=10.0,
        title="Adversarial loss",
        description="Weight of deceiving the discriminator. Not set: by the objective. 0: no discriminator is trained.",
    )
    adversary: Literal["plain", "relativistic"] = Field(
        default="plain",
        title="Discriminator says",
        description="plain: whether a volume is real, as published and in SRGAN; relativistic: whether it is more real "
        "than the others on average, as in ESRGAN.",
    )
    perceptual: Literal["vgg", "random", "spectrum"] = Field(
        default="spectrum",
        title="Features",
        description="What planes are compared by. vgg: VGG16 trained on photographs, as published (see VGG weights); "
        "random: the same network untrained; spectrum: Fourier amplitudes. The last two need no download.",
    )
    vgg_weights: Path | None = Field(
        default=None,
        title="VGG weights",
        description="File of torchvision's VGG16 weights (.safetensors or .pth), so that nothing is downloaded.",
        json_schema_extra={"files": "Weights (*.safetensors *.pth)"},
    )
    vgg_download: bool = Field(
        default=False,
        title="Download VGG weights",
        description="Allow the VGG16 weights (553 MB) to be loaded from pytorch.org once; checked by their hash.",
    )
    slices: int = Field(
        default=10,
        ge=0,
        le=10_000,
        title="Planes",
        description="Planes of each direction that the perceptual loss looks at in a step; published: 10 (0, 20, 30, "
        "all). More than there are: all.",
    )
    slices_at_end: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        title="Planes at the end",
        description="The number of planes changes evenly to this one over the training. Not set: it stays.",
    )
    slice_choice: Literal["random", "important"] = Field(
        default="random",
        title="Choice of planes",
        description="random: all planes alike, as published; important: planes with large errors more often, weighted "
        "so that the mean stays right.",
    )
    slice_size: int = Field(
        default=224,
        ge=16,
        le=1024,
        title="Plane size",
        description="Pixels that planes are brought to for vgg and random; published: 224. Time grows with the square.",
    )
    discriminator_channels: int = Field(
        default=64,
        ge=4,
        le=256,
        title="Discriminator width",
        description="Channels of the discriminator's first level; each of its 4 levels doubles them.",
    )


class TrainingParameters(BaseModel):
    """How it is trained."""

    start_from: Path | None = Field(
        default=None,
        title="Start from",
        description="Folder of a model with the same network whose weights training begins with: a faithful one, for "
        "example, before the perceptual and adversarial losses join.",
    )
    patch: int = Field(
        default=20,
        ge=4,
        le=256,
        title="Patch",
        description="Rows and columns of the coarse patches; published: 30 (20, 15). Less where a volume is smaller.",
    )
    patch_z: int = Field(
        default=15, ge=4, le=256, title="Patch sections", description="Sections of the coarse patches; published: 20 "
        "(15, 10). Less where a volume is smaller.",
    )  # fmt: skip
    patches_per_volume: int = Field(
        default=8, ge=1, le=10_000, title="Patches of a volume", description="Patches cut out of each volume; an epoch "
        "sees every one once.",
    )  # fmt: skip
    fresh_patches: bool = Field(
        default=False,
        title="Cut anew",
        description="Cut other patches in every step. Off: once at the beginning, as published.",
    )
    batch: int = Field(default=8, ge=1, le=512, title="Batch", description="Patches of a step; published: 16.")
    epochs: int = Field(
        default=200, ge=1, le=1_000_000, title="Epochs", description="How often all patches are seen; published: 200."
    )
    learning_rate: float = Field(
        default=2e-4, gt=0.0, le=0.1, title="Learning rate", description="Step size of the training (Adam, betas 0.9 "
        "and 0.99).",
    )  # fmt: skip
    schedule: Literal["halving", "cosine"] = Field(
        default="halving",
        title="Schedule",
        description="How the generator's learning rate falls. halving: by half every so many epochs, as published; "
        "cosine: evenly to almost nothing. The discriminator's stays.",
    )
    halve_every: int = Field(
        default=70, ge=1, le=1_000_000, title="Halve every", description="Epochs after which the generator's learning "
        "rate is halved; published: 70.",
    )  # fmt: skip
    augment: bool = Field(
        default=True,
        title="Turn patches",
        description="Mirror patches and exchange rows and columns at random. Off: as published.",
    )
    blur: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        title="Blur",
        description="Standard deviation in fine voxels of a blur before the coarse volume is made (eq. 3.1).",
    )
    noise: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        title="Noise",
        description="Standard deviation of noise added to the coarse volume, as a share of its range (eq. 3.1).",
    )
    weight_average: float = Field(
        default=0.99,
        ge=0.0,
        lt=1.0,
        title="Weight average",
        description="Share of the running average of the weights that stays at each step. 0: the last weights, as "
        "published.",
    )
    clip: float = Field(
        default=1.0,
        ge=0.0,
        le=1e6,
        title="Clip",
        description="Largest length of a gradient. 0: as it is, as published.",
    )
    validation_share: float = Field(
        default=0.1,
        ge=0.0,
        le=0.5,
        title="Validation share",
        description="Share of the files of a training folder that are held back to find the best weights, at least "
        "one; of a single volume its last sections. 0: none, and the last weights are kept.",
        json_schema_extra={"hides": True},
    )
    validate_every: int = Field(
        default=5,
        ge=1,
        le=100_000,
        title="Validate every",
        description="Epochs between two validations on the held-back volumes.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        le=10_000,
        title="Patience",
        description="Looks at the validation volumes without a better score after which training ends. 0: never.",
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto",
        title="Number format",
        description="auto: convolutions in bfloat16 where the hardware has it, as published; float32: never.",
    )
    channels_last: bool = Field(
        default=True,
        title="Channels last",
        description="Keep the channels of a voxel side by side in memory, which bfloat16 convolutions prefer.",
    )
    compiled: bool = Field(
        default=False,
        title="Compile",
        description="Let torch.compile translate the networks first: minutes at the start, worth it in long trainings.",
    )

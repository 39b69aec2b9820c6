"""Trains the weights that section_sr starts from: on simulated images only, so that nobody's data are in them.

Images are planes in all three directions of the simulated specimens, at random voxel sizes, sharpness and noise, and
"dead leaves": shapes of all sizes that cover each other, with textures, outlines, blur and noise, which have the edges
and the scales of natural images (Lee, Mumford and Huang, IJCV 2001). The same seed and number of steps give the same
weights on the same machine. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.section_sr.fit import loss_of, optimisers_of
from napari_depth_interp.methods.section_sr.network import RowNet
from napari_depth_interp.methods.section_sr.patches import Patches
from napari_depth_interp.methods.section_sr.ready import MEAN, SIZES, STD, file_of, save
from napari_depth_interp.nn.checkpoint import Checkpoint
from napari_depth_interp.nn.loop import Plan, train
from napari_depth_interp.nn.runtime import torch_on
from napari_depth_interp.progress import Progress
from napari_depth_interp.simulate import SPECIMENS, Optics, simulate

Floats = NDArray[np.float32]

SIZE = 160
"""Rows and columns of an image."""
NARROWEST, WIDEST = 1.3, 20.0
"""Gaps in pixels: all that section_sr asks for at gaps of 2 to 8 pixels."""
LEAVES, SPECIMEN_PLANES, SPECIMENS_EACH = 900, 60, 6


def main() -> None:
    """Make the images, train, write the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="32x4", help="width x depth of the network")
    parser.add_argument("--out", type=Path, help="default: where section_sr looks for them")
    parser.add_argument("--steps", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = args.out or file_of(args.size)
    rng = np.random.default_rng(args.seed)
    parts = [*specimens(rng), np.stack([standardised(leaves(rng)) for _ in range(LEAVES)])]
    images = torch.from_numpy(np.concatenate(parts))
    print(f"{len(images)} images of {SIZE} x {SIZE}", flush=True)
    with torch_on(Runtime(seed=args.seed)):
        patches = Patches(images, 16)
        network = RowNet(*SIZES[args.size], MEAN, STD).to(memory_format=torch.channels_last)

        def loss(moving: nn.Module, step_rng: np.random.Generator) -> Tensor:
            gap = math.exp(step_rng.uniform(math.log(NARROWEST), math.log(WIDEST)))
            return loss_of(moving, patches.draw(gap, step_rng), squared=False)

        plan = Plan(args.steps, average=0.998, seed=args.seed)
        checkpoint = Checkpoint(out.with_suffix(".unfinished"), f"{args.steps} {args.seed} {args.size}", every=500)
        trained = train(network, optimisers_of(network), loss, plan, report=say, checkpoint=checkpoint)
    save(out, trained.network, {"steps": args.steps, "seed": args.seed, "images": len(images)})
    shutil.rmtree(checkpoint.folder)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB, last losses {np.mean(trained.history.losses[-500:]):.5f}")


def say(progress: Progress) -> None:
    """Print the loss now and then."""
    point = progress.training
    if point is not None and point.step % 500 == 0:
        print(f"{point.step} of {point.steps}: {point.loss:.5f}", flush=True)


def standardised(images: Floats) -> Floats:
    """Return images of the mean and the std that the ready weights expect."""
    low, high = np.percentile(images, (0.1, 99.9))
    scaled = (images - low) / max(high - low, 1e-6)
    return np.asarray((scaled - scaled.mean()) / max(scaled.std(), 1e-3) * STD + MEAN, np.float32)


def specimens(rng: np.random.Generator) -> list[Floats]:
    """Return planes of each simulated specimen, isotropic, differently fine, sharp and noisy."""
    found = []
    for name in SPECIMENS:
        for _ in range(SPECIMENS_EACH):
            voxel = math.exp(rng.uniform(math.log(0.25), math.log(1.0)))
            photons = math.exp(rng.uniform(math.log(80), math.log(4000)))
            blur = rng.uniform(0.15, 0.5)
            dataset = simulate(
                name, shape=(96, SIZE, SIZE), voxel_size=(voxel,) * 3, seed=int(rng.integers(1 << 30)), dtype="float32",
                optics=Optics(psf_sigma=(blur, blur), photons=photons, attenuation=0.0),
            ).observed  # fmt: skip
            found.append(standardised(planes(dataset.voxels[0, 0], rng)))
    return found


def planes(volume: Floats, rng: np.random.Generator) -> Floats:
    """Return random XY, XZ and YZ planes; short sides are continued as in a mirror."""
    found = []
    for _ in range(SPECIMEN_PLANES):
        turned = np.moveaxis(volume, int(rng.integers(3)), 0)
        plane = turned[int(rng.integers(len(turned)))]
        found.append(np.pad(plane, [(0, max(0, SIZE - side)) for side in plane.shape], mode="symmetric"))
    return np.stack([plane[:SIZE, :SIZE] for plane in found])


@dataclass(frozen=True)
class Style:
    """What one image of dead leaves looks like."""

    count: int
    radii: tuple[float, float]
    steepness: float
    textured: bool
    outline: float | None
    width: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Style:
        """Return a random style: sparse or crowded, plain or textured, with or without outlines."""
        sparse = rng.random() < 0.35
        outline = rng.choice([0.0, 1.0, rng.random()]) if rng.random() < 0.5 else None
        return cls(
            count=int(rng.integers(15, 60) if sparse else rng.integers(150, 600)),
            radii=(rng.uniform(1.5, 4), math.exp(rng.uniform(math.log(12), math.log(60)))),
            steepness=rng.uniform(1.5, 3.2),
            textured=rng.random() < 0.6,
            outline=outline,
            width=rng.uniform(0.7, 2.5),
        )

    def radius(self, rng: np.random.Generator) -> float:
        """Return a radius in pixels; how often it occurs falls with a power of it."""
        power = 1 - self.steepness
        low, high = (each**power for each in self.radii)
        return float((low + rng.random() * (high - low)) ** (1 / power))


def leaves(rng: np.random.Generator) -> Floats:
    """Return one image of ellipses that cover each other."""
    style, side = Style.drawn(rng), SIZE + 16
    image = np.full((side, side), rng.random() * 0.3, np.float32)
    for _ in range(style.count):
        draw_leaf(image, style, rng)
    if style.textured:
        image += rng.uniform(0.02, 0.12) * texture(side, rng)
    image = gaussian_filter(image, rng.uniform(0.3, 1.6))[8:-8, 8:-8]
    noise = 0.0 if rng.random() < 0.4 else rng.uniform(0.002, 0.04)
    return np.asarray(image + noise * rng.normal(size=image.shape), np.float32)


def draw_leaf(image: Floats, style: Style, rng: np.random.Generator) -> None:
    """Draw an ellipse over what is there."""
    radius, side = style.radius(rng), len(image)
    ratio = math.exp(rng.uniform(-0.6, 0.6))
    long, short = radius * ratio, radius / ratio
    if rng.random() < 0.1:  # a fibre
        long, short = 3 * long, max(0.8, short / 3)
    row, column, angle = rng.random() * side, rng.random() * side, rng.random() * math.pi
    reach = max(long, short) + 4
    rows, columns = (slice(max(0, int(c - reach)), max(1, min(side, int(c + reach) + 1))) for c in (row, column))
    y, x = np.mgrid[rows, columns].astype(np.float32)
    y, x = y - row, x - column
    along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    inside = (1 - np.sqrt((along / long) ** 2 + (across / short) ** 2)) * min(long, short)
    slope = rng.normal(size=2) * 0.15 / max(radius, 1.0) if style.textured else (0.0, 0.0)
    fill = rng.random() + slope[0] * along + slope[1] * across
    if style.outline is not None:
        fill = fill + (style.outline - fill) * np.exp(-((inside / style.width) ** 2))
    cover = np.clip(inside + 0.5, 0, 1)
    image[rows, columns] = image[rows, columns] * (1 - cover) + fill * cover


def texture(side: int, rng: np.random.Generator) -> Floats:
    """Return noise whose amplitude falls with a power of the frequency, of standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    found = np.fft.irfft2(
        np.fft.rfft2(rng.normal(size=(side, side))) / frequency ** rng.uniform(0.8, 1.6), (side, side)
    )
    return np.asarray(found / found.std(), np.float32)


if __name__ == "__main__":
    main()

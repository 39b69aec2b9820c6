"""A small 3-D network that finds objects, trained on simulated tissue only: what it sees in a benchmark is new to it.

It tells the inside of objects from their border and from the rest. It learns at all distances of sections, so that it
takes a sparse stack as it is: that is its own way with anisotropy.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, zoom
from scipy.ndimage import label as connected
from skimage.segmentation import find_boundaries, watershed
from torch import nn

from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset

NUCLEI = 2
"""The class of the simulated organoid whose connected parts are objects."""
_SEEDS = tuple(range(8))
_SHAPE, _VOXEL = (64, 96, 96), (0.5, 0.5, 0.5)
_STEPS, _BATCH, _CROP, _CHANNELS = 400, 2, 48, 12
_APART = (1, 2, 4, 8)
_MULTIPLE = 4
_INSIDE, _THERE = 0.5, 0.5
_SPECK = 60
"""Pixels cubed."""


class Network(nn.Module):
    """Two levels down and up; sections are averaged in pairs only at the second."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = _block(1, _CHANNELS), _block(_CHANNELS, 24), _block(24, 48)
        self.back, self.last = _block(48 + 24, 24), _block(24 + _CHANNELS, _CHANNELS)
        self.out = nn.Conv3d(_CHANNELS, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, 3, Z, Y, X): outside, border, inside."""
        first = self.first(image)
        second = self.second(nn.functional.avg_pool3d(first, (1, 2, 2)))
        third = self.third(nn.functional.avg_pool3d(second, 2))
        second = self.back(torch.cat([nn.functional.interpolate(third, second.shape[2:]), second], 1))
        result: torch.Tensor = self.out(
            self.last(torch.cat([nn.functional.interpolate(second, first.shape[2:]), first], 1))
        )
        return result


def _block(before: int, after: int) -> nn.Sequential:
    layers = [nn.Conv3d(before, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv3d(after, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU())


def trained(folder: Path | None) -> Network:
    """Return the network, from ``segmenter.safetensors`` in the folder if it is there; otherwise train and keep it."""
    from safetensors.torch import load_file, save_file

    network = Network()
    file = None if folder is None else folder / "segmenter.safetensors"
    if file is not None and file.exists():
        network.load_state_dict(load_file(file))
        return network.eval()
    torch.manual_seed(0)
    network = Network()
    _train(network)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), file)
    return network.eval()


def _train(network: Network) -> None:
    random = np.random.default_rng(0)
    volumes = [_example(seed) for seed in _SEEDS]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=_STEPS)
    weights = torch.tensor([1.0, 2.0, 2.0])
    for _ in range(_STEPS):
        apart = int(random.choice(_APART))
        pairs = [_patch(*volumes[random.integers(len(volumes))], apart, random) for _ in range(_BATCH)]
        images, truths = (torch.from_numpy(np.stack(each)) for each in zip(*pairs, strict=True))
        loss = nn.functional.cross_entropy(network(images[:, None]), truths, weights)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def _example(seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a simulated image and its classes: 0 outside, 1 border, 2 inside."""
    made = simulate("organoid", shape=_SHAPE, voxel_size=_VOXEL, seed=seed)
    objects = objects_of(made.labels)
    border = find_boundaries(objects, connectivity=1, mode="inner")
    return scaled(made.observed.voxels[0, 0]), np.where(objects == 0, 0, np.where(border, 1, 2)).astype(np.int64)


def objects_of(classes: NDArray[Any]) -> NDArray[np.int32]:
    """Return the nuclei of a simulated organoid as objects."""
    return np.asarray(connected(classes == NUCLEI)[0], np.int32)


def _patch(
    image: NDArray[np.float32], classes: NDArray[np.int64], apart: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return sections that lie ``apart``, with other brightness and noise, turned and mirrored."""
    y, x = (int(random.integers(size - _CROP + 1)) for size in image.shape[1:])
    depth = max(len(image) // apart // _MULTIPLE * _MULTIPLE // 2, 8)
    start = int(random.integers(len(image) - (depth - 1) * apart))
    where = (slice(start, start + depth * apart, apart), slice(y, y + _CROP), slice(x, x + _CROP))
    seen, truth = image[where], classes[where]
    for axis in range(3):
        if random.random() < 0.5:
            seen, truth = np.flip(seen, axis), np.flip(truth, axis)
    noise = random.normal(0, random.uniform(0, 0.1), seen.shape)
    made = np.clip(seen, 0, None) ** random.uniform(0.7, 1.4) + noise
    return np.ascontiguousarray(made, np.float32), np.ascontiguousarray(truth)


def scaled(voxels: NDArray[Any]) -> NDArray[np.float32]:
    """Return intensities from percentile 1 to 99.8 as 0 to 1."""
    low, high = np.percentile(voxels, [1, 99.8])
    return np.asarray((voxels - low) / max(high - low, 1e-9), np.float32)


def segmenter(network: Network, radius: float) -> Any:
    """Return a segmenter for objects of a radius in pixels, which are brought to the size that was learned."""
    return partial(_segment, network=network, shrink=_RADIUS / radius)


_RADIUS = 5.5
"""Of the simulated nuclei, in pixels."""


def _segment(stack: Dataset, network: Network, shrink: float) -> NDArray[Any]:
    image = scaled(stack.voxels[0, 0])
    grid = stack.grid
    step = 1.0 if grid.pixel_size is None or grid.spacing is None else grid.spacing / float(np.mean(grid.pixel_size))
    along_z = shrink if step <= 1.5 else 1.0  # sections that lie apart are left as they are
    small = zoom(image, (along_z, shrink, shrink), order=1)
    short = [(-size) % _MULTIPLE for size in small.shape]
    padded = np.pad(small, [(0, each) for each in short], mode="reflect" if min(small.shape) > _MULTIPLE else "edge")
    with torch.inference_mode():
        chances = network(torch.from_numpy(padded)[None, None]).softmax(1)[0].numpy()
    chances = chances[:, : small.shape[0], : small.shape[1], : small.shape[2]]
    inside, there = chances[2], 1 - chances[0] > _THERE
    seeds = connected(inside > _INSIDE)[0]
    sizes = np.bincount(seeds.ravel()) * (step if along_z == 1.0 else 1.0)
    seeds[sizes[seeds] < _SPECK] = 0
    objects = watershed(-distance_transform_edt(inside > _INSIDE), seeds, mask=there)
    places = [np.minimum(np.arange(a) * b // a, b - 1) for a, b in zip(image.shape, small.shape, strict=True)]
    return np.asarray(objects[np.ix_(*places)], np.int32)

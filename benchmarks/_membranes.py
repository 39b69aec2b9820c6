"""Neurites in electron microscopy: a small 2-D network finds the membranes, and what lies between them is one.

It learns from membranes that people drew in a stack of another place, which is then not judged. It sees one section at
a time; where sections are as near as pixels, also the planes along the other axes: that is its own way with anisotropy.
Its constants were chosen on sections of that other stack which it has not learned from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from scipy.ndimage import label as connected
from skimage.graph import merge_hierarchical, rag_boundary
from skimage.morphology import h_maxima
from skimage.segmentation import watershed
from torch import nn

from napari_depth_interp.evaluation.segmenters import voxel_size
from napari_depth_interp.stack import Dataset

Plane = NDArray[np.float32]

_STEPS, _BATCH, _CROP, _CHANNELS = 350, 6, 96, 12
_LEARNED = 15
"""Sections that are learned from; on the others the constants below were chosen."""
_SCALES = (0.5, 1.2)
_NEAR = 1.5
"""Sections not further apart, in pixels, are cut along all axes."""
_DEEPER, _WEAK = 1.5, 0.7
"""Pixels that the middle of a neurite lies deeper than what is around it; a membrane less likely is none."""
_MULTIPLE = 4


class Membranes(nn.Module):
    """Two levels down and up."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = _block(1, _CHANNELS), _block(_CHANNELS, 24), _block(24, 48)
        self.back, self.last = _block(48 + 24, 24), _block(24 + _CHANNELS, _CHANNELS)
        self.out = nn.Conv2d(_CHANNELS, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, 1, Y, X): log-odds of a membrane."""
        first = self.first(image)
        second = self.second(nn.functional.avg_pool2d(first, 2))
        third = self.third(nn.functional.avg_pool2d(second, 2))
        second = self.back(torch.cat([nn.functional.interpolate(third, second.shape[2:]), second], 1))
        both = torch.cat([nn.functional.interpolate(second, first.shape[2:]), first], 1)
        result: torch.Tensor = self.out(self.last(both))
        return result


def _block(before: int, after: int) -> nn.Sequential:
    layers = [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(4, after), nn.ReLU())


def trained(folder: Path, image: NDArray[Any], drawn: NDArray[Any]) -> Membranes:
    """Return the network, from ``membranes.safetensors`` in the folder if it is there; otherwise train and keep it.

    Parameters
    ----------
    folder : Path
    image, drawn : (Z, Y, X) array
        Sections, and where membranes are.
    """
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    network, file = Membranes(), folder / "membranes.safetensors"
    if file.exists():
        network.load_state_dict(load_file(file))
        return network.eval()
    _train(network, scaled(image[:_LEARNED]), drawn[:_LEARNED] > 0)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), file)
    return network.eval()


def _train(network: Membranes, image: Plane, drawn: NDArray[np.bool_]) -> None:
    random = np.random.default_rng(0)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=_STEPS)
    weight = torch.tensor(2.0)
    for _ in range(_STEPS):
        pairs = [_patch(image, drawn, random) for _ in range(_BATCH)]
        images, truths = (torch.from_numpy(np.stack(each)[:, None]) for each in zip(*pairs, strict=True))
        loss = nn.functional.binary_cross_entropy_with_logits(network(images), truths, pos_weight=weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def _patch(image: Plane, drawn: NDArray[np.bool_], random: np.random.Generator) -> tuple[Plane, Plane]:
    """Return a part of a section at another scale, with other sharpness, brightness and noise, turned and mirrored."""
    scale = random.uniform(*_SCALES)
    side = min(int(np.ceil(_CROP / scale)), *image.shape[1:])
    y, x = (int(random.integers(size - side + 1)) for size in image.shape[1:])
    where = (int(random.integers(len(image))), slice(y, y + side), slice(x, x + side))
    seen = zoom(gaussian_filter(image[where], random.uniform(0.2, 0.7) / scale), _CROP / side, order=1)
    truth = zoom(drawn[where].astype(np.float32), _CROP / side, order=1) > 0.5
    seen = np.clip(gaussian_filter(seen, random.uniform(0, 1.2)), 0, 1.2) ** random.uniform(0.6, 1.6)
    seen = seen * random.uniform(0.7, 1.3) + random.uniform(-0.15, 0.15)
    seen = seen + random.normal(0, random.uniform(0, 0.1), seen.shape)
    turns, mirrored = int(random.integers(4)), int(random.choice([-1, 1]))
    seen, truth = (np.rot90(each, turns)[::mirrored] for each in (seen, truth))
    return np.ascontiguousarray(seen, np.float32), np.ascontiguousarray(truth, np.float32)


def scaled(voxels: NDArray[Any]) -> Plane:
    """Return intensities from percentile 1 to 99 as 0 to 1."""
    low, high = np.percentile(voxels, [1, 99])
    return np.asarray((voxels - low) / max(high - low, 1e-9), np.float32)


def between_membranes(stack: Dataset, network: Membranes) -> NDArray[np.int32]:
    """Return identifiers (Z, Y, X) of what lies between membranes."""
    step = np.asarray(voxel_size(stack))
    voxels = scaled(stack.voxels[0, 0])
    axes = (0, 1, 2) if step[0] <= _NEAR else (0,)
    chance = np.mean([np.moveaxis(_planes(network, np.moveaxis(voxels, axis, 0)), 0, axis) for axis in axes], axis=0)
    depth = gaussian_filter(distance_transform_edt(chance < 0.5, sampling=step), 1 / step)
    middles = connected(h_maxima(depth.astype(np.float32), _DEEPER))[0]
    if not middles.any():
        return np.zeros(voxels.shape, np.int32)
    return _merged(watershed(chance, middles), chance)


def _planes(network: Membranes, voxels: Plane) -> Plane:
    """Return the chance of a membrane in each plane (N, A, B)."""
    short = [(0, (-size) % _MULTIPLE) for size in voxels.shape[1:]]
    padded = np.pad(voxels, [(0, 0), *short], mode="reflect" if min(voxels.shape[1:]) > _MULTIPLE else "edge")
    with torch.inference_mode():
        chances = [network(torch.from_numpy(each)[None, None]).sigmoid()[0, 0].numpy() for each in padded]
    return np.stack(chances)[:, : voxels.shape[1], : voxels.shape[2]]


def _merged(pieces: NDArray[np.int32], chance: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Join pieces, the weakest membrane between two first, as long as it is weak."""
    if pieces.max() < 2:
        return pieces
    graph = rag_boundary(pieces, chance)
    found = merge_hierarchical(
        pieces, graph, _WEAK, rag_copy=False, in_place_merge=True, merge_func=_nothing, weight_func=_mean
    )
    return np.asarray(found + 1, np.int32)


def _nothing(graph: Any, source: int, target: int) -> None:
    """Nodes carry nothing that would have to be joined."""


def _mean(graph: Any, source: int, target: int, neighbour: int) -> dict[str, float]:
    """Return the membrane between a joined piece and its neighbour: the mean over the faces of both."""
    none = {"weight": 0.0, "count": 0}
    parts = [graph[each].get(neighbour, none) for each in (source, target)]
    count = sum(each["count"] for each in parts)
    return {"count": count, "weight": sum(each["weight"] * each["count"] for each in parts) / count}

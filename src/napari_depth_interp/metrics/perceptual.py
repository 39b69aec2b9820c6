"""LPIPS: how different two images look to a network that was trained on photographs.

Zhang, Isola, Efros, Shechtman & Wang, CVPR 2018, version 0.1: features of an image network, normalised over channels,
squared differences weighted by what people judged, averaged over pixels and summed over layers. The weights
of the linear_weights come with the package ``lpips``, those of the image network from the internet:
``models/weights.py`` loads both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..errors import WeightsError
from .comparison import Comparison
from .volume import VolumePair

_TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29), "squeeze": (1, 4, 7, 9, 10, 11, 12)}
"""Layers of the image networks after which features are compared."""
_SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Pixels of the shorter side that the networks need."""
_MEAN, _STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of photographs at -1 to 1, per colour."""
_MOST_PLANES = 128
"""Planes of each direction that ``lpips_planes`` looks at; of larger stacks some, evenly spread."""

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Distance:
    """LPIPS of one pair of images: the mean, and where it comes from (Y, X)."""

    mean: float
    where: NDArray[np.float32]


class Lpips:
    """LPIPS with one image network.

    Parameters
    ----------
    net : str
        alex, vgg or squeeze.
    backbone : mapping of str -> Tensor
        torchvision's weights of that network (``features.*``).
    linear_weights : mapping of str -> Tensor
        What the differences of each layer count (``lin0.model.1.weight`` ...).

    Raises
    ------
    WeightsError
        If the weights belong to another network.
    """

    def __init__(self, net: str, backbone: dict[str, Tensor], linear_weights: dict[str, Tensor]) -> None:
        self.net = net
        self._layers = _features(net, backbone)
        self._heads = [linear_weights[f"lin{number}.model.1.weight"] for number in range(len(_TAPS[net]))]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of this shape are large enough."""
        return min(shape) >= _SMALLEST[self.net]

    @torch.no_grad()
    def distance(self, reference: NDArray[Any], test: NDArray[Any], data_range: tuple[float, float]) -> Distance:
        """Compare two images (Y, X); values are brought from the data range to -1..1 and clipped."""
        a, b = (_as_photograph(image, data_range) for image in (reference, test))
        mean = torch.zeros(())
        where = torch.zeros(1, 1, *reference.shape)
        for one, other, head in zip(self._taps(a), self._taps(b), self._heads, strict=True):
            apart = functional.conv2d((_normalised(one) - _normalised(other)).square(), head)
            mean += apart.mean()
            where += functional.interpolate(apart, size=reference.shape, mode="bilinear", align_corners=False)
        return Distance(float(mean), where[0, 0].numpy())

    def _taps(self, image: Tensor) -> Iterator[Tensor]:
        for number, layer in enumerate(self._layers):
            image = layer(image)
            if number in _TAPS[self.net]:
                yield image

    def score_section(self, pair: Comparison) -> Scores:
        """Return ``lpips`` and ``lpips_fg`` of a section; None where images are too small or hold NaN."""
        if not self.fits(pair.reference.shape) or not pair.valid.all():
            return {"lpips": None, "lpips_fg": None}
        found = self.distance(pair.reference, pair.test, pair.data_range)
        inside = found.where[pair.foreground]
        return {"lpips": found.mean, "lpips_fg": float(inside.mean()) if inside.size else None}

    def score_volume(self, pair: VolumePair) -> Scores:
        """Return ``lpips_planes`` (and ``_fg``): the mean over hidden XY sections and all XZ and YZ planes.

        Directions count by their number of planes (``LPIPS[mean]`` of Nishioka 2026).
        """
        if min(pair.reference.shape) < _SMALLEST[self.net]:
            return {"lpips_planes": None, "lpips_planes_fg": None}
        total, inside = np.zeros(2), np.zeros(2)
        for axis in range(3):
            numbers = np.flatnonzero(pair.hidden) if axis == 0 else np.arange(pair.reference.shape[axis])
            if not len(numbers):
                continue
            few = numbers[np.unique(np.linspace(0, len(numbers) - 1, _MOST_PLANES).round().astype(int))]
            for number in few.tolist():
                reference, test, mask = (
                    each.take(number, axis) for each in (pair.reference, pair.test, pair.foreground)
                )
                if not (np.isfinite(reference).all() and np.isfinite(test).all()):
                    return {"lpips_planes": None, "lpips_planes_fg": None}
                found, weight = self.distance(reference, test, pair.data_range), len(numbers) / len(few)
                total += weight * found.mean, weight
                inside += weight * float(found.where[mask].sum()), weight * int(mask.sum())
        return {
            "lpips_planes": float(total[0] / total[1]) if total[1] else None,
            "lpips_planes_fg": float(inside[0] / inside[1]) if inside[1] else None,
        }


def _features(net: str, backbone: dict[str, Tensor]) -> list[torch.nn.Module]:
    from torchvision import models

    make = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}[net]
    with torch.device("meta"):  # nothing is drawn at random or allocated
        network = make(weights=None).features
    wanted = {name: tensor.float() for name, tensor in backbone.items() if name.startswith("features.")}
    try:
        network.load_state_dict({name.removeprefix("features."): each for name, each in wanted.items()}, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"these are not the weights of the image network '{net}'; choose its torchvision file"
        ) from error
    layers = list(network.eval().requires_grad_(False))[: _TAPS[net][-1] + 1]
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False  # features that were handed out must not change
    return layers


def _as_photograph(image: NDArray[Any], data_range: tuple[float, float]) -> Tensor:
    low, high = data_range
    scaled = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1) * 2 - 1
    colours = torch.from_numpy(scaled.astype(np.float32)).expand(1, 3, -1, -1)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (_MEAN, _STD))
    return (colours - mean) / std


def _normalised(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)

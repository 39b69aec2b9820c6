"""LPIPS: how different two images look to a network that was trained on photographs.

Zhang, Isola, Efros, Shechtman & Wang, CVPR 2018, version 0.1: features of an image network, normalised over channels,
squared differences weighted by what people judged, averaged over pixels and summed over layers. The networks are those
of the authors' package ``lpips``, which comes with the linear weights; the weights of the image network come from
the internet. ``models/weights.py`` loads both, the package neither: it would run pickles.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import WeightsError
from .comparison import Comparison
from .volume import VolumePair

_SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
"""Pixels of the shorter side that the networks need."""
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
        self._network = _network(net, backbone, linear_weights)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of this shape are large enough."""
        return min(shape) >= _SMALLEST[self.net]

    @torch.no_grad()
    def distance(self, reference: NDArray[Any], test: NDArray[Any], data_range: tuple[float, float]) -> Distance:
        """Compare two images (Y, X); values are brought from the data range to -1..1 and clipped."""
        import lpips

        one, other = (self._features(image, data_range) for image in (reference, test))
        mean = torch.zeros(())
        where = torch.zeros(1, 1, *reference.shape)
        for these, those, weigh in zip(one, other, self._network.lins, strict=True):
            apart = weigh((lpips.normalize_tensor(these) - lpips.normalize_tensor(those)).square())
            mean += apart.mean()  # the package gives the mean or the map, each for a pass of its own
            where += lpips.upsample(apart, reference.shape)
        return Distance(float(mean), where[0, 0].numpy())

    def _features(self, image: NDArray[Any], data_range: tuple[float, float]) -> tuple[Tensor, ...]:
        scaled = self._network.scaling_layer(_as_photograph(image, data_range))
        return tuple(self._network.net(scaled))

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


def _network(net: str, backbone: dict[str, Tensor], linear_weights: dict[str, Tensor]) -> Any:
    """Return the authors' network with these weights; the package draws or loads none itself."""
    with warnings.catch_warnings(), torch.device("meta"):  # nothing is drawn at random or allocated
        warnings.simplefilter("ignore")  # it calls torchvision in an old way
        import lpips

        network = lpips.LPIPS(pretrained=False, net=net, pnet_rand=True, spatial=True, verbose=False)
    own = {name.partition(".")[2]: name for name in network.net.state_dict()}  # slice1.0.weight is features.0.weight
    given = {name.removeprefix("features."): each for name, each in backbone.items() if name.startswith("features.")}
    try:
        network.net.load_state_dict({own.get(name, name): each.float() for name, each in given.items()}, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"these are not the weights of the image network '{net}'; choose its torchvision file"
        ) from error
    for number, layer in enumerate(network.lins):
        layer.load_state_dict({"model.1.weight": linear_weights[f"lin{number}.model.1.weight"]}, assign=True)
    return network.requires_grad_(False)


def _as_photograph(image: NDArray[Any], data_range: tuple[float, float]) -> Tensor:
    low, high = data_range
    scaled = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1) * 2 - 1
    return torch.from_numpy(scaled.astype(np.float32)).expand(1, 3, -1, -1)

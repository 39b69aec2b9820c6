"""The enhancing networks and what they share.

SRCNN: three convolutions, no up-scaling (Dong et al., TPAMI 2016; for OCT: Yamashita). CAE: strided convolutions down
to a code, transposed ones back (Yamashita).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...nn.chunks import in_chunks

SINCE = {"normalisation": "range", "edges": "continued"}
"""What is true of models that were trained before these parameters were there."""
_PADDING: Mapping[str, Literal["replicate", "zeros"]] = {"continued": "replicate", "zero": "zeros"}
_FLAT = 1e-6


class EnhancingNetwork(nn.Module):
    """Turns (B, 1, Y, X) images at about 0 to 1 into images of the same shape, of any size.

    Parameters
    ----------
    normalisation : {"range", "standard"}
        The convolutions see the images as they are, or less their mean and divided by their standard deviation
        (:meth:`measure`).
    """

    def __init__(self, normalisation: str) -> None:
        super().__init__()
        self._standard = normalisation == "standard"
        if self._standard:
            self.register_buffer("mean", torch.tensor(0.0))
            self.register_buffer("std", torch.tensor(1.0))

    mean: Tensor
    std: Tensor
    whole = 1
    """Pixels of which strips of an image have to be a multiple, so that each is enhanced as in the whole image."""
    reach = 0
    """Rows on each side that a row depends on."""

    @torch.no_grad()
    def enhanced(self, image: Tensor) -> Tensor:
        """Return an image (Y, X) enhanced: at once, or in strips where the memory does not suffice for that."""
        height, whole = len(image), self.whole
        beyond = -(-self.reach // whole) * whole

        def strip(some: slice) -> Tensor:
            first, last = some.start * whole, min(height, some.stop * whole)
            top = max(0, first - beyond)
            made: Tensor = self(image[None, None, top : last + beyond])[0, 0]
            return made[first - top : last - top]

        count = -(-height // whole)
        strips = [made for _, made in in_chunks(count, count, strip)]
        return strips[0] if len(strips) == 1 else torch.cat(strips)

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images."""

    def measure(self, images: Sequence[Tensor]) -> None:
        """Take mean and standard deviation of all pixels of the noisy images, where the network is to know them."""
        if self._standard:
            pixels = torch.cat([each.float().flatten() for each in images])
            self.mean.fill_(float(pixels.mean()))
            self.std.fill_(max(float(pixels.std()), _FLAT))

    def seen(self, images: Tensor) -> Tensor:
        """Return what the first convolution sees."""
        return (images - self.mean) / self.std if self._standard else images


def output_of(made: Tensor) -> Tensor:
    """Return an image through a sigmoid, in full precision."""
    return made.float().sigmoid()


def give_mean(bias: Tensor | None, mean: float) -> None:
    """Set the bias of the last convolution before a sigmoid."""
    inside = min(max(mean, 0.01), 0.99)
    assert bias is not None
    with torch.no_grad():
        bias.fill_(math.log(inside / (1 - inside)))


class Srcnn(EnhancingNetwork):
    """Patches (9 x 9), a mapping of each (1 x 1), reconstruction (5 x 5); any image size.

    Parameters
    ----------
    filters, mapped : int
        Filters of the first and of the second convolution.
    output : {"residual", "sigmoid"}
        The last convolution gives what to add to the image, or the image itself through a sigmoid.
    normalisation : {"range", "standard"}
    edges : {"continued", "zero"}
        What is seen beyond the image.
    """

    reach = 6

    def __init__(self, filters: int, mapped: int, output: str, normalisation: str, edges: str) -> None:
        super().__init__(normalisation)
        self._output = output
        self.patches = nn.Conv2d(1, filters, 9, padding=4, padding_mode=_PADDING[edges])
        self.mapping = nn.Conv2d(filters, mapped, 1)
        self.reconstruction = nn.Conv2d(mapped, 1, 5, padding=2, padding_mode=_PADDING[edges])

    @classmethod
    def from_model(cls, config: Mapping[str, Any]) -> Srcnn:
        """Make the network that a model folder describes."""
        return cls(config["filters"], config["mapped"], config["output"], config["normalisation"], config["edges"])

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images, where it gives them itself."""
        if self._output == "sigmoid":
            give_mean(self.reconstruction.bias, mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 1, Y, X) images of the same shape."""
        inner = functional.relu(self.mapping(functional.relu(self.patches(self.seen(images)))))
        made: Tensor = self.reconstruction(inner)
        return images + made.float() if self._output == "residual" else output_of(made)


class Cae(EnhancingNetwork):
    """Levels of half the resolution each, a code of few channels, and back; any image size.

    The published one has a dense layer, which fixes the image size; here a 1 x 1 convolution makes the code.

    Parameters
    ----------
    filters : int
        Filters of the first level; each further level has twice as many.
    levels : int
    code : int
        Channels of the code.
    tied : bool
        The way back has the weights and biases of the way there, transposed, with the row and the column that a level
        lacks added (output padding): as published. Only the last bias, which has no counterpart, is its own.
    normalisation : {"range", "standard"}
    edges : {"continued", "zero"}
        What is seen beyond the image.
    """

    def __init__(self, filters: int, levels: int, code: int, tied: bool, normalisation: str, edges: str) -> None:
        super().__init__(normalisation)
        self._levels, self._edges, self._tied = levels, edges, tied
        self.whole = 2**levels
        self.reach = 3 * self.whole
        widths = [1, *(filters * 2**level for level in range(levels))]
        self.down = nn.ModuleList(
            nn.Conv2d(few, many, 3, stride=2, padding=1, padding_mode=_PADDING[edges]) for few, many in pairwise(widths)
        )
        self.encode = nn.Conv2d(widths[-1], code, 1)
        if tied:
            self.last_bias = nn.Parameter(torch.zeros(1))
            return
        self.decode = nn.Conv2d(code, widths[-1], 1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(many, few, 4, stride=2, padding=1)
            for many, few in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )

    @classmethod
    def from_model(cls, config: Mapping[str, Any]) -> Cae:
        """Make the network that a model folder describes."""
        return cls(*(config[name] for name in ("filters", "levels", "code", "tied", "normalisation", "edges")))

    def begin_at(self, mean: float) -> None:
        """Let an untrained network give about the mean of the images."""
        if self._tied:
            give_mean(self.last_bias, mean)
            return
        last = self.up[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        give_mean(last.bias, mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 1, Y, X) images of the same shape; edges are continued to whole codes in between."""
        height, width = images.shape[2:]
        inner = self._whole(self.seen(images))
        for each in self.down:
            inner = functional.relu(each(inner))
        code = functional.relu(self.encode(inner))
        return output_of(self._tied_back(code) if self._tied else self._back(code))[:, :, :height, :width]

    def _whole(self, images: Tensor) -> Tensor:
        """Return images whose sides are whole numbers of codes."""
        height, width = images.shape[2:]
        missing = (0, -width % 2**self._levels, 0, -height % 2**self._levels)
        return functional.pad(images, missing, mode="constant" if self._edges == "zero" else "replicate")

    def _back(self, code: Tensor) -> Tensor:
        inner = functional.relu(self.decode(code))
        for each in self.up[:-1]:
            inner = functional.relu(each(inner))
        made: Tensor = self.up[-1](inner)
        return made

    def _tied_back(self, code: Tensor) -> Tensor:
        """Return what the transposed convolutions make of a code; each has the bias of the level that it leads to."""
        down = [each for each in self.down if isinstance(each, nn.Conv2d)]
        inner = functional.conv_transpose2d(code, self.encode.weight, down[-1].bias)
        biases = [self.last_bias, *(each.bias for each in down[:-1])]
        for each, bias in zip(reversed(down), reversed(biases), strict=True):
            inner = functional.conv_transpose2d(
                functional.relu(inner), each.weight, bias, stride=2, padding=1, output_padding=1
            )
        return inner

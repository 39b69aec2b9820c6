"""Training patches: pairs of noisy and wanted images, crops, flips, rotations; hidden pixels where nothing is wanted.

Yamashita: 20 random crops of 227 x 227 per image, each as it is, flipped either way and turned by 90 degrees either
way, cut into patches of 41 with a stride of 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...nn.batches import at_once
from ...nn.windows import Window, Windows
from ...system.transfer import sent
from .config import EnhanceConfig
from .pairs import Pair

VARIANTS = 5
_TURNS: tuple[tuple[tuple[int, int], tuple[int, ...]], ...] = (
    ((0, 1), ()), ((0, 1), (1,)), ((0, 1), (0,)), ((1, 0), (0,)), ((1, 0), (1,)),
)  # fmt: skip
"""The variants of :func:`turned` as windows: along which axes they run, and which of theirs are mirrored."""
_BLIND_SHARE = 0.03
"""Share of the pixels of a patch that are hidden, without those around them (Krull et al., CVPR 2019: about 0.02)."""


@dataclass(frozen=True, eq=False)
class Batch:
    """``seen`` and ``wanted`` (B, 1, P, P), and which pixels ``count`` (None: all)."""

    seen: Tensor
    wanted: Tensor
    count: Tensor | None = None


class Patches:
    """Draws batches from pairs.

    Parameters
    ----------
    pairs : sequence of Pair
    config : EnhanceConfig
    seed : int
        Of the crops.
    hide : int or None
        Hide pixels, which are then all that counts, and those around them as far as this.
    """

    def __init__(self, pairs: Sequence[Pair], config: EnhanceConfig, seed: int, *, hide: int | None) -> None:
        self._pairs, self._config, self._hide = pairs, config, hide
        self._seed = seed
        self._windows = Windows([image for pair in pairs for image in (pair.seen, pair.wanted)])

    def draw(self, rng: np.random.Generator) -> Batch:
        """Return one batch; patches are smaller where images are."""
        images = rng.integers(len(self._pairs), size=at_once(self._config.batch))
        smallest = min(min(self._pairs[i].seen.shape) for i in images)
        size = min(self._config.patch, smallest, self._config.crop)
        seen = [self._place_of(int(i), size, rng) for i in images]
        wanted = [replace(each, source=each.source + 1) for each in seen]
        both = self._windows.cut([*seen, *wanted], (size, size))[:, None].float()
        images_seen, images_wanted = both[: len(seen)], both[len(seen) :]
        return Batch(images_seen, images_wanted) if self._hide is None else hidden(images_seen, self._hide, rng)

    def _place_of(self, image: int, size: int, rng: np.random.Generator) -> Window:
        """Return where a patch of what is seen lies, and how it is turned."""
        top, left, height, width = self._crop(image, rng)
        top += self._place(height - size, rng)
        left += self._place(width - size, rng)
        axes, flips = _TURNS[int(rng.integers(VARIANTS))]
        return Window(2 * image, (top, left), axes, flips)

    def _crop(self, image: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Return one of the image's crops: its first row and column, its height and width."""
        height, width = self._pairs[image].seen.shape
        if self._config.crops:
            rng = np.random.default_rng((self._seed, image, int(rng.integers(self._config.crops))))
        sizes = min(self._config.crop, height), min(self._config.crop, width)
        top, left = (int(rng.integers(whole - size + 1)) for whole, size in zip((height, width), sizes, strict=True))
        return top, left, *sizes

    def _place(self, room: int, rng: np.random.Generator) -> int:
        return self._config.stride * int(rng.integers(room // self._config.stride + 1))


def turned(image: Tensor, variant: int) -> Tensor:
    """Return an image as it is (0), flipped left-right or up-down, or turned by 90 degrees either way."""
    if variant in (1, 2):
        return image.flip(variant % 2)
    return torch.rot90(image, 1 if variant == 3 else -1) if variant > 2 else image


def hidden(images: Tensor, radius: int, rng: np.random.Generator) -> Batch:
    """Hide some pixels of images (B, 1, P, P), with all within ``radius``, behind others from just outside.

    Only the middle pixels count: the network cannot have seen them, nor what is noisy together with them (blind
    spots: Krull et al., CVPR 2019; wider ones: Broaddus et al., ISBI 2020).
    """
    count, _, height, width = images.shape
    radius = max(0, min(radius, (min(height, width) - 5) // 4))  # what replaces them must lie in the image
    share = _BLIND_SHARE / (2 * radius + 1)
    drawn = rng.random((count, 1, height, width)) < share
    drawn[:, :, height // 2, width // 2] = True  # every patch counts
    middle, rows, columns = sent(images.device, drawn, *_elsewhere(images.shape, radius, rng))
    covered = torch.nn.functional.max_pool2d(middle.float(), 2 * radius + 1, 1, radius) > 0
    of = torch.arange(count, device=images.device)[:, None, None]
    other = images[of, 0, rows, columns][:, None]
    return Batch(torch.where(covered, other, images), images, middle)


def _elsewhere(shape: torch.Size, radius: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each pixel the row and column (B, P, P) of another near it.

    It is more than twice the radius away: thus outside whatever is hidden together with the pixel.
    """
    count, _, height, width = shape
    far = 2 * radius + 2
    down, across = rng.integers(-far, far + 1, (2, count, height, width))
    near = np.maximum(np.abs(down), np.abs(across)) <= 2 * radius
    down = np.where(near, np.where(down < 0, -far, far), down)
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    return _inside(rows, down, height), _inside(columns, across, width)


def _inside(index: NDArray[np.intp], step: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return ``index + step``, or ``index - step`` where that lies outside."""
    there = index + step
    return np.asarray(np.where((there < 0) | (there >= size), index - step, there))

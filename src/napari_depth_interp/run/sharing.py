"""Channels that share what a method learns: which they are, the image that it learns from, their range on its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..method import Sections, working_dtype
from ..methods import registry
from ..stack import Stack
from ..stack.colours import luminance
from ..stack.scaling import Scaling
from .request import Request


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that are run together, by the method of a request: one, or several that share what it learns."""

    channels: tuple[int, ...]
    request: Request


def groups_of(request: Request) -> list[Group]:
    """Return the channels in groups: those that share, or each alone; alpha is interpolated linearly."""
    count = request.dataset.voxels.shape[1]
    alpha = count == 4 and request.dataset.rgb
    seen = range(3 if alpha else count)
    groups = [Group(tuple(seen), request)] if request.shares_fit else [Group((c,), request) for c in seen]
    if alpha:
        plain = registry.get("linear" if request.spec.enlarges == 1 else "enlarge")
        groups.append(Group((3,), replace(request, spec=plain, config=plain.config())))
    return groups


@dataclass(frozen=True)
class Guide:
    """How the image that is learned from is made of several channels, voxel by voxel.

    It is the luminance of an RGB image (ITU-R BT.709) in its own type; of other channels the mean, each brought to
    about 0 to 1 by its scaling, as float32.
    """

    scalings: tuple[Scaling, ...] = ()

    @classmethod
    def of(cls, channels: Sequence[NDArray[Any]], *, rgb: bool) -> Guide:
        """Return the recipe for the voxels of these channels."""
        return cls() if rgb else cls(tuple(Scaling.of(each) for each in channels))

    def image(self, channels: Sequence[Stack]) -> Stack:
        """Return the image of the channels, or of the same part of each."""
        first = channels[0]
        if not self.scalings:
            return replace(first, voxels=luminance(*(each.voxels for each in channels)))
        total = np.zeros(first.voxels.shape, np.float32)
        for scaling, each in zip(self.scalings, channels, strict=True):
            total += scaling.apply(each.voxels)
        return replace(first, voxels=total / np.float32(len(channels)))


def guide_of(stacks: Sequence[Stack], *, rgb: bool) -> Stack:
    """Return the image that is learned from."""
    return Guide.of([each.voxels for each in stacks], rgb=rgb).image(stacks)


@dataclass(frozen=True)
class Range:
    """Brings a channel from its smallest and largest value to those of the guide: what a method learned there fits."""

    offset: float
    start: float
    there: float
    back: float

    @classmethod
    def of(cls, channel: NDArray[Any], guide: NDArray[Any]) -> Range:
        """Take the values of a channel; one that is constant stays so."""
        low, high = float(channel.min()), float(channel.max())
        start, stop = float(guide.min()), float(guide.max())
        if low == high:
            return cls(low, start, 0.0, 0.0)
        gain = (stop - start) / (high - low) or 1.0
        return cls(low, start, gain, 1 / gain)

    def apply(self, stack: Stack) -> Stack:
        """Return the stack in the range of the guide, as floats."""
        values: NDArray[Any] = stack.voxels.astype(working_dtype(stack.voxels.dtype))
        return replace(stack, voxels=(values - self.offset) * self.there + self.start)

    def undo(self, sections: Sections) -> Sections:
        """Return sections in the range of the channel."""
        values, errors = (sections.values - self.start) * self.back + self.offset, sections.uncertainty
        return Sections(values, None if errors is None else errors * np.float32(self.back))


@dataclass(frozen=True)
class Sharing:
    """The guide of several channels, and the range of each on it."""

    guide: Guide
    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, guide: Guide, channels: Sequence[NDArray[Any]], image: NDArray[Any]) -> Sharing:
        """Return how channels stand to the image that is learned from."""
        return cls(guide, tuple(Range.of(each, image) for each in channels))

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON holds them."""
        return {
            "scalings": [each.as_json() for each in self.guide.scalings],
            "ranges": [asdict(each) for each in self.ranges],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sharing:
        """Return what was written by :meth:`as_json`."""
        guide = Guide(tuple(Scaling.from_json(each) for each in values["scalings"]))
        return cls(guide, tuple(Range(**each) for each in values["ranges"]))

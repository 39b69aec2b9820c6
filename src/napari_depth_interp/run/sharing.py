"""Channels that share what a method learns: which they are, the image that it learns from, their range on its."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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


def guide_of(stacks: Sequence[Stack], *, rgb: bool) -> Stack:
    """Return the image that is learned from.

    The luminance of an RGB image (ITU-R BT.709) in its own type; of other channels the mean, each brought to about 0
    to 1, as float32.
    """
    if rgb:
        return replace(stacks[0], voxels=luminance(*(each.voxels for each in stacks)))
    total = np.zeros(stacks[0].voxels.shape, np.float32)
    for each in stacks:
        total += Scaling.of(each.voxels).apply(each.voxels)
    return replace(stacks[0], voxels=total / np.float32(len(stacks)))


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

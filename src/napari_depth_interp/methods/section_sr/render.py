"""Applying the network to the XZ and the YZ planes of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...nn.chunks import chunk_bytes, in_chunks
from ...nn.runtime import half_precision
from ...system.transfer import fetched, sent
from .network import RowNet, Told, mixing, unflip

_CHUNK_BYTES = 12 * 2**20
"""Memory of the features of the planes that are computed at once, roughly; more falls out of a CPU's caches."""
Flip = tuple[int, ...]
PLAIN: tuple[Flip, ...] = ((),)
TURNED: tuple[Flip, ...] = ((), (2, 3))
"""The planes as they are, and turned by half beside it: axes of (P, 1, N, X) tensors that are mirrored. Of two versions
these come nearest to the average of all four."""
_GAP_CLASS = 0.25
"""Gaps whose logarithms differ by less are treated alike."""


@dataclass(frozen=True, eq=False)
class Targets:
    """New sections: the gap each lies in, its share of that gap, and all gaps in pixels (N-1,).

    ``alike`` (M,) are the gaps, in pixels, of the stack of which these are a part: those that differ little are told
    to the network as their mean.
    """

    gap_of: NDArray[np.intp]
    share: NDArray[np.float64]
    gaps: NDArray[np.float64]
    alike: NDArray[np.float64]

    @classmethod
    def at(
        cls,
        depths: NDArray[np.float64],
        z: Sequence[float],
        pixel: float,
        scale: float,
        all_gaps: NDArray[np.float64] | None = None,
    ) -> Targets:
        """Locate depths ``z`` between the observed ``depths``; ``scale`` stretches the gaps told to the network.

        ``all_gaps`` are those of the whole stack; None: of these depths.
        """
        wanted = np.clip(np.asarray(z, float), depths[0], depths[-1])
        gap_of = np.clip(np.searchsorted(depths, wanted, side="right") - 1, 0, len(depths) - 2)
        lengths = np.diff(depths)
        gaps = lengths / pixel * scale
        alike = gaps if all_gaps is None else all_gaps / pixel * scale
        return cls(gap_of, (wanted - depths[gap_of]) / lengths[gap_of], gaps, alike)


def corrections(
    network: RowNet,
    planes: Tensor,
    targets: Targets,
    *,
    flips: Sequence[Flip],
    each_chunk: Callable[[float], None],
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield (some planes, what linear interpolation misses there).

    Parameters
    ----------
    planes : (P, N, X) tensor
        XZ or YZ planes: rows are observed sections.
    flips : sequence of axes
        Mirrored versions that are averaged.

    Yields
    ------
    slice, (p, K, X) array
        For the K targets.
    """
    device = planes.device
    gap_of, share = sent(device, targets.gap_of.astype(np.int64), targets.share.astype(np.float32))
    mix = mixing(share, exact=network.exact)
    classes = _gap_classes(network, targets, device)
    per_plane = 4 * network.entry.out_channels * planes.shape[1] * planes.shape[2]

    def wanted(some: slice) -> Tensor:
        bases = _bases(network, planes[some, None], classes, flips)
        return torch.einsum("kj,pjkx->pkx", mix, bases[:, :, gap_of])

    size = max(1, chunk_bytes(device, _CHUNK_BYTES) // per_plane)
    for some, found in fetched(in_chunks(len(planes), size, wanted)):
        yield some, found
        each_chunk(some.stop / len(planes))


@dataclass(frozen=True, eq=False)
class _GapClass:
    """Gaps that are treated alike: the gap that the network is told, its weights for it, and which these are."""

    gap: float
    told: list[Told]
    members: Tensor


def _gap_classes(network: RowNet, targets: Targets, device: torch.device) -> list[_GapClass]:
    classes, all_classes = (np.round(np.log(each) / _GAP_CLASS).astype(int) for each in (targets.gaps, targets.alike))
    used = np.unique(classes[np.unique(targets.gap_of)])
    members = [np.flatnonzero(classes == one) for one in used]
    gaps = [float(np.exp(np.log(targets.alike[all_classes == one]).mean())) for one in used]
    with torch.no_grad(), half_precision(device):
        told = [network.told(gap) for gap in gaps]
    return [_GapClass(*each) for each in zip(gaps, told, sent(device, *members), strict=True)]


def _bases(network: RowNet, rows: Tensor, classes: Sequence[_GapClass], flips: Sequence[Flip]) -> Tensor:
    """Return (P, bases, N-1, X). Where gaps differ, the network runs once for each class of gaps."""
    bases = None
    for one in classes:
        found = _averaged(network, rows, one, flips)
        if bases is None:
            bases = found
        else:
            bases[:, :, one.members] = found[:, :, one.members]
    assert bases is not None
    return bases


def _averaged(network: RowNet, rows: Tensor, at: _GapClass, flips: Sequence[Flip]) -> Tensor:
    total: Tensor | None = None
    for each in flips:
        turned = rows.flip(each) if each else rows
        with torch.no_grad(), half_precision(rows.device):
            found = network(turned.contiguous(memory_format=torch.channels_last), at.gap, at.told)
        found = unflip(found.float(), each) if each else found.float()
        total = found if total is None else total + found
    assert total is not None
    return total / len(flips)

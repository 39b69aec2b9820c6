"""Applying the network to the XZ and the YZ planes of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...nn.runtime import half_precision
from .network import RowNet, mixing, unflip

_CHUNK_BYTES = 12 * 2**20
"""Memory of the features of the planes that are computed at once, roughly; more falls out of a CPU's caches."""
_GPU_CHUNK_BYTES = 48 * 2**20
_FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
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
    flips: int,
    each_chunk: Callable[[float], None],
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield (some planes, what linear interpolation misses there).

    Parameters
    ----------
    planes : (P, N, X) tensor
        XZ or YZ planes: rows are observed sections.
    flips : int
        1, 2 or 4 flipped versions are averaged.

    Yields
    ------
    slice, (p, K, X) array
        For the K targets.
    """
    mix = mixing(torch.from_numpy(targets.share).float(), exact=network.exact).to(planes.device)
    mine = torch.from_numpy(targets.gap_of).to(planes.device)
    channels = network.entry.out_channels
    most = _CHUNK_BYTES if planes.device.type == "cpu" else _GPU_CHUNK_BYTES
    size = max(1, most // (4 * channels * planes.shape[1] * planes.shape[2]))
    for start in range(0, len(planes), size):
        chunk = planes[start : start + size]
        bases = _bases(network, chunk[:, None], targets, flips)
        wanted = torch.einsum("kj,pjkx->pkx", mix, bases[:, :, mine])
        yield slice(start, start + len(chunk)), wanted.cpu().numpy()
        each_chunk((start + len(chunk)) / len(planes))


def _bases(network: RowNet, rows: Tensor, targets: Targets, flips: int) -> Tensor:
    """Return (P, bases, N-1, X). Where gaps differ, the network runs once for each class of gaps."""
    classes, all_classes = (np.round(np.log(each) / _GAP_CLASS).astype(int) for each in (targets.gaps, targets.alike))
    used = np.unique(classes[np.unique(targets.gap_of)])
    bases = None
    for one in used:
        members = np.flatnonzero(classes == one)
        gap = float(np.exp(np.log(targets.alike[all_classes == one]).mean()))
        found = _averaged(network, rows, gap, _FLIPS[:flips])
        if bases is None:
            bases = found
        else:
            bases[:, :, members] = found[:, :, members]
    assert bases is not None
    return bases


def _averaged(network: RowNet, rows: Tensor, gap: float, flips: Sequence[tuple[int, ...]]) -> Tensor:
    total: Tensor | None = None
    for each in flips:
        turned = rows.flip(each) if each else rows
        with torch.no_grad(), half_precision(rows.device):
            found = network(turned.contiguous(memory_format=torch.channels_last), gap)
        found = unflip(found.float(), each) if each else found.float()
        total = found if total is None else total + found
    assert total is not None
    return total / len(flips)

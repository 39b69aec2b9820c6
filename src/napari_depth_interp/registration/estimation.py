"""The transform of every section, from the sections themselves: read one by one, few held at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics.motion import single_threaded
from ..progress import Progress, Report, part, silent
from ..stack import Dataset
from ..stack.colours import luminance
from .chain import REACH, Chain, chain_of, slow_part
from .config import AlignConfig, Drift, Kind, make_config
from .jumps import jumps_of
from .pairs import Motion, Prepared, motion_between, prepared, turned
from .proof import helps
from .transforms import Transforms

_SHARE_OF_COMPARING = 0.9
"""Share of the time that comparing sections takes, roughly; whether moves help is the rest."""


def estimate(dataset: Dataset, kind: Kind = "translation", *, report: Report = silent, **parameters: Any) -> Transforms:
    """Find out how far each section lies from where it belongs.

    Parameters
    ----------
    dataset : Dataset
        Channels are looked at together, as they were recorded together; time points one by one.
    kind : {"translation", "rigid"}
    report : callable
    **parameters
        Other fields of :class:`~napari_depth_interp.registration.config.AlignConfig`: drift, period, smallest.

    Returns
    -------
    Transforms
        Sections that cannot be judged, or would hardly move, have the identity.
    """
    config = make_config(kind=kind, **parameters)
    times = dataset.voxels.shape[0]
    found = [
        displacements(dataset, time, config, config.smallest, part(report, time / times, (time + 1) / times))
        for time in range(times)
    ]
    return Transforms(
        config.kind,
        _pixels(dataset),
        np.stack([each.shifts for each in found]),
        np.stack([each.angles for each in found]),
        np.stack([each.judged for each in found]),
        config.drift,
    ).without_small(config.smallest)


def displacements(dataset: Dataset, time: int, config: AlignConfig, least: float, report: Report) -> Chain:
    """Return how far each section of one time point is from where it belongs; not where it is, as a chain tells.

    Sections that would move by ``least`` pixels or more do so only where that makes them more like their neighbours.
    """
    chain = measured(dataset, time, config.kind, part(report, 0.0, _SHARE_OF_COMPARING))
    shifts, angles = corrections(chain, section_depths(dataset), config.drift, config.period)
    if config.drift == "keep":
        one = Transforms(config.kind, _pixels(dataset), shifts[None], angles[None], chain.judged[None])
        far = np.flatnonzero(one.moved[0] & (one.distances[0] >= least))
        stays = far[~helps(lambda k: prepared(_guide(dataset, time, k)), shifts, angles, far)]
        shifts[stays], angles[stays] = 0.0, 0.0
    report(Progress(1.0, "comparing sections"))
    return replace(chain, shifts=shifts, angles=angles)


def _pixels(dataset: Dataset) -> tuple[int, int]:
    rows, columns = dataset.voxels.shape[-2:]
    return rows, columns


def section_depths(dataset: Dataset) -> NDArray[np.float64]:
    """Return the depths of the sections; counted where they are not known."""
    depths = dataset.grid.depths
    return np.arange(dataset.voxels.shape[2], dtype=float) if depths is None else depths


def measured(dataset: Dataset, time: int, kind: Kind, report: Report) -> Chain:
    """Return where the sections of one time point lie, from comparing each with those before it."""
    motions = motions_of(dataset, time, kind, report)
    return chain_of(motions, dataset.voxels.shape[2], max(dataset.voxels.shape[-2:]) / 4)


def motions_of(dataset: Dataset, time: int, kind: Kind, report: Report) -> dict[tuple[int, int], Motion]:
    """Return where the content of sections lies in those that follow, by their numbers."""
    count = dataset.voxels.shape[2]
    before: deque[Prepared] = deque(maxlen=REACH)
    motions: dict[tuple[int, int], Motion] = {}
    with single_threaded():
        for k in range(count):
            image = prepared(_guide(dataset, time, k))
            for distance, other in enumerate(reversed(before), start=1):
                motions[k - distance, k] = motion_between(other, image, kind)
            before.append(image)
            report(Progress((k + 1) / count, "comparing sections"))
    return motions


def _guide(dataset: Dataset, time: int, section: int) -> NDArray[Any]:
    """Return one section (Y, X) for all channels: the luminance of colours, or the mean of channels of equal range."""
    channels = [np.asarray(dataset.voxels[time, c, section]) for c in range(dataset.voxels.shape[1])]
    if dataset.rgb:
        return luminance(*channels[:3])
    if len(channels) == 1:
        return channels[0]
    return np.asarray(np.mean([_to_range(each) for each in channels], axis=0))


def _to_range(section: NDArray[Any]) -> NDArray[np.float32]:
    values = np.asarray(section, np.float32)
    low, high = np.nanpercentile(values, (0.1, 99.9)) if np.isfinite(values).any() else (0.0, 0.0)
    return np.asarray((values - low) / (high - low) if high > low else np.zeros_like(values))


def corrections(
    chain: Chain, depths: NDArray[np.float64], drift: Drift, period: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shift and angle of each section against where it belongs.

    Places are compared in the frame of the first section, where they add up; what a section is off is then turned
    into its own.
    """
    own = np.stack([turned(-a) @ s for a, s in zip(chain.angles, chain.shifts, strict=True)])
    places = np.column_stack([own, chain.size * chain.angles])
    judged = chain.judged
    if drift == "keep":
        slow = np.column_stack([slow_part(depths, each, judged, period) for each in places.T])
    else:
        known = places[judged] if judged.any() else places
        slow = np.broadcast_to(np.median(known, axis=0), places.shape)
    turns = slow[:, 2] / chain.size
    angles = chain.angles - turns
    wanted = np.stack([turned(a) @ s for a, s in zip(turns, slow[:, :2], strict=True)])
    shifts = np.stack([s - turned(a) @ w for s, a, w in zip(chain.shifts, angles, wanted, strict=True)])
    shifts[~judged], angles[~judged] = 0.0, 0.0
    if drift == "keep":
        jumps = jumps_of(chain.motions, depths, chain.size)
        alone = judged & np.isfinite(jumps).all(axis=1)
        shifts[alone], angles[alone] = jumps[alone, :2], jumps[alone, 2]
    return shifts, angles

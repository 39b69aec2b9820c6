"""The image beside the labels: on which sections it is, and how it is made dense where it is not on all wanted ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..progress import Report, silent
from ..run.execute import execute
from ..run.inputs import check_voxels
from ..run.nan import filled, has_nan
from ..run.outputs import STREAMED_BYTES, Target, result_bytes
from ..run.request import Request, resolve
from ..run.result import RECORD_KEY, Result
from ..run.settings import make_settings
from ..run.sharing import guide_of
from ..stack import SPACING_RTOL, Dataset
from ..stack.scaling import Scaling
from .settings import LabelSettings

_SAMPLED = 24
"""Sections whose intensities are looked at to scale the image."""


@dataclass(frozen=True, eq=False)
class Guide:
    """The image that labels were drawn on.

    Attributes
    ----------
    dataset : Dataset
        One channel; its grid has depths, in the unit of the labels.
    dense : Request or None
        Makes its sections at all depths that are needed; None: they are all there.
    """

    dataset: Dataset
    dense: Request | None = None

    @contextmanager
    def made(self, report: Report = silent, folder: Path | None = None) -> Iterator[tuple[Dataset, Result | None]]:
        """Give the image on all sections that are needed, and the run that made them; None: they were there.

        Parameters
        ----------
        report : callable
        folder : Path, optional
            Where a dense image that is large may lie while it is looked at; it is gone afterwards.
        """
        if self.dense is None:
            yield self.dataset, None
        elif folder is None or result_bytes(self.dense) < STREAMED_BYTES:
            result = execute(self.dense, report)
            yield result.dataset, result
        else:
            with TemporaryDirectory(prefix=".depth-interp-", dir=folder) as place:
                target = Target(Path(place) / "image.ome.zarr")
                yield execute(self.dense, report, target).dataset, None


def guide_for(
    image: Dataset, dataset: Dataset, targets: NDArray[np.float64], needed: NDArray[np.float64], settings: LabelSettings
) -> Guide:
    """Return the image as a guide.

    Parameters
    ----------
    image : Dataset
        On the sections of the labels, or on the target's.
    dataset : Dataset
        The labels, with depths.
    targets, needed : float arrays
        Depths of the target; depths at which the image is needed, increasing.

    Raises
    ------
    RequestError
        If the image has another shape.
    """
    depths = _depths_of(image, dataset, targets)
    _check_times(image, dataset)
    grid = replace(dataset.grid, depths=depths)
    placed = _numbers(replace(_one_channel(image, settings), grid=grid, notes=()))
    missing = _missing(needed, depths)
    if not len(missing):
        return Guide(placed)
    wanted = np.sort(np.concatenate([depths, missing]))
    chosen = make_settings(method=settings.image_method, threads=settings.threads, seed=settings.seed)
    return Guide(placed, resolve(placed, chosen, depths=wanted.tolist(), extrapolate=True))


def _depths_of(image: Dataset, dataset: Dataset, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the sections of the image lie: where those of the labels do, or those of the target."""
    own, labels = image.voxels.shape[2:], dataset.voxels.shape[2:]
    places = [each for each in (dataset.stack().depths, targets) if len(each) == own[0]]
    if own[1:] != labels[1:] or not places:
        target = "" if len(targets) == labels[0] else f" (or {len(targets)} sections, as the result)"
        raise RequestError(
            f"the image has {_sizes(own)} voxels (z, y, x) and the labels have {_sizes(labels)}; give an image with "
            f"the sections and pixels of the labels{target}"
        )
    known = image.grid.depths
    if len(places) == 1 or known is None:
        return places[0]
    return min(places, key=lambda each: float(np.abs(each - known).max()))


def _check_times(image: Dataset, dataset: Dataset) -> None:
    own, labels = image.voxels.shape[0], dataset.voxels.shape[0]
    if own not in (1, labels):
        raise RequestError(f"the image has {own} time points and the labels have {labels}; give as many, or one")


def _one_channel(image: Dataset, settings: LabelSettings) -> Dataset:
    if settings.image_channel is not None:
        return image.select_channel(settings.image_channel)
    if image.voxels.shape[1] == 1 or image.rgb:
        return image.grey()
    counted = image.counted()
    voxels = np.stack(
        [
            guide_of([counted.stack(t, c).in_memory() for c in range(image.voxels.shape[1])], rgb=False).voxels
            for t in range(image.voxels.shape[0])
        ]
    )[:, None]
    return replace(image, voxels=voxels, axes=image.axes.replace("C", ""), channel_names=(), channel_colours=())


def _missing(needed: NDArray[np.float64], depths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the depths needed that the image does not have."""
    nearest = depths[np.searchsorted((depths[1:] + depths[:-1]) / 2, needed)]
    return needed[np.abs(nearest - needed) > SPACING_RTOL * float(np.diff(needed).min())]


def _numbers(image: Dataset) -> Dataset:
    """Return the image with voxels that are not a number filled; refuse infinite ones, and an image of nothing else."""
    check_voxels(image, fill_nan=True, alone=True)
    if not any(has_nan(stack) for _, _, stack in image.stacks()):
        return image
    voxels = np.stack([filled(stack.in_memory().voxels) for _, _, stack in image.stacks()])
    return replace(image, voxels=voxels.reshape(image.voxels.shape))


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def scaling_of(voxels: Any) -> Scaling:
    """Return the scaling of an image (z, y, x) from some of its sections, so that not all have to be read."""
    count = len(voxels)
    places = np.unique(np.linspace(0, count - 1, min(count, _SAMPLED)).round().astype(int))
    seen = np.stack([np.asarray(voxels[int(place)]) for place in places])
    return Scaling.of(seen[np.isfinite(seen)] if seen.dtype.kind == "f" and not np.isfinite(seen).all() else seen)


def at_depths(result: Result, targets: NDArray[np.float64]) -> Result:
    """Return the sections of a dense image at the target's depths: those at annotated ones alone are left out."""
    depths = result.dataset.stack().depths
    places = np.clip(np.searchsorted(depths, targets - 1e-9 * np.abs(targets)), 0, len(depths) - 1)
    if len(places) == len(depths):
        return result
    observed = set(result.record["observed"])
    record = dict(result.record) | {
        "depths": result.depths[places].tolist(),
        "observed": [k for k, place in enumerate(places.tolist()) if place in observed],
    }
    dataset = result.dataset
    grid = replace(dataset.grid, depths=depths[places])
    return replace(
        result,
        dataset=replace(dataset, voxels=dataset.voxels[:, :, places], grid=grid, record={RECORD_KEY: record}),
        uncertainty=None if result.uncertainty is None else result.uncertainty[:, :, places],
    )

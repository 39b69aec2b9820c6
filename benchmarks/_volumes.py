"""Small crops of volumes, sections to hide, and how what contenders make of the rest is scored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_depth_interp import io
from napari_depth_interp.evaluation.evaluate import plan_of
from napari_depth_interp.evaluation.holdout import Protocol, Trial, make_trials
from napari_depth_interp.evaluation.truth import Restored, Truth
from napari_depth_interp.metrics import structure, volume
from napari_depth_interp.metrics.pooled import Pooled
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import SPECIMENS, simulate
from napari_depth_interp.stack import Dataset
from peers import FOLDER, Filled, Job, run

if TYPE_CHECKING:  # brings torch, whose 450 MB would stand in what linear interpolation is measured to take
    from napari_depth_interp.metrics.perceptual import Lpips

HOUNSFIELD = (-1000.0, 1000.0)


@dataclass(frozen=True, eq=False)
class Volume:
    """The centre of a volume, with labels on the same grid where there are any."""

    name: str
    dataset: Dataset
    labels: NDArray[Any] | None = None


def volumes(folder: Path | None, crop: Sequence[int], every: int, names: Sequence[str] = ()) -> Iterator[Volume]:
    """Yield the volumes of a folder, or the simulated specimens; as many sections as ``every`` divides, and one."""
    if folder is None:
        for name in SPECIMENS:
            made = simulate(name)
            yield Volume(name, cropped(made.observed, crop, every))
        return
    for path in sorted(folder.iterdir()):
        if io.format_of(path) is not None and (not names or path.name.split(".")[0] in names):
            dataset = io.read(path, axis="z")
            if dataset.voxels.shape[2] > every:
                yield Volume(path.name.split(".")[0], cropped(dataset, crop, every))


def cropped(dataset: Dataset, crop: Sequence[int], every: int) -> Dataset:
    """Return the centre of the first channel and time point; CT is clipped to -1000..1000."""
    voxels = dataset.voxels[0, 0]
    if voxels.dtype.kind == "i" and voxels.min() <= -500:
        voxels = voxels.clip(int(HOUNSFIELD[0]), int(HOUNSFIELD[1]))
    sizes = [min(size, wanted) for size, wanted in zip(voxels.shape, crop, strict=True)]
    sizes[0] = (sizes[0] - 1) // every * every + 1
    start = [(size - wanted) // 2 for size, wanted in zip(voxels.shape, sizes, strict=True)]
    voxels = voxels[tuple(slice(a, a + wanted) for a, wanted in zip(start, sizes, strict=True))]
    depths = np.arange(len(voxels), dtype=np.float64) * (dataset.grid.spacing or 1.0)
    grid = replace(dataset.grid, depths=depths, origin=(0.0, 0.0), descends_from=None)
    return Dataset(np.ascontiguousarray(voxels)[None, None], grid)


@dataclass(frozen=True, eq=False)
class Question:
    """One volume of which every k-th section is kept."""

    volume: Volume
    every: int
    trial: Trial
    truth: Truth

    @classmethod
    def of(cls, one: Volume, every: int) -> Question:
        """Hide all but every k-th section; the range is that of percentiles 0.1 to 99.9."""
        [trial] = make_trials(one.dataset, Protocol("keep_every", every=every))
        voxels = one.dataset.voxels
        hounsfield = voxels.dtype.kind == "i" and voxels.min() <= -500
        return cls(one, every, trial, Truth.of(one.dataset, HOUNSFIELD if hounsfield else None))

    def ours(self, method: str) -> Filled:
        """Return what a method of this program makes, and its processor seconds."""
        settings = plan_of(method, Settings(threads=1, seed=0))
        before = time.process_time()
        request = resolve(self.trial.visible, settings, depths=self.trial.depths.tolist())
        voxels = execute(request).dataset.voxels[0, 0]
        return Filled(voxels, time.process_time() - before, "this program")

    def peer(self, name: str, seconds: float, folder: Path = FOLDER) -> Filled:
        """Return what another program makes, in the type of the volume as ours is."""
        grid, [(low, high)] = self.volume.dataset.grid, self.truth.ranges
        pixel = 1.0 if grid.pixel_size is None else float(np.mean(grid.pixel_size))
        gap = self.every * (grid.spacing or 1.0) / (pixel if grid.unit else grid.spacing or 1.0)
        found = run(name, self.trial.visible.voxels[0, 0], Job(self.every, gap, low, high, seconds), folder)
        return replace(found, voxels=as_type(found.voxels, self.volume.dataset.voxels.dtype))

    def scores(self, filled: Filled, lpips: Lpips | None) -> dict[str, float | None]:
        """Return PSNR (pooled), SSIM, LPIPS (means), gradient ratio and processor seconds on hidden sections."""
        dataset = replace(self.volume.dataset, voxels=filled.voxels[None, None])
        result: Any = SimpleNamespace(dataset=dataset, uncertainty=None)
        pooled, restored = Pooled(), Restored(self.truth)
        ssim, perceptual = [], []
        for _, _, pair in self.truth.pairs(self.trial, result):
            pooled.add(pair)
            ssim.append(structure.ssim(pair, pair.valid))
            perceptual += [] if lpips is None else [lpips.score_section(pair)["lpips"]]
        restored.add(self.trial, result)
        [whole] = restored.pairs()
        return {
            "psnr": pooled.scores()["psnr"],
            "ssim": _mean(ssim),
            "lpips": _mean(perceptual),
            "gradient_z": volume.gradient_ratio(whole, foreground=False),
            "cpu_seconds": filled.cpu_seconds,
        }


def as_type(voxels: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return voxels rounded and clipped to an integer type."""
    if dtype.kind not in "iu":
        return voxels.astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(np.rint(voxels).clip(limits.min, limits.max), dtype)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return float(np.mean(known)) if known else None

"""The truth, and pairs of it with what a method restored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RequestError
from ..metrics import Comparison, VolumePair, above_otsu, data_range_of
from ..run.result import Result
from ..stack import Dataset
from .holdout import Trial


@dataclass(frozen=True, eq=False)
class Truth:
    """The reference and what scoring needs of it, per channel."""

    dataset: Dataset
    ranges: tuple[tuple[float, float], ...]
    foreground: tuple[NDArray[np.bool_], ...] = field(repr=False)

    @classmethod
    def of(
        cls, dataset: Dataset, data_range: tuple[float, float] | None, used: NDArray[np.intp] | None = None
    ) -> Truth:
        """Take the data range as given, else percentiles 0.1 to 99.9 of each channel.

        ``used``: the sections that are no damage, and count for range and foreground; default: all.
        """
        whole = used is None or len(used) == dataset.voxels.shape[2]
        taken: Any = slice(None) if whole else used
        channels = [dataset.voxels[:, c, taken] for c in range(dataset.voxels.shape[1])]
        if data_range is not None:
            ranges = [_checked_range(data_range)] * len(channels)
        else:
            ranges = [_own_range(channel) for channel in channels]
        foreground = [np.zeros(dataset.voxels[:, c].shape, bool) for c in range(len(channels))]
        for mask, channel in zip(foreground, channels, strict=True):
            mask[:, taken] = above_otsu(channel)
        return cls(dataset, tuple(ranges), tuple(foreground))

    @property
    def voxel_size(self) -> tuple[float, float, float] | None:
        """(z, y, x) in the unit of the grid; None where it is not known or sections are unevenly spaced."""
        grid = self.dataset.grid
        if grid.pixel_size is None or grid.spacing is None or not grid.is_even:
            return None
        return grid.spacing, *grid.pixel_size

    def describe(self) -> dict[str, Any]:
        """Return what a reader of the scores has to know of the stack."""
        grid = self.dataset.grid
        return {
            "shape": list(self.dataset.voxels.shape),
            "voxel_size": [grid.spacing, *(grid.pixel_size or (None, None))],
            "unit": grid.unit,
            "dtype": str(self.dataset.voxels.dtype),
        }

    def pairs(self, trial: Trial, result: Result) -> Iterator[tuple[dict[str, Any], int, Comparison]]:
        """Yield (what tells a hidden section from others, its place in the result, the pair) for each of them."""
        times, channels = self.dataset.voxels.shape[:2]
        for t in range(times):
            for c in range(channels):
                several = ({"time": t} if times > 1 else {}) | ({"channel": c} if channels > 1 else {})
                for k in np.flatnonzero(trial.reference >= 0).tolist():
                    index = int(trial.reference[k])
                    restored = trial.on_reference_grid(result.dataset.voxels[t, c, k])
                    part = (slice(restored.shape[0]), slice(restored.shape[1]))
                    row = {"index": index, "z": float(trial.depths[k]), "gap_position": _place(trial, k), **several}
                    yield (
                        row,
                        k,
                        Comparison(
                            self.dataset.voxels[t, c, index][part],
                            restored,
                            self.ranges[c],
                            self.foreground[c][t, index][part],
                        ),
                    )


def _place(trial: Trial, k: int) -> float | None:
    """Return where in the gap between visible sections a depth lies: 0 (at one of them) to under 1; None outside."""
    depths = trial.visible.grid.depths
    assert depths is not None
    below = min(max(int(np.searchsorted(depths, trial.depths[k], side="right")) - 1, 0), len(depths) - 2)
    place = round(float((trial.depths[k] - depths[below]) / (depths[below + 1] - depths[below])), 9)
    return place % 1.0 if 0 <= place <= 1 else None


class Restored:
    """Sections of several results put together on the grid of the reference."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._voxels: NDArray[Any] | None = None
        self._known = np.zeros(truth.dataset.voxels.shape[2], bool)
        self._hidden = np.zeros(truth.dataset.voxels.shape[2], bool)

    def add(self, trial: Trial, result: Result) -> None:
        """Take in the sections of one result."""
        for t, c in np.ndindex(result.dataset.voxels.shape[:2]):
            for k in np.flatnonzero(trial.truth_at >= 0).tolist():
                section = trial.on_reference_grid(result.dataset.voxels[t, c, k])
                if self._voxels is None:
                    shape = (*self._truth.dataset.voxels.shape[:3], *section.shape)
                    self._voxels = np.empty(shape, section.dtype)
                self._voxels[t, c, trial.truth_at[k]] = section
        self._known[trial.truth_at[trial.truth_at >= 0]] = True
        self._hidden[trial.reference[trial.reference >= 0]] = True

    def pairs(self) -> Iterator[VolumePair]:
        """Yield a pair per time point and channel: the longest run of sections without a hole."""
        if self._voxels is None:
            return
        run = _longest_run(self._known)
        height, width = self._voxels.shape[-2:]
        part = (run, slice(height), slice(width))
        for t, c in np.ndindex(self._voxels.shape[:2]):
            yield VolumePair(
                self._truth.dataset.voxels[t, c][part],
                self._voxels[t, c, run],
                self._truth.ranges[c],
                self._truth.foreground[c][t][part],
                self._hidden[run],
                self._truth.voxel_size,
            )


def _longest_run(known: NDArray[np.bool_]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))


def _checked_range(data_range: tuple[float, float]) -> tuple[float, float]:
    low, high = data_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RequestError(f"the data range must be two numbers, low < high, got {low} {high}")
    return float(low), float(high)


def _own_range(channel: NDArray[Any]) -> tuple[float, float]:
    finite = channel[np.isfinite(channel)] if channel.dtype.kind == "f" else channel
    if not finite.size:
        raise InputError("the truth of a channel holds no numbers, so there is nothing to score")
    if finite.dtype.kind != "u" and finite.min() <= -500 and bool((finite == np.rint(finite)).all()):
        raise RequestError(
            f"integers from {finite.min():g} to {finite.max():g} look like CT in Hounsfield units, where percentiles "
            "are a poor range; give it, for example --data-range -1000 1000"
        )
    low, high = data_range_of(channel)
    if low == high:
        low, high = float(finite.min()), float(finite.max())
    if low == high:
        raise RequestError(f"the truth is constant ({low:g}), so it has no data range; give --data-range LOW HIGH")
    return low, high

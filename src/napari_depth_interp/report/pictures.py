"""Small pictures of one stack, kept while results pass by, so that no result has to stay in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.holdout import Trial
from ..run.result import Result
from ..run.settings import Settings
from ..stack import Dataset
from .montages import Labelled, Montage
from .numbers import length
from .scrubber import Scrub, Sections, scrub_of

LARGEST = 384
"""Pixels along a side of a kept plane; of larger ones only every n-th is kept, so that errors stay exact."""
_PLACES = (0.25, 0.5, 0.75)
"""Parts of the stack near which hidden sections are shown."""


@dataclass
class _Plane:
    """The truth of one plane, and what is known of it after each run.

    All arrays (rows, columns) in input units; of an RGB image (rows, columns, colours), but for the uncertainty.
    """

    truth: NDArray[Any]
    below: Labelled | None = None
    above: Labelled | None = None
    methods: dict[str, NDArray[Any]] = field(default_factory=dict)
    uncertainty: dict[str, NDArray[Any]] = field(default_factory=dict)
    remark: str = ""


class Pictures:
    """A few hidden sections and the middle XZ plane of the first time point and channel, or of all three colours.

    Parameters
    ----------
    truth : Dataset
        As read, or the part of it that was worked on: the settings' channel is chosen here, as
        :func:`napari_depth_interp.evaluation.evaluate.evaluate` does. It is let go of
        as soon as the planes to show are known.
    settings : Settings
    """

    def __init__(self, truth: Dataset, settings: Settings) -> None:
        if settings.channel is not None and truth.voxels.shape[1] > 1:
            truth = truth.select_channel(settings.channel)
        self._colours = 3 if truth.rgb else 1
        self._truth: NDArray[Any] | None = self._shown(truth.voxels)
        self._unit = truth.grid.unit
        self._sections: dict[int, _Plane] = {}
        self._xz = _Plane(np.zeros((0, 0)))
        self._row = 0
        self._step = 1
        self._pixel: tuple[float, float] | None = None
        self._depths: NDArray[np.float64] = np.zeros(0)
        self._all = Sections()

    def keep(self, name: str, trial: Trial, result: Result) -> None:
        """Take what is shown from one result; to be given to ``evaluate`` as ``on_result``."""
        if self._truth is not None:
            self._begin(self._truth, trial, result)
            self._truth = None
        for k in np.flatnonzero(trial.truth_at >= 0).tolist():
            index = int(trial.truth_at[k])
            values = self._section(result.dataset.voxels, k, trial)
            expected = None if result.uncertainty is None else self._section(result.uncertainty, k, trial)
            if expected is not None and expected.ndim == 3:
                expected = expected.mean(-1)
            self._depths[index] = trial.depths[k]
            self._keep_row(name, index, values, expected)
            self._all.keep(name, index, values, hidden=bool(trial.reference[k] >= 0))
            if trial.reference[k] >= 0 and index in self._sections:
                self._keep_section(name, index, values, expected, trial)

    def montages(self, data_range: tuple[float, float]) -> list[Montage]:
        """Return the hidden sections (at most three, by depth) and last the XZ plane.

        Parameters
        ----------
        data_range : (low, high)
            Intensities drawn black and white.
        """
        known = [index for index in sorted(self._sections) if self._sections[index].methods]
        shown = [self._section_montage(index, data_range) for index in known[-len(_PLACES) :]]
        return [*shown, self._xz_montage(data_range)] if shown else []

    def scrub(self, data_range: tuple[float, float], budget: int) -> Scrub | None:
        """Return the sections to look through, in as many bytes at most; None where that is too few."""
        aspect = 1.0 if self._pixel is None else self._pixel[0] / self._pixel[1]
        return scrub_of(self._all, self._depths, self._unit, aspect, data_range, budget)

    def _begin(self, truth: NDArray[Any], trial: Trial, result: Result) -> None:
        """Choose the planes, and copy their truth."""
        height, width = trial.on_reference_grid(result.dataset.voxels[0, 0, 0]).shape
        size = trial.visible.grid.pixel_size
        self._pixel = None if size is None else (size[0] / trial.in_plane, size[1] / trial.in_plane)
        self._step = -(-max(height, width) // LARGEST)
        self._row = height // 2
        self._depths = np.full(len(truth), np.nan)
        self._sections = {
            index: _Plane(self._thinned(truth[index, :height, :width])) for index in _choose(trial, len(truth))
        }
        alone = len(trial.depths) == 1  # leaving one out: all but the ends are still to come
        wanted = np.arange(1, len(truth) - 1) if alone else trial.truth_at[trial.truth_at >= 0]
        self._all.begin(truth[:, :height, :width], wanted)
        self._xz = _Plane(np.array(truth[:, self._row, : width : self._step]), self._seen(trial))
        if len(trial.depths) > 1 and not trial.visible.acquisition.is_projection:
            self._xz.remark = "Rows without an error are sections that the methods saw."

    def _shown(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return (Z, Y, X) of the first time point and channel, or (Z, Y, X, 3) of the colours."""
        return voxels[0, 0] if self._colours == 1 else np.moveaxis(np.asarray(voxels[0, :3]), 0, -1)

    def _section(self, voxels: NDArray[Any], k: int, trial: Trial) -> NDArray[Any]:
        """Return one section of a result with the pixels of the truth."""
        if self._colours == 1:
            return trial.on_reference_grid(voxels[0, 0, k])
        return np.stack([trial.on_reference_grid(voxels[0, c, k]) for c in range(3)], axis=-1)

    def _seen(self, trial: Trial) -> Labelled | None:
        """Return the XZ plane as the method saw it: at each depth the nearest observed image."""
        if len(trial.depths) == 1:
            return None
        rows = self._shown(trial.visible.voxels)[:, self._row // trial.in_plane]
        rows = np.repeat(rows, trial.in_plane, axis=1)[:, :: self._step]
        seen = np.zeros((len(self._depths), *rows.shape[1:]), rows.dtype)
        inside = trial.truth_at >= 0
        nearest = np.abs(trial.depths[inside, None] - trial.visible.stack().depths[None]).argmin(axis=1)
        seen[trial.truth_at[inside]] = rows[nearest]
        return "what the methods saw (nearest)", seen

    def _thinned(self, plane: NDArray[Any]) -> NDArray[Any]:
        return np.array(plane[:: self._step, :: self._step])

    def _keep_row(self, name: str, index: int, values: NDArray[Any], expected: NDArray[Any] | None) -> None:
        for rows, section in ((self._xz.methods, values), (self._xz.uncertainty, expected)):
            if section is not None:
                if name not in rows:
                    shape = (*self._xz.truth.shape[:2], *section.shape[2:])
                    rows[name] = np.full(shape, np.nan, np.result_type(section.dtype, np.float32))
                rows[name][index] = section[self._row, :: self._step]

    def _keep_section(
        self, name: str, index: int, values: NDArray[Any], expected: NDArray[Any] | None, trial: Trial
    ) -> None:
        plane = self._sections[index]
        plane.methods[name] = self._thinned(values)
        if expected is not None:
            plane.uncertainty[name] = self._thinned(expected)
        if plane.below is None:
            plane.below, plane.above = self._neighbours(index, trial)

    def _neighbours(self, index: int, trial: Trial) -> tuple[Labelled, Labelled]:
        depths = trial.visible.stack().depths
        above = min(max(int(np.searchsorted(depths, self._depths[index])), 1), len(depths) - 1)
        word = "projection" if trial.visible.acquisition.is_projection else "observed section"
        below, over = (
            (
                f"{word} at z = {length(float(depths[i]), self._unit)}",
                self._thinned(self._section(trial.visible.voxels, int(i), trial)),
            )
            for i in (above - 1, above)
        )
        return below, over

    def _section_montage(self, index: int, data_range: tuple[float, float]) -> Montage:
        plane = self._sections[index]
        z = length(float(self._depths[index]), self._unit)
        return Montage(
            f"Hidden section {index}, z = {z}",
            plane.below,
            ("truth", plane.truth),
            plane.above,
            dict(plane.methods),
            data_range,
            1.0 if self._pixel is None else self._pixel[0] / self._pixel[1],
            dict(plane.uncertainty),
            index,
            self._step,
        )

    def _xz_montage(self, data_range: tuple[float, float]) -> Montage:
        rows, height = even_rows(self._depths)
        width = self._step * (self._pixel[1] if self._pixel else height)
        return Montage(
            f"XZ plane through the middle (row {self._row}), depth downwards",
            None if self._xz.below is None else (self._xz.below[0], self._xz.below[1][rows]),
            ("truth", self._xz.truth[rows]),
            None,
            {name: values[rows] for name, values in self._xz.methods.items()},
            data_range,
            height / width,
            {name: values[rows] for name, values in self._xz.uncertainty.items()},
            None,
            self._step,
            self._xz.remark,
        )


def _choose(trial: Trial, count: int) -> list[int]:
    """Return hidden sections in the middle of gaps, at about a quarter, a half and three quarters of the stack.

    Leaving one out asks for one depth at a time; which sections are still to come is guessed then.
    """
    if len(trial.depths) == 1:
        guessed = [min(max(round(part * (count - 1)), 1), count - 2) for part in _PLACES if count > 2]
        return sorted({int(trial.truth_at[0]), *guessed})
    asked = np.flatnonzero(trial.reference >= 0)
    depths = trial.visible.stack().depths
    gap = np.searchsorted(depths, trial.depths[asked])
    middles = (depths[np.clip(gap, 1, None) - 1] + depths[np.clip(gap, None, len(depths) - 1)]) / 2
    off = np.abs(trial.depths[asked] - middles)
    central = np.array([asked[gap == each][np.argmin(off[gap == each])] for each in np.unique(gap)])
    first, last = trial.depths[[0, -1]]
    wanted = [np.abs(trial.depths[central] - (first + part * (last - first))).argmin() for part in _PLACES]
    return sorted({int(trial.reference[central[i]]) for i in wanted})


def even_rows(depths: NDArray[np.float64]) -> tuple[NDArray[np.intp], float]:
    """Return which sections stand in evenly spaced rows from the first known depth to the last, and their distance."""
    known = np.flatnonzero(np.isfinite(depths))
    held = depths[known]
    if len(known) < 2:
        return known, 1.0
    count = min(round(float((held[-1] - held[0]) / np.diff(held).min())) + 1, LARGEST)
    places = np.linspace(held[0], held[-1], count)
    return known[np.abs(places[:, None] - held[None]).argmin(axis=1)], float(places[1] - places[0])

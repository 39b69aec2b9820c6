"""What gain to expect of a mixture, and whether XY is a fair model of Z at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...stack import Stack
from ...stack.thinning import spread_over
from .blend import Evidence, rows_are_like

_MORE = 1.2
"""Gain along z over that on hidden rows blurred as sections are, at the same gap."""
_ALONG_Z, _UNLIKE_GAIN = 0.35, (-1.5, 3.0)
"""Part of the gain that left-out sections have more than rows hidden at the same doubled gap, which is added, and
bounds of that difference, dB."""
_BY_ADDED = 0.5
"""Power of what is added along z, relative to rows, with which the removed share of the error goes."""
_OFF, _APART, _LARGE = 0.15, 0.15, 0.2
"""Standard deviation of the true gain about the expected one: dB; of it for each dB by which left-out sections and
rows hidden at the same gap differ; and for each dB expected."""
_TINY = 1e-12
_UNLIKE = 2.0
"""Sections that change this many times more or less than rows at the same distance are unlike XY."""
_ROWS = 4_000_000
"""Voxels of XY images that are looked at."""


@dataclass(frozen=True)
class Expectation:
    """Expected gain over linear and its standard deviation, dB."""

    gain_db: float
    std_db: float


def expect(
    left_out: Evidence,
    rows: tuple[Evidence, Evidence] | None,
    weights: NDArray[np.float64],
    added: float = 1.0,
) -> Expectation:
    """Return the gain to expect at the real gap.

    Hidden rows, blurred as sections are, tell it at the real gap, less what is added less along z than there;
    left-out sections beside rows hidden at the same doubled gap tell by how much z differs from XY, and how sure that
    is. Constants: benchmarks/proving_ground.py.

    Parameters
    ----------
    left_out : Evidence
        From left-out sections, at the doubled gap.
    rows : pair of Evidence or None
        From rows hidden in XY at the real and at the doubled gap; None where images are too small.
    weights : (C,) array
        The mixture.
    added : float
        See :func:`.blend.added_along_z`.
    """
    doubled = left_out.gain_db(weights)
    if rows is None:
        gain, apart = doubled, 0.5 * abs(doubled)
    else:
        more = doubled - rows[1].gain_db(weights)
        real, apart = _less_added(rows[0].gain_db(weights), added), abs(more)
        gain = _MORE * real + _ALONG_Z * float(np.clip(more, *_UNLIKE_GAIN))
        gain = gain if rows_are_like(left_out, rows[0]) else max(gain, doubled)
    errors = left_out.errors(weights) / max(float(left_out.error.mean()), _TINY)
    scatter = 4.34 * float(errors.std()) / max(float(errors.mean()), _TINY) / np.sqrt(left_out.sections)
    return Expectation(gain, float(np.hypot(scatter, _OFF + _APART * apart + _LARGE * max(gain, 0.0))))


def _less_added(gain: float, added: float) -> float:
    """Return the gain on rows with the share of linear's error that it removes smaller, where less is added along z."""
    removed = 1 - 10 ** (-gain / 10)
    return gain if removed <= 0 else float(-10 * np.log10(1 - removed * min(1.0, added) ** _BY_ADDED))


def mismatch(blocks: Sequence[Stack]) -> tuple[str, ...]:
    """Say in plain words if sections differ much more, or less, than rows of the images at the same distance."""
    stack = blocks[0]
    if stack.grid.pixel_size is None:
        return ("no pixel size is known, so the scale of the XY images along z was guessed",)
    ratio = None if stack.acquisition.is_projection else _change_ratio(blocks)  # of means, that says nothing
    if ratio is None or 1 / _UNLIKE <= ratio <= _UNLIKE:
        return ()
    if ratio < 1:
        return (
            f"over the same distance the stack changes only {ratio:.2f} times as much along z as in XY: thick "
            "sections, strong axial blur or a wrong z spacing. What is learned from XY fits badly here; trust the "
            "scores on held-out sections",
        )
    return (
        f"over the same distance the stack changes {ratio:.1f} times as much along z as in XY: shifted sections, "
        "changing brightness or a wrong z spacing. What is learned from XY fits badly here; trust the scores on "
        "held-out sections",
    )


def _change_ratio(blocks: Sequence[Stack]) -> float | None:
    """Return the rms change between neighbouring sections over that between rows and columns as far apart."""
    found = [_changes(each, len(blocks)) for each in blocks]
    in_plane, between = ([change for each in found for change in each[kind]] for kind in (0, 1))
    if not in_plane or not np.mean(in_plane) > 0:
        return None
    return float(np.sqrt(np.mean(between) / np.mean(in_plane)))


def _changes(stack: Stack, blocks: int) -> tuple[list[float], list[float]]:
    """Return mean squared changes in the images, along y and x, and those between sections."""
    assert stack.grid.pixel_size is not None
    gap = float(np.median(np.diff(stack.depths)))
    step = max(1, int(np.ceil(stack.voxels.size * blocks / _ROWS)))
    few = stack.voxels[:: min(step, max(1, len(stack.voxels) // 4))].astype(np.float32)
    in_plane = []
    for axis, size in zip((1, 2), stack.grid.pixel_size, strict=True):
        lag = max(1, round(gap / size))
        if lag <= stack.voxels.shape[axis] // 2:
            rows = np.moveaxis(few, axis, 0)
            in_plane.append(float(np.mean((rows[lag:] - rows[:-lag]) ** 2)))
    pairs = spread_over(np.arange(len(stack.voxels) - 1), 24)
    return in_plane, [float(np.mean((stack.voxels[i + 1].astype(np.float32) - stack.voxels[i]) ** 2)) for i in pairs]

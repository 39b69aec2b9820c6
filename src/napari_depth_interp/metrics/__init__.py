"""Scores of one section against its truth; each also on the foreground of the reference.

``METRICS`` is the one list: evaluation, tables and reports are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .comparison import Comparison, above_otsu
from .intensity import data_range_of, psnr, rmse
from .structure import dice, ssim

__all__ = ["METRICS", "Comparison", "Metric", "above_otsu", "data_range_of", "score_section"]


@dataclass(frozen=True)
class Metric:
    """A score of one section: the function, its heading, its unit and which direction is better."""

    function: Callable[[Comparison, NDArray[np.bool_]], float | None]
    heading: str
    unit: str
    higher_is_better: bool


METRICS: Mapping[str, Metric] = {
    "psnr": Metric(psnr, "PSNR", "dB", True),
    "ssim": Metric(ssim, "SSIM", "", True),
    "rmse": Metric(rmse, "RMSE", "input units", False),
    "dice": Metric(dice, "Dice", "", True),
}


def score_section(pair: Comparison) -> dict[str, float | None]:
    """Return every metric on all voxels (``psnr``) and on the foreground (``psnr_fg``).

    Voxels that are NaN in either image are left out.
    """
    scores: dict[str, float | None] = {}
    for name, metric in METRICS.items():
        scores[name] = metric.function(pair, pair.valid)
        scores[f"{name}_fg"] = metric.function(pair, pair.valid & pair.foreground)
    return scores

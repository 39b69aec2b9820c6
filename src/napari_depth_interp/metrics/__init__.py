"""Scores of a restored stack against its truth; each also on the Otsu foreground of the truth (``_fg``).

``SECTION_METRICS`` score one section, ``VOLUME_METRICS`` a whole stack, ``PERCEPTUAL_METRICS`` need a network whose
weights come from outside. Evaluation, tables and reports are made from these lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from . import correlation, intensity, noise, structure, volume
from .comparison import Comparison, above_otsu
from .intensity import data_range_of
from .volume import VolumePair

__all__ = [
    "CATALOGUE",
    "PERCEPTUAL_METRICS",
    "SECTION_METRICS",
    "VOLUME_METRICS",
    "Comparison",
    "Metric",
    "VolumePair",
    "above_otsu",
    "best_among",
    "best_of",
    "data_range_of",
    "metric_of",
    "score_section",
    "score_volume",
]

Better = Literal["higher", "lower", "one", "zero"]
"""Which value of a metric is the best; ``one`` and ``zero``: the nearest to it."""


@dataclass(frozen=True)
class Metric:
    """How a score is called, its unit (``length``: that of the voxel size), what is good, and what it tells."""

    heading: str
    unit: str
    better: Better
    help: str


SectionFunction = Callable[[Comparison, NDArray[np.bool_]], float | None]
VolumeFunction = Callable[[VolumePair, bool], float | None]

SECTION_METRICS: Mapping[str, tuple[SectionFunction, Metric]] = {
    "psnr": (
        intensity.psnr,
        Metric("PSNR", "dB", "higher", "Peak signal-to-noise ratio: 10 log10(data range² / mean squared error)."),
    ),
    "ssim": (
        structure.ssim,
        Metric("SSIM", "", "higher", "Local structural similarity per section (Wang 2004, Gaussian window 1.5)."),
    ),
    "rmse": (intensity.rmse, Metric("RMSE", "input units", "lower", "Root of the mean squared error.")),
    "dice": (
        structure.dice,
        Metric("Dice", "", "higher", "Overlap of the objects above each section's own Otsu threshold."),
    ),
    "mse": (intensity.mean_squared_error, Metric("MSE", "input units²", "lower", "Mean squared error.")),
    "mae": (intensity.mae, Metric("MAE", "input units", "lower", "Mean absolute error.")),
    "ms_ssim": (
        structure.ms_ssim,
        Metric("MS-SSIM", "", "higher", "Structural similarity at up to five scales (Wang 2003)."),
    ),
    "volume_bias": (
        structure.volume_bias,
        Metric("Volume bias", "", "zero", "Area of the Otsu objects over the truth's, less 1: above 0, objects swell."),
    ),
    "boundary_mae": (
        structure.boundary_mae,
        Metric("Boundary error", "input units", "lower", "Mean absolute error within 2 pixels of object boundaries."),
    ),
}

VOLUME_METRICS: Mapping[str, tuple[VolumeFunction, Metric]] = {
    "ssim_3d": (
        volume.ssim_3d,
        Metric("SSIM 3-D", "", "higher", "Structural similarity in windows of 7 x 7 x 7 voxels."),
    ),
    "gradient_z": (
        volume.gradient_ratio,
        Metric("Gradient along z", "", "one", "Mean step between sections over the truth's: below 1, too smooth."),
    ),
    "flicker": (
        volume.flicker_ratio,
        Metric("Flicker", "", "one", "Mean second difference along z over the truth's: above 1, sections flicker."),
    ),
    "inter_slice_noise": (
        noise.inter_slice_noise,
        Metric(
            "Inter-slice noise",
            "",
            "one",
            "Noise step between sections over the truth's: above 1, it alternates.",
        ),
    ),
    "frc_xy": (
        correlation.frc_xy,
        Metric("FRC XY", "length", "lower", "Resolution at which the Fourier ring correlation with the truth is 1/7."),
    ),
    "frc_xz": (correlation.frc_xz, Metric("FRC XZ", "length", "lower", "The same in XZ planes.")),
    "frc_yz": (correlation.frc_yz, Metric("FRC YZ", "length", "lower", "The same in YZ planes.")),
    "fsc": (
        correlation.fsc,
        Metric("FSC", "length", "lower", "Resolution at which the Fourier shell correlation with the truth is 1/7."),
    ),
}

PERCEPTUAL_METRICS: Mapping[str, Metric] = {
    "lpips": Metric("LPIPS", "", "lower", "Perceptual distance per section (Zhang 2018, version 0.1)."),
    "lpips_planes": Metric("LPIPS 3 planes", "", "lower", "The same over all XY, XZ and YZ planes (LPIPS[mean])."),
}

CATALOGUE: Mapping[str, Metric] = (
    {name: metric for name, (_, metric) in SECTION_METRICS.items()}
    | {name: metric for name, (_, metric) in VOLUME_METRICS.items()}
    | dict(PERCEPTUAL_METRICS)
)


def metric_of(name: str) -> Metric:
    """Return the metric of a score such as ``psnr_fg``."""
    return CATALOGUE[name.removesuffix("_fg")]


def best_of(values: list[float], name: str) -> float:
    """Return which of some values of a score is the best."""
    return best_among(values, metric_of(name).better)


def best_among(values: list[float], better: Better) -> float:
    """Return which of some values is the best."""
    if better == "higher":
        return max(values)
    target = 1.0 if better == "one" else 0.0
    return min(values) if better == "lower" else min(values, key=lambda value: abs(value - target))


def score_section(pair: Comparison) -> dict[str, float | None]:
    """Return every section metric on all voxels (``psnr``) and on the foreground (``psnr_fg``).

    Voxels that are NaN in either image are left out.
    """
    scores: dict[str, float | None] = {}
    for name, (function, _) in SECTION_METRICS.items():
        scores[name] = function(pair, pair.valid)
        scores[f"{name}_fg"] = function(pair, pair.valid & pair.foreground)
    return scores


def score_volume(pair: VolumePair) -> dict[str, float | None]:
    """Return every volume metric on all voxels and on the foreground; None where it is not defined."""
    scores: dict[str, float | None] = {}
    for name, (function, _) in VOLUME_METRICS.items():
        scores[name] = function(pair, False)
        scores[f"{name}_fg"] = function(pair, True)
    return scores

"""What an evaluation gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .downstream import Downstream
from .holdout import Protocol

BASELINE = "linear"
"""What every method is compared with."""


@dataclass(frozen=True)
class MethodScores:
    """One method's scores.

    Attributes
    ----------
    sections : tuple of dict
        One per hidden section: ``index`` in the reference, ``z``, ``gap_position`` (0 to 1 between the visible sections
        around it; None outside), time and channel where there are several, scores.
    mean, std : dict
        Each score averaged over the sections that have it, and its standard deviation over them.
    volume : dict
        Scores from the pooled errors and objects of all hidden sections, and those that only a whole stack has.
    gap_curve : tuple of dict
        Mean scores at each place in a gap.
    against_linear : dict
        For some scores ``difference``, ``p_value`` (paired Wilcoxon test over sections) and ``n``; empty where linear
        was not scored, and for linear itself.
    uncertainty : dict or None
        Of methods that give one: ``spearman``, its rank correlation with the true absolute error, and
        ``coverage_90``, the share of voxels within its 90 % interval.
    expected_gain_db : float or None
        The gain over linear that the method itself predicted from the visible sections.
    """

    method: str
    config: dict[str, Any]
    seconds: float
    peak_memory_mb: float
    mean: dict[str, float | None]
    volume: dict[str, float | None]
    sections: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...] = ()
    uncertainty: dict[str, float | None] | None = None
    expected_gain_db: float | None = None
    std: dict[str, float | None] = field(default_factory=dict)
    gap_curve: tuple[dict[str, float | int | None], ...] = ()
    against_linear: dict[str, dict[str, float | int | None]] = field(default_factory=dict)

    def gain_over(self, baseline: MethodScores) -> float | None:
        """Return how much higher the PSNR of all hidden sections together is, in dB; None if one is exact.

        Pooled, because a mean over sections is ruled by empty ones, which score 50 dB and more.
        """
        own, other = self.volume["psnr"], baseline.volume["psnr"]
        return None if own is None or other is None else own - other


@dataclass(frozen=True)
class Scores:
    """The outcome of an evaluation; ``as_json`` is what ``depth-interp evaluate --json`` prints.

    Attributes
    ----------
    input : str or None
        Name of the file.
    stack : dict
        ``shape`` (t, c, z, y, x) of the truth, ``voxel_size`` (z, y, x; null where unknown), ``unit``, ``dtype``.
    settings : dict
        Preset, seed, device ... of the runs.
    lpips : dict or None
        Where LPIPS was asked for: ``net``, ``weights`` (SHA-256 of the file), ``problem`` (why it is not available).
    downstream : Downstream or None
        Where there are labels of the stack: scores of segmentations.
    """

    input: str | None
    protocol: Protocol
    data_range: tuple[tuple[float, float], ...]
    device: str
    methods: tuple[MethodScores, ...] = field(default_factory=tuple)
    stack: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    lpips: dict[str, str | None] | None = None
    downstream: Downstream | None = None

    def of(self, method: str) -> MethodScores | None:
        """Return the scores of a method, if it was scored."""
        return next((each for each in self.methods if each.method == method), None)

    def as_record(self, method: str) -> dict[str, Any]:
        """Return what the history of a result keeps: one method's scores, and its gain over linear interpolation.

        Linear interpolation must be the first method.
        """
        own = self.of(method)
        assert own is not None
        return {
            "protocol": self.protocol.describe(),
            "data_range": self.data_range[0],
            "mean": own.mean,
            "volume": own.volume,
            "gain_db": own.gain_over(self.methods[0]),
        }

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values. ``data_range`` is [low, high], or one such pair per channel."""
        ranges = [list(pair) for pair in self.data_range]
        return {
            "input": self.input,
            "stack": self.stack,
            "protocol": vars(self.protocol) | {"description": self.protocol.describe()},
            "data_range": ranges[0] if len(ranges) == 1 else ranges,
            "device": self.device,
            "settings": self.settings,
            "lpips": self.lpips,
            "methods": [vars(scores) | {"sections": list(scores.sections)} for scores in self.methods],
            **({} if self.downstream is None else {"downstream": vars(self.downstream)}),
        }

"""Scoring one method: run it on every trial, compare, and let the result go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..metrics import CATALOGUE, Comparison, score_section, score_volume
from ..metrics.pooled import Pooled
from ..metrics.statistics import gap_curve, mean_of, paired, std_of
from ..metrics.uncertainty import Calibration
from ..progress import Progress, Report, part
from ..run.execute import execute
from ..run.request import resolve
from ..run.result import Result
from ..run.settings import Settings
from .holdout import Trial
from .scores import MethodScores
from .truth import Restored, Truth

if TYPE_CHECKING:
    from ..metrics import VolumePair
    from ..metrics.perceptual import Lpips

OnResult = Callable[[str, Trial, Result], None]
"""Called with (method, trial, result) after each run, while the result is still in memory."""


class NoLpips:
    """What stands for LPIPS where its weights cannot be had: no score."""

    def score_section(self, pair: Comparison) -> dict[str, float | None]:
        """Return None for the scores of a section."""
        return {"lpips": None, "lpips_fg": None}

    def score_volume(self, pair: VolumePair) -> dict[str, float | None]:
        """Return None for the scores of a stack."""
        return {"lpips_planes": None, "lpips_planes_fg": None}


_TESTED = ("psnr", "ssim", "mae", "lpips")
"""Scores that are compared with linear interpolation and drawn along a gap."""
_RUNNING = 0.9
"""Share of the time that the runs take; the rest is scoring."""


@dataclass
class _Record:
    """What is collected while a method runs on trial after trial."""

    restored: Restored
    pooled: Pooled = field(default_factory=Pooled)
    calibration: Calibration = field(default_factory=Calibration)
    rows: list[dict[str, Any]] = field(default_factory=list)
    predicted: list[float] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0
    peak: float = 0.0

    def add(self, trial: Trial, result: Result, truth: Truth, lpips: Lpips | NoLpips | None) -> None:
        """Score the hidden sections of one result."""
        for row, k, pair in truth.pairs(trial, result):
            self.pooled.add(pair)
            perceptual = lpips.score_section(pair) if lpips else {}
            self.rows.append(row | score_section(pair) | perceptual)
            self._add_uncertainty(row, k, pair, trial, result)
        self.restored.add(trial, result)
        self.seconds += result.seconds or 0.0
        self.peak = max(self.peak, result.peak_memory_mb or 0.0)
        self.predicted += [] if result.expected_gain_db is None else [result.expected_gain_db]
        self.warnings |= dict.fromkeys(result.warnings)

    def _add_uncertainty(self, row: dict[str, Any], k: int, pair: Comparison, trial: Trial, result: Result) -> None:
        if result.uncertainty is not None:
            expected = result.uncertainty[row.get("time", 0), row.get("channel", 0), k]
            self.calibration.add(pair.reference, pair.test, trial.on_reference_grid(expected))


def score_method(
    name: str,
    plan: Settings,
    trials: Sequence[Trial],
    truth: Truth,
    lpips: Lpips | NoLpips | None,
    report: Report,
    on_result: OnResult | None,
) -> tuple[MethodScores, str]:
    """Return the scores of one method, called ``name``, and the device that it ran on."""
    record = _Record(Restored(truth))
    for i, trial in enumerate(trials):
        request = resolve(trial.visible, plan, depths=trial.depths.tolist())
        result = execute(request, part(report, i / len(trials), (i + _RUNNING) / len(trials)))
        report(Progress((i + _RUNNING) / len(trials), "scoring"))
        record.add(trial, result, truth, lpips)
        if on_result is not None:
            on_result(name, trial, result)
    volume = record.pooled.scores() | _volume_scores(record.restored, lpips)
    report(Progress(1.0))
    columns = {key: [row[key] for row in record.rows] for key in record.rows[0] if key.removesuffix("_fg") in CATALOGUE}
    scores = MethodScores(
        name,
        request.config.model_dump(mode="json"),
        record.seconds,
        record.peak,
        {key: mean_of(values) for key, values in columns.items()},
        volume,
        tuple(record.rows),
        tuple(record.warnings),
        uncertainty=record.calibration.scores() if request.spec.gives_uncertainty else None,
        expected_gain_db=mean_of(record.predicted),
        std={key: std_of(values) for key, values in columns.items()},
        gap_curve=gap_curve(record.rows, [key for key in _TESTED if key in columns]),
    )
    return scores, request.runtime.device


def _volume_scores(restored: Restored, lpips: Lpips | NoLpips | None) -> dict[str, float | None]:
    """Return the scores of whole stacks, averaged over time points and channels."""
    found = [score_volume(pair) | (lpips.score_volume(pair) if lpips else {}) for pair in restored.pairs()]
    return {name: mean_of([each[name] for each in found]) for name in (found[0] if found else ())}


def against(baseline: MethodScores, scores: MethodScores) -> MethodScores:
    """Return the scores with how they compare to the baseline's, section by section."""
    tests = {
        name: paired([row[name] for row in scores.sections], [row[name] for row in baseline.sections])
        for name in _TESTED
        if name in scores.mean
    }
    return replace(scores, against_linear=tests)

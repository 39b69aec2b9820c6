"""Hide sections, run each method on what is left, score the hidden ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, RequestError
from .execute import execute
from .holdout import Protocol, Trial, make_trials
from .metrics import METRICS, Comparison, above_otsu, data_range_of, score_section
from .metrics.pooled import Pooled
from .metrics.uncertainty import Calibration
from .progress import Progress, Report, part, silent
from .request import check_voxels, prepare_dataset, resolve
from .result import Result
from .settings import Settings
from .stack import Dataset

OnResult = Callable[[str, Trial, Result], None]
"""Called with (method, trial, result) after each run, while the result is still in memory."""


@dataclass(frozen=True)
class MethodScores:
    """One method's scores.

    Attributes
    ----------
    sections : tuple of dict
        One per hidden section: ``index`` in the reference, ``z``, time and channel where there are several, scores.
    mean : dict
        Each score averaged over the sections that have it.
    volume : dict
        Scores from the pooled squared error and the pooled objects of all hidden sections.
    uncertainty : dict or None
        Of methods that give one: ``spearman``, its rank correlation with the true absolute error, and
        ``coverage_90``, the share of voxels within its 90 % interval.
    expected_gain_db : float or None
        The gain over linear that the method itself foretold from the visible sections.
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

    def gain_over(self, baseline: MethodScores) -> float | None:
        """Return how much higher the PSNR of all hidden sections together is, in dB; None if one is exact.

        Pooled, because a mean over sections is ruled by empty ones, which score 50 dB and more.
        """
        own, other = self.volume["psnr"], baseline.volume["psnr"]
        return None if own is None or other is None else own - other


@dataclass(frozen=True)
class Scores:
    """The outcome of an evaluation; ``as_json`` is what ``depth-interp evaluate --json`` prints."""

    input: str | None
    protocol: Protocol
    data_range: tuple[tuple[float, float], ...]
    device: str
    methods: tuple[MethodScores, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values. ``data_range`` is [low, high], or one such pair per channel."""
        ranges = [list(pair) for pair in self.data_range]
        return {
            "input": self.input,
            "protocol": vars(self.protocol) | {"description": self.protocol.describe()},
            "data_range": ranges[0] if len(ranges) == 1 else ranges,
            "device": self.device,
            "methods": [vars(scores) | {"sections": list(scores.sections)} for scores in self.methods],
        }


@dataclass(frozen=True, eq=False)
class Truth:
    """The reference and what scoring needs of it, per channel."""

    dataset: Dataset
    ranges: tuple[tuple[float, float], ...]
    foreground: tuple[NDArray[np.bool_], ...] = field(repr=False)

    @classmethod
    def of(cls, dataset: Dataset, data_range: tuple[float, float] | None) -> Truth:
        """Take the data range as given, else percentiles 0.1 to 99.9 of each channel."""
        channels = [dataset.voxels[:, c] for c in range(dataset.voxels.shape[1])]
        if data_range is not None:
            ranges = [_checked_range(data_range)] * len(channels)
        else:
            ranges = [_own_range(channel) for channel in channels]
        return cls(dataset, tuple(ranges), tuple(above_otsu(channel) for channel in channels))


def evaluate(
    dataset: Dataset,
    methods: Sequence[str],
    protocol: Protocol,
    settings: Settings | None = None,
    *,
    reference: Dataset | None = None,
    data_range: tuple[float, float] | None = None,
    report: Report = silent,
    on_result: OnResult | None = None,
) -> Scores:
    """Score methods on sections that they have not seen.

    Parameters
    ----------
    dataset : Dataset
        The stack; sections of it are hidden (all of it is visible for the protocol ``reference``).
    methods : sequence of str
        Names of methods.
    protocol : Protocol
    settings : Settings, optional
        Preset, device, seed ... of all methods; its parameters belong to its method, its target is not used.
    reference : Dataset, optional
        The dense truth, for the protocol ``reference``.
    data_range : (low, high), optional
        Intensities that count as the full range. Default: percentiles 0.1 to 99.9 of the truth.
    report, on_result : callable

    Returns
    -------
    Scores

    Raises
    ------
    RequestError
        For an unknown method, or a protocol that the stack has too few sections for.
    InputError
        If the stack cannot be interpolated.
    """
    settings = settings or Settings()
    if not methods:
        raise RequestError("no methods to evaluate; name some, such as --methods linear,cubic")
    dataset = prepare_dataset(dataset, settings)
    if reference is not None and settings.channel is not None and reference.voxels.shape[1] > 1:
        reference = reference.select_channel(settings.channel)
    check_voxels(dataset, fill_nan=settings.nan == "fill")
    trials = make_trials(dataset, protocol, reference)
    truth = Truth.of(dataset if reference is None else reference, data_range)
    plans = [_plan(name, settings) for name in methods]
    _check_requests(trials[0], plans)
    done = []
    report(Progress(0.0))
    for i, plan in enumerate(plans):
        inner = part(report, i / len(plans), (i + 1) / len(plans), plan.method)
        done.append(_score_method(plan, trials, truth, inner, on_result))
    source = dataset.source.path.name if dataset.source and dataset.source.path else None
    devices = ", ".join(dict.fromkeys(device for _, device in done))
    return Scores(source, protocol, truth.ranges, devices, tuple(scores for scores, _ in done))


def _plan(name: str, settings: Settings) -> Settings:
    """Return the settings of one method's runs: what concerns the input has been applied already."""
    applied = {"channel": None, "z_spacing": None, "depths": None, "acquisition": None}
    target = {"factor": None, "spacing": None, "isotropic": False}
    own: dict[str, Any] = {} if name == settings.method else {"parameters": {}}
    return settings.model_copy(update={"method": name, **applied, **target, **own})


def _check_requests(trial: Trial, plans: Sequence[Settings]) -> None:
    """Fail before the first long run if a later method or device does not exist."""
    for plan in plans:
        resolve(trial.visible, plan, depths=trial.depths.tolist())


def _score_method(
    plan: Settings, trials: Sequence[Trial], truth: Truth, report: Report, on_result: OnResult | None
) -> tuple[MethodScores, str]:
    pooled = Pooled()
    rows: list[dict[str, Any]] = []
    seconds, peak, warnings, device = 0.0, 0.0, dict[str, None](), "cpu"
    calibration, foretold = Calibration(), list[float]()
    for i, trial in enumerate(trials):
        request = resolve(trial.visible, plan, depths=trial.depths.tolist())
        result = execute(request, part(report, i / len(trials), (i + 1) / len(trials)))
        for row, pair in _pairs(trial, result, truth):
            pooled.add(pair)
            rows.append(row | score_section(pair))
            _add_uncertainty(calibration, row, pair, trial, result)
        seconds += result.seconds or 0.0
        foretold += [] if result.expected_gain_db is None else [result.expected_gain_db]
        peak = max(peak, result.peak_memory_mb or 0.0)
        warnings |= dict.fromkeys(result.warnings)
        device = request.runtime.device
        if on_result is not None:
            on_result(plan.method, trial, result)
    names = [name for metric in METRICS for name in (metric, f"{metric}_fg")]
    mean = {name: _mean([row[name] for row in rows]) for name in names}
    config = request.config.model_dump(mode="json")
    scores = MethodScores(plan.method, config, seconds, peak, mean, pooled.scores(), tuple(rows), tuple(warnings))
    scores = replace(
        scores,
        uncertainty=calibration.scores() if request.spec.gives_uncertainty else None,
        expected_gain_db=_mean(foretold),
    )
    return scores, device


def _pairs(trial: Trial, result: Result, truth: Truth) -> Iterator[tuple[dict[str, Any], Comparison]]:
    times, channels = truth.dataset.voxels.shape[:2]
    for t in range(times):
        for c in range(channels):
            several = ({"time": t} if times > 1 else {}) | ({"channel": c} if channels > 1 else {})
            for k in np.flatnonzero(trial.reference >= 0):
                index = int(trial.reference[k])
                yield (
                    {"index": index, "z": float(trial.depths[k]), **several},
                    Comparison(
                        truth.dataset.voxels[t, c, index],
                        result.dataset.voxels[t, c, k],
                        truth.ranges[c],
                        truth.foreground[c][t, index],
                    ),
                )


def _add_uncertainty(
    calibration: Calibration, row: dict[str, Any], pair: Comparison, trial: Trial, result: Result
) -> None:
    if result.uncertainty is None:
        return
    k = int(np.flatnonzero(trial.reference == row["index"])[0])
    calibration.add(pair.reference, pair.test, result.uncertainty[row.get("time", 0), row.get("channel", 0), k])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


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

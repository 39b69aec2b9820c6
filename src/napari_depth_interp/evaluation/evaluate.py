"""Hide sections, run each method on what is left, score the hidden ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, WeightsError
from ..progress import Progress, Report, part, silent
from ..run.exclusion import used_sections, without_excluded
from ..run.inputs import APPLIED, check_voxels, part_in_words, prepare_dataset
from ..run.request import resolve
from ..run.result import Result
from ..run.settings import Settings, make_settings
from ..stack import Dataset
from .downstream import ExpertLabels, runs_for
from .holdout import Protocol, Trial, make_trials
from .scores import BASELINE, MethodScores, Scores
from .scoring import NoLpips, OnResult, against, score_method
from .truth import Truth

if TYPE_CHECKING:
    from ..metrics.perceptual import Lpips

__all__ = [
    "BASELINE",
    "LPIPS_NETS",
    "ExpertLabels",
    "LpipsChoice",
    "MethodScores",
    "OnResult",
    "Scores",
    "evaluate",
    "plan_of",
]

LPIPS_NETS = ("alex", "vgg", "squeeze")
_RUNNING = 0.9
"""Share of the time that the methods take where segmentations are scored afterwards."""


@dataclass(frozen=True)
class LpipsChoice:
    """LPIPS with an image network; its weights come from a file, or are loaded from the internet and kept."""

    net: str
    weights: Path | None = None


def evaluate(
    dataset: Dataset,
    methods: Sequence[str],
    protocol: Protocol,
    settings: Settings | None = None,
    *,
    reference: Dataset | None = None,
    data_range: tuple[float, float] | None = None,
    lpips: LpipsChoice | None = None,
    labels: ExpertLabels | None = None,
    report: Report = silent,
    on_result: OnResult | None = None,
    on_scores: Callable[[MethodScores], None] | None = None,
) -> Scores:
    """Score methods on sections that they have not seen.

    Parameters
    ----------
    dataset : Dataset
        The stack; sections of it are hidden (all of it is visible for the protocol ``reference``).
    methods : sequence of str
        Names of methods, with presets and parameters of their own as :func:`plan_of` reads them.
    protocol : Protocol
    settings : Settings, optional
        Preset, device, seed ... of all methods; its parameters belong to its method, its target is not used.
    reference : Dataset, optional
        The dense truth, for the protocol ``reference``.
    data_range : (low, high), optional
        Intensities that count as the full range. Default: percentiles 0.1 to 99.9 of the truth.
    lpips : LpipsChoice, optional
        Also score LPIPS. Where its weights cannot be had, it is None everywhere, and ``Scores.lpips`` says why.
    labels : ExpertLabels, optional
        Labels drawn on the truth: what each method made is segmented, and the segmentations are scored, too.
    report, on_result : callable
    on_scores : callable, optional
        Called with each method's scores as soon as they are known, before the comparison with linear interpolation.

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
    if reference is not None and part_in_words(settings):
        raise RequestError("a crop or time points do not go with a reference; cut both files beforehand")
    if not methods:
        raise RequestError("no methods to evaluate; name some, such as --methods linear,cubic")
    dataset = prepare_dataset(dataset, settings).without_alpha()
    reference = None if reference is None else _channel_of(reference, settings)
    used = used_sections(dataset, settings)
    check_voxels(without_excluded(dataset, settings), fill_nan=settings.nan == "fill")
    trials = make_trials(dataset, protocol, reference, used)
    truth = Truth.of(dataset, data_range, used) if reference is None else Truth.of(reference, data_range)
    plans = [plan_of(name, settings) for name in methods]
    _check_requests(trials[0], plans)
    runs = runs_for(labels, truth.dataset, trials, protocol, settings)
    network, how = _lpips(lpips, report)
    passing = _all_of(on_result, None if runs is None else runs.keep)
    whole, report = report, report if runs is None else part(report, 0.0, _RUNNING)
    done: list[tuple[MethodScores, str]] = []
    report(Progress(0.0))
    for i, (name, plan) in enumerate(zip(methods, plans, strict=True)):
        inner = part(report, i / len(plans), (i + 1) / len(plans), name)
        done.append(score_method(name, plan, trials, truth, network, inner, passing))
        if on_scores is not None:
            on_scores(done[-1][0])
    names, linear = [scores.method for scores, _ in done], plan_of(BASELINE, settings)
    segmented = None if runs is None else runs.finish(names, linear, part(whole, _RUNNING, 1.0, "segmenting"))
    baseline = next((scores for scores, _ in done if scores.method == BASELINE), None)
    scores = [each if baseline in (None, each) else against(baseline, each) for each, _ in done]
    source = dataset.source.name if dataset.source else None
    devices = ", ".join(dict.fromkeys(device for _, device in done))
    return Scores(
        source,
        protocol,
        truth.ranges,
        devices,
        tuple(scores),
        stack=truth.describe(),
        settings=settings.model_dump(mode="json", exclude={"method", "parameters"}, exclude_defaults=True),
        lpips=how,
        downstream=segmented,
    )


def _channel_of(reference: Dataset, settings: Settings) -> Dataset:
    reference = reference.without_alpha()
    if settings.channel is not None and reference.voxels.shape[1] > 1:
        return reference.select_channel(settings.channel)
    return reference


def _all_of(*callbacks: OnResult | None) -> OnResult | None:
    """Return one callback that calls those that there are."""
    known = [each for each in callbacks if each is not None]

    def call(name: str, trial: Trial, result: Result) -> None:
        for each in known:
            each(name, trial, result)

    return call if known else None


def _lpips(choice: LpipsChoice | None, report: Report) -> tuple[Lpips | NoLpips | None, dict[str, str | None] | None]:
    """Return LPIPS ready for use, and how it was made or why it cannot be."""
    if choice is None:
        return None, None
    if choice.net not in LPIPS_NETS:
        raise RequestError(f"LPIPS knows the networks {', '.join(LPIPS_NETS)}, not '{choice.net}'")
    from ..models import weights

    download = weights.BACKBONES[choice.net]
    if choice.weights is None and not download.stored.is_file():
        report(Progress(0.0, download.announce()))
    try:
        file = weights.lpips_backbone(choice.net, choice.weights)
        from ..metrics.perceptual import Lpips

        network = Lpips(choice.net, weights.read(file), weights.lpips_linear_weights(choice.net))
    except WeightsError as error:
        why = (
            f"{error}. Get {download.url} on another machine and give it with --lpips-weights FILE; "
            "everything else was computed"
        )
        return NoLpips(), {"net": choice.net, "weights": None, "problem": why}
    return network, {"net": choice.net, "weights": weights.sha256_of(file), "problem": None}


def plan_of(text: str, settings: Settings) -> Settings:
    """Return the settings of one contender's runs; what concerns the input has been applied already.

    Parameters
    ----------
    text : str
        ``method``, with a preset and parameters of its own if wanted: ``section_sr:fast``, ``cubic:kind=spline``;
        with sections that are enhanced or aligned first: ``linear:enhance=srcnn``, ``flow:align=translation``.
    settings : Settings
        Of all contenders; its parameters belong to its method, those for enhancing to its enhancing method.
    """
    name, *words = text.split(":")
    target = {"factor": None, "spacing": None, "isotropic": False}
    own: dict[str, Any] = {} if name == settings.method else {"parameters": {}}
    parameters = dict(word.split("=", 1) for word in words if "=" in word)
    enhance = parameters.pop("enhance", None)
    if enhance is None or enhance != settings.enhance:
        own["enhance_parameters"] = {}
    own["align"] = parameters.pop("align", settings.align)
    if parameters:
        own["parameters"] = parameters
    presets = [word for word in words if "=" not in word]
    if presets:
        own["preset"] = presets[-1]
    return make_settings(**(settings.model_dump() | {"method": name, "enhance": enhance, **APPLIED, **target, **own}))


def _check_requests(trial: Trial, plans: Sequence[Settings]) -> None:
    """Fail before the first long run if a later method or device does not exist, or does not fit the protocol."""
    for plan in plans:
        request = resolve(trial.visible, plan, depths=trial.depths.tolist())
        if request.spec.enlarges not in (1, trial.in_plane):
            raise RequestError(
                f"{plan.method} makes all three axes {request.spec.enlarges} times finer; "
                f"score it with --protocol sr{request.spec.enlarges}"
            )

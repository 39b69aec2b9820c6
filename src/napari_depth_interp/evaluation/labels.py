"""Hide annotated sections, fill them in with each method from what is left, score the hidden ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..labels.annotated import Place
from ..labels.execute import execute_labels
from ..labels.methods import registry
from ..labels.request import LabelRequest, resolve_labels
from ..labels.result import LabelResult
from ..labels.settings import LabelSettings, make_label_settings
from ..labels.suggest import warnings_of
from ..labels.voxels import chosen_only
from ..metrics.labels import LabelPair, LabelTally, mean_row, section_scores
from ..metrics.statistics import gap_curve, mean_of
from ..progress import Progress, Report, part, silent
from ..stack import Dataset
from ..stack.grid import UNKNOWN_GAP
from .holdout import Protocol
from .label_scores import LabelMethodScores, LabelScores
from .label_trials import LabelTrial, make_label_trials, unseen_labels

OnLabels = Callable[[str, LabelTrial, LabelResult], None]
"""Called with (method, trial, result) after each run, while the result is still in memory."""

_RUNNING = 0.9
"""Share of the time that the runs take; the rest is scoring."""


def default_methods(*, image: bool) -> list[str]:
    """Return the methods that are scored where none are named: all that need no image, or all if there is one."""
    return [name for name, spec in registry.SPECS.items() if image or not spec.needs_image]


def evaluate_labels(
    dataset: Dataset,
    methods: Sequence[str],
    protocol: Protocol,
    settings: LabelSettings | None = None,
    *,
    image: Dataset | None = None,
    report: Report = silent,
    on_result: OnLabels | None = None,
    on_scores: Callable[[LabelMethodScores], None] | None = None,
) -> LabelScores:
    """Score methods for labels on annotated sections that they have not seen.

    Parameters
    ----------
    dataset : Dataset
        The labels; annotated sections of it are hidden.
    methods : sequence of str
        Names of methods, with parameters of their own as ``learned:trees=50``.
    protocol : Protocol
        ``keep_every``, ``hold_out`` or ``leave_one_out``.
    settings : LabelSettings, optional
        Which sections are annotated, which labels count, threads, seed; its parameters belong to its method, its target
        is not used.
    image : Dataset, optional
        The image that the labels were drawn on. It is seen on all its sections, also where labels are hidden.
    report, on_result : callable
    on_scores : callable, optional
        Called with each method's scores as soon as they are known.

    Returns
    -------
    LabelScores

    Raises
    ------
    RequestError
        For an unknown method, or a protocol that too few sections are annotated for.
    InputError
        If these are no labels, or the image does not fit them.
    """
    settings = settings or LabelSettings()
    if not methods:
        raise RequestError("no methods to evaluate; name some, such as --methods nearest,shape")
    plans = [label_plan_of(name, settings) for name in methods]
    for plan in plans:
        if registry.get(plan.method).needs_image and image is None:
            raise RequestError(f"{plan.method} looks at the image that the labels were drawn on; give it with --image")
    truth = _Truth.of(*label_trials(dataset, protocol, settings, image), settings)
    done: list[LabelMethodScores] = []
    report(Progress(0.0))
    for i, (name, plan) in enumerate(zip(methods, plans, strict=True)):
        inner = part(report, i / len(plans), (i + 1) / len(plans), name)
        done.append(_score_method(name, plan, truth, image, inner, on_result))
        if on_scores is not None:
            on_scores(done[-1])
    return LabelScores(
        _name_of(dataset),
        protocol,
        tuple(done),
        _name_of(image),
        truth.describe(),
        settings.model_dump(mode="json", exclude={"method", "parameters"}, exclude_defaults=True),
        truth.unseen,
        truth.warnings(),
    )


def label_plan_of(text: str, settings: LabelSettings) -> LabelSettings:
    """Return the settings of one contender's runs, from ``method`` or ``method:parameter=value``.

    Raises
    ------
    RequestError
        For an unknown method, or what is no parameter.
    """
    name, *words = text.split(":")
    registry.get(name)
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise RequestError(f"methods for labels have no preset '{wrong[0]}'; write for example {name}:parameter=value")
    parameters: dict[str, Any] = dict(settings.parameters) if name == settings.method else {}
    parameters |= dict(word.split("=", 1) for word in words)
    return make_label_settings(**settings.model_dump() | {"method": name, "parameters": parameters})


def label_trials(
    dataset: Dataset, protocol: Protocol, settings: LabelSettings, image: Dataset | None = None
) -> tuple[LabelRequest, list[LabelTrial]]:
    """Return the labels as they are, with what is annotated, and the trials; errors as :func:`evaluate_labels`."""
    own: dict[str, Any] = {"method": "nearest", "parameters": {}, "factor": None, "spacing": None, "isotropic": False}
    request = resolve_labels(dataset, settings.model_copy(update=own), image=image)
    return request, make_label_trials(request, protocol)


def _name_of(dataset: Dataset | None) -> str | None:
    return dataset.source.path.name if dataset is not None and dataset.source and dataset.source.path else None


@dataclass(frozen=True, eq=False)
class _Truth:
    """The true labels on the annotated sections that are looked at, and what scoring needs to know of them."""

    request: LabelRequest
    trials: Sequence[LabelTrial]
    settings: LabelSettings
    sections: NDArray[np.intp]
    voxels: dict[Place, NDArray[Any]]
    unseen: tuple[int, ...]

    @classmethod
    def of(cls, request: LabelRequest, trials: Sequence[LabelTrial], settings: LabelSettings) -> _Truth:
        seen = {section for trial in trials for section in (*trial.asked, *trial.kept)}
        last = max(max(trial.kept) for trial in trials)
        sections = np.array(sorted(each for each in seen if each <= last))
        voxels = {
            place: np.stack([chosen_only(np.asarray(request.dataset.voxels[place][each]), request.labels)
                             for each in sections])
            for place in request.annotated_of
        }  # fmt: skip
        return cls(request, trials, settings, sections, voxels, unseen_labels(request, trials))

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """Which of the sections are hidden in some trial."""
        return np.isin(self.sections, [section for trial in self.trials for section in trial.hidden])

    def annotated(self, place: Place) -> NDArray[np.bool_]:
        """Which of the sections are annotated at one time point in one channel."""
        return np.isin(self.sections, self.request.annotated_of[place])

    @property
    def pixel(self) -> tuple[float, float]:
        """Size of a pixel in the unit of :attr:`depths`."""
        if not self.request.depths_known:
            return 1.0, 1.0
        stack = self.request.dataset.stack()
        return stack.grid.pixel_size or (stack.pixel, stack.pixel)

    @property
    def depths(self) -> NDArray[np.float64]:
        """Of all sections of the file; in pixels where the file does not know."""
        depths = self.request.dataset.stack().depths
        return depths if self.request.depths_known else depths * UNKNOWN_GAP

    def describe(self) -> dict[str, Any]:
        """Return what a reader of the scores has to know of the labels."""
        grid = self.request.dataset.grid
        on = [np.unique(each[self.hidden & self.annotated(place)]) for place, each in self.voxels.items()]
        labels = np.unique(np.concatenate(on))
        return {
            "shape": list(self.request.dataset.voxels.shape),
            "voxel_size": [grid.spacing if self.request.depths_known else None, *(grid.pixel_size or (None, None))],
            "unit": grid.unit if self.request.depths_known else None,
            "dtype": str(self.request.dataset.voxels.dtype),
            "annotated": list(self.request.annotated),
            "hidden": self.sections[self.hidden].tolist(),
            "labels": int(np.count_nonzero(labels)),
        }

    def warnings(self) -> tuple[str, ...]:
        """Say which gaps of the first trial are wider than objects are tall, and which labels cannot be known."""
        trial = self.trials[0]
        plain = trial.settings(self.settings.model_copy(update={"method": "nearest", "parameters": {}}))
        visible = resolve_labels(trial.visible(self.request), plain, filled=())
        unit, places = self.request.dataset.grid.unit or "", visible.annotated_of if visible.depths_known else ()
        found = [warning for place in places for warning in warnings_of(visible.series(*place), unit)]
        return tuple(dict.fromkeys([*self.request.dataset.notes, *found, *_unknowable(self.unseen)]))


def _unknowable(labels: Sequence[int]) -> list[str]:
    if not labels:
        return []
    names = ", ".join(map(str, labels[:5])) + (" ..." if len(labels) > 5 else "")
    why = "on hidden sections only, where no method can know"
    if len(labels) == 1:
        return [f"label {names} is {why} it; it counts as a Dice of 0"]
    return [f"{len(labels)} labels ({names}) are {why} them; each counts as a Dice of 0"]


@dataclass
class _Record:
    """What is collected while a method runs on trial after trial."""

    truth: _Truth
    restored: dict[Place, NDArray[Any]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    expected: list[float | None] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0
    peak: float = 0.0

    def __post_init__(self) -> None:
        self.restored = {place: voxels.copy() for place, voxels in self.truth.voxels.items()}

    def add(self, trial: LabelTrial, request: LabelRequest, result: LabelResult) -> None:
        """Take in the hidden sections of one result; what is said about the sections that were left is no news."""
        self.warnings |= dict.fromkeys(each for each in result.warnings if each not in request.notes)
        self.seconds += result.seconds or 0.0
        self.peak = max(self.peak, result.peak_memory_mb or 0.0)
        self.expected.append(result.expected_dice)
        times, channels = result.dataset.voxels.shape[:2]
        for place, restored in self.restored.items():
            several = ({"time": place[0]} if times > 1 else {}) | ({"channel": place[1]} if channels > 1 else {})
            annotated = self.truth.annotated(place)
            for section in trial.hidden:
                at = int(np.searchsorted(self.truth.sections, section))
                restored[at] = result.dataset.voxels[place][section]
                if annotated[at]:
                    self.rows.append(self._row(trial, section, several, self.truth.voxels[place][at], restored[at]))

    def _row(
        self, trial: LabelTrial, section: int, several: dict[str, int], truth: NDArray[Any], restored: NDArray[Any]
    ) -> dict[str, Any]:
        depths = self.truth.request.dataset.stack().depths
        where = {"index": section, "z": float(depths[section]), "gap_position": trial.place_in_gap(section, depths)}
        return where | several | section_scores(truth, restored)

    def tally(self) -> LabelTally:
        """Return what is counted of each label over all channels and time points."""
        found, truth = LabelTally(), self.truth
        for place, restored in self.restored.items():
            here = truth.annotated(place)
            depths = truth.depths[truth.sections[here]]
            found.add(LabelPair(truth.voxels[place][here], restored[here], truth.hidden[here], depths, truth.pixel))
        return found


def _score_method(
    name: str, plan: LabelSettings, truth: _Truth, image: Dataset | None, report: Report, on_result: OnLabels | None
) -> LabelMethodScores:
    record, trials = _Record(truth), truth.trials
    for i, trial in enumerate(trials):
        request = resolve_labels(trial.visible(truth.request), trial.settings(plan), image=image, filled=())
        running = part(report, _RUNNING * i / len(trials), _RUNNING * (i + 1) / len(trials))
        result = execute_labels(request, running, gaps=trial.gaps(truth.request))
        record.add(trial, request, result)
        if on_result is not None:
            on_result(name, trial, result)
    report(Progress(_RUNNING, "scoring"))
    tally = record.tally()
    rows = [{"label": label, "unseen": label in truth.unseen, **tally.row(label)} for label in tally.labels()]
    report(Progress(1.0))
    return LabelMethodScores(
        name,
        request.config.model_dump(mode="json"),
        record.seconds,
        record.peak,
        mean_row(rows),
        tally.total(),
        tuple(rows),
        tuple(record.rows),
        gap_curve(record.rows, ["dice", "accuracy"]),
        tuple(record.warnings),
        mean_of(record.expected),
    )

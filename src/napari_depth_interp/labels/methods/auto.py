"""The method ``auto``: what does best on annotated sections that were left out."""

from __future__ import annotations

from pydantic import Field

from ...method import MethodConfig, Runtime
from ...progress import Progress, Report, part, silent
from ..gap import Filled, Gap
from ..method import LabelFindings, LabelMethod, LabelMethodSpec
from ..series import Series
from ..trial import HiddenSection, Key, ahead, dice_of, hide_sections, mean_dice
from ..windows import fullest

_ENOUGH = 5
"""Annotated sections from which on some can be left out."""
_SURE = 1.5
"""Standard errors by which another method must be ahead of the usual one."""
_LEFT = 0.35
"""Which part of the loss in Dice of sections in the middle of gaps twice as wide is there in these gaps; measured."""
_BELIEVED = 0.3
"""At a lower Dice the wide gaps say nothing about the narrow ones."""


class LabelAutoConfig(MethodConfig):
    """Parameters of the automatic choice."""

    tried: int = Field(
        default=6,
        ge=1,
        le=50,
        title="Sections tried",
        description="Annotated sections that the methods are tried on, at most. More: a surer choice, and slower.",
    )


class _Auto:
    def __init__(self, config: LabelAutoConfig, runtime: Runtime) -> None:
        self._config, self._runtime = config, runtime
        self._chosen: LabelMethod | None = None
        self._findings = LabelFindings()

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Try the methods on annotated sections, and prepare the best one on all."""
        names = _candidates(series)
        scores = self._try(names, series, part(report, 0.0, 0.6)) if len(series) >= _ENOUGH else {}
        best, dice = _winner(names, scores), {name: mean_dice(each) for name, each in scores.items()}
        self._chosen = self._create(best)
        self._chosen.prepare(series, report=part(report, 0.6, 1.0))
        expected = None if best not in dice else 1 - _LEFT * (1 - dice[best])
        self._findings = LabelFindings(expected, dice, (_in_words(best, dice),))

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Return what the best method makes of a gap."""
        assert self._chosen is not None
        return self._chosen.fill(gap, report=report)

    def findings(self) -> LabelFindings:
        """Return how the methods did on the sections left out."""
        return self._findings

    def _create(self, name: str) -> LabelMethod:
        from . import registry

        spec = registry.get(name)
        return spec.create(spec.config(), self._runtime)

    def _try(self, names: list[str], series: Series, report: Report) -> dict[str, dict[Key, float]]:
        visible, hidden = hide_sections(fullest(series), self._config.tried)
        scores = {}
        for number, name in enumerate(names):
            inner = part(report, number / len(names), (number + 1) / len(names))
            scores[name] = _scores_of(self._create(name), visible, hidden, inner)
        return scores


def _candidates(series: Series) -> list[str]:
    """Return the methods to try, the one that is best as a rule first."""
    return ["shape", "nearest"] if series.image is None else ["learned", "flow", "shape", "nearest"]


def _scores_of(method: LabelMethod, visible: Series, hidden: list[HiddenSection], report: Report) -> dict[Key, float]:
    method.prepare(visible, report=part(report, 0.0, 0.5))
    found = []
    for number, each in enumerate(hidden):
        inner = part(report, 0.5 + number / len(hidden) / 2, 0.5 + (number + 1) / len(hidden) / 2)
        found.append((method.fill(each.gap, report=inner).labels[0], each))
        inner(Progress(1.0))
    return dice_of(found)


def _winner(names: list[str], scores: dict[str, dict[Key, float]]) -> str:
    """Return the method that will do best; the usual one unless another is ahead by more than chance."""
    best, most = names[0], 0.0
    for name, each in scores.items():
        lead, error = ahead(each, scores[names[0]])
        if lead > max(most, _SURE * error) and mean_dice(each) > _BELIEVED:
            best, most = name, lead
    return best


def _in_words(best: str, dice: dict[str, float]) -> str:
    if not dice:
        return f"{best} fills the labels in; with {_ENOUGH} annotated sections or more the methods are tried out first"
    tried = ", ".join(f"{name} {value:.2f}" for name, value in dice.items())
    return f"{best} fills the labels in; Dice on annotated sections left out, in gaps twice as wide: {tried}"


AUTO = LabelMethodSpec(
    name="auto",
    title="Automatic",
    summary="Leaves annotated sections out, tries every method on them and takes the best one; says which Dice to "
    "expect. The best choice for most labels.",
    config=LabelAutoConfig,
    create=_Auto,
)

"""The method ``auto``: what does best on annotated sections that were left out."""

from __future__ import annotations

from pydantic import Field

from ...method import MethodConfig, Runtime
from ...progress import Progress, Report, part, silent
from ..gap import Filled, Gap
from ..method import LabelFindings, LabelMethod, LabelMethodSpec
from ..series import Series
from ..trial import HiddenSection, hide_sections, mean_dice
from ..windows import fullest

_ENOUGH = 5
"""Annotated sections from which on some can be left out."""
_LEAD = 0.03
"""By how much another method must be ahead in Dice: in gaps twice as wide not all are as good as in these."""
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
        dice = self._try(names, series, part(report, 0.0, 0.6)) if len(series) >= _ENOUGH else {}
        best = _winner(names, dice)
        self._chosen = self._create(best)
        self._chosen.prepare(series, report=part(report, 0.6, 1.0))
        expected = None if best not in dice else 1 - (1 - dice[best]) / 2
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

    def _try(self, names: list[str], series: Series, report: Report) -> dict[str, float]:
        visible, hidden = hide_sections(fullest(series), self._config.tried)
        dice = {}
        for number, name in enumerate(names):
            inner = part(report, number / len(names), (number + 1) / len(names))
            dice[name] = _dice_of(self._create(name), visible, hidden, inner)
        return dice


def _candidates(series: Series) -> list[str]:
    """Return the methods to try, the one that is best as a rule first."""
    return ["shape", "nearest"] if series.image is None else ["learned", "flow", "shape", "nearest"]


def _dice_of(method: LabelMethod, visible: Series, hidden: list[HiddenSection], report: Report) -> float:
    method.prepare(visible, report=part(report, 0.0, 0.5))
    found = []
    for number, each in enumerate(hidden):
        inner = part(report, 0.5 + number / len(hidden) / 2, 0.5 + (number + 1) / len(hidden) / 2)
        found.append((method.fill(each.gap, report=inner).labels[0], each))
        inner(Progress(1.0))
    return mean_dice(found)


def _winner(names: list[str], dice: dict[str, float]) -> str:
    """Return the best method; the usual one unless another is clearly ahead."""
    best = max(dice, key=lambda name: dice[name], default=names[0])
    clear = best in dice and dice[best] > dice[names[0]] + _LEAD and dice[best] > _BELIEVED
    return best if clear else names[0]


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

"""The contract between a method for labels and everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..method import MethodConfig, Runtime
from ..progress import Report
from .gap import Filled, Gap
from .series import Series


class LabelMethod(Protocol):
    """A method at work on the annotated sections of one channel at one time point."""

    def prepare(self, series: Series, *, report: Report) -> None:
        """Learn from all annotated sections what there is to learn. Called once, before any ``fill``."""

    def fill(self, gap: Gap, *, report: Report = ...) -> Filled:
        """Return the wanted sections of one gap; the gap's arrays must not be changed.

        ``report`` is to be called several times a second: it is how the work is cancelled.
        """


@dataclass(frozen=True)
class LabelMethodSpec:
    """What there is to know about a method for labels.

    Attributes
    ----------
    name, title, summary : str
    config : type of MethodConfig
        Its parameters, and their only place.
    create : callable
        ``create(config, runtime)`` gives a :class:`LabelMethod`.
    needs_image : bool
        Whether it looks at the image that the labels were drawn on.
    """

    name: str
    title: str
    summary: str
    config: type[MethodConfig]
    create: Callable[[Any, Runtime], LabelMethod]
    needs_image: bool = False


@dataclass(frozen=True)
class LabelFindings:
    """What a method found out about the labels on the annotated sections themselves, for people.

    Attributes
    ----------
    expected_dice : float or None
        Mean Dice of the labels on annotated sections that were left out.
    dice : mapping of method name -> Dice
        The same for every method that was tried.
    warnings : tuple of str
        What the user should know, in plain words.
    """

    expected_dice: float | None = None
    dice: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@runtime_checkable
class ExplainsLabels(Protocol):
    """A method for labels that can say, once prepared, what it found out."""

    def findings(self) -> LabelFindings: ...

"""The contract between a method for labels and everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..method import MethodConfig, Runtime
from ..progress import Report
from .gap import Filled, Gap
from .series import Series


class LabelMethod(Protocol):
    """A method at work on the annotated sections of one channel at one time point."""

    def prepare(self, series: Series, *, report: Report) -> None:
        """Learn from all annotated sections what there is to learn. Called once, before any ``fill``."""

    def fill(self, gap: Gap) -> Filled:
        """Return the wanted sections of one gap; the gap's arrays must not be changed."""


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

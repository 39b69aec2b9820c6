"""The method ``learned`` at work; here, not beside its parameters, as torch is imported only when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..method import Runtime
from ..nn.runtime import torch_on
from ..progress import Report, part, silent
from .candidates import Candidate, candidates
from .crowd import with_crowd, without_crowd
from .evidence import Evidence
from .fusion import fused, ready
from .gap import Filled, Gap
from .network import RowClassifier
from .paths import Paths
from .reliability import outline_error
from .scores import contest_of, scored
from .series import Series

if TYPE_CHECKING:
    from .methods.learned import LearnedConfig


class Learned:
    """The method at work.

    Parameters
    ----------
    config : LearnedConfig
    runtime : Runtime
    network : RowClassifier, optional
        That weighs outlines against the image. Default: the one that the package brings.
    """

    def __init__(self, config: LearnedConfig, runtime: Runtime, network: RowClassifier | None = None) -> None:
        self._config = config
        self._single = replace(runtime, device="cpu", threads=1)  # networks so small lose more than they gain by more
        self._network = network
        self._evidence = Evidence(config.steps, runtime.seed)
        self._off = 1.0

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Learn what objects look like, and how well outlines alone tell where they are."""
        self._off = outline_error(series)
        with torch_on(self._single):
            self._evidence.fit(series, report)

    def candidates(self, gap: Gap, report: Report = silent) -> Iterator[Candidate]:
        """Yield the pixels that each object of a gap may have, with their features."""
        paths = Paths.of(gap, self._config.smoothness, part(report, 0.0, 0.2))
        objects = scored(gap, paths, part(report, 0.2, 0.4))
        looks = self._evidence.looks(gap, part(report, 0.4, 0.6))
        contest, inner = contest_of(objects, gap.shape), part(report, 0.6, 1.0)
        yield from candidates(gap, objects, contest, paths, looks, inner, off=self._off)

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Return the sections of a gap."""
        gap, crowd = without_crowd(gap)
        with torch_on(self._single):
            filled = fused(self._network or ready(), self.candidates(gap, report), gap.shape)
        return with_crowd(filled, crowd, gap)

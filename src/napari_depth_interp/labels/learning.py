"""The method ``learned`` at work; here, not beside its parameters, as torch is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..method import Runtime
from ..nn.runtime import torch_on
from ..progress import Report, part, silent
from .candidates import Candidate, candidates
from .crowd import with_crowd, without_crowd
from .evidence import Evidence
from .fusion import Networks, fused, ready
from .gap import Filled, Gap
from .paths import Paths
from .reliability import motion_share, outline_error
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
    networks : Networks, optional
        That weigh outlines against the image. Default: those that the package brings.
    """

    def __init__(self, config: LearnedConfig, runtime: Runtime, networks: Networks | None = None) -> None:
        self._config = config
        self._single = replace(runtime, device="cpu", threads=1)  # networks so small lose more than they gain by more
        self._networks = networks
        self._evidence = Evidence(config.steps, runtime.seed)
        self._off = self._share = 1.0

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Learn what objects look like, and how well outlines alone and the image's motion tell where they are."""
        self._off = outline_error(series)
        self._share = motion_share(series, self._config.smoothness, part(report, 0.0, 0.3))
        with torch_on(self._single):
            self._evidence.fit(series, part(report, 0.3, 1.0))

    def candidates(self, gap: Gap, report: Report = silent) -> Iterator[Candidate]:
        """Yield the pixels that each object of a gap may have, with their features."""
        yield from self._looked_at(gap, part(report, 0.0, 0.6))(part(report, 0.6, 1.0))

    def _looked_at(self, gap: Gap, report: Report) -> Callable[[Report], Iterator[Candidate]]:
        """Look at a gap; return what yields its candidates, as often as it is called."""
        paths = Paths.of(gap, self._config.smoothness, part(report, 0.0, 0.3), share=self._share)
        objects = scored(gap, paths, part(report, 0.3, 0.6))
        looks = self._evidence.looks(gap, part(report, 0.6, 1.0))
        contest = contest_of(objects, gap.shape)
        return lambda inner: candidates(gap, objects, contest, paths, looks, inner, off=self._off)

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Return the sections of a gap."""
        gap, crowd = without_crowd(gap)
        with torch_on(self._single):
            found = self._looked_at(gap, part(report, 0.0, 0.6))
            times = iter((part(report, 0.6, 0.8), part(report, 0.8, 1.0)))
            filled = fused(self._networks or ready(), lambda: found(next(times)), gap.shape)
        return with_crowd(filled, crowd, gap)

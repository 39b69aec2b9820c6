"""The method ``flow``: outlines that move as the image moves."""

from __future__ import annotations

from pydantic import Field

from ...method import MethodConfig, Runtime
from ...progress import Report, part, silent
from ..crowd import with_crowd, without_crowd
from ..gap import Filled, Gap
from ..method import LabelMethodSpec
from ..morph import confidence_of
from ..paths import Paths
from ..reliability import motion_share
from ..scores import contest_of, scored
from ..series import Series


class LabelFlowConfig(MethodConfig):
    """Parameters of labels that move as the image moves."""

    smoothness: float = Field(
        default=40.0,
        ge=1.0,
        le=500.0,
        title="Smoothness",
        description="How strongly neighbouring pixels are made to move alike. Higher: steadier on noise, misses small "
        "objects that move on their own.",
    )


class _Flow:
    def __init__(self, config: LabelFlowConfig, runtime: Runtime) -> None:
        self._config, self._share = config, 1.0

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Find out how far the motion of the image is that of the objects."""
        self._share = motion_share(series, self._config.smoothness, report)

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Let the objects compete with the mean of both scores."""
        gap, crowd = without_crowd(gap)
        paths = Paths.of(gap, self._config.smoothness, part(report, 0.0, 0.5), share=self._share)
        contest = contest_of(scored(gap, paths, part(report, 0.5, 1.0)), gap.shape)
        return with_crowd(Filled(contest.winners(), confidence_of(contest.margin(), gap)), crowd, gap)


FLOW = LabelMethodSpec(
    name="flow",
    title="Flow",
    summary="Moves each object's outline as the image moves from section to section, averaged with shape. Needs the "
    "image on the sections between.",
    config=LabelFlowConfig,
    create=_Flow,
    needs_image=True,
)

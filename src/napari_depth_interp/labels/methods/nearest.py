"""The method ``nearest``: the nearer annotated section, as it is."""

from __future__ import annotations

import numpy as np

from ...method import MethodConfig, Runtime
from ...progress import Report, silent
from ..gap import Filled, Gap
from ..method import LabelMethodSpec
from ..series import Series


class NearestConfig(MethodConfig):
    """Nearest has no parameters."""


class _Nearest:
    def __init__(self, config: NearestConfig, runtime: Runtime) -> None:
        pass

    def prepare(self, series: Series, *, report: Report = silent) -> None:
        """Learn nothing."""

    def fill(self, gap: Gap, *, report: Report = silent) -> Filled:
        """Halfway between the two the section below counts; where both agree there is little doubt."""
        labels = np.where((gap.shares <= 0.5)[:, None, None], gap.below, gap.above)
        doubt = np.minimum(gap.shares, 1 - gap.shares)[:, None, None]
        confidence = np.where(gap.below == gap.above, 1 - 0.1 * doubt, 1 - doubt)
        return Filled(labels, confidence.astype(np.float32))


NEAREST = LabelMethodSpec(
    name="nearest",
    title="Nearest section",
    summary="Repeats the nearer annotated section. The plain thing to compare with.",
    config=NearestConfig,
    create=_Nearest,
)

"""What a click on Fuse computes. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import io
from ...errors import OutputError
from ...fusion.execute import execute_fusion
from ...fusion.looks import on_volume
from ...fusion.request import FusionRequest, resolve_fusion
from ...fusion.result import FusionResult
from ...fusion.settings import FuseSettings
from ...progress import Progress, Report, part
from ...stack import Dataset
from ..boxes.save_names import beside
from ..jobs import import_torch

_FUSING = 0.95
"""Share of the time that fusing takes; the registered stacks follow, to be looked at."""


@dataclass(frozen=True, eq=False)
class Order:
    """What is fused.

    Attributes
    ----------
    datasets : sequence of Dataset
    names : sequence of str
    affines : sequence of (4, 4) arrays or None
        None: as the file says.
    settings : FuseSettings
    score : bool
    transforms : path or None
        Folder of transforms; nothing is registered then.
    """

    datasets: Sequence[Dataset]
    names: Sequence[str]
    affines: Sequence[NDArray[np.float64] | None]
    settings: FuseSettings
    score: bool = False
    transforms: Path | None = None

    def request(self, *, trusted: bool = False) -> FusionRequest:
        """Return the request; a ``trusted`` one tells what would be fused, and no voxels are looked at.

        Raises
        ------
        DepthInterpError
            If it cannot be done.
        """
        return resolve_fusion(
            self.datasets,
            self.settings,
            names=self.names,
            affines=self.affines,
            transforms=self.transforms,
            trusted=trusted,
        )


@dataclass(frozen=True, eq=False)
class Fused:
    """A volume, and each stack as it was registered, on its voxels."""

    result: FusionResult
    stacks: Sequence[NDArray[np.float32]]


def fuse_task(order: Order, report: Report) -> Fused:
    """Fuse what the order says."""
    if order.settings.method in ("in_plane", "field"):
        import_torch()
    request = replace(order, datasets=[*map(io.loaded, order.datasets)]).request()
    result = execute_fusion(request, part(report, 0.0, _FUSING), score=order.score)
    stacks = []
    for number in range(len(request.views)):
        report(Progress(_FUSING, "laying the stacks over the volume"))
        stacks.append(on_volume(request, result, number))
    report(Progress(1.0))
    return Fused(result, stacks)


def save_task(path: Path, result: FusionResult, overwrite: bool, report: Report) -> Path:
    """Write the volume, its uncertainty and coverage, and the transforms beside it."""
    report(Progress(0.0, f"saving {path.name}"))
    result.save(path, overwrite=overwrite)
    if result.uncertainty is not None:
        result.save_uncertainty(beside(path, "uncertainty"), overwrite=overwrite)
    result.save_coverage(beside(path, "coverage"), overwrite=overwrite)
    folder = path.with_name(f"{path.name.partition('.')[0]}-transforms")
    if folder.is_file():
        raise OutputError(f"'{folder}' is a file; the transforms are written into a folder of that name")
    result.save_transforms(folder, overwrite=overwrite)
    return path

"""What is to be repaired, resolved against the data: examined, planned, frozen.

``resolve_repair(dataset, settings)`` is the only way to a :class:`RepairRequest`; ``execute_repair`` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..methods import registry
from ..progress import Report, silent
from ..run.history import input_record, versions
from ..run.inputs import placed
from ..stack import Dataset
from .detect import examine
from .examination import Examination
from .memory import check_memory
from .plan import CHANGES, Step, plan
from .settings import RepairSettings


@dataclass(frozen=True, eq=False)
class RepairRequest:
    """One repair: a stack, what was found in it, and what is done about each damaged section.

    Attributes
    ----------
    dataset : Dataset
        With depths (counted where the file gives none).
    settings : RepairSettings
    examination : Examination
    steps : tuple of Step
        In the order of sections.
    depths_known : bool
        False where the sections are only counted.
    """

    dataset: Dataset
    settings: RepairSettings
    examination: Examination
    steps: tuple[Step, ...]
    depths_known: bool = True

    gives_uncertainty = False
    needs_memory = False

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.settings.method

    @property
    def kept(self) -> list[int]:
        """The sections of the result, by their number in the input."""
        removed = {step.index for step in self.steps if step.action == "remove"}
        return [k for k in range(self.dataset.voxels.shape[2]) if k not in removed]

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self.dataset.voxels.dtype

    @property
    def output_shape(self) -> tuple[int, ...]:
        times, channels, _, rows, columns = self.dataset.voxels.shape
        return times, channels, len(self.kept), rows, columns

    @property
    def touched(self) -> list[int]:
        """The sections that the repair changes, by their number in the input."""
        return sorted({step.index for step in self.steps if step.action in CHANGES})

    def dense_template(self) -> Dataset:
        """Return the dataset that the result will be, without its voxels and its history."""
        depths = self.dataset.grid.depths
        known = None if depths is None or not self.depths_known else depths[self.kept]
        empty = np.broadcast_to(np.zeros((), self.output_dtype), self.output_shape)
        return replace(self.dataset, voxels=empty, grid=replace(self.dataset.grid, depths=known), record={}, notes=())

    def record(self) -> dict[str, Any]:
        """Return the history of the repair as JSON-ready values; equal repairs give equal records."""
        stack = self.dataset.stack()
        depths = stack.grid.mirrored(stack.depths)[self.kept]
        touched = set(self.touched)
        return {
            "versions": versions(),
            "method": self.method,
            "repair": self.settings.model_dump(mode="json", exclude_defaults=True, exclude={"memory"}),
            "seed": self.settings.seed,
            "dtype": "keep",
            "depths": [float(z) for z in depths],
            "unit": self.dataset.grid.unit,
            "observed": [row for row, k in enumerate(self.kept) if k not in touched],
            "repaired": [row for row, k in enumerate(self.kept) if k in touched],
            "input": input_record(self.dataset),
        }


def resolve_repair(
    dataset: Dataset,
    settings: RepairSettings,
    *,
    examination: Examination | None = None,
    mask: NDArray[Any] | None = None,
    report: Report = silent,
) -> RepairRequest:
    """Examine a stack and plan what is to be done.

    Parameters
    ----------
    dataset : Dataset
        As read; spacing or depths of the settings are applied here.
    settings : RepairSettings
    examination : Examination, optional
        From an earlier :func:`examine` of the same stack with the same settings; default: it is examined now.
    mask : (Z, Y, X) array, optional
        Where it is not 0, the voxels are lost, whatever the examination found on that section.
    report : callable

    Raises
    ------
    RequestError
        If sections are named that there are not, the method makes no sections between others, the mask has another
        size, or sections are to be removed whose depths are not known.
    TooLargeError
        If a section takes more memory than was given.
    """
    spec = registry.get(settings.method)
    if spec.enhances or spec.enlarges > 1 or not spec.keeps_observed:
        raise RequestError(f"{spec.name} makes no sections between others; choose another method, such as linear")
    dataset = placed(dataset, settings)
    known = dataset.grid.depths is not None
    if settings.remove is not None and not known:
        raise RequestError(
            "without known depths a removed section would leave no gap behind; add --z-spacing, as in --z-spacing 2um"
        )
    check_memory(dataset, settings)
    found = examine(dataset, settings, report) if examination is None else examination
    dataset = dataset.counted()
    steps = plan(dataset, found, settings, _checked(mask, dataset))
    if sum(step.action == "remove" for step in steps) and _kept(dataset, steps) < 1:
        raise RequestError(f"--remove {settings.remove} leaves no section; name fewer")
    return RepairRequest(dataset, settings, found, tuple(steps), known)


def _kept(dataset: Dataset, steps: list[Step]) -> int:
    return int(dataset.voxels.shape[2] - len({step.index for step in steps if step.action == "remove"}))


def _checked(mask: NDArray[Any] | None, dataset: Dataset) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    sizes = tuple(np.shape(mask))
    if sizes != dataset.voxels.shape[2:]:
        wanted = " x ".join(map(str, dataset.voxels.shape[2:]))
        raise RequestError(
            f"the mask has {' x '.join(map(str, sizes))} voxels and the stack {wanted} (z, y, x); give one per voxel"
        )
    return np.asarray(np.asarray(mask) != 0, bool)

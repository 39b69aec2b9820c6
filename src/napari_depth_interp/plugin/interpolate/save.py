"""Saving a run: the result, and its uncertainty beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import napari

from ... import io
from ...errors import OutputError
from ...progress import Progress, Report
from ...stack import Dataset
from ..layers import is_real, to_dataset
from ..layers.channels import joined
from .results import Run
from .task import beside

_MISSING = {False: "the layer", True: "one of the layers"}


@dataclass(frozen=True, eq=False)
class Save:
    """What is written where; ``real`` values are not rounded."""

    path: Path
    result: Dataset
    real: bool
    uncertainty: Dataset | None = None


def save_order(viewer: napari.Viewer, run: Run, path: Path, *, overwrite: bool) -> Save:
    """Return what has to be written to save a run; what is there is replaced only if the user has agreed.

    Raises
    ------
    OutputError
        If the layer of the result is gone, a file is there that is not to be replaced, or it is of no known kind.
    """
    if any(layer not in viewer.layers for layer in run.layers):
        raise OutputError(f"{_MISSING[len(run.layers) > 1]} of '{run.name}' was removed; run again, then save")
    io.check_output(path, overwrite=overwrite)
    result = joined([to_dataset(layer) for layer in run.layers], run.layers)
    uncertain = run.outcome.result.uncertainty
    if uncertain is not None:
        io.check_output(beside(path), overwrite=overwrite and path.exists())  # nobody was asked about this one alone
    besides = None if uncertain is None else replace(result, voxels=uncertain)
    return Save(path, result, is_real(run.layers[0].metadata), besides)


def save_task(order: Save, report: Report) -> list[Path]:
    """Write the files and return them."""
    report(Progress(0.0, f"saving {order.path.name}"))
    io.write(order.path, io.loaded(order.result), overwrite=True, float_output=order.real)
    written = [order.path]
    if order.uncertainty is not None:
        report(Progress(0.5, "saving the uncertainty"))
        written.append(beside(order.path))
        io.write(written[-1], order.uncertainty, overwrite=True, float_output=True)
    return written

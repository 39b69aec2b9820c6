"""Reading what a method is trained on from a list of stacks."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from .. import io
from ..errors import DepthInterpError, InputError
from ..io import SectionAxis
from ..method import TrainingData
from ..stack import Stack

_FINE, _COARSE, _KIND = "hr", "lr", "class"


def read_list(path: Path, axis: SectionAxis, channel: str | None) -> TrainingData:
    """Return the stacks of a CSV list, each channel and time point by itself.

    Raises
    ------
    InputError
        If the list holds nothing to train on, or a stack cannot be read.
    """
    found = _listed(path, axis, channel)
    if not found.stacks:
        raise InputError(f"'{path}' names no stack to train on")
    return found.data()


@dataclass
class _Found:
    stacks: list[Stack] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    inputs: list[Stack | None] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def add(self, path: Path, stacks: list[Stack], inputs: list[Stack] | None = None, kind: str = "") -> None:
        self.stacks += stacks
        self.files += [path] * len(stacks)
        self.inputs += inputs or [None] * len(stacks)
        self.classes += [kind] * len(stacks)

    def data(self) -> TrainingData:
        inputs = tuple(self.inputs) if any(each is not None for each in self.inputs) else ()
        classes = tuple(self.classes) if any(self.classes) else ()
        return TrainingData(tuple(self.stacks), tuple(self.files), inputs=inputs, classes=classes)


def _listed(path: Path, axis: SectionAxis, channel: str | None) -> _Found:
    """Read a list: names are relative to its folder."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the list '{path}' cannot be read: {error}") from error
    unknown = [each for each in columns if each not in (_FINE, _COARSE, _KIND)]
    if _FINE not in columns or unknown:
        raise InputError(
            f"the list '{path.name}' has the columns {', '.join(columns) or 'none'}; its first line must name "
            "hr (the dense stack), and may name lr (the recorded coarse one) and class"
        )
    found = _Found()
    for number, row in enumerate(rows, start=2):
        if not row[_FINE]:
            raise InputError(f"line {number} of '{path.name}' names no dense stack (hr); complete or remove it")
        fine = path.parent / row[_FINE]
        stacks = _stacks(fine, axis, channel)
        coarse = _stacks(path.parent / row[_COARSE], axis, channel) if row.get(_COARSE) else None
        if coarse is not None and len(coarse) != len(stacks):
            raise InputError(
                f"line {number} of '{path.name}': {len(stacks)} dense stacks, but {len(coarse)} coarse ones"
            )
        found.add(fine, stacks, coarse, row.get(_KIND) or "")
    return found


def _stacks(path: Path, axis: SectionAxis, channel: str | None) -> list[Stack]:
    try:
        dataset = io.read(path, axis=axis)
        if channel is not None and dataset.voxels.shape[1] > 1:
            dataset = dataset.select_channel(channel)
        return [stack for _, _, stack in dataset.stacks()]
    except DepthInterpError as error:
        raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error

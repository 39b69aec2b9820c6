"""Reading what a method is trained on from a list of stacks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DepthInterpError, InputError
from ..nn.contract import TrainingData
from ..nn.data import signed
from ..stack import Stack

_FINE, _COARSE, _KIND = "hr", "lr", "class"

Read = Callable[[Path], Sequence[Stack]]
"""From a file to its stacks, each channel and time point by itself."""


def read_list(path: Path, read: Read) -> TrainingData:
    """Return the stacks of a CSV list, as ``read`` reads them.

    Raises
    ------
    InputError
        If the list holds nothing to train on, or a stack cannot be used.
    """
    found = _listed(path, read)
    if not found.stacks:
        raise InputError(f"'{path}' names no stack to train on")
    return found.data()


@dataclass
class _Found:
    stacks: list[Stack] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    inputs: list[Stack | None] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def add(self, path: Path, stacks: Sequence[Stack], inputs: Sequence[Stack] | None, kind: str) -> None:
        self.stacks += stacks
        self.files += [path] * len(stacks)
        self.inputs += inputs or [None] * len(stacks)
        self.classes += [kind] * len(stacks)

    def data(self) -> TrainingData:
        inputs = tuple(self.inputs) if any(each is not None for each in self.inputs) else ()
        classes = tuple(self.classes) if any(self.classes) else ()
        return signed(TrainingData(tuple(self.stacks), tuple(self.files), inputs=inputs, classes=classes))


def _listed(path: Path, read: Read) -> _Found:
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
    kinds = any(row.get(_KIND) for row in rows)
    for number, row in enumerate(rows, start=2):
        if not row[_FINE]:
            raise InputError(f"line {number} of '{path.name}' names no dense stack (hr); complete or remove it")
        if kinds and not row.get(_KIND):
            raise InputError(f"line {number} of '{path.name}' names no class, and others do; give all or none")
        fine = path.parent / row[_FINE]
        stacks = _stacks(fine, read)
        coarse = _stacks(path.parent / row[_COARSE], read) if row.get(_COARSE) else None
        if coarse is not None and len(coarse) != len(stacks):
            raise InputError(
                f"line {number} of '{path.name}': {len(stacks)} dense stacks, but {len(coarse)} coarse ones"
            )
        found.add(fine, stacks, coarse, row.get(_KIND) or "")
    return found


def _stacks(path: Path, read: Read) -> Sequence[Stack]:
    try:
        return read(path)
    except DepthInterpError as error:
        raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error

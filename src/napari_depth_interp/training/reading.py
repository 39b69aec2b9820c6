"""Reading what a method learns from: folders of stacks, CSV lists, noisy images with or without clean ones, layers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import io
from ..errors import DepthInterpError, InputError
from ..io.dicom import folder_holds_dicom
from ..method import MethodSpec
from ..nn.contract import TrainingData
from ..nn.data import signed
from ..run.inputs import prepare_dataset
from ..run.settings import Settings
from ..stack import Dataset, Stack
from ..stack.lazy import signature

_NOISY, _CLEAN = "noisy", "clean"
"""Folders of pairs, which are images of the same name."""
_FINE, _COARSE, _KIND = "hr", "lr", "class"
"""Columns of a list."""


def read_data(spec: MethodSpec, folder: Path, settings: Settings) -> TrainingData:
    """Return what a method learns from: a folder (for one that enhances, of noisy and clean ones), or a CSV list.

    Raises
    ------
    InputError
        If there is nothing, or something cannot be used.
    """
    if folder.is_file() and folder.suffix.lower() == ".csv":
        return read_list(folder, settings)
    if spec.enhances:
        return read_images(folder, settings)
    return read_folder(folder, settings)


def data_files(spec: MethodSpec, path: Path) -> list[Path]:
    """Return the files that a training would read, without reading them: of pairs the noisy ones, of a list itself.

    Raises
    ------
    InputError
        If there are none.
    """
    if path.is_file() and path.suffix.lower() == ".csv":
        return [path]
    if not path.is_dir():
        raise InputError(f"'{path}' is neither a folder nor a CSV list")
    folder = path / _NOISY if spec.enhances and _holds_pairs(path) else path
    found = stack_files(folder)
    if not found:
        raise InputError(f"'{folder}' holds no stack")
    return found


def stack_files(folder: Path) -> list[Path]:
    """Return the files of a folder that a training on it would read: one of each set of files, and DICOM series.

    Series are named ``FOLDER::SERIES``; they may lie in folders of the folder.
    """
    try:
        files = io.without_parts(sorted(each for each in folder.iterdir() if io.format_of(each) is not None))
    except OSError as error:
        raise InputError(f"'{folder}' cannot be read: {error.strerror or error}") from error
    if not folder_holds_dicom(folder):
        return files
    return [*files, *(Path(f"{folder}::{name}") for name in io.series_of(folder))]


@dataclass
class _Found:
    """What has been read so far, each channel and time point by itself."""

    stacks: list[Stack] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    targets: list[Stack] = field(default_factory=list)
    target_files: list[Path] = field(default_factory=list)
    inputs: list[Stack | None] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def add(self, path: Path, stacks: Sequence[Stack], inputs: Sequence[Stack] | None = None, kind: str = "") -> None:
        self.stacks += stacks
        self.files += [path] * len(stacks)
        self.inputs += inputs or [None] * len(stacks)
        self.classes += [kind] * len(stacks)

    def add_targets(self, path: Path, stacks: Sequence[Stack]) -> None:
        self.targets += stacks
        self.target_files += [path] * len(stacks)

    def data(self) -> TrainingData:
        inputs = tuple(self.inputs) if any(each is not None for each in self.inputs) else ()
        return signed(
            TrainingData(
                tuple(self.stacks),
                tuple(self.files),
                inputs=inputs,
                classes=tuple(self.classes) if any(self.classes) else (),
                targets=tuple(self.targets),
                target_files=tuple(self.target_files),
            )
        )


# Stacks


def read_folder(folder: Path, settings: Settings) -> TrainingData:
    """Return all stacks of a folder, each channel and time point by itself.

    Raises
    ------
    InputError
        If there are none, or one cannot be used.
    """
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; give one with dense stacks")
    found = _Found()
    for path in stack_files(folder):
        found.add(path, _read(path, settings))
    if not found.stacks:
        raise InputError(
            f"'{folder}' holds no stack to train on; its files have to be TIFF, NIfTI, OME-Zarr, DICOM, or of another "
            "format that is read"
        )
    return found.data()


def from_layers(spec: MethodSpec, named: Mapping[str, Dataset], settings: Settings) -> TrainingData:
    """Return the stacks of open layers; their voxels tell them from other data.

    A method that enhances takes each section alone, so their distance need not be known.

    Raises
    ------
    InputError
        If there are none, or one cannot be used.
    """
    stacks: list[Stack] = []
    names: list[Path] = []
    signatures: list[str] = []
    for name, dataset in named.items():
        try:
            known = dataset.counted() if spec.enhances and settings.z_spacing is None else dataset
            found = _stacks_of(known, settings.model_copy(update={"channel": None}))
        except DepthInterpError as error:
            raise InputError(f"'{name}' cannot be trained on: {error}") from error
        stacks += found
        names += [Path(name.replace("/", "_"))] * len(found)
        signatures += [signature(each.voxels) for each in found]
    if not stacks:
        raise InputError("no layer to train on is chosen; tick one or more")
    return TrainingData(tuple(stacks), tuple(names), tuple(signatures))


def _read(path: Path, settings: Settings, *, alone: bool = False) -> Sequence[Stack]:
    """Return the stacks of a file; where each section is taken ``alone``, their distance need not be known."""
    try:
        dataset = io.read(path, axis=settings.axis)
        return _stacks_of(dataset.counted() if alone else dataset, settings)
    except DepthInterpError as error:
        raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error


def _stacks_of(dataset: Dataset, settings: Settings) -> Sequence[Stack]:
    """Return a dataset's stacks; the z spacing of the settings is for those that have none."""
    known = dataset.grid.depths is not None
    one = dataset.voxels.shape[1] == 1
    spacing = None if known else settings.z_spacing
    channel = None if one else settings.channel
    prepared = prepare_dataset(dataset, Settings(z_spacing=spacing, channel=channel)).without_alpha()
    stacks = [stack.in_memory() for _, _, stack in prepared.stacks()]
    if any(each.voxels.dtype.kind == "f" and not np.isfinite(each.voxels).all() for each in stacks):
        raise InputError("it holds voxels that are infinite or not a number")
    return stacks


# Lists


def read_list(path: Path, settings: Settings) -> TrainingData:
    """Return the stacks of a CSV list, whose names are relative to its folder.

    Raises
    ------
    InputError
        If the list holds nothing to train on, or a stack cannot be used.
    """
    rows = _rows_of(path)
    found = _Found()
    kinds = any(row.get(_KIND) for row in rows)
    for number, row in enumerate(rows, start=2):
        if not row[_FINE]:
            raise InputError(f"line {number} of '{path.name}' names no dense stack (hr); complete or remove it")
        if kinds and not row.get(_KIND):
            raise InputError(f"line {number} of '{path.name}' names no class, and others do; give all or none")
        fine = path.parent / row[_FINE]
        stacks = _read(fine, settings)
        coarse = _read(path.parent / row[_COARSE], settings) if row.get(_COARSE) else None
        if coarse is not None and len(coarse) != len(stacks):
            raise InputError(
                f"line {number} of '{path.name}': {len(stacks)} dense stacks, but {len(coarse)} coarse ones"
            )
        found.add(fine, stacks, coarse, row.get(_KIND) or "")
    if not found.stacks:
        raise InputError(f"'{path}' names no stack to train on")
    return found.data()


def _rows_of(path: Path) -> list[dict[str, str]]:
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
    return rows


# Images to learn enhancement from


def read_images(folder: Path, settings: Settings) -> TrainingData:
    """Return what a method that enhances learns from, each channel and time point by itself.

    With the folders ``noisy`` and ``clean`` in it, pairs of files of the same name, whatever their suffix; else all
    stacks of the folder, noisy ones. A single image is a stack of one section; how far apart sections are does not
    matter.

    Raises
    ------
    InputError
        If there is nothing, a file cannot be read, is alone, or has another size than its counterpart.
    """
    if not folder.is_dir():
        raise InputError(
            f"'{folder}' is not a folder; give one with '{_NOISY}' and '{_CLEAN}' in it, or with noisy stacks"
        )
    if _holds_pairs(folder):
        return _read_pairs(folder, settings)
    found = _Found()
    for path in _by_name(folder).values():
        found.add(path, _read(path, settings, alone=True))
    if not found.stacks:
        raise InputError(
            f"'{folder}' holds no stack to train on (TIFF, NIfTI, OME-Zarr, DICOM or another format that is read), and "
            f"no folders '{_NOISY}' and '{_CLEAN}'"
        )
    return found.data()


def _holds_pairs(folder: Path) -> bool:
    return (folder / _NOISY).is_dir() or (folder / _CLEAN).is_dir()


def _read_pairs(folder: Path, settings: Settings) -> TrainingData:
    noisy, clean = (_by_name(folder / name) for name in (_NOISY, _CLEAN))
    if not noisy and not clean:
        raise InputError(
            f"'{folder / _NOISY}' and '{folder / _CLEAN}' hold no image to train on (TIFF, NIfTI, OME-Zarr, DICOM or "
            "another format that is read)"
        )
    alone = sorted(noisy.keys() ^ clean.keys())
    if alone:
        raise InputError(
            f"{', '.join(repr(name) for name in alone[:5])}{' ...' if len(alone) > 5 else ''} in '{folder}' has no "
            f"counterpart; give each image of '{_NOISY}' one of the same name in '{_CLEAN}'"
        )
    found = _Found()
    for name in sorted(noisy):
        stacks, targets = (_read(each[name], settings, alone=True) for each in (noisy, clean))
        if [each.voxels.shape for each in stacks] != [each.voxels.shape for each in targets]:
            raise InputError(
                f"'{noisy[name].name}' is {_size(stacks)} voxels (z, y, x) in '{_NOISY}', but {_size(targets)} in "
                f"'{_CLEAN}'; both must show the same place at the same size"
            )
        found.add(noisy[name], stacks)
        found.add_targets(clean[name], targets)
    return found.data()


def _by_name(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder '{folder}'; pairs are images of the same name in '{_NOISY}' and '{_CLEAN}'"
        )
    found: dict[str, Path] = {}
    for path in stack_files(folder):
        name = path.name if "::" in path.name else path.name.split(".")[0]
        if name in found:
            raise InputError(f"'{path.name}' and '{found[name].name}' in '{folder}' have the same name; rename one")
        found[name] = path
    return found


def _size(stacks: Sequence[Stack]) -> str:
    return " + ".join(" x ".join(map(str, each.voxels.shape)) for each in stacks)

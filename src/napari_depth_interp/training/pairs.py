"""Images to learn enhancement from: pairs ``noisy/NAME.tif`` and ``clean/NAME.tif``, or noisy stacks alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import io
from ..errors import DepthInterpError, InputError
from ..io import SectionAxis
from ..nn.contract import TrainingData
from ..nn.data import signed
from ..stack import Stack

NOISY, CLEAN = "noisy", "clean"


def read_images(folder: Path, axis: SectionAxis, channel: str | None) -> TrainingData:
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
            f"'{folder}' is not a folder; give one with '{NOISY}' and '{CLEAN}' in it, or with noisy stacks"
        )
    if (folder / NOISY).is_dir() or (folder / CLEAN).is_dir():
        return _read_pairs(folder, axis, channel)
    stacks: list[Stack] = []
    files: list[Path] = []
    for path in _files(folder).values():
        found = _stacks(path, axis, channel)
        stacks += found
        files += [path] * len(found)
    if not stacks:
        raise InputError(
            f"'{folder}' holds no TIFF, NIfTI or OME-Zarr stack to train on, and no folders '{NOISY}' and '{CLEAN}'"
        )
    return signed(TrainingData(tuple(stacks), tuple(files)))


def _read_pairs(folder: Path, axis: SectionAxis, channel: str | None) -> TrainingData:
    noisy, clean = (_files(folder / name) for name in (NOISY, CLEAN))
    if not noisy and not clean:
        raise InputError(f"'{folder / NOISY}' and '{folder / CLEAN}' hold no TIFF, NIfTI or OME-Zarr image to train on")
    alone = sorted(noisy.keys() ^ clean.keys())
    if alone:
        raise InputError(
            f"{', '.join(repr(name) for name in alone[:5])}{' ...' if len(alone) > 5 else ''} in '{folder}' has no "
            f"counterpart; give each image of '{NOISY}' one of the same name in '{CLEAN}'"
        )
    stacks: list[Stack] = []
    targets: list[Stack] = []
    files: list[Path] = []
    target_files: list[Path] = []
    for name in sorted(noisy):
        found, wanted = (_stacks(each[name], axis, channel) for each in (noisy, clean))
        if [each.voxels.shape for each in found] != [each.voxels.shape for each in wanted]:
            raise InputError(
                f"'{noisy[name].name}' is {_size(found)} voxels (z, y, x) in '{NOISY}', but {_size(wanted)} in "
                f"'{CLEAN}'; both must show the same place at the same size"
            )
        stacks += found
        targets += wanted
        files += [noisy[name]] * len(found)
        target_files += [clean[name]] * len(found)
    return signed(TrainingData(tuple(stacks), tuple(files), targets=tuple(targets), target_files=tuple(target_files)))


def _files(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their names without suffix."""
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}'; pairs are images of the same name in '{NOISY}' and '{CLEAN}'")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if io.format_of(path) is not None:
            name = path.name.split(".")[0]
            if name in found:
                raise InputError(f"'{path.name}' and '{found[name].name}' in '{folder}' have the same name; rename one")
            found[name] = path
    return found


def _stacks(path: Path, axis: SectionAxis, channel: str | None) -> list[Stack]:
    try:
        dataset = io.read(path, axis=axis)
        if channel is not None and dataset.voxels.shape[1] > 1:
            dataset = dataset.select_channel(channel)
    except DepthInterpError as error:
        raise InputError(f"'{path.name}' cannot be trained on: {error}; repair or remove it") from error
    if not np.isfinite(dataset.voxels).all():
        raise InputError(f"'{path}' holds values that are not finite numbers; repair or remove it")
    return [stack for _, _, stack in dataset.counted().stacks()]


def _size(stacks: list[Stack]) -> str:
    return " + ".join(" x ".join(map(str, each.voxels.shape)) for each in stacks)

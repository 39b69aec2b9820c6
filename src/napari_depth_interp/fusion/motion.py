"""How the stacks lie to each other: found by SimpleITK, kept as ITK's transforms.

A motion leads from the world of a stack's file to that of the first stack. ITK's transforms lead the other way, from
points of the fixed image to those of the moving one, and have the axes of DICOM (to the left, to the back, up).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError, RequestError
from ..io.files import replacing
from ..stack.units import convert
from .views import Affine

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LINEAR = 1e-6
"""Deviation from a linear transform that is rounding, relative to the lengths looked at."""


def simple_itk() -> Any:
    """Return the library that registers.

    Raises
    ------
    RequestError
        If it is not installed.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise RequestError(
            "SimpleITK, which registers the stacks, is not installed; run pip install "
            "'napari-depth-interp[fusion]', or take the positions of the files with --registration none"
        ) from error
    return SimpleITK


@dataclass(frozen=True)
class Displacement:
    """What a motion does at a place, for people.

    Attributes
    ----------
    shift : float
        In the unit of the world.
    angle : float
        Of the rotation, in degrees.
    stretch : float
        Largest change of a length, as a share.
    """

    shift: float
    angle: float
    stretch: float


def displacement(motion: Affine, centre: NDArray[np.float64]) -> Displacement:
    """Return how far a motion moves the centre, turns and stretches."""
    left, sizes, right = np.linalg.svd(motion[:3, :3])
    cosine = (np.trace(left @ right) - 1) / 2
    shift = motion[:3, :3] @ centre + motion[:3, 3] - centre
    return Displacement(
        float(np.linalg.norm(shift)), float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))), float(abs(sizes - 1).max())
    )


def file_names(names: Sequence[str]) -> list[str]:
    """Return the names of the transforms of all stacks but the first, told apart by their place in the order."""
    stems = (Path(name.split("::")[0]).name.removesuffix(".gz").rpartition(".") for name in names)
    return [f"{number}_{stem[0] or stem[2] or 'stack'}.tfm" for number, stem in enumerate(stems)][1:]


def save(
    folder: Path, names: Sequence[str], motions: Sequence[Affine], unit: str | None, *, overwrite: bool = False
) -> list[Path]:
    """Write the motions of all stacks but the first, lengths in ``unit``, as text files of ITK (``.tfm``) in mm.

    ``SimpleITK.Resample(stack, first, transform)`` brings a stack onto the first one with it.

    Raises
    ------
    OutputError
        If a file is there and not to be replaced, or cannot be written.
    """
    itk, written = simple_itk(), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder '{folder}' cannot be made: {error.strerror}; name another one") from error
    for name, motion in zip(file_names(names), motions[1:], strict=True):
        inverse = _LPS @ np.linalg.inv(motion) @ _LPS
        transform = itk.AffineTransform(3)
        transform.SetMatrix(inverse[:3, :3].ravel().tolist())
        transform.SetTranslation((inverse[:3, 3] * _in_mm(unit)).tolist())
        with replacing(folder / name, overwrite=overwrite) as temporary:
            text = temporary.with_suffix(".tfm")  # ITK goes by the suffix
            itk.WriteTransform(transform, str(text))
            text.replace(temporary)
        written.append(folder / name)
    return written


def _in_mm(unit: str | None) -> float:
    """Return how many mm a length is, as ITK reads files; 1 where nobody knows."""
    return convert(1.0, unit, "mm") if unit else 1.0


def load(folder: Path, names: Sequence[str], unit: str | None) -> list[Affine]:
    """Read the motions of all stacks, lengths in ``unit``; that of the first is none.

    Raises
    ------
    InputError
        If a file is missing, no transform or no linear one.
    """
    return [np.eye(4), *(_motion_in(folder / name, _in_mm(unit)) for name in file_names(names))]


def _motion_in(path: Path, in_mm: float) -> Affine:
    itk = simple_itk()
    if not path.is_file():
        raise InputError(f"the transform '{path}' is missing; --transforms takes a folder that --save-transforms wrote")
    try:
        transform = itk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' is no transform of ITK; write it with --save-transforms") from error
    first = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(row))) - first for row in np.eye(3)]
    probe = np.array([30.0, -50.0, 70.0])
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = np.stack(columns, 1), first
    missed = np.array(transform.TransformPoint(tuple(probe))) - (found[:3, :3] @ probe + first)
    if np.abs(missed).max() > _LINEAR * 1e3 or abs(np.linalg.det(found[:3, :3])) < _LINEAR:
        raise InputError(f"'{path}' is no rigid or affine transform; give one that moves, turns and stretches only")
    found[:3, 3] /= in_mm
    return np.asarray(_LPS @ np.linalg.inv(found) @ _LPS, np.float64)

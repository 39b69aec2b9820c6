"""Segmenters that are asked alike for every stack: two classical ones, or a command of the user's.

All that they are told is how large the objects are that were drawn, which is the same for every stack.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..metrics import above_otsu
from ..stack import Dataset

Segmenter = Callable[[Dataset], NDArray[Any]]
"""(1, 1, Z, Y, X) stack, with its spacing -> (Z, Y, X) identifiers of objects, 0 for background."""

_SMOOTH, _ROUND, _APART = 0.1, 0.2, 0.6
"""Shares of an object's radius: blur of the image, blur of the distances, least distance of the middles of objects."""
_BLUR = 0.7
"""Pixels that an image is blurred by at least, or each grain of noise would be an object."""
_SPECK = 0.05
"""Share of an object's volume under which a bright spot is left out."""


def default_segmenters(drawn: NDArray[Any], stack: Dataset) -> Mapping[str, Segmenter]:
    """Return what is asked unless the user has a command: Otsu's threshold and a watershed.

    Parameters
    ----------
    drawn : (Z, Y, X) integer array
        Labels of the dense stack; the median of their volumes says how large objects are.
    stack : Dataset
        On the same grid.
    """
    from ..metrics.identifiers import counted

    _, [numbers] = counted(drawn)
    volumes = np.bincount(numbers.ravel())[1:] * np.prod(voxel_size(stack))
    radius = float((0.75 * np.median(volumes) / np.pi) ** (1 / 3)) if len(volumes) else 1.0
    return {"otsu": partial(otsu, radius=radius), "watershed": partial(watershed, radius=radius)}


def otsu(stack: Dataset, radius: float) -> NDArray[Any]:
    """Take connected parts (6 neighbours) of what is above the Otsu threshold of the stack, but for specks.

    Parameters
    ----------
    stack : Dataset
    radius : float
        Of a typical object, in pixels of a section.
    """
    from scipy.ndimage import gaussian_filter
    from scipy.ndimage import label as connected

    sampling = voxel_size(stack)
    blur = max(_SMOOTH * radius, _BLUR)
    image = gaussian_filter(stack.voxels[0, 0].astype(np.float32), [blur / step for step in sampling])
    parts, count = connected(above_otsu(image))
    least = _SPECK * 4 / 3 * np.pi * radius**3
    large = np.bincount(parts.ravel(), minlength=count + 1) * np.prod(sampling) >= least
    large[0] = False
    numbers = np.cumsum(large) * large
    return np.asarray(numbers[parts], np.int32)


def watershed(stack: Dataset, radius: float) -> NDArray[Any]:
    """Cut what :func:`otsu` finds where it is narrow: a watershed of the distance to the background.

    Distances are in pixels of a section, also along z, so that sections far apart are no reason to cut.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter
    from skimage.segmentation import watershed as flooded

    sampling = np.asarray(voxel_size(stack))
    parts = otsu(stack, radius)
    mask = parts > 0
    if not mask.any():
        return parts
    depth = gaussian_filter(distance_transform_edt(mask, sampling=sampling), _ROUND * radius / sampling)
    return np.asarray(flooded(-depth, middles_of(depth, parts, radius, sampling), mask=mask), np.int32)


def middles_of(
    depth: NDArray[Any], parts: NDArray[Any], radius: float, sampling: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Return the middles of objects, numbered from 1: the deepest voxels around, in each part.

    Parameters
    ----------
    depth, parts : (Z, Y, X) array
        How far inside an object a voxel is; parts in which middles are looked for, 0 for none.
    radius : float
        Of a typical object, in pixels of a section.
    sampling : (3,) array
        Size of a voxel, in pixels of a section.
    """
    from skimage.feature import peak_local_max

    footprint = np.ones(2 * np.maximum(np.floor(_APART * radius / sampling), 1).astype(int) + 1, bool)
    places = peak_local_max(depth, footprint=footprint, labels=parts, exclude_border=False)
    middles = np.zeros(depth.shape, np.int32)
    middles[tuple(places.T)] = np.arange(1, len(places) + 1)
    return middles


def voxel_size(stack: Dataset) -> Sequence[float]:
    """Return the size of a voxel (z, y, x) in pixels of a section; a cube where it is not known."""
    grid = stack.grid
    if grid.pixel_size is None or grid.spacing is None:
        return 1.0, 1.0, 1.0
    pixel = float(np.sqrt(grid.pixel_size[0] * grid.pixel_size[1]))
    return grid.spacing / pixel, grid.pixel_size[0] / pixel, grid.pixel_size[1] / pixel


def command_segmenter(command: str) -> Segmenter:
    """Return a segmenter that runs a command of the user's on a file.

    Parameters
    ----------
    command : str
        A program with its arguments, as in a shell; ``{in}`` stands for the stack (TIFF with its spacing), ``{out}``
        for the TIFF of labels, on the same grid, that it has to write. It is started without a shell.

    Raises
    ------
    RequestError
        If one of them is missing; later, if the command fails or leaves no labels of the right shape.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RequestError(f"--segment '{command}' is no command: {error}") from error
    missing = [name for name in ("{in}", "{out}") if not any(name in word for word in words)]
    if missing:
        raise RequestError(
            f"--segment '{command}' lacks {' and '.join(missing)}; write for example 'python segment.py {{in}} {{out}}'"
        )

    def segment(stack: Dataset) -> NDArray[Any]:
        with TemporaryDirectory(prefix="segment-") as folder:
            return _run(words, stack, Path(folder))

    return segment


def _run(words: list[str], stack: Dataset, folder: Path) -> NDArray[Any]:
    from .. import io

    files = {"{in}": folder / "stack.tif", "{out}": folder / "labels.tif"}
    io.write(files["{in}"], stack)
    for name, path in files.items():
        words = [word.replace(name, str(path)) for word in words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise RequestError(f"--segment: '{words[0]}' cannot be started: {error.strerror}; check its name") from error
    if done.returncode:
        said = [*done.stdout.splitlines(), *done.stderr.splitlines()] or ["it said nothing"]
        raise RequestError(f"--segment: '{words[0]}' ended with status {done.returncode}: {said[-1].strip()}")
    if not files["{out}"].exists():
        raise RequestError(f"--segment: '{words[0]}' wrote nothing to {{out}} ({files['{out}'].name})")
    found = io.read(files["{out}"], labels=True).voxels
    if found.size != stack.voxels[0, 0].size or found.dtype.kind not in "iub":
        raise RequestError(
            f"--segment: '{words[0]}' wrote {' x '.join(map(str, found.shape[2:]))} voxels of type {found.dtype}; "
            f"labels are integers on the grid of the stack, {' x '.join(map(str, stack.voxels.shape[2:]))}"
        )
    return found.reshape(stack.voxels.shape[2:])

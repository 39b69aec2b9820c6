"""What the readers of other formats share: packages that may be missing, limits, series, words for damage."""

from __future__ import annotations

import bz2
import logging
import math
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DepthInterpError, InputError, RequestError, TooLargeError
from ..stack import Dataset, Source, to_tczyx
from ..stack.colours import COLOUR_NAMES
from ..stack.lazy import LazyVoxels, as_array
from ..system.memory import check_fits
from ..system.optional import need
from .calibration import Calibration

EXPANDED = 2000
"""Voxels that take more than this many times their bytes in the file are a lie."""
UNSUSPICIOUS = 2**27
_CHUNK = 2**24


def needs(package: str, extra: str, path: Path, *, to_read: bool = True) -> Any:
    """Import what reads a format, or raise an :class:`InputError` that says how it is installed."""
    return need(package, extra, f"'{path.name}'", InputError, f"is {'read' if to_read else 'written'} with")


@contextmanager
def decoding(path: Path, title: str) -> Iterator[None]:
    """Tell in words what other libraries raise at a damaged file: nearly anything."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what matters is reported in words
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DepthInterpError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"'{path.name}' does not fit into memory; crop the image first") from error
    except PermissionError as error:
        raise InputError(
            f"'{error.filename or path}' cannot be read: {error.strerror or error}; check the permissions"
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise damaged(path, f"it cannot be read as {title} ({reason})") from error
    finally:
        logging.disable(level)


def damaged(path: Path, what: str) -> InputError:
    """Return the error for a file with something wrong in it."""
    return InputError(f"'{path.name}' is damaged: {what}; copy or export it again")


def refuse_axis(axis: str, axes: str | None, title: str) -> None:
    """Raise a :class:`RequestError` where an axis is chosen of a format whose sections always lie along z."""
    if axis not in ("auto", "z"):
        raise RequestError(
            f"the section axis '{axis}' can be chosen for NIfTI and its like only; the sections of {title} lie along "
            "z: leave it at auto"
        )
    if axes is not None:
        raise RequestError(f"axes='{axes}' is for TIFF only, {title} names its own axes; leave it out")


def check_claim(shape: Sequence[int], dtype: Any, path: Path, stored: int | None = None) -> int:
    """Refuse an image that the bytes of its file cannot stand for.

    Returns
    -------
    int
        Bytes of the voxels.
    """
    if not shape or min(shape) < 1:
        raise damaged(path, f"it claims to have the shape {tuple(shape)}")
    size = math.prod(int(n) for n in shape) * int(np.dtype(dtype).itemsize)
    there = path.stat().st_size if stored is None else stored
    if size > max(UNSUSPICIOUS, there * EXPANDED) or (stored is not None and not stored):
        raise damaged(
            path, f"an image of {' x '.join(map(str, shape))} voxels takes {size} bytes, but {there} are there"
        )
    return size


def check_sizes(shape: Sequence[int], dtype: Any, path: Path, stored: int | None = None) -> int:
    """Refuse what :func:`check_claim` does, and an image that does not fit into the memory.

    Returns
    -------
    int
        Bytes of the voxels.
    """
    size = check_claim(shape, dtype, path, stored)
    check_fits(size, f"'{path.name}'", "crop the image first, or use a machine with more memory")
    return size


def choose_series(path: Path, names: Sequence[str], wanted: str | None, what: str = "series") -> tuple[int, list[str]]:
    """Return which of several stacks is meant by its name or its number from 0, and a note if none was chosen."""
    if wanted is None:
        if len(names) < 2:
            return 0, []
        return 0, [
            f"the file holds {len(names)} {what} ({listed(names)}); the first one was read: FILE::NAME reads another"
        ]
    if wanted in names:
        return names.index(wanted), []
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted), []
    raise RequestError(f"'{path.name}' has no {what} '{wanted}'; choose a number from 0 or a name: {listed(names)}")


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return numbers and names of the first few series."""
    words = [f"{i} '{name}'" for i, name in enumerate(names[:most])]
    return ", ".join([*words, "..."] if len(names) > most else words)


def inside(folder: Path, name: str, image: Path) -> Path:
    """Return a file that a header names; it has to be a regular file in the folder of the header.

    Raises
    ------
    InputError
    """
    found = (folder / name).resolve() if "\0" not in name else None
    if found is None or not found.is_relative_to(folder.resolve()):
        raise damaged(image, f"it names its voxels {name!r}, which is no file in its own folder")
    if not found.is_file():
        raise InputError(f"the voxels of '{image.name}' lie in '{name}', which is missing; put it into the same folder")
    return found


def read_bytes(file: IO[bytes], size: int, encoding: str, path: Path) -> NDArray[np.uint8]:
    """Read so many bytes, raw or of a zlib, gzip or bzip2 stream, and never expand more than these."""
    result = np.empty(size, np.uint8)
    position = 0
    for block in _blocks(file, encoding, size):
        taken = min(len(block), size - position)
        result[position : position + taken] = np.frombuffer(block, np.uint8, taken)
        position += taken
        if position == size:
            return result
    raise damaged(path, f"it ends too early: {position} of {size} bytes of voxels are there")


def last_bytes(file: IO[bytes], size: int, encoding: str, path: Path) -> NDArray[np.uint8]:
    """Read the last so many bytes of a packed stream that holds little more: a header before the voxels."""
    result = bytearray()
    for block in _blocks(file, encoding, size):
        result += block
        if len(result) > size + _CHUNK:
            raise damaged(path, f"it holds more than {size} bytes of voxels and a header")
    if len(result) < size:
        raise damaged(path, f"it ends too early: {len(result)} of {size} bytes of voxels are there")
    return np.frombuffer(result, np.uint8)[-size:].copy()


def _blocks(file: IO[bytes], encoding: str, size: int) -> Iterator[bytes]:
    if encoding == "raw":
        while block := file.read(min(_CHUNK, size)):
            yield block
        return
    unpack: Callable[[bytes, int], bytes]
    packer: Any = bz2.BZ2Decompressor() if encoding == "bzip2" else zlib.decompressobj(47)
    while packed := file.read(_CHUNK):
        unpack = packer.decompress
        yield unpack(packed, _CHUNK)
        while not packer.eof and (more := unpack(_rest(packer), _CHUNK)):
            yield more
        if packer.eof:
            return


def _rest(packer: Any) -> bytes:
    return packer.unconsumed_tail if hasattr(packer, "unconsumed_tail") else b""


def assembled(
    path: Path,
    title: str,
    voxels: NDArray[Any] | LazyVoxels,
    axes: str,
    calibration: Calibration,
    *,
    rgb: bool = False,
    series: str | None = None,
) -> Dataset:
    """Return a dataset of voxels whose axes are named out of TCZYX, with what the file says about them.

    Lazy voxels are (t, c, z, y, x) already.
    """
    ordered = as_array(voxels) if isinstance(voxels, LazyVoxels) else to_tczyx(voxels, axes)
    channels, sections = ordered.shape[1:3]
    if sections == 1 < ordered.shape[0]:
        calibration.notes.append(f"the file has {ordered.shape[0]} time points and one section")
    grid = calibration.grid(sections)
    names = COLOUR_NAMES[:channels] if rgb else calibration.channel_names
    colours = calibration.channel_colours
    return Dataset(
        ordered,
        grid,
        axes=axes,
        channel_names=names if len(names) == channels else (),
        rgb=rgb,
        channel_colours=colours if len(colours) == channels and not rgb else (),
        time_step=calibration.time_step if "T" in axes else None,
        source=Source(path, title, series=series),
        record=calibration.record,
        notes=tuple(calibration.notes),
    )

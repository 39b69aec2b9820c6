"""Checks before reading, and writing that leaves either the whole file (or folder) or nothing."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, OutputError

_FLUSHES = 16
_ZARR_FILES = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def check_readable(path: Path, *, folder: bool = False) -> None:
    """Raise an :class:`InputError` unless ``path`` is a file (or folder) with something in it that may be read."""
    _refuse_url(path, InputError)
    try:
        if folder and path.exists() and not path.is_dir():
            raise InputError(f"'{path}' is a file, but an OME-Zarr image is a folder; unpack it first")
        if folder and path.is_dir():
            if not any(path.iterdir()):
                raise InputError(f"'{path}' is an empty folder; copy or export the image again")
            return
        if path.is_dir():
            if any((path / name).is_file() for name in ("zarr.json", ".zattrs", ".zgroup")):
                raise InputError(f"'{path}' holds zarr metadata, but has no name in .zarr; rename the folder")
            raise InputError(f"'{path}' is a folder, and no series of images; give the file inside it")
        if not path.exists():
            raise InputError(f"there is no file '{path}'; check the name and the folder")
        if not path.is_file():
            raise InputError(f"'{path}' is no regular file (a pipe or a device); save the image to a file first")
        if path.stat().st_size == 0:
            raise InputError(f"'{path}' is empty (0 bytes); copy or export it again")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error


def _refuse_url(path: Path, error: type[InputError | OutputError]) -> None:
    """Tell an address from a file that is missing; as a path it has lost a slash."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(?=.)", path.as_posix())
    if found is None or path.exists():
        return
    advice = "download it and give its name" if error is InputError else "give the name of a file"
    raise error(f"'{found[1]}://{path.as_posix()[found.end() :]}' is a URL, not a file on this computer; {advice}")


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise an :class:`OutputError` if ``path`` cannot be written, before hours of work are spent."""
    _refuse_url(path, OutputError)
    try:
        if _is_folder_format(path):
            _check_replaceable(path)
        elif path.is_dir():
            raise OutputError(f"'{path}' is a folder; give the name of a file in it")
        if path.exists() and not overwrite:
            raise OutputError(f"'{path}' exists already; choose another name, or add --overwrite to replace it")
        if not path.parent.is_dir():
            raise OutputError(f"the folder '{path.parent}' does not exist; create it first, or choose another one")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise OutputError(f"no permission to write into the folder '{path.parent}'; choose another one")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise OutputError(explain_os_error(path, error)) from error


def _is_folder_format(path: Path) -> bool:
    return path.name.lower().endswith(".zarr")


def _check_replaceable(path: Path) -> None:
    """Replace nothing but a zarr image (or an empty folder): what else lies in a folder is not ours."""
    if path.is_dir() and any(path.iterdir()) and not any((path / name).is_file() for name in _ZARR_FILES):
        raise OutputError(f"'{path}' is a folder that holds no zarr image; choose another name")
    if path.exists() and not path.is_dir():
        raise OutputError(f"'{path}' is a file, but an OME-Zarr image is a folder; choose another name")


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name beside ``path`` and rename it to ``path`` when all went well.

    A name that ends in .zarr is that of a folder, which is there and empty. Whatever happens inside, nothing
    half-written remains under either name.
    """
    check_output(path, overwrite=overwrite)
    double = path.name.lower().endswith((".nii.gz", ".ome.tif", ".ome.tiff", ".ome.zarr"))
    suffix = "".join(path.suffixes[-2:]) if double else path.suffix  # of the link: it chooses the format
    path = path.resolve() if path.is_symlink() else path  # the link stays, what it points to is replaced
    # The name is known before the file is there, so that an interrupt in between leaves nothing.
    temporary = path.parent / f".depth-interp-{secrets.token_hex(8)}{suffix}"
    try:
        temporary.mkdir() if _is_folder_format(temporary) else temporary.touch(exist_ok=False)
        yield temporary
        _flush(temporary)
        put_in_place(temporary, path, overwrite=overwrite)
    except OSError as error:
        raise OutputError(explain_os_error(path, error)) from error
    finally:
        with suppress(OSError):  # a folder that has vanished meanwhile: the first error is the one to tell
            _remove(temporary)


def _flush(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name says so."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    with ThreadPoolExecutor(min(_FLUSHES, len(files) or 1)) as pool:  # the disk writes many small files together
        deque(pool.map(_flush_file, files), maxlen=0)


def _flush_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def put_in_place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Rename what is whole; an old image folder steps aside first and comes back if that fails.

    Raises
    ------
    OSError
        If it cannot be done.
    OutputError
        If the name is taken and nothing may be replaced.
    """
    if not overwrite:
        _take_free_place(temporary, path)
        return
    if not (temporary.is_dir() and path.is_dir()):
        temporary.replace(path)
        return
    _check_replaceable(path)
    old = path.parent / f".depth-interp-{secrets.token_hex(8)}.zarr"
    path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        old.replace(path)
        raise
    _remove(old)


def _take_free_place(temporary: Path, path: Path) -> None:
    """Rename to a name that was free at the beginning, and must be so still: another run may have been faster."""
    try:
        if temporary.is_dir():
            temporary.rename(path)  # fails unless an empty folder is there
        else:
            _link(temporary, path)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EACCES} and path.exists():
            raise OutputError(
                f"'{path}' was not written: meanwhile another run has made it; choose another name, or add --overwrite "
                "to replace it"
            ) from error
        raise


def _link(temporary: Path, path: Path) -> None:
    """Give a file its name only if nobody has it; the old name goes with the cleaning up."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from None
        temporary.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def explain_os_error(path: Path, error: OSError) -> str:
    """Return in words why a file could not be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or is_short_write(error):
        reason = error.strerror or error
        return f"'{path}' was not written: disk full ({reason}); free some space or choose another folder"
    return f"'{path}' was not written: {error.strerror or error}"


def is_short_write(error: OSError) -> bool:
    """Return whether NumPy could not write all of an array; it does not say why, so take it for a full disk."""
    return error.errno is None and " requested and " in str(error)

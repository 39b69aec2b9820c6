"""A zarr store for several processes that write one image at once, any of which may die or come late."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

_UNFINISHED = ".partial"


class WholeFiles(LocalStore):
    """Gives a file its name only when it is whole and on the disk, and makes no folder where the image is gone.

    Two processes that write the same chunk write the same bytes, so that it does not matter which one is the last. One
    that is still at work when the image has been renamed, or given up, finds no folder and fails.
    """

    async def _open(self, **_options: Any) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is gone: the run has ended without this process")
        self._is_open = True

    def _ensure_open_sync(self) -> None:
        if not self._is_open:
            asyncio.run(self._open())

    async def set(self, key: str, value: Any) -> None:
        """Write one file."""
        await asyncio.to_thread(put, self.root, key, value.as_buffer_like())

    def set_sync(self, key: str, value: Any) -> None:
        """Write one file; for versions of zarr that do not wait."""
        put(self.root, key, value.as_buffer_like())


def put(root: Path, key: str, data: Any) -> None:
    """Write a file below a folder that is there: under a name of its own, to the disk, then under its name.

    Raises
    ------
    OSError
        If the folder is gone, or the disk is full; nothing is left then.
    """
    path = root / key
    _make_folders(root, path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def remove_unfinished(root: Path) -> None:
    """Remove what processes that were killed have left of files they were at; all files have their names by now."""
    for path in root.rglob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make sure that a new name in a folder is on the disk, where the system lets one ask for it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folders(root: Path, folder: Path) -> None:
    """Make the folders between, but not the first one: ``parents=True`` would bring back an image that was given up."""
    if folder.is_dir():
        return
    below = root
    for word in folder.relative_to(root).parts:
        below = below / word
        below.mkdir(exist_ok=True)

"""OME-Zarr on a server (http, https, s3): read only, chunk by chunk, and nothing but the address that was given."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np

from ...errors import InputError
from ...stack.lazy import ArraySource
from ...system.waiting import asking
from ..formats import url_of
from .safety import (
    CheckedArray,
    check_chunks,
    check_expansion,
    check_shard,
    chunks_per_shard,
    declared,
    expanding,
    reason_of,
)  # fmt: skip
from .servers import PATIENCE, server_of

_LARGEST = 64 * 2**20
"""Bytes of metadata."""
_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def folder_at(path: Path) -> Path:
    """Return what stands for the folder of an image on a server.

    Raises
    ------
    InputError
        If the packages that reach it are not installed.
    """
    server, inside = server_of(path, _LARGEST)
    return cast(Path, RemoteFolder(_Server(path, server), inside))


@dataclass
class _Server:
    """A server, what it has said, and when it last gave something.

    Nothing is asked for twice: metadata that were checked are those that count.
    """

    address: Path
    files: Any
    known: dict[str, bytes | None] = field(default_factory=dict)
    last: float = field(default_factory=time.monotonic)

    def content(self, inside: str) -> bytes | None:
        """Return what is at an address, or None."""
        if inside not in self.known:
            self.known[inside] = self._fetched(inside)
        return self.known[inside]

    def _fetched(self, inside: str) -> bytes | None:
        from fsspec.asyn import sync

        async def fetched() -> bytes:
            left = max(0.1, self.last + PATIENCE - time.monotonic())
            return cast(bytes, await asyncio.wait_for(self.files._cat_file(inside, start=0, end=_LARGEST), left))

        try:
            found = sync(self.files.loop, fetched)
        except (FileNotFoundError, PermissionError):
            return None
        except Exception as error:  # the network raises nearly anything
            if getattr(error, "status", None) == 403:  # what S3 says of what is not there, where none may list
                return None
            late = isinstance(error, TimeoutError)
            reason = f"no whole answer within {PATIENCE} s" if late else reason_of(error)
            raise InputError(f"cannot be reached ({reason}); check the address and the network") from error
        self.last = time.monotonic()
        return cast(bytes, found)


class RemoteFolder:
    """As much of a folder or a file on a server as the reader of OME-Zarr looks at."""

    def __init__(self, server: _Server, inside: str) -> None:
        self._server, self._inside = server, inside

    def __truediv__(self, name: str) -> RemoteFolder:
        return RemoteFolder(self._server, f"{self._inside}/{name}")

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self._inside.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether there is something at this address."""
        return bool(self._server.content(self._inside))

    def stat(self) -> SimpleNamespace:
        """Return the size in ``st_size``."""
        return SimpleNamespace(st_size=len(self._server.content(self._inside) or b""))

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return what is at this address."""
        return (self._server.content(self._inside) or b"").decode(encoding)

    def open_array(self, image: Path) -> ArraySource:
        """Open an array after its metadata have been checked."""
        import zarr

        version, codecs = declared(cast(Path, self))
        try:
            edition: Any = version
            array: Any = zarr.open_array(store=self._store(codecs, None), mode="r", zarr_format=edition)
            check_chunks(array)
            checked = zarr.open_array(store=self._store(codecs, array), mode="r", zarr_format=edition)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"is damaged: its voxels cannot be opened ({reason_of(error)})") from error
        return CheckedArray(array, checked, image.name)

    def _store(self, codecs: list[str | None], array: Any) -> Any:
        """Return a store for zarr that looks at each chunk of an array before it is decompressed."""
        from zarr.storage import FsspecStore

        used = expanding(codecs) if array is not None else []
        server, inside = self._server, self._inside
        host = urlsplit(url_of(server.address) or "").netloc

        class CheckedStore(FsspecStore):
            async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
                if key.endswith(_METADATA):
                    said = await asyncio.to_thread(server.content, f"{inside}/{key}")
                    return None if said is None else prototype.buffer.from_bytes(said)
                with asking(host):
                    value = await super().get(key, prototype, byte_range)
                if value is not None and used:
                    _check(value.to_bytes(), byte_range, used[-1], array)
                return value

        largest = 0
        if array is not None:
            largest = int(np.prod(getattr(array, "shards", None) or array.chunks)) * array.dtype.itemsize
        files, _ = server_of(server.address, 2 * largest + _LARGEST, asynchronous=True)
        return CheckedStore(fs=files, path=inside, read_only=True)


def _check(data: bytes, byte_range: Any, codec: str, array: Any) -> None:
    """Raise a ValueError if an answer is not what was asked for, or expands to more than a chunk of the array."""
    limit, inner = int(np.prod(array.chunks)) * array.dtype.itemsize, chunks_per_shard(array)
    wanted = getattr(byte_range, "suffix", None)  # the index of a shard
    if hasattr(byte_range, "start"):  # one of its chunks
        wanted = byte_range.end - byte_range.start
    if wanted is not None and len(data) != wanted:
        raise ValueError(f"the server gave {len(data)} bytes where {wanted} were asked for")
    if inner and byte_range is None:
        check_shard(BytesIO(data), codec, inner, limit)
    elif not hasattr(byte_range, "suffix"):
        check_expansion(codec, data, limit)

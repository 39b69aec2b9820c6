"""OME-Zarr on a server (http, https, s3): read only, chunk by chunk, and nothing but the address that was given."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from ...errors import InputError
from ...stack.lazy import ArraySource
from ..formats import url_of
from ..opening import needs
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

_LARGEST = 64 * 2**20
"""Bytes of metadata."""
_SILENT, _SECONDS = 6, 60
"""How long a server may take for metadata, or say nothing; how long for a chunk."""


def folder_at(path: Path) -> Path:
    """Return what stands for the folder of an image on a server.

    Raises
    ------
    InputError
        If the packages that reach it are not installed.
    """
    url = url_of(path) or ""
    fsspec = needs("fsspec", "remote", path)
    options: dict[str, Any] = {"anon": True}
    if url.startswith("http"):
        needs("aiohttp", "remote", path)
        options = _bounded(_LARGEST, _SILENT)
    else:
        needs("s3fs", "remote", path)
    server, inside = fsspec.core.url_to_fs(url, **options)
    return cast(Path, RemoteFolder(server, inside.rstrip("/"), options, url))


def _bounded(limit: int, seconds: float) -> dict[str, Any]:
    """Return options with which no answer of a server takes more bytes or time: what it says of its length may lie."""
    import aiohttp

    async def read(answer: Any) -> bytes:
        parts = bytearray()
        async for part in answer.content.iter_any():
            parts += part
            if len(parts) > limit:
                answer.close()
                raise ValueError(f"the server gives more than the {limit} bytes that can be meant")
        return bytes(parts)

    kind = type(f"AnswerBelow{limit}", (aiohttp.ClientResponse,), {"read": read})  # fsspec tells options by names
    timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_SILENT, sock_read=_SILENT)
    return {"client_kwargs": {"timeout": timeout, "response_class": kind}}


class RemoteFolder:
    """As much of a folder or a file on a server as the reader of OME-Zarr looks at."""

    def __init__(self, server: Any, inside: str, options: dict[str, Any], url: str) -> None:
        self._server, self._inside, self._options, self._url = server, inside, options, url
        self._content: bytes | None = None

    def __truediv__(self, name: str) -> RemoteFolder:
        return RemoteFolder(self._server, f"{self._inside}/{name}", self._options, f"{self._url}/{name}")

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self._inside.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether there is something at this address."""
        if self._content is None:
            try:
                self._content = self._server.cat_file(self._inside, start=0, end=_LARGEST)
            except (FileNotFoundError, PermissionError):
                return False
            except Exception as error:  # the network raises nearly anything
                if getattr(error, "status", None) == 403:  # what S3 says of what is not there, where none may list
                    return False
                late = isinstance(error, TimeoutError)
                reason = f"no whole answer within {_SILENT} s" if late else reason_of(error)
                raise InputError(f"cannot be reached ({reason}); check the address and the network") from error
        return bool(self._content)

    def stat(self) -> SimpleNamespace:
        """Return the size in ``st_size``."""
        return SimpleNamespace(st_size=len(self._content or b""))

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return what is at this address."""
        return (self._content or b"").decode(encoding) if self.is_file() else ""

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

        class CheckedStore(FsspecStore):
            async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
                value = await super().get(key, prototype, byte_range)
                is_chunk = not key.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"))
                if value is not None and is_chunk and used:
                    _check(value.to_bytes(), byte_range, used[-1], array)
                return value

        options = self._options
        if "client_kwargs" in options and array is not None:
            largest = int(np.prod(getattr(array, "shards", None) or array.chunks)) * array.dtype.itemsize
            options = _bounded(2 * largest + _LARGEST, _SECONDS)
        return CheckedStore.from_url(self._url, options, read_only=True)


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

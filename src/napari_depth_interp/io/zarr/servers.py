"""File systems of servers that nobody vouches for: no answer takes more bytes or time than it can need."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

from ..formats import url_of
from ..opening import needs
from .safety import ServerError

_SILENT = 6
"""Seconds for which a server may say nothing."""
PATIENCE = 6
"""Seconds after which a server has to have given something of use, or it is left."""
_SLOWEST = 10_000
"""Bytes a second that are of use."""
_LONGEST = 60
"""Seconds for an answer in all."""


def server_of(path: Path, limit: int, *, asynchronous: bool = False) -> tuple[Any, str]:
    """Return the file system of an address, and where in it that is.

    Parameters
    ----------
    path : Path
        An address of http, https or s3.
    limit : int
        Bytes of the longest answer that is taken: what a server says of its length may lie.
    asynchronous : bool
        For a store of zarr.

    Raises
    ------
    InputError
        If the packages that reach it are not installed.
    """
    url = url_of(path) or ""
    fsspec = needs("fsspec", "remote", path)
    if not url.startswith("http"):
        bucket = _bucket_class(needs("s3fs", "remote", path))
        where = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        server = bucket(limit, anon=True, asynchronous=asynchronous, endpoint_url=where, config_kwargs=_AWS)
        return server, server._strip_protocol(url).rstrip("/")
    needs("aiohttp", "remote", path)
    server, inside = fsspec.core.url_to_fs(url, asynchronous=asynchronous, **_http_options(limit))
    return server, inside.rstrip("/")


async def _bounded(parts: AsyncIterator[bytes], limit: int) -> bytes:
    """Put an answer together.

    Raises
    ------
    ServerError
        If it is longer than it may be, or comes too slowly.
    """
    begun, found = time.monotonic(), bytearray()
    async for part in parts:
        found += part
        if len(found) > limit:
            raise ServerError(f"the server gives more than the {limit} bytes that can be meant")
        waited = time.monotonic() - begun
        if waited > _LONGEST or (waited > PATIENCE and len(found) < waited * _SLOWEST):
            raise ServerError(f"the server gave {len(found)} bytes in {waited:.0f} s and was left")
    return bytes(found)


def _http_options(limit: int) -> dict[str, Any]:
    import aiohttp

    async def read(answer: Any) -> bytes:
        try:
            return await _bounded(answer.content.iter_any(), limit)
        except ServerError:
            answer.close()
            raise

    async def start(answer: Any, connection: Any) -> Any:
        await aiohttp.ClientResponse.start(answer, connection)
        if answer.status in (301, 302, 303, 307, 308):
            _check_redirect(answer)
        return answer

    words = {"read": read, "start": start}
    kind = type(f"AnswerBelow{limit}", (aiohttp.ClientResponse,), words)  # fsspec tells options by names
    timeout = aiohttp.ClientTimeout(total=_LONGEST, sock_connect=_SILENT, sock_read=_SILENT)
    return {"client_kwargs": {"timeout": timeout, "response_class": kind}}


def _check_redirect(answer: Any) -> None:
    """Refuse to be sent to another server, which nobody has named."""
    to = answer.url.join(type(answer.url)(answer.headers.get("Location", "")))
    if to.host != answer.url.host or (to.scheme, answer.url.scheme) == ("http", "https"):
        raise ServerError(f"the server sends on to {str(to.origin())[:100]}; give the address there")


_AWS = {"connect_timeout": _SILENT, "read_timeout": _SILENT, "retries": {"max_attempts": 1}}


@cache
def _bucket_class(s3fs: Any) -> Any:
    class Bucket(s3fs.S3FileSystem):  # type: ignore[misc]
        """A bucket whose answers are bounded."""

        retries = 2

        def __init__(self, limit: int, **options: Any) -> None:
            super().__init__(**options)
            self._limit = limit

        async def _cat_file(
            self, path: str, version_id: str | None = None, start: int | None = None, end: int | None = None, **_: Any
        ) -> bytes:
            bucket, key, _version = self.split_path(path)
            some = start is not None or end is not None
            head = {"Range": await self._process_limits(path, start, end)} if some else {}
            answer = await self._call_s3("get_object", Bucket=bucket, Key=key, **head)
            try:
                return await asyncio.wait_for(_bounded(answer["Body"].iter_chunks(2**16), self._limit), _LONGEST)
            finally:
                answer["Body"].close()

    return Bucket

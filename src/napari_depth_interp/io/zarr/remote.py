"""OME-Zarr images on a web server or in S3: metadata at once, voxels chunk by chunk when they are asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...errors import InputError
from ..files import address_of

_SECONDS = 60
"""That a server may take for one answer."""
_PACKAGES = {"http": "aiohttp", "https": "aiohttp", "s3": "s3fs"}


class RemoteFolder:
    """A folder behind an address, with what the reader uses of a :class:`~pathlib.Path`.

    Parameters
    ----------
    address : str
        Such as ``https://server/image.zarr`` or ``s3://bucket/image.zarr``; S3 is read without a login.

    Raises
    ------
    InputError
        If a package is missing that speaks to such servers.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.name = self.address.rpartition("/")[2]
        scheme = self.address.partition(":")[0]
        try:
            import_module(_PACKAGES[scheme])
        except ImportError as error:
            raise InputError(
                f"is read over the net with the package {_PACKAGES[scheme]}, which is not installed; install it with: "
                "pip install 'napari-depth-interp[remote]'"
            ) from error
        self.options = _options(scheme)

    def __truediv__(self, name: str) -> RemoteFolder:
        return RemoteFolder(f"{self.address}/{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFolder) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def is_file(self) -> bool:
        """Whether there is something of that name; it is fetched for that, and kept."""
        return _content(self.address) is not None

    def read_text(self, encoding: str) -> str:
        return (_content(self.address) or b"").decode(encoding)

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=len(_content(self.address) or b""))


def folder_of(path: Path) -> Path | RemoteFolder:
    """Return the folder of an image: a path, or what stands for an address."""
    address = address_of(path)
    if address is None:
        return path
    _content.cache_clear()  # it may have been written anew
    return RemoteFolder(address)


def _options(scheme: str) -> dict[str, Any]:
    if scheme == "s3":
        return {"anon": True}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=_SECONDS)}}


@cache
def _content(address: str) -> bytes | None:
    """Return a small file, or None if there is none.

    Raises
    ------
    InputError
        If the server gives no answer, or does not want to.
    """
    import fsspec

    try:
        system, path = fsspec.url_to_fs(address, **_options(address.partition(":")[0]))
        return bytes(system.cat_file(path))
    except FileNotFoundError:
        return None
    except Exception as error:  # of aiohttp and botocore, which have many
        if getattr(error, "status", None) == 403 or isinstance(error, PermissionError):
            return None  # what S3 answers for a missing file in a folder that may not be listed
        reason = " ".join(str(error).split())[:150] or type(error).__name__
        raise InputError(f"cannot be read from '{address}' ({reason}); check the address and the connection") from error

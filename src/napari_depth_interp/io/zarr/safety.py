"""Opening zarr arrays that nobody vouches for: only plain numbers and known compressors, and no more than stated."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import InputError
from ...stack.lazy import ArraySource

_COMPRESSORS = {"blosc", "zstd", "gzip", "zlib", "lz4"}
_FILTERS = {"delta", "shuffle", "fixedscaleoffset", "bitround"}
_PLAIN = {"bytes", "transpose", "crc32c", "sharding_indexed", "endian"}
"""Codecs that are read. Others run code of their own, pickle above all, or expand without a bound."""
_LARGEST_METADATA = 64 * 2**20
_EXPANDED = 2000
"""Voxels that take more than this many times their bytes in the file are a lie or an empty image."""
_UNSUSPICIOUS = 2**28
_SLACK = 2**16
_NO_CHUNK = 2**64 - 1


def read_attributes(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the image in ``path`` and the attributes of its group (or array)."""
    for folder in (path, path / "0"):
        for name in ("zarr.json", ".zattrs", ".zarray", ".zgroup"):
            if not (folder / name).is_file():
                continue
            found = _json(folder / name)
            attributes = found.get("attributes", {}) if name == "zarr.json" else found if name == ".zattrs" else {}
            if not isinstance(attributes, dict):
                raise InputError("is damaged: its attributes are no JSON object; export it again")
            several = attributes.get("bioformats2raw.layout", attributes.get("ome", {}))
            if folder == path and (several == 3 or _is_layout(several)):
                break  # the images are numbered folders inside
            return folder, attributes
    raise InputError("is a folder without zarr metadata; give the folder of an OME-Zarr image, or the file inside it")


def _is_layout(ome: Any) -> bool:
    return isinstance(ome, Mapping) and ome.get("bioformats2raw.layout") == 3 and "multiscales" not in ome


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            raise InputError(f"is damaged: its metadata {path.name} has {path.stat().st_size} bytes; export it again")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)[:100]
        raise InputError(f"is damaged: its metadata {path.name} cannot be read ({reason}); export it again") from error
    if not isinstance(found, dict):
        raise InputError(f"is damaged: its metadata {path.name} is no JSON object; export it again")
    return found


def open_checked(folder: Path, image: Path) -> ArraySource:
    """Open one array after its metadata have been checked.

    Raises
    ------
    InputError
        If it is missing or damaged, holds no numbers, or uses a codec that is not known to be safe.
    """
    import zarr

    array: Any
    version, codecs = declared(folder)
    try:
        array = zarr.open_array(store=str(folder), mode="r", zarr_format=version)  # type: ignore[arg-type]
    except Exception as error:  # a damaged file makes zarr raise nearly anything
        raise InputError(f"is damaged: its voxels cannot be opened ({reason_of(error)}); export it again") from error
    _check_size(array, folder)
    return CheckedArray(array, _checked_store(array, folder, codecs, version), image.name)


def declared(folder: Path) -> tuple[int, list[str | None]]:
    """Return the version of zarr and the codecs that the metadata of an array name, checked.

    Raises
    ------
    InputError
        If they are missing, or name a codec that is not known to be safe.
    """
    if (folder / "zarr.json").is_file():
        found, version = _json(folder / "zarr.json"), 3
        codecs = _codecs_v3(found.get("codecs"))
    elif (folder / ".zarray").is_file():
        found, version = _json(folder / ".zarray"), 2
        codecs = [_codec_name(found.get("compressor")), *map(_codec_name, found.get("filters") or ())]
        _check_dtype_v2(found.get("dtype"))
    else:
        raise InputError(f"is damaged: its voxels ('{folder.name}') are missing; copy or export it again")
    _check_codecs(codec for codec in codecs if codec is not None)
    return version, codecs


def expanding(codecs: Iterable[str | None]) -> list[str]:
    """Return those codecs that compress."""
    return [name for name in codecs if name in _COMPRESSORS]


def _codecs_v3(listed: Any) -> list[str | None]:
    names: list[str | None] = []
    for each in listed if isinstance(listed, list) else ():
        names.append(_codec_name(each))
        inner = each.get("configuration") if isinstance(each, Mapping) else None
        if isinstance(inner, Mapping) and names[-1] == "sharding_indexed":
            index = _codecs_v3(inner.get("index_codecs", ["bytes", "crc32c"]))
            if index != ["bytes", "crc32c"] or inner.get("index_location", "end") != "end":
                raise InputError("is stored in shards with an unusual index, which is not read; write it anew")
            names += _codecs_v3(inner.get("codecs"))
    if "sharding_indexed" in names[1:]:
        raise InputError("is stored in shards within shards, which are not read; write it anew")
    return names


def _codec_name(codec: Any) -> str | None:
    if codec is None:
        return None
    name = codec.get("id", codec.get("name")) if isinstance(codec, Mapping) else codec
    return str(name).removeprefix("numcodecs.")


def _check_codecs(names: Iterable[str]) -> None:
    for name in names:
        if name not in _COMPRESSORS | _FILTERS | _PLAIN:
            raise InputError(
                f"is stored with the codec '{name}', which is not read; write it anew with "
                f"{', '.join(sorted(_COMPRESSORS))}"
            )


def _check_dtype_v2(dtype: Any) -> None:
    try:
        kind = np.dtype(dtype).kind if isinstance(dtype, str) else "V"
    except TypeError:
        kind = "V"
    if kind not in "iufcb":
        raise InputError(
            f"holds values of type {str(dtype)[:40]!r} and no grey values; convert it to integers or floats"
        )


def check_chunks(array: Any) -> None:
    """Refuse an empty array, and chunks that are too large to be read one by one."""
    if not array.size:
        raise InputError(f"is empty: it has the shape {array.shape}; export it again")
    chunk = int(np.prod(array.chunks, dtype=object)) * array.dtype.itemsize
    if chunk > 2**31:
        raise InputError(
            f"is damaged: one chunk is said to take {chunk / 1e9:.1f} GB; export it again in smaller chunks"
        )


def _check_size(array: Any, folder: Path) -> None:
    """Refuse sizes that the bytes in the folder cannot stand for; a missing chunk would be read as zeros."""
    check_chunks(array)
    nbytes = int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize
    stored = 0
    for file in folder.rglob("*"):
        if file.name not in ("zarr.json", ".zarray", ".zattrs", ".zgroup") and file.is_file():
            stored += file.stat().st_size
            if nbytes <= max(_UNSUSPICIOUS, stored * _EXPANDED):
                return
    if not stored or nbytes > max(_UNSUSPICIOUS, stored * _EXPANDED):
        raise InputError(
            f"is damaged or empty: an image of shape {array.shape} takes {nbytes / 1e9:.1f} GB, but only "
            f"{stored} bytes of it are there; copy or export it again"
        )


def _checked_store(array: Any, folder: Path, codecs: list[str | None], version: int) -> Any:
    """Return the same array on a store that looks at each chunk before it is decompressed."""
    import zarr
    from zarr.storage import LocalStore

    limit = int(np.prod(array.chunks)) * array.dtype.itemsize
    used = expanding(codecs)
    inner = chunks_per_shard(array)
    known: set[str] = set()

    class CheckedStore(LocalStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            is_chunk = not key.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"))
            if is_chunk and used and inner and key not in known:
                if (folder / key).is_file():
                    with (folder / key).open("rb") as file:
                        check_shard(file, used[-1] or "", inner, limit)
                known.add(key)
            value = await super().get(key, prototype, byte_range)
            if value is not None and is_chunk and used and not inner:
                check_expansion(used[-1] or "", value.to_bytes(), limit)
            return value

    return zarr.open_array(store=CheckedStore(folder, read_only=True), mode="r", zarr_format=version)  # type: ignore[arg-type]


def check_shard(file: BinaryIO, codec: str, count: int, limit: int) -> None:
    """Check each chunk of a shard, whose index (offset and length of each) stands at the end with a checksum."""
    size = file.seek(0, 2)
    if size < 16 * count + 4:
        raise ValueError(f"a shard has {size} bytes, too few for its index")
    file.seek(size - 16 * count - 4)
    index = np.frombuffer(file.read(16 * count), "<u8").reshape(count, 2)
    for offset, length in index.tolist():
        if offset == length == _NO_CHUNK:
            continue
        if offset + length > size:
            raise ValueError("a shard's index points beyond its end")
        file.seek(offset)
        check_expansion(codec, file.read(length), limit)


def chunks_per_shard(array: Any) -> int:
    """Return how many chunks a shard has; 0 where chunks lie in files of their own."""
    shards = getattr(array, "shards", None)
    return 0 if shards is None else int(np.prod(shards)) // int(np.prod(array.chunks))


def check_expansion(codec: str, data: bytes, limit: int) -> None:
    """Raise a ValueError if a compressed chunk holds more than ``limit`` bytes, or its header contradicts its length.

    The library of blosc trusts the header and would read beyond the end.
    """
    size = 0
    if codec in ("gzip", "zlib"):
        size = len(zlib.decompressobj(47).decompress(data, limit + _SLACK + 1))  # 47: either header
    elif codec == "blosc":
        size, block, stored = (int.from_bytes(data[i : i + 4], "little") for i in (4, 8, 12))
        if len(data) < 16 or stored != len(data) or block > max(size, 1) or not block:
            raise ValueError(f"a chunk of {len(data)} bytes has a header that says {stored}")
    elif codec == "lz4":
        size = int.from_bytes(data[:4], "little")
    elif codec == "zstd":
        size = _zstd_size(data)
    if size > limit + _SLACK:
        raise ValueError(f"a chunk expands to {size} bytes or more where {limit} belong")


def _zstd_size(data: bytes) -> int:
    """Return the content size that the header of a zstd frame states (RFC 8878, 3.1.1.1); 0 if it states none."""
    if len(data) < 6 or data[:4] != b"\x28\xb5\x2f\xfd":
        return 0
    descriptor = data[4]
    single = bool(descriptor & 0x20)
    length = {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[descriptor >> 6]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    return int.from_bytes(data[start : start + length], "little") + (256 if length == 2 else 0)


class ServerError(ValueError):
    """A server answers, but not as one that gives an image."""


class CheckedArray:
    """A zarr array whose damage is told in words."""

    def __init__(self, array: Any, checked: Any, name: str) -> None:
        self._array, self._name = checked, name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.chunks: tuple[int, ...] = tuple(array.chunks)
        self.dtype: Any = array.dtype

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._array[key]
        except ServerError as error:
            raise InputError(f"'{self._name}' cannot be read: {error}; check the address and the network") from error
        except Exception as error:  # the codecs raise nearly anything
            what = f"a part of it cannot be decoded ({reason_of(error)})"
            raise InputError(f"'{self._name}' is damaged: {what}; copy or export it again") from error


def reason_of(error: Exception) -> str:
    return " ".join(str(error).split())[:150] or type(error).__name__

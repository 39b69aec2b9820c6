"""N5: folders of blocks, as in ``image.n5::/c0/s0``. https://github.com/saalfeldlab/n5"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...stack import Dataset
from ...stack.lazy import LazyVoxels
from ...stack.units import normalise_unit
from ..calibration import Calibration, Length, number
from ..opening import assembled, check_claim, check_sizes, damaged, decoding, listed, read_bytes, refuse_axis

if TYPE_CHECKING:
    from .. import SectionAxis

__all__ = ["read", "series"]

_ATTRIBUTES = "attributes.json"
_LARGEST_METADATA = 2**22
_LARGEST_BLOCK = 2**28
_MOST_FOLDERS = 2000
_AXES = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
_TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
_JAVA_LZ4, _JAVA_LZ4_HEAD, _STORED = b"LZ4Block", struct.Struct("<8sBiiI"), 0x10
_PACKED = ("raw", "gzip", "bzip2", "zstd", "lz4", "blosc", "xz")


@dataclass(frozen=True)
class _Array:
    """One dataset; sizes in the order of N5, fastest axis first."""

    folder: Path
    sizes: tuple[int, ...]
    block: tuple[int, ...]
    dtype: np.dtype[Any]
    packed: str
    attributes: Mapping[str, Any]


def read(
    path: Path,
    *,
    axis: SectionAxis = "auto",
    axes: str | None = None,
    lazy: bool = False,
    labels: bool = False,
    series: str | None = None,
) -> Dataset:
    """Read one dataset; if there is only one it need not be named.

    Raises
    ------
    InputError
        If it is damaged, or several datasets are there and none is named.
    """
    refuse_axis(axis, None, "an N5 container")
    with decoding(path, "N5"):
        name, found = _chosen(path, series)
        source = _Blocks(found, path)
        letters = (axes or _AXES[len(source.shape)]).upper()
        if len(letters) != len(source.shape) or not set("YX") <= set(letters) <= set("TCZYX"):
            raise InputError(f"the axes {letters} do not fit '{name}' of the shape {source.shape} in '{path.name}'")
        stored = sum(each.stat().st_size for each in found.folder.rglob("*") if each.is_file() and each.suffix == "")
        if not stored:
            raise InputError(
                f"'{name}' in '{path.name}' is empty: none of its blocks is there; copy or export it again"
            )
        check_claim(source.shape, source.dtype, path, stored)
        if lazy:
            order = [letters.index(each) if each in letters else None for each in "TCZYX"]
            voxels: Any = LazyVoxels(source, order)
        else:
            check_sizes(source.shape, source.dtype, path, stored)
            voxels = np.asarray(LazyVoxels(source))
        calibration = _calibration(path, found, letters)
        if axes is None:
            calibration.notes.append(f"the file does not name its axes; {letters} is taken")
        return assembled(path, "N5", voxels, letters, calibration, series=name)


def series(path: Path) -> list[str]:
    """Return the paths of the datasets."""
    with decoding(path, "N5"):
        return [name for name, _ in _datasets(path)]


def _chosen(path: Path, wanted: str | None) -> tuple[str, _Array]:
    if wanted is not None and not wanted.isdecimal():
        folder = (path / wanted.strip("/")).resolve()
        found = _array(folder, path) if folder.is_relative_to(path.resolve()) else None
        if found is None:
            raise InputError(f"'{path.name}' holds no dataset '{wanted}'; check the path in it")
        return f"/{wanted.strip('/')}", found
    there = _datasets(path)
    if wanted is not None and int(wanted) < len(there):
        return there[int(wanted)]
    if len(there) != 1 or wanted is not None:
        if not there:
            raise InputError(f"'{path.name}' holds no dataset; check what it is")
        names, example = listed([name for name, _ in there]), there[0][0]
        raise InputError(f"'{path.name}' holds the datasets {names}; choose one, as in '{path.name}::{example}'")
    return there[0]


def _datasets(path: Path) -> list[tuple[str, _Array]]:
    found, waiting, seen = [], [path], 0
    while waiting and seen < _MOST_FOLDERS:
        folder, seen = waiting.pop(0), seen + 1
        array = _array(folder, path)
        if array is not None:
            found.append((f"/{folder.relative_to(path).as_posix()}".replace("/.", "/"), array))
        else:
            waiting += sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    return found


def _attributes(folder: Path) -> Mapping[str, Any]:
    file = folder / _ATTRIBUTES
    if not file.is_file() or file.stat().st_size > _LARGEST_METADATA:
        return {}
    found = json.loads(file.read_bytes())
    return found if isinstance(found, dict) else {}


def _array(folder: Path, path: Path) -> _Array | None:
    """Return what the attributes of a folder describe, or None if it is no dataset."""
    attributes = _attributes(folder)
    if "dimensions" not in attributes:
        return None
    sizes, block = (tuple(int(n) for n in attributes[name]) for name in ("dimensions", "blockSize"))
    kind = str(attributes.get("dataType"))
    compression = attributes.get("compression", attributes.get("compressionType", "raw"))
    packed = str(compression.get("type") if isinstance(compression, dict) else compression)
    if kind not in _TYPES or packed not in _PACKED or len(sizes) not in _AXES or len(block) != len(sizes):
        raise InputError(
            f"'{path.name}' holds {kind} values with {len(sizes)} axes, packed as {packed[:20]}; numbers with 2 to 5 "
            f"axes, packed as {', '.join(_PACKED)}, can be read"
        )
    dtype = np.dtype(kind)
    if min(sizes) < 1 or min(block) < 1 or math.prod(block) * dtype.itemsize > _LARGEST_BLOCK:
        raise damaged(path, f"it claims to have the shape {sizes} in blocks of {block}")
    return _Array(folder, sizes, block, dtype, packed, attributes)


class _Blocks:
    """A dataset as an array, read block by block; axes from the slowest to the fastest. Missing blocks are zero."""

    def __init__(self, array: _Array, path: Path) -> None:
        self._array, self._path = array, path
        self.shape, self.chunks = array.sizes[::-1], array.block[::-1]
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        items = [*key] if isinstance(key, tuple) else [key]
        items += [slice(None)] * (len(self.shape) - len(items))
        ranges = [
            range(size)[each] if isinstance(each, slice) else range(each, each + 1)
            for each, size in zip(items, self.shape, strict=True)
        ]
        starts, stops = [r.start for r in ranges], [r[-1] + 1 for r in ranges]
        result = np.zeros([stop - start for start, stop in zip(starts, stops, strict=True)], self.dtype)
        grid = [range(a // n, -(-b // n)) for a, b, n in zip(starts, stops, self.chunks, strict=True)]
        for place in np.ndindex(*map(len, grid)):
            self._put(result, starts, tuple(each[i] for each, i in zip(grid, place, strict=True)))
        steps = tuple(
            slice(None, None, r.step) if isinstance(i, slice) else 0 for i, r in zip(items, ranges, strict=True)
        )
        return result[steps]

    def _put(self, result: NDArray[Any], starts: list[int], place: tuple[int, ...]) -> None:
        """Copy what of a block lies in the result."""
        block = self._block(place)
        if block is None:
            return
        target, source = [], []
        for first, size, index, chunk, length in zip(
            starts, result.shape, place, self.chunks, block.shape, strict=True
        ):
            low, high = max(first, index * chunk), min(first + size, index * chunk + length)
            if low >= high:
                return
            target.append(slice(low - first, high - first))
            source.append(slice(low - index * chunk, high - index * chunk))
        result[tuple(target)] = block[tuple(source)]

    def _block(self, place: tuple[int, ...]) -> NDArray[Any] | None:
        file = self._array.folder.joinpath(*map(str, place[::-1]))
        if not file.is_file():
            return None
        count = len(self.shape)
        head = 4 + 4 * count
        with file.open("rb") as data:
            start = data.read(head)
            if len(start) < head:
                raise damaged(self._path, f"the block {'/'.join(map(str, place[::-1]))} is cut off")
            mode, axes = struct.unpack(">HH", start[:4])
            sizes = struct.unpack(f">{count}I", start[4:])
            if mode != 0 or axes != count or any(n > m for n, m in zip(sizes, self._array.block, strict=True)):
                raise damaged(self._path, f"the block {'/'.join(map(str, place[::-1]))} says it has the sizes {sizes}")
            raw = self._unpacked(data, math.prod(sizes) * self.dtype.itemsize)
        return raw.view(self.dtype.newbyteorder(">")).reshape(sizes[::-1]).astype(self.dtype)

    def _unpacked(self, data: Any, size: int) -> NDArray[np.uint8]:
        packed = self._array.packed
        if packed in ("raw", "gzip", "bzip2"):
            return read_bytes(data, size, packed, self._path)
        unpack: dict[str, Callable[..., Any]] = {
            "zstd": imagecodecs.zstd_decode, "lz4": _lz4_decode, "blosc": imagecodecs.blosc_decode,
            "xz": imagecodecs.lzma_decode,
        }  # fmt: skip
        try:
            found = np.frombuffer(unpack[packed](data.read(), out=size), np.uint8)
        except Exception as error:  # the codecs raise nearly anything
            raise damaged(self._path, f"a block of it cannot be unpacked ({str(error)[:100]})") from error
        if len(found) != size:
            raise damaged(self._path, f"a block of it has {len(found)} bytes, not {size}")
        return found.copy()


def _lz4_decode(packed: bytes, out: int) -> bytes:
    """Unpack LZ4 frames, or what Java's LZ4BlockOutputStream writes, as N5 does.

    Each of its blocks has a head of the magic word, a method, the sizes packed and unpacked and a checksum.
    """
    if not packed.startswith(_JAVA_LZ4):
        return bytes(imagecodecs.lz4f_decode(packed, out=out))
    found, place = b"", 0
    while place < len(packed) and len(found) <= out:
        magic, method, length, size, _ = _JAVA_LZ4_HEAD.unpack_from(packed, place)
        place += _JAVA_LZ4_HEAD.size
        if magic != _JAVA_LZ4 or not (length >= 0 and 0 <= size <= out):
            raise ValueError("a head of its LZ4 blocks is damaged")
        content = packed[place : place + length]
        place += length
        stored = method & 0xF0 == _STORED
        found += content if stored else imagecodecs.lz4_decode(content, header=False, out=size) if size else b""
    return found


def _transform(attributes: Mapping[str, Any], found: Calibration, letters: str) -> bool:
    """Read the scale and translation of each axis by its name, as COSEM stores them; return whether they are there."""
    said = attributes.get("transform")
    names, scales, places, units = (
        (said.get(key) or [] if isinstance(said, dict) else []) for key in ("axes", "scale", "translate", "units")
    )
    for index, axis in enumerate(map(str, names)):
        size = number(scales[index]) if index < len(scales) else None
        unit = normalise_unit(units[index]) if index < len(units) else None
        if axis in ("x", "y", "z") and axis.upper() in letters and size and size > 0:
            found.sizes[axis] = Length(size, unit)
            if index < len(places) and (first := number(places[index])):
                found.origin[axis] = Length(first, unit)
    return bool(found.sizes)


def _calibration(path: Path, array: _Array, letters: str) -> Calibration:
    """Read the pixel resolution of n5-viewer and BigDataViewer; x comes first."""
    found = Calibration()
    for folder in (array.folder, array.folder.parent, path):
        attributes = _attributes(folder)
        if folder == array.folder and "pixelResolution" not in attributes and _transform(attributes, found, letters):
            return found
        said = attributes.get("pixelResolution", attributes.get("resolution"))
        unit = attributes.get("unit", (attributes.get("units") or [None])[0])
        if isinstance(said, dict):
            unit, said = said.get("unit", unit), said.get("dimensions")
        if isinstance(said, list) and len(said) >= 3:
            factors = attributes.get("downsamplingFactors", array.attributes.get("downsamplingFactors")) or [1, 1, 1]
            for axis, size, factor in zip("xyz", said, factors, strict=False):
                value = number(size)
                if value and value > 0 and axis.upper() in letters:
                    found.sizes[axis] = Length(value * (number(factor) or 1.0), normalise_unit(unit))
            return found
    return found

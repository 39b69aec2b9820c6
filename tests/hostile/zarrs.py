"""Damaged and odd OME-Zarr folders."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from cases import Folder, deflated_zeros, stack

from napari_depth_interp import io
from napari_depth_interp.stack import Dataset


def write(path: Path, dtype: str = "uint16") -> Path:
    """Write a sound OME-Zarr 0.5."""
    io.write(path, Dataset.from_array(stack(dtype), z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um"))
    return path


def write_v2(path: Path, **options: Any) -> Path:
    """Write a sound OME-Zarr 0.4."""
    group = zarr.create_group(store=str(path), zarr_format=2)
    voxels = stack()
    array = group.create_array("0", shape=voxels.shape, chunks=(2, 24, 20), dtype=voxels.dtype, **options)
    array[:] = voxels
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    transforms = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


def _changed(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        (write_v2 if file.startswith((".z", "0/.z")) else write)(path)
        metadata = json.loads((path / file).read_text())
        replaced = change(metadata)
        (path / file).write_text(json.dumps(metadata if replaced is None else replaced))

    return make


def _ome(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def inner(metadata: Any) -> Any:
        change(metadata["attributes"]["ome"]["multiscales"][0])

    return _changed("zarr.json", inner)


def _set(*keys: Any, value: Any) -> Callable[[Any], None]:
    def change(metadata: Any) -> None:
        for key in keys[:-1]:
            metadata = metadata[key]
        metadata[keys[-1]] = value

    return change


def _scale(*values: Any) -> Callable[[Path], None]:
    return _ome(_set("datasets", 0, "coordinateTransformations", 0, "scale", value=list(values)))


def chunks(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith(("zarr", ".z")))


class Tell:
    """Unpickled, it writes a file: the proof that pickle was loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self._path, "pickle was loaded")


def add(folder: Folder, told: Path) -> None:
    """Add all kinds of OME-Zarr folders; ``told`` appears if a pickle is ever loaded."""
    _sound(folder)
    _metadata(folder)
    _spacing(folder)
    _chunks(folder)
    _pickles(folder, told)
    _values(folder)


def _sound(folder: Folder) -> None:
    folder.add("OME-Zarr sound", "0.5", "in.ome.zarr", write, "ok")
    folder.add("OME-Zarr sound", "0.4", "in.zarr", write_v2, "ok")
    gzipped = zarr.codecs.GzipCodec(level=1)

    def compressed(path: Path) -> None:
        write(path)
        shutil.rmtree(path / "0")
        zarr.create_array(
            store=str(path / "0"), data=stack(), chunks=(2, 24, 20), compressors=gzipped, zarr_format=3
        )  # fmt: skip

    folder.add("OME-Zarr sound", "gzip", "in.zarr", compressed, "ok")

    def sharded(path: Path) -> None:
        write(path)
        shutil.rmtree(path / "0")
        zarr.create_array(store=str(path / "0"), data=stack(), chunks=(1, 12, 20), shards=(4, 24, 20), zarr_format=3)

    folder.add("OME-Zarr sound", "sharded", "in.zarr", sharded, "ok")


def _metadata(folder: Folder) -> None:
    kind = "OME-Zarr metadata"
    for name, make in {
        "empty folder": Path.mkdir,
        "no JSON": lambda path: (write(path) / "zarr.json").write_text("{"),
        "JSON of a list": lambda path: (write(path) / "zarr.json").write_text("[]"),
        "nested deeply": lambda path: (write(path) / "zarr.json").write_text("[" * 100_000),
        "binary": lambda path: (write(path) / "zarr.json").write_bytes(bytes(range(256))),
        "no array": lambda path: shutil.rmtree(write(path) / "0"),
        "array without metadata": lambda path: (write(path) / "0" / "zarr.json").unlink(),
        "no multiscales": _changed("zarr.json", lambda m: m["attributes"].clear()),
        "multiscales is text": _changed("zarr.json", _set("attributes", "ome", "multiscales", value="none")),
        "no datasets": _ome(_set("datasets", value=[])),
        "datasets is a number": _ome(_set("datasets", value=7)),
        "path outside": _ome(_set("datasets", 0, "path", value="../../../../etc")),
        "absolute path": _ome(_set("datasets", 0, "path", value="/etc")),
        "path is a number": _ome(_set("datasets", 0, "path", value=0)),
        "five axes named, three there": _ome(_set("axes", value=["t", "c", "z", "y", "x"])),
        "axes named twice": _ome(_set("axes", value=["z", "x", "x"])),
        "axes of a stranger": _ome(_set("axes", value=["a", "y", "x"])),
        "shape of 10^18": _changed("0/zarr.json", _set("shape", value=[10**6, 10**6, 10**6])),
        "shape 0": _changed("0/zarr.json", _set("shape", value=[0, 24, 20])),
        "shape negative": _changed("0/zarr.json", _set("shape", value=[-4, 24, 20])),
        "shape of text": _changed("0/zarr.json", _set("shape", value="big")),
        "chunks of 10^5": _changed(
            "0/zarr.json", _set("chunk_grid", "configuration", "chunk_shape", value=[10**5] * 3)
        ),
        "type of a stranger": _changed("0/zarr.json", _set("data_type", value="quaternion")),
        "complex": _changed("0/zarr.json", _set("data_type", value="complex64")),
        "text": _changed("0/zarr.json", _set("data_type", value="string")),
        "codec of a stranger": _changed("0/zarr.json", _set("codecs", value=[{"name": "magic"}])),
        "codecs is a number": _changed("0/zarr.json", _set("codecs", value=5)),
    }.items():
        folder.add(kind, name, "in.zarr", make)


def _spacing(folder: Folder) -> None:
    for name, make, expect in (
        ("0", _scale(0, 0.5, 0.5), "error"), ("negative", _scale(-2.0, 0.5, 0.5), "either"),
        ("NaN", _scale(float("nan"), 0.5, 0.5), "error"), ("infinite", _scale(float("inf"), 0.5, 0.5), "error"),
        ("text", _scale("two", 0.5, 0.5), "error"), ("too few", _scale(2.0), "error"),
        ("1e-320", _scale(1e-320, 0.5, 0.5), "either"), ("1e308", _scale(1e308, 0.5, 0.5), "either"),
    ):  # fmt: skip
        folder.add("zero and odd spacing", f"OME-Zarr, {name}", "in.zarr", make, expect)


def _spoiled(change: Callable[[Path], object], make: Callable[[Path], Path] = write) -> Callable[[Path], None]:
    def inner(path: Path) -> None:
        change(chunks(make(path))[0])

    return inner


def _chunks(folder: Folder) -> None:
    kind = "OME-Zarr chunks"
    for keep in (0, 1, 10, 16, 100):
        cut = _spoiled(lambda file, keep=keep: file.write_bytes(file.read_bytes()[:keep]))
        folder.add(kind, f"cut off at byte {keep}", "in.zarr", cut)
    folder.add(kind, "rubbish", "in.zarr", _spoiled(lambda file: file.write_bytes(b"rubbish" * 99)))
    folder.add(kind, "missing", "in.zarr", _spoiled(Path.unlink))
    folder.add(kind, "a folder in its place", "in.zarr", _spoiled(lambda file: (file.unlink(), file.mkdir())))

    def lying(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[4:8] = (2**31 - 1).to_bytes(4, "little")
        file.write_bytes(bytes(data))

    folder.add(kind, "blosc of 2 GB", "in.zarr", _spoiled(lying))
    bomb = deflated_zeros()
    folder.add("bombs", "OME-Zarr chunk of 200 MB (zlib)", "in.zarr", _bomb_v2("zlib", bomb))
    zstd = zarr.codecs.ZstdCodec(level=1)

    def zstd_bomb(path: Path) -> None:
        from numcodecs.zstd import Zstd

        write(path)
        shutil.rmtree(path / "0")
        zarr.create_array(store=str(path / "0"), data=stack(), compressors=zstd, zarr_format=3, chunks=(2, 24, 20))
        chunks(path)[0].write_bytes(Zstd(3).encode(bytes(200 * 2**20)))

    folder.add("bombs", "OME-Zarr chunk of 200 MB (zstd)", "in.zarr", zstd_bomb)


def _bomb_v2(codec: str, data: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import numcodecs

        write_v2(path, compressors=numcodecs.get_codec({"id": codec}))
        chunks(path)[0].write_bytes(data)

    return make


def _pickles(folder: Folder, told: Path) -> None:
    pickled = pickle.dumps(Tell(told))

    def plant(change: Callable[[Any], Any]) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            _changed("0/.zarray", change)(path)
            for file in chunks(path):
                file.write_bytes(pickled)

        return make

    for name, change in {
        "as filter": lambda m: m | {"filters": [{"id": "pickle"}], "compressor": None},
        "as compressor": lambda m: m | {"compressor": {"id": "pickle"}},
        "of objects": lambda m: m | {"dtype": "|O", "filters": [{"id": "pickle"}], "compressor": None},
        "of records": lambda m: m | {"dtype": [["a", "|O"]], "compressor": None},
    }.items():
        folder.add("pickle planted", f"OME-Zarr 0.4, {name}", "in.zarr", plant(change))
    v3 = _changed("0/zarr.json", _set("codecs", value=[{"name": "numcodecs.pickle"}, {"name": "bytes"}]))
    folder.add("pickle planted", "OME-Zarr 0.5, as codec", "in.zarr", v3)
    folder.add("pickle planted", "named .tif", "in.tif", pickled)
    folder.add("pickle planted", "named .nii", "in.nii", pickled)
    folder.add("pickle planted", "as settings", "in.tif", _tiff, "error", ("--settings", str(_kept(told, pickled))))


def _kept(told: Path, pickled: bytes) -> Path:
    path = told.with_suffix(".yaml")
    path.write_bytes(pickled)
    return path


def _tiff(path: Path) -> None:
    from tiffs import imagej

    path.write_bytes(imagej())


def _values(folder: Folder) -> None:
    for what, value in {"NaN": np.nan, "Inf": np.inf}.items():

        def make(path: Path, value: float = value) -> None:
            voxels = stack("float32")
            voxels[1, 2, 3] = value
            io.write(path, Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um"))

        folder.add("NaN and Inf", f"OME-Zarr, one {what}", "in.zarr", make)

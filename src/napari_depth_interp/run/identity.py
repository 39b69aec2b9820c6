"""What a run is: all that decides about its result, so that two of them can be told apart without running them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..method import MethodConfig
from ..models import names as model_names
from ..stack import Dataset
from ..stack.lazy import is_lazy, known_by, sample_signature
from .request import Request

_CHUNK = 2**22
_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", "attributes.json")


def identity(request: Request) -> dict[str, Any]:
    """Return what decides about the voxels of a result, JSON-ready: equal requests on equal files give the same.

    Device and number of threads are left out: another machine may go on with a run. Of an input that is still in its
    file the size and the time of the last change stand for the voxels; of one in a folder, the metadata in it and a
    sample of the voxels.
    """
    channels = list(request.dataset.channel_names)
    return {
        "method": request.spec.name,
        "parameters": request.config.model_dump(mode="json"),
        "files": digests_of(request.config),
        "depths": request.dataset.grid.mirrored(request.depths).tolist(),
        "excluded": list(request.excluded),
        "part": dict(request.part),
        "channels": channels or request.dataset.voxels.shape[1],
        "acquisition": str(request.dataset.acquisition),
        "align": None if request.transforms is None else request.transforms.as_json(),
        "type": "float32" if request.float_output else "keep",
        "nan": "fill" if request.fill_nan else "refuse",
        "shared fit": request.shares_fit,
        "seed": request.runtime.seed,
        "files of": request.file_shape and list(request.file_shape),
        "input": _input(request.recorded or request.dataset),
    }


def _input(dataset: Dataset) -> dict[str, Any]:
    about = {"shape": list(dataset.voxels.shape), "type": str(dataset.voxels.dtype)}
    about["depths"] = dataset.stack().depths.tolist()
    source = dataset.source
    if source is None or source.path is None or not is_lazy(dataset.voxels):
        return about | known_by(dataset.voxels)
    about |= {"file": str(source.path), "state": _state(source.path)}
    return about | ({"sample": sample_signature(dataset.voxels)} if source.path.is_dir() else {})


def _state(path: Path) -> Any:
    """Return what would be different if a file had been changed, without reading all of it."""
    if path.is_file():
        found = path.stat()
        return [found.st_size, found.st_mtime_ns]
    if not path.is_dir():
        return None
    files = sorted(each for each in _metadata_in(path) if each.is_file())
    return {each.relative_to(path).as_posix(): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def _metadata_in(folder: Path) -> Iterator[Path]:
    for name in _METADATA:
        yield from folder.glob(name)
        yield from folder.glob(f"*/{name}")


def digests_of(config: MethodConfig) -> dict[str, str]:
    """Return the SHA-256 of the files that are among the parameters of a method, such as a model."""
    return {name: digest(model_names.find(path)) for name, path in _paths(config) if model_names.find(path).exists()}


def _paths(config: MethodConfig) -> Iterator[tuple[str, Path]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Path):
            yield name, value


def digest(path: Path, check: Callable[[], None] | None = None) -> str:
    """Return the SHA-256 of a file; of a folder, that of the names and contents in it.

    ``check`` is called now and then, and may stop it by raising something.
    """
    found = hashlib.sha256()
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    for each in files:
        if path.is_dir():
            found.update(os.fsencode(each.relative_to(path).as_posix()) + b"\0")
        with each.open("rb") as file:
            while block := file.read(_CHUNK):
                found.update(block)
                if check is not None:
                    check()
    return found.hexdigest()


def hash_of(about: Any) -> str:
    """Return the SHA-256 of JSON-ready values."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

"""The user's models: listed, described, renamed, removed, and carried from one machine to another as one file.

Imports no torch: a list of models has to come at once.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..errors import OutputError, RequestError, WeightsError
from ..io.files import replacing
from ..system.amounts import size_in_words
from . import folder as model_folder
from . import names as model_names

CHECKPOINT, ORDER, LOCK = "checkpoint.safetensors", "order.json", ".training.lock"
"""Of a training that is not finished: its state, what it was asked for, and a file held by the process that trains."""
SUFFIX = ".zip"
LARGEST = 8_000_000_000
"""Bytes of weights beyond which a file is refused: no model of any method here comes near."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of the members of an exported file: equal models give equal files."""

State = Literal["ready", "unfinished", "damaged"]


@dataclass(frozen=True, eq=False)
class Entry:
    """A folder among the models.

    Attributes
    ----------
    name : str
    folder : Path
    state : {"ready", "unfinished", "damaged"}
        unfinished: a training was interrupted and can go on.
    about : About or None
        What a ready model says about itself.
    size : int
        Bytes of the weights.
    problem : str
        Why a damaged one cannot be used.
    """

    name: str
    folder: Path
    state: State
    about: model_folder.About | None = None
    size: int = 0
    problem: str = ""


def entries(method: str | None = None) -> list[Entry]:
    """Return all models, or the ready ones of one method; what is no folder of a model is left out."""
    found = [entry(name) for name in model_names.known()]
    if method is None:
        return [each for each in found if each is not None]
    return [each for each in found if each is not None and each.about is not None and each.about.method == method]


def entry(name: str) -> Entry | None:
    """Return one model, or None if the folder holds nothing of one."""
    folder = model_names.home() / name
    if not any((folder / each).exists() for each in (*model_folder.FILES, CHECKPOINT, ORDER)):
        return None
    finished = (folder / model_folder.CONFIG).exists() or (folder / model_folder.WEIGHTS).exists()
    if not finished:
        return Entry(name, folder, "unfinished", size=_size(folder / CHECKPOINT))
    try:
        about = model_folder.about(folder)
        check_header(folder / model_folder.WEIGHTS)
    except WeightsError as error:
        return Entry(name, folder, "damaged", size=_size(folder / model_folder.WEIGHTS), problem=str(error))
    return Entry(name, folder, "ready", about, _size(folder / model_folder.WEIGHTS))


def get(name: str) -> Entry:
    """Return one model.

    Raises
    ------
    RequestError
        If there is none of this name.
    """
    found = entry(model_names.check_name(name))
    if found is None:
        names = ", ".join(each.name for each in entries()) or "none yet"
        raise RequestError(f"there is no model '{name}' in '{model_names.home()}'; the models are: {names}")
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def check_header(path: Path) -> None:
    """Raise a :class:`WeightsError` unless a file is safetensors, complete by what its header says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            pass
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"'{path}' is no safetensors file, or cut short ({error}); copy the whole folder again"
        ) from error


# Changing


def rename(old: str, new: str) -> Path:
    """Give a model another name; return its folder.

    Raises
    ------
    RequestError, OutputError
        If there is no such model, or the new name is taken or impossible.
    """
    found, target = get(old), free(new)
    with _os_errors_as_output_error(target):
        found.folder.rename(target)
    return target


def remove(name: str) -> None:
    """Delete a model: the files that this package has written, and the folder if nothing else is in it."""
    found = get(name)
    with _os_errors_as_output_error(found.folder):
        for path in found.folder.iterdir():
            if path.name in (*model_folder.FILES, CHECKPOINT, ORDER, LOCK):
                path.unlink()
        if not any(found.folder.iterdir()):
            found.folder.rmdir()


def free(name: str) -> Path:
    """Return the folder for a new model.

    Raises
    ------
    RequestError, OutputError
        If the name is impossible or taken.
    """
    target = model_names.folder_of(name)
    if target.exists():
        raise OutputError(f"there is a model '{name}' in '{model_names.home()}' already; choose another name")
    return target


@contextmanager
def _os_errors_as_output_error(path: Path) -> Iterator[None]:
    """Turn what the system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"'{path}' was not changed: {error.strerror or error}") from error


# Carrying


def export(name: str, target: Path, *, overwrite: bool = False) -> Path:
    """Write a model as one file: a zip archive of its three files, checked first.

    Raises
    ------
    RequestError, WeightsError, OutputError
        If there is no such model, it is damaged, or the file cannot be written.
    """
    found = checked(name)
    target = target if target.suffix else target.with_suffix(SUFFIX)
    with replacing(target, overwrite=overwrite) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for each in model_folder.FILES:
            member = zipfile.ZipInfo(each, _EPOCH)
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as out, (found.folder / each).open("rb") as source:
                shutil.copyfileobj(source, out, 2**20)
    return target


def checked(name: str) -> Entry:
    """Return a ready model whose weights are those that were saved.

    Raises
    ------
    RequestError, WeightsError
        If there is none, it is not finished, or it is damaged.
    """
    found = get(name)
    if found.about is None:
        raise WeightsError(found.problem or f"the training of '{name}' is not finished; resume it first")
    model_folder.check_weights(found.folder, found.about.sha256)
    return found


def import_model(source: Path, name: str | None = None, sha256: str | None = None) -> Entry:
    """Take in a model from an exported file or from a folder.

    Nothing of it is kept unless all of it is right: the three files and no others, of a sensible size, the weights
    those that were saved.

    Raises
    ------
    WeightsError, RequestError, OutputError
        If it is no model, damaged or newer, or the name is taken.
    """
    target = free(name or (source.name if source.is_dir() else source.stem))
    with arriving(target, sha256) as place:
        if source.is_dir():
            _copy_folder(source, place)
        else:
            _unpack(source, place)
    return get(target.name)


@contextmanager
def arriving(target: Path, sha256: str | None = None) -> Iterator[Path]:
    """Give a folder to put a model's files into; check them, and make it ``target`` when all is well.

    ``sha256`` is what the weights must have, where it is known from elsewhere.
    """
    with _os_errors_as_output_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".arriving-") as name:
        place = Path(name) / "model"
        place.mkdir()
        yield place
        about = model_folder.about(place)
        check_header(place / model_folder.WEIGHTS)
        model_folder.check_weights(place, about.sha256)
        if sha256 is not None and about.sha256 != sha256.strip().lower():
            raise WeightsError(f"the weights are others than asked for: their SHA-256 is {about.sha256}")
        with _os_errors_as_output_error(target):
            place.rename(target)


def limit_of(name: str) -> int:
    """Return how many bytes a file of a model may have."""
    return LARGEST if name == model_folder.WEIGHTS else model_folder.LARGEST_JSON


def _copy_folder(source: Path, place: Path) -> None:
    for name in model_folder.FILES:
        path = source / name
        if not path.is_file():
            raise WeightsError(f"'{source}' holds no model ({name} is missing)")
        with path.open("rb") as file:
            _copy(file, place / name)


def _unpack(source: Path, place: Path) -> None:
    if not source.is_file():
        raise WeightsError(f"there is no file '{source}'; give an exported model, or the folder of one")
    try:
        with zipfile.ZipFile(source) as archive:
            _check_members(source, archive.infolist())
            for name in model_folder.FILES:
                with archive.open(name) as member:
                    _copy(member, place / name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"'{source}' is no exported model, or damaged ({error})") from error
    except OSError as error:
        raise OutputError(f"'{source}' was not taken in: {error.strerror or error}") from error


def _check_members(source: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive with anything but a model's three files."""
    names = sorted(member.filename for member in members)
    if names != sorted(model_folder.FILES):
        other = next((repr(name) for name in names if name not in model_folder.FILES), None)
        what = f"it holds {other}" if other else f"it does not hold {', '.join(model_folder.FILES)} once each"
        raise WeightsError(f"'{source}' is no exported model: {what}")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            raise WeightsError(f"'{source}' is no exported model: {member.filename} is encrypted or packed unusually")
        if member.file_size > limit_of(member.filename):
            raise WeightsError(f"'{source}' is refused: {member.filename} would have {size_in_words(member.file_size)}")


def _copy(source: BinaryIO | Any, target: Path) -> None:
    """Copy a file of a model, whatever its size is said to be, up to the limit."""
    left = limit_of(target.name)
    with target.open("wb") as out:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0:
                raise WeightsError(f"'{target.name}' is too large for a model's")
            out.write(block)

"""A finished model: a folder with ``model.safetensors``, ``config.json`` and ``training.json``, and nothing else."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import OutputError, WeightsError
from ..io.files import replacing
from ..method import MethodConfig
from . import names as model_names
from .weights import read, sha256_of

if TYPE_CHECKING:
    from torch import Tensor, nn


_log = logging.getLogger(__name__)

FORMAT = 1
"""Version of the folder's layout; a reader refuses newer ones."""
WEIGHTS, CONFIG, RECORD = "model.safetensors", "config.json", "training.json"
FILES = (RECORD, CONFIG, WEIGHTS)
RECIPE = "run"
"""Where a model's config keeps the parameters that a run with it takes unless others are given."""
LARGEST_JSON = 64_000_000
"""Bytes of a JSON file beyond which it is no description of a model."""


class _Record(BaseModel):
    """What ``training.json`` has to hold where it says anything; more may stand there."""

    model_config = ConfigDict(extra="allow")

    data: list[dict[str, Any]] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    steps: int = 0
    loss: list[float] = Field(default_factory=list)
    validation: list[dict[str, float]] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class About:
    """What a model folder says about itself.

    Attributes
    ----------
    method : str
        The method that it belongs to.
    config : mapping
        What its network is built from.
    sha256 : str
        Of the weights.
    record : mapping
        How it was trained: data with hashes, parameters, versions, loss curve, validation.
    """

    method: str
    config: Mapping[str, Any]
    sha256: str
    record: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: as :class:`About`, with its weights."""

    method: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Raise an :class:`OutputError` if a model cannot be saved there."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"'{folder}' is a file; give a folder for the model")
    if (folder / WEIGHTS).exists() and not overwrite:
        raise OutputError(f"'{folder}' holds a model already; choose another folder, or replace it with --overwrite")


def save(folder: Path, model: Model) -> None:
    """Write a model: all of it, or nothing of it under its final names."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as name:
        temporary = Path(name)
        tensors = {key: each.detach().contiguous().cpu() for key, each in model.tensors.items()}
        save_file(tensors, temporary / WEIGHTS)
        about = {"format": FORMAT, "method": model.method, "config": dict(model.config)}
        about["sha256"] = sha256_of(temporary / WEIGHTS)
        (temporary / CONFIG).write_text(json.dumps(about, indent=2), encoding="utf-8")
        (temporary / RECORD).write_text(json.dumps(dict(model.record), indent=2), encoding="utf-8")
        for each in FILES:
            (temporary / each).chmod(0o644)  # safetensors writes for the owner only; models are shared
            shutil.move(temporary / each, folder / each)


def add_to_record(folder: Path, **more: Any) -> None:
    """Write more into a model's record, such as its licence."""
    record = {**about(folder).record, **more}
    with replacing(folder / RECORD, overwrite=True) as temporary:
        temporary.write_text(json.dumps(record, indent=2), encoding="utf-8")


def about(folder: Path) -> About:
    """Return what a model folder says about itself, without its weights.

    Raises
    ------
    WeightsError
        If the description is missing, damaged, no model's, or a newer version's.
    """
    found = _json(folder, CONFIG)
    method, config, digest = (found.get(name) for name in ("method", "config", "sha256"))
    if not isinstance(method, str) or not isinstance(config, dict) or not isinstance(digest, str):
        raise WeightsError(f"'{folder / CONFIG}' does not describe a model of this package; give another folder")
    made = found.get("format", 1)
    if not isinstance(made, int) or made > FORMAT:
        raise WeightsError(
            f"'{folder}' was written by a newer version of napari-depth-interp (format {made}, this one knows "
            f"{FORMAT}); upgrade the package"
        )
    record = _json(folder, RECORD)
    try:
        _Record(**record)
    except ValidationError as error:
        raise WeightsError(f"'{folder}' holds a damaged model ({RECORD}: {first_of(error)}); copy it again") from error
    return About(method, config, digest, record)


def recipe_of(given: Path) -> Mapping[str, Any]:
    """Return what a model keeps for its runs; nothing of a model that cannot be read, which loading it will say."""
    try:
        found = about(model_names.find(given)).config.get(RECIPE, {})
    except WeightsError:
        return {}
    return found if isinstance(found, dict) else {}


def first_of(error: ValidationError) -> str:
    """Return the first thing that pydantic found wrong."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{name} is larger than {LARGEST_JSON / 1e6:.0f} MB")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"'{folder}' holds no model ({name}: {error.strerror}); make one with depth-interp train"
        ) from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"'{folder}' holds a damaged model ({name}: {error}); train it or copy it again") from error
    if not isinstance(found, dict):
        raise WeightsError(f"'{folder}' holds a damaged model ({name} is no JSON object); train it or copy it again")
    return found


def check_weights(folder: Path, digest: str) -> None:
    """Raise a :class:`WeightsError` unless the weights are those that were saved."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise WeightsError(f"'{folder}' holds no model ({WEIGHTS} is missing); copy the whole folder again")
    if sha256_of(path) != digest:
        raise WeightsError(f"'{path}' is not what was saved; copy the whole folder again")


def load(given: Path, method: str, config: type[MethodConfig] | None = None, needs: Collection[str] = ()) -> Model:
    """Return a model.

    Parameters
    ----------
    given : Path
        Its folder, or its name among the user's models (:func:`model_names.home`).
    method : str
        That it has to belong to.
    config : type of MethodConfig, optional
        That its values have to fit, where they are parameters of the method.
    needs : collection of str
        Values that must be there.

    Raises
    ------
    WeightsError
        If it is missing, damaged, newer, or belongs to another method.
    """
    folder = model_names.find(given)
    if not folder.exists():
        names = f"; the models are: {', '.join(model_names.known())}" if model_names.known() else ""
        raise WeightsError(f"'{given}' holds no model: there is neither such a folder nor a model of this name{names}")
    found = about(folder)
    if found.method != method:
        raise WeightsError(f"'{folder}' holds a model of the method '{found.method}', not of '{method}'")
    missing = [name for name in needs if name not in found.config]
    problem = f"{', '.join(missing)} is missing" if missing else None
    if config is not None and problem is None:
        problem = misfit(config, found.config)
    if problem is not None:
        raise WeightsError(f"'{folder / CONFIG}' does not fit {method} ({problem}); copy the whole folder again")
    return Model(
        method, found.config, _tensors(folder.absolute(), found.sha256, _stamp(folder / WEIGHTS)), found.record
    )


@lru_cache(maxsize=4)
def _tensors(folder: Path, digest: str, _stamp: tuple[int, ...]) -> Mapping[str, Tensor]:
    """Return a model's weights; the last few are kept, so that a worker of a batch reads its model once."""
    tensors = read(folder / WEIGHTS)
    check_weights(folder, digest)
    _log.info("loaded the model '%s'", folder)
    return MappingProxyType(tensors)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced; nothing for a file that is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def misfit(config: type[MethodConfig], values: Mapping[str, Any]) -> str | None:
    """Return why values of a model do not fit its method's parameters, or None; values of the network's own may be."""
    try:
        config(**{name: value for name, value in values.items() if name in config.model_fields})
    except ValidationError as error:
        return first_of(error)
    return None


def fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put a model's weights into the network that its config describes.

    Raises
    ------
    WeightsError
        If they are those of another network.
    """
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights do not fit the network that the model describes: {reason}") from error

"""A finished model: a folder with ``model.safetensors``, ``config.json`` and ``training.json``."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import OutputError, WeightsError
from ..weights import read, sha256_of
from .checkpoint import History

_WEIGHTS, _CONFIG, _RECORD = "model.safetensors", "config.json", "training.json"
_PACKAGES = ("napari-depth-interp", "torch", "diffusers", "numpy")


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model.

    Attributes
    ----------
    method : str
        The method that it belongs to.
    config : mapping
        What its network is built from.
    tensors : mapping of str -> Tensor
    record : mapping
        How it was trained: data with hashes, parameters, versions, loss curve.
    """

    method: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Raise an :class:`OutputError` if a model cannot be saved there."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"'{folder}' is a file; give a folder for the model")
    if (folder / _WEIGHTS).exists() and not overwrite:
        raise OutputError(f"'{folder}' holds a model already; choose another folder, or replace it with --overwrite")


def save(folder: Path, model: Model) -> None:
    """Write a model: all of it, or nothing of it under its final names."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as name:
        temporary = Path(name)
        tensors = {key: each.detach().contiguous().cpu() for key, each in model.tensors.items()}
        save_file(tensors, temporary / _WEIGHTS)
        about = {"method": model.method, "config": dict(model.config), "sha256": sha256_of(temporary / _WEIGHTS)}
        (temporary / _CONFIG).write_text(json.dumps(about, indent=2), encoding="utf-8")
        (temporary / _RECORD).write_text(json.dumps(dict(model.record), indent=2), encoding="utf-8")
        for each in (_RECORD, _CONFIG, _WEIGHTS):
            shutil.move(temporary / each, folder / each)


def load(folder: Path, method: str) -> Model:
    """Return the model in a folder.

    Raises
    ------
    WeightsError
        If it is missing, damaged, or belongs to another method.
    """
    try:
        about = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"'{folder}' holds no model ({error.strerror}); make one with depth-interp train") from error
    except ValueError as error:
        raise WeightsError(f"'{folder}' holds a damaged model ({error}); train it again") from error
    if about.get("method") != method:
        raise WeightsError(f"'{folder}' holds a model of the method '{about.get('method')}', not of '{method}'")
    tensors = read(folder / _WEIGHTS)
    if sha256_of(folder / _WEIGHTS) != about.get("sha256"):
        raise WeightsError(f"'{folder / _WEIGHTS}' is not what was saved; copy the whole folder again")
    return Model(method, about["config"], tensors, record)


def record_of(files: Sequence[Path], parameters: Mapping[str, Any], history: History) -> dict[str, Any]:
    """Return how a model was trained; of long loss curves about a thousand points."""
    losses = history.losses
    step = max(1, len(losses) // 1000)
    return {
        "data": [{"file": path.name, "sha256": sha256_of(path)} for path in files],
        "parameters": dict(parameters),
        "steps": len(losses),
        "loss": [round(value, 6) for value in losses[::step]],
        "validation": history.validation,
        "versions": {name: version(name) for name in _PACKAGES},
    }

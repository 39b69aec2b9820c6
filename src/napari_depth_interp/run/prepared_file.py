"""The file of what a run has learned.

One safetensors file: the arrays, and a JSON text in its metadata that says what they are. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import WeightsError
from ..io.files import check_output, replacing
from ..method.preparation import State
from ..system.amounts import size_in_words
from .history import versions
from .prepared import Kind, Prepared, copied, fingerprint, kind_of
from .request import Request

FORMAT = 1
"""Version of the file; a reader refuses newer ones."""
LARGEST_FILE, LARGEST_JSON = 8 * 10**9, 64 * 10**6
"""Bytes beyond which a file, or its description, is none of this kind."""
_KEY = "prepared"


class _About(BaseModel):
    """What the file says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    method: str
    config: dict[str, Any]
    kind: Kind
    request: str = Field(pattern="^[0-9a-f]{64}$")
    seed: int
    versions: dict[str, str]
    states: dict[str, dict[str, Any]]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


def save(path: Path, prepared: Prepared, *, overwrite: bool = False) -> None:
    """Write what was prepared: the whole file or nothing.

    Raises
    ------
    OutputError
        If the file cannot be written, or exists already.
    """
    from safetensors.numpy import save_file

    check_output(path, overwrite=overwrite)
    arrays = _all_arrays(prepared)
    about = _About(
        format=FORMAT, method=prepared.method, config=dict(prepared.config), kind=prepared.kind,
        request=prepared.request, seed=prepared.seed, versions=dict(prepared.made_with),
        states={name: dict(state.values) for name, state in prepared.states.items()}, sha256=_digest(arrays),
    )  # fmt: skip
    with replacing(path, overwrite=overwrite) as temporary:
        save_file(arrays, temporary, metadata={_KEY: json.dumps(about.model_dump())})
        temporary.chmod(0o644)  # safetensors writes for the owner only; others use it, too


def load(path: Path) -> Prepared:
    """Read what was prepared.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, none of this kind, or a newer version's.
    """
    about, arrays = _read(path)
    if _digest(arrays) != about.sha256:
        raise WeightsError(f"'{path}' is not what was saved: its arrays have changed; copy it again, or prepare again")
    states = {}
    for name, values in about.states.items():
        start = f"{name}/"
        mine = {key.removeprefix(start): each for key, each in arrays.items() if key.startswith(start)}
        states[name] = State(values, mine)
    return Prepared(about.method, about.config, about.kind, about.request, about.seed, about.versions, states)


def save_state(path: Path, request: Request, state: State) -> None:
    """Write what was learned for some channels at one time point of a request; an existing file is replaced."""
    made = Prepared(
        request.spec.name, request.config.model_dump(mode="json"), kind_of(request), fingerprint(request),
        request.runtime.seed, versions(), {"state": copied(state)},
    )  # fmt: skip
    save(path, made, overwrite=True)


def load_state(path: Path) -> State:
    """Read what :func:`save_state` wrote; errors as for :func:`load`."""
    return load(path).states["state"]


def _read(path: Path) -> tuple[_About, dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(f"there is no file '{path}'; make one with depth-interp prepare IN '{path}'")
    if path.stat().st_size > LARGEST_FILE:
        raise WeightsError(f"'{path}' has {size_in_words(path.stat().st_size)}, too much for what is prepared")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY, "")
            if not 0 < len(text) <= LARGEST_JSON:
                raise WeightsError(f"'{path}' was not written by depth-interp prepare; give a file that was")
            about = _About.model_validate(json.loads(text))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValidationError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise WeightsError(f"'{path}' is damaged or not written by depth-interp prepare ({reason})") from error
    if about.format > FORMAT:
        raise WeightsError(
            f"'{path}' was written by a newer version of napari-depth-interp (format {about.format}, this one knows "
            f"{FORMAT}); upgrade the package"
        )
    return about, arrays


def _all_arrays(prepared: Prepared) -> dict[str, NDArray[Any]]:
    return {
        f"{name}/{key}": np.asarray(each, order="C")
        for name, state in prepared.states.items()
        for key, each in state.arrays.items()
    }


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()

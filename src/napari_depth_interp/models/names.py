"""Where models live: one folder per model, under a name that a run takes as ``model=NAME``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import RequestError

VARIABLE = "DEPTH_INTERP_MODELS"
"""Environment variable with another folder of models, such as one that a laboratory shares."""
_NAME = re.compile(r"[\w][\w .+-]{0,79}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that Windows keeps for devices."""


def home() -> Path:
    """Return the folder of all models: the one that the environment names, else one of the user's data folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-depth-interp", appauthor=False)) / "models"


def check_name(name: str) -> str:
    """Return a model's name if it can be that of a folder on every system.

    Raises
    ------
    RequestError
        If it cannot.
    """
    fits = _NAME.fullmatch(name) and not name.endswith((".", " "))
    if not fits or name.split(".")[0].lower() in _RESERVED:
        raise RequestError(
            f"'{name}' cannot be the name of a model; use up to 80 letters, digits, spaces, and . _ + -, "
            "beginning with a letter or a digit"
        )
    return name


def folder_of(name: str) -> Path:
    """Return the folder of a model of this name, whether it is there or not."""
    return home() / check_name(name)


def find(given: Path) -> Path:
    """Return the folder that ``model=`` means: a folder as it is, else a name among the user's models."""
    if given.is_dir() or len(given.parts) != 1:
        return given
    named = home() / given
    return named if named.is_dir() else given


def known() -> list[str]:
    """Return the names of all folders among the models, finished or not, sorted without regard to case."""
    try:
        found = [each.name for each in home().iterdir() if not each.name.startswith(".") and each.is_dir()]
    except OSError:  # none yet, or not readable
        return []
    return sorted(found, key=str.casefold)

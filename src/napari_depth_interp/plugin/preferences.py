"""The plugin's page in napari's Preferences, and what the widget remembers between starts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import platformdirs
import yaml

from ..errors import DepthInterpError
from ..run.settings import Settings, load_settings, make_settings, save_settings

PLUGIN = "napari-depth-interp"
_FOLDER = "last-folder.txt"
_STACK_SPECIFIC = {
    "z_spacing", "depths", "channel", "axis", "acquisition", "thickness", "profile", "crop", "times", "exclude",
}  # fmt: skip


def preference(name: str) -> Any:
    """Return one value of the Preferences page: ``device``, ``preset`` or a colour."""
    from napari import settings

    if not hasattr(settings, "get_plugin_settings") or not _may_differ():  # before napari 0.9 plugins have no page
        return _default(name)
    return getattr(settings.get_plugin_settings(PLUGIN).defaults, name)


def colour(name: str) -> str:
    """Return a colour of the Preferences page; its default where somebody has written no colour there."""
    from qtpy.QtGui import QColor

    value = str(preference(name))
    return value if QColor(value).isValid() else str(_default(name))


def _may_differ() -> bool:
    """Whether a preference may be another than the manifest's: napari reads all manifests anew to tell, which is slow.

    It does so once; before that, it has kept changes in a file.
    """
    from napari import settings

    known, path = getattr(settings, "_PLUGIN_SETTINGS", True), getattr(settings, "_CFG_PATH", None)
    return bool(known) or (path is not None and Path(path).with_name(f"{PLUGIN}.yaml").exists())


def _default(name: str) -> Any:
    from npe2 import PluginManager

    pages = getattr(PluginManager.instance().get_manifest(PLUGIN).contributions, "configurations", None)
    return _as_written()[name]["default"] if pages is None else pages["defaults"].properties[name].default


@cache
def _as_written() -> dict[str, Any]:
    """Return what the manifest says of each preference: npe2 before 0.9 leaves it out."""
    text = files(__package__.partition(".")[0]).joinpath("napari.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["contributions"]["configurations"]["defaults"]["properties"])


def remembered_settings() -> Settings:
    """Return the settings of the last run, or the defaults of the Preferences page."""
    try:
        return make_settings(**load_settings(_memory()))
    except DepthInterpError:  # first start, or a file that somebody edited
        return default_settings()


def default_settings() -> Settings:
    """Return the defaults of the Preferences page."""
    return Settings(factor=4, device=preference("device"), preset=preference("preset"))


def remember_settings(settings: Settings) -> None:
    """Keep the settings for the next start, without what belongs to one stack only."""
    path = _memory()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_settings(path, settings.model_copy(update={name: Settings().model_dump()[name] for name in _STACK_SPECIFIC}))


def remembered_folder() -> Path:
    """Return the folder that a result was saved in last; the home folder at first, or if it is gone."""
    try:
        folder = Path(_memory(_FOLDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Path.home()
    return folder if folder.is_dir() else Path.home()


def remember_folder(folder: Path) -> None:
    """Keep the folder that a result was saved in."""
    path = _memory(_FOLDER)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(folder), encoding="utf-8")


def _memory(name: str = "last-run.yaml") -> Path:
    return Path(platformdirs.user_config_dir(PLUGIN, appauthor=False)) / name

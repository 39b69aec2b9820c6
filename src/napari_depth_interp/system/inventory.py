"""What is installed: Python, this package, and everything that it asks for, from pip's own records."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "napari-depth-interp"
OF_THE_WINDOW = frozenset({"magicgui", "npe2", "pyqtgraph", "qtpy", "superqt"})
"""Dependencies that no run of the command line needs."""
QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


@dataclass(frozen=True)
class Package:
    """A package that is asked for: the versions that serve, and the one that is there, or None."""

    name: str
    wanted: str
    version: str | None
    fits: bool


def required() -> list[Package]:
    """Return the dependencies, sorted by name; empty if this package was not installed by pip."""
    return _packages(None)


def extras(leave_out: Collection[str] = ()) -> dict[str, list[Package]]:
    """Return what each extra adds."""
    try:
        names = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return {}
    return {name: _packages(name) for name in names if name not in leave_out}


def qt_binding() -> Package | None:
    """Return the first Qt binding that is installed."""
    for name in QT_BINDINGS:
        version = _version(name)
        if version is not None:
            return Package(name, "", version, True)
    return None


def machine() -> str:
    """Return the operating system and the processor in words."""
    return ", ".join(filter(None, (f"{platform.system()} {platform.release()} {platform.machine()}", _linux())))


def python() -> str:
    """Return the version of Python and where it is."""
    return f"{platform.python_version()} in {sys.executable}"


def _linux() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:  # not Linux
        return ""


def _packages(extra: str | None) -> list[Package]:
    from packaging.requirements import Requirement

    found: dict[str, Package] = {}
    for line in _lines():
        requirement = Requirement(line)
        if requirement.name == DISTRIBUTION or not _concerns(requirement.marker, extra):
            continue
        version = _version(requirement.name)
        fits = version is not None and requirement.specifier.contains(version, prereleases=True)
        found[requirement.name] = Package(requirement.name, str(requirement.specifier), version, fits)
    return sorted(found.values(), key=lambda each: each.name.lower())


def _lines() -> Iterable[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _concerns(marker: object, extra: str | None) -> bool:
    """Return whether a requirement is one of the package (no extra), or of this extra only."""
    from packaging.markers import Marker

    if not isinstance(marker, Marker):
        return extra is None
    always = marker.evaluate({"extra": ""})
    return always if extra is None else not always and marker.evaluate({"extra": extra})


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def disk_of(path: Path) -> Path:
    """Return the nearest folder on the way to a path that is there."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), Path(path.anchor or "."))

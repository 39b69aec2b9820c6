"""Whether a window can be opened here: screen, the libraries of Qt's platform plugin, Qt itself, OpenGL."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .probing import Answer, ask

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
_CHOOSE_PLUGINS = ("QT_QPA_PLATFORM", "QT_QPA_PLATFORM_PLUGIN_PATH", "QT_PLUGIN_PATH")
_MISSING = re.compile(r"([\w.+-]+\.so(?:\.\d+)*): cannot open shared object file")
_DEBIAN = {"libglib-2.0.so.0": "libglib2.0-0"}
"""Debian packages whose names do not follow from that of the library."""


@dataclass(frozen=True)
class Window:
    """What is known of Qt and OpenGL.

    Attributes
    ----------
    binding, qt, platform : str or None
        The Qt binding and Qt with their versions, and the platform plugin that was started.
    opengl : str or None
        Version and renderer.
    missing : tuple of str
        Names of libraries of the system that Qt's plugin for X11 or Qt itself needs.
    problem : str or None
        Why no window can be opened.
    advice : str or None
        What to do about it.
    """

    binding: str | None = None
    qt: str | None = None
    platform: str | None = None
    opengl: str | None = None
    missing: tuple[str, ...] = field(default_factory=tuple)
    problem: str | None = None
    advice: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "missing": list(self.missing), "opens": self.problem is None}


def has_screen() -> bool:
    """Return whether there is a screen to open a window on; on Linux the environment says so."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in _SCREENS)


def examine(probe: str, install: str, timeout: float = 60) -> Window:
    """Try to start Qt in a process of its own and say what is missing.

    Parameters
    ----------
    probe : str
        The module that starts Qt and tells how far it came.
    install : str
        How a Qt binding is installed.
    timeout : float
        Seconds to wait.
    """
    screen = has_screen()
    answer = ask(probe, timeout, None if screen else {"QT_QPA_PLATFORM": "offscreen"})
    facts = answer.facts
    started = screen and "platform" in facts
    told = _MISSING.findall(answer.problem or "")
    missing = () if started else tuple(dict.fromkeys([*told, *_missing_of_xcb(facts.get("plugins"))]))
    problem, advice = _diagnosis(answer, missing, screen=screen, install=install)
    platform = facts.get("platform")
    return Window(facts.get("binding"), facts.get("qt"), platform, facts.get("opengl"), missing, problem, advice)


def apt_packages(libraries: Iterable[str]) -> list[str]:
    """Return the Debian packages that hold libraries: ``libxcb-cursor.so.0`` is in ``libxcb-cursor0``."""
    return [_DEBIAN.get(name) or _debian(name) for name in libraries]


def _debian(library: str) -> str:
    name, _, version = library.partition(".so")
    number = version.strip(".").partition(".")[0]
    return f"{name}{'-' if name[-1:].isdigit() and number else ''}{number}".lower()


def _diagnosis(
    answer: Answer, missing: tuple[str, ...], *, screen: bool, install: str
) -> tuple[str | None, str | None]:
    if "binding" not in answer.facts:
        return f"no Qt binding can be imported: {answer.problem}", _about(missing) or install
    if missing:
        return f"Qt lacks {', '.join(missing)}", _about(missing)
    if not screen:
        return "no screen: DISPLAY is not set", "the command line needs none"
    if "platform" not in answer.facts:
        chosen = [f"{name}={os.environ[name]}" for name in _CHOOSE_PLUGINS if os.environ.get(name)]
        return f"Qt does not start: {answer.problem}", f"try without {' '.join(chosen)}" if chosen else None
    return None, None


def _about(missing: tuple[str, ...]) -> str | None:
    if not missing:
        return None
    if shutil.which("apt-get"):
        return f"sudo apt-get install {' '.join(apt_packages(missing))}"
    return f"install the packages of your system with {', '.join(missing)}"


def _missing_of_xcb(plugins: str | None) -> list[str]:
    """Return what the linker does not find for Qt's X11 plugin, which Qt itself names one at a time."""
    folders = [os.environ.get("QT_QPA_PLATFORM_PLUGIN_PATH"), plugins and f"{plugins}/platforms"]
    found = [path for folder in folders if folder and (path := Path(folder) / "libqxcb.so").is_file()]
    if sys.platform != "linux" or not found or shutil.which("ldd") is None:
        return []
    try:
        done = subprocess.run(["ldd", found[0]], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):  # Qt's own words are shown all the same
        return []
    return re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE)

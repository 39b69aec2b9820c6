"""Other programs that fill sections, one file each, run in environments of their own.

``make_peers.py`` makes the environments. Nothing of these programs is copied here: an adapter calls what was installed.
An adapter says where its program comes from (``SOURCE``), its ``LICENCE``, what pip installs (``REQUIRES``), and has a
function ``fill`` (or ``fill_labels``) that imports the program when it is called. Only numpy is needed to load one.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = (
    "zoom", "sitk_bspline", "sitk_lanczos", "demons", "rife", "film", "eclare", "smore", "care", "contours",
)  # fmt: skip
"""Adapters, from the simplest on; each is a file beside this one."""
FOLDER = Path(os.environ.get("PEERS", Path.home() / ".cache" / "napari-depth-interp-peers"))
"""Where the environments are, unless told otherwise; the variable PEERS names another folder."""


@dataclass(frozen=True)
class Job:
    """What an adapter is asked for.

    Attributes
    ----------
    factor : int
        n sections become (n - 1) * factor + 1.
    gap : float
        Distance of the sections in pixels.
    low, high : float
        Range of intensities.
    seconds : float
        Time that a program which trains may take to train; 0: its default.
    seed : int
    """

    factor: int
    gap: float
    low: float = 0.0
    high: float = 1.0
    seconds: float = 0.0
    seed: int = 0

    def count(self, sections: int) -> int:
        """Return how many sections are wanted."""
        return (sections - 1) * self.factor + 1


@dataclass(frozen=True)
class Trained:
    """What an adapter of a program that trains returns: (Z, Y, X), and the seconds of its default by the pace seen."""

    voxels: NDArray[Any]
    default_seconds: float | None


@dataclass(frozen=True)
class Filled:
    """What a peer made, (Z, Y, X), its processor seconds (its imports included), and its version.

    ``default_seconds`` is what the training of a program that trains would take by default, by the pace seen.
    """

    voxels: NDArray[Any]
    cpu_seconds: float
    version: str
    default_seconds: float | None = None


class PeerError(Exception):
    """A peer that is not installed, or failed."""


def adapter(name: str) -> ModuleType:
    """Return the adapter called so."""
    return import_module(f"peers.{name}")


def python_of(name: str, folder: Path = FOLDER) -> Path:
    """Return the Python of a peer's environment; adapters that share one say so by ``ENVIRONMENT``."""
    environment = folder / getattr(adapter(name), "ENVIRONMENT", name)
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installed(folder: Path = FOLDER) -> list[str]:
    """Return the peers whose environments are there, and that have what they need from the user."""
    return [name for name in NAMES if python_of(name, folder).exists() and all(map(os.environ.get, needs(name)))]


def needs(name: str) -> tuple[str, ...]:
    """Return the variables by which the user says where a peer, or its weights, are."""
    found: tuple[str, ...] = getattr(adapter(name), "NEEDS", ())
    return found


def run(name: str, stack: NDArray[Any], job: Job, folder: Path = FOLDER, limit: float | None = None) -> Filled:
    """Ask a peer for a dense stack, in a process of its own.

    Parameters
    ----------
    name : str
    stack : (n, Y, X) array
        Sections, or labels for an adapter of labels.
    job : Job
    folder : Path
        Of the environments.
    limit : float, optional
        Seconds after which it is ended.

    Raises
    ------
    PeerError
        With the last line that it printed.
    """
    python = python_of(name, folder)
    if not python.exists():
        raise PeerError(f"{name} is not installed; run python benchmarks/make_peers.py {name}")
    missing = [each for each in needs(name) if not os.environ.get(each)]
    if missing:
        raise PeerError(f"{name} needs the variable {missing[0]}; benchmarks/peers/{name}.py says what it holds")
    with TemporaryDirectory(prefix=f"{name}-") as work:
        np.save(Path(work) / "in.npy", stack, allow_pickle=False)
        (Path(work) / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        words = [str(python), str(Path(__file__).with_name("_worker.py")), name, work]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=limit)
        if done.returncode:
            raise PeerError(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        about = json.loads((Path(work) / "about.json").read_text(encoding="utf-8"))
        return Filled(np.load(Path(work) / "out.npy", allow_pickle=False), **about)

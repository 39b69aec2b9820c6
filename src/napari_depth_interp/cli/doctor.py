"""``depth-interp doctor``: what is installed, what is missing, devices, memory, Qt, OpenGL, weights, on one screen."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import typer

from .. import __version__
from ..system import inventory, screen
from ..system.amounts import size_in_words
from ..system.devices import default_threads
from ..system.inventory import Package
from ..system.optional import install_line
from ..system.probing import Answer, ask
from .options import Debug, Json
from .output import CommandExit, print_json

_ROOM = f"{__package__.partition('.')[0]}"
_WIDTH, _INDENT = 80, 12
_LONGEST = 120.0
"""Seconds that torch, Qt or the small run may take on a slow disk."""
_FOR_DEVELOPMENT = ("dev", "docs", "release", "test")


@dataclass(frozen=True)
class Findings:
    """All that was found out.

    Attributes
    ----------
    packages : list of Package
    extras : dict of list of Package
    torch, run : Answer
        Of the processes that import torch, and that fill a small stack.
    window : Window
    memory : dict
        Bytes: ``free`` and ``total``.
    weights : dict
        The models, the backbones of LPIPS, and the free disk.
    """

    packages: list[Package]
    extras: dict[str, list[Package]]
    torch: Answer
    run: Answer
    window: screen.Window
    memory: dict[str, int]
    weights: dict[str, Any]

    @property
    def lacking(self) -> list[Package]:
        """The dependencies that are missing or of a version that does not serve."""
        return [each for each in self.packages if not each.fits]

    @property
    def problems(self) -> list[str]:
        """Why ``run`` does not work, or not with every method."""
        names = [each.name for each in self.lacking if each.name not in inventory.OF_THE_WINDOW]
        found = [f"missing or too old: {', '.join(names)}"] if names else []
        found += [f"a small run fails: {self.run.problem}"] if self.run.problem else []
        return found + ([f"torch does not work: {self.torch.problem}"] if self.torch.problem else [])


def doctor(json: Json = False, debug: Debug = False) -> None:
    """Say what is installed, what is missing, and what this machine offers."""
    found = examine()
    if json:
        print_json(as_json(found))
    else:
        typer.echo("\n".join(describe(found)))
    if found.problems:
        raise CommandExit(1)


def examine() -> Findings:
    """Find everything out; what may crash or hang is tried in processes of their own, side by side."""
    with ThreadPoolExecutor() as pool:
        torch = pool.submit(ask, f"{_ROOM}.system.device_probe", _LONGEST)
        run = pool.submit(ask, f"{_ROOM}.cli.run_probe", _LONGEST, {"CUDA_VISIBLE_DEVICES": ""})
        window = pool.submit(screen.examine, f"{_ROOM}.cli.window_probe", install_line("all"), _LONGEST)
        packages, extras = inventory.required(), inventory.extras(leave_out=_FOR_DEVELOPMENT)
        return Findings(packages, extras, torch.result(), run.result(), window.result(), _memory(), _weights())


def as_json(found: Findings) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    devices = {name: value for name, value in found.torch.facts.items() if name != "torch"}
    return {
        "version": __version__, "python": inventory.python(), "system": inventory.machine(),
        "packages": _by_name(found.packages), "extras": {name: _by_name(each) for name, each in found.extras.items()},
        "torch": found.torch.facts.get("torch"), "cores": default_threads(), "memory": found.memory,
        **devices, "window": found.window.as_json(), "weights": found.weights,
        "problems": found.problems, "run_works": not found.problems,
    }  # fmt: skip


def describe(found: Findings) -> list[str]:
    """Return the lines for people: at most 40 of 80 characters, unless paths are longer."""
    free, total = found.memory.get("free"), found.memory.get("total")
    memory = "not known" if free is None or total is None else f"{size_in_words(free)} free of {size_in_words(total)}"
    rows = [
        ("python", inventory.python()),
        ("system", inventory.machine()),
        ("packages", _packages_in_words(found)),
        *[("extra", text) for text in _extras_in_words(found.extras)],
        ("processor", f"{default_threads()} cores, memory {memory}"),
        ("torch", _torch_in_words(found.torch)),
        ("Qt", _qt_in_words(found.window)),
        ("OpenGL", found.window.opengl or "not known: no context could be made"),
        ("models", _models_in_words(found.weights)),
        ("LPIPS", _backbones_in_words(found.weights["lpips"])),
    ]
    lines = [f"{inventory.DISTRIBUTION} {__version__}"]
    return [*lines, *(line for name, text in rows for line in _wrapped(name, text)), "", *_verdict(found)]


def _verdict(found: Findings) -> Iterable[str]:
    works = [("run works", "")] if not found.problems else [("run", each) for each in found.problems]
    if found.lacking:
        works.append(("", f"repair it with: pip install --upgrade {inventory.DISTRIBUTION}"))
    problem, advice = _window_in_words(found)
    works.append(("window", problem) if problem else ("window opens", ""))
    if advice:
        works.append(("", advice))
    for name, text in works:
        yield from _wrapped(name, text)


def _window_in_words(found: Findings) -> tuple[str | None, str | None]:
    """Return why no window opens, if none does, and what to do."""
    lacking = [each for each in found.extras.get("all", ()) if each.name == "napari" and not each.fits]
    if found.window.problem is None and lacking:
        return f"napari is missing or too old: {_lack(lacking[0])}", install_line("all")
    return found.window.problem, found.window.advice


def _wrapped(name: str, text: str) -> list[str]:
    head = f"{name:<{_INDENT}}"
    options: Mapping[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(head + text, _WIDTH, subsequent_indent=" " * _INDENT, **options) or [head.rstrip()]


def _packages_in_words(found: Findings) -> str:
    if not found.packages:
        return "not known: this package was not installed by pip"
    shown = ", ".join(f"{each.name} {each.version}" for each in found.packages if each.fits)
    count = f"{len(found.packages) - len(found.lacking)} of {len(found.packages)}: {shown}"
    return "; ".join([count, *map(_lack, found.lacking)])


def _lack(each: Package) -> str:
    return f"MISSING {each.name}{each.wanted}" + ("" if each.version is None else f", {each.version} is there")


def _extras_in_words(extras: Mapping[str, Sequence[Package]]) -> Iterable[str]:
    for name, packages in extras.items():
        parts = [set(other) for key, other in extras.items() if key != name and set(other) < set(packages)]
        shown = [each for each in packages if each not in set[Package]().union(*parts)]
        binding = inventory.qt_binding()
        if name == "all" and binding is not None:  # any one serves
            shown = [*(each for each in shown if each.name != "pyqt6"), binding]
        if not shown:  # an extra made of others
            continue
        lacking = [each.name for each in shown if not each.fits]
        if lacking:
            yield f"{name}: without {', '.join(lacking)}; {install_line(name)}"
        else:
            yield f"{name}: {', '.join(f'{each.name} {each.version}' for each in shown)}"


def _torch_in_words(torch: Answer) -> str:
    version = torch.facts.get("torch", "")
    if torch.problem:
        return f"{version} {torch.problem}".strip()
    gpus = [each for each in torch.facts["devices"] if each["device"] != "cpu"]
    return f"{version}; " + ("; ".join(map(_gpu, gpus)) or "no GPU: what learns takes minutes instead of seconds")


def _gpu(each: Mapping[str, Any]) -> str:
    if each["name"] is None:
        return str(each["device"])
    return f"{each['device']} {each['name']}, {size_in_words(each['free'])} free of {size_in_words(each['total'])}"


def _qt_in_words(window: screen.Window) -> str:
    if window.binding is None:
        return "no binding"
    return f"{window.binding}, Qt {window.qt}, " + (f"platform {window.platform}" if window.platform else "not started")


def _models_in_words(weights: Mapping[str, Any]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in weights["models"].items()) or "none yet"
    return f"{states}, in {weights['folder']}; {size_in_words(weights['free'])} of the disk free"


def _backbones_in_words(kept: Mapping[str, bool]) -> str:
    there = [name for name, known in kept.items() if known]
    others = [name for name, known in kept.items() if not known]
    absent = f"{', '.join(others)} not yet, loaded from the internet when asked for" if others else ""
    return "; ".join(filter(None, (f"{', '.join(there)} there" if there else "", absent)))


def _by_name(packages: Sequence[Package]) -> dict[str, Any]:
    return {each.name: {"wanted": each.wanted, "version": each.version, "fits": each.fits} for each in packages}


def _memory() -> dict[str, int]:
    try:
        import psutil
    except ImportError:  # named among the packages
        return {}
    memory = psutil.virtual_memory()
    return {"free": int(memory.available), "total": int(memory.total)}


def _weights() -> dict[str, Any]:
    from ..models import library, names
    from ..models.weights import BACKBONES

    folder, models = names.home(), dict[str, int]()
    for each in library.entries():
        models[each.state] = models.get(each.state, 0) + 1
    return {
        "folder": str(folder), "models": models, "free": shutil.disk_usage(inventory.disk_of(folder)).free,
        "lpips": {name: download.stored.is_file() for name, download in BACKBONES.items()},
    }  # fmt: skip

"""Time from the shell prompt to the answer, and whether torch or Qt were imported on the way.

Run: python benchmarks/startup.py [--repeats 10]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from _tools import machine, markdown_table, verdict

LIMIT_S = 0.7
HEAVY = ("torch", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "napari")
PROGRAM = str(Path(sys.executable).with_name("depth-interp"))
BARE = "python -c pass"
COMMANDS = {
    BARE: (sys.executable, "-c", "pass"),
    "python -c 'import napari_depth_interp'": (sys.executable, "-c", "import napari_depth_interp"),
    "depth-interp --help": (PROGRAM, "--help"),
    "depth-interp methods": (PROGRAM, "methods"),
}


def main() -> None:
    """Print a table and whether the targets are met."""
    parser = argparse.ArgumentParser(description="Start-up times, each command in a process of its own.")
    parser.add_argument("--repeats", type=int, default=10, help="timed runs, after one that warms the file cache")
    seconds = _measure(parser.parse_args().repeats)
    heavy = {name: imported_heavy(command) for name, command in COMMANDS.items()}
    rows = [
        (f"`{name}`", f"{statistics.median(times):.3f}", f"{max(times):.3f}", LIMIT_S, ", ".join(heavy[name]) or "no")
        for name, times in seconds.items()
    ]
    print(f"{machine()}\n")
    print(markdown_table(("command", "median s", "max s", "limit s", "torch or Qt imported"), rows), end="\n\n")
    ours = [name for name in COMMANDS if name != BARE]
    fast = all(statistics.median(seconds[name]) < LIMIT_S for name in ours)
    print(verdict(fast, f"each command under {LIMIT_S} s (median) once files are cached"))
    print(verdict(not any(heavy[name] for name in ours), "neither torch nor Qt imported"))


def _measure(repeats: int) -> dict[str, list[float]]:
    """Return each command's wall times; the rounds go round the commands, so that noise hits all alike."""
    rounds = [{name: _seconds(command) for name, command in COMMANDS.items()} for _ in range(repeats + 1)]
    return {name: [times[name] for times in rounds[1:]] for name in COMMANDS}


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def imported_heavy(command: Sequence[str]) -> list[str]:
    """Return which packages of ``HEAVY`` a command imports, by the interpreter's own list of imports."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    imported = re.findall(r"^import time:.*\|\s+(\w+)", done.stderr, re.MULTILINE)
    return [name for name in HEAVY if name in imported]


if __name__ == "__main__":
    main()

"""Makes the hostile files, runs the command line on them under a watchdog, and prints what became of them.

Run: python tests/hostile/corpus.py [FOLDER]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import niftis
import others
import sets
import tiffs
import zarrs
from cases import Case, Folder

SECONDS, MEMORY_MB = 10, 1000
"""What one file may take at most."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file: exit status, standard error, seconds, peak memory so far, whether a traceback came."""

    status: int
    error: str
    seconds: float
    peak_mb: float

    @property
    def word(self) -> str:
        return {0: "result", 1: "error in one line", 2: "error in one line"}.get(self.status, f"status {self.status}")


def make(root: Path) -> list[Case]:
    """Make all files below a folder."""
    folder = Folder(root / "files")
    root.mkdir(parents=True, exist_ok=True)
    tiffs.add(folder)
    tiffs.special(folder)
    sets.add(folder)
    niftis.add(folder)
    zarrs.add(folder, told_by(root))
    others.add(folder)
    tiffs.paths(folder, root / "outside")
    return folder.cases


def told_by(root: Path) -> Path:
    """Return the file that appears if a planted pickle is loaded."""
    return root / "pickle-was-loaded"


def arguments(case: Case, output: Path) -> list[str]:
    """Return the command line for one file."""
    return ["run", "--method", "linear", "--factor", "2", *case.options, "--", str(case.path), str(output)]


_RUNNER = """
import contextlib, faulthandler, io, json, pathlib, resource, sys, time
from napari_depth_interp.cli import main

def peak_mb():
    # ru_maxrss also counts what the parent had when it began this process
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        words = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:")).split()
        return int(words[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

for line in sys.stdin:
    arguments = json.loads(line)
    faulthandler.dump_traceback_later(%d, exit=True)
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = main(arguments)
    seconds = time.perf_counter() - start
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps([status, errors.getvalue(), seconds, peak_mb()]), flush=True)
"""


def run(cases: Sequence[Case], outputs: Path, processes: int = 2) -> list[Outcome]:
    """Run the command line on every file, several processes side by side; a hang ends its process, which is told."""
    outputs.mkdir()
    shares = [range(first, len(cases), processes) for first in range(processes)]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONIOENCODING": "utf-8", "TMPDIR": str(outputs)}
    started = []
    for share in shares:
        lines = [json.dumps(arguments(cases[i], outputs / f"{i:03d}.tif")) for i in share]
        child = subprocess.Popen(
            [sys.executable, "-c", _RUNNER % SECONDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=outputs, env=environment,
        )  # fmt: skip
        assert child.stdin is not None
        child.stdin.write("\n".join(lines) + "\n")
        child.stdin.close()
        started.append(child)
    outcomes: dict[int, Outcome] = {}
    for child, share in zip(started, shares, strict=True):
        assert child.stdout is not None
        assert child.stderr is not None
        done = [Outcome(*json.loads(line)) for line in child.stdout]
        problem = child.stderr.read()
        child.stdout.close()
        child.stderr.close()
        if child.wait() or len(done) < len(share):
            raise AssertionError(f"the process ended at {cases[share[len(done)]]}:\n{problem[-3000:]}")
        outcomes.update(zip(share, done, strict=True))
    return [outcomes[i] for i in range(len(cases))]


def table(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> str:
    """Return kind, count and outcomes as Markdown."""
    lines = ["| kind | files | error in one line | result |", "| --- | ---: | ---: | ---: |"]
    kinds = Counter(case.kind for case in cases)
    for kind, count in kinds.items():
        words = Counter(outcome.word for case, outcome in zip(cases, outcomes, strict=True) if case.kind == kind)
        lines.append(f"| {kind} | {count} | {words['error in one line']} | {words['result']} |")
    words = Counter(outcome.word for outcome in outcomes)
    lines.append(f"| all | {len(cases)} | {words['error in one line']} | {words['result']} |")
    worst, peak = max(outcome.seconds for outcome in outcomes), max(outcome.peak_mb for outcome in outcomes)
    return "\n".join([*lines, "", f"Slowest file {worst:.1f} s; largest memory of a process {peak:.0f} MB."])


def main() -> None:
    """Make the files, run them, print the table; with a folder, leave the files there."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        cases = make(root)
        print(table(cases, run(cases, root / "outputs")))


if __name__ == "__main__":
    main()

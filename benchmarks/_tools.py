"""What the benchmarks share: fresh processes, Markdown, the machine in words."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in a new interpreter, so that memory and caches of other runs do not count."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def remembered(folder: Path | None, about: dict[str, Any], make: Callable[[], T]) -> T:
    """Return what ``make`` gives (made of lists, numbers and words), or what an earlier run left of it in a folder.

    Parameters
    ----------
    folder : Path or None
        None: nothing is kept.
    about : dict
        All that the result depends on; another value of any of it is another result.
    """
    if folder is None:
        return make()
    words = json.dumps(about, sort_keys=True, default=str)
    file = folder / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.json"
    if file.exists():
        found: T = json.loads(file.read_text(encoding="utf-8"))["result"]
        return found
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    unfinished.write_text(json.dumps({"about": about, "result": made}, default=str, indent=1), encoding="utf-8")
    unfinished.replace(file)
    return made


def interval(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a mean (Student's t); NaN of a single value."""
    from scipy import stats  # slow to import, and not to count in what other benchmarks measure

    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(np.asarray(values, float)))


def with_interval(values: Sequence[float], digits: int) -> str:
    """Return a mean with its 95 % interval."""
    half = interval(values)
    words = f"{np.mean(values):.{digits}f}"
    return words if np.isnan(half) else f"{words} ± {half:.{digits}f}"


def peak_memory_mb() -> float:
    """Return the largest resident memory that this process has had."""
    import resource  # not on Windows, where other things of this module serve

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, KiB elsewhere


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose first column is words and whose other columns are figures."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def verdict(met: bool, target: str) -> str:
    """Return one line of the list of targets."""
    return f"- target {'met' if met else 'MISSED'}: {target}"


def machine() -> str:
    """Return one line: date, processor, cores, versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    cores = f"{_cores()} cores, {platform.system()}"
    return f"{date.today()}; {_processor()}, {cores}; Python {platform.python_version()}, {versions}"


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

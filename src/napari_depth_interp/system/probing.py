"""Trying what may hang or crash in a process of its own, so that whoever asks lives on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a probe has told before it ended, and why it ended early, or None if it did not."""

    facts: dict[str, Any]
    problem: str | None


def ask(module: str, timeout: float, environment: Mapping[str, str] | None = None) -> Answer:
    """Run a module that prints JSON objects, one a line, and gather them.

    Parameters
    ----------
    module : str
        Run as ``python -m module``.
    timeout : float
        Seconds after which it is ended.
    environment : mapping, optional
        Variables laid over those of this process.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Answer(_facts(late.stdout or b""), f"no answer within {timeout:g} s")
    except OSError as error:
        return Answer({}, f"no process can be started: {error.strerror or error}")
    return Answer(_facts(done.stdout), _ending(done.returncode, done.stderr))


def tell(**facts: Any) -> None:
    """Print facts for :func:`ask`; what has been told is known even if the probe crashes later."""
    print(json.dumps(facts), flush=True)


def _facts(printed: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in printed.decode("utf-8", "replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # a library's own words
            continue
        found |= told if isinstance(told, dict) else {}
    return found


def _ending(status: int, errors: bytes) -> str | None:
    if status == 0:
        return None
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    how = f"ended by {_signal(-status)}" if status < 0 else f"exit status {status}"
    if lines and not lines[0].startswith("Traceback") and status < 0:
        return f"{lines[0]} ({how})"
    return lines[-1] if lines else how


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

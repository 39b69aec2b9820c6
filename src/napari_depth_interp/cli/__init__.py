"""The command line ``depth-interp``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # many times faster where other programs use the cores too
    try:
        from .app import run_command_line  # here, so that Ctrl-C is understood while this loads
    except KeyboardInterrupt:
        print("depth-interp: interrupted; no file was left half-written", file=sys.stderr)
        return 130
    return run_command_line(sys.argv[1:] if arguments is None else arguments)

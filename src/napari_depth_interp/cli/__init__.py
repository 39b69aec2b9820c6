"""The command line ``depth-interp``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from .signals import listening


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # many times faster where other programs use the cores too
    with listening() as heard:
        try:
            from .process import run_command_line
        except (KeyboardInterrupt, Exception):  # a class that is being made turns the one into the other
            if heard.signal != signal.SIGINT:
                raise
            print("depth-interp: interrupted; no file was left half-written", file=sys.stderr)
            return 130
        return run_command_line(sys.argv[1:] if arguments is None else arguments, heard)

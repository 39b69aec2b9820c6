"""One call of the command line as a process: its words, its log, its failures in one line, its exit status."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from io import TextIOWrapper
from itertools import islice
from typing import Any

import typer

from ..errors import DepthInterpError, explain
from ..system.logs import is_on
from .app import Call, app
from .output import CommandExit, print_json
from .signals import LastSignal

_ClickError: Any = typer.BadParameter.__mro__[2]
"""The base of typer's usage errors, which typer itself does not name."""
_INTERRUPTED = 130
"""Exit status; some versions of typer return it for Ctrl-C, others raise Abort."""
_log = logging.getLogger(__name__)


def run_command_line(arguments: Sequence[str], heard: LastSignal) -> int:
    """Run a command; turn every failure into one line and an exit status."""
    for stream in (sys.stdout, sys.stderr):  # a file name may hold what the terminal cannot show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with ExitStack() as ends:
        status = _run_command(arguments, ends, heard)
        _log.info("exit status %d", status)
        return status


@cache
def commands() -> Any:
    """Return all commands with their options; a process that runs several makes them once, which takes a while."""
    return typer.main.get_command(app)


def _run_command(arguments: Sequence[str], ends: ExitStack, heard: LastSignal) -> int:
    try:
        call = Call(tuple(arguments), ends)
        status = int(commands()(_log_options_first(arguments), standalone_mode=False, obj=call) or 0)
        return status if status != _INTERRUPTED else _interrupted(arguments)
    except CommandExit as error:
        return error.status
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except typer.Exit as error:
        return error.exit_code
    except _ClickError as error:
        return _usage(error, arguments)
    except Exception as error:
        if heard.signal == signal.SIGINT:
            return _interrupted(arguments)
        return _fail(explain(error), error.exit_code if isinstance(error, DepthInterpError) else 1, arguments)


def _log_options_first(arguments: Sequence[str]) -> list[str]:
    """Move the options of the log before the command: people write them after it."""
    first, others = [], []
    words = iter(arguments)
    for word in words:
        if word == "--":
            others += [word, *words]
        elif word.partition("=")[0] in ("--log-level", "--log-file"):
            first += [word, *([] if "=" in word else islice(words, 1))]
        else:
            others.append(word)
    return first + others


def _usage(error: Any, arguments: Sequence[str]) -> int:
    message = error.format_message().rstrip(".")
    if not message:  # no command given: the help has been printed
        return int(error.exit_code)
    return _fail(f"{message}. Try --help.", error.exit_code, arguments)


def _interrupted(arguments: Sequence[str]) -> int:
    return _fail("interrupted; no file was left half-written", _INTERRUPTED, arguments)


def _fail(message: str, status: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    if is_on():
        _log.error("%s", message, exc_info=_log.isEnabledFor(logging.DEBUG))
    line = " ".join(message.split())
    print(f"depth-interp: {line}", file=sys.stderr)
    if "--json" in arguments:
        print_json({"error": line})
    return status

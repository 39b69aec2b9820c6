"""Ctrl-C and SIGTERM, which schedulers send: both leave in order, so that nothing half-written stays."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ..progress import Progress, Report


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, under a name of its own.

    Where KeyboardInterrupt itself passes through ``exec``, Python ends a module that was started with ``-m`` by
    the signal, whatever exit status it asked for.
    """


@dataclass
class LastSignal:
    """The last signal: code that it hits may turn its exception into another one, or drop it."""

    signal: int | None = None


_last = LastSignal()


@contextmanager
def listening() -> Iterator[LastSignal]:
    """Turn the signals into :class:`Interrupted` and SystemExit; other threads than the main one cannot."""
    global _last
    heard = _last = LastSignal()
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def interrupt(number: int, _frame: object) -> NoReturn:
        heard.signal = number
        raise Interrupted

    def terminate(number: int, _frame: object) -> NoReturn:
        heard.signal = number
        raise SystemExit(128 + number)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, as for jobs of a shell
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reporting(description: str) -> Iterator[Report]:
    """Show progress as :func:`terminal_report` does; a Ctrl-C that was dropped on its way ends the work here."""
    from ..progress import terminal_report  # here: Ctrl-C is understood before numpy is loaded

    with terminal_report(description) as report:

        def checked(progress: Progress) -> None:
            if _last.signal == signal.SIGINT:
                raise Interrupted
            report(progress)

        yield checked

"""Pieces of work shared with one other process: half of them here, half there, told as one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple, TypeVar

from ..progress import Cancelled, Progress, Report, part

Piece = TypeVar("Piece")
Made = TypeVar("Made")
_LOOKS_S = 0.2
"""Seconds between two looks at a helper that is not done yet."""


class _Line(NamedTuple):
    """What both processes see: how far the helper is, and whether it is to stop."""

    fraction: Synchronized[float]
    stop: Event


_line: list[_Line] = []
"""That of a helper, in the helper; it can only be handed over when the process is made."""


def one_by_one(work: Callable[[Piece, Report], Made], pieces: Sequence[Piece], report: Report) -> list[Made]:
    """Return what the work makes of each piece."""
    count = len(pieces)
    return [work(piece, part(report, i / count, (i + 1) / count)) for i, piece in enumerate(pieces)]


def with_helper(work: Callable[[Piece, Report], Made], pieces: Sequence[Piece], report: Report) -> list[Made]:
    """Return what the work makes of each piece, every second of which goes to another process.

    Parameters
    ----------
    work : callable
        Takes a piece and a report. It, the pieces and what it returns are sent to the other process and back, so it
        is a function of a module, or a partial of one.
    pieces : sequence
        The first, third ... are done here.
    report : callable
        Hears of both processes together; what it raises stops both.

    Raises
    ------
    Exception
        What the work raised, here or there.
    """
    here, there = pieces[::2], pieces[1::2]
    if not there:
        return one_by_one(work, here, report)
    context = get_context("spawn")  # a forked process has the threads' locks, but not the threads
    line = _Line(context.Value("d", 0.0), context.Event())
    with ProcessPoolExecutor(1, context, _connect, (line,)) as helper:
        others = helper.submit(_help, work, there)
        try:
            ours = one_by_one(work, here, _of_both(report, line, others, len(here) / len(pieces)))
            while not wait([others], _LOOKS_S).done:
                report(Progress((len(here) + len(there) * line.fraction.value) / len(pieces)))
            theirs = others.result()
        except BaseException:
            line.stop.set()
            raise
    made: list[Any] = [None] * len(pieces)
    made[::2], made[1::2] = ours, theirs
    return made


def _of_both(report: Report, line: _Line, others: Future[Any], share: float) -> Report:
    """Return a report for the work that is done here; it stops where the helper has failed."""

    def told(progress: Progress) -> None:
        if others.done():
            others.result()
        fraction = share * progress.fraction + (1 - share) * line.fraction.value
        report(Progress(fraction, progress.message, progress.training))

    return told


def _connect(line: _Line) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the other process stops this one
    _line.append(line)


def _help(work: Callable[[Piece, Report], Made], pieces: Sequence[Piece]) -> list[Made]:
    """Do the work in the helper; end when the other process says so."""
    line = _line[0]

    def told(progress: Progress) -> None:
        if line.stop.is_set():
            raise Cancelled
        line.fraction.value = progress.fraction

    return one_by_one(work, pieces, told)

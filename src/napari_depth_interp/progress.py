"""How long work tells where it is, and how it is told to stop.

A long function takes ``report`` and calls it with a :class:`Progress` at least once per tile,
section or training step. The caller stops the work by raising :class:`Cancelled` from it; a training also takes
:class:`Stopped`, which ends it early and keeps what was learned.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Raised out of ``report`` when the user cancelled; never caught by a method."""


class Stopped(Exception):
    """Raised out of ``report`` when a training shall end now and keep the best weights; an error for other work."""


@dataclass(frozen=True, eq=False, slots=True)
class TrainingPoint:
    """What a training step has shown.

    Attributes
    ----------
    step, steps : int
        How many steps are done, of how many.
    loss : float
    scores : mapping of metric name -> value
        Of the validation data, at the steps where it was looked at; empty at others.
    picture : (Y, X) or (panels, Y, X) float array or None
        A validation section as the network makes it now, at the steps where it was looked at.
    captions : tuple of str
        What the panels of the picture show.
    place : str
        Which section the picture is of.
    is_validated : bool
        Whether there is anything to look at: data that is held back.
    """

    step: int
    steps: int
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)
    picture: NDArray[Any] | None = None
    captions: tuple[str, ...] = ()
    place: str = ""
    is_validated: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the work is: a fraction of the whole in [0, 1], what is being done, and what a training step has shown."""

    fraction: float
    message: str = ""
    training: TrainingPoint | None = None


Report = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Report to nobody."""


def part(report: Report, start: float, stop: float, prefix: str = "") -> Report:
    """Return a report whose 0..1 fills ``start..stop`` of the outer one."""

    def inner(progress: Progress) -> None:
        fraction = start + (stop - start) * min(max(progress.fraction, 0.0), 1.0)
        message = f"{prefix}: {progress.message}" if prefix and progress.message else prefix or progress.message
        report(replace(progress, fraction=fraction, message=message))

    return inner


def fractions(report: Report) -> Callable[[float], None]:
    """Return a function that takes bare fractions, for loops that have nothing else to say."""
    return lambda done: report(Progress(done))


def describe_validation(point: TrainingPoint) -> str:
    """Return what a validation has found, in one line."""
    scores = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in point.scores.items())
    return f"step {point.step} of {point.steps}: loss {point.loss:.4g}; validation: {scores}"


def _print_validation(progress: Progress) -> None:
    if progress.training is not None and progress.training.scores:
        print(describe_validation(progress.training), file=sys.stderr, flush=True)


@contextmanager
def terminal_report(description: str) -> Iterator[Report]:
    """Show a progress bar with the time left on standard error, if that is a terminal; log each step for debugging.

    What validation finds during a training is printed, a line each time, terminal or not.
    """
    logged = _logged(description)

    def plain(progress: Progress) -> None:
        logged(progress)
        _print_validation(progress)

    if not sys.stderr.isatty():
        yield plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=1.0)

        def report(progress: Progress) -> None:
            logged(progress)
            label = f"{description}: {progress.message}" if progress.message else description
            if progress.training is not None and progress.training.scores:
                bar.console.print(describe_validation(progress.training), highlight=False, markup=False)
            bar.update(task, completed=progress.fraction, description=label)

        yield report


def _logged(description: str) -> Report:
    """Return a report that logs every new message."""
    if not _log.isEnabledFor(logging.DEBUG):
        return silent
    last: str | None = None

    def report(progress: Progress) -> None:
        nonlocal last
        if progress.message != last:
            last = progress.message
            _log.debug("%s: %s (%.0f %%)", description, last or "at work", 100 * progress.fraction)

    return report

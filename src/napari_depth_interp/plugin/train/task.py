"""What a click on Train computes, and how it is paused and stopped. No Qt here: it runs off the GUI thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ... import io
from ...errors import RequestError
from ...progress import Progress, Report, Stopped, TrainingPoint
from ...stack import Dataset
from ...training import reading, session
from ...training.unvalidated import why_nothing_is_held_back
from ..jobs import import_torch

_POLL = 0.05
"""Seconds between two checks whether a pause has ended."""
_RECENT = 100
"""Steps that the time per step is taken from."""
_one_at_a_time = threading.Lock()


def is_training() -> bool:
    """Return whether a training runs in this program."""
    return _one_at_a_time.locked()


class Control:
    """Pauses and stops a training from another thread, and collects what its steps have shown."""

    def __init__(self) -> None:
        self._paused, self._stopped = threading.Event(), threading.Event()
        self._points: deque[TrainingPoint] = deque()
        self.begun = False
        """Whether the first step is done, so that there is something to stop."""
        self.why_unvalidated = ""
        """Why nothing is held back, should that be so."""

    def pause(self) -> None:
        """Wait after the next step, until told to go on."""
        self._paused.set()

    def go_on(self) -> None:
        """End the pause."""
        self._paused.clear()

    def stop(self) -> None:
        """End the training after the next step, with the best weights."""
        self._stopped.set()
        self._paused.clear()

    def take(self) -> list[TrainingPoint]:
        """Return the points since the last call."""
        return [self._points.popleft() for _ in range(len(self._points))]

    def watch(self, report: Report) -> Report:
        """Return a report that also obeys this control; in a pause ``report`` is asked too, so that it may cancel."""

        def reporting(progress: Progress) -> None:
            if progress.training is not None:
                self._points.append(progress.training)
                self.begun = True
            report(progress)
            while self._paused.is_set() and progress.training is not None:
                time.sleep(_POLL)
                report(progress)
            if self._stopped.is_set() and progress.training is not None:
                raise Stopped

        return reporting


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A training to run: its order, open layers (none: the order's folder), the model's folder, whether it goes on."""

    order: session.Order
    layers: Mapping[str, Dataset]
    folder: Path
    resume: bool = False


def train_task(job: TrainingJob, control: Control, report: Report) -> session.Outcome:
    """Train.

    Raises
    ------
    RequestError
        If another training runs in this program.
    DepthInterpError
        As :func:`session.prepare` and :func:`session.train`.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise RequestError("another training is running; wait for it, or stop it first")
    try:
        report(Progress(0.0, "loading torch"))
        import_torch()
        training = session.prepare(job.order, job.folder, overwrite=job.resume)
        report(Progress(0.0, "reading the stacks"))
        settings = job.order.settings
        if job.order.folder is None:
            layers = {name: io.loaded(dataset) for name, dataset in job.layers.items()}
            data = reading.from_layers(training.spec, layers, settings)
        else:
            data = reading.read_data(training.spec, Path(job.order.folder), settings)
        control.why_unvalidated = why_nothing_is_held_back(training.spec, training.config, data)
        return session.train(training, data, control.watch(report), resume=job.resume)
    finally:
        _one_at_a_time.release()


class Pace:
    """How long the rest takes, from the last steps and without pauses."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._waited = 0.0
        self._pause: float | None = None

    def note(self, step: int, now: float) -> None:
        """Note a step that is done."""
        self._steps.append((now - self._waited, step))

    def pause(self, now: float) -> None:
        """Count no time from here on."""
        self._pause = now if self._pause is None else self._pause

    def go_on(self, now: float) -> None:
        """Count time again."""
        if self._pause is not None:
            self._waited += now - self._pause
        self._pause = None

    def left(self, steps: int) -> float | None:
        """Return the seconds until so many steps are done; None if that is not known yet."""
        if len(self._steps) < 2:
            return None
        (first, begun), (last, done) = self._steps[0], self._steps[-1]
        return None if done == begun else (steps - done) * (last - first) / (done - begun)

"""How long a widget takes to open, and the window does not answer while a run computes, beside the idle window.

Drives the real napari viewer. A timer asks every 5 ms for its turn in the event loop; how late
it comes is the delay that a user would feel. Phases: idle, a CPU method on a large stack, the first
import of torch, a busy torch loop in a job. The first drawing of the result is counted apart, as it is napari's.

Run it on a screen, or ``scripts/with-display.sh .venv/bin/python benchmarks/gui_latency.py``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from _tools import machine, markdown_table

LIMIT_P99_MS = 50.0
LIMIT_WORST_MS = 300.0
INTERVAL_MS = 5
LIMIT_OPEN_S = 0.5


class Pulse:
    """Measures how late a 5 ms timer fires, in ms."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.delays: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        self.delays = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> list[float]:
        self._timer.stop()
        return self.delays

    def _beat(self) -> None:
        now = time.perf_counter()
        self.delays.append(max(0.0, (now - self._last) * 1000 - INTERVAL_MS))
        self._last = now


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Run the real event loop until the condition holds or the time is over."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    end = time.monotonic() + seconds
    check = QTimer()
    check.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > end else None)
    check.start(20)
    loop.exec()
    check.stop()


def busy_torch(seconds: float) -> Callable[[Any], None]:
    """Return a job that multiplies matrices with torch, one core left to the window."""
    from napari_depth_interp.progress import Progress
    from napari_depth_interp.system.devices import default_threads

    def work(report: Any) -> None:
        import torch

        torch.set_num_threads(max(1, default_threads() - 1))
        matrix = torch.rand(1500, 1500)
        start = time.monotonic()
        while (done := (time.monotonic() - start) / seconds) < 1:
            matrix = torch.tanh(matrix @ matrix)
            report(Progress(done))

    return work


def run_method(widget: Any, pulse: Pulse, seconds: float) -> tuple[list[float], int]:
    """Repeat runs of the widget for some seconds; count delays only while a job computes."""
    delays: list[float] = []
    runs = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pulse.start()
        widget.run()
        job = widget.job
        job.returned.disconnect()  # the first drawing of the result is napari's, and counted apart
        wait_until(lambda: widget.job is None, 60)
        delays += pulse.stop()
        runs += 1
    return delays, runs


def run_job(work: Callable[[Any], None], pulse: Pulse) -> list[float]:
    """Measure while a job runs."""
    from napari_depth_interp.plugin.jobs import Job

    done = []
    job: Job[None] = Job(work)
    job.finished.connect(lambda *_: done.append(True))
    pulse.start()
    job.start()
    wait_until(lambda: bool(done), 120)
    return pulse.stop()


def idle(pulse: Pulse, seconds: float) -> list[float]:
    """Measure the window at rest."""
    pulse.start()
    wait_until(lambda: False, seconds)
    return pulse.stop()


def open_window(shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Return a shown viewer with a random stack and the dock widget on it."""
    import napari

    viewer = napari.Viewer(show=True)
    voxels = np.random.default_rng(0).integers(0, 4000, shape, np.uint16)
    viewer.add_image(voxels, name="stack", scale=(2, 0.5, 0.5), units=("um",) * 3)
    _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Depth interpolation")
    widget.method.set_values(widget.settings().model_copy(update={"method": "cubic", "parameters": {}}))
    return viewer, widget


def open_widget(name: str) -> None:
    """Open one widget in a new window and print how long it took, in seconds of the clock and of the processor."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.open_sample("napari-depth-interp", "organoid")
    wait_until(lambda: False, 2)
    start, cpu = time.perf_counter(), time.process_time()
    viewer.window.add_plugin_dock_widget("napari-depth-interp", name)
    wait_until(lambda: True, 1)
    print(time.perf_counter() - start, time.process_time() - cpu)
    viewer.close()


def opening_times() -> list[list[str]]:
    """Return a line for each widget of the manifest, opened first in a process of its own."""
    from npe2 import PluginManager

    manager = PluginManager()
    manager.discover()
    rows = []
    for widget in manager.get_manifest("napari-depth-interp").contributions.widgets or []:
        command = [sys.executable, __file__, "--open", widget.display_name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        clock, cpu = map(float, done.stdout.split()[-2:])
        rows.append([widget.display_name, f"{clock:.2f}", f"{cpu:.2f}", "met" if clock < LIMIT_OPEN_S else "missed"])
    return rows


def row(name: str, delays: list[float], baseline: list[float]) -> list[str]:
    """Return a line of the table: percentiles in ms, and how far above the idle window."""
    p50, p99, worst = np.percentile(delays, (50, 99, 100))
    above = p99 - float(np.percentile(baseline, 99))
    verdict = (
        "baseline" if delays is baseline else "met" if above <= LIMIT_P99_MS and worst <= LIMIT_WORST_MS else "missed"
    )
    return [name, str(len(delays)), f"{p50:.1f}", f"{p99:.1f}", f"{worst:.1f}", f"{above:+.1f}", verdict]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase")
    parser.add_argument("--shape", type=int, nargs=3, default=(48, 768, 768), help="stack of the CPU method")
    parser.add_argument("--open", metavar="WIDGET", help="only open this widget and print the seconds")
    options = parser.parse_args()
    if options.open:
        open_widget(options.open)
        return
    print(machine())
    print(markdown_table(["widget, opened first", "s", "processor s", "target"], opening_times()))
    print(f"target: under {LIMIT_OPEN_S:g} s\n")
    viewer, widget = open_window(tuple(options.shape))
    from napari_depth_interp.plugin.jobs import import_torch

    pulse = Pulse()
    idle(pulse, 3)  # the window settles
    baseline = idle(pulse, options.seconds)
    cpu, runs = run_method(widget, pulse, options.seconds)
    torch_import = run_job(lambda report: import_torch(), pulse)
    torch_loop = run_job(busy_torch(options.seconds), pulse)
    headings = ["phase", "beats", "median ms", "p99 ms", "worst ms", "p99 above idle ms", "target"]
    rows = [
        row("idle window", baseline, baseline),
        row(f"cubic x4, {runs} runs", cpu, baseline),
        row("first import of torch", torch_import, baseline),
        row("busy torch loop", torch_loop, baseline),
    ]
    print(markdown_table(headings, rows))
    print(f"target: p99 at most {LIMIT_P99_MS:.0f} ms above idle, worst at most {LIMIT_WORST_MS:.0f} ms")
    viewer.close()


if __name__ == "__main__":
    main()

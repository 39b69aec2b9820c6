"""Jobs: off the GUI thread, one ending each, and a stop within half a second."""

import gc
import threading
import time
import warnings
import weakref

import pytest
from PyQt6 import sip
from qtpy.QtCore import QThreadPool

from napari_depth_interp.plugin.jobs import Job, make_job
from napari_depth_interp.progress import Cancelled, Progress

ENDINGS = ("returned", "errored", "cancelled")


class Watch:
    """Notes every signal of a job and the thread that its slot ran in."""

    def __init__(self, job):
        self.events, self.threads, self.progress = [], set(), []
        for name in (*ENDINGS, "finished"):
            getattr(job, name).connect(lambda *values, name=name: self._note(name, values))
        job.progressed.connect(self._progress)

    def _note(self, name, values):
        self.events.append((name, *values))
        self.threads.add(threading.current_thread())

    def _progress(self, progress):
        self.progress.append(progress)
        self.threads.add(threading.current_thread())

    @property
    def names(self):
        return [event[0] for event in self.events]


def run(qtbot, function, *, before=None):
    job = Job(function)
    watch = Watch(job)
    if before:
        before(job)
    job.start()
    qtbot.waitUntil(lambda: "finished" in watch.names, timeout=5000)
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(20)  # a second ending would arrive now
    return watch


def test_runs_in_another_thread_and_reports_in_this_one(qtbot):
    seen = []

    def work(report):
        seen.append(threading.current_thread())
        report(Progress(0.5, "half"))
        return 42

    watch = run(qtbot, work)
    assert seen != [threading.main_thread()]
    assert watch.threads == {threading.main_thread()}
    assert watch.progress == [Progress(0.5, "half")]
    assert watch.events == [("returned", 42), ("finished",)]


@pytest.mark.parametrize("error", [RuntimeError("a"), MemoryError("b"), ValueError("c"), SystemExit("d")])
def test_every_error_arrives(qtbot, error):
    def work(report):
        raise error

    watch = run(qtbot, work)
    assert watch.events == [("errored", error), ("finished",)]
    assert watch.threads == {threading.main_thread()}


def test_quit_stops_at_the_next_report(qtbot):
    steps, job = [], None

    def work(report):
        for step in range(1000):
            steps.append(step)
            report(Progress(step / 1000))
            time.sleep(0.02)

    job = Job(work)
    watch = Watch(job)
    job.start()
    qtbot.waitUntil(lambda: len(steps) > 3, timeout=5000)
    asked = time.perf_counter()
    job.quit()
    qtbot.waitUntil(lambda: "finished" in watch.names, timeout=5000)
    assert time.perf_counter() - asked < 0.5
    assert watch.names == ["cancelled", "finished"]
    assert len(steps) < 100


def test_a_result_after_quit_is_not_returned(qtbot):
    began, go_on = threading.Event(), threading.Event()

    def work(report):
        began.set()
        assert go_on.wait(5)
        return "too late"

    job = Job(work)
    watch = Watch(job)
    job.start()
    qtbot.waitUntil(began.is_set, timeout=5000)
    job.quit()
    go_on.set()
    qtbot.waitUntil(lambda: "finished" in watch.names, timeout=5000)
    assert watch.names == ["cancelled", "finished"]


def test_a_job_that_outlives_the_window_ends_in_silence(qapp):
    """At the end of napari Qt deletes the signals, while a search for GPUs may still go on."""
    job = Job(lambda report: sip.delete(job.signals))
    job.run()

    def fail(report):
        sip.delete(job.signals)
        raise RuntimeError("after the end")

    job = Job(fail)
    job.run()


def test_quit_before_the_start_means_that_nothing_is_returned(qtbot):
    watch = run(qtbot, lambda report: report(Progress(0.0)), before=Job.quit)
    assert watch.names == ["cancelled", "finished"]


def test_a_function_that_cancels_itself(qtbot):
    def work(report):
        raise Cancelled

    assert run(qtbot, work).names == ["cancelled", "finished"]


def test_an_error_while_stopping_is_told(qtbot):
    def work(report):
        try:
            report(Progress(0.0))
        except Cancelled:
            raise RuntimeError("could not clean up") from None

    watch = run(qtbot, work, before=Job.quit)
    assert watch.names == ["errored", "finished"]


def test_reports_at_most_ten_times_a_second_and_always_the_end(qtbot):
    def work(report):
        start = time.perf_counter()
        while time.perf_counter() - start < 0.55:
            report(Progress(0.1))
        report(Progress(1.0, "end"))

    watch = run(qtbot, work)
    assert 4 <= len(watch.progress) <= 8
    assert watch.progress[-1] == Progress(1.0, "end")


def test_two_jobs_leave_the_warnings_as_they_were(qtbot):
    before, first_done, second_began = warnings.showwarning, threading.Event(), threading.Event()

    def first(report):
        assert second_began.wait(5)

    def second(report):
        second_began.set()
        assert first_done.wait(5)

    jobs = [Job(first), Job(second)]
    watches = [Watch(job) for job in jobs]
    for job in jobs:
        job.start()
    qtbot.waitUntil(lambda: "finished" in watches[0].names, timeout=5000)
    first_done.set()
    qtbot.waitUntil(lambda: "finished" in watches[1].names, timeout=5000)
    assert warnings.showwarning is before


def test_napari_knows_of_the_job_and_keeps_none_of_its_data(qtbot, viewer):
    manager = viewer.__wrapped__.window._task_status_manager

    class Voxels:
        def __call__(self, report):
            return "done"

    voxels = Voxels()
    alive = weakref.ref(voxels)
    job = make_job(voxels, "depth interpolation: running")
    assert manager.is_busy()
    assert "depth interpolation: running" in manager.get_status()[0]
    watch = Watch(job)
    del voxels
    job.start()
    qtbot.waitUntil(lambda: "finished" in watch.names, timeout=5000)
    assert watch.names == ["returned", "finished"]
    assert not manager.is_busy()
    gc.collect()
    assert alive() is None


def test_an_error_of_a_job_that_napari_knows_is_not_raised_in_the_gui(qtbot, viewer):
    def work(report):
        raise ValueError("only a signal")  # pytest-qt fails the test if a slot raises it again

    job = make_job(work, "work")
    watch = Watch(job)
    job.start()
    qtbot.waitUntil(lambda: "finished" in watch.names, timeout=5000)
    assert watch.names == ["errored", "finished"]

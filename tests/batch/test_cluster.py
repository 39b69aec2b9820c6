"""Real Dask clusters: worker processes on this machine, a scheduler of one's own, workers that die."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from batches import plan, states, tree
from command_line import ENVIRONMENT, MODULE, depth_interp, started
from napari_depth_interp.batch import Processes, Stop, run_batch
from napari_depth_interp.errors import DepthInterpError
from napari_depth_interp.progress import Cancelled


@pytest.fixture(autouse=True)
def _no_worker_is_left():
    yield
    gone, alive = psutil.wait_procs(worker_processes(), 10)
    assert alive == [], gone


def worker_processes():
    """Return the processes that a cluster of this process has started."""
    return [each for each in psutil.Process().children() if "spawn_main" in str(each.cmdline())]


@pytest.fixture(scope="module")
def scheduler():
    """A scheduler and two workers, started as on a cluster by their own commands."""
    python = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}
    with socket_free() as port:
        address = f"tcp://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    processes = [subprocess.Popen([*python, *options], **quiet)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    processes += [subprocess.Popen([*worker, "--nworkers", "2", "--death-timeout", "30"], **quiet)]
    yield address, processes
    for process in reversed(processes):
        process.terminate()
        process.wait(20)


class socket_free:  # noqa: N801
    """A port that is free now."""

    def __enter__(self):
        import socket

        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        return self._socket.getsockname()[1]

    def __exit__(self, *_):
        self._socket.close()


def test_two_clusters_at_once(source, target, tmp_path):
    """Neither takes the other's port, and no warning is printed."""
    done = []
    threads = [
        threading.Thread(target=lambda name=name: done.append(run_batch(plan(source, tmp_path / name), Processes(1))))
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert [summary.describe() for summary in done] == ["3 done", "3 done"]


def test_workers_make_the_same_bytes_and_share_the_files(source, target, tmp_path):
    run_batch(plan(source, tmp_path / "alone", recursive=True))
    (source / "broken.tif").write_bytes(b"II*\0")
    seen = []
    summary = run_batch(
        plan(source, target, recursive=True),
        Processes(workers=2),
        on_change=lambda row, _: seen.append((row.file, row.state)),
    )
    assert summary.describe() == "5 done, 1 failed"
    assert tree(target) == tree(tmp_path / "alone")
    assert {row.worker for row in summary.rows} - {""}
    assert all(int(row.worker.split(":")[1]) != os.getpid() for row in summary.rows)
    assert ("a.tif", "running") in seen
    again = run_batch(plan(source, target, recursive=True, resume=True), Processes(workers=1))
    assert again.describe() == "5 skipped, 1 failed"


class TestDeath:
    def test_a_worker_that_dies_once(self, source, target, trouble, tmp_path):
        """Its file is done by another worker."""
        parameters = {"victim": 1001, "what": "kill", "once": str(tmp_path / "killed")}
        summary = run_batch(
            plan(source, target, recursive=True, method="trouble", parameters=parameters), Processes(workers=2)
        )
        assert (tmp_path / "killed").exists()
        assert summary.describe() == "5 done"
        assert "b.tif: begun again, its worker died" in summary.log.read_text()

    def test_a_file_that_kills_every_worker_is_reported(self, source, target, trouble):
        parameters = {"victim": 1001, "what": "kill"}
        summary = run_batch(
            plan(source, target, recursive=True, method="trouble", parameters=parameters), Processes(workers=2)
        )
        assert summary.describe() == "4 done, 1 failed"
        assert states(summary)["b.tif"] == "failed"
        assert "every worker that was given this file died" in summary.rows[1].reason
        assert "b.tif" not in tree(target)

    def test_killed_from_outside_in_the_middle_of_a_run(self, source, target, trouble):
        killed = []

        def kill(row, fraction):
            if row.state == "running" and fraction > 0 and not killed:
                workers = [
                    each for each in psutil.Process().children(recursive=True) if "spawn_main" in str(each.cmdline())
                ]
                killed.append(workers[0].pid)
                workers[0].kill()

        options = {"recursive": True, "method": "trouble", "parameters": {"steps": 40, "victim": 1000}}
        summary = run_batch(plan(source, target, **options), Processes(workers=1), on_change=kill)
        assert killed
        assert summary.describe() == "5 done"


class TestStop:
    def test_finish(self, source, target, trouble):
        stop = Stop()

        def changed(row, fraction):
            if row.state == "running" and fraction > 0:
                stop.finish()

        slow = plan(source, target, recursive=True, method="trouble", parameters={"steps": 30})
        summary = run_batch(slow, Processes(workers=1), stop=stop, on_change=changed)
        assert summary.describe() == "1 done, 4 waiting"
        assert set(tree(target)) == {"a.tif"}

    def test_discard(self, source, target, trouble):
        stop = Stop()

        def changed(row, fraction):
            if row.state == "running" and fraction > 0:
                stop.discard()

        slow = plan(source, target, recursive=True, method="trouble", parameters={"steps": 1000})
        with pytest.raises(Cancelled):
            run_batch(slow, Processes(workers=1), stop=stop, on_change=changed)
        assert tree(target) == {}
        assert not (target / ".depth-interp-batch" / "work").exists()

    def test_ctrl_c_as_a_terminal_sends_it(self, source, target, trouble):
        """To the whole group: the workers leave it to the batch, and nothing is printed but one line."""
        words = ["batch", source, target, "--method", "trouble", "--factor", 2, "--workers", 1, "--json"]
        environment = ENVIRONMENT | {"PYTHONPATH": os.environ["PYTHONPATH"]}
        with started(
            [*MODULE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:  # fmt: skip
            deadline = time.monotonic() + 60
            while not any("begun on" in path.read_text() for path in target.glob("*.log")):
                assert time.monotonic() < deadline
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors == "depth-interp: interrupted; no file was left half-written\n"
        assert json.loads(output) == {"error": errors.strip().removeprefix("depth-interp: ")}
        assert tree(target) == {}


class TestScheduler:
    def test_a_running_one(self, source, target, tmp_path, scheduler):
        run_batch(plan(source, tmp_path / "alone", recursive=True))
        summary = run_batch(plan(source, target, recursive=True), Processes(scheduler=scheduler[0]))
        assert summary.describe() == "5 done"
        assert tree(target) == tree(tmp_path / "alone")

    def test_on_the_command_line(self, source, target, scheduler):
        done = depth_interp("batch", source, target, "--method", "linear", "--factor", 2, "--scheduler", scheduler[0])
        assert (done.returncode, done.stderr) == (0, "")
        assert len(tree(target)) == 3

    def test_none_there(self, source, target, monkeypatch):
        from napari_depth_interp.system import cluster

        monkeypatch.setattr(cluster, "_CONNECT", 1)
        for address in ("tcp://127.0.0.1:9", "nonsense://x"):
            with pytest.raises(DepthInterpError, match=f"the scheduler '{address}' cannot be reached"):
                run_batch(plan(source, target, resume=True), Processes(scheduler=address))

    def test_one_that_goes_away(self, source, target, trouble, tmp_path):
        with socket_free() as port:
            address = f"tcp://127.0.0.1:{port}"
        python = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}
        process = subprocess.Popen([*python, "--no-dashboard"], **quiet)  # without workers: the batch waits for them
        said = set()

        def report(progress):
            said.add(progress.message)
            if progress.message == "waiting for workers":
                process.kill()

        try:
            with pytest.raises(DepthInterpError, match=r"connection to the scheduler was lost.*--resume"):
                run_batch(plan(source, target), Processes(scheduler=address), report=report)
        finally:
            process.kill()
            process.wait()
        assert (target / "summary.csv").read_text().count("waiting") == 3
        assert said == {"waiting for workers"}

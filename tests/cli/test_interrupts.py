"""Ctrl-C in every command that takes its time: exit status 130, one line, nothing half-written."""

import json
import os
import signal
import subprocess
import time

import pytest

from batches import fill, tree
from command_line import ENVIRONMENT, MODULE, files, run_json, started
from thick_stacks import write_stacks


def interrupt(arguments, log, heard, *, times=1):
    """Send SIGINT when the log says that the work is going on; return (status, output, errors)."""
    words = ["--log-level", "debug", "--log-file", log, *arguments, "--json"]
    environment = ENVIRONMENT | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with started(
        [*MODULE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        for _ in range(times):
            deadline = time.monotonic() + 60
            while not (log.exists() and heard in log.read_text()):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            time.sleep(0.3 * (times - 1))
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def check(ended):
    status, output, errors = ended
    lines = [line for line in errors.splitlines() if not line.startswith("warning: ")]
    assert status == 130, errors
    assert len(lines) == 1
    assert lines[0].startswith("depth-interp: interrupted")
    assert json.loads(output)["error"] == lines[0].removeprefix("depth-interp: ")


@pytest.fixture
def source(tmp_path):
    return fill(tmp_path / "in", ["a.tif", "b.tif", "c.tif"], shape=(5, 32, 32))


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


SLOW = ("--method", "trouble", "--factor", 2, "-p", "steps=1000")


@pytest.mark.usefixtures("trouble")
class TestSlowMethods:
    def test_run(self, source, tmp_path, log):
        check(interrupt(["run", source / "a.tif", tmp_path / "out.tif", *SLOW], log, "fitting"))
        assert files(tmp_path) == {"in", "log.txt"}

    def test_evaluate(self, source, tmp_path, log):
        report = tmp_path / "report"
        words = ["evaluate", source / "a.tif", "--methods", "trouble:steps=1000", "--keep-every", 2, "--report", report]
        check(interrupt(words, log, "trouble"))
        assert not report.exists() or files(report) == set()

    def test_demo(self, tmp_path, log):
        check(interrupt(["demo", "--methods", "trouble", "--out", tmp_path / "demo"], log, "fitting"))
        assert not any(name.startswith(".") for name in files(tmp_path / "demo"))

    def test_batch_discards_the_file_in_work(self, source, tmp_path, log):
        words = ["batch", source, tmp_path / "out", *SLOW, "-p", "victim=1001"]
        check(interrupt(words, log, "b.tif: begun"))
        assert set(tree(tmp_path / "out")) == {"a.tif"}
        done = run_json("batch", source, tmp_path / "out", "--method", "linear", "--factor", 2, "--resume")
        assert done["done"] == 3

    def test_batch_finishes_the_file_in_work(self, source, tmp_path, log):
        words = ["batch", source, tmp_path / "out", *SLOW, "-p", "victim=1001", "-p", "steps=30"]
        ended = interrupt([*words, "--on-cancel", "finish"], log, "b.tif: begun")
        check(ended)
        assert set(tree(tmp_path / "out")) == {"a.tif", "b.tif"}
        assert "the files in work are being finished; Ctrl-C again drops them" in ended[2]
        summary = json.loads(ended[1])
        assert (summary["done"], summary["waiting"]) == (2, 1)

    def test_a_second_one_drops_it_after_all(self, source, tmp_path, log):
        words = ["batch", source, tmp_path / "out", *SLOW, "-p", "victim=1001", "--on-cancel", "finish"]
        check(interrupt(words, log, "b.tif: begun", times=2))
        assert set(tree(tmp_path / "out")) == {"a.tif"}

    def test_sigterm_as_schedulers_send_it(self, source, tmp_path, log):
        words = ["--log-file", log, "batch", source, tmp_path / "out", *SLOW, "-p", "victim=1001"]
        environment = ENVIRONMENT | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        with started([*MODULE, *words], stdout=subprocess.DEVNULL, env=environment) as process:
            deadline = time.monotonic() + 60
            while not (log.exists() and "b.tif: begun" in log.read_text()) and time.monotonic() < deadline:
                time.sleep(0.02)
            process.terminate()
            assert process.wait(30) == 128 + signal.SIGTERM
        assert set(tree(tmp_path / "out")) == {"a.tif"}
        assert "waiting" in (tmp_path / "out" / "summary.csv").read_text()
        assert not (tmp_path / "out" / ".depth-interp-batch" / "work").exists()


@pytest.mark.usefixtures("trouble")
def test_train(source, tmp_path, log):
    """A training that is interrupted leaves no model, and can be resumed."""
    words = ["train", "msdsr", source, "--out", tmp_path / "model", "-p", "training_steps=5000", "-p", "channels=8"]
    words += ["-p", "levels=2", "--threads", 1]
    check(interrupt(words, log, "train msdsr"))
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_fuse(tmp_path, log):
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    words = ["fuse", *write_stacks(stacks, 2), tmp_path / "fused.nii.gz", "--registration", "none"]
    check(interrupt([*words, "-p", "rounds=20", "-p", "steps=500"], log, "holding sections out"))
    assert files(tmp_path) == {"stacks", "log.txt"}

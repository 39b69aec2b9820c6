"""A signal is known for what it was, whatever the code that it hits makes of it."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from napari_depth_interp.cli.signals import Interrupted, listening, reporting
from napari_depth_interp.progress import Progress


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Also where these tests were started in the background by a shell, which lets Ctrl-C be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number):
    os.kill(os.getpid(), number)
    threading.Event().wait(5)  # the handler runs here at the latest


class TestListening:
    def test_ctrl_c(self):
        with listening() as heard, pytest.raises(Interrupted):
            send(signal.SIGINT)
        assert heard.signal == signal.SIGINT

    def test_sigterm(self):
        with listening() as heard, pytest.raises(SystemExit) as ended:
            send(signal.SIGTERM)
        assert (heard.signal, ended.value.code) == (signal.SIGTERM, 143)

    def test_the_handlers_come_back(self):
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with listening():
            assert signal.getsignal(signal.SIGTERM) is not before[1]
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    def test_ctrl_c_stays_ignored(self):
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with listening():
                assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)

    def test_a_thread_leaves_them_alone(self):
        before, found = signal.getsignal(signal.SIGTERM), []

        def listen():
            with listening():
                found.append(signal.getsignal(signal.SIGTERM))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        assert found == [before]


def test_a_signal_that_was_dropped_ends_the_work_at_its_next_report():
    with listening(), reporting("test") as report:
        report(Progress(0.1))
        with suppress(KeyboardInterrupt):
            send(signal.SIGINT)
        with pytest.raises(Interrupted):
            report(Progress(0.2))
    with listening(), reporting("the next call") as report:
        report(Progress(0.1))


MODULE = """
import os, signal, sys, threading
from napari_depth_interp import cli
from napari_depth_interp.cli import options

def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(10)

class Field:
    def __set_name__(self, owner, name):
        interrupted()

def hit(*_values, **_options):
    WAY

options.collect_settings = hit
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(["run", "a.tif", "b.tif", "--method", "linear"]))
"""


@pytest.mark.parametrize(
    "way", ["interrupted()", "exec('interrupted()', globals())", "type('Owner', (), {'losses': Field()})"]
)
def test_the_exit_status_is_130(tmp_path, way):
    """Through ``exec``, and where Python makes a RuntimeError of it: both happen while libraries are imported."""
    (tmp_path / "caller.py").write_text(MODULE.replace("WAY", way))
    (tmp_path / "a.tif").touch()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "caller"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "depth-interp: interrupted; no file was left half-written\n")

"""The real command line in a process of its own, for the tests of it."""

import atexit
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np
import tifffile
from filelock import FileLock

MODULE = (sys.executable, "-m", "napari_depth_interp")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONWARNINGS", "FORCE_COLOR")} | {
    "CUDA_VISIBLE_DEVICES": "",  # a machine without a GPU, whatever this one is
    "COLUMNS": "120",
    "PYTHONIOENCODING": "utf-8",
}


SHARED = "DEPTH_INTERP_TEST_FORKS"
"""The variable with the folder where all processes of the suite find the one that forks the command line."""
_LONGEST = 120
"""Seconds that a command may take."""


def depth_interp(*arguments, command=MODULE, cwd=None, environment=None):
    """Run the command line and return what it printed and its exit status; ``run`` is linear unless told otherwise."""
    if arguments[:1] == ("run",) and not {"--method", "--settings", "--help"} & set(arguments):
        arguments = ("run", "--method", "linear", *arguments[1:])
    words, environment = list(map(str, arguments)), ENVIRONMENT | (environment or {})
    if command == MODULE:
        return _forks().run([words], str(cwd or Path.cwd()), [environment])[0]
    return subprocess.run(
        [*map(str, command), *words],
        capture_output=True, text=True, encoding="utf-8", cwd=cwd, env=environment, timeout=_LONGEST, check=False,
    )  # fmt: skip


@contextmanager
def started(words, **options):
    """Start a process, and end it whatever the test makes of it: who waits for one that hangs waits for ever."""
    with subprocess.Popen(list(map(str, words)), **options) as process:
        try:
            yield process
        finally:
            process.kill()


class _Forks:
    """Processes of the command line, forked from one that has imported everything and serves the whole suite."""

    def __init__(self):
        self._lock, self._folder = Lock(), TemporaryDirectory(prefix="forks-")
        path = Path(os.environ.get(SHARED, self._folder.name)) / "socket"
        with FileLock(f"{path}.lock"):  # the first one that needs it starts it
            self._connection = _connected(path)
            if self._connection is None:
                path.unlink(missing_ok=True)
                command = [sys.executable, Path(__file__).with_name("forking.py"), path]
                server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
                while (connection := _connected(path)) is None:
                    assert server.poll() is None, "the process that forks the command line has ended"
                    time.sleep(0.02)
                self._connection, self._server = connection, server
        self._answers = self._connection.makefile("rb")
        atexit.register(self.close)

    def run(self, commands, folder, environments):
        """Return what processes have printed that run at the same time, and how they ended."""
        orders = [
            {"arguments": arguments, "folder": folder, "environment": environment}
            | {name: f"{self._folder.name}/{name}{number}" for name in ("stdout", "stderr")}
            for number, (arguments, environment) in enumerate(zip(commands, environments, strict=True))
        ]
        with self._lock:
            self._connection.sendall(json.dumps(orders).encode() + b"\n")
            if not select([self._connection], [], [], _LONGEST)[0]:
                self.close()
                raise subprocess.TimeoutExpired(commands[0], _LONGEST)
            statuses = json.loads(self._answers.readline())
            texts = [[Path(order[name]).read_text("utf-8") for name in ("stdout", "stderr")] for order in orders]
        done = zip(commands, statuses, texts, strict=True)
        return [subprocess.CompletedProcess(arguments, status, *printed) for arguments, status, printed in done]

    def close(self):
        """Leave the server, which then ends what still runs for this process, and itself after the last one."""
        _forks.cache_clear()
        self._answers.close()
        self._connection.close()
        self._folder.cleanup()


def _connected(path):
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


@cache
def _forks():
    return _Forks()


def at_the_same_time(commands, environments):
    """Run several command lines beside each other, each with an environment of its own; return what became of them."""
    words = [list(map(str, arguments)) for arguments in commands]
    return _forks().run(words, str(Path.cwd()), environments)


def succeed(*arguments, **options):
    """Run it, require exit status 0, return the process."""
    done = depth_interp(*arguments, **options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_json(*arguments, **options):
    """Run it with ``--json`` and return the object printed."""
    return json.loads(succeed(*arguments, "--json", **options).stdout)


def fail(status, *arguments, **options):
    """Run it with ``--json``, require this failure in one line, return the message."""
    return check_failure(depth_interp(*arguments, "--json", **options), status)


def check_failure(done, status):
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, done.stderr
    message = lines[0].removeprefix("depth-interp: ")
    assert message != lines[0]
    assert json.loads(done.stdout) == {"error": message}
    return message


def many(commands, environment=None):
    """Run many command lines with ``--json``, one after the other."""
    return [depth_interp(*arguments, "--json", environment=environment) for arguments in commands]


def files(folder: Path) -> set[str]:
    """Return the names of all files and folders in ``folder``, hidden ones too."""
    return {path.name for path in folder.iterdir()}


def write_imagej(path, voxels, *, spacing=2.0, pixel=0.5, unit="um", axes="ZYX", **metadata):
    """Write a stack as Fiji does, by plain tifffile."""
    words = {"axes": axes, "unit": unit, **({"spacing": spacing} if spacing else {}), **metadata}
    tifffile.imwrite(path, voxels, imagej=True, resolution=(1 / pixel, 1 / pixel), metadata=words)
    return path


def noise(shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)

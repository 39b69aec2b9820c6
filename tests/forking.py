"""A process that has imported everything and forks the real command line on request: starting it takes longest.

It listens on the socket SOCKET, serves all processes of the suite at once, and ends with the last of them. A request is
one line, a JSON list of processes that run at the same time: ``arguments``, ``folder``, ``environment``, and the files
``stdout`` and ``stderr`` that take what is printed. The answer is the list of the exit statuses, or minus the signal
that ended a process.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pydantic.type_adapter  # noqa: F401
import scipy.interpolate
import scipy.ndimage  # noqa: F401
import skimage.metrics  # noqa: F401
import threadpoolctl  # noqa: F401
import torch  # noqa: F401
import typer  # noqa: F401

import napari_depth_interp.evaluation.evaluate
import napari_depth_interp.io.nifti
import napari_depth_interp.io.tiff
import napari_depth_interp.io.zarr
import napari_depth_interp.labels.execute
import napari_depth_interp.report  # noqa: F401
from napari_depth_interp.cli import main
from napari_depth_interp.cli.process import commands
from napari_depth_interp.methods import registry


def preload():
    """Import methods and commands; none computes anything, so that no thread is lost by the fork."""
    with suppress(ImportError):  # older releases have no such module
        importlib.import_module("typer._adapters")
    registry.specs()
    commands()
    registry._third_party.cache_clear()  # what is installed is told by the environment of each order


_SCORES = ("scipy.stats", "skimage.filters", "skimage.exposure", "skimage.transform", "rich.table", "rich.console")
_FIGURES = ("matplotlib.figure", "matplotlib.backends.backend_agg")
_DIFFUSION = ("diffusers.models.unets.unet_2d",)
_MORE = {
    "auto": ("cv2",),
    "batch": ("napari_depth_interp.batch", "filelock", "zarr"),
    "flow": ("cv2",),
    "labels": ("skimage.measure",),
    "train": ("torch._dynamo",),  # each optimiser does it
    "evaluate": _SCORES,
    "demo": (*_SCORES, *_FIGURES),
    "--report": (*_FIGURES, "jinja2"),
    "--lpips": ("torchvision",),
    "msdsr": _DIFFUSION,
    "microdiffusion": _DIFFUSION,
}
"""What commands with a word import beside what all do."""


def keep_children_small():
    """Let a child neither look through what has been imported nor take it apart at its end: it would copy it all."""
    for each in list(weakref.finalize._registry):
        each.atexit = False
    gc.collect()
    gc.freeze()


def preload_for(arguments):
    """Import what takes long and only some commands need, when the first of them comes: the next ones have it."""
    for word in arguments:
        for name in ("zarr",) if word.endswith(".zarr") else _MORE.get(word, ()):
            importlib.import_module(name)


def child(order):
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(order["environment"])
    if "HF_ENDPOINT" in os.environ:  # its library reads it when it is imported, which other commands may have done
        for name in [each for each in sys.modules if each.split(".")[0] == "huggingface_hub"]:
            del sys.modules[name]
    os.chdir(order["folder"])
    paths = order["environment"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path and path not in sys.path]
    importlib.invalidate_caches()
    sys.argv = ["depth-interp", *order["arguments"]]
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    status = main(order["arguments"])
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@dataclass
class Client:
    """A process of the suite, what it has sent of its next request, and how the processes of the last one ended."""

    connection: socket.socket
    line: bytes = b""
    statuses: dict[int, int | None] = field(default_factory=dict)

    def receive(self):
        """Take what was sent; return False if the other end is closed."""
        sent = self.connection.recv(1 << 16)
        self.line += sent
        if self.line.endswith(b"\n"):
            orders, self.line = json.loads(self.line), b""
            self.statuses = dict.fromkeys(map(fork, orders))
        return bool(sent)

    def ended(self, pid, status):
        """Note that a process has ended, and answer if it was the last."""
        self.statuses[pid] = status
        if None not in self.statuses.values():
            with suppress(OSError):
                self.connection.sendall(json.dumps(list(self.statuses.values())).encode() + b"\n")

    def close(self):
        """End what still runs for it."""
        for pid, status in self.statuses.items():
            if status is None:
                os.kill(pid, signal.SIGKILL)
        self.connection.close()


def fork(order):
    preload_for(order["arguments"])
    pid = os.fork()
    if pid == 0:
        child(order)
    return pid


def ended_children():
    """Yield the children that have ended, and how."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])


class Server:
    """Takes requests from all clients, and answers each when the last of its processes has ended."""

    def __init__(self, path):
        self._path, self._clients, self._selector = path, {}, selectors.DefaultSelector()
        self._ended = False
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        self._woken, self._wake = socket.socketpair()  # a child that ends wakes the selector
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno())
        for each in (self._listening, self._woken):
            self._selector.register(each, selectors.EVENT_READ)

    def serve(self):
        """Serve until the last client has gone."""
        while not self._ended:
            for key, _ in self._selector.select():
                self._react(key.fileobj)
            for pid, status in ended_children():
                for client in self._clients.values():
                    if pid in client.statuses:
                        client.ended(pid, status)

    def _react(self, source):
        if source is self._listening:
            connection, _ = source.accept()
            self._clients[connection] = Client(connection)
            self._selector.register(connection, selectors.EVENT_READ)
        elif source is self._woken:
            source.recv(1 << 16)
        elif not self._clients[source].receive():
            self._selector.unregister(source)
            self._clients.pop(source).close()
            self._ended = not self._clients
            if self._ended:
                Path(self._path).unlink(missing_ok=True)


if __name__ == "__main__":
    preload()
    keep_children_small()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Server(sys.argv[1]).serve()

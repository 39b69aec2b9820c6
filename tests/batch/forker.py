"""A process that has imported everything and forks the real command line on request, to be killed at a given moment.

One JSON object per line: ``arguments``, and ``after`` (seconds) or ``at`` (the n-th operation on a file under
``watched``) for when it gets SIGKILL. The answer: ``killed``, ``status``, ``seconds``, ``operations``.
"""

import gc
import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress

import filelock  # noqa: F401
import pydantic.type_adapter  # noqa: F401
import scipy.ndimage  # noqa: F401
import threadpoolctl  # noqa: F401
import tifffile  # noqa: F401

import napari_depth_interp.evaluation.evaluate
import napari_depth_interp.io.tiff
import napari_depth_interp.methods.classical  # noqa: F401
from napari_depth_interp.batch import runner  # noqa: F401
from napari_depth_interp.cli import main
from napari_depth_interp.cli.process import commands

with suppress(ImportError):  # older releases have no such module
    importlib.import_module("typer._adapters")

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def child(order, pipe):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    count = 0

    def hook(event, arguments):
        nonlocal count
        if event in OPERATIONS and isinstance(arguments[0], str) and arguments[0].startswith(order["watched"]):
            count += 1
            os.pwrite(pipe, count.to_bytes(4, "little"), 0)
            if count == order.get("at"):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    os._exit(main(order["arguments"]))


def serve():
    counter = os.memfd_create("count") if hasattr(os, "memfd_create") else os.open("count", os.O_RDWR | os.O_CREAT)
    commands()
    gc.collect()
    gc.freeze()  # a child that looks through what has been imported would copy it
    for line in sys.stdin:
        order = json.loads(line)
        os.pwrite(counter, bytes(4), 0)
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            child(order, counter)
        if order.get("after") is not None:
            time.sleep(order["after"])
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        answer = {
            "killed": os.WIFSIGNALED(status), "status": os.waitstatus_to_exitcode(status),
            "seconds": time.monotonic() - begun, "operations": int.from_bytes(os.pread(counter, 4, 0), "little"),
        }  # fmt: skip
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()

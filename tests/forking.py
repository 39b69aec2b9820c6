"""A process that has imported everything and forks the real command line on request: starting it takes longest.

One JSON list per line, of processes that run at the same time: ``arguments``, ``folder``, ``environment``, and the
files ``stdout`` and ``stderr`` that take what is printed. The answer is the list of the exit statuses, or minus the
signal that ended a process.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import weakref
from contextlib import suppress

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


def serve():
    preload()
    keep_children_small()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        pids = []
        for order in json.loads(line):
            preload_for(order["arguments"])
            pids.append(os.fork())
            if pids[-1] == 0:
                child(order)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(statuses), flush=True)


if __name__ == "__main__":
    serve()

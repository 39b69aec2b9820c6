"""CARE, isotropic (CSBDeep): a network trained on sections that are coarsened along one axis as z is.

``seconds`` ends its training; without it is the program's default of 100 epochs of 400 steps.
"""

from __future__ import annotations

import time
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job, Trained

TITLE = "CARE, isotropic"
SOURCE, LICENCE = "https://pypi.org/project/csbdeep", "BSD-3-Clause"
REQUIRES = ("csbdeep==0.8.2", "tensorflow-cpu==2.21.0")
TRAINS = True
_PATCH, _PATCHES_OF_A_STACK = 32, 1024
"""Pixels along a side; the default of 128 does not fit into small stacks."""
_HELD_BACK = 0.1
_STEPS_OF_AN_EPOCH, _STEPS_BY_DEFAULT = 10, 40_000


def fill(stack: NDArray[Any], job: Job) -> Trained:
    """Return the dense stack."""
    with TemporaryDirectory() as folder:
        model, pace = _trained(stack.astype(np.float32), job, folder)
        wanted = job.count(len(stack))
        voxels = np.asarray(model.predict(stack.astype(np.float32), "ZYX", wanted / len(stack)))
        return Trained(voxels, None if pace is None else pace * _STEPS_BY_DEFAULT)


def _trained(stack: NDArray[Any], job: Job, folder: str) -> tuple[Any, float | None]:
    """Return the model, and the seconds of a step, if there was more than one."""
    data, models = import_module("csbdeep.data"), import_module("csbdeep.models")
    raw = data.RawData.from_arrays([stack], [stack], axes="ZYX")
    coarsened = data.anisotropic_distortions(subsample=job.gap, psf=None, subsample_axis="X")
    x, y, _ = data.create_patches(
        raw, patch_size=(1, _PATCH, _PATCH), n_patches_per_image=_PATCHES_OF_A_STACK, transforms=[coarsened],
        patch_filter=None, verbose=False,
    )  # fmt: skip
    x, y = (np.moveaxis(each[:, :, 0], 1, -1) for each in (x, y))  # S, C, Z, Y, X without Z, channel last
    split = int(len(x) * (1 - _HELD_BACK))
    budget = {"train_epochs": 1000, "train_steps_per_epoch": _STEPS_OF_AN_EPOCH} if job.seconds else {}
    config = models.Config("SYXC", n_channel_in=1, n_channel_out=1, train_tensorboard=False, **budget)
    model = models.IsotropicCARE(config, "own", basedir=folder)
    model.prepare_for_training()
    clock = _clock(time.monotonic() + (job.seconds or float("inf")))
    model.callbacks.append(clock)
    model.train(x[:split], y[:split], validation_data=(x[split:], y[split:]))
    return model, clock.pace()


def _clock(end: float) -> Any:
    """Return what stops a training at a time, and knows how long a step took."""
    keras: Any = import_module("tensorflow").keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.ends: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append(time.monotonic())
            if self.ends[-1] > end:
                self.model.stop_training = True

        def pace(self) -> float | None:
            steps = np.diff(self.ends)  # the first, for which all is compiled, is not counted
            return float(np.median(steps)) if len(steps) else None

    return Clock()

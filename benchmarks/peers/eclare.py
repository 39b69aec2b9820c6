"""ECLARE 1.0.1: a network that is trained on the sections of the stack itself, made for MRI.

``seconds`` is turned into a number of training patches by the pace that is measured first, in processor time of as many
threads as it will train on, so that a busy machine does not shorten it; what is predicted afterwards is not counted.
Its batch of 128 patches is then made smaller, so that minutes hold more than a handful of steps. Without ``seconds`` it
is the program's default of a million patches. Sections are said to be one pixel thick, as they are where sections of a
dense stack are hidden, so that the program need not estimate it.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import Job, Trained
from ._nifti import through_files

TITLE = "ECLARE"
SOURCE, LICENCE = "https://pypi.org/project/eclare", "GPL-3.0"
REQUIRES = ("eclare==1.0.1",)
TORCH = TRAINS = True
_PATCHES, _BATCH = 1_000_000, 16
"""Patches of its default; batch where the time is short."""
_PATCH, _TIMED = 8, 3
"""Side of a patch of sparse sections; steps that are timed, after one that is not."""


def fill(stack: NDArray[Any], job: Job) -> Trained:
    """Return the dense stack."""
    pace = _seconds_of_a_patch(job.gap)
    steps = max(round(job.seconds / pace / _BATCH), 1)
    short = ["--n-patches", str(_BATCH * steps), "--batch-size", str(_BATCH)] if job.seconds else []
    program = Path(sys.executable).with_name("run-eclare")
    command = [str(program), "--in-fpath", "{in}", "--out-dir", "{folder}", "--relative-slice-thickness", "1", *short]
    return Trained(through_files(stack, job, command, "*_eclare.nii*"), pace * _PATCHES)


def _seconds_of_a_patch(gap: float) -> float:
    """Return how long the program's network learns from one patch here."""
    torch: Any = import_module("torch")
    network = import_module("eclare.models.wdsr").WDSR(n_resblocks=16, num_channels=256, scale=gap)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    started = 0.0
    for step in range(1 + _TIMED):
        started = time.process_time() if step == 1 else started
        seen = network(torch.rand(_BATCH, 1, _PATCH, _PATCH))
        optimiser.zero_grad()
        (seen**2).mean().backward()
        optimiser.step()
    threads = int(torch.get_num_threads())
    return (time.process_time() - started) / (_TIMED * _BATCH * threads)

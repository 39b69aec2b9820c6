"""ECLARE 1.0.1: a network that is trained on the sections of the stack itself, made for MRI.

``seconds`` is turned into a number of training patches, at two seconds of one core for a step of 128; without, it is
the program's default, a million patches: about 30 hours of one core. Sections are said to be one pixel thick, as
they are where sections of a dense stack are hidden, so that the program need not estimate it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import Job
from ._nifti import through_files

TITLE = "ECLARE"
SOURCE, LICENCE = "https://pypi.org/project/eclare", "GPL-3.0"
REQUIRES = ("eclare==1.0.1",)
TORCH = TRAINS = True
_BATCH, _SECONDS_A_STEP = 128, 2.0


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    steps = max(int(job.seconds / _SECONDS_A_STEP), 1)
    patches = ["--n-patches", str(_BATCH * steps)] if job.seconds else []
    program = Path(sys.executable).with_name("run-eclare")
    command = [str(program), "--in-fpath", "{in}", "--out-dir", "{folder}", "--relative-slice-thickness", "1", *patches]
    return through_files(stack, job, command, "*_eclare.nii*")

"""SMORE, which is in no package index: the variable SMORE_COMMAND says how the user's own is started.

For example SMORE_COMMAND="run-smore --in-fpath {in} --out-dir {folder}", or "ssmore-train -i {in} -o {folder}" for the
copy at github.com/shuohan/ssmore (GPL-3.0), which asks for a CUDA device. What it leaves in the folder, or below, is
taken; of several results the newest.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

from numpy.typing import NDArray

from . import Job
from ._nifti import through_files

TITLE = "SMORE"
SOURCE, LICENCE = "Zhao et al., SMORE, IEEE TMI 40(3), 2021", "as the copy says"
REQUIRES = ("nibabel==5.3.2", "scipy==1.16.3")
NEEDS = ("SMORE_COMMAND",)
TRAINS = True


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    return through_files(stack, job, shlex.split(os.environ["SMORE_COMMAND"]), "*.nii*")

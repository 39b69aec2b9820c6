"""What the adapters of programs for NIfTI files share."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job


def through_files(stack: NDArray[Any], job: Job, command: Sequence[str], result: str) -> NDArray[Any]:
    """Return what a program makes of a NIfTI file, at the depths that are wanted.

    Parameters
    ----------
    stack : (n, Y, X) array
    job : Job
    command : sequence of str
        ``{in}`` and ``{folder}`` are replaced by the input and the folder it lies in.
    result : str
        Pattern of the output's name in that folder or below; of several the newest is taken.
    """
    import nibabel
    from scipy.ndimage import map_coordinates

    with TemporaryDirectory() as work:
        source = Path(work) / "stack.nii"
        affine = np.diag([1.0, 1.0, job.factor, 1.0])
        nibabel.save(nibabel.Nifti1Image(stack.astype(np.float32).transpose(2, 1, 0), affine), source)
        words = [each.replace("{in}", str(source)).replace("{folder}", work) for each in command]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        found = [path for path in Path(work).rglob(result) if path != source]
        made = sorted(found, key=lambda path: path.stat().st_mtime_ns)
        if done.returncode or not made:
            raise SystemExit((done.stderr.strip().splitlines() or ["no result"])[-1])
        image: Any = nibabel.load(made[-1])
        voxels = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
        places = (np.arange(job.count(len(stack))) - image.affine[2, 3]) / image.affine[2, 2]
    # Programs that take sections for thick have their voxels beside those that are wanted.
    grid = np.meshgrid(places, *(np.arange(size) for size in stack.shape[1:]), indexing="ij")
    return np.asarray(map_coordinates(voxels, grid, order=3, mode="nearest"))

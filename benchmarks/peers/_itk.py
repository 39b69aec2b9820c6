"""What the adapters of SimpleITK share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job


def resampled(stack: NDArray[Any], job: Job, interpolator: str) -> NDArray[Any]:
    """Return the dense stack by one of SimpleITK's interpolators."""
    sitk: Any = import_module("SimpleITK")
    image = sitk.GetImageFromArray(stack.astype(np.float32))
    image.SetSpacing((1.0, 1.0, float(job.factor)))
    depth, height, width = stack.shape
    size, spacing = (width, height, job.count(depth)), (1.0, 1.0, 1.0)
    moved = sitk.Resample(
        image, size, sitk.Transform(), getattr(sitk, interpolator), image.GetOrigin(), spacing, image.GetDirection(),
        0.0, sitk.sitkFloat32, True,
    )  # fmt: skip
    return np.asarray(sitk.GetArrayFromImage(moved))

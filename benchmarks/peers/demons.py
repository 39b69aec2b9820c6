"""Demons registration (SimpleITK) of neighbouring sections, both ways; sections between are warped and blended."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job

TITLE = "demons registration"
SOURCE, LICENCE = "https://simpleitk.org", "Apache-2.0"
REQUIRES = ("SimpleITK==2.5.7",)
ENVIRONMENT = "simpleitk"
_LEVELS, _ITERATIONS, _SIGMA = (4, 2, 1), 20, 1.5
"""Shrinking of each level, iterations on it, and smoothing of the field in pixels: usual values, not tuned here."""


_INSIDE = 0.99
"""Of a pixel that is read from inside the image; others stay where they are."""

_INSIDE = 0.99
"""Share of a pixel that has to be read from inside the image; others stay where they are."""


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    sitk: Any = import_module("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    images = [sitk.GetImageFromArray(section.astype(np.float32)) for section in stack]
    dense = [stack[0].astype(np.float32)]
    for number, (below, above) in enumerate(pairwise(images)):
        there, back = _field(sitk, below, above), _field(sitk, above, below)
        for step in range(1, job.factor):
            share = step / job.factor
            first, second = _warped(sitk, below, back, share), _warped(sitk, above, there, 1 - share)
            dense.append((1 - share) * first + share * second)
        dense.append(stack[number + 1].astype(np.float32))
    return np.stack(dense)


def _field(sitk: Any, fixed: Any, moving: Any) -> Any:
    """Return the displacement of each pixel of ``fixed`` to its place in ``moving``, from coarse to fine."""
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfIterations(_ITERATIONS)
    demons.SetStandardDeviations(_SIGMA)
    field = None
    for shrink in _LEVELS:
        small = [
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(each, 0.5 * shrink), [shrink] * 2) for each in (fixed, moving)
        ]
        if field is not None:
            field = sitk.Resample(field, small[0], sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64)
        field = demons.Execute(*small) if field is None else demons.Execute(*small, field)
    return sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64)


def _warped(sitk: Any, image: Any, field: Any, share: float) -> NDArray[Any]:
    scaled = sitk.GetImageFromArray(share * sitk.GetArrayFromImage(field), isVector=True)
    scaled.CopyInformation(field)
    moved, inside = (
        sitk.GetArrayFromImage(sitk.Warp(each, scaled, sitk.sitkLinear, image.GetSize(), edgePaddingValue=0.0))
        for each in (image, image * 0 + 1)
    )
    return np.asarray(np.where(inside > _INSIDE, moved, sitk.GetArrayFromImage(image)))

"""ITK's morphological contour interpolation: labels on every k-th section, filled in between."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job

TITLE = "ITK contour interpolation"
SOURCE, LICENCE = "https://pypi.org/project/itk-morphologicalcontourinterpolation", "Apache-2.0"
REQUIRES = ("itk-morphologicalcontourinterpolation",)


def fill_labels(labels: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return labels of all sections."""
    itk: Any = import_module("itk")
    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(1)  # with several it may crash
    known = np.zeros((job.count(len(labels)), *labels.shape[1:]), np.uint16)
    known[:: job.factor] = labels
    interpolator = itk.MorphologicalContourInterpolator.New(itk.image_from_array(known))
    interpolator.SetAxis(2)
    interpolator.Update()
    return np.array(itk.array_from_image(interpolator.GetOutput()))

"""SimpleITK's sinc in a Lanczos window."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from . import Job
from ._itk import resampled

TITLE = "SimpleITK Lanczos"
SOURCE, LICENCE = "https://simpleitk.org", "Apache-2.0"
REQUIRES = ("SimpleITK==2.5.7",)
ENVIRONMENT = "simpleitk"


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    return resampled(stack, job, "sitkLanczosWindowedSinc")

"""scipy's cubic spline through all sections (``scipy.ndimage.zoom``, order 3), ends aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import Job

TITLE = "scipy zoom, order 3"
SOURCE, LICENCE = "https://scipy.org", "BSD-3-Clause"
REQUIRES = ("scipy==1.16.3",)


def fill(stack: NDArray[Any], job: Job) -> NDArray[Any]:
    """Return the dense stack."""
    from scipy.ndimage import zoom

    return np.asarray(zoom(stack.astype(np.float32), (job.count(len(stack)) / len(stack), 1, 1), order=3))

"""What every history says: which software, which input."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from .. import __version__
from ..stack import Dataset
from ..stack.lazy import known_by


def versions() -> dict[str, str]:
    """Return what a history says about the software."""
    return {"napari-depth-interp": __version__, "numpy": np.__version__, "python": platform.python_version()}


def input_record(dataset: Dataset, *, hashed: bool = True) -> dict[str, Any]:
    """Return what a history says about the input; with ``hashed`` off without the hash, for which it is read."""
    source = dataset.source
    return {
        "file": source.name if source else None,
        "shape": list(dataset.voxels.shape),
        "dtype": str(dataset.voxels.dtype),
        **(known_by(dataset.voxels) if hashed else {}),
        "depths": dataset.stack().grid.mirrored(dataset.stack().depths).tolist(),
    }

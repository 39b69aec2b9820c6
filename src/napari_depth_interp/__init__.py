"""Fill in the missing depth of microscopy and medical volumes.

>>> import numpy as np
>>> import napari_depth_interp as ndi
>>> sparse = np.arange(3 * 4 * 4, dtype="uint16").reshape(3, 4, 4)
>>> dense = ndi.interpolate(sparse, z_spacing="2um", factor=4, method="linear")
>>> dense.shape
(9, 4, 4)
>>> dense.spacing, dense.unit
(0.5, 'um')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from .api import evaluate, interpolate, prepare
    from .api.align import align, check_jitter
    from .api.fuse import fuse
    from .api.labels import evaluate_labels, interpolate_labels
    from .api.repair import examine, repair
    from .damage.result import RepairResult
    from .fusion.result import FusionResult
    from .io import read, write
    from .labels.result import LabelResult
    from .registration import Transforms
    from .run.prepared import Prepared
    from .run.result import Result
    from .stack import Dataset

_HOMES = {
    "Dataset": "stack", "FusionResult": "fusion.result", "LabelResult": "labels.result", "Prepared": "run.prepared",
    "RepairResult": "damage.result", "Result": "run.result", "Transforms": "registration", "align": "api.align",
    "check_jitter": "api.align", "evaluate": "api", "evaluate_labels": "api.labels", "examine": "api.repair",
    "fuse": "api.fuse", "interpolate": "api", "interpolate_labels": "api.labels", "prepare": "api", "read": "io",
    "repair": "api.repair", "write": "io",
}  # fmt: skip

__all__ = [
    "Dataset", "FusionResult", "LabelResult", "Prepared", "RepairResult", "Result", "Transforms", "__version__",
    "align", "check_jitter", "evaluate", "evaluate_labels", "examine", "fuse", "interpolate", "interpolate_labels",
    "prepare", "read", "repair", "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``import napari_depth_interp`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__

"""Opening files in a dock: what is offered, and with which reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import napari
from napari.layers import Layer

from ... import io
from ...errors import DepthInterpError
from ..jobs.messages import for_window
from ..preferences import PLUGIN
from ..readers import add_files

FILES = f"Stacks ({' '.join(f'*{suffix}' for suffix in io.SUFFIXES if 'zarr' not in suffix)});;All files (*)"
TIP = (
    "<qt>Open TIFF, NIfTI, OME-Zarr, or a file of a microscope or scanner, with spacing and units. Files and folders "
    "(OME-Zarr, DICOM, images) may be dropped anywhere on this dock, too.</qt>"
)
_NAPARI = ("tiff", "nifti", "zarr")
"""What the manifest says this plugin's reader is for; of other files napari is not asked."""


def opened(viewer: napari.Viewer, paths: Sequence[str | Path]) -> tuple[list[Layer], list[str]]:
    """Open files with this plugin's readers; return the layers, and in words what could not be opened."""
    layers: list[Layer] = []
    problems: list[str] = []
    for path in map(str, paths):
        try:
            if io.kind_at(path) in _NAPARI:
                layers += viewer.open(path, plugin=PLUGIN)
            else:
                layers += add_files(viewer, path)
        except (DepthInterpError, OSError) as error:
            problems.append(for_window(error))
    return layers, problems

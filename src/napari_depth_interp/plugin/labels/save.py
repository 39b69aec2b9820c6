"""Saving the labels as they are, with what is known of each section, and the confidence beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from napari.layers import Labels

from ... import io
from ..boxes.save_names import beside
from ..layers.label_layers import with_history
from ..layers.sections import Sections
from .task import Save
from .write import confidence_of


def save_order(layer: Labels, path: Path, *, overwrite: bool) -> Save:
    """Return what has to be written; what is there is replaced only if the user has agreed.

    Raises
    ------
    OutputError
        If a file is there that is not to be replaced, or it is of no known kind.
    """
    io.check_output(path, overwrite=overwrite)
    dataset, sections = with_history(layer), Sections(layer)
    io.check_format(path, dataset)
    found = [confidence_of(sections, time) for time in range(dataset.voxels.shape[0])]
    if all(each is None for each in found):
        return Save(path, dataset)
    io.check_output(beside(path, "confidence"), overwrite=overwrite and path.exists())
    blank = np.zeros(dataset.voxels.shape[2:], np.float32)
    confidence = np.stack([blank if each is None else each for each in found])[:, None]
    return Save(path, dataset, confidence)

"""A figure of segmentations: XZ planes with the outlines of what was found and of what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.downstream import Downstream
from ..io.files import replacing
from .labels.outlines import ADDED, MISSED, enlarged, grey, outlines

_COLUMNS = 2


class SegmentationPlanes:
    """Keeps the middle XZ plane of every stack that was segmented by one segmenter.

    Its method ``keep`` is to be given to :class:`napari_depth_interp.evaluation.downstream.ExpertLabels` as
    ``on_segmented``.
    """

    def __init__(self, segmenter: str) -> None:
        self.segmenter = segmenter
        self.planes: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}

    def keep(self, method: str, segmenter: str, image: NDArray[Any], found: NDArray[Any]) -> None:
        """Take the plane of one stack: ``image`` (n, Y, X) as segmented, ``found`` (Z, Y, X) on all sections."""
        if segmenter == self.segmenter:
            row = found.shape[1] // 2
            nearest = np.linspace(0, len(image) - 1, len(found)).round().astype(int)
            self.planes[method] = np.array(image[nearest, row]), np.array(found[:, row])

    def save(
        self,
        path: Path,
        drawn: NDArray[Any],
        scores: Downstream,
        aspect: float,
        shown: Sequence[str],
        *,
        overwrite: bool = False,
    ) -> None:
        """Draw the planes of the contenders ``shown`` below each other.

        Parameters
        ----------
        path : Path
        drawn : (Z, Y, X) integer array
            On the sections of ``found``.
        scores : Downstream
        aspect : float
            Height over width of a voxel in the plane.
        shown : sequence of str
        overwrite : bool
        """
        from matplotlib.figure import Figure

        names = [name for name in shown if name in self.planes]
        truth = drawn[:, drawn.shape[1] // 2]
        lines = -(-len(names) // _COLUMNS)
        figure = Figure(figsize=(4.6 * _COLUMNS, 0.4 + 4.0 * lines), layout="constrained")
        axes = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
        for axis in axes:
            axis.set_axis_off()
        rows = {row["method"]: row for row in scores.of(self.segmenter)}
        for axis, name in zip(axes, names, strict=False):
            axis.imshow(_drawn(*self.planes[name], truth), aspect=aspect)
            axis.set_title(_title(name, rows[name]), fontsize=9, loc="left")
        figure.suptitle("Planes along z. Orange: what was found; blue: what was drawn.", fontsize=9)
        with replacing(path, overwrite=overwrite) as temporary:
            figure.savefig(temporary, dpi=110, format=path.suffix[1:].lower())


def _drawn(image: NDArray[Any], found: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.uint8]:
    pixels = grey(enlarged(image), enlarged(image).shape)
    pixels[outlines(enlarged(truth))] = MISSED
    pixels[outlines(enlarged(found))] = ADDED
    return pixels


def _title(name: str, row: Mapping[str, Any]) -> str:
    return (
        f"{name}: {row['found']} objects of {row['drawn']}\nF1 {row['f1']:.2f} (at IoU 0.7: {row['f1_70']:.2f}), "
        f"volume {100 * row['volume_bias']:+.0f} %"
    )

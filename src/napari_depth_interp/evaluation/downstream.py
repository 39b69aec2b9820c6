"""What filled sections are worth for what comes after: segmenting them, judged by labels that an expert drew.

Beside the methods stand linear interpolation, the sparse stack itself (segmented as it is, its labels brought to the
dense grid afterwards) and the recorded dense stack, which says what the segmenter could reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..metrics.objects import object_scores
from ..progress import Progress, Report
from ..run.execute import execute
from ..run.inputs import cut
from ..run.request import resolve
from ..run.result import Result
from ..run.settings import Settings
from ..stack import Dataset
from .holdout import Protocol, Trial
from .segmenters import Segmenter, command_segmenter, default_segmenters

SPARSE, RECORDED = "sparse stack", "recorded dense stack"
"""Contenders that are no method: the kept sections alone, and the truth."""
DENSE_GRID, KEPT_SECTIONS = "dense", "kept"
"""Where labels are compared: on all sections, or on those that were kept."""
BROUGHT_BY = "shape"
"""Method for labels that brings those of the sparse stack to the dense grid."""
_PROTOCOLS = ("keep_every", "hold_out", "reference")

OnSegmented = Callable[[str, str, NDArray[Any], NDArray[Any]], None]
"""Called with (contender, segmenter, stack (n, Y, X) as segmented, labels found (Z, Y, X)) after each segmentation."""


@dataclass(frozen=True, eq=False)
class ExpertLabels:
    """Labels of all objects, drawn on the sections of the truth, and the segmenters that are asked.

    Attributes
    ----------
    dataset : Dataset
        One identifier per object, 0 where there is none; of one time point and channel.
    command : str or None
        Of the user's segmenter, as :func:`napari_depth_interp.evaluation.segmenters.command_segmenter` takes it.
        Default: Otsu and watershed.
    segmenters : mapping of name -> Segmenter
        Of the caller's, instead.
    on_segmented : callable, optional
    """

    dataset: Dataset
    command: str | None = None
    segmenters: Mapping[str, Segmenter] = field(default_factory=dict)
    on_segmented: OnSegmented | None = None

    def all_segmenters(self, drawn: NDArray[Any], truth: Dataset) -> Mapping[str, Segmenter]:
        """Return the segmenters by name; ``drawn`` are the labels (Z, Y, X) of the dense stack ``truth``."""
        if self.command is not None:
            return {"command": command_segmenter(self.command)}
        return self.segmenters or default_segmenters(drawn, truth)


@dataclass(frozen=True)
class Downstream:
    """Scores of segmentations; ``rows`` have ``method``, ``segmenter``, ``grid`` and those of ``OBJECT_METRICS``."""

    file: str | None
    objects: int
    command: str | None
    brought_by: str
    rows: tuple[dict[str, Any], ...]

    def segmenters(self) -> list[str]:
        """Return the names of the segmenters, in order."""
        return list(dict.fromkeys(row["segmenter"] for row in self.rows))

    def of(self, segmenter: str, grid: str = DENSE_GRID) -> list[dict[str, Any]]:
        """Return the rows of a segmenter on one of the grids."""
        return [row for row in self.rows if row["segmenter"] == segmenter and row["grid"] == grid]


class DownstreamRuns:
    """Segments what methods made while it passes by, and scores it.

    Parameters
    ----------
    labels : ExpertLabels
    truth : Dataset
        The recorded dense stack.
    trial : Trial
        The one question of the protocol.
    settings : Settings
        Says which part of the labels belongs to the truth.

    Raises
    ------
    RequestError
        If the labels do not lie on the grid of the truth, or are of several channels or time points.
    """

    def __init__(self, labels: ExpertLabels, truth: Dataset, trial: Trial, settings: Settings) -> None:
        self._labels, self._trial, self._truth = labels, trial, truth
        known = trial.truth_at >= 0
        self._at = trial.truth_at[known]
        drawn = _checked(cut(labels.dataset, settings), truth)
        self._segmenters = labels.all_segmenters(drawn, truth)
        self._drawn = drawn[self._at]
        self._depths = trial.depths[known]
        self._kept = trial.reference[known] < 0
        self._rows: list[dict[str, Any]] = []

    def keep(self, name: str, trial: Trial, result: Result) -> None:
        """Score what a method made; to be given to ``evaluate`` as ``on_result``."""
        dense = replace(result.dataset, voxels=result.dataset.voxels[:1, :1, trial.truth_at >= 0])
        self._score(name, self._placed(dense.voxels, dense))

    def finish(self, done: list[str], linear: Settings, report: Report) -> Downstream:
        """Add what no method made, and linear interpolation if it was not among the methods; return all rows."""
        if "linear" not in done:
            request = resolve(self._trial.visible, linear, depths=self._trial.depths.tolist())
            self.keep("linear", self._trial, execute(request))
        report(Progress(0.3, SPARSE))
        self._score_sparse()
        report(Progress(0.7, RECORDED))
        self._score(RECORDED, self._placed(self._truth.voxels[:1, :1, self._at], self._truth))
        report(Progress(1.0))
        source = self._labels.dataset.source
        objects = len(np.setdiff1d(self._drawn, [0]))
        name = source.name if source else None
        return Downstream(name, objects, self._labels.command, BROUGHT_BY, tuple(self._rows))

    def _placed(self, voxels: NDArray[Any], like: Dataset) -> Dataset:
        grid = replace(self._trial.visible.grid, depths=self._depths)
        return replace(self._trial.visible, voxels=voxels, grid=grid, axes=like.axes)

    def _score(self, name: str, stack: Dataset) -> None:
        for segmenter, segment in self._segmenters.items():
            self._compare(name, segmenter, stack, segment(stack))

    def _score_sparse(self) -> None:
        visible = self._trial.visible
        sparse = replace(visible, voxels=visible.voxels[:1, :1])
        for segmenter, segment in self._segmenters.items():
            labels = segment(sparse)
            self._compare(SPARSE, segmenter, sparse, bring_labels(labels, sparse, self._depths))

    def _compare(self, name: str, segmenter: str, stack: Dataset, found: NDArray[Any]) -> None:
        if self._labels.on_segmented is not None:
            self._labels.on_segmented(name, segmenter, stack.voxels[0, 0], found)
        grid = self._trial.visible.grid
        pixel = grid.pixel_size or (1.0, 1.0)
        about = {"method": name, "segmenter": segmenter}
        for where, used in ((DENSE_GRID, np.ones(len(found), bool)), (KEPT_SECTIONS, self._kept)):
            scores = object_scores(self._drawn[used], found[used], self._depths[used], pixel)
            self._rows.append(about | {"grid": where} | scores)


def bring_labels(
    labels: NDArray[Any], sparse: Dataset, depths: NDArray[np.float64], method: str = BROUGHT_BY
) -> NDArray[Any]:
    """Return labels (n, Y, X) of the sections of a sparse stack at other depths, by a method for labels."""
    from ..labels.execute import execute_labels
    from ..labels.request import resolve_labels
    from ..labels.settings import make_label_settings

    if not labels.any():
        return np.zeros((len(depths), *labels.shape[1:]), labels.dtype)
    settings = make_label_settings(method=method, annotated="all")
    given = replace(sparse, voxels=labels[None, None])
    return np.asarray(execute_labels(resolve_labels(given, settings, at=depths.tolist())).dataset.voxels[0, 0])


def _checked(labels: Dataset, truth: Dataset) -> NDArray[Any]:
    """Return the labels (Z, Y, X)."""
    from ..labels.voxels import as_labels

    if truth.voxels.shape[0] > 1 or truth.voxels.shape[1] > 1:
        times, channels = truth.voxels.shape[:2]
        raise RequestError(
            f"labels judge one channel at one time point, and the stack has {channels} and {times}; "
            "choose them with --channel and --times"
        )
    labels = as_labels(labels)
    if labels.voxels.shape != truth.voxels.shape:
        theirs, ours = (" x ".join(map(str, each.voxels.shape[2:])) for each in (labels, truth))
        raise RequestError(
            f"the labels have {theirs} voxels (z, y, x) and the stack has {ours}; labels have to be drawn on the grid "
            "of the stack: bring them there with 'depth-interp labels --like'"
        )
    return np.asarray(labels.voxels[0, 0])


def runs_for(
    labels: ExpertLabels | None, truth: Dataset, trials: Any, protocol: Protocol, settings: Settings
) -> DownstreamRuns | None:
    """Return what scores segmentations in an evaluation; None where there are no labels.

    Raises
    ------
    RequestError
        If the protocol has no sparse stack that could be segmented.
    """
    if labels is None:
        return None
    if protocol.kind not in _PROTOCOLS:
        raise RequestError(
            f"--labels needs a sparse stack to segment, and the protocol is '{protocol.kind}'; choose --keep-every K, "
            "--hold-out I,J or --reference FILE"
        )
    return DownstreamRuns(labels, truth, trials[0], settings)

"""From what the boxes show to what is filled in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from ...errors import InputError, RequestError
from ...labels.settings import make_label_settings
from ...stack import Dataset
from ..layers import adopt, adopt_labels, grid_of
from ..layers.marks import Names
from ..layers.sections import Sections
from .gaps import all_gaps, gap_around, is_filled
from .task import Order
from .write import Plan


@dataclass(frozen=True, eq=False)
class Question:
    """What the boxes show.

    Attributes
    ----------
    layer : Labels
    sections : Sections
        Of this layer, as they are now.
    time : int
        The time point in view.
    image : Image or None
    only : tuple of int or None
        Labels to fill; None: all.
    method : mapping
        Method and parameters, as in the settings.
    """

    layer: Labels
    sections: Sections
    time: int
    image: Image | None
    only: Names | None
    method: dict[str, Any]

    @property
    def counted(self) -> list[int]:
        """The sections that count as annotated."""
        return self.sections.counted(self.time, self.only)

    @property
    def how(self) -> str:
        """From what a gap is filled beside its annotated sections."""
        return json.dumps([self.method, None if self.image is None else self.image.name], sort_keys=True)


def plan_of(question: Question, section: float | None, *, anew: bool) -> Plan:
    """Return which gaps are to be filled: those that have changed, or all of them ``anew``.

    Parameters
    ----------
    question : Question
    section : float or None
        Only the gap around this section.
    anew : bool

    Raises
    ------
    InputError, RequestError
        If there is no such gap.
    """
    counted = question.counted
    if len(counted) < 2:
        words = "labels" if question.only is None else f"label {question.only[0]}"
        raise InputError(
            f"{len(counted)} section{' is' if len(counted) == 1 else 's are'} annotated with {words}; draw on two or "
            "more, or count an empty one as annotated"
        )
    gaps = all_gaps(question.sections, question.time, counted, question.only, question.how)
    if section is not None:
        around = gap_around(gaps, section)
        if around is None:
            raise RequestError(f"section {round(section)} is not between two annotated ones; go to one that is")
        gaps = [around]
    if not anew:
        gaps = [gap for gap in gaps if not is_filled(question.sections, question.time, gap)]
    return Plan.of(question.sections, question.time, gaps, question.only)


def order_of(question: Question, plan: Plan) -> Order:
    """Return what is computed, with copies of the labels: the layer may be drawn on meanwhile.

    Raises
    ------
    DepthInterpError
        If a value does not fit.
    """
    image = None if question.image is None else _at(adopt(question.image), question.time)
    labels = _at(described(question.layer, question.image), question.time)
    bare = question.sections.bare(question.time, question.only)
    settings = make_label_settings(
        annotated=",".join(map(str, question.counted)),
        labels=None if question.only is None else list(question.only),
        **question.method,
    )
    return Order(replace(labels, voxels=bare[None, None]), settings, image, tuple(gap.number for gap in plan.gaps))


def described(layer: Labels, image: Image | None) -> Dataset:
    """Return the dataset of a labels layer; an image in the same place may know better where the sections lie."""
    labels = adopt_labels(layer)
    if image is None:
        return labels
    grid = grid_of(image)
    same = np.allclose(image.scale[-3:], layer.scale[-3:]) and np.allclose(image.translate[-3:], layer.translate[-3:])
    if same and grid.depths is not None and (labels.grid.depths is None or not grid.is_even):
        return replace(labels, grid=grid)
    return labels


def _at(dataset: Dataset, time: int) -> Dataset:
    """Return one time point; an image may have one only."""
    rows, columns = (slice(0, size) for size in dataset.voxels.shape[-2:])
    time = min(time, dataset.voxels.shape[0] - 1)
    return dataset.part(slice(time, time + 1), rows, columns)

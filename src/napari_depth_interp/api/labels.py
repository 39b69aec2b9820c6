"""Labels in the library: one call, a thin line to the functions behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import io
from ..errors import InputError
from ..evaluation.holdout import Protocol
from ..evaluation.label_scores import LabelScores
from ..evaluation.labels import default_methods
from ..evaluation.labels import evaluate_labels as _evaluate
from ..labels.execute import execute_labels
from ..labels.reading import opened_together
from ..labels.request import resolve_labels
from ..labels.result import LabelResult
from ..labels.settings import make_label_settings
from ..progress import Report, silent
from ..run.outputs import Target
from ..stack import Dataset, unmasked
from . import arrays

Labels = str | PathLike[str] | Dataset | ArrayLike


def interpolate_labels(
    labels: Labels,
    /,
    *,
    image: Labels | None = None,
    annotated: str | Sequence[int] = "auto",
    like: str | PathLike[str] | Dataset | None = None,
    at: Sequence[float] | None = None,
    out: str | PathLike[str] | None = None,
    report: Report = silent,
    **settings: Any,
) -> LabelResult:
    """Fill labels in between annotated sections.

    Without ``factor``, ``spacing``, ``isotropic``, ``like`` or ``at`` the result has the sections of the labels, and
    those between annotated ones are filled. Annotated sections are never changed, nor labels that stand on other
    sections already.

    Parameters
    ----------
    labels : path, (Z, Y, X) array of integers, Dataset or xarray DataArray
        0 is background. Arrays with other axes: ``Dataset.from_array(array, axes="TZYX")``.
    image : path, array or Dataset, optional
        The image that the labels were drawn on, with their sections or those of the result. As sparse as the labels, it
        is made dense first with ``image_method``; the result then has it as ``image``.
    annotated : "auto", "all" or sequence of int
        Which sections are annotated, counted from 0; ``"auto"``: those that hold labels.
    like : path or Dataset, optional
        The result has the sections of this file, denser or coarser; its pixels have to be those of the labels.
    at : sequence of float, optional
        Explicit target depths, increasing, in the unit of the labels. Beyond the annotated sections the last one is
        held for half a gap.
    out : path, optional
        OME-Zarr or TIFF file that does not exist yet: the result is streamed to it, and large inputs stay in their
        files.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.labels.settings.LabelSettings`: ``method="shape"``, ``factor=4``,
        ``labels=[3, 7]``, ``z_spacing="2um"``, ``parameters={...}`` ...

    Returns
    -------
    LabelResult
        An array with ``annotated``, ``interpolated``, ``confidence``, ``expected_dice``; ``result.save("labels.tif")``
        writes it.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> labels = np.zeros((2, 32, 32), "uint16")
    >>> labels[0, 8:24, 8:24], labels[1, 12:20, 12:20] = 3, 3
    >>> dense = ndi.interpolate_labels(labels, method="shape", z_spacing="4um", factor=4)
    >>> dense.shape, dense.dtype, dense.interpolated.tolist()
    ((5, 32, 32), dtype('uint16'), [False, True, True, True, False])
    >>> areas = (np.asarray(dense) == 3).sum((1, 2))
    >>> bool((np.diff(areas) < 0).all())
    True
    """
    chosen = make_label_settings(annotated=annotated, **settings)
    read = io.read if out is None else io.open_stack
    dataset, guide, grid = opened_together(labels, image, like, chosen.axis, _opener(read))
    request = resolve_labels(dataset, chosen, image=guide, like=grid, at=at)
    return execute_labels(request, report, target=None if out is None else Target(Path(out)))


def evaluate_labels(
    labels: Labels,
    /,
    methods: str | Sequence[str] | None = None,
    *,
    image: Labels | None = None,
    annotated: str | Sequence[int] = "auto",
    keep_every: int | None = None,
    hold_out: Sequence[int] = (),
    report: Report = silent,
    **settings: Any,
) -> LabelScores:
    """Score methods for labels on annotated sections that are hidden from them.

    Parameters
    ----------
    labels, image : path, array or Dataset
        As for :func:`interpolate_labels`. The image is seen on all its sections, also where labels are hidden.
    methods : str or sequence of str, optional
        Default: all that need no image, or all if there is one.
    annotated : "auto", "all" or sequence of int
        As for :func:`interpolate_labels`; only annotated sections are hidden and scored.
    keep_every, hold_out : int, sequence of int
        Keep every k-th annotated section, or hide the given ones (numbered as in the file); with neither, each inner
        annotated section is left out in turn.
    report : callable
    **settings
        Fields of :class:`~napari_depth_interp.labels.settings.LabelSettings`: ``labels=[3, 7]``, ``threads=2`` ...

    Returns
    -------
    LabelScores

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> z, y, x = np.indices((9, 32, 32))
    >>> cone = ((y - 16) ** 2 + (x - 16) ** 2 < (13 - z) ** 2).astype("uint8")
    >>> scores = ndi.evaluate_labels(cone, ["nearest", "shape"], keep_every=4, z_spacing="1um")
    >>> scores.best().method
    'shape'
    >>> [row["index"] for row in scores.methods[0].sections]
    [1, 2, 3, 5, 6, 7]
    """
    chosen = make_label_settings(annotated=annotated, **settings)
    dataset, guide, _ = opened_together(labels, image, None, chosen.axis, _opener(io.read))
    names = [methods] if isinstance(methods, str) else methods or default_methods(image=guide is not None)
    protocol = Protocol.chosen(keep_every, hold_out)
    return _evaluate(dataset, names, protocol, chosen, image=guide, report=report)


def _opener(read: Callable[..., Dataset]) -> Callable[[Labels, io.SectionAxis, bool], Dataset]:
    """Return what opens labels or an image for :func:`opened_together`."""

    def opened(given: Labels, axis: io.SectionAxis, are_labels: bool) -> Dataset:
        return _dataset(given, lambda path: read(path, axis=axis, labels=are_labels))

    return opened


def _dataset(given: Labels, read: Callable[[str | PathLike[str]], Dataset]) -> Dataset:
    if isinstance(given, Dataset):
        return given
    if isinstance(given, str | PathLike):
        return read(given)
    if arrays.is_xarray(given):
        ordered = arrays.in_order(given)
        return arrays.from_xarray(ordered, _no_bool(ordered.values))
    values = unmasked(given)
    if values.ndim == 2:
        raise InputError(
            f"the array has the shape {values.shape}: one section, with nothing in between; give sections stacked "
            "along the first axis (z, y, x)"
        )
    return Dataset.from_array(_no_bool(values))


def _no_bool(values: Any) -> Any:
    """Return a mask as labels 0 and 1."""
    return values.astype(np.uint8) if values.dtype == bool else values

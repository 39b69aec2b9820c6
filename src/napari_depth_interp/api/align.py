"""Aligning sections from Python: thin lines to the functions behind them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from .. import io
from ..progress import Report, part, silent
from ..registration import JitterReport, Kind, Transforms, estimate
from ..registration import check_jitter as _check_jitter
from ..run.aligning import Aligned
from . import Image, opened

_SHARE_OF_FINDING = 0.7


def align(
    image: Image,
    kind: Kind = "translation",
    *,
    transforms: Transforms | str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    report: Report = silent,
    **parameters: Any,
) -> Aligned:
    """Bring sections that lie displaced against their neighbours back to where they belong.

    Only jitter is undone: what varies slowly along z may be real slant or curvature and stays, unless
    ``drift="remove"``, which straightens both. See first with :func:`check_jitter` whether there is any.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset or xarray DataArray
    kind : {"translation", "rigid"}
        Move sections sideways, or turn them, too.
    transforms : Transforms or path, optional
        Move them as these say, instead of finding out: those of another channel or a mask, or ``inverted()`` ones.
    out : path, optional
        OME-Zarr or TIFF file that does not exist yet; a large input is streamed to it.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **parameters
        Fields of :class:`~napari_depth_interp.registration.config.AlignConfig`: ``drift="remove"``, ``period=20``,
        ``smallest=0.5``.

    Returns
    -------
    Aligned
        An array with ``transforms`` and ``notes``; ``aligned.save("aligned.tif")`` writes it.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> y, x = np.indices((64, 64))
    >>> stack = np.stack([np.sin(y / 5 + k / 9) * np.cos(x / 4 - k / 9) for k in range(9)])
    >>> stack[4] = np.roll(stack[4], 3, axis=1)
    >>> aligned = ndi.align(stack)
    >>> aligned.transforms.moved[0].nonzero()[0].tolist(), aligned.transforms.shifts[0, 4].round().tolist()
    ([4], [0.0, 3.0])
    """
    dataset = opened(image, read=io.read if out is None else io.open_stack)
    if transforms is None:
        transforms = estimate(dataset, kind, **parameters, report=part(report, 0.0, _SHARE_OF_FINDING))
    elif not isinstance(transforms, Transforms):
        transforms = Transforms.load(transforms)
    aligned = Aligned.of(dataset, transforms)
    if out is not None:
        aligned.save(Path(out), report=part(report, _SHARE_OF_FINDING, 1.0))
    return aligned


def check_jitter(
    image: Image, kind: Kind = "translation", *, report: Report = silent, **parameters: Any
) -> JitterReport:
    """Say whether sections are displaced against their neighbours at all; nothing is changed.

    Parameters as for :func:`align`, of which ``period`` counts.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> y, x = np.indices((64, 64))
    >>> stack = np.stack([np.sin(y / 5 + k / 9) * np.cos(x / 4 - k / 9) for k in range(9)])
    >>> ndi.check_jitter(stack).is_there
    False
    """
    return _check_jitter(opened(image, read=io.open_stack), kind, report=report, **parameters)

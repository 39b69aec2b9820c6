"""The library in two calls. Everything here is a thin line to the functions behind it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from numpy.typing import ArrayLike

from . import io
from .errors import RequestError
from .evaluate import Scores
from .evaluate import evaluate as _evaluate
from .execute import execute
from .holdout import Protocol
from .progress import Report, silent
from .request import resolve
from .result import Result
from .settings import make_settings
from .stack import Dataset

Image = str | PathLike[str] | Dataset | ArrayLike


def interpolate(
    image: Image,
    *,
    at: Sequence[float] | None = None,
    extrapolate: bool = False,
    report: Report = silent,
    **settings: Any,
) -> Result:
    """Make a dense stack from a sparse one.

    Parameters
    ----------
    image : path, Dataset or (Z, Y, X) array
        An array needs ``z_spacing`` (or ``depths``); files usually bring their own.
    at : sequence of float, optional
        Explicit target depths, increasing, in the unit of the stack, instead of a factor or a spacing.
    extrapolate : bool
        Allow ``at`` beyond the first and the last section, where the ends are held.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.settings.Settings`: ``method="linear"``, ``factor=4``,
        ``spacing="2um"``, ``isotropic=True``, ``z_spacing="2um"``, ``parameters={...}``, ``seed=0`` ...

    Returns
    -------
    Result
        ``result.dataset.voxels`` is (t, c, z, y, x); ``result.save("dense.tif")`` writes it.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.
    """
    chosen = make_settings(**settings)
    request = resolve(_dataset(image, chosen.axis), chosen, depths=at, extrapolate=extrapolate)
    return execute(request, report)


def evaluate(
    image: Image,
    methods: str | Sequence[str],
    *,
    keep_every: int | None = None,
    hold_out: Sequence[int] = (),
    data_range: tuple[float, float] | None = None,
    report: Report = silent,
    **settings: Any,
) -> Scores:
    """Score methods on hidden sections of a stack.

    Parameters
    ----------
    image : path, Dataset or (Z, Y, X) array
    methods : str or sequence of str
    keep_every, hold_out : int, sequence of int
        Keep every k-th section, or hide the given ones (counted from 0); with neither, each inner
        section is left out in turn.
    data_range : (low, high), optional
        Default: percentiles 0.1 to 99.9 of the stack.
    report : callable
    **settings
        As for :func:`interpolate`.

    Returns
    -------
    Scores
    """
    chosen = make_settings(**settings)
    methods = [methods] if isinstance(methods, str) else methods
    if keep_every is not None and hold_out:
        raise RequestError("keep_every and hold_out exclude each other; give one of them")
    if keep_every is not None:
        protocol = Protocol("keep_every", every=keep_every)
    elif hold_out:
        protocol = Protocol("hold_out", sections=tuple(hold_out))
    else:
        protocol = Protocol("leave_one_out")
    return _evaluate(_dataset(image, chosen.axis), methods, protocol, chosen, data_range=data_range, report=report)


def _dataset(image: Image, axis: Any) -> Dataset:
    if isinstance(image, Dataset):
        return image
    if isinstance(image, str | PathLike):
        return io.read(image, axis=axis)
    return Dataset.from_array(image)

"""The library in two calls. Everything here is a thin line to the functions behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import io
from ..errors import RequestError
from ..evaluation.evaluate import ExpertLabels, Scores
from ..evaluation.evaluate import evaluate as _evaluate
from ..evaluation.holdout import Protocol
from ..progress import Report, silent
from ..run.execute import execute
from ..run.outputs import Spread, Target, choose_target
from ..run.prepared import Prepared, settings_with, with_any_target
from ..run.prepared import prepare as _prepare
from ..run.prepared_file import load, save
from ..run.request import Request, part_in_words, placed, resolve, whole_image
from ..run.result import Result
from ..run.settings import Settings, make_settings
from ..stack import Dataset, to_tczyx
from ..stack.lazy import LazyVoxels, as_array
from ..system.cluster import Processes
from . import arrays

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

Image = str | PathLike[str] | Dataset | ArrayLike


@overload
def interpolate(image: xr.DataArray, **settings: Any) -> xr.DataArray: ...
@overload
def interpolate(image: da.Array, **settings: Any) -> da.Array: ...
@overload
def interpolate(
    image: Image,
    *,
    at: Sequence[float] | None = None,
    extrapolate: bool = False,
    out: str | PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    prepared: Prepared | str | PathLike[str] | None = None,
    report: Report = silent,
    **settings: Any,
) -> Result: ...
def interpolate(
    image: Any,
    *,
    at: Sequence[float] | None = None,
    extrapolate: bool = False,
    out: str | PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    prepared: Prepared | str | PathLike[str] | None = None,
    report: Report = silent,
    **settings: Any,
) -> Any:
    """Make a dense stack from a sparse one.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset, xarray DataArray or dask array
        Arrays with other axes, and colours: ``Dataset.from_array(array, axes="ZYXS")``.
        An array needs ``z_spacing`` (or ``depths``). Files usually bring their own; so does a ``DataArray``
        with a coordinate along z, whose ``units`` attribute is the unit.
    at : sequence of float, optional
        Explicit target depths in the unit of the stack, instead of a factor or a spacing; increasing, or decreasing
        where those of the stack do.
    extrapolate : bool
        Allow ``at`` beyond the first and the last section, where the ends are held.
    out : path, optional
        OME-Zarr or TIFF file that does not exist yet: the result is streamed to it instead of being held in memory, and
        its voxels are read from there when they are asked for. The input is then left in its file, too.
    workers : int, optional
        Processes of this machine among which the run is divided; the image is the path of a file then, and ``out`` an
        OME-Zarr image. As with all that starts processes, a script needs ``if __name__ == "__main__":`` around it.
    scheduler : str, optional
        Address of a Dask scheduler whose workers do it instead, such as ``"tcp://node7:8786"``.
    resume : bool
        Go on with what a killed run has left beside ``out``, and keep what is done if this one is killed.
    prepared : Prepared or path, optional
        What :func:`prepare` has learned, of this stack or of one of its kind; it
        brings the method and its parameters.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.run.settings.Settings`: ``method="linear"``, ``factor=4``,
        ``spacing="2um"``, ``isotropic=True``, ``z_spacing="2um"``, ``parameters={...}``, ``seed=0`` ...

    Returns
    -------
    Result, DataArray or dask array
        A :class:`~napari_depth_interp.run.result.Result` is an array with ``spacing``, ``depths``, ``unit`` and
        ``metadata``; ``result.save("dense.tif")`` writes it. xarray gives xarray: the new depths are its z coordinate,
        ``is_observed`` and ``uncertainty`` are coordinates, the history is in its attributes. dask gives dask, computed
        in one piece when it is asked for.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> sparse = np.random.default_rng(0).random((4, 16, 16))
    >>> dense = ndi.interpolate(sparse, method="cubic", z_spacing="4um", factor=4)
    >>> dense.shape, dense.spacing, dense.unit
    ((13, 16, 16), 1.0, 'um')
    >>> bool((dense[::4] == sparse).all())
    True

    Named axes and coordinates, with xarray:

    >>> import xarray as xr
    >>> z = xr.DataArray([0.0, 4.0, 8.0, 12.0], dims="z", attrs={"units": "um"})
    >>> image = xr.DataArray(sparse, dims=("z", "y", "x"), coords={"z": z})
    >>> fine = ndi.interpolate(image, method="linear", spacing="2um")
    >>> fine.sizes["z"], fine.z.values.tolist(), int(fine.is_observed.sum())
    (7, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0], 4)

    A lazy result, with dask:

    >>> import dask.array as da
    >>> lazy = ndi.interpolate(da.from_array(sparse), method="linear", z_spacing="4um", factor=2)
    >>> lazy.shape, type(lazy.compute()).__name__
    ((7, 16, 16), 'ndarray')
    """
    chosen, known = make_settings(**settings), opened_prepared(prepared)
    if known is not None:
        chosen = settings_with(chosen, known)
    lazy = arrays.is_dask(image) or (arrays.is_xarray(image) and arrays.is_dask(image.data))
    processes = Processes(workers or 0, scheduler)
    if out is not None:
        dataset = _left_in_place(image) if lazy else opened(image, chosen.axis, read=io.open_stack)
        request = _resolved(dataset, chosen, at, extrapolate)
        target: Target | None = Target(Path(out))
        if resume or processes:
            depths = _as_stored(dataset, chosen, at)
            spread = _spread(image, chosen, depths, extrapolate, processes) if processes else None
            target = choose_target(request, Path(out), resume=resume, spread=spread)
        return execute(request, report, target, known)
    if resume or processes:
        raise RequestError("workers, scheduler and resume need a file to write: give out='dense.ome.zarr'")
    if lazy:
        return _interpolate_lazily(image, chosen, at, extrapolate, report, known)
    result = execute(_resolved(opened(image, chosen.axis), chosen, at, extrapolate), report, prepared=known)
    return arrays.to_xarray(result, arrays.part(image, chosen)) if arrays.is_xarray(image) else result


def _resolved(dataset: Dataset, settings: Settings, at: Sequence[float] | None, extrapolate: bool) -> Request:
    """Return the request; ``at`` is given as the depths of the stack are, be they increasing or decreasing."""
    return resolve(dataset, settings, depths=_as_stored(dataset, settings, at), extrapolate=extrapolate)


def _as_stored(dataset: Dataset, settings: Settings, at: Sequence[float] | None) -> list[float] | None:
    """Return depths as the stack counts them, whose sections may have been turned round."""
    if at is None:
        return None
    depths: list[float] = placed(dataset, settings).grid.mirrored(np.asarray(at, float)).tolist()
    return depths


def _spread(
    image: Any, settings: Settings, depths: Sequence[float] | None, extrapolate: bool, processes: Processes
) -> Spread:
    """Return among which processes a run is to be divided, and what they have to know."""
    if not isinstance(image, str | PathLike):
        raise RequestError(
            f"workers read the image themselves, and got {type(image).__name__}; give the path of a file, such as "
            "an OME-Zarr image on a disk that all of them see"
        )
    return Spread(processes, Path(image), settings, None if depths is None else tuple(depths), extrapolate)


def _without_pixels(image: xr.DataArray | da.Array) -> tuple[Dataset, Any]:
    """Return what is known about a lazy image, with one pixel per section, and its array."""
    ordered = arrays.in_order(image) if arrays.is_xarray(image) else image
    corner: NDArray[Any] = np.zeros((*ordered.shape[:-2], 1, 1), ordered.dtype)
    if arrays.is_xarray(ordered):
        return arrays.from_xarray(ordered, corner), ordered.data
    return Dataset.from_array(corner), image


def _left_in_place(image: xr.DataArray | da.Array) -> Dataset:
    """Return a lazy image as a dataset whose voxels are computed when they are asked for."""
    small, voxels = _without_pixels(image)
    axes = [axis for axis in "TCZYX" if axis in small.axes]  # a DataArray is brought into this order
    view = LazyVoxels(voxels, [axes.index(axis) if axis in axes else None for axis in "TCZYX"])
    return replace(small, voxels=as_array(view))


def _interpolate_lazily(
    image: xr.DataArray | da.Array,
    chosen: Settings,
    at: Sequence[float] | None,
    extrapolate: bool,
    report: Report,
    prepared: Prepared | None,
) -> xr.DataArray | da.Array:
    """Check everything but the voxels now; read and compute when the result is asked for."""
    if chosen.align != "none":
        raise RequestError(
            f"align='{chosen.align}' looks at all sections before it is known which of them move, and the image is "
            "lazy; compute it first, or stream the result with out='dense.ome.zarr'"
        )
    image = arrays.part(image, chosen)
    small, voxels = _without_pixels(image)

    def ask(dataset: Dataset) -> Request:
        request = _resolved(dataset, whole_image(chosen), at, extrapolate)
        return replace(request, part=part_in_words(chosen))

    def run(values: NDArray[Any]) -> Result:
        return execute(ask(replace(small, voxels=to_tczyx(values, small.axes))), report, prepared=prepared)

    request = ask(small)
    dense = arrays.lazily(voxels, request, run)
    return arrays.lazily_labelled(dense, request, image) if arrays.is_xarray(image) else dense


def evaluate(
    image: Image,
    methods: str | Sequence[str],
    *,
    keep_every: int | None = None,
    hold_out: Sequence[int] = (),
    data_range: tuple[float, float] | None = None,
    labels: Image | None = None,
    segment: str | None = None,
    report: Report = silent,
    **settings: Any,
) -> Scores:
    """Score methods on hidden sections of a stack.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset, xarray DataArray or dask array
    methods : str or sequence of str
    keep_every, hold_out : int, sequence of int
        Keep every k-th section, or hide the given ones (counted from 0); with neither, each inner
        section is left out in turn.
    data_range : (low, high), optional
        Default: percentiles 0.1 to 99.9 of the stack.
    labels : path, (Z, Y, X) array or Dataset, optional
        An identifier per object, drawn on the sections of the stack: what each method made is segmented and compared
        with them (``scores.downstream``), beside linear interpolation, the sparse stack and the stack itself.
    segment : str, optional
        Command that segments, such as ``"python segment.py {in} {out}"``. Default: Otsu and watershed.
    report : callable
    **settings
        As for :func:`interpolate`.

    Returns
    -------
    Scores

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((9, 16, 16)).cumsum(0)
    >>> scores = ndi.evaluate(stack, ["nearest", "linear"], keep_every=2, z_spacing="1um")
    >>> [each.method for each in scores.methods if each.volume["psnr"] > 10]
    ['nearest', 'linear']
    >>> scores.methods[1].gain_over(scores.methods[0]) > 0  # in dB
    True
    """
    chosen = make_settings(**settings)
    methods = [methods] if isinstance(methods, str) else methods
    protocol = Protocol.chosen(keep_every, hold_out)
    if segment is not None and labels is None:
        raise RequestError("segment needs labels to judge by; give labels=")
    expert = None if labels is None else ExpertLabels(opened(labels, chosen.axis, read=_read_labels), segment)
    dataset = opened(image, chosen.axis)
    return _evaluate(dataset, methods, protocol, chosen, data_range=data_range, labels=expert, report=report)


def _read_labels(path: str | PathLike[str], axis: io.SectionAxis) -> Dataset:
    return io.read(path, axis=axis, labels=True)


def prepare(
    image: Image, *, out: str | PathLike[str] | None = None, report: Report = silent, **settings: Any
) -> Prepared:
    """Learn from a stack what :func:`interpolate` learns before it makes the first section.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset, xarray DataArray
    out : path, optional
        Also write it to this file, which does not exist yet.
    report : callable
    **settings
        As for :func:`interpolate`; a target (``factor`` ...) may be left out.

    Returns
    -------
    Prepared
        For ``interpolate(..., prepared=...)``, on this stack or on another one of its kind. On this one the result is
        the same as without it, bit by bit.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((6, 16, 16))
    >>> known = ndi.prepare(stack, method="flow", z_spacing="2um")
    >>> dense = ndi.interpolate(stack, prepared=known, z_spacing="2um", factor=2)
    >>> again = ndi.interpolate(stack, method="flow", z_spacing="2um", factor=2)
    >>> np.array_equal(np.asarray(dense), np.asarray(again))
    True
    """
    chosen = with_any_target(make_settings(**settings))
    made = _prepare(resolve(opened(image, chosen.axis, read=io.open_stack), chosen), report)
    if out is not None:
        save(Path(out), made)
    return made


def opened_prepared(prepared: Prepared | str | PathLike[str] | None) -> Prepared | None:
    """Return what was prepared, read from its file if it is given as that."""
    return load(Path(prepared)) if isinstance(prepared, str | PathLike) else prepared


def opened(image: Image, axis: io.SectionAxis = "auto", *, read: Callable[..., Dataset] = io.read) -> Dataset:
    """Return whatever the library takes for an image as a dataset."""
    if isinstance(image, Dataset):
        return image
    if isinstance(image, str | PathLike):
        return read(image, axis=axis)
    if arrays.is_xarray(image):
        ordered = arrays.in_order(image)
        return arrays.from_xarray(ordered, ordered.values)
    return Dataset.from_array(image)

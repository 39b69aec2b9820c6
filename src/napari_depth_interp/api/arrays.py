"""Arrays of other libraries: xarray and dask in, the same out. Neither is imported unless it is used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..run.inputs import part_in_words
from ..run.request import Request
from ..run.result import RECORD_KEY, Result
from ..run.settings import Settings
from ..stack import SPACING_RTOL, Dataset, Grid
from ..stack.part import part_of
from ..stack.units import convert, normalise_unit

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

_AXIS_NAMES = {
    "T": ("t", "time", "frame"),
    "C": ("c", "ch", "channel"),
    "Z": ("z", "depth", "plane", "section", "slice"),
    "Y": ("y", "row"),
    "X": ("x", "column", "col"),
}
"""Names of dimensions that are understood, in any case."""

Coordinate = tuple[NDArray[np.float64] | None, str | None]
"""Positions along a dimension and their unit; None where they are not known."""


def is_xarray(image: object) -> TypeGuard[xr.DataArray]:
    """Whether this is an xarray ``DataArray``."""
    module = sys.modules.get("xarray")
    return module is not None and isinstance(image, module.DataArray)


def is_dask(image: object) -> TypeGuard[da.Array]:
    """Whether this is a dask array."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(image, module.Array)


def in_order(image: xr.DataArray) -> xr.DataArray:
    """Return the ``DataArray`` with its dimensions in the order t, c, z, y, x (a view)."""
    dims = dims_of(image)
    return image.transpose(*(dims[axis] for axis in "TCZYX" if axis in dims))


def dims_of(image: xr.DataArray) -> dict[str, Any]:
    """Return the dimension of each axis out of T, C, Z, Y, X that a ``DataArray`` has.

    Raises
    ------
    InputError
        If a dimension is not understood, or z, y or x is missing.
    """
    letters = {name: axis for axis, names in _AXIS_NAMES.items() for name in names}
    dims = {letters.get(str(dim).lower(), ""): dim for dim in image.dims}
    if len(dims) < image.ndim or "" in dims or not {"Z", "Y", "X"} <= set(dims):
        raise InputError(
            f"the dimensions {', '.join(map(str, image.dims))} are not understood; name them t, c, z, y and x "
            "(image.rename({'old': 'z'})), each once, with z, y and x among them"
        )
    return dims


def part(image: Any, settings: Settings) -> Any:
    """Return the part of a ``DataArray`` or dask array (z, y, x) that the settings choose, nothing of it computed."""
    if not part_in_words(settings):
        return image
    places = {axis: image.get_axis_num(dim) for axis, dim in dims_of(image).items()} if is_xarray(image) else _ZYX
    sizes = [image.shape[places[axis]] if axis in places else 1 for axis in "TCZYX"]
    chosen = dict(zip("TYX", part_of(sizes, settings.crop, settings.times), strict=True))
    key: list[int | slice] = [slice(None)] * image.ndim
    for axis in chosen.keys() & places.keys():
        key[places[axis]] = chosen[axis]
    times = chosen["T"]
    if times.stop - times.start == 1 < sizes[0]:
        key[places["T"]] = times.start
    return image[tuple(key)]


_ZYX = {"Z": 0, "Y": 1, "X": 2}


def from_xarray(image: xr.DataArray, voxels: NDArray[Any]) -> Dataset:
    """Wrap the voxels of a ``DataArray`` whose dimensions are in the order of :func:`in_order`.

    Its coordinates along z become the depths, those along y and x the pixel size and the origin, and ``units`` in
    the attributes of a coordinate their unit. Without a z coordinate the depths are not known.

    Raises
    ------
    InputError
        If the dimensions are not understood, or the coordinates along y or x are uneven.
    """
    dims = dims_of(image)
    found = {axis: _coordinate(image, dims[axis]) for axis in "ZYX"}
    unit = next((unit for _, unit in found.values() if unit), None)
    depths, y, x = (_in_unit(found[axis], unit) for axis in "ZYX")
    grid = Grid(None, unit=unit) if depths is None else Grid(None, unit=unit).with_depths(depths)
    if y is not None and x is not None and min(len(y), len(x)) > 1:
        pixel_size = (_step(y, dims["Y"]), _step(x, dims["X"]))
        grid = replace(grid, pixel_size=pixel_size, origin=(float(y[0]), float(x[0])))
    dataset = Dataset.from_array(voxels, axes="".join(axis for axis in "TCZYX" if axis in dims))
    channels = image.coords[dims["C"]].values if "C" in dims and dims["C"] in image.coords else ()
    return replace(dataset, grid=grid, channel_names=tuple(str(name) for name in channels))


def _coordinate(image: xr.DataArray, dim: Any) -> Coordinate:
    if dim not in image.coords or image.coords[dim].dtype.kind not in "iuf":
        return None, None
    return np.asarray(image.coords[dim].values, float), normalise_unit(image.coords[dim].attrs.get("units"))


def _in_unit(coordinate: Coordinate, unit: str | None) -> NDArray[np.float64] | None:
    values, given = coordinate
    return values if values is None or given is None or unit is None else values * convert(1.0, given, unit)


def _step(values: NDArray[np.float64], dim: Any) -> float:
    """Return the distance of neighbouring pixels; coordinates may run either way."""
    steps = np.diff(values)
    if steps[0] == 0 or not np.allclose(steps, steps[0], rtol=SPACING_RTOL, atol=0):
        raise InputError(
            f"the coordinates along '{dim}' are uneven ({steps.min():g} to {steps.max():g}), and pixels must be even; "
            f"resample the image, or drop the coordinates with image.drop_vars('{dim}')"
        )
    return abs(float(steps[0]))


def to_xarray(result: Result, like: xr.DataArray) -> xr.DataArray:
    """Return a result as a ``DataArray`` with the dimensions, coordinates and attributes of the input.

    The history stands as JSON in ``attrs["depth_interp"]``. New coordinates are ``is_observed`` along z and, where
    the method gives it, ``uncertainty`` for every voxel.
    """
    dense = _labelled(result.values, result.dataset.grid, result.is_observed, result.record, like, result.axes)
    if result.uncertainty is None:
        return dense
    errors = Result(replace(result.dataset, voxels=result.uncertainty)).values
    order = [dims_of(like)[axis] for axis in result.axes]
    return dense.assign_coords(uncertainty=(order, errors))


def _labelled(
    values: Any,
    grid: Grid,
    observed: NDArray[np.bool_],
    record: Mapping[str, Any],
    like: xr.DataArray,
    axes: str,
) -> xr.DataArray:
    """Return values with the axes ``axes`` in the dimensions of the input."""
    import xarray as xr

    dims = dims_of(like)
    order, z = [dims[axis] for axis in axes], dims["Z"]
    same = {dim for dim, size in zip(order, values.shape, strict=True) if dim != z and size == like.sizes[dim]}
    # Without what belongs to the observed sections, to channels that were left out, or to pixels before enlarging.
    coords: dict[Any, Any] = {name: each for name, each in like.coords.items() if set(each.dims) <= same}
    known = like.coords[z].attrs if z in like.coords else {}
    coords[z] = (z, grid.positions, ({"units": grid.unit} if grid.unit else {}) | known)
    coords["is_observed"] = (z, observed)
    for dim in (dims["Y"], dims["X"]):
        old, _ = _coordinate(like, dim)
        if dim not in same and old is not None and len(old) > 1:
            coords[dim] = (dim, _finer(old, values.shape[order.index(dim)]), like.coords[dim].attrs)
    attrs = {**like.attrs, RECORD_KEY: json.dumps(dict(record))}
    dense = xr.DataArray(values, dims=order, coords=coords, name=like.name, attrs=attrs)
    return dense.transpose(*(dim for dim in like.dims if dim in order))


def _finer(coordinate: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the coordinates of ``count`` pixels with the outer edges of the old ones, in their unit and direction."""
    places = (np.arange(count) + 0.5) * len(coordinate) / count - 0.5
    below = np.clip(places.astype(int), 0, len(coordinate) - 2)
    return np.asarray(coordinate[below] + (places - below) * np.diff(coordinate)[below])


def lazily(image: da.Array, request: Request, run: Callable[[NDArray[Any]], Result]) -> da.Array:
    """Return what ``run`` makes of the image as a dask array, computed in one piece when it is asked for.

    ``request`` is that of the run, planned on any image with as many sections, channels and time points.
    """
    import dask.array
    from dask.delayed import delayed

    sizes = dict(zip("TCZ", request.output_shape[:3], strict=True))
    finer = (size * request.spec.enlarges for size in image.shape[-2:])
    shape = (*(sizes[axis] for axis in "TCZ" if axis in request.dataset.axes), *finer)
    dense: da.Array = dask.array.from_delayed(delayed(_values)(run, image), shape, request.output_dtype)
    return dense


def lazily_labelled(values: da.Array, request: Request, like: xr.DataArray) -> xr.DataArray:
    """Return a lazy result as :func:`to_xarray` does; its history leaves out what only the voxels tell."""
    record = {key: value for key, value in request.record().items() if key != "input"}
    axes = "".join(axis for axis in "TCZYX" if axis in request.dataset.axes)
    observed = np.isin(np.arange(len(request.depths)), record["observed"])
    return _labelled(values, request.grid, observed, record, like, axes)


def _values(run: Callable[[NDArray[Any]], Result], voxels: NDArray[Any]) -> NDArray[Any]:
    return run(voxels).values

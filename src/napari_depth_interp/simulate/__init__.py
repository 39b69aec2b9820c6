"""Simulated tissue with known truth, for tests, the demo and the benchmarks.

A specimen is defined in micrometres in continuous space: the same seed and field of view sampled more
finely show the same specimen. Nothing is read from files; all structures are drawn from formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..stack import Dataset
from ..stack.units import convert, normalise_unit
from .canvas import Canvas
from .epithelium import draw_organoid
from .fibres import draw_dendrites, draw_neuron, draw_vessels
from .nuclei import draw_nuclei
from .optics import FULL_BRIGHTNESS, Optics, expose, record

__all__ = [
    "FULL_BRIGHTNESS",
    "SPECIMENS",
    "Imaging",
    "Optics",
    "Simulated",
    "dendrites",
    "neuron",
    "nuclei",
    "organoid",
    "simulate",
    "vessels",
]


@dataclass(frozen=True, eq=False)
class Simulated:
    """A specimen as recorded, as it would be without noise, and as it is.

    Attributes
    ----------
    observed : Dataset
        What the microscope records: blurred, attenuated, noisy.
    truth : Dataset
        The same image without noise, float32, in the same intensity units.
    labels : (Z, Y, X) uint8
        Classes of the specimen itself, not blurred; 0 is outside. See the function of the specimen.
    """

    observed: Dataset
    truth: Dataset
    labels: NDArray[np.uint8]


class Imaging(TypedDict, total=False):
    """The options that all specimens share; :func:`simulate` explains them and has the defaults."""

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    unit: str
    optics: Optics | None
    seed: int
    dtype: str


def organoid(*, age: float = 1.0, **imaging: Unpack[Imaging]) -> Simulated:
    """Hollow balls of epithelium with packed nuclei, as many as fit into the field of view.

    Labels: 1 epithelium around the nuclei, 2 nuclei, 3 lumen.

    Parameters
    ----------
    age : float
        0 is a small smooth ball, 1 full-grown with buds and folds. With the same seed the same buds
        and folds deepen; the nuclei are packed anew.
    **imaging
        As for :func:`simulate`.
    """
    if not 0 <= age <= 1:
        raise RequestError(f"the age of an organoid goes from 0 to 1, got {age}")
    return _simulate(partial(draw_organoid, age=age), **imaging)


def vessels(**imaging: Unpack[Imaging]) -> Simulated:
    """One connected tree of tortuous blood vessels with Murray's radii. Labels: 1 wall, 2 lumen."""
    return _simulate(draw_vessels, **imaging)


def dendrites(**imaging: Unpack[Imaging]) -> Simulated:
    """Many thin branching fibres with spines, in all directions. Labels: 1 shaft, 2 spine."""
    return _simulate(draw_dendrites, **imaging)


def neuron(**imaging: Unpack[Imaging]) -> Simulated:
    """One nerve cell, very sparse. Labels: 1 cell body, 2 dendrites, 3 axon."""
    return _simulate(draw_neuron, **imaging)


def nuclei(**imaging: Unpack[Imaging]) -> tuple[Simulated, NDArray[np.uint16]]:
    """Return nuclei of a tissue on a dark ground, and labels (Z, Y, X) with an identifier for each of them.

    It is no :data:`SPECIMENS`: these are known by their classes, this one by its objects. Nuclei that touch are one.
    """
    from scipy.ndimage import label

    made = _simulate(draw_nuclei, **imaging)
    return made, np.asarray(label(made.labels > 0)[0], np.uint16)


SPECIMENS: Mapping[str, Callable[..., Simulated]] = MappingProxyType(
    {"organoid": organoid, "vessels": vessels, "dendrites": dendrites, "neuron": neuron}
)
"""Every specimen by its name."""


def simulate(specimen: str, **imaging: Unpack[Imaging]) -> Simulated:
    """Simulate a specimen by name and the image that a confocal microscope takes of it.

    Parameters
    ----------
    specimen : str
        A name out of :data:`SPECIMENS`. ``organoid(age=...)`` has an option of its own.
    shape : (Z, Y, X), default (64, 128, 128)
        Number of sections, rows and columns, each at least 1.
    voxel_size : (z, y, x), default (1.0, 0.5, 0.5)
        Distance of neighbouring voxels. Together with ``shape`` it gives the field of view, which
        decides on the specimen; a voxel's centre lies half a voxel inside its edge.
    unit : str, default "um"
        Unit of ``voxel_size`` and of the result's grid.
    optics : Optics or None, default None
        None: the defaults of :class:`Optics`.
    seed : int, default 0
        0 or more. Specimen and noise use independent random numbers: other optics, same specimen.
    dtype : str, default "uint16"
        Type of the recorded voxels: uint8, uint16 or float32; :data:`FULL_BRIGHTNESS` is its scale.

    Raises
    ------
    RequestError
        If the specimen, unit or dtype is not known or a number is out of range.
    """
    if specimen not in SPECIMENS:
        raise RequestError(f"specimen '{specimen}' is not known; choose one of: {', '.join(SPECIMENS)}")
    return SPECIMENS[specimen](**imaging)


def _simulate(
    draw: Callable[[Canvas, np.random.Generator], None],
    *,
    shape: tuple[int, int, int] = (64, 128, 128),
    voxel_size: tuple[float, float, float] = (1.0, 0.5, 0.5),
    unit: str = "um",
    optics: Optics | None = None,
    seed: int = 0,
    dtype: str = "uint16",
) -> Simulated:
    known_unit = _checked(shape, voxel_size, unit, seed)
    name = _checked_dtype(dtype)
    optics = optics or Optics()
    geometry, noise = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    z, y, x = (convert(float(size), known_unit, "um") for size in voxel_size)
    canvas = Canvas((int(shape[0]), int(shape[1]), int(shape[2])), (z, y, x))
    draw(canvas, geometry)
    image = expose(canvas.brightness, canvas.voxel, optics)
    observed = record(image, optics, noise, name)
    image *= np.float32(FULL_BRIGHTNESS[name])
    place = partial(
        Dataset.from_array,
        z_spacing=float(voxel_size[0]),
        pixel_size=(float(voxel_size[1]), float(voxel_size[2])),
        unit=known_unit,
    )
    return Simulated(place(observed), place(image), canvas.labels)


def _checked(shape: tuple[int, ...], voxel_size: tuple[float, ...], unit: str, seed: int) -> str:
    if len(shape) != 3 or any(n != int(n) or n < 1 for n in shape):
        raise RequestError(f"the shape is three whole numbers (z, y, x), each 1 or more, not {shape}")
    if len(voxel_size) != 3 or not all(math.isfinite(s) and s > 0 for s in voxel_size):
        raise RequestError(f"the voxel size is three positive numbers (z, y, x), not {voxel_size}")
    if seed < 0:
        raise RequestError(f"the seed must be 0 or more, got {seed}")
    known = normalise_unit(unit)
    if known is None:
        raise RequestError(f"the unit '{unit}' is not a length; write um, nm or mm")
    return known


def _checked_dtype(dtype: str) -> str:
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in FULL_BRIGHTNESS:
        raise RequestError(f"voxels of type '{name}' cannot be simulated; choose {', '.join(FULL_BRIGHTNESS)}")
    return name

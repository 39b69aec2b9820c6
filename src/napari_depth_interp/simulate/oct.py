"""A retina as optical coherence tomography (OCT) sees it: layers under speckle, and the mean of many frames.

A B-scan is one section (rows: depth into the eye, columns: along the retina). Like the other specimens it is
defined in micrometres: the same seed shows the same retina, however finely it is sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..stack import Dataset
from .optics import FULL_BRIGHTNESS

Floats = NDArray[np.float64]

LAYERS = (
    ("nerve fibres", 45.0, 0.40, 0.45),
    ("ganglion cells", 40.0, 0.12, 0.3),
    ("inner plexiform", 40.0, 0.20, 0.2),
    ("inner nuclear", 40.0, 0.07, 0.2),
    ("outer plexiform", 25.0, 0.18, 0.2),
    ("outer nuclear", 85.0, 0.04, 0.2),
    ("outer limiting membrane", 5.0, 0.18, 0.0),
    ("inner segments", 25.0, 0.08, 0.1),
    ("ellipsoid zone", 12.0, 0.70, 0.0),
    ("outer segments", 18.0, 0.14, 0.1),
    ("pigment epithelium", 22.0, 1.00, 0.1),
)
"""Name, thickness in um, share of light that comes back, and by which share the thickness varies."""
VITREOUS, CHOROID = 0.0015, 0.22
CHOROID_DECAY = 90.0  # um
TOP = 0.22  # share of the image's depth above the retina
GRAIN = (3.0, 5.0)  # um, standard deviation of the point spread along depth and across
VESSEL = (18.0, 45.0)  # um, radii of blood vessels
VESSELS_PER_MM = 2.2
SHADOW = 0.35  # share of the light that passes a vessel
SCALE = 0.6  # display value of the brightest layer: speckle is up to twice as bright


@dataclass(frozen=True, eq=False)
class Retina:
    """A retina as recorded in one frame, as the mean of many frames, and as the mean of infinitely many.

    Attributes
    ----------
    noisy, averaged : Dataset
        The frames of ``averaged`` do not hold the one of ``noisy``.
    truth : Dataset
        Expected value of a frame, float32, in the same intensity units.
    """

    noisy: Dataset
    averaged: Dataset
    truth: Dataset


def retina(
    *,
    shape: tuple[int, int, int] = (1, 496, 512),
    voxel_size: tuple[float, float, float] = (30.0, 3.9, 8.0),
    frames: int = 50,
    noise: float = 0.001,
    seed: int = 0,
    dtype: str = "float32",
) -> Retina:
    """Simulate B-scans of a retina.

    Speckle is fully developed: scattered light adds up as a complex Gaussian field, whose grain is as large as the
    point spread. The display value is the fourth root of the intensity, as some instruments store it; frames are
    averaged as displayed.

    Parameters
    ----------
    shape : (Z, Y, X)
        B-scans, rows (depth) and columns.
    voxel_size : (z, y, x) in um
    frames : int
        Frames of the averaged image, each with speckle of its own.
    noise : float
        Intensity of the detector's noise, as a share of the brightest layer's.
    seed : int
    dtype : str
        uint8, uint16 or float32.

    Raises
    ------
    RequestError
        If a number or the dtype is out of range.
    """
    if len(shape) != 3 or any(n != int(n) or n < 1 for n in shape) or frames < 1 or seed < 0:
        raise RequestError(f"shape, frames and seed must be whole and positive, got {shape}, {frames}, {seed}")
    if not all(math.isfinite(size) and size > 0 for size in voxel_size) or not (math.isfinite(noise) and noise >= 0):
        raise RequestError(f"voxel size and noise must be positive numbers, got {voxel_size}, {noise}")
    if dtype not in FULL_BRIGHTNESS:
        raise RequestError(f"voxels of type '{dtype}' cannot be simulated; choose {', '.join(FULL_BRIGHTNESS)}")
    anatomy, speckle = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    reflected = _reflected(shape, voxel_size, anatomy)
    noisy = _frame(reflected, voxel_size, noise, speckle)
    averaged = np.zeros(shape)
    for _ in range(frames):
        averaged += _frame(reflected, voxel_size, noise, speckle)

    def placed(image: Floats, dtype: str) -> Dataset:
        y, x = voxel_size[1:]
        return Dataset.from_array(_stored(image, dtype), z_spacing=voxel_size[0], pixel_size=(y, x), unit="um")

    expected = _expected(reflected, voxel_size, noise) * FULL_BRIGHTNESS[dtype]
    return Retina(placed(noisy, dtype), placed(averaged / frames, dtype), placed(expected, "float32"))


def _stored(image: Floats, dtype: str) -> NDArray[np.generic]:
    if dtype == "float32":
        return image.astype(np.float32)
    highest = np.iinfo(dtype).max
    return np.asarray(np.clip(np.rint(image * FULL_BRIGHTNESS[dtype]), 0, highest).astype(dtype))


def _reflected(shape: tuple[int, int, int], voxel: tuple[float, float, float], rng: np.random.Generator) -> Floats:
    """Return the share of light (Z, Y, X) that comes back from each place, 1 from the brightest layer."""
    z: Floats = np.asarray((np.arange(shape[0]) + 0.5) * voxel[0], np.float64)
    depth: Floats = np.asarray((np.arange(shape[1]) + 0.5) * voxel[1], np.float64)[None, :, None]
    x: Floats = np.asarray((np.arange(shape[2]) + 0.5) * voxel[2], np.float64)
    extent = shape[1] * voxel[1]
    surface = extent * TOP + _waves(rng, z, x, 0.06 * extent, 5000.0)
    pit = np.hypot(z[:, None] - z.mean() + rng.normal(0, 100), x[None] - x.mean() * rng.uniform(0.7, 1.3))
    thinned = 1 - rng.uniform(0.2, 0.9) * np.exp(-0.5 * (pit / 250.0) ** 2)  # the fovea has no inner layers
    light = np.full(shape, VITREOUS)
    top = (surface + 150 * (1 - thinned))[:, None]
    for number, (_, thickness, share, varies) in enumerate(LAYERS):
        thick = thickness * np.exp(varies * _waves(rng, z, x, 1.0, 700.0)) * (thinned if number < 5 else 1)
        bottom = top + thick[:, None]
        texture = np.exp(0.25 * _waves(rng, z, x, 1.0, 120.0))[:, None]
        inside = np.clip((depth - top) / voxel[1] + 0.5, 0, 1) * np.clip((bottom - depth) / voxel[1] + 0.5, 0, 1)
        light += inside * share * texture
        top = bottom
    below = np.maximum(depth - top, 0)
    light += np.clip((depth - top) / voxel[1] + 0.5, 0, 1) * CHOROID * np.exp(-below / CHOROID_DECAY)
    return _with_vessels(light, (z, depth, x), surface, rng)


def _with_vessels(
    light: Floats, places: tuple[Floats, Floats, Floats], surface: Floats, rng: np.random.Generator
) -> Floats:
    """Draw blood vessels that run across the B-scans, bright above and with a shadow below."""
    z, depth, x = places
    for _ in range(rng.poisson(VESSELS_PER_MM * (x[-1] - x[0]) / 1000)):
        radius = rng.uniform(*VESSEL)
        path = rng.uniform(x[0], x[-1]) + rng.normal(0, 0.4) * (z - z[0])  # (Z,)
        column = np.clip(np.rint((path - x[0]) / max(x[-1] - x[0], 1e-9) * (len(x) - 1)), 0, len(x) - 1).astype(int)
        middle = surface[np.arange(len(z)), column] + 30 + radius
        across = np.abs(x[None, None] - path[:, None, None])
        down = depth - middle[:, None, None]
        inside = np.clip((radius - np.hypot(across, down)) / 8 + 0.5, 0, 1)
        shadow = np.clip((radius - across) / 10 + 0.5, 0, 1) * np.clip(down / radius, 0, 1)
        light = light * (1 - (1 - SHADOW) * shadow) + 0.25 * inside * np.clip(-down / radius + 0.6, 0.1, 1)
    return light


def _waves(rng: np.random.Generator, z: Floats, x: Floats, height: float, length: float) -> Floats:
    """Return a smooth random surface (Z, X) of standard deviation ``height`` and about the wavelength ``length`` um."""
    found = np.zeros((len(z), len(x)))
    count = 8
    for _ in range(count):
        wavelength, angle, phase = length * math.exp(rng.normal(0, 0.4)), rng.normal(0, 0.6), rng.uniform(0, math.tau)
        along = math.cos(angle) * x[None] + math.sin(angle) * z[:, None]
        found += np.sin(math.tau * along / wavelength + phase)
    return found * height * math.sqrt(2 / count)


def _frame(reflected: Floats, voxel: tuple[float, float, float], noise: float, rng: np.random.Generator) -> Floats:
    """Return one frame (Z, Y, X) as displayed."""
    field = np.sqrt(reflected) * _complex_noise(rng, reflected.shape)
    for axis in (1, 2):
        field = _std(field, GRAIN[axis - 1] / voxel[axis], axis)
    field += math.sqrt(noise) * _complex_noise(rng, reflected.shape)
    return np.asarray(SCALE * np.sqrt(np.abs(field)))


def _complex_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.complex128]:
    return np.asarray(rng.normal(0, math.sqrt(0.5), (*shape, 2)).view(np.complex128)[..., 0])


def _kernel(sigma: float) -> Floats:
    """Return the amplitude of the point spread, whose squares sum to 1: the mean intensity is kept."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = np.exp(-0.25 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    return np.asarray(kernel / math.sqrt(float(np.square(kernel).sum())))


def _std(field: NDArray[np.complex128], sigma: float, axis: int) -> NDArray[np.complex128]:
    from scipy.ndimage import correlate1d

    return np.asarray(correlate1d(field, _kernel(sigma), axis, mode="nearest"))


def _expected(reflected: Floats, voxel: tuple[float, float, float], noise: float) -> Floats:
    """Return the mean of infinitely many frames.

    An intensity is exponentially distributed about its mean I; its fourth root has the mean gamma(5/4) I^(1/4).
    """
    from scipy.ndimage import correlate1d

    intensity = reflected
    for axis in (1, 2):
        intensity = correlate1d(intensity, np.square(_kernel(GRAIN[axis - 1] / voxel[axis])), axis, mode="nearest")
    return np.asarray(SCALE * math.gamma(1.25) * (intensity + noise) ** 0.25)

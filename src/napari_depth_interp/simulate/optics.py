"""What a confocal microscope makes of a specimen: blur, attenuation, background, noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError

FULL_BRIGHTNESS: Mapping[str, float] = MappingProxyType({"uint8": 250.0, "uint16": 4000.0, "float32": 1.0})
"""Intensity of the brightest possible structure, for each type of voxel."""


@dataclass(frozen=True)
class Optics:
    """How the specimen is imaged; lengths in um whatever the unit of the volume.

    Attributes
    ----------
    psf_sigma : (axial, lateral) um
        Standard deviations of the point spread function, taken as a Gaussian; 0 switches the blur off.
    photons : float or None
        Expected photons per voxel at full brightness: fewer photons, more Poisson noise. None: no noise.
    background : float
        Share of the full brightness, from 0 to below 1, that is measured where there is no specimen.
    attenuation : float
        Beer-Lambert decay in 1/um: a structure at depth d is dimmed by exp(-attenuation * d); 0: none.
        The background is not dimmed.

    Raises
    ------
    RequestError
        If a value is negative, not finite, or no such share.
    """

    psf_sigma: tuple[float, float] = (1.0, 0.25)
    photons: float | None = 400.0
    background: float = 0.02
    attenuation: float = 0.004

    def __post_init__(self) -> None:
        if len(self.psf_sigma) != 2 or not all(math.isfinite(s) and s >= 0 for s in self.psf_sigma):
            raise RequestError(f"psf_sigma is (axial, lateral) in um, each 0 or more, not {self.psf_sigma}")
        if self.photons is not None and not (math.isfinite(self.photons) and self.photons > 0):
            raise RequestError(f"photons must be positive, not {self.photons}; write None for no noise")
        if not 0 <= self.background < 1:
            raise RequestError(f"background is a share of the full brightness, 0 to below 1, not {self.background}")
        if not (math.isfinite(self.attenuation) and self.attenuation >= 0):
            raise RequestError(f"attenuation must be 0 or more, in 1/um, not {self.attenuation}")


def expose(brightness: NDArray[np.float32], voxel: tuple[float, float, float], optics: Optics) -> NDArray[np.float32]:
    """Return the image (Z, Y, X) without noise, 1 = full brightness; ``voxel`` (z, y, x) in um.

    The array that is given is used up.
    """
    image = brightness
    axial, lateral = optics.psf_sigma
    for axis, sigma in enumerate((axial, lateral, lateral)):
        image = _blur(image, sigma / voxel[axis], axis)
    depth = (np.arange(len(image)) + 0.5) * voxel[0]
    image *= ((1 - optics.background) * np.exp(-optics.attenuation * depth)).astype(np.float32)[:, None, None]
    image += np.float32(optics.background)
    return image


def _blur(image: NDArray[np.float32], sigma: float, axis: int) -> NDArray[np.float32]:
    """Blur along one axis with a standard deviation in voxels.

    The kernel is the discrete analogue of the Gaussian (Lindeberg, "Scale-space for discrete signals",
    IEEE PAMI 12 (1990) 234): unlike samples of a Gaussian it has the variance asked for, however small.
    """
    from scipy.ndimage import correlate1d
    from scipy.special import ive

    if sigma == 0 or image.shape[axis] == 1:
        return image
    reach = math.ceil(5 * sigma + 2)
    kernel = ive(np.abs(np.arange(-reach, reach + 1)), sigma**2)
    blurred: NDArray[np.float32] = correlate1d(image, kernel / kernel.sum(), axis, mode="reflect")
    return blurred


def record(image: NDArray[np.float32], optics: Optics, rng: np.random.Generator, dtype: str) -> NDArray[np.generic]:
    """Count photons (Poisson) and scale to the voxel type; saturates at the largest integer."""
    full = FULL_BRIGHTNESS[dtype]
    recorded = np.empty(image.shape, dtype)
    for section, clean in zip(recorded, image, strict=True):
        seen = clean if optics.photons is None else rng.poisson(clean * optics.photons) / optics.photons
        seen = seen * full
        section[...] = seen if dtype == "float32" else np.clip(np.rint(seen), 0, np.iinfo(dtype).max)
    return recorded

"""Fourier ring and shell correlation of a restored stack with its truth, read off at 1/7.

Saxton & Baumeister, J. Microscopy 1982 (rings); Harauz & van Heel, Optik 1986 (shells); Nieuwenhuizen et al., Nature
Methods 2013 (the threshold 1/7). In XZ and YZ planes only the part of each ring within 45 degrees of z counts (Koho
et al., Nature Communications 2019): elsewhere sharp sections would hide what is missing between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .volume import VolumePair

THRESHOLD = 1 / 7
_PLANES = 48
"""Planes of each direction that are looked at, evenly spread."""
_CENTRE = 256
"""Voxels along each axis, around the centre, that shells are computed on."""
_SMALLEST = 8
"""Voxels along an axis under which there are too few rings."""

_TINY = 1e-9
"""Share of the strongest ring's power under which a ring holds nothing but rounding."""

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Spatial frequencies (cycles per unit of length, ascending) and correlations (-1 to 1)."""


def frc_xy(pair: VolumePair, foreground: bool) -> float | None:
    """Resolution of the hidden sections, in the unit of the voxel size."""
    return _read_off(ring_curve(pair, 0, foreground))


def frc_xz(pair: VolumePair, foreground: bool) -> float | None:
    """Resolution along z in XZ planes, in the unit of the voxel size."""
    return _read_off(ring_curve(pair, 1, foreground))


def frc_yz(pair: VolumePair, foreground: bool) -> float | None:
    """Resolution along z in YZ planes, in the unit of the voxel size."""
    return _read_off(ring_curve(pair, 2, foreground))


def fsc(pair: VolumePair, foreground: bool) -> float | None:
    """Resolution of the volume around the centre, in the unit of the voxel size."""
    return _read_off(shell_curve(pair, foreground))


def _read_off(curve: Curve | None) -> float | None:
    return None if curve is None else resolution(*curve)


def ring_curve(pair: VolumePair, axis: int, foreground: bool) -> Curve | None:
    """Return the correlation over rings of spatial frequency, of all planes across ``axis`` together.

    Parameters
    ----------
    pair : VolumePair
    axis : int
        0: hidden XY sections, 1: XZ planes, 2: YZ planes.
    foreground : bool
        Only the smallest box that holds the foreground: a mask's own edges would correlate.

    Returns
    -------
    (frequencies, correlations), or None without a voxel size, where planes are too small, or where nothing varies.
    """
    if pair.voxel_size is None:
        return None
    box = pair.box if foreground else (slice(None),) * 3
    sizes = [size for other, size in enumerate(pair.voxel_size) if other != axis]
    return _correlate(_planes(pair, box, axis), sizes, along_z=axis > 0)


def shell_curve(pair: VolumePair, foreground: bool) -> Curve | None:
    """Return the correlation over shells of spatial frequency, of at most 256 voxels around the centre."""
    if pair.voxel_size is None:
        return None
    box = pair.box if foreground else (slice(None),) * 3
    reference, test = pair.reference[box], pair.test[box]
    centre = tuple(_central(size) for size in reference.shape)
    return _correlate(iter([(reference[centre], test[centre])]), pair.voxel_size)


def _central(size: int) -> slice:
    start = max(0, (size - _CENTRE) // 2)
    return slice(start, start + min(size, _CENTRE))


def _planes(pair: VolumePair, box: Sequence[slice], axis: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    numbers = np.arange(pair.reference.shape[axis])[box[axis]]
    if axis == 0:
        numbers = numbers[pair.hidden[numbers]]
    if not len(numbers):
        return
    for number in numbers[np.unique(np.linspace(0, len(numbers) - 1, _PLANES).round().astype(int))]:
        where = (*box[:axis], number, *box[axis + 1 :])
        yield pair.reference[where], pair.test[where]


def _correlate(
    images: Iterator[tuple[NDArray[Any], NDArray[Any]]], sizes: Sequence[float], *, along_z: bool = False
) -> Curve | None:
    """Return the correlation of pairs of images, or volumes, summed over all of them before it is normalised."""
    sums: NDArray[np.float64] | None = None
    for reference, test in images:
        if min(reference.shape) < _SMALLEST or not (np.isfinite(reference).all() and np.isfinite(test).all()):
            return None
        if sums is None:
            shells, count, step = _shells(reference.shape, sizes, along_z)
            if count == 0:  # so narrow a stack, beside its spacing, that not even the first ring fits
                return None
            sums = np.zeros((3, count))
        a, b = _spectrum(reference), _spectrum(test)
        sums += [_sum(shells, count, each) for each in ((a * b.conj()).real, np.abs(a) ** 2, np.abs(b) ** 2)]
    if sums is None or not sums[1].any():  # nothing to correlate with
        return None
    power = np.sqrt(sums[1] * sums[2])
    usable = power > _TINY * power.max(initial=0.0)
    frequencies = np.arange(1, count + 1, dtype=np.float64) * step
    correlations = np.where(usable, sums[0] / np.where(usable, power, 1.0), 0.0)
    return frequencies, correlations.astype(np.float64)


def _spectrum(image: NDArray[Any]) -> NDArray[np.complex64]:
    """Return the Fourier transform of an image less its mean, faded out towards its edges."""
    from scipy.fft import fftn

    values = image.astype(np.float32) - np.float32(image.mean(dtype=np.float64))
    for axis, size in enumerate(image.shape):
        window = np.hanning(size + 2)[1:-1].astype(np.float32)
        values *= window.reshape([-1 if other == axis else 1 for other in range(image.ndim)])
    return np.asarray(fftn(values), np.complex64)


def _shells(shape: Sequence[int], sizes: Sequence[float], along_z: bool) -> tuple[NDArray[np.intp], int, float]:
    """Return the shell (from 0) of every frequency of ``fftn``, how many there are, and their width.

    Shells end where the coarsest axis does: beyond, they would not hold all directions. ``along_z`` keeps
    frequencies within 45 degrees of the first axis.
    """
    axes = [np.fft.fftfreq(n, size) for n, size in zip(shape, sizes, strict=True)]
    squares = [np.square(each) for each in np.meshgrid(*axes, indexing="ij", sparse=True)]
    step = max(1 / (n * size) for n, size in zip(shape, sizes, strict=True))
    finest = 0.5 / sizes[0] if along_z else min(0.5 / size for size in sizes)
    count = int(np.floor(finest / step + 1e-9))
    shells = np.rint(np.sqrt(sum(squares)) / step).astype(np.intp) - 1
    return np.where(squares[0] >= sum(squares[1:]), shells, -1) if along_z else shells, count, step


def _sum(shells: NDArray[np.intp], count: int, values: NDArray[Any]) -> NDArray[np.float64]:
    used = (shells >= 0) & (shells < count)
    return np.bincount(shells[used], values[used], minlength=count).astype(np.float64)


def resolution(frequencies: NDArray[np.float64], correlations: NDArray[np.float64]) -> float:
    """Return 1 / the frequency at which the correlation first falls to 1/7, between two rings by a straight line.

    A curve that stays above gives the finest resolution that the voxels allow; one that starts below, the coarsest.
    """
    below = np.flatnonzero(correlations < THRESHOLD)
    if not len(below):
        return float(1 / frequencies[-1])
    first = int(below[0])
    if first == 0:
        return float(1 / frequencies[0])
    share = (correlations[first - 1] - THRESHOLD) / (correlations[first - 1] - correlations[first])
    crossing = frequencies[first - 1] + share * (frequencies[first] - frequencies[first - 1])
    return float(1 / crossing)

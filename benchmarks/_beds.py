"""Small stacks to look for damage in: crops, axes, scales, depths, noise and types of sound volumes; simulated ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_depth_interp import io
from napari_depth_interp.simulate import SPECIMENS, simulate

Voxels = NDArray[Any]
SECTIONS, SIDE = 40, 80
"""Sections, rows and columns of a bed, at most."""
LEAST = 12
"""Sections, rows and columns of a bed, at least."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A sound stack: sections (Z, Y, X), which volume it is from, and what was made of that."""

    name: str
    voxels: Voxels
    bed: str = "recorded"

    @property
    def span(self) -> tuple[float, float]:
        """The range that PSNR is counted in."""
        low, high = np.percentile(self.voxels, (0.1, 99.9))
        return float(low), float(high)

    @property
    def ceiling(self) -> float:
        """The value at which a detector would saturate."""
        return float(self.voxels.max()) if self.voxels.dtype.kind == "f" else self.span[1]


def centre(voxels: Voxels, sizes: tuple[int, int, int] = (SECTIONS, SIDE, SIDE), at: float = 0.5) -> Voxels:
    """Return a part of a volume; ``at`` is 0 for the first corner, 0.5 for the middle and 1 for the last corner."""
    first = [max(0, int((have - size) * at)) for have, size in zip(voxels.shape, sizes, strict=True)]
    return np.ascontiguousarray(
        voxels[tuple(slice(start, start + size) for start, size in zip(first, sizes, strict=True))]
    )


def halved(voxels: Voxels) -> Voxels:
    """Return means of 2 x 2 pixels."""
    rows, columns = (size // 2 for size in voxels.shape[1:])
    blocks = voxels[:, : 2 * rows, : 2 * columns].reshape(len(voxels), rows, 2, columns, 2)
    return _stored(blocks.astype(np.float64).mean((2, 4)), voxels.dtype)


def noisy(voxels: Voxels) -> Voxels:
    """Return the volume with noise of a fifth of its contrast."""
    height = 0.2 * float(voxels.std())
    return _stored(voxels + np.random.default_rng(7).normal(0, height, voxels.shape), voxels.dtype)


def as_type(voxels: Voxels, dtype: str) -> Voxels:
    """Return the volume over the whole range of a type, 0.1 % of the voxels clipped at each end; floats 0 to 1."""
    low, high = np.percentile(voxels, (0.1, 99.9))
    values = np.clip((voxels.astype(np.float64) - low) / (high - low), 0, 1)
    return values.astype(dtype) if dtype == "float32" else _stored(values * np.iinfo(dtype).max, np.dtype(dtype))


def _stored(values: Voxels, dtype: np.dtype[Any]) -> Voxels:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(np.rint(np.clip(values, limits.min, limits.max)), dtype)


BEDS: dict[str, Callable[[Voxels], Voxels]] = {
    "recorded": centre,
    "corner": lambda voxels: centre(voxels, at=0.15),
    "rows": lambda voxels: centre(voxels.transpose(1, 0, 2)),
    "columns": lambda voxels: centre(voxels.transpose(2, 0, 1)),
    "half": lambda voxels: halved(centre(voxels, (SECTIONS, 2 * SIDE, 2 * SIDE))),
    "sparse": lambda voxels: centre(voxels[::4]),
    "noisy": lambda voxels: noisy(centre(voxels, at=0.4)),
    "8 bit": lambda voxels: as_type(centre(voxels, at=0.6), "uint8"),
    "16 bit": lambda voxels: as_type(centre(voxels, at=0.7), "uint16"),
    "float": lambda voxels: as_type(centre(voxels, at=0.3), "float32"),
}
"""What is made of a volume, by name."""


def beds(folder: Path | None, only: list[str], chosen: list[str]) -> Iterator[Volume]:
    """Yield all beds of the volumes of a folder, and of simulated specimens."""
    for name, read in sources(folder).items():
        if not only or name in only:
            voxels = read()
            for bed in chosen or BEDS:
                made = BEDS[bed](voxels)
                if min(made.shape) >= LEAST and made.std() > 0:
                    yield Volume(name, made, bed)


def sources(folder: Path | None) -> Mapping[str, Callable[[], Voxels]]:
    """Return what reads or makes each volume, by name; simulated ones come last."""
    paths = [] if folder is None else [each for each in sorted(folder.iterdir()) if io.format_of(each) is not None]
    found = {each.name.partition(".")[0]: partial(_read, each) for each in paths}
    return found | {f"simulated {name}": partial(_simulated, name) for name in SPECIMENS}


def _read(path: Path) -> Voxels:
    return np.asarray(io.read(path).voxels[0, 0])


def _simulated(specimen: str) -> Voxels:
    return np.asarray(simulate(specimen, shape=(64, 100, 100), seed=1).observed.voxels[0, 0])

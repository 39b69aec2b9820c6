"""Where the stacks and the volume lie, and what one voxel of a stack is the mean of.

Affines lead from voxel indices (z, y, x) to the world (x to the right, y to the front, z up), in one unit for all.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stack.profile import Profile

Affine = NDArray[np.float64]
Volume = NDArray[np.float32]


@dataclass(frozen=True)
class Lattice:
    """Voxels of the volume.

    Attributes
    ----------
    shape : (z, y, x)
    affine : (4, 4) array
        From voxel indices (z, y, x) to the world.
    """

    shape: tuple[int, int, int]
    affine: Affine

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Voxel sizes along z, y and x."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    @property
    def voxel(self) -> float:
        """The smallest voxel size."""
        return float(self.sizes.min())

    def part(self, corner: tuple[int, int, int], shape: tuple[int, int, int]) -> Lattice:
        """Return the lattice of a block that begins at a corner."""
        moved = np.eye(4)
        moved[:3, 3] = corner
        return Lattice(shape, self.affine @ moved)


@dataclass(frozen=True, eq=False)
class View:
    """One stack: its sections, and how they see the specimen.

    Attributes
    ----------
    voxels : (Z, Y, X) float32 array
    affine : (4, 4) array
        From voxel indices (z, y, x) to the world of the file.
    profile : Profile
    name : str
    motion : (4, 4) array
        From the world of the file to that of the first stack.
    """

    voxels: Volume
    affine: Affine
    profile: Profile
    name: str = ""
    motion: Affine = field(default_factory=lambda: np.eye(4))

    @property
    def to_world(self) -> Affine:
        """From voxel indices to the world of the first stack."""
        return np.asarray(self.motion @ self.affine)

    @property
    def lattice(self) -> Lattice:
        """The stack's own voxels where they lie in the world of the first stack."""
        z, y, x = self.voxels.shape
        return Lattice((z, y, x), self.to_world)

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Distance of the sections, and voxel sizes along y and x, in the world of the file."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0), np.float64)

    @property
    def offsets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Samples of the profile in sections, for voxels as large as the pixels, and their weights."""
        at, weights = self.profile.samples(float(self.sizes[1:].min()))
        return at / self.sizes[0], weights

    def moved(self, motion: Affine) -> View:
        """Return the stack with another motion."""
        return replace(self, motion=np.asarray(motion, np.float64))

    def with_voxels(self, voxels: NDArray[Any]) -> View:
        """Return the stack with other grey values."""
        return replace(self, voxels=np.asarray(voxels, np.float32))


def isotropic(view: View, spacing: float | None = None) -> Lattice:
    """Return a lattice of cubic voxels over the field of view of a stack, the outer edges aligned.

    Parameters
    ----------
    view : View
    spacing : float, optional
        Voxel size; default: the smaller one of the stack's pixels.
    """
    sizes = view.sizes
    voxel = float(sizes[1:].min()) if spacing is None else spacing
    lengths = sizes * view.voxels.shape
    z, y, x = (max(1, round(length / voxel)) for length in lengths)
    steps = np.array([voxel / size for size in sizes])
    inner = np.diag([*steps, 1.0])
    inner[:3, 3] = (np.array(view.voxels.shape) - 1) / 2 - steps * (np.array([z, y, x]) - 1) / 2
    return Lattice((z, y, x), view.to_world @ inner)

"""What a fusion gives, with its history; it can be used as an array, saved and opened again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import InputError
from ..run.result import Result
from .motion import save
from .views import Affine


@dataclass(frozen=True, eq=False, repr=False)
class FusionResult(Result):
    """The fused volume and how it came about. It behaves as an array (z, y, x).

    ``uncertainty`` is the expected absolute error of each voxel in the grey values of the first stack, NaN where no
    stack reaches.

    Attributes
    ----------
    coverage : (1, 1, Z, Y, X) uint8 array or None
        Which stacks reach each voxel: 1 for the first, 2 for the second, 4 for the third ..., added up.
    motions : tuple of (4, 4) arrays
        From the world of the file of each stack to that of the first one; empty for a reopened result.
    """

    coverage: NDArray[np.uint8] | None = None
    motions: tuple[Affine, ...] = ()

    @property
    def stacks(self) -> list[dict[str, Any]]:
        """One entry for each stack: name, how it was moved, how well it fits, how well held-out sections are told."""
        return list(self.record["stacks"])

    @property
    def names(self) -> list[str]:
        """Names of the stacks."""
        return [each["name"] for each in self.stacks]

    def __repr__(self) -> str:
        sizes = " x ".join(map(str, self.shape))
        return f"FusionResult({sizes} {self.dtype}, of {len(self.stacks)} stacks, {self.record['method']})"

    def save_coverage(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write which stacks reach each voxel.

        Raises
        ------
        InputError
            If the result was reopened.
        """
        if self.coverage is None:
            raise InputError("a reopened result knows no longer which stack reaches where; fuse again")
        io.write(path, replace(self.dataset, voxels=self.coverage), overwrite=overwrite)

    def save_transforms(self, folder: str | PathLike[str], *, overwrite: bool = False) -> list[Path]:
        """Write how each stack but the first was brought onto the first one, as files of ITK.

        Raises
        ------
        InputError
            If the result was reopened.
        """
        if not self.motions:
            raise InputError("a reopened result has no transforms; fuse again")
        return save(Path(folder), self.names, self.motions, self.unit, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> FusionResult:
        """Open a saved fusion with its history.

        Raises
        ------
        InputError
            If the file cannot be read, or was not written by :meth:`save`.
        """
        found = Result.load(path)
        if "stacks" not in found.record:
            raise InputError(f"'{path}' is the result of another run and no fused volume; open it with Result")
        return cls(found.dataset, warnings=found.warnings)


def described(stacks: Sequence[dict[str, Any]], unit: str | None) -> list[str]:
    """Return a line for each stack, for people."""
    return [line for stack in stacks for line in _lines(stack, unit or "units")]


def _lines(stack: dict[str, Any], unit: str) -> list[str]:
    move = stack["registration"]
    if move is None:
        words = "the reference"
    else:
        stretch = f", stretched by {move['stretch']:.1%}" if move["stretch"] > 1e-4 else ""
        known = f", known to within {known:.2g} {unit}" if (known := move.get("uncertainty")) else ""
        if known and (angle := move.get("angle_uncertainty")):
            known += f" and {angle:.2g} degrees"
        words = f"moved by {move['shift']:.2f} {unit}, turned by {move['angle']:.2f} degrees{stretch}{known}"
    before, after = stack["correlation_before"], stack["correlation"]
    lines = [f"{stack['name']}: {words}; correlation with the others {before:.3f} before, {after:.3f} after"]
    fit = stack["consistency"]
    within = "within" if fit["ratio"] <= WITHIN else "beyond"
    lines.append(
        f"  seen in the result it differs from its sections by {fit['difference']:.4g}, {fit['ratio']:.2f} times their "
        f"noise of {fit['noise']:.4g} ({within} the noise)"
    )
    if held := stack.get("held_out"):
        lines.append(
            f"  {held['sections']} held-out sections: error {held['rmse']:.4g}, of the average "
            f"{held['average_rmse']:.4g} ({held['gain_db']:+.1f} dB)"
        )
    if whole := stack.get("left_out"):
        lines.append(
            f"  left out as a whole: error {whole['rmse']:.4g}, of the average of the others "
            f"{whole['average_rmse']:.4g} ({whole['gain_db']:+.1f} dB)"
        )
    return lines


WITHIN = 1.25
"""Times the noise up to which a difference is taken to be noise: the noise itself is an estimate."""

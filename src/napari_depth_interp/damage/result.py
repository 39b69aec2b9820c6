"""What a repair gives, with its history; it can be used as an array, saved and opened again."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..run.result import Result
from .examination import Examination


@dataclass(frozen=True, eq=False, repr=False)
class RepairResult(Result):
    """The repaired stack and how it came about. It behaves as an array with the axes of the input.

    Attributes
    ----------
    examination : Examination or None
        Scores of all sections; None for a reopened result.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((9, 32, 32)).cumsum(0)
    >>> stack[4] = 0
    >>> repaired = ndi.repair(stack, method="linear")
    >>> repaired
    RepairResult(9 x 32 x 32 float64, axes ZYX, 1 section repaired, linear)
    >>> [(each["index"], each["kind"], each["action"]) for each in repaired.sections]
    [(4, 'missing', 'interpolate')]
    >>> bool(np.allclose(repaired[4], (stack[3] + stack[5]) / 2))
    True
    """

    examination: Examination | None = None

    @property
    def sections(self) -> list[dict[str, Any]]:
        """One entry for each section that was found or named: index, kind, score, action and more."""
        return list(self.record["sections"])

    @property
    def repaired(self) -> NDArray[np.bool_]:
        """(Z,) True where a section was changed."""
        flags = np.zeros(self.dataset.voxels.shape[2], bool)
        flags[list(self.record["repaired"])] = True
        return flags

    def __repr__(self) -> str:
        sizes, count = " x ".join(map(str, self.shape)), int(self.repaired.sum())
        words = f"{count} section{'' if count == 1 else 's'} repaired"
        return f"RepairResult({sizes} {self.dtype}, axes {self.axes}, {words}, {self.record['method']})"

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RepairResult:
        """Open a saved repair with its history.

        Raises
        ------
        InputError
            If the file cannot be read, or was not written by :meth:`save`.
        """
        found = Result.load(path)
        if "repaired" not in found.record:
            raise InputError(f"'{path}' is the result of another run and no repaired stack; open it with Result")
        return cls(found.dataset, warnings=found.warnings)

"""What filling in labels gives, with its history; it can be used as an array, saved and opened again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from .. import io
from ..errors import InputError
from ..run.result import Result


@dataclass(frozen=True, eq=False, repr=False)
class LabelResult(Result):
    """The labels on the target grid and how they came about. It behaves as an array with the axes of the input.

    Attributes
    ----------
    confidence : (T, C, Z, Y, X) float32 array or None
        How likely the label of each voxel (or its being background) is right, 0 to 1: 1 on annotated sections, 0 where
        nothing is known. None for a reopened result.
    image : Result or None
        The image made dense to guide the labels, on the same grid; None: it was dense, or there was none.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_depth_interp as ndi
    >>> labels = np.zeros((9, 32, 32), "uint8")
    >>> labels[0, 8:24, 8:24], labels[8, 12:20, 12:20] = 3, 3
    >>> filled = ndi.interpolate_labels(labels, method="shape", z_spacing="1um")
    >>> filled
    LabelResult(9 x 32 x 32 uint8, axes ZYX, 2 sections annotated, 7 filled in, shape)
    >>> filled.annotated.nonzero()[0].tolist(), np.unique(filled).tolist()
    ([0, 8], [0, 3])
    """

    confidence: NDArray[np.float32] | None = None
    image: Result | None = None

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """(Z,) True where a section is an annotated one, unchanged."""
        return self._flags("annotated")

    @property
    def interpolated(self) -> NDArray[np.bool_]:
        """(Z,) True where a section was filled in."""
        return self._flags("interpolated")

    @property
    def expected_dice(self) -> float | None:
        """Mean Dice on annotated sections that the method left out to see how good it is; None: it did not try."""
        found: Sequence[float] = [
            each["expected_dice"] for each in self.record.get("findings", ()) if each.get("expected_dice") is not None
        ]
        return float(np.mean(found)) if found else None

    def __repr__(self) -> str:
        sizes = " x ".join(map(str, self.shape))
        return (
            f"LabelResult({sizes} {self.dtype}, axes {self.axes}, {self.annotated.sum()} sections annotated, "
            f"{self.interpolated.sum()} filled in, {self.record['method']})"
        )

    def save_confidence(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the confidence as float32 on the same grid.

        Raises
        ------
        InputError
            If it is not there, as in a reopened result.
        """
        if self.confidence is None:
            raise InputError("this result was opened from a file and holds no confidence; fill the labels in again")
        dataset = replace(self.dataset, voxels=self.confidence, holds_labels=False)
        io.write(path, dataset, overwrite=overwrite, float_output=True)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> LabelResult:
        """Open saved labels with their history.

        Raises
        ------
        InputError
            If the file cannot be read, or was not written by :meth:`save`.
        """
        found = Result.load(path)
        if "annotated" not in found.record:
            raise InputError(f"'{path}' is an interpolated image and holds no filled-in labels; open it with Result")
        return cls(found.dataset, warnings=found.warnings)

    def _flags(self, name: str) -> NDArray[np.bool_]:
        flags = np.zeros(self.dataset.voxels.shape[2], bool)
        flags[list(self.record[name])] = True
        return flags

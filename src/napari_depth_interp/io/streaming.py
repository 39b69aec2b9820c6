"""What takes a result block by block, so that it never is in memory as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, silent


class Sink(Protocol):
    """A file that is being written."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels in the file."""

    @property
    def chunk_grid(self) -> tuple[int, int, int] | None:
        """Sections, rows and columns of which blocks should be multiples; None: whole rows are best.

        Blocks of whole multiples may come from several threads at once.
        """

    def write(self, time: int, channel: int, sections: slice, rows: slice, columns: slice, block: NDArray[Any]) -> None:
        """Write a (z, y, x) block in its place."""

    def finish(self, record: Mapping[str, Any], report: Report = silent) -> None:
        """Write the history of the run and what else has to wait for the last voxel."""

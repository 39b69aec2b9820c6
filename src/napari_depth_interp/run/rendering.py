"""Any part of a result by itself: what a worker makes of a request and of what was prepared for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, silent
from ..system.devices import limited_threads
from .jobs import blas_threads
from .making import Run, make_tiles
from .memory import Memory, check_memory, memory_of
from .outputs import Outputs, Place
from .prepared import Prepared
from .preparing import Learned, recall
from .request import Request
from .sharing import Group, groups_of
from .tiling import Region


@dataclass(frozen=True, eq=False)
class Made:
    """A part of a result.

    Attributes
    ----------
    voxels : (C, Z, Y, X) array
        Of the channels that were made together, in the type of the result.
    uncertainty : (C, Z, Y, X) float32 array or None
        If the method gives any.
    """

    voxels: NDArray[Any]
    uncertainty: NDArray[np.float32] | None = None


class Renderer:
    """Makes parts of the result of a request, one after the other.

    Parameters
    ----------
    request : Request
        Without ``align`` and ``enhance``, which look at all sections.
    prepared : Prepared

    Raises
    ------
    RequestError
        If it was prepared for other data, another method or other parameters.
    """

    def __init__(self, request: Request, prepared: Prepared) -> None:
        prepared.check_fits(request)
        self._request, self._prepared = request, prepared
        self._groups = groups_of(request)
        self._known: dict[tuple[int, tuple[int, ...]], Learned] = {}

    @property
    def groups(self) -> list[Group]:
        """The channels that are made together."""
        return self._groups

    def make(self, time: int, group: Group, region: Region, report: Report = silent) -> Made:
        """Return a part of the result: some of its sections, and of the rows and columns of the input.

        It equals what a run of the whole makes there, whatever the size of the part.
        """
        request = group.request
        size = [each.stop - each.start for each in region]
        factor = request.spec.enlarges
        shape = (len(group.channels), size[0], size[1] * factor, size[2] * factor)
        memory = memory_of(
            request, int(np.prod(shape)) * (request.output_dtype.itemsize + 4 * request.gives_uncertainty)
        )
        made = Made(
            np.zeros(shape, request.output_dtype),
            np.zeros(shape, np.float32) if request.gives_uncertainty else None,
        )
        uncertainty = None if made.uncertainty is None else PartOutput(made.uncertainty, group, region, factor)
        outputs = Outputs(PartOutput(made.voxels, group, region, factor), uncertainty)
        runs = [Run.of(request, outputs, time, channel) for channel in group.channels]
        with limited_threads(blas_threads(self._request)):
            memory = memory_of(
                request, sum(each.nbytes for each in (made.voxels, made.uncertainty) if each is not None)
            )
            check_memory(request, memory, within=region)
            make_tiles(runs, self._learned(time, group, runs, memory), memory, report, region)
        return made

    def _learned(self, time: int, group: Group, runs: list[Run], memory: Memory) -> Learned:
        key = time, group.channels
        if key not in self._known:
            state = self._prepared.state(time, group.channels)
            self._known = {key: recall(group.request, [each.seen for each in runs], state, memory)}
        return self._known[key]


class PartOutput:
    """Takes the blocks of a part of the result."""

    chunk_grid: tuple[int, int, int] | None = None

    def __init__(self, voxels: NDArray[Any], group: Group, region: Region, factor: int) -> None:
        self._voxels, self._channels = voxels, group.channels
        self._corner = region[0].start, region[1].start * factor, region[2].start * factor

    def block(self, place: Place) -> NDArray[Any]:
        """Return the place in the array itself."""
        wanted = (place.sections, place.rows, place.columns)
        z, y, x = (slice(a.start - start, a.stop - start) for a, start in zip(wanted, self._corner, strict=True))
        view: NDArray[Any] = self._voxels[self._channels.index(place.channel), z, y, x]
        return view

    def store(self, place: Place, block: NDArray[Any]) -> None:
        """Do nothing: the voxels are there already."""

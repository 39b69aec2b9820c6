"""Asking the candidates for sections, of which the mixture is made: all at once, or some sections at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...method import Method, MethodConfig, MethodSpec, Sections, working_dtype
from ...method.trimming import Place, cropped_around, grown, inside, kept_sections
from ...progress import Progress, Report, part, silent
from ...stack import Acquisition, Stack
from ...system.memory import give_back

Values = NDArray[Any]
Mix = Callable[[Stack, Values, list[Values], Sequence[float]], Sections]
"""Mixes what linear interpolation and each candidate make of a stack at some depths."""

AT_A_TIME = 24
"""Sections that candidates that look at few others make at a time, unless a gap, or a gap for each thread, has more."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A method that takes part in a mixture, prepared, with its spec and its parameters."""

    method: Method
    spec: MethodSpec
    config: MethodConfig

    @property
    def is_deep(self) -> bool:
        """Whether it is asked for all sections at once: asked often, networks would see their margins again and again.

        The others are cheap, and see a section or two beyond a gap: asked now and then they need no memory.
        """
        return sees_far(self.spec, self.config)

    def made(
        self, guide: Stack, channels: Sequence[Stack], z: Sequence[float], place: Place, report: Report
    ) -> list[Values]:
        """Return some rows and columns of each channel's sections; it sees only the margin that it needs itself."""
        shape, reach = guide.voxels.shape[1:], self.spec.z_reach(self.config, guide.acquisition)
        needed = grown(place, self.spec.halo(self.config), shape)
        few = [cropped_around(each.crop(slice(None), *needed), z, reach) for each in (guide, *channels)]
        found = kept_sections(self.method, few[0], few[1:], z, inside(place, needed), report=report)
        return [each.values for each in found]


def rendered(
    linear: Candidate,
    candidates: Sequence[Candidate],
    guide: Stack,
    channels: Sequence[Stack],
    z: Sequence[float],
    place: Place,
    mix: Mix,
    threads: int,
    report: Report,
) -> list[Sections]:
    """Return the mixture of each channel.

    Two floats for each voxel of it are in memory, one more for each candidate beyond the first that is asked for all
    sections at once, and some sections of the others.

    Parameters
    ----------
    place : (slice, slice)
        Rows and columns that are made.
    mix : callable
        Gets a channel's voxels at that place.
    threads : int
        So many gaps are made at a time at least, as threads divide them among themselves.
    """
    deep: dict[int, list[Values]] = {}
    for number, each in enumerate(candidates):
        if each.is_deep:
            inner = part(report, len(deep) / len(candidates), (len(deep) + 1) / len(candidates))
            deep[number] = [np.array(made) for made in each.made(guide, channels, z, place, inner)]
            give_back()
    seen = [each.crop(slice(None), *place) for each in channels]
    mixed = [_empty_or(next(iter(deep.values()), None), number, each, len(z)) for number, each in enumerate(seen)]
    done, begun = 0, len(deep) / max(1, len(candidates))
    for some in some_at_a_time(guide.depths, np.asarray(z, float), threads):
        at = [float(z[k]) for k in some]
        plain = linear.made(guide, channels, at, place, silent)
        others = [
            [made[some] for made in deep[number]] if number in deep else each.made(guide, channels, at, place, silent)
            for number, each in enumerate(candidates)
        ]
        for number, (whole, stack) in enumerate(zip(mixed, seen, strict=True)):
            found = mix(stack, plain[number], [each[number] for each in others], at)
            whole.values[some] = found.values
            if whole.uncertainty is not None and found.uncertainty is not None:
                whole.uncertainty[some] = found.uncertainty
        done += len(some)
        report(Progress(begun + (1 - begun) * done / len(z)))
    return mixed


def _empty_or(made: list[Values] | None, number: int, stack: Stack, count: int) -> Sections:
    """Return where a mixture goes: where one of its parts is, which is not needed any more when it is written."""
    shape, dtype = (count, *stack.voxels.shape[1:]), working_dtype(stack.voxels.dtype)
    fits = made is not None and made[number].dtype == dtype
    values = made[number] if made is not None and fits else np.empty(shape, dtype)
    return Sections(values, np.empty(shape, np.float32))


def sees_far(spec: MethodSpec, config: MethodConfig) -> bool:
    """Return whether a candidate trains, or has a model, or sees all sections."""
    return spec.training is not None or spec.z_reach(config, Acquisition()) is None


def some_at_a_time(depths: NDArray[np.float64], z: NDArray[np.float64], gaps: int = 1) -> Iterator[NDArray[np.intp]]:
    """Yield which sections are made together: all of a gap, of so many gaps, and of more up to :data:`AT_A_TIME`.

    Parameters
    ----------
    depths : (N,) array
        Of the observed sections.
    z : (K,) array
        Depths of the new ones, in any order.
    gaps : int

    Yields
    ------
    (k,) array
        Indices of ``z``.
    """
    gap_of = np.searchsorted(depths, z, side="right")
    order = np.argsort(gap_of, kind="stable")
    some: list[NDArray[np.intp]] = []
    for each in np.split(order, np.flatnonzero(np.diff(gap_of[order])) + 1):
        if len(some) >= gaps and sum(map(len, some)) + len(each) > AT_A_TIME:
            yield np.concatenate(some)
            some = []
        some.append(each)
    if some and len(order):
        yield np.concatenate(some)

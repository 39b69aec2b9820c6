"""A method at work: what it is made with, what it is asked, what it gives and what it can say of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..progress import Report, part
from ..stack import Stack


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how a method computes: ``cpu``, ``cuda:0`` or ``mps``; CPU threads; random seed."""

    device: str = "cpu"
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Sections:
    """What a method gives.

    Attributes
    ----------
    values : (len(z), Y, X) float array, in the units of the input; more rows and columns if the method enlarges.
    uncertainty : (len(z), Y, X) float array or None
        Expected absolute error of each voxel, in the units of the input; NaN where it is not known.
    """

    values: NDArray[Any]
    uncertainty: NDArray[Any] | None = None


@dataclass(frozen=True)
class Findings:
    """What a method found out about a stack on the stack itself, for people.

    Attributes
    ----------
    expected_gain_db, gain_std_db : float or None
        By how much the PSNR of new sections is expected to be above linear interpolation's, and the standard
        deviation of that estimate, in dB.
    shares : mapping of method name -> share
        What each method contributed to the result; they sum to 1.
    seconds : mapping of method name -> seconds
        How long each method took to prepare.
    warnings : tuple of str
        What the user should know, in plain words.
    chosen : mapping of words -> number
        What a method settled on where a parameter was left to it, in the units of that parameter.
    """

    expected_gain_db: float | None = None
    gain_std_db: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    chosen: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Explains(Protocol):
    """A method that can say, once prepared, what it found out."""

    def findings(self) -> Findings: ...


@runtime_checkable
class StretchesZ(Protocol):
    """A method that takes structure along z for finer or coarser than that in XY."""

    def in_plane(self) -> Method:
        """Return the method as it would treat rows of XY images."""


@runtime_checkable
class Drafts(Protocol):
    """A method that can be tried in less time than it takes to run."""

    def draft(self) -> Method:
        """Return the method as it would work if it were in a hurry: nearly as good."""


@runtime_checkable
class Refits(Protocol):
    """A method that, prepared on one time point, learns the next one of the same channel faster."""

    def refit(self, stack: Stack, *, report: Report) -> None:
        """Fit on another stack, beginning from what is known."""


@runtime_checkable
class Guided(Protocol):
    """A method that looks at the image it was prepared on, the guide, when it makes sections of other channels."""

    def sections_of(
        self, guide: Stack, channels: Sequence[Stack], z: Sequence[float], *, report: Report
    ) -> list[Sections]:
        """Return each channel's sections at ``z``; ``guide`` may be a part, the same as ``channels`` are of theirs."""


class Method(Protocol):
    """A method at work on one stack (one channel at one time point)."""

    def prepare(self, stack: Stack, *, report: Report) -> None:
        """Fit on the whole stack, or load weights. Called once, before any ``sections_at``."""

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report) -> Sections:
        """Return the sections at depths ``z`` (unit of the grid).

        ``stack`` is the prepared one, or some of its sections (a method is checked on sections that are left
        out) or, where the spec allows tiles, some of its rows.
        Depths beyond the first and the last section hold the end. The voxels of ``stack`` must not be changed.
        A method that enlarges gives sections of ``enlarges`` times as many rows and columns.
        """


def sections_of(
    method: Method, guide: Stack, channels: Sequence[Stack], z: Sequence[float], *, report: Report
) -> list[Sections]:
    """Return sections of several channels by a method that was prepared on ``guide``; see :class:`Guided`."""
    if isinstance(method, Guided):
        return method.sections_of(guide, channels, z, report=report)
    parts = [part(report, number / len(channels), (number + 1) / len(channels)) for number in range(len(channels))]
    return [method.sections_at(each, z, report=inner) for each, inner in zip(channels, parts, strict=True)]


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    """Return the float type that holds every value of ``dtype`` exactly enough to compute with."""
    exact_in_float32 = dtype.itemsize <= 2 or dtype == np.float32
    return np.float32 if exact_in_float32 else np.float64

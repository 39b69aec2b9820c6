"""The contract between a method and everything else.

A method is one :class:`MethodSpec` in :mod:`napari_depth_interp.methods.registry`. The spec says
what the method needs and can; its config is the only place where its parameters live; the
object made by ``create`` fits on a stack and gives sections at any depths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .progress import Report
from .stack import Stack

Preset = Literal["fast", "balanced", "best"]


class MethodConfig(BaseModel):
    """Base of every method's parameters.

    Each field needs a title, a description (its unit and effect) and bounds: form, command
    line and saved runs are made from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    expected_gain_db, gain_spread_db : float or None
        By how much the PSNR of new sections is expected to be above linear interpolation's, and the standard
        deviation of that estimate, in dB.
    shares : mapping of method name -> share
        What each method contributed to the result; they sum to 1.
    seconds : mapping of method name -> seconds
        How long each method took to prepare.
    warnings : tuple of str
        What the user should know, in plain words.
    """

    expected_gain_db: float | None = None
    gain_spread_db: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Dense stacks to learn from.

    Attributes
    ----------
    stacks : sequence of Stack
    files : sequence of Path
        What each was read from.
    inputs : sequence of Stack or None
        The sparse or coarse stack that was recorded of the same scene; None where it is to be made from the dense
        one. Empty: of none.
    classes : sequence of str
        The kind of each specimen. Empty: all alike.
    """

    stacks: Sequence[Stack]
    files: Sequence[Path]
    inputs: Sequence[Stack | None] = ()
    classes: Sequence[str] = ()


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
class Refits(Protocol):
    """A method that, prepared on one time point, learns the next one of the same channel faster."""

    def refit(self, stack: Stack, *, report: Report) -> None:
        """Fit on another stack, beginning from what is known."""


@runtime_checkable
class FusesCoarse(Protocol):
    """A method that can also learn from sections of larger pixels, at depths that were not observed."""

    def prepare_fused(self, stack: Stack, coarse: Stack, coarser: float, *, report: Report) -> None:
        """Fit on the stack and on ``coarse``, one pixel of which is ``coarser`` pixels of the stack wide and high."""


@runtime_checkable
class Trainable(Protocol):
    """A method that can learn from dense stacks and keep what it learned in a folder."""

    def train(self, data: TrainingData, folder: Path, *, resume: bool, report: Report) -> None:
        """Train, and write a model folder that the method's parameter ``model`` takes."""


@runtime_checkable
class Announces(Protocol):
    """A method that has something to say before it is trained: what it will download, for example."""

    def announcements(self) -> Sequence[str]: ...


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


@dataclass(frozen=True)
class MethodSpec:
    """What a method is called, needs and can.

    Attributes
    ----------
    name, title : str
        The word on the command line; the words in a list.
    summary : str
        One line: what it does and when to use it.
    config : type of MethodConfig
    create : callable (config, runtime) -> Method
        Imports what is heavy itself, so that listing methods stays fast.
    presets : mapping of preset -> config values
    acquisitions : set of {"slice", "projection"}
    keeps_observed : bool
        The observed sections stand unchanged in the result.
    tile_halo : int or None
        Rows that a tile needs on each side so that tiled equals untiled; None: not tileable.
    z_reach : int or None
        Observed sections on each side of a gap that a tile needs; None: all of them.
    parallel_tiles : bool
        ``sections_at`` may run in several threads at once after ``prepare``.
    sampled : bool
        The result is a random sample that depends on the seed.
    gives_uncertainty : bool
    trains_on_stack : bool
        ``prepare`` trains on the stack itself and takes most of the time; the result depends a little on the
        number of threads and on the device.
    needs_training : bool
        Works only with a model trained on other data, which its parameter ``model`` names.
    enlarges : int
        How many times more voxels the result has along each axis, voxel edges aligned, so that averaging blocks of
        the result gives the grid of the input; 1: pixels stay as they are.
    devices : tuple of {"cpu", "cuda", "mps"}
    cost : str
        Rough time, in words.
    """

    name: str
    title: str
    summary: str
    config: type[MethodConfig]
    create: Callable[[Any, Runtime], Method]
    cost: str
    presets: Mapping[Preset, Mapping[str, Any]] = field(default_factory=dict)
    acquisitions: frozenset[str] = frozenset({"slice", "projection"})
    keeps_observed: bool = True
    tile_halo: int | None = None
    z_reach: int | None = None
    parallel_tiles: bool = False
    sampled: bool = False
    gives_uncertainty: bool = False
    trains_on_stack: bool = False
    needs_training: bool = False
    enlarges: int = 1
    devices: tuple[str, ...] = ("cpu",)


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    """Return the float type that holds every value of ``dtype`` exactly enough to compute with."""
    exact_in_float32 = dtype.itemsize <= 2 or dtype == np.float32
    return np.float32 if exact_in_float32 else np.float64

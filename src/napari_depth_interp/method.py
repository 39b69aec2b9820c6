"""The contract between a method and everything else.

A method is one :class:`MethodSpec` in :mod:`napari_depth_interp.methods.registry`. The spec says
what the method needs and can; its config is the only place where its parameters live; the
object made by ``create`` fits on a stack and gives sections at any depths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

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
    values : (len(z), Y, X) float array, in the units of the input.
    uncertainty : (len(z), Y, X) float array or None
        Expected absolute error of each voxel, in the units of the input.
    """

    values: NDArray[Any]
    uncertainty: NDArray[Any] | None = None


class Method(Protocol):
    """A method at work on one stack (one channel at one time point)."""

    def prepare(self, stack: Stack, *, report: Report) -> None:
        """Fit on the whole stack, or load weights. Called once, before any ``sections_at``."""

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report) -> Sections:
        """Return the sections at depths ``z`` (unit of the grid).

        ``stack`` is the prepared one or, where the spec allows tiles, some of its sections and rows.
        Depths beyond the first and the last section hold the end. The voxels of ``stack`` must not be changed.
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
    needs_training : bool
        Works only with a model trained on other data.
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
    needs_training: bool = False
    devices: tuple[str, ...] = ("cpu",)


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    """Return the float type that holds every value of ``dtype`` exactly enough to compute with."""
    exact_in_float32 = dtype.itemsize <= 2 or dtype == np.float32
    return np.float32 if exact_in_float32 else np.float64

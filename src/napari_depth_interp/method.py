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
from .stack.scaling import Scaling

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
    expected_gain_db, gain_std_db : float or None
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
    gain_std_db: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Stacks to learn from, and where each comes from.

    Attributes
    ----------
    stacks : sequence of Stack
        Dense ones, or noisy ones for a method that enhances.
    files : sequence of Path
        The file of each stack; for a stack that is no file's, such as an open layer, its name.
    signatures : sequence of str
        What tells other data from these, one per stack and then one per target; not given: the SHA-256 of the files.
    targets, target_files : sequence
        The clean counterpart of each stack, if there are any; for a method that enhances.
    inputs : sequence of Stack or None
        The sparse or coarse stack that was recorded of the same scene; None where it is to be made from the dense
        one. Empty: of none.
    classes : sequence of str
        The kind of each specimen. Empty: all alike.
    """

    stacks: Sequence[Stack]
    files: Sequence[Path]
    signatures: Sequence[str] = ()
    targets: Sequence[Stack] = ()
    target_files: Sequence[Path] = ()
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
class HasField(Protocol):
    """A method that holds its stack as a torch module, which another method may train further."""

    def field(self) -> tuple[Any, Scaling]:
        """Return the module, from depths (K,) to sections (K, Y, X) at about 0 to 1, and what 0 and 1 stand for."""


@runtime_checkable
class Trainable(Protocol):
    """A method that can learn from dense stacks and keep what it learned in a folder."""

    def train(self, data: TrainingData, folder: Path, *, resume: bool, report: Report) -> None:
        """Train, and write a model folder that the method's parameter ``model`` takes."""


@dataclass(frozen=True, eq=False)
class OnePass:
    """A trained network as one function from images to an image, for programs that know nothing of this package.

    Attributes
    ----------
    module : torch.nn.Module
        Takes the inputs in their order and gives the output, all (1, 1, Y, X).
    inputs : mapping of name -> (description, example (1, 1, Y, X) float32 array)
    output : (name, description)
    about : str
        What it computes, and what of the method it leaves out.
    """

    module: Any
    inputs: Mapping[str, tuple[str, NDArray[np.float32]]]
    output: tuple[str, str]
    about: str


@runtime_checkable
class Portable(Protocol):
    """A method whose trained network can be used by other programs as it is."""

    def one_pass(self, model: Path) -> OnePass:
        """Return the network of a model as one function."""


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
class Effort:
    """What ``prepare`` of a method that trains costs, as far as its parameters say.

    Attributes
    ----------
    steps : callable (config) -> int
        How many training steps it makes.
    limited : callable (config, steps) -> config
        The same parameters with another number of steps, for a short measurement.
    looked_at : int or None
        Voxels of the stack on which it tries itself at most; None: all of them.
    floats : float
        Floats per voxel of the stack that it holds at once.
    megabytes : float
        What it holds whatever the size of the stack: libraries, network, patches.
    """

    steps: Callable[[Any], int]
    limited: Callable[[Any, int], Any]
    looked_at: int | None = None
    floats: float = 3.0
    megabytes: float = 500.0


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
    enhances : bool
        The method makes no new sections but better ones, on the same grid; ``sections_at`` is asked for the depths
        of observed sections. It is used alone, or before another method.
    tile_halo : int, None or function of the config
        Pixels that a tile needs on each side, along y and x, so that tiled equals untiled (for a method that looks
        at everything: hardly differs from it); None: not tileable.
    z_reach : int or None
        Observed sections on each side of a gap that a tile needs; None: all of them.
    prepares_lazily : bool
        ``prepare`` takes a stack whose voxels are still in their file
        (:class:`~napari_depth_interp.stack.lazy.LazyVoxels`);
        otherwise the whole stack is read first. ``sections_at`` gets arrays always.
    effort : Effort or None
        What running time and memory depend on, for methods whose ``prepare`` does more than look at the stack.
    working_floats : float
        Floats per voxel of a tile, input and output together, that ``sections_at`` holds beside them.
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
    trainable : bool
        The method is :class:`Trainable`: it can learn from other data and keep a model.
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
    enhances: bool = False
    tile_halo: int | Callable[[Any], int | None] | None = None
    prepares_lazily: bool = False
    effort: Effort | None = None
    working_floats: float = 1.0
    z_reach: int | None = None
    parallel_tiles: bool = False
    sampled: bool = False
    gives_uncertainty: bool = False
    trains_on_stack: bool = False
    needs_training: bool = False
    trainable: bool = False
    enlarges: int = 1
    devices: tuple[str, ...] = ("cpu",)

    def halo(self, config: MethodConfig) -> int | None:
        """Return the pixels that a tile needs on each side with these parameters; None: whole sections."""
        return self.tile_halo(config) if callable(self.tile_halo) else self.tile_halo


def model_fields(spec: MethodSpec) -> dict[str, str]:
    """Return the parameters of a method that take a model, and the method that the model has to belong to.

    It is the parameter ``model``, and those that say so by ``json_schema_extra={"model_of": METHOD}``.
    """
    found = {}
    for name, each in spec.config.model_fields.items():
        extra = each.json_schema_extra if isinstance(each.json_schema_extra, dict) else {}
        if "model_of" in extra or name == "model":
            found[name] = str(extra.get("model_of", spec.name))
    return found


def working_dtype(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    """Return the float type that holds every value of ``dtype`` exactly enough to compute with."""
    exact_in_float32 = dtype.itemsize <= 2 or dtype == np.float32
    return np.float32 if exact_in_float32 else np.float64

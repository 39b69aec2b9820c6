"""What a method is called, needs and can, and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr

from ..stack import Acquisition
from .work import Method, Runtime

Preset = Literal["fast", "balanced", "best", "sharp", "published"]


class MethodConfig(BaseModel):
    """Base of every method's parameters.

    Each field needs a title, a description (its unit and effect) and bounds: form, command
    line and saved runs are made from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Interpolates:
    """A method that makes sections at any depths; observed sections stand unchanged in the result."""


@dataclass(frozen=True)
class Enhances:
    """A method that makes no new sections but better ones, on the same grid.

    ``sections_at`` is asked for the depths of observed sections. It is used alone, or before another method.
    """


@dataclass(frozen=True)
class Enlarges:
    """A method that makes all three axes finer.

    Attributes
    ----------
    factor : int
        How many times more voxels the result has along each axis, voxel edges aligned, so that averaging blocks of
        the result gives the grid of the input.
    """

    factor: int


Kind = Interpolates | Enhances | Enlarges
"""What a method makes."""


@dataclass(frozen=True)
class Tiling:
    """What a method needs of a stack to make a part of the result; as it stands here: whole images, all sections.

    Attributes
    ----------
    halo : int, None or function of the config
        Pixels that a tile needs on each side, along y and x, so that tiled equals untiled (for a method that looks
        at everything: hardly differs from it); None: whole images.
    z_reach : int, None or function of the config and the acquisition
        Observed sections beyond the two at a gap, on each side, that a tile needs; None: all sections.
    parallel : bool
        ``sections_at`` may run in several threads at once after ``prepare``.
    lazy : bool or function of the config
        ``prepare`` takes a stack whose voxels are still in their file
        (:class:`~napari_depth_interp.stack.lazy.LazyVoxels`), and is given blocks of a large one
        (:class:`~napari_depth_interp.method.preparation.LearnsFromBlocks`); otherwise the whole stack is read first.
        ``sections_at`` gets arrays always.
    floats : float or function of the config
        Floats that are held at once for each voxel that ``sections_at`` sees or makes.
    images : function of the config and the number of threads, or None
        Floats that are held at once for each pixel of a section beside these, however many sections there are.
    """

    halo: int | Callable[[Any], int | None] | None = None
    z_reach: int | Callable[[Any, Acquisition], int | None] | None = None
    parallel: bool = False
    lazy: bool | Callable[[Any], bool] = False
    floats: float | Callable[[Any], float] = 2.0
    images: Callable[[Any, int], float] | None = None


@dataclass(frozen=True)
class TrainingCost:
    """What training in ``prepare`` costs, as far as the parameters say; estimates of time and memory are made of it.

    Attributes
    ----------
    steps : callable (config) -> int
        How many training steps ``prepare`` makes; of several networks, those of the one with most. 0 where the
        parameters name a model, or ask for no training.
    limited : callable (config, steps) -> config
        The same parameters with no more than so many steps (10 at least), for a short measurement; of several
        networks each with its share.
    looked_at : int or None
        Voxels of the stack on which the method tries itself at most; None: all of them.
    every_voxel : bool
        A step looks at the whole stack, so that it takes longer on a larger one; otherwise at patches of one size.
    floats : float
        Floats per voxel of the stack that it holds at once.
    megabytes : float
        What it holds whatever the size of the stack: libraries, network, patches.
    """

    steps: Callable[[Any], int]
    limited: Callable[[Any, int], Any]
    looked_at: int | None = None
    every_voxel: bool = False
    floats: float = 3.0
    megabytes: float = 500.0


FEWEST_STEPS = 10
"""Training steps of the shortest training that is measured."""


def limit_training_steps(config: Any, steps: int) -> Any:
    """Return a config with at most so many ``training_steps``: :attr:`TrainingCost.limited` of most methods."""
    return config.model_copy(update={"training_steps": min(config.training_steps, steps)})


def steps_without_model(config: Any) -> int:
    """Return ``training_steps``, or 0 where ``model`` is given: :attr:`TrainingCost.steps` of most methods."""
    return 0 if getattr(config, "model", None) is not None else int(config.training_steps)


@dataclass(frozen=True)
class TrainingSpec:
    """What a method learns from: the stack itself, other data, or either.

    Attributes
    ----------
    on_stack : TrainingCost or None
        ``prepare`` trains on the stack itself and takes most of the time; the result depends a little on the number
        of threads and on the device. None: the method works only with a model, which its parameter ``model`` names.
    makes_model : bool
        The method is :class:`~napari_depth_interp.nn.contract.Trainable`: it can learn from other data and keep a
        model.
    """

    on_stack: TrainingCost | None = None
    makes_model: bool = False

    def __post_init__(self) -> None:
        """Refuse a method that learns from nothing."""
        if self.on_stack is None and not self.makes_model:
            raise ValueError("a method trains on the stack, or makes a model, or both; one that does neither: None")


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
    cost : str
        Rough time, in words.
    training : TrainingSpec or None
        What it learns from and what that costs; None: it does not train. It has no default, so that nobody forgets it.
    kind : Interpolates, Enhances or Enlarges
        What it makes.
    tiling : Tiling
        What it needs to make a part of the result.
    presets : mapping of preset -> config values
    acquisitions : set of {"slice", "projection", "thick"}
        What one image of its stacks may be. A thick slice is a slice, too: without "thick" the method takes it to be
        thin; with it, what the method makes is as thick as what was observed.
    suits : {"any stack", "projections"}
        What it is made for, which may be less than what it accepts; lists of methods are ordered by it.
    sampled : bool
        The result is a random sample that depends on the seed.
    gives_uncertainty : bool
    devices : tuple of {"cpu", "cuda", "mps"}
    shares_fit : bool or function of the config
        What ``prepare`` has learned on one channel serves others of the same scene and range, which ``sections_at`` or
        ``sections_of`` (:class:`Guided`) may be asked for.
    """

    name: str
    title: str
    summary: str
    config: type[MethodConfig]
    create: Callable[[Any, Runtime], Method]
    cost: str
    training: TrainingSpec | None
    kind: Kind = Interpolates()
    tiling: Tiling = Tiling()
    presets: Mapping[Preset, Mapping[str, Any]] = field(default_factory=dict)
    acquisitions: frozenset[str] = frozenset({"slice", "projection"})
    suits: Literal["any stack", "projections"] = "any stack"
    sampled: bool = False
    gives_uncertainty: bool = False
    devices: tuple[str, ...] = ("cpu",)
    shares_fit: bool | Callable[[Any], bool] = False

    @property
    def group(self) -> str:
        """Under which heading lists of methods show it."""
        if self.enhances:
            return "For noisy sections"
        if self.needs_model:
            return "Need a trained model"
        return f"For {self.suits}"

    @property
    def keeps_observed(self) -> bool:
        """Whether the observed sections stand unchanged in the result."""
        return isinstance(self.kind, Interpolates)

    @property
    def enhances(self) -> bool:
        """Whether it makes better sections on the same grid."""
        return isinstance(self.kind, Enhances)

    @property
    def enlarges(self) -> int:
        """How many times finer all axes of the result are; 1: pixels stay as they are."""
        return self.kind.factor if isinstance(self.kind, Enlarges) else 1

    @property
    def trains_on_stack(self) -> bool:
        """Whether ``prepare`` trains on the stack itself."""
        return self.training_cost is not None

    @property
    def training_cost(self) -> TrainingCost | None:
        """What training on the stack costs; None: ``prepare`` does not train."""
        return None if self.training is None else self.training.on_stack

    @property
    def needs_model(self) -> bool:
        """Whether it works only with a model trained on other data."""
        return self.training is not None and self.training.on_stack is None

    @property
    def makes_model(self) -> bool:
        """Whether it can learn from other data and keep a model."""
        return self.training is not None and self.training.makes_model

    def can_share(self, config: MethodConfig) -> bool:
        """Return whether channels can share what the method learns with these parameters."""
        return self.shares_fit(config) if callable(self.shares_fit) else self.shares_fit

    def halo(self, config: MethodConfig) -> int | None:
        """Return the pixels that a tile needs on each side with these parameters; None: whole images."""
        return self.tiling.halo(config) if callable(self.tiling.halo) else self.tiling.halo

    def z_reach(self, config: MethodConfig, acquisition: Acquisition) -> int | None:
        """Return the observed sections that a tile needs beyond those at its gaps; None: all sections."""
        reach = self.tiling.z_reach
        return reach(config, acquisition) if callable(reach) else reach

    def floats(self, config: MethodConfig) -> float:
        """Return the floats that are held at once for each voxel of a tile."""
        return self.tiling.floats(config) if callable(self.tiling.floats) else self.tiling.floats

    def images(self, config: MethodConfig, threads: int) -> float:
        """Return the floats that are held for each pixel of a tile beside these, however many sections it has."""
        return self.tiling.images(config, threads) if self.tiling.images is not None else 0.0

    def takes_lazy(self, config: MethodConfig) -> bool:
        """Return whether ``prepare`` takes voxels that are still in their file."""
        return self.tiling.lazy(config) if callable(self.tiling.lazy) else self.tiling.lazy


class CompositeConfig(MethodConfig):
    """Base of the parameters of a method that is made of other methods, its parts.

    :meth:`most_steps` and :meth:`limited` are its :class:`TrainingCost`.
    """

    _share: float = PrivateAttr(default=1.0)

    def parts(self) -> Sequence[tuple[MethodSpec, MethodConfig]]:
        """Return the parts, each with its parameters, made by :meth:`part`."""
        raise NotImplementedError

    def part(self, spec: MethodSpec, values: Mapping[str, Any]) -> MethodConfig:
        """Return the parameters of a part; in a short measurement, with its share of the training steps."""
        config, cost = spec.config(**values), spec.training_cost
        if self._share == 1 or cost is None:
            return config
        limited: MethodConfig = cost.limited(config, self._share_of(cost.steps(config)))
        return limited

    def most_steps(self) -> int:
        """Return the training steps of the part that makes most."""
        return max((spec.training_cost.steps(each) for spec, each in self.parts() if spec.training_cost), default=0)

    def limited(self, steps: int) -> Any:
        """Return parameters under which that part makes so many steps, and the others as much less."""
        copied = self.model_copy()
        copied._share = min(1.0, steps / max(1, self.most_steps()))
        return copied

    def _share_of(self, steps: int) -> int:
        return max(FEWEST_STEPS, round(self._share * steps))


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

"""The contract of methods that learn from other data and keep a model. Imports no torch.

The protocols are asked of any method of the registry, other packages' included, by what trains and exports models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..progress import Report
from ..stack import Stack


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

"""How a method is prepared: on a whole stack or on blocks of it, anew or from what was kept of an earlier preparation.

A method that learns nothing from a stack needs none of this: it is prepared again wherever it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from ..progress import Report
from ..stack import Stack
from ..stack.lazy import signature
from .work import Method, Refits


@dataclass(frozen=True, eq=False)
class State:
    """What a method knows once it is prepared.

    Attributes
    ----------
    values : mapping
        What JSON holds: numbers, words, lists and mappings of them.
    arrays : mapping of name -> array
        Weights and other arrays.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of_parts(cls, parts: Mapping[str, State], values: Mapping[str, Any]) -> State:
        """Return the state of a method that is made of others: its own values, and theirs under their names."""
        arrays = {f"{name}/{key}": each for name, part in parts.items() for key, each in part.arrays.items()}
        return cls({**values, "parts": {name: dict(part.values) for name, part in parts.items()}}, arrays)

    def part(self, name: str) -> State:
        """Return the state of one of these; an empty one if there is none."""
        start = f"{name}/"
        arrays = {key.removeprefix(start): each for key, each in self.arrays.items() if key.startswith(start)}
        return State(self.values.get("parts", {}).get(name, {}), arrays)


@runtime_checkable
class Keeps(Protocol):
    """A method of which it can be kept what it knows, for the same stack or for another one of its kind."""

    def state(self) -> State:
        """Return what the prepared method knows."""

    def restore(self, state: State, stack: Stack) -> None:
        """Know it again, in place of ``prepare``; of ``stack`` the grid and the shape are looked at.

        Raises
        ------
        WeightsError, KeyError, TypeError or ValueError
            If the state is none of this method with these parameters, or does not fit the stack.
        """


@runtime_checkable
class LearnsFromBlocks(Protocol):
    """A method that can be prepared on blocks of a stack that is too large to be looked at as a whole."""

    def prepare_on(self, blocks: Sequence[Stack], whole: Stack, *, report: Report, again: bool) -> None:
        """Fit on blocks, all of one size, in memory.

        Parameters
        ----------
        blocks : sequence of Stack
            Neighbouring sections of ``whole``, some rows and columns of them; a single one is the whole stack.
        whole : Stack
            Its voxels may still be in their file and are not to be read.
        report : callable
        again : bool
            Begin from what is known of another time point (:class:`~napari_depth_interp.method.Refits`).
        """


def prepare_on(method: Method, blocks: Sequence[Stack], whole: Stack, *, report: Report, again: bool = False) -> None:
    """Prepare a method on blocks where it can learn from these, otherwise on the whole stack."""
    if isinstance(method, LearnsFromBlocks):
        method.prepare_on(blocks, whole, report=report, again=again)
    elif again and isinstance(method, Refits):
        method.refit(whole, report=report)
    else:
        method.prepare(whole, report=report)


def images_of(blocks: Sequence[Stack]) -> NDArray[Any]:
    """Return the sections of all blocks (N, Y, X) in one array; those of a single block as they are."""
    return blocks[0].voxels if len(blocks) == 1 else np.concatenate([each.voxels for each in blocks])


def check_same_stack(state: State, stack: Stack, name: str) -> None:
    """Refuse what was learned of one stack alone for another one.

    Raises
    ------
    WeightsError
        If the SHA-256 of the voxels, under ``stack`` in the state, is another.
    """
    if state.values["stack"] != signature(stack.voxels):
        raise WeightsError(f"{name} knows the stack that it was prepared on and no other one; prepare on this stack")


def checked_arrays(state: State, shapes: Mapping[str, Sequence[int]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a state.

    Raises
    ------
    WeightsError
        If one is missing, there are others, or one has another shape than it should have.
    """
    found = {name: list(each.shape) for name, each in state.arrays.items()}
    wanted = {name: list(each) for name, each in shapes.items()}
    if found != wanted:
        wrong = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        name = wrong[0]
        raise WeightsError(
            f"what was kept does not fit the parameters: '{name}' has the shape {found.get(name)} instead of "
            f"{wanted.get(name)}; prepare again"
        )
    return dict(state.arrays)

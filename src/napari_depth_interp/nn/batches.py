"""Batches of a training that become smaller where the memory of a device does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

import torch

from .chunks import is_out_of_memory, release

Found = TypeVar("Found")

_log = logging.getLogger(__name__)


class Batches:
    """How large the batches of one training are: it remembers what was too much."""

    def __init__(self) -> None:
        self._parts = 1
        self._largest = 0

    def limited(self, count: int) -> int:
        """Return how many of so many examples are a batch now."""
        self._largest = max(self._largest, count)
        return max(1, count // self._parts)

    def fit(self, attempt: Callable[[], Found]) -> Found:
        """Return what a training step gives; where the memory does not suffice it is made again with half the batch.

        Parameters
        ----------
        attempt : callable
            Draws its batch by :func:`at_once`.

        Raises
        ------
        OutOfMemoryError
            If one example alone does not fit.
        """
        while True:
            token = _current.set(self)
            try:
                return attempt()
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if self._parts >= max(1, self._largest) or not is_out_of_memory(error):
                    raise
            finally:
                _current.reset(token)
            self._parts *= 2  # out of the handler, which holds what the attempt had allocated
            release()
            _log.warning("the memory did not suffice for a training step; batches are 1/%d now", self._parts)


_current: ContextVar[Batches | None] = ContextVar("batches", default=None)


def at_once(count: int) -> int:
    """Return how many examples a batch of ``count`` has at this step: fewer where all were too much."""
    current = _current.get()
    return count if current is None else current.limited(count)

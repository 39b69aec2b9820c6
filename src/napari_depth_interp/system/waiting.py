"""Waiting for voxels that a server or a disk holds back: it is told, and can be broken off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_POLL = 0.1
"""Seconds between two looks at whether the wait is to be broken off."""
_SILENT = 2.0
"""Seconds after which a wait is told."""
_teller: ContextVar[Callable[[str], None] | None] = ContextVar("teller", default=None)
_asked: list[str] = []
"""The servers that are being waited for, each as often as something was asked of it."""


@contextmanager
def telling(tell: Callable[[str], None]) -> Iterator[None]:
    """Let what is waited for in this thread be told.

    Parameters
    ----------
    tell : callable
        Called ten times a second while something is waited for, with words if that takes long, else with ``""``; what
        it raises breaks the wait off.
    """
    token = _teller.set(tell)
    try:
        yield
    finally:
        _teller.reset(token)


@contextmanager
def asking(server: str) -> Iterator[None]:
    """Say that a server has been asked and has not answered yet."""
    _asked.append(server)
    try:
        yield
    finally:
        _asked.remove(server)


def patiently(read: Callable[[], T]) -> T:
    """Return what ``read`` returns; where waits are told, it runs in a thread of its own.

    That thread cannot be stopped: if the wait is broken off, it ends when ``read`` does, and what it has read is lost.
    """
    tell = _teller.get()
    if tell is None:
        return read()
    found: list[T] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            found.append(read())
        except BaseException as error:  # it is raised below, in the thread that waits
            failed.append(error)
        finally:
            done.set()

    begun = time.monotonic()
    threading.Thread(target=work, name="reading voxels", daemon=True).start()
    while not done.wait(_POLL):
        tell(f"waiting for {_sources()}" if time.monotonic() - begun > _SILENT else "")
    if failed:
        raise failed[0]
    return found[0]


def _sources() -> str:
    return ", ".join(sorted(set(_asked))) or "voxels to be read"

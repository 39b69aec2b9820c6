"""A run whose blocks are made by Dask workers: what the process does that gives them out.

A bounded number of tasks is out at a time, so that neither scheduler nor this process grow with the number of blocks.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from .. import __version__
from ..errors import DepthInterpError, RequestError
from ..io import LARGE_BYTES
from ..io.files import replacing
from ..stack.lazy import is_lazy
from ..system.cluster import Ended, Event, Tasks, client_of, count_threads, quiet
from ..system.devices import default_threads
from .blocks import Pending
from .outputs import Spread
from .prepared import check_keeps
from .request import Request
from .worker import ORDER, make_block

if TYPE_CHECKING:
    from distributed import Client

    from .blockwise import Share, Work

_OUT_PER_THREAD = 2
"""Tasks that are out for each that can be done at once: a worker finds the next one waiting."""
_COUNT_EVERY = 2.0
"""Seconds between two looks at how many workers there are."""


def check_spreadable(request: Request) -> None:
    """Refuse what cannot be divided among processes.

    Raises
    ------
    RequestError
        If every one of them would have to hold all of a large image.
    """
    voxels, large = request.dataset.voxels, request.dataset.voxels.nbytes > LARGE_BYTES
    name = request.dataset.source.name if request.dataset.source else "the image"
    if request.enhance is not None:
        raise RequestError(
            "sections that are enhanced first are held in memory, which cannot be divided among workers; enhance them "
            f"into a file (--method {request.enhance.spec.name}), then interpolate that file"
        )
    if large and not is_lazy(voxels):
        raise RequestError(
            f"'{name}' is of a format that is read as a whole, which every worker would have to do; write it as "
            ".ome.zarr or tiled .tif first"
        )
    check_keeps(request)
    if large and request.fill_nan and voxels.dtype.kind == "f":
        raise RequestError("--nan fill looks at the whole stack, which cannot be divided among workers; fill it first")


def spread(work: Work, orders: Spread, mark: str, share: Share) -> None:
    """Make all blocks that are missing on the workers; ``mark`` is the hash of what the run is.

    Raises
    ------
    DepthInterpError
        If the scheduler cannot be reached or is lost, or a block cannot be made.
    """
    processes = orders.processes
    threads = orders.settings.threads or max(1, default_threads() // max(1, processes.workers))
    _write_order(work, orders, mark, threads if processes.workers else orders.settings.threads)
    with quiet(), client_of(processes, threads, "run") as client:
        tasks = Tasks(client, f"depth-interp-{secrets.token_hex(6)}")
        try:
            Distribution(_Orders(work, share), tasks, client, share.say).run()
        finally:
            tasks.drop()


def _write_order(work: Work, orders: Spread, mark: str, threads: int | None) -> None:
    """Write what a worker has to know where it finds it; what it computes is checked to be the same."""
    request = work.maker.request
    transforms = request.transforms
    settings = orders.settings.model_copy(update={"threads": threads})
    order = {
        "source": str(orders.source.absolute()),
        "lazy": is_lazy((request.recorded or request.dataset).voxels),
        "settings": settings.model_dump(mode="json"),
        "depths": orders.depths,
        "extrapolate": orders.extrapolate,
        "transforms": None if transforms is None else transforms.as_json(),
        "images": [str(image) for image in work.journal.images],
        "identity": mark,
    }
    with replacing(work.journal.folder / ORDER, overwrite=True) as temporary:
        temporary.write_text(json.dumps(order), encoding="utf-8")


class Distribution:
    """Blocks on their way to workers, a bounded number of them at a time.

    Parameters
    ----------
    work : Distributed
        What is to be done, and who hears what is.
    tasks : Tasks
    client : Client
    say : callable (words, how far blocks are that are being made)
    function : callable
        What a worker does for a block; for measurements of all else.
    """

    def __init__(
        self,
        work: Distributed,
        tasks: Tasks,
        client: Client,
        say: Callable[[str, Mapping[int, float]], None],
        function: Callable[..., Mapping[str, Any]] = make_block,
    ) -> None:
        self._work, self._tasks, self._client, self._say, self._function = work, tasks, client, say, function
        self._far: dict[int, float] = {}
        self._threads, self._counted = 1, 0.0

    def run(self) -> None:
        """Return when all blocks are there.

        Raises
        ------
        DepthInterpError
            If the scheduler is lost, or a block cannot be made.
        """
        pending = self._work.pending
        while not pending.all_done:
            self._send()
            heard = self._tasks.heard(0.2)
            if isinstance(heard, Event):
                self._far[heard.number] = heard.progress.fraction
            elif isinstance(heard, Ended):
                self._ended(heard)
            self._say(f"{pending.count} of {pending.total} blocks", self._far)

    def _send(self) -> None:
        """Send blocks as long as workers may want some."""
        if time.monotonic() - self._counted > _COUNT_EVERY:
            with suppress(Exception):  # a scheduler that is lost is told by its tasks
                self._threads, self._counted = max(1, count_threads(self._client)), time.monotonic()
        while len(self._tasks) < _OUT_PER_THREAD * self._threads:
            number = self._work.pending.take()
            if number is None:
                return
            level, arguments = self._work.before(number)
            self._tasks.submit(number, self._function, *arguments, number, self._tasks.topic, priority=level)

    def _ended(self, ended: Ended) -> None:
        self._far.pop(ended.number, None)
        if ended.lost:
            raise DepthInterpError("the connection to the scheduler was lost; start it again, then add --resume")
        if isinstance(ended.error, DepthInterpError):
            raise ended.error
        if ended.error is not None:
            raise DepthInterpError(f"{ended.reason('block')}; what is done is kept: add --resume to go on")
        self._work.finished(ended.number, ended.result["device"])


class Distributed(Protocol):
    """What :class:`Distribution` has to know of a run."""

    @property
    def pending(self) -> Pending: ...
    def before(self, number: int) -> tuple[int, tuple[Any, ...]]:
        """Prepare what a block needs; return its resolution, and what a worker has to be told beside its number."""

    def finished(self, number: int, device: str) -> None:
        """Hear that a block is on the disk."""


class _Orders:
    """A run that is spread: what is prepared here before a block can be made elsewhere."""

    def __init__(self, work: Work, share: Share) -> None:
        self._work, self._share = work, share
        journal = work.journal
        self._arguments = __version__, str(journal.folder), journal.token

    @property
    def pending(self) -> Pending:
        return self._work.pending

    def before(self, number: int) -> tuple[int, tuple[Any, ...]]:
        block = self._work.maker.blocks[number]
        if not block.level:
            self._work.made_ready_for(block, self._share)
        return block.level, self._arguments

    def finished(self, number: int, device: str) -> None:
        self._work.finished(number, device)
        self._share.made(number)

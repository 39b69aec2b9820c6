"""What a Dask worker does for a run that is divided among several: one block, whichever it is given."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from .. import io
from ..errors import DepthInterpError, OutputError
from ..io.files import explain_os_error
from ..progress import Progress
from ..registration import Transforms
from ..system.cluster import check_version, share_of_threads, tell_result, telling
from ..system.devices import limited_threads
from .aligning import moved
from .block_making import MEMORY, Maker, Ready, shared_memory, state_file
from .blocks import Block
from .gpu import with_own_gpu
from .identity import hash_of, identity
from .jobs import blas_threads
from .memory import Memory
from .prepared_file import load_state
from .preparing import recall
from .request import Request, resolve
from .settings import make_settings

ORDER = "order.json"
"""Name of the file that says what the run is, in its hidden folder."""
_ONE_AT_A_TIME = threading.Lock()
"""Two blocks at once in one process would share random numbers and thread limits."""
_OPENING = threading.Lock()


class _Engine:
    """A run as one process sees it; the next block of the same run finds it there."""

    def __init__(self, folder: Path, token: str, worker: Any) -> None:
        self.token = token
        order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
        settings = with_own_gpu(make_settings(**order["settings"]))
        if settings.threads is None:
            settings = settings.model_copy(update={"threads": share_of_threads(worker)})
        dataset = io.read(order["source"], axis=settings.axis, lazy=order["lazy"])
        depths = order["depths"]
        request = resolve(dataset, settings, depths=depths, extrapolate=order["extrapolate"], trusted=True)
        if order["transforms"] is not None:
            request = moved(request, Transforms.from_json(order["transforms"]))
        if hash_of(identity(request)) != order["identity"]:
            raise DepthInterpError(
                f"'{order['source']}', or a model, is not the same on this worker as where the run was begun; all "
                "machines have to see the same files under the same names"
            )
        self.request: Request = request
        known = Memory(**json.loads((folder / MEMORY).read_text(encoding="utf-8")))
        self.maker = Maker(request, tuple(map(Path, order["images"])), shared_memory(request, known), again=True)
        self._folder = folder
        self._ready: Ready | None = None

    def ready(self, block: Block) -> Ready:
        """Return the method of a block's channels, as the process that gives out the blocks has prepared it."""
        if self._ready is None or self._ready.key != (block.time, block.channels):
            self._ready = None  # what it holds is freed first
            runs = self.maker.runs(block)
            state = load_state(state_file(self._folder, block))
            self._ready = Ready(runs, recall(runs[0].request, [each.seen for each in runs], state, self.maker.memory))
        return self._ready

    @property
    def alone(self) -> AbstractContextManager[Any]:
        """Lets one block at a time into the method, unless that may be in several threads at once."""
        return nullcontext() if self.request.spec.tiling.parallel else _ONE_AT_A_TIME


_engine: _Engine | None = None


def _engine_of(folder: Path, token: str, worker: Any) -> _Engine:
    global _engine
    with _OPENING:
        if _engine is None or _engine.token != token:
            _engine = None  # what it holds is freed first
            _engine = _Engine(folder, token, worker)
        return _engine


def make_block(version: str, folder: str, token: str, number: int, topic: str) -> dict[str, Any]:
    """Make one block and write it; called on a worker.

    Parameters
    ----------
    version : str
        Of the software that sent it.
    folder, token : str
        The hidden folder of the run, and its name there.
    number : int
        Of the block.
    topic : str
        Under which is told how far it is.

    Returns
    -------
    dict
        ``device``: where it was computed.

    Raises
    ------
    DepthInterpError
        If it cannot be made or written.
    """
    from distributed import get_worker

    worker = get_worker()
    tell = telling(worker, topic, number)
    tell(Progress(0.0))
    check_version(version, "run")
    try:
        engine = _engine_of(Path(folder), token, worker)
        block = engine.maker.blocks[number]
        with engine.alone, limited_threads(blas_threads(engine.request)):
            ready = None if block.level else engine.ready(block)
            engine.maker.make(block, ready, tell)
    except OSError as error:
        raise OutputError(explain_os_error(Path(folder), error)) from error
    made = {"device": engine.request.runtime.device}
    tell_result(worker, topic, number, made)
    return made

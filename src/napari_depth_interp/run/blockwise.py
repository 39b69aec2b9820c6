"""Runs whose result is an OME-Zarr image: block by block, here or on other processes, gone on with after anything."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import io
from ..io.files import replacing
from ..method import Method
from ..progress import Progress, Report
from ..system.devices import limited_threads
from ..system.memory import PeakMemory
from .block_making import (
    MEMORY,
    Maker,
    Ready,
    block_bytes,
    blocks_of,
    memory_for_blocks,
    of_one_tile,
    region_of,
    shared_memory,
    state_file,
)
from .blocks import Block, Pending
from .identity import hash_of, identity
from .jobs import States, Told, blas_threads, history, jobs_of, label_of, share_of_preparing, told_by
from .journal import Journal, keeping, leftover
from .making import Run
from .memory import Memory, check_memory
from .outputs import Target, check_target
from .prepared_file import load_state, save_state
from .preparing import Learned, learn, recall
from .request import Request
from .result import IN_FILE, RECORD_KEY, Result
from .spreading import check_spreadable, spread

_SHARE_OF_COARSER = 0.1
"""Share of the time that a block of a coarser resolution takes of one of the next finer, roughly."""
_TOLD = "told.json"


def is_blockwise(target: Target) -> bool:
    """Return whether a result is made block by block: where it, and what is kept beside it, are OME-Zarr images."""
    return all(path is None or io.format_of(path) == "zarr" for path in (target.path, target.uncertainty))


def execute_blockwise(request: Request, report: Report, target: Target, prepared: States | None = None) -> Result:
    """Run a request block by block; arguments, result and errors as for :func:`~.execute.execute`."""
    if target.resume and _is_there(request, target):
        return _opened(request, target, ("the result is there already; nothing was made",))
    start = time.perf_counter()
    known = leftover(target.path) if target.resume else None
    check_target(request, target, 1.0 if known is None else 1 - len(known.done) / max(1, known.blocks))
    outputs = (target.path,) if target.uncertainty is None else (target.path, target.uncertainty)
    if target.spread is not None:
        check_spreadable(request)
    about = identity(request)
    extras: dict[str, Any] = {"uncertainty": target.uncertainty is not None, "history": target.history}
    extras |= {"prepared": dict(request.learned_elsewhere), "blocks of": list(blocks_of(request).finest)}
    keep = target.resume or target.spread is not None
    kept = keeping(outputs, about | extras, resume=target.resume, overwrite=target.overwrite, keep=keep)
    with PeakMemory() as memory, limited_threads(blas_threads(request)), kept as journal:
        if not journal.ending:
            work = Work.begun(request, journal, prepared)
            _make(work, report, target, hash_of(about))
        notes = (journal.note,) if journal.note else ()
    return replace(_opened(request, target, notes), seconds=time.perf_counter() - start, peak_memory_mb=memory.peak_mb)


def _is_there(request: Request, target: Target) -> bool:
    """Return whether the result is whole and of the same request, and nothing unfinished is beside it."""
    known = leftover(target.path)
    if not target.path.exists() or target.overwrite or known is not None:
        return False
    if target.uncertainty is not None and not target.uncertainty.exists():
        return False
    record = io.read(target.path, lazy=True).record.get(RECORD_KEY, {})
    asked = json.loads(json.dumps(request.record(hashed=False)))
    made = {name: record.get(name) for name in asked} | {"device": asked["device"]}
    found = made.get("input") or {}
    made["input"] = {name: found.get(name) for name in asked["input"]}
    return bool(made == asked)


def _opened(request: Request, target: Target, notes: tuple[str, ...]) -> Result:
    """Return the result as it stands in its file."""
    found = io.read(target.path, lazy=True)
    record = {name: value for name, value in found.record[RECORD_KEY].items() if name != IN_FILE}
    uncertainty = None if target.uncertainty is None else io.read(target.uncertainty, lazy=True).voxels
    dataset = replace(request.dense_template(), voxels=found.voxels, record={RECORD_KEY: record})
    return Result(dataset, uncertainty, (*notes, *record["warnings"]))


def _make(work: Work, report: Report, target: Target, mark: str) -> None:
    """Make all blocks that are missing, then the metadata; ``mark`` is the hash of what the run is."""
    request, journal = work.maker.request, work.journal
    share = Share(work, report)
    if target.spread is None:
        _make_here(work, share)
        record = request.record()
    else:
        recorded = _Meanwhile(request.record)
        spread(work, target.spread, mark, share)
        record = recorded.result()
    record["device"] = _devices(request, journal)
    made, _ = history(request, work.in_order(), target, record)
    work.maker.describe({RECORD_KEY: made | {IN_FILE: made["observed"]}})
    report(Progress(1.0))


def _make_here(work: Work, share: Share) -> None:
    """Make the blocks in this process."""
    device = work.maker.request.runtime.device
    while (number := work.pending.take()) is not None:
        block = work.maker.blocks[number]
        ready = None if block.level else work.made_ready_for(block, share)
        words = label_of(work.maker.request.dataset, block.time, block.channels)
        work.maker.make(block, ready, share.making(number, words))
        work.finished(number, device)
        share.made(number)


def _devices(request: Request, journal: Journal) -> str:
    """Return where the blocks were computed, as in a run without interruption if they all were where this one would."""
    used = {device.partition(":")[0] for device in journal.done.values()}
    here = request.runtime.device
    return here if used <= {here.partition(":")[0]} else ", ".join(sorted(used))


@dataclass
class Work:
    """A run that is made block by block: what there is of it, and what is to be done."""

    maker: Maker
    journal: Journal
    pending: Pending
    prepared: States | None = None
    told: dict[str, Told] = field(default_factory=dict)
    _known: dict[tuple[int, ...], Method] = field(default_factory=dict)
    _ready: Ready | None = None

    @classmethod
    def begun(cls, request: Request, journal: Journal, prepared: States | None) -> Work:
        """Make the images, or open those that are to be gone on with."""
        if not journal.done:
            journal.empty_images()  # they may have been begun
        memory = _memory(request, journal)
        maker = Maker(request, journal.images, memory, again=bool(journal.done))
        journal.blocks = len(maker.blocks)
        journal.announce()
        work = cls(maker, journal, Pending(maker.blocks, journal.done), prepared)
        with suppress(OSError, ValueError):
            known = json.loads((journal.folder / _TOLD).read_text(encoding="utf-8"))
            work.told = {key: Told(tuple(each["warnings"]), each["finding"]) for key, each in known.items()}
        return work

    def made_ready_for(self, block: Block, share: Share) -> Ready:
        """Prepare a method for the channels of a block, unless it is, and keep it with what it has to tell."""
        if self._ready is not None and self._ready.key == (block.time, block.channels):
            return self._ready
        words = label_of(self.maker.request.dataset, block.time, block.channels)
        runs = self.maker.runs(block)
        learned = self._learned(runs, block, share.preparing(words))
        self._known[block.channels] = learned.method
        self.told.setdefault(_name(block), told_by(learned, words, block.time, block.channels))
        with replacing(self.journal.folder / _TOLD, overwrite=True) as temporary:
            temporary.write_text(json.dumps({key: asdict(each) for key, each in self.told.items()}), encoding="utf-8")
        self._ready = Ready(runs, learned)
        return self._ready

    def _learned(self, runs: tuple[Run, ...], block: Block, report: Report) -> Learned:
        """Return what is known from before, or learn it; it is kept before the first block is made with it."""
        request, seen = runs[0].request, [each.seen for each in runs]
        path = state_file(self.journal.folder, block)
        if path.exists():
            return recall(request, seen, load_state(path), self.maker.memory, report)
        if self.prepared is not None:
            state = self.prepared.state(block.time, block.channels)
            save_state(path, request, state)
            return recall(request, seen, state, self.maker.memory, report)
        learned = learn(request, seen, self.maker.memory, self._method_before(block, runs), report)
        save_state(path, request, learned.state())
        return learned

    def _method_before(self, block: Block, runs: tuple[Run, ...]) -> Method | None:
        """Return the method as prepared on the time point before, from which a run without interruption goes on."""
        if block.channels in self._known or not block.time:
            return self._known.get(block.channels)
        path = state_file(self.journal.folder, replace(block, time=block.time - 1))
        if not path.exists():
            return None
        return recall(runs[0].request, [each.seen for each in runs], load_state(path), self.maker.memory).method

    def finished(self, number: int, device: str) -> None:
        """Hear that a block is on the disk."""
        self.journal.finished(number, device)
        self.pending.finished(number)

    def in_order(self) -> list[Told]:
        """Return what preparing has told, in the order of a run without interruption."""
        times = range(self.maker.request.output_shape[0])
        names = [f"{t}-{channels[0]}" for t in times for channels in self.maker.groups]
        return [self.told[name] for name in names if name in self.told]


def _memory(request: Request, journal: Journal) -> Memory:
    """Divide the memory, once for all processes and all times that the run is gone on with: tiles follow from it."""
    path = journal.folder / MEMORY
    block = blocks_of(request)[0]
    memory = memory_for_blocks(request, block_bytes(request, block, len(journal.images)))
    check_memory(request, memory, None, region_of(block, request.spec.enlarges))
    if journal.done and path.exists():
        known = Memory(**json.loads(path.read_text(encoding="utf-8")))
        return shared_memory(request, known)
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(asdict(replace(memory, tiles=of_one_tile(request, memory)))), encoding="utf-8")
    return memory


def _name(block: Block) -> str:
    return f"{block.time}-{block.channels[0]}"


class Share:
    """How far a run is: blocks by their voxels, and what was prepared for them."""

    def __init__(self, work: Work, report: Report) -> None:
        self._blocks, self._report = work.maker.blocks, report
        self._prepare = share_of_preparing(work.maker.request) if work.prepared is None else 0.0
        self._total = sum(self._blocks.count(n) * _SHARE_OF_COARSER**n for n in range(self._blocks.levels))
        self._done = sum(self._weight(n) for n in work.journal.done)
        self._jobs, self._prepared, self._told = len(jobs_of(work.maker.request)), 0.0, 0.0

    def preparing(self, words: str) -> Report:
        """Return what hears how far preparing for a job is."""
        begun = self._prepared

        def hear(progress: Progress) -> None:
            self._prepared = begun + progress.fraction / self._jobs
            message = f"{words}: {progress.message}" if words and progress.message else words or progress.message
            self._say(replace(progress, message=message), 0.0)

        return hear

    def making(self, number: int, words: str) -> Report:
        """Return what hears how far a block is."""
        weight = self._weight(number)
        return lambda progress: self._say(replace(progress, message=words), progress.fraction * weight)

    def made(self, number: int) -> None:
        """Hear that a block is there."""
        self._done += self._weight(number)

    def say(self, message: str, begun: Mapping[int, float]) -> None:
        """Tell how far the run is; ``begun`` says how far blocks are that are being made."""
        self._say(Progress(0.0, message), sum(share * self._weight(n) for n, share in begun.items()))

    def _say(self, progress: Progress, inside: float) -> None:
        of_blocks = (self._done + inside) / self._total
        share = self._prepare * max(self._prepared, of_blocks) + (1 - self._prepare) * of_blocks
        self._told = max(self._told, min(share, 1.0))
        self._report(replace(progress, fraction=self._told))

    def _weight(self, number: int) -> float:
        return float(_SHARE_OF_COARSER ** self._blocks[number].level)


class _Meanwhile:
    """Calls a function in a thread that does not keep the process alive."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._found: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, name="history", daemon=True)
        self._thread.start()

    def _call(self) -> None:
        try:
            self._found = self._function()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        """Wait for what the function gives."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found

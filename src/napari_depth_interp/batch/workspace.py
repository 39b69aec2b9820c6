"""What a batch keeps beside its results: the lock, the records of what is complete, and files in the making.

All of it lies in one hidden folder of the output folder, so that a batch can be resumed after anything, and so that
nothing half-written ever stands under the name of a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..io.files import replacing
from ..progress import Cancelled
from .record import FileRecord

FOLDER = ".depth-interp-batch"
SUMMARY = "summary.csv"
_BETWEEN_CHECKS = 0.25
"""Seconds between two checks whether the batch is to stop."""


class FolderGone(OutputError):
    """The output folder was removed, or cannot be reached any more."""


class Workspace:
    """The output folder of one batch that is at work.

    Attributes
    ----------
    target, folder : Path
        The output folder, and the hidden one in it.
    run : str
        A name that no other batch has.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.folder = target, target / FOLDER
        self.run = secrets.token_hex(8)

    @property
    def results_are_there(self) -> bool:
        """Whether an earlier batch has left records of results."""
        return any((self.folder / "records").glob("*.json"))

    def announce(self, stop: str | None) -> None:
        """Tell all processes of this batch to ``"finish"`` the files in work, or to ``"discard"`` them."""
        about = {
            "run": self.run,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
            "stop": stop,
        }
        with replacing(self.folder / "run.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(about), encoding="utf-8")

    def clean(self) -> None:
        """Remove what a killed batch has left half-done."""
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        records = self.folder / "records"
        leftovers = [*self.folder.glob(".depth-interp-*"), *records.glob(".depth-interp-*")]
        for path in [*leftovers, *self.target.glob(".depth-interp-*.csv")]:
            path.unlink(missing_ok=True)


@contextmanager
def opened(target: Path) -> Iterator[Workspace]:
    """Make the output folder if need be, and hold its lock.

    Raises
    ------
    OutputError
        If another batch is at work there, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    workspace = Workspace(target)
    try:
        (workspace.folder / "records").mkdir(parents=True, exist_ok=True)
        with FileLock(workspace.folder / "lock", timeout=0, thread_local=False):
            workspace.clean()
            (workspace.folder / "work").mkdir()
            workspace.announce(None)
            try:
                yield workspace
            finally:
                _tidy(workspace)
    except Timeout:
        raise OutputError(_taken(workspace)) from None
    except OSError as error:
        raise OutputError(f"the output folder '{target}' cannot be used: {error.strerror or error}") from error


def _tidy(workspace: Workspace) -> None:
    """Leave only what a later batch needs; the folder may be gone, or the disk full."""
    with suppress(OSError):
        (workspace.folder / "run.json").unlink()
    shutil.rmtree(workspace.folder / "work", ignore_errors=True)


def _taken(workspace: Workspace) -> str:
    try:
        about = json.loads((workspace.folder / "run.json").read_text(encoding="utf-8"))
        who = f" (process {about['process']} on {about['host']}, since {about['since']})"
    except (OSError, ValueError, KeyError):
        who = ""
    busy = f"another batch{who} is at work on '{workspace.target}'"
    return f"{busy}; wait until it has ended, or choose another output folder"


class Guard:
    """Tells one process whether its batch goes on. Other machines see the output folder, and nothing else."""

    def __init__(self, target: Path, run: str) -> None:
        self._target, self._run = target, run
        self._checked_at = -1.0

    def may_start(self) -> bool:
        """Return whether another file may be begun."""
        return self._asked_to_stop() is None

    def check(self) -> None:
        """Raise ``Cancelled`` if the file in work is to be discarded; looks now and then only."""
        now = time.monotonic()
        if now - self._checked_at >= _BETWEEN_CHECKS:
            self._checked_at = now
            self.check_now()

    def check_now(self) -> None:
        """Raise ``Cancelled`` if the file in work is to be discarded.

        Raises
        ------
        FolderGone
            If the output folder is.
        """
        if self._asked_to_stop() == "discard":
            raise Cancelled

    def _asked_to_stop(self) -> str | None:
        folder = self._target / FOLDER
        try:
            about: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            if folder.is_dir():
                return "discard"  # the batch has ended without this process
            raise FolderGone(
                f"the output folder '{self._target}' was removed during the batch, or is out of reach"
            ) from error
        return about["stop"] if about["run"] == self._run else "discard"


def record_path(target: Path, name: str) -> Path:
    """Return where the record of a file is kept: the name itself may be too long for one more suffix."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return target / FOLDER / "records" / f"{digest[:40]}.json"


def read_record(target: Path, name: str) -> FileRecord | None:
    """Return what an earlier batch has written, or was about to write, for a file."""
    try:
        return FileRecord.from_json(json.loads(record_path(target, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(target: Path, row: FileRecord, run: str) -> None:
    """Keep what a result is, before it gets its name: a result is complete if its hash is the recorded one."""
    with replacing(record_path(target, row.file), overwrite=True) as temporary:
        temporary.write_text(json.dumps(row.as_json() | {"run": run}), encoding="utf-8")


@contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """Give a folder of one's own on the disk of the results; it is removed, whatever happens."""
    folder = target / FOLDER / "work" / secrets.token_hex(8)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

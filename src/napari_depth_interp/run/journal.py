"""What is known of a result that is not whole yet, so that a run can be gone on with after anything.

It lies in a hidden folder beside the result: ``run.json`` says which run it is, ``done`` has a line for each block that
is on the disk, and the image is in a folder of its own whose name no other run has. A process that was given up and
writes late finds no such folder, or writes the same bytes once more.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import OutputError
from ..io.files import check_output, explain_os_error, put_in_place, replacing

_BETWEEN_FLUSHES = 1.0
"""Seconds; a record that a loss of power takes is of a block that is made once more."""
_LONGEST_NAME = 150


@dataclass(frozen=True)
class Leftover:
    """What an earlier run has left.

    Attributes
    ----------
    about : mapping
        What was asked for.
    version, token : str
        Of the software; of the folders of the images.
    blocks : int
    done : mapping of number -> device
        Blocks that are on the disk.
    ending : bool
        All blocks are, and the images were being given their names.
    """

    about: Mapping[str, Any]
    version: str
    token: str
    blocks: int
    done: Mapping[int, str]
    ending: bool


@dataclass
class Journal:
    """A run at work on a result.

    Attributes
    ----------
    folder : Path
        The hidden one.
    about : mapping
        What was asked for.
    token : str
        Of this run and those that go on with it.
    outputs : tuple of Path
        The result, and its uncertainty if it is kept.
    blocks : int
    done : dict of number -> device
    note : str
        What became of an earlier run, for the user.
    ending : bool
        All blocks were there, and an earlier run was killed while it gave the images their names.
    """

    folder: Path
    about: Mapping[str, Any]
    token: str
    outputs: tuple[Path, ...]
    blocks: int = 0
    done: dict[int, str] = field(default_factory=dict)
    note: str = ""
    ending: bool = False
    _flushed: float = 0.0

    @property
    def images(self) -> tuple[Path, ...]:
        """The folders in which the outputs are made, each on the disk of its output."""
        return tuple(hidden(path) / f"image-{self.token}.zarr" for path in self.outputs)

    def empty_images(self) -> None:
        """Make the folders of the images, with nothing in them."""
        for image in self.images:
            shutil.rmtree(image, ignore_errors=True)
            image.mkdir()

    def finished(self, number: int, device: str) -> None:
        """Record a block that is on the disk."""
        self.done[number] = device
        with (self.folder / "done").open("a", encoding="ascii") as file:
            file.write(f"{number} {device}\n")
            if time.monotonic() - self._flushed > _BETWEEN_FLUSHES:
                file.flush()
                os.fsync(file.fileno())
                self._flushed = time.monotonic()

    def announce(self) -> None:
        """Write which run this is, and who is at work."""
        about = {
            "about": dict(self.about),
            "version": __version__,
            "token": self.token,
            "blocks": self.blocks,
            "ending": self.ending,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with replacing(self.folder / "run.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps(about), encoding="utf-8")

    def publish(self, *, overwrite: bool) -> None:
        """Give the outputs their names: those beside the result first, so that it is there when all are."""
        from ..io.zarr.whole_files import remove_unfinished

        self.ending = True
        self.announce()
        for image, path in reversed(list(zip(self.images, self.outputs, strict=True))):
            path = path.resolve() if path.is_symlink() else path
            if image.is_dir():  # else an earlier run was killed just after this
                put_in_place(image, path, overwrite=overwrite)
            remove_unfinished(path)  # from now on a worker that comes late finds no folder to begin another one in


def hidden(path: Path) -> Path:
    """Return the folder beside an output in which it is made."""
    path = path.resolve() if path.is_symlink() else path.absolute()
    name = path.name
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{sha256(os.fsencode(name)).hexdigest()[:8]}"
    return path.parent / f".depth-interp-{name}.making"


def leftover(path: Path) -> Leftover | None:
    """Return what an earlier run has left beside an output, if it can be gone on with."""
    folder = hidden(path)
    try:
        known = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        fields = {name: known[name] for name in ("about", "version", "token", "blocks", "ending")}
        done = {n: device for n, device in _recorded(folder / "done").items() if n < fields["blocks"]}
        return Leftover(**fields, done=done)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _recorded(path: Path) -> dict[int, str]:
    """Return the blocks that a file names; its last line may be torn."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="ascii", errors="replace").split("\n")[:-1]
    words = [line.split() for line in lines]
    return {int(each[0]): each[1] for each in words if len(each) == 2 and each[0].isdigit()}


@contextmanager
def keeping(
    outputs: tuple[Path, ...],
    about: Mapping[str, Any],
    *,
    resume: bool,
    overwrite: bool,
    keep: bool,
) -> Iterator[Journal]:
    """Give the journal of a run, new or gone on with; it is removed when the run has ended well.

    Parameters
    ----------
    outputs : tuple of Path
        The result, and its uncertainty if it is kept.
    about : mapping
        What was asked for, JSON-ready: only the same can be gone on with.
    resume : bool
        Go on with what is there.
    overwrite : bool
        Replace outputs, and discard an unfinished run that is another one.
    keep : bool
        Leave what is done when the run fails, too; a process that is killed leaves it always.

    Raises
    ------
    OutputError
        If another run is at work on the output, what is there is of another request, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    known = leftover(outputs[0])
    for path in outputs:
        check_output(path, overwrite=overwrite or (resume and known is not None and known.ending))
    folders = [hidden(path) for path in outputs]
    emptied = False
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
        with FileLock(folders[0] / "lock", timeout=0, thread_local=False):
            try:
                journal = _begun(outputs, about, resume=resume, overwrite=overwrite)
                emptied = not keep
                yield journal
                journal.publish(overwrite=overwrite)
                emptied = True
            finally:
                if emptied:
                    _empty(folders)
    except Timeout:
        raise OutputError(_busy(folders[0], outputs[0])) from None
    except OSError as error:
        raise OutputError(explain_os_error(outputs[0], error)) from error
    finally:
        if emptied:
            _remove(folders)


def _begun(outputs: tuple[Path, ...], about: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Journal:
    """Return the journal to go on with, or a new one in a folder that is empty."""
    known = leftover(outputs[0])
    fresh = Journal(hidden(outputs[0]), about, secrets.token_hex(6), outputs)
    if known is not None and resume:
        why = _difference(known, about)
        if why is None:
            fresh.token, fresh.done = known.token, dict(known.done)
            fresh.note = f"went on with an unfinished run: {len(known.done)} of {known.blocks} blocks were there"
            if known.ending or not known.done or all(image.is_dir() for image in fresh.images):
                fresh.blocks, fresh.ending = known.blocks, known.ending
                fresh.announce()
                _rewrite(fresh.folder / "done", fresh.done)
                return fresh
            fresh.token, fresh.done, fresh.note = secrets.token_hex(6), {}, ""
        elif not overwrite:
            raise OutputError(
                f"the unfinished run of '{outputs[0]}' was another one ({why}); ask for the same, or add --overwrite "
                "to discard it"
            )
    elif known is not None and known.done and not overwrite:
        raise OutputError(
            f"an unfinished run of '{outputs[0]}' is there, {len(known.done)} of {known.blocks} blocks; add --resume "
            "to go on with it, or --overwrite to discard it"
        )
    if known is not None and not fresh.note:
        fresh.note = f"discarded an unfinished run, {len(known.done)} of {known.blocks} blocks of it"
    _empty([hidden(path) for path in outputs])
    fresh.empty_images()
    fresh.announce()
    return fresh


def _difference(known: Leftover, about: Mapping[str, Any]) -> str | None:
    """Return in words in what a run is another one, or None."""
    if known.version != __version__:
        return f"begun with version {known.version}, this is {__version__}"
    now = json.loads(json.dumps(dict(about)))
    names = [name for name in {**known.about, **now} if known.about.get(name) != now.get(name)]
    if not names:
        return None
    return ", ".join(f"{name}: {_short(known.about.get(name))}, now {_short(now.get(name))}" for name in names[:3])


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rewrite(path: Path, done: Mapping[int, str]) -> None:
    """Write what is known without the line that a killed process may have left torn."""
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text("".join(f"{number} {device}\n" for number, device in done.items()), encoding="ascii")


def _empty(folders: list[Path]) -> None:
    """Remove all but the lock, which is held."""
    for folder in folders:
        for each in folder.iterdir() if folder.is_dir() else ():
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != "lock":
                each.unlink(missing_ok=True)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # another run has begun there
            (folder / "lock").unlink(missing_ok=True)
            folder.rmdir()


def _busy(folder: Path, path: Path) -> str:
    try:
        known = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        who = f" (process {known['process']} on {known['host']}, since {known['since']})"
    except (OSError, ValueError, KeyError):
        who = ""
    return f"another run{who} is at work on '{path}'; wait until it has ended, or choose another name"

"""What is known about one file of a batch: a row of the table, of ``summary.csv`` and of its record."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..io.files import replacing


class State(StrEnum):
    """How far a file is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class FileRecord:
    """One file.

    Attributes
    ----------
    file : str
        Path below the input folder, with ``/``.
    reason : str
        Why it failed or was skipped.
    seconds : float or None
        Wall time of reading, scoring, computing and writing.
    sections : int or None
        Of the result; ``spacing`` is in ``unit``.
    psnr, ssim, rmse, gain_over_linear_db : float or None
        On hidden sections: pooled PSNR (dB) and RMSE, mean SSIM, PSNR above linear interpolation (dB).
    input_sha256, settings_sha256, output_sha256, uncertainty_sha256 : str
        Of the files; of all that decides about the result but the input.
    worker : str
        Machine and process that did it.
    run : str
        The batch that made it; in records only.
    fatal : bool
        The next files would fail for the same reason: the disk is full, the output folder is gone.
    trace : str
        Traceback of an error that nobody foresaw, for the log.
    """

    file: str
    state: State = State.WAITING
    reason: str = ""
    output: str = ""
    seconds: float | None = None
    method: str = ""
    device: str = ""
    sections: int | None = None
    spacing: float | None = None
    unit: str | None = None
    psnr: float | None = None
    ssim: float | None = None
    rmse: float | None = None
    gain_over_linear_db: float | None = None
    expected_gain_db: float | None = None
    warnings: tuple[str, ...] = ()
    input_sha256: str = ""
    settings_sha256: str = ""
    output_sha256: str = ""
    uncertainty_sha256: str = ""
    version: str = ""
    worker: str = ""
    run: str = ""
    fatal: bool = False
    trace: str = ""

    @property
    def label(self) -> str:
        """The file's name for a log: bytes that are no UTF-8 are spelled out."""
        return self.file.encode("utf-8", "backslashreplace").decode("utf-8")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FileRecord:
        """Return the row that :meth:`as_json` gave; unknown names are left out.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the values are no row.
        """
        known = {each.name for each in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        return cls(**{**given, "state": State(given["state"]), "warnings": tuple(given.get("warnings", ()))})

    def as_json(self) -> dict[str, Any]:
        """Return JSON-ready values, without what is for the batch itself."""
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in _NOT_SHOWN}


_NOT_SHOWN = ("run", "fatal", "trace")
COLUMNS = tuple(each.name for each in fields(FileRecord) if each.name not in _NOT_SHOWN)


def write_summary(path: Path, rows: Iterable[FileRecord]) -> None:
    """Write one line per file as CSV: the whole table, or the old one stays.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with (
        replacing(path, overwrite=True) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row.as_json() | {"warnings": "; ".join(row.warnings)})

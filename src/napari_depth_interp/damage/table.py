"""What was found and done, as a table in a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io.files import replacing
from .request import RepairRequest

_COLUMNS = ("index", "depth", "kind", "score", "threshold", "action", "expected_error", "reason")


def write_table(
    path: Path, request: RepairRequest, sections: Sequence[Mapping[str, Any]], *, overwrite: bool = False
) -> None:
    """Write a row per section: what was found and done, and the score of every kind.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    done = {entry["index"]: entry for entry in sections}
    kinds = list(request.examination.scores)
    with replacing(path, overwrite=overwrite) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, [*_COLUMNS, *kinds])
        rows.writeheader()
        for row in request.examination.as_table():
            entry = done.get(row["index"], {})
            chosen = {name: entry.get(name, "") for name in _COLUMNS}
            rows.writerow(chosen | {"index": row["index"], "depth": row["depth"]} | {kind: row[kind] for kind in kinds})

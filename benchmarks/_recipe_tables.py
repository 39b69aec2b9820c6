"""What filling does to tracing, rendering and registration, over volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from _tools import markdown_table

SCORES = {
    "trace": "centreline, F1",
    "render": "view from the side, PSNR in dB",
    "register": "registration, error in pixels",
}


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and worst of each score."""
    found = []
    for every, name in dict.fromkeys((row["every"], row["contender"]) for row in rows):
        own = {row["volume"]: row for row in rows if (row["every"], row["contender"]) == (every, name)}
        for key in SCORES:
            values = [row[key] for row in own.values() if row.get(key) is not None]
            if values:
                worst = max(values) if key == "register" else min(values)
                about = {"every": every, "contender": name, "score": key, "volumes": len(values)}
                found.append(about | {"mean": float(np.mean(values)), "worst": float(worst)})
    return found


def table(found: Sequence[Mapping[str, Any]], every: int) -> str:
    """Return contenders by row, and mean (worst) of each score."""
    names = list(dict.fromkeys(row["contender"] for row in found if row["every"] == every))
    lines = []
    for name in names:
        cells = {row["score"]: row for row in found if (row["every"], row["contender"]) == (every, name)}
        shown = [f"{cells[key]['mean']:.2f} ({cells[key]['worst']:.2f})" if key in cells else "" for key in SCORES]
        lines.append([name, *shown])
    return markdown_table(["", *(f"{title}: mean (worst)" for title in SCORES.values())], lines)

"""What the commands print: tables and words for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..method import MethodSpec
from ..system.amounts import elapsed

if TYPE_CHECKING:
    from ..evaluation.evaluate import Scores
    from ..run.estimate import Estimate
    from ..run.request import Request
    from ..run.result import Result


class CommandExit(Exception):
    """A command that has told everything itself and leaves with an exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def summarise(source: Path, output: Path, request: Request, result: Result) -> dict[str, Any]:
    """Return what ``run --json`` prints."""
    grid = result.dataset.grid
    enhanced = {} if request.enhance is None else {"enhance": request.record().get("enhance")}
    aligned = {} if request.align is None else {"align": result.record["align"]}
    return {
        "input": str(source),
        "output": str(output),
        "method": request.spec.name,
        "config": request.config.model_dump(mode="json"),
        **enhanced,
        **aligned,
        "shape": list(result.dataset.shape),
        "spacing": grid.spacing,
        "thickness": grid.thickness,
        "unit": grid.unit,
        "seconds": result.seconds,
        "device": request.runtime.device,
        "seed": request.runtime.seed,
        "warnings": list(result.warnings),
        "expected_gain_db": result.expected_gain_db,
    }


def describe_result(output: Path, request: Request, result: Result) -> str:
    """Return what ``run`` prints for people."""
    grid, sizes = result.dataset.grid, " x ".join(map(str, result.dataset.voxels.shape[2:]))
    apart = "" if grid.spacing is None else f", sections {grid.spacing:g} {grid.unit or '(no unit)'} apart"
    apart += "" if grid.thickness is None else f" and {grid.thickness:g} thick"
    observed, enhanced = int(result.is_observed.sum()), int(result.is_enhanced.sum())
    moved = 0 if enhanced else int(result.is_moved.sum())
    new = len(result.is_observed) - observed - enhanced - moved
    old = f"{enhanced} enhanced" if enhanced else f"{observed} observed" + (f", {moved} moved" if moved else "")
    method = f"{request.enhance.spec.name} and {request.spec.name}" if request.enhance else request.spec.name
    return (
        f"{output}: {sizes} voxels (z, y, x){apart}, {old} and {new} new, "
        f"{method}, {elapsed(result.seconds or 0.0)}" + "".join(f"\n{line}" for line in describe_findings(result))
    )


def print_estimate(estimate: Estimate, *, as_json: bool) -> None:
    """Print what ``run --estimate`` found out."""
    if as_json:
        print_json(estimate.as_json())
        return
    for line in estimate.describe():
        print(line)


def describe_findings(result: Result) -> list[str]:
    """Return what the method found out about the stack, a line per channel and time point."""
    from ..report import describe_finding

    return [describe_finding(each) for each in result.record.get("findings", ())]


def print_scores(groups: Sequence[tuple[str, Scores]]) -> None:
    """Print a table per stack, and in words which methods are worse than linear."""
    from rich.console import Console
    from rich.markup import escape

    from ..report import describe_range, describe_uncertainty, score_table, verdicts
    from ..report.downstream import segmentation_terminal, segmentation_words

    console = Console(width=None if sys.stdout.isatty() else 140)
    for title, scores in groups:
        heading = f"[bold]{escape(title)}[/bold]: {scores.protocol.describe()}"
        console.print(f"{heading}; data range {describe_range(scores)}; {scores.device}", highlight=False)
        console.print(score_table(scores))
        for table in segmentation_terminal(scores):
            console.print(table)
        segmented = [each.text for each in segmentation_words(scores)]
        for line in [*verdicts(scores), *segmented, *describe_uncertainty(scores)]:
            console.print(line, highlight=False)
        if (lpips := describe_lpips(scores)) is not None:
            console.print(lpips, highlight=False)
        warn(dict.fromkeys(line for each in scores.methods for line in each.warnings))
    console.print(
        "Hidden sections only: mean over sections, or pooled over all of them; fg: Otsu foreground of the truth.",
        highlight=False,
    )


def describe_lpips(scores: Scores) -> str | None:
    """Say why LPIPS was asked for and no method has it; the whole problem stands among the warnings."""
    if scores.lpips is None:
        return None
    net = scores.lpips["net"]
    if scores.lpips["problem"] is not None:
        return f"LPIPS: n/a, the weights of the network {net} cannot be had"
    if all(each.mean.get("lpips") is None for each in scores.methods):
        return f"LPIPS: n/a, the sections are too small for the network {net}, or hold voxels that are not a number"
    return None


def describe_spec(spec: MethodSpec) -> dict[str, Any]:
    """Return what ``methods --json`` prints of a method."""
    fields = spec.config.model_json_schema().get("properties", {})
    return {
        "name": spec.name, "title": spec.title, "summary": spec.summary, "cost": spec.cost,
        "needs_training": spec.needs_model, "trainable": spec.makes_model, "enlarges": spec.enlarges,
        "enhances": spec.enhances, "acquisitions": sorted(spec.acquisitions),
        "keeps_observed": spec.keeps_observed, "sampled": spec.sampled, "gives_uncertainty": spec.gives_uncertainty,
        "devices": list(spec.devices), "presets": {name: dict(values) for name, values in spec.presets.items()},
        "parameters": fields,
    }  # fmt: skip


def warn(messages: Iterable[str], kind: str = "warning") -> None:
    """Print warnings, or notes, on standard error."""
    for message in messages:
        print(f"{kind}: {message}", file=sys.stderr)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(value, allow_nan=False))

"""``depth-interp repair``: find damaged sections, and repair them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..damage.settings import RepairSettings
from ..errors import RequestError
from ..system.amounts import elapsed
from .files import check_outputs
from .options import FILE, Debug, Input, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..damage.request import RepairRequest
    from ..damage.result import RepairResult

_log = logging.getLogger(__name__)
_TARGETS = ("factor", "spacing", "isotropic")


@takes_settings(RepairSettings, leave_out=_TARGETS)
def repair(
    source: Input,
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT", help="File to write; its suffix chooses the format. Not with --dry-run.", readable=False
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Image of the same size that is not 0 where voxels are lost: these are filled in, the rest stays.",
            **FILE,
        ),
    ] = None,
    *,
    settings: RepairSettings,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is damaged and what would be done; write no image.")
    ] = False,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="Also write a table: a row per section with its scores, what was found and done.", **FILE
        ),
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Find damaged, missing, shifted or flickering sections and repair them."""
    from ..damage.execute import execute_repair, summary
    from ..damage.memory import held_bytes
    from ..damage.table import write_table
    from ..run.outputs import choose_target

    if not dry_run:
        _check_named(output)
    check_outputs({"repaired stack": None if dry_run else output}, [source, mask], overwrite=overwrite)
    if csv_file is not None:
        _check_table(csv_file, overwrite=overwrite)
    with reporting("examine") as report:
        request = _request(source, mask, settings, report)
    result = None
    if output is None or dry_run:
        sections, warnings = summary(list(request.steps)), [*request.dataset.notes, *request.examination.notes]
    else:
        _check_grid(output, request)
        target = choose_target(request, output, overwrite=overwrite, streamed_from=held_bytes(settings))
        with reporting(request.method) as report:
            result = execute_repair(request, report, target=target)
        if target is None:
            result.save(output, overwrite=overwrite)
        sections, warnings = result.sections, list(result.warnings)
    if csv_file is not None:
        write_table(csv_file, request, sections, overwrite=overwrite)
    warn(warnings)
    if json:
        print_json(_summary(source, output, request, sections, result, warnings))
        return
    for line in _described(output, request, sections, result):
        typer.echo(line)


def _check_named(output: Path | None) -> None:
    if output is None:
        raise RequestError("no output was given; name the file to write, or only look with --dry-run")


def _check_table(path: Path, *, overwrite: bool) -> None:
    from .. import io

    io.check_output(path, overwrite=overwrite)


def _check_grid(output: Path, request: RepairRequest) -> None:
    from .. import io

    template = request.dense_template()
    io.check_format(output, request.dataset, template.grid)


def _request(source: Path, mask: Path | None, settings: RepairSettings, report: Any) -> RepairRequest:
    import numpy as np

    from .. import io
    from ..damage.request import resolve_repair

    dataset = io.open_stack(source, axis=settings.axis)
    lost = None
    if mask is not None:
        found = io.read(mask, axis=settings.axis, labels=True).voxels
        if found.shape[:2] != (1, 1):
            raise RequestError(f"the mask '{mask}' has time points or channels; give one value per voxel of a section")
        lost = np.asarray(found[0, 0])
    return resolve_repair(dataset, settings, mask=lost, report=report)


def _summary(
    source: Path,
    output: Path | None,
    request: RepairRequest,
    sections: Sequence[Mapping[str, Any]],
    result: RepairResult | None,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return what ``repair --json`` prints."""
    return {
        "input": str(source),
        "output": None if result is None else str(output),
        "method": request.method,
        "count": request.examination.count,
        "thresholds": dict(request.examination.thresholds),
        "sections": list(sections),
        "seed": request.settings.seed,
        "seconds": None if result is None else result.seconds,
        "warnings": list(warnings),
    }


def _described(
    output: Path | None,
    request: RepairRequest,
    sections: Sequence[Mapping[str, Any]],
    result: RepairResult | None,
) -> list[str]:
    """Return what ``repair`` prints for people: a line per section, and one for the stack."""
    lines = []
    for entry in sections:
        error = "" if entry["expected_error"] is None else f"; expected error {entry['expected_error']:.3g}"
        score = f"score {entry['score']:.3g}, threshold {entry['threshold']:.3g}"
        lines.append(f"section {entry['index']}: {entry['action']} ({entry['reason']}; {score}{error})")
    count = request.examination.count
    if result is None:
        return [*lines, f"{len(sections)} of {count} sections found or named; nothing was written"]
    changed, moved = int(result.repaired.sum()), int(result.is_moved.sum())
    others = "all others are unchanged" if not moved else f"{moved} others were moved"
    took = elapsed(result.seconds or 0.0)
    return [*lines, f"{output}: {changed} of {count} sections repaired, {request.method}, {took}; {others}"]

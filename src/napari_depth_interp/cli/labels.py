"""``depth-interp labels``: fill labels in between annotated sections."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..labels.settings import LabelSettings
from ..system.amounts import elapsed, size_in_words
from .files import check_outputs
from .options import FILE, Debug, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..io import SectionAxis
    from ..labels.request import LabelRequest
    from ..labels.result import LabelResult
    from ..stack import Dataset

_log = logging.getLogger(__name__)


@takes_settings(LabelSettings)
def labels(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Labels: TIFF, NIfTI or OME-Zarr.", show_default=False, readable=False),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", readable=False)
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            help="Image that the labels were drawn on, with their sections or those of the result, for methods that "
            "look at it.",
            **FILE,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="Make the sections of this file, denser or coarser, instead of a factor.", **FILE),
    ] = None,
    *,
    settings: LabelSettings,
    confidence: Annotated[
        Path | None, typer.Option(help="Also write how likely the label of each voxel is right, 0 to 1.", **FILE)
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Also say which sections to annotate next, those that help most first.")
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Fill labels in between annotated sections."""
    from .. import io
    from ..labels.execute import execute_labels
    from ..run.outputs import choose_target

    check_outputs({"labels": output, "confidence": confidence}, [source, image, like], overwrite=overwrite)
    request = _request(source, image, like, settings)
    plan = request.dense_template()
    io.check_format(output, plan)
    if confidence is not None:
        io.check_format(confidence, plan, float_output=True)
    target = choose_target(request, output, confidence, overwrite=overwrite)
    _log.info("%s %s, %d threads", request.method, request.config, request.runtime.threads)
    with reporting(request.method) as report:
        result = execute_labels(request, report, target=target)
    _log.info(
        "filled in %s, %s at most", elapsed(result.seconds or 0), size_in_words(1e6 * (result.peak_memory_mb or 0))
    )
    if target is None:
        result.save(output, overwrite=overwrite)
        if confidence is not None:
            result.save_confidence(confidence, overwrite=overwrite)
    advice = _advice(request, result) if suggest else None
    result = replace(result, warnings=(*result.warnings, *_wide_gaps(request)))
    warn(result.warnings)
    if json:
        print_json(_summary(source, output, request, result) | ({} if advice is None else {"suggestions": advice}))
        return
    typer.echo(_described(output, result))
    for each in advice or ():
        typer.echo(_next(each, request))


def _request(source: Path, image: Path | None, like: Path | None, settings: LabelSettings) -> LabelRequest:
    from .. import io
    from ..labels.reading import opened_together
    from ..labels.request import resolve_labels

    def opened(path: Path, axis: SectionAxis, are_labels: bool) -> Dataset:
        return io.open_stack(path, axis=axis, labels=are_labels)

    dataset, guide, grid = opened_together(source, image, like, settings.axis, opened)
    return resolve_labels(dataset, settings, image=guide, like=grid)


def _summary(source: Path, output: Path, request: LabelRequest, result: LabelResult) -> dict[str, Any]:
    """Return what ``labels --json`` prints."""
    grid = result.dataset.grid
    return {
        "input": str(source),
        "output": str(output),
        "method": request.method,
        "config": request.config.model_dump(mode="json"),
        "shape": list(result.shape),
        "dtype": str(result.dtype),
        "spacing": grid.spacing,
        "unit": grid.unit,
        "annotated": result.annotated.nonzero()[0].tolist(),
        "interpolated": result.interpolated.nonzero()[0].tolist(),
        "expected_dice": result.expected_dice,
        "seconds": result.seconds,
        "seed": request.runtime.seed,
        "warnings": list(result.warnings),
    }


def _wide_gaps(request: LabelRequest) -> list[str]:
    """Say where gaps are wider than objects are tall, unless the sections would have to be read again for it."""
    from ..labels.suggest import warnings_of
    from ..stack.lazy import is_lazy

    if is_lazy(request.dataset.voxels) or not request.depths_known:
        return []
    unit = request.dataset.grid.unit or ""
    found = (warning for place in request.annotated_of for warning in warnings_of(request.series(*place), unit))
    return list(dict.fromkeys(found))


def _advice(request: LabelRequest, result: LabelResult) -> list[dict[str, Any]]:
    """Return which sections of the result to annotate next, of each channel and time point."""
    from ..labels.suggest import suggest_sections

    found = []
    for time, channel in request.annotated_of:
        sure = None if result.confidence is None else result.confidence[time, channel]
        for each in suggest_sections(request.series(time, channel), request.depths, confidence=sure):
            found.append({"time": time, "channel": channel, **each.as_json()})
    return sorted(found, key=lambda each: -each["loss"])


def _next(suggestion: Mapping[str, Any], request: LabelRequest) -> str:
    """Return a suggestion in words."""
    times, channels = request.output_shape[:2]
    where = f", time {suggestion['time']}" if times > 1 else ""
    where += f", channel {suggestion['channel']}" if channels > 1 else ""
    unit = f" {request.dataset.grid.unit}" if request.dataset.grid.unit else ""
    return (
        f"annotate section {suggestion['section']} (depth {suggestion['depth']:g}{unit}{where}) to set about "
        f"{suggestion['loss']:.0f} voxels right: {suggestion['reasons']}"
    )


def _described(output: Path, result: LabelResult) -> str:
    """Return what ``labels`` prints for people."""
    grid, sizes = result.dataset.grid, " x ".join(map(str, result.dataset.voxels.shape[2:]))
    apart = "" if grid.spacing is None else f", sections {grid.spacing:g} {grid.unit or '(no unit)'} apart"
    dice = "" if result.expected_dice is None else f"; expected Dice {result.expected_dice:.3f}"
    return (
        f"{output}: {sizes} voxels (z, y, x){apart}, {result.annotated.sum()} annotated and "
        f"{result.interpolated.sum()} filled in, {result.record['method']}, {elapsed(result.seconds or 0.0)}{dice}"
    )

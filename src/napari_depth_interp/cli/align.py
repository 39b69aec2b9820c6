"""``depth-interp align``: say whether sections jitter, move them back, undo it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from ..registration.config import AlignConfig
from ..run.settings import Settings
from .files import check_outputs
from .options import FILE, Debug, Input, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..registration import Transforms
    from ..run.aligning import Aligned
    from ..stack import Dataset


def _parameter(name: str, metavar: str) -> Any:
    field = AlignConfig.model_fields[name]
    return typer.Option(
        f"--{name}", metavar=metavar, help=f"{field.description} Default: {field.default}.", show_default=False
    )


@takes_settings(only=("axis", "z_spacing", "depths"))
def align(
    source: Input,
    output: Annotated[
        Path | None,
        typer.Argument(metavar="[OUT]", help="File to write; its suffix chooses the format.", readable=False),
    ] = None,
    kind: Annotated[str | None, _parameter("kind", "translation|rigid")] = None,
    drift: Annotated[str | None, _parameter("drift", "keep|remove")] = None,
    period: Annotated[float | None, _parameter("period", "SECTIONS")] = None,
    smallest: Annotated[float | None, _parameter("smallest", "PIXELS")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the sections jitter, and by how much; write nothing.")
    ] = False,
    transforms: Annotated[
        Path | None, typer.Option(help="Also write how each section was moved, as JSON, to undo or apply it.", **FILE)
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(help="Move the sections as this file says, such as that of another channel.", **FILE),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            help="Move aligned sections, or what was drawn on them, back to where they were recorded.", **FILE
        ),
    ] = None,
    overwrite: Overwrite = False,
    *,
    settings: Settings,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Bring sections that lie displaced against their neighbours back, by translation or rigid transforms."""
    from .. import io
    from ..run.aligning import Aligned
    from ..run.inputs import placed

    chosen = {"kind": kind, "drift": drift, "period": period, "smallest": smallest}
    given = {name: value for name, value in chosen.items() if value is not None}
    _check_options(output, given, check=check, transforms=transforms, apply=apply, undo=undo)
    if output is not None:
        check_outputs({"result": output}, [source], overwrite=overwrite)
    if transforms is not None:
        io.check_output(transforms, overwrite=overwrite)
    dataset = placed(io.open_stack(source, axis=settings.axis), settings)
    if output is None:
        _say_jitter(dataset, given, as_json=json)
        return
    io.check_format(output, dataset)
    with reporting("align") as report:
        aligned = Aligned.of(dataset, _transforms(dataset, given, apply, undo, report))
        aligned.save(output, overwrite=overwrite, report=report)
    if transforms is not None:
        aligned.transforms.save(transforms, overwrite=overwrite)
    if json:
        print_json(_summary(source, output, aligned))
        return
    warn(aligned.notes, "note")
    typer.echo(f"{output}: {_in_words(aligned.transforms)}")


def _check_options(output: Path | None, given: dict[str, Any], *, check: bool, **files: Path | None) -> None:
    """Refuse options that contradict each other.

    Raises
    ------
    RequestError
    """
    named = [f"--{name}" for name, path in files.items() if path is not None]
    if check and (output is not None or named):
        raise RequestError(f"--check writes nothing, so leave {output or ' and '.join(named)} out")
    if not check and output is None:
        raise RequestError("say where the aligned stack goes: depth-interp align IN OUT; or only look, with --check")
    ready = [name for name in named if name != "--transforms"]
    if len(ready) > 1:
        raise RequestError("--apply and --undo exclude each other; give one of them")
    if ready and given:
        raise RequestError(
            f"{ready[0]} says how sections move, so leave {' and '.join(f'--{each}' for each in given)} out"
        )


def _transforms(
    dataset: Dataset, given: dict[str, Any], apply: Path | None, undo: Path | None, report: Any
) -> Transforms:
    from ..registration import Transforms, estimate

    if apply is not None:
        return Transforms.load(apply)
    if undo is not None:
        return Transforms.load(undo).inverted()
    return estimate(dataset, given.pop("kind", "translation"), **given, report=report)


def _say_jitter(dataset: Dataset, given: dict[str, Any], *, as_json: bool) -> None:
    from ..registration import check_jitter

    known = {name: value for name, value in given.items() if name in ("kind", "period")}
    with reporting("align") as report:
        found = check_jitter(dataset, known.pop("kind", "translation"), **known, report=report)
    if as_json:
        print_json(found.as_json())
    else:
        typer.echo(found.sentence)


def _summary(source: Path, output: Path, aligned: Aligned) -> dict[str, Any]:
    """Return what ``align --json`` prints."""
    return {
        "input": str(source),
        "output": str(output),
        **aligned.transforms.as_json(),
        "margins": list(aligned.transforms.margins),
        "warnings": list(aligned.notes),
    }


def _in_words(transforms: Transforms) -> str:
    moved, margins = int(transforms.moved_ever.sum()), transforms.margins
    edges = f"; at the edges up to {max(margins)} pixels were not recorded, and are continued" if max(margins) else ""
    return f"{moved} of {transforms.moved.shape[1]} sections moved ({transforms.kind}){edges}"

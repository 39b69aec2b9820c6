"""``depth-interp fuse``: several thick stacks of one specimen become one volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from ..fusion.settings import LEFT_OUT, FuseSettings
from ..system.amounts import elapsed
from .files import check_outputs
from .options import FILE, Debug, Json, Overwrite, takes_settings
from .output import print_json, warn
from .signals import reporting

if TYPE_CHECKING:
    from ..fusion.result import FusionResult


@takes_settings(FuseSettings, leave_out=LEFT_OUT)
def fuse(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C ...] OUT",
            help="Two or more stacks that say how they lie in space (NIfTI, DICOM, NRRD, MetaImage), the first one the "
            "reference, and last the file to write.",
            show_default=False,
            readable=False,
        ),
    ],
    *,
    settings: FuseSettings,
    like: Annotated[
        Path | None, typer.Option(help="Image whose grid the result gets, in the world of the first stack.", **FILE)
    ] = None,
    transforms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Take the transforms that --save-transforms wrote there, and register nothing.",
            readable=False,
        ),
    ] = None,
    save_transforms: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Also write how each stack was moved, as text files of ITK (.tfm).", readable=False
        ),
    ] = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Also write the expected absolute error of each voxel.", **FILE)
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(
            help="Also write which stacks reach each voxel: 1 for the first, 2 for the second, 4 for the third ..., "
            "added up.",
            **FILE,
        ),
    ] = None,
    score: Annotated[
        bool,
        typer.Option(
            "--score", help="Also leave each stack out as a whole and predict it from the others; takes longer."
        ),
    ] = False,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Fuse two or more thick stacks of one specimen, taken from different sides, into one sharp volume."""
    from ..fusion.execute import execute_fusion

    stacks, output = _divided(files)
    wanted = {"fused volume": output, "uncertainty": uncertainty, "coverage": coverage}
    check_outputs(wanted, [*stacks, like], overwrite=overwrite)
    _check_other(settings, uncertainty, save_transforms, overwrite=overwrite, count=len(stacks), stacks=stacks)
    request = _request(stacks, settings, like, transforms)
    with reporting("fuse") as report:
        result = execute_fusion(request, report, score=score)
    result.save(output, overwrite=overwrite)
    if uncertainty is not None:
        result.save_uncertainty(uncertainty, overwrite=overwrite)
    if coverage is not None:
        result.save_coverage(coverage, overwrite=overwrite)
    if save_transforms is not None:
        result.save_transforms(save_transforms, overwrite=overwrite)
    warn(result.warnings)
    if json:
        print_json(_summary(stacks, output, result))
        return
    for line in _described(output, result):
        typer.echo(line)


def _divided(files: Sequence[Path]) -> tuple[list[Path], Path]:
    if len(files) < 3:
        raise RequestError(
            f"{len(files)} files were given; name two or more stacks of one specimen, and last the file to write"
        )
    return list(files[:-1]), files[-1]


def _check_other(
    settings: FuseSettings, uncertainty: Path | None, folder: Path | None, *, overwrite: bool, count: int,
    stacks: Sequence[Path],
) -> None:  # fmt: skip
    """Refuse before the work what would fail after it."""
    from ..fusion.motion import file_names, simple_itk
    from ..io import check_output

    if uncertainty is not None and (settings.unchecked or settings.method == "average"):
        raise RequestError(
            "the uncertainty is learned from held-out sections; leave --unchecked out, and choose another method than "
            "average"
        )
    if settings.registration != "none" or folder is not None:
        simple_itk()
    if folder is not None and folder.is_dir():
        for name in file_names([path.name for path in stacks]):
            check_output(folder / name, overwrite=overwrite)


def _request(stacks: Sequence[Path], settings: FuseSettings, like: Path | None, transforms: Path | None) -> Any:
    from .. import io
    from ..fusion.request import resolve_fusion

    datasets = [io.read(path, axis=settings.axis) for path in stacks]
    grid = None if like is None else io.read(like)
    names = [path.name for path in stacks]
    return resolve_fusion(datasets, settings, names=names, like=grid, transforms=transforms)


def _summary(stacks: Sequence[Path], output: Path, result: FusionResult) -> dict[str, Any]:
    """Return what ``fuse --json`` prints."""
    record = result.record
    return {
        "inputs": [str(path) for path in stacks],
        "output": str(output),
        "method": record["method"],
        "shape": list(result.shape),
        "spacing": result.spacing,
        "unit": result.unit,
        "averaged": record["averaged"],
        "stacks": result.stacks,
        "seed": record["seed"],
        "seconds": result.seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "warnings": list(result.warnings),
    }


def _described(output: Path, result: FusionResult) -> list[str]:
    """Return what ``fuse`` prints for people: lines for each stack, and one for the volume."""
    from ..fusion.result import described

    sizes = " x ".join(map(str, result.shape))
    return [
        *described(result.stacks, result.unit),
        f"{output}: {sizes} voxels of {len(result.stacks)} stacks, {result.record['method']}, "
        f"{elapsed(result.seconds or 0.0)}",
    ]

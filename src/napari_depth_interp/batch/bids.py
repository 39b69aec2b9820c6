"""A BIDS dataset: which images are in it, and what their derivatives are called.

BIDS 1.10, https://bids-specification.readthedocs.io; the command line follows the convention of BIDS Apps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__, io
from ..errors import InputError, OutputError, RequestError, explain
from ..io.files import replacing
from ..progress import Report, part, silent
from ..run.execute import execute
from ..run.request import Request, resolve
from ..run.result import Result
from ..run.settings import Settings, chosen_targets

BIDS_VERSION = "1.10.0"
DESCRIPTION = "dataset_description.json"
RESOLUTION = "dense"
_NAME = re.compile(r"(?P<entities>sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*)_(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?")
_README = """# Derivatives of {name}

Made by `depth-interp bids` of napari-depth-interp with the method {method}. Each image has sections filled in between
those that were recorded; these are unchanged. Which ones they are, and all settings, stand in the header of each file
(NIfTI extension, JSON), and what each image was made from in the file beside it.

New sections are estimates: measure how good they are on hidden sections of your own data before you rely on them.
"""
_AFTER = ("label", "desc")
"""Entities that stand behind the resolution in a name."""


@dataclass(frozen=True)
class Image:
    """One image of a dataset: where it is, and the parts of its name."""

    path: Path
    folder: Path
    entities: str
    suffix: str

    def derivative(self, method: str) -> Path:
        """Return its derivative, relative to the output: resolution, then the method as description."""
        words = [each for each in self.entities.split("_") if each.partition("-")[0] not in ("res", "desc")]
        before = [each for each in words if each.partition("-")[0] not in _AFTER]
        after = [each for each in words if each.partition("-")[0] in _AFTER]
        plain = re.sub("[^A-Za-z0-9]", "", method)
        stem = "_".join([*before, f"res-{RESOLUTION}", *after, f"desc-{plain}", self.suffix])
        return self.folder / f"{stem}.nii.gz"


@dataclass(frozen=True)
class Outcome:
    """What became of one image: the derivative, or why there is none."""

    image: Image
    derivative: Path | None
    problem: str | None = None


def find_images(
    dataset: Path, labels: Sequence[str] = (), suffixes: Sequence[str] = (), datatype: str = "anat"
) -> list[Image]:
    """Return the images of one kind of data, sorted by name.

    Parameters
    ----------
    dataset : Path
        Folder with ``dataset_description.json``.
    labels : sequence of str
        Participants, with or without ``sub-``; all if none are given.
    suffixes : sequence of str
        Such as ``T2w``; all if none are given.
    datatype : str
        Folder of the images, such as ``anat``.

    Raises
    ------
    InputError
        If the folder is no BIDS dataset, or holds no such image.
    """
    if not (dataset / DESCRIPTION).is_file():
        raise InputError(f"'{dataset}' is no BIDS dataset: it has no {DESCRIPTION}; give the folder that holds sub-*")
    people = _participants(dataset, labels)
    found = []
    for person in people:
        for path in sorted([*person.glob(f"{datatype}/*.nii*"), *person.glob(f"ses-*/{datatype}/*.nii*")]):
            match = _NAME.fullmatch(path.name)
            if match and (not suffixes or match["suffix"] in suffixes):
                found.append(Image(path, path.parent.relative_to(dataset), match["entities"], match["suffix"]))
    if not found:
        kinds = " or ".join(suffixes) if suffixes else "image"
        raise InputError(f"no {kinds} was found under sub-*/[ses-*/]{datatype} of '{dataset}'; check the names")
    return found


def _participants(dataset: Path, labels: Sequence[str]) -> list[Path]:
    folders = {path.name: path for path in sorted(dataset.glob("sub-*")) if path.is_dir()}
    wanted = [label if label.startswith("sub-") else f"sub-{label}" for label in labels] or list(folders)
    missing = [name for name in wanted if name not in folders]
    if missing:
        raise InputError(f"'{dataset}' has no participant {missing[0]}; it has {', '.join(folders) or 'none'}")
    return [folders[name] for name in wanted]


def run_participants(
    images: Sequence[Image],
    dataset: Path,
    target: Path,
    settings: Settings,
    report: Report = silent,
    *,
    overwrite: bool = False,
    on_end: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Make the derivative of each image. One that fails ends nothing.

    Without a target in the settings sections are made as close together as the pixels.

    Raises
    ------
    OutputError
        If the output is, or lies in, the dataset's own data, or cannot be made.
    """
    _check_target(dataset, target)
    if not chosen_targets(settings):
        settings = settings.model_copy(update={"isotropic": True})
    describe(dataset, target, settings)
    outcomes = []
    for number, image in enumerate(images):
        inner = part(report, number / len(images), (number + 1) / len(images), image.path.name)
        outcomes.append(_run(image, target, settings, inner, overwrite=overwrite))
        on_end(outcomes[-1])
    return outcomes


def _check_target(dataset: Path, target: Path) -> None:
    inside = dataset.resolve()
    wanted = target.resolve()
    if wanted == inside or (inside in wanted.parents and "derivatives" not in wanted.relative_to(inside).parts[:1]):
        raise OutputError(f"'{target}' lies in the dataset itself; choose a folder outside, or one in its derivatives/")


def _run(image: Image, target: Path, settings: Settings, report: Report, *, overwrite: bool) -> Outcome:
    derivative = target / image.derivative(settings.method)
    try:
        derivative.parent.mkdir(parents=True, exist_ok=True)
        io.check_output(derivative, overwrite=overwrite)
        request = resolve(io.open_stack(image.path, axis=settings.axis), settings)
        result = execute(request, report)
        result.save(derivative, overwrite=overwrite)
        write_json(derivative.with_name(derivative.name[: -len(".nii.gz")] + ".json"), _sidecar(image, request, result))
    except (InputError, OutputError, RequestError, OSError) as error:
        return Outcome(image, None, explain(error))
    return Outcome(image, derivative)


def _sidecar(image: Image, request: Request, result: Result) -> dict[str, Any]:
    spacing = f"{result.spacing:g} {result.unit}" if result.spacing is not None else "uneven distances"
    observed = request.dataset.grid.spacing
    before = f"{observed:g} {result.unit}" if observed is not None else "uneven distances"
    return {
        "Description": f"Sections filled in by {request.spec.name} of napari-depth-interp {__version__}",
        "Sources": [f"bids:raw:{(image.folder / image.path.name).as_posix()}"],
        "Resolution": f"Sections at {spacing} instead of {before}; pixels as acquired",
        "SkullStripped": _stripped(image.path),
    }


def _stripped(path: Path) -> bool:
    """Return what the image's own sidecar says; images are recorded with the skull, and nothing is taken off here."""
    sidecar = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        found = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("SkullStripped") is True


def describe(dataset: Path, target: Path, settings: Settings) -> None:
    """Write ``dataset_description.json`` of the derivatives, unless it is there."""
    path = target / DESCRIPTION
    if path.exists():
        return
    raw = _described(dataset / DESCRIPTION)
    place = dataset.resolve().as_uri()
    target.mkdir(parents=True, exist_ok=True)
    about = {
        "Name": f"{raw.get('Name', dataset.name)}: sections filled in",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "napari-depth-interp", "Version": __version__, "Description": f"Method {settings.method}"}
        ],
        "SourceDatasets": [{"URL": place}],
        "DatasetLinks": {"raw": place},
    }
    write_json(path, about)
    with replacing(target / "README.md", overwrite=True) as temporary:
        temporary.write_text(_README.format(name=raw.get("Name", dataset.name), method=settings.method), "utf-8")


def _described(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read as JSON: {error}; repair it first") from error
    if not isinstance(found, dict):
        raise InputError(f"'{path}' holds no JSON object; repair it first")
    return found


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file under a temporary name and rename it."""
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

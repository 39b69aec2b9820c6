"""What a batch is to do: which files, with which settings, and where the results go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from .. import io
from ..errors import InputError, OutputError, RequestError
from ..io.dicom import holds_dicom
from ..method import MethodConfig, MethodSpec
from ..run.request import resolve_method
from ..run.settings import Settings, chosen_targets
from ..run.targets import check_enhancer, check_same_grid
from ..stack import Acquisition
from ..stack.part import parse_crop, parse_times
from ..stack.section_list import parse_sections
from ..stack.units import parse_length
from ..system.devices import resolve_device
from .series import holds_series, result_of, series_in
from .workspace import FOLDER

_ANY_COUNT = 10**9
"""Sections that a file may have, as long as it has not been read."""


@dataclass(frozen=True)
class Plan:
    """A batch.

    Attributes
    ----------
    source, target : Path
        Folder of the stacks; folder of the results, which mirrors it. The target is made if it is not there.
    settings : Settings
        Of every file.
    recursive : bool
        Also the folders in it.
    patterns : tuple of str
        Shell patterns of names, or of paths below the folder where they hold a ``/``; with ``!`` before it a pattern
        leaves files out. None: all files that can be read.
    keep_every : int or None
        Also score the method on each file with one section in so many kept.
    data_range : (low, high) or None
        Full range of intensities for the scores. Default: percentiles 0.1 to 99.9 of each file.
    uncertainty : bool
        Also write the expected absolute error, as ``NAME_uncertainty``.
    resume : bool
        Go on with an earlier batch: skip what is complete.
    overwrite : bool
        Replace results that are there.
    """

    source: Path
    target: Path
    settings: Settings
    recursive: bool = False
    patterns: tuple[str, ...] = ()
    keep_every: int | None = None
    data_range: tuple[float, float] | None = None
    uncertainty: bool = False
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", Path(self.source))
        object.__setattr__(self, "target", Path(self.target))


@dataclass(frozen=True)
class Input:
    """A file of the batch: its path below the input folder (with ``/``), where it is, its size in bytes.

    ``others`` are the files that are read with it, where one image lies in several.
    """

    name: str
    path: Path
    size: int
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Found:
    """The files of a batch in their order, and what the user should know about those left out."""

    files: tuple[Input, ...]
    notes: tuple[str, ...] = ()


def check_settings(plan: Plan, *, here: bool = True) -> tuple[MethodSpec, MethodConfig]:
    """Refuse before the first file what would fail with every one; return the method.

    ``here`` tells that the method runs on this machine, whose devices are known.

    Raises
    ------
    DepthInterpError
        Of the kind that fits.
    """
    settings = plan.settings
    spec, config = resolve_method(settings.method, settings.preset, settings.parameters)
    if here:
        resolve_device(settings.device, spec.devices)
    _check_target(spec, settings)
    if settings.enhance is not None:
        enhancer, _ = resolve_method(settings.enhance, settings.preset, settings.enhance_parameters)
        check_enhancer(enhancer)
    _check_input(settings)
    if plan.uncertainty and not spec.gives_uncertainty:
        raise RequestError(f"{spec.name} gives no uncertainty; leave --uncertainty out, or choose another method")
    if plan.keep_every is not None and spec.enhances:
        raise RequestError(f"{spec.name} makes no sections that could be scored; leave --keep-every out")
    if plan.keep_every is not None and plan.keep_every < 2:
        raise RequestError(f"keep-every must be 2 or more, got {plan.keep_every}; 2 hides every other section")
    if plan.data_range is not None and plan.data_range[0] >= plan.data_range[1]:
        raise RequestError(f"the data range must be low < high, got {plan.data_range[0]:g} {plan.data_range[1]:g}")
    return spec, config


def _check_input(settings: Settings) -> None:
    """Refuse what the settings say about all files where it can be read in no file."""
    if settings.depths is not None and settings.z_spacing is not None:
        raise RequestError("--depths and --z-spacing exclude each other; give one of them")
    for length in (settings.spacing, settings.z_spacing):
        if length is not None:
            parse_length(length)
    if settings.crop is not None:
        parse_crop(settings.crop)
    if settings.times is not None:
        parse_times(settings.times)
    if settings.exclude is not None:
        parse_sections(settings.exclude, _ANY_COUNT)


def _check_target(spec: MethodSpec, settings: Settings) -> None:
    """Refuse a target that is missing, given twice, or of no use to the method."""
    is_projection = Acquisition.parse(settings.acquisition or "slice").is_projection
    if spec.enhances:
        check_same_grid(spec, settings, None)
        return
    given = chosen_targets(settings)
    if len(given) > 1:
        raise RequestError(f"{' and '.join(given)} exclude each other; give one of them")
    if not given and not is_projection and spec.enlarges == 1 and settings.exclude is None:
        raise RequestError("say how dense the results should be: --factor 4, --spacing 2um or --isotropic")


def find_inputs(plan: Plan) -> Found:
    """Return the files that the plan names, sorted by path; hidden ones are left out.

    Raises
    ------
    InputError
        If the folder is missing, cannot be read, or holds no such file.
    RequestError
        If results would replace inputs.
    """
    _check_folders(plan)
    files: list[Input] = []
    left_out: list[str] = []
    earlier: list[Path] = []
    for folder, names in _walk(plan, earlier):
        others = [folder / name for name in names if io.format_of(name) is None]
        if plan.recursive or folder == plan.source:
            paths = [folder / name for name in names if io.format_of(name) is not None]
            files += [Input(path.relative_to(plan.source).as_posix(), path, _size(path)) for path in paths]
        if holds_dicom(others):
            series = _series(plan, folder, left_out)
            taken = {path for each in files for path in (each.path, *each.others)}
            files += [each for each in series if each.path not in taken]
    files = [each for each in files if _wanted(each.name, plan.patterns)]
    if not files:
        raise InputError(left_out[0] if left_out else _nothing(plan))
    files, notes = _together(sorted(files, key=lambda each: each.name))
    _check_outputs(plan, files)
    if left_out:
        notes.append(f"{len(left_out)} folder{'s' if len(left_out) > 1 else ''} left out: {left_out[0]}")
    if earlier:
        notes.append(f"{_folders(earlier)} left out: '{earlier[0]}' holds the results of an earlier batch")
    return Found(tuple(files), tuple(notes))


def _series(plan: Plan, folder: Path, left_out: list[str]) -> list[Input]:
    """Return the DICOM series of a folder; if there are none, or they cannot be read, say why."""
    try:
        found = series_in(folder, plan.source)
    except InputError as error:
        left_out.append(str(error))
        return []
    if not found:
        left_out.append(f"'{folder}' holds no DICOM image, but files that begin as one; copy or export it again")
    return [Input(name, first, sum(map(_size, (first, *rest))), tuple(rest)) for name, (first, *rest) in found]


def _check_folders(plan: Plan) -> None:
    if not plan.source.is_dir():
        what = "is a file" if plan.source.exists() else "does not exist"
        raise InputError(f"the input folder '{plan.source}' {what}; give a folder of stacks")
    if plan.target.exists() and not plan.target.is_dir():
        raise OutputError(f"'{plan.target}' is a file; give a folder for the results")
    if plan.target.exists() and plan.target.samefile(plan.source):
        raise RequestError(f"'{plan.target}' is the input folder; give the results another one")


def _folders(paths: list[Path]) -> str:
    return f"{len(paths)} folder{'s' if len(paths) > 1 else ''}"


def _together(files: list[Input]) -> tuple[list[Input], list[str]]:
    """Make one input of files that hold one image together, and say so."""
    by_path = {os.path.realpath(each.path): each for each in files}
    taken: set[str] = set()
    found: list[Input] = []
    sets: list[Input] = []
    for each in sorted(files, key=lambda each: io.format_of(each.name) != "companion"):  # they know all the files
        if os.path.realpath(each.path) in taken:
            continue
        parts = [os.path.realpath(part) for part in io.parts(each.path)]
        taken.update(parts)
        head = next((by_path[part] for part in parts if part in by_path), each)
        others = tuple(Path(part) for part in parts if part != os.path.realpath(head.path))
        if others:
            head = replace(head, size=head.size + sum(map(_size, others)), others=others)
            sets.append(head)
        found.append(head)
    found.sort(key=lambda each: each.name)
    if not sets:
        return found, []
    count = sum(len(each.others) for each in sets)
    return found, [
        f"{count} file{'s' if count > 1 else ''} read together with '{sets[0].name}'"
        f"{f' and {len(sets) - 1} more' if len(sets) > 1 else ''}, of whose image they hold a part"
    ]


def outputs_of(plan: Plan, name: str) -> tuple[Path, Path | None]:
    """Return where a file's result and its uncertainty go."""
    if io.format_of(name) is None:
        output = plan.target / result_of(name)
    else:
        output = plan.target / Path(name).with_name(io.result_name(Path(name).name))
    if not plan.uncertainty:
        return output, None
    stem = io.stem_of(output.name)
    return output, output.with_name(f"{stem}_uncertainty{output.name[len(stem) :]}")


def _walk(plan: Plan, earlier: list[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders and the names in them; a folder whose name is that of an image counts as one.

    Without ``recursive`` only folders of DICOM series are entered. Links are followed, but no folder is entered twice;
    the folder of the results is not entered, nor those of earlier batches, which are added to ``earlier``.
    """
    seen: set[str] = set()
    pruned = os.path.realpath(plan.target)

    def fail(error: OSError) -> None:
        raise InputError(f"the folder '{error.filename}' cannot be read: {error.strerror}") from error

    for folder, folders, files in os.walk(plan.source, followlinks=True, onerror=fail):
        here = os.path.realpath(folder)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        if Path(folder, FOLDER).is_dir() and here != os.path.realpath(plan.source):
            earlier.append(Path(folder))
            folders.clear()
            continue
        visible = [name for name in folders if not name.startswith(".") and not _is_part(name, files)]
        images = [name for name in visible if io.format_of(name) is not None]
        real = {name: os.path.realpath(Path(folder, name)) for name in visible}
        inner = [name for name in visible if name not in images and real[name] != pruned]
        folders[:] = sorted(name for name in inner if plan.recursive or holds_series(Path(folder, name)))
        yield Path(folder), [*(name for name in files if not name.startswith(".")), *images]


def _is_part(folder: str, files: Iterable[str]) -> bool:
    """Return whether a folder holds the images of an OIF file beside it."""
    return folder.lower().endswith(".oif.files") and folder[: -len(".files")] in files


def _wanted(name: str, patterns: Iterable[str]) -> bool:
    def matches(pattern: str) -> bool:
        return fnmatch(name if "/" in pattern else name.rsplit("/", 1)[-1], pattern)

    taken = [pattern for pattern in patterns if not pattern.startswith("!")]
    if any(matches(pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return not taken or any(map(matches, taken))


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        return path.stat().st_size
    except OSError:  # a link to nowhere: its row will say so
        return 0


def _nothing(plan: Plan) -> str:
    matching = f" that matches {' or '.join(plan.patterns)}" if plan.patterns else ""
    deeper = "" if plan.recursive else "; add --recursive to look into the folders in it"
    return f"'{plan.source}' holds no stack of a format that is read{matching} (TIFF, NIfTI, DICOM ...){deeper}"


def _check_outputs(plan: Plan, files: list[Input]) -> None:
    """Refuse results that would replace an input, or each other."""
    inputs = {os.path.realpath(each.path) for each in files}
    taken: set[Path] = set()
    for each in files:
        for path in outputs_of(plan, each.name):
            if path is None:
                continue
            if path in taken:
                raise RequestError(f"two results would be called '{path}'; rename one input, or leave it out")
            taken.add(path)
            if os.path.realpath(path) in inputs:
                raise RequestError(f"the result '{path}' would replace an input; choose another output folder")

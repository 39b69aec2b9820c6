"""The report of an evaluation: one HTML page, with all scores beside it as CSV and JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import OutputError
from ..evaluation.evaluate import Scores
from ..evaluation.summary import across, as_json
from ..io.files import check_output, replacing
from ..run.settings import Settings
from ..system.optional import need
from . import tables
from .conclusions import conclusions, describe_range, over_stacks
from .downstream import segmentation_csv, segmentation_tables, segmentation_words
from .numbers import length
from .panels import Sheet, sheet, uri_of
from .pictures import Pictures
from .plots import gains_plot, plots
from .sheets import sections_csv, summary_csv

PAGE, SECTIONS, SUMMARY, EVERYTHING = "report.html", "scores.csv", "summary.csv", "scores.json"
SEGMENTATIONS = "segmentations.csv"
"""Only where there are labels of the stack."""
FILES = (PAGE, SECTIONS, SUMMARY, EVERYTHING)
_FEW = 3
"""Stacks of which all pictures are shown; of more only the middle section and the XZ plane, or pages grow too large."""
_LARGEST = 8_000_000
"""Bytes of a page: what mail and browsers take. Of a page that would be larger pictures are left out."""
_SCRUBBED = 3_500_000
"""Bytes of it for all sections to look through."""
_LIBRARIES = ("numpy", "scipy", "scikit-image", "torch")


@dataclass(frozen=True, eq=False)
class Chapter:
    """One stack: how it is called, its scores, and pictures of it if any were kept."""

    title: str
    scores: Scores
    pictures: Pictures | None


def check_folder(folder: Path, *, overwrite: bool, names: Sequence[str] = FILES) -> None:
    """Raise an :class:`OutputError` if a report cannot be written there, before hours of work are spent.

    Raises
    ------
    MissingPackageError
        If what a report is drawn with is not installed.
    """
    need("matplotlib", "report", "a report")
    try:
        parent = folder
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        if not parent.is_dir():
            raise OutputError(f"'{parent}' is not a folder; choose another one for the report")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"no permission to write into the folder '{parent}'; choose another one for the report")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise OutputError(f"the folder '{folder}' cannot be made: {error.strerror}; choose another one") from error
    if folder.is_dir():
        for name in names:
            check_output(folder / name, overwrite=overwrite)


def write_report(folder: Path, chapters: Sequence[Chapter], command: str, *, overwrite: bool = False) -> Path:
    """Write ``report.html``, ``scores.csv``, ``summary.csv`` and ``scores.json``.

    Parameters
    ----------
    folder : Path
        Made if missing.
    chapters : sequence of Chapter
        At least one.
    command : str
        What repeats the evaluation.
    overwrite : bool
        Replace an earlier report.

    Returns
    -------
    Path
        Of ``report.html``.

    Raises
    ------
    OutputError
        If a file is there already, or cannot be written; no half-written file stays.
    """
    check_folder(folder, overwrite=overwrite)
    scored = _named(chapters)
    texts = {
        SECTIONS: sections_csv(scored),
        SUMMARY: summary_csv(scored),
        EVERYTHING: json.dumps(as_json(scored), allow_nan=False, indent=1) + "\n",
        PAGE: render(chapters, command),
    }
    if any(scores.downstream is not None for _, scores in scored):
        texts[SEGMENTATIONS] = segmentation_csv(scored)
    return write_texts(folder, texts, overwrite=overwrite)


def write_texts(folder: Path, texts: Mapping[str, str], *, overwrite: bool) -> Path:
    """Write files of these names into a folder, all or none; return the path of the page."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder '{folder}' cannot be made: {error.strerror}; choose another one") from error
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.enter_context(replacing(folder / name, overwrite=overwrite)).write_bytes(text.encode())
    return folder / PAGE


def render(chapters: Sequence[Chapter], command: str) -> str:
    """Return the page as one self-contained HTML text of 8 MB at most."""
    few = len(chapters) <= _FEW
    text = ""
    for all_pictures, scrubbed in ((few, few), (few, False), (False, False), (None, False)):
        text = _rendered(chapters, command, all_pictures, scrubbed=scrubbed)
        if len(text.encode()) <= _LARGEST:
            break
    return text


def _rendered(chapters: Sequence[Chapter], command: str, all_pictures: bool | None, *, scrubbed: bool) -> str:
    """Return the page; ``all_pictures`` None: without any."""
    scored = _named(chapters)
    several = len(chapters) > 1
    return rendered(
        "report.html.j2",
        title=f"Evaluation of {len(chapters)} stacks" if several else f"Evaluation of {scored[0][0]}",
        command=command,
        summary=_summary(scored) if several else None,
        chapters=[
            _chapter(name, chapter, all_pictures, _SCRUBBED // len(chapters) if scrubbed else 0)
            for (name, _), chapter in zip(scored, chapters, strict=True)
        ],
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page from one of the templates beside this module; date, versions and pictures are known to all."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(name: str) -> str:
        return (files(__package__) / name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(load)
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return environment.get_template(template).render(date=date, versions=versions(), uri=uri_of, **values)


def versions() -> dict[str, str]:
    """Return the versions of what computes the scores; no library is imported for it."""
    found = {"napari-depth-interp": __version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | {"system": f"{platform.system()} {platform.machine()}"}


def _named(chapters: Sequence[Chapter]) -> list[tuple[str, Scores]]:
    return list(zip(told_apart([each.title for each in chapters]), (each.scores for each in chapters), strict=True))


def told_apart(titles: Sequence[str]) -> list[str]:
    """Number stacks that are called alike, so that rows of the tables can be told apart."""
    named: dict[str, None] = {}
    for title in titles:
        name, number = title, 2
        while name in named:
            name, number = f"{title} ({number})", number + 1
        named[name] = None
    return list(named)


def _summary(scored: Sequence[tuple[str, Scores]]) -> dict[str, Any]:
    stacks = [scores for _, scores in scored]
    found = across(stacks)
    return {
        "count": len(scored),
        "conclusions": over_stacks(stacks, found),
        "table": tables.over_stacks(found),
        "gains": tables.gains(scored),
        "plot": gains_plot(scored),
    }


def _chapter(name: str, chapter: Chapter, all_pictures: bool | None, budget: int) -> dict[str, Any]:
    scores = chapter.scores
    pictures = chapter.pictures if budget else None
    return {
        "name": name,
        "conclusions": [*conclusions(scores), *segmentation_words(scores)],
        "facts": dict(_facts(scores)),
        "configs": [(each.method, in_words(each.config)) for each in scores.methods],
        "headline": tables.headline(scores),
        "segmentations": segmentation_tables(scores),
        "downstream": scores.downstream,
        "tests": tables.tests(scores),
        "predicted": tables.predicted(scores),
        "everything": tables.everything(scores),
        "plots": plots(scores),
        "one_place": all(len(each.gap_curve) == 1 for each in scores.methods),
        "sheets": _sheets(chapter, all_pictures),
        "scrub": None if pictures is None else pictures.scrub(scores.data_range[0], budget),
        "first_of_several": max(scores.stack.get("shape", (1, 1))[:2]) > 1,
    }


def _sheets(chapter: Chapter, all_pictures: bool | None) -> list[Sheet]:
    if chapter.pictures is None or all_pictures is None:
        return []
    montages = chapter.pictures.montages(chapter.scores.data_range[0])
    if not all_pictures and montages:
        montages = [montages[(len(montages) - 1) // 2], montages[-1]]
    return [sheet(montage, chapter.scores) for montage in montages]


def _facts(scores: Scores) -> Iterator[tuple[str, str]]:
    stack = scores.stack
    yield "File", scores.input or "not from a file"
    yield "Protocol", scores.protocol.describe()
    if stack:
        times, channels, *sizes = stack["shape"]
        several = [f"{n} {word}" for n, word in ((times, "time points"), (channels, "channels")) if n > 1]
        yield "Truth", ", ".join([f"{' × '.join(map(str, sizes))} voxels (z, y, x)", *several])
        yield "Voxel size", voxel_size(stack)
        yield "Data type", stack["dtype"]
    yield (
        "Data range",
        f"{describe_range(scores)} (of each channel: percentiles 0.1 to 99.9 of the truth, unless given)",
    )
    hidden = max((len({row["index"] for row in each.sections}) for each in scores.methods), default=0)
    yield "Hidden sections", str(hidden)
    yield "Settings", _settings(scores)
    yield "Device", scores.device
    if scores.lpips is not None:
        weights = scores.lpips["weights"]
        yield "LPIPS", f"{scores.lpips['net']}, weights {'not available' if weights is None else f'SHA-256 {weights}'}"


def voxel_size(stack: dict[str, Any]) -> str:
    """Return the size of a voxel in words."""
    sizes = stack["voxel_size"]
    if sizes[1] is None:
        return f"z {length(sizes[0], stack['unit'])}; y and x not known"
    if sizes[0] is None:  # a single section
        return f"{sizes[1]:.4g} × {length(sizes[2], stack['unit'])} (y, x); z not known"
    return f"{' × '.join(f'{size:.4g}' for size in sizes[:2])} × {length(sizes[2], stack['unit'])} (z, y, x)"


def _settings(scores: Scores) -> str:
    usual = Settings().model_dump(include={"preset", "seed", "dtype"})
    return in_words(usual | scores.settings)


def in_words(values: dict[str, Any]) -> str:
    """Return settings as ``name = value``."""
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return ", ".join(f"{name} = {value}" for name, value in shown.items()) or "none"

"""Sections that are neither used nor kept: a run never sees them, and makes them anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..method import MethodSpec
from ..stack import Dataset
from ..stack.section_list import parse_sections, section_text
from .settings import Settings


def used_sections(dataset: Dataset, settings: Settings) -> NDArray[np.intp]:
    """Return the indices of the sections that are not excluded.

    Raises
    ------
    RequestError
        If the list cannot be read, names a section that there is not, or leaves fewer than two.
    """
    count = dataset.voxels.shape[2]
    if settings.exclude is None:
        return np.arange(count)
    excluded = parse_sections(settings.exclude, count)
    used = np.setdiff1d(np.arange(count), excluded)
    if len(used) < 2:
        raise RequestError(
            f"--exclude {section_text(excluded)} leaves {len(used)} of {count} sections, and between fewer than two "
            "nothing can be interpolated; exclude fewer"
        )
    return used


def without_excluded(dataset: Dataset, settings: Settings) -> Dataset:
    """Return the dataset without the sections that the settings exclude; errors as for :func:`used_sections`."""
    used = used_sections(dataset, settings)
    return dataset if len(used) == dataset.voxels.shape[2] else dataset.keeping(used)


def excluded_sections(dataset: Dataset, settings: Settings, spec: MethodSpec) -> tuple[int, ...]:
    """Return the indices of the sections that a method is to make anew.

    Raises
    ------
    RequestError
        As for :func:`used_sections`, or if the method cannot do without a section.
    """
    excluded = np.setdiff1d(np.arange(dataset.voxels.shape[2]), used_sections(dataset, settings))
    if not len(excluded):
        return ()
    if spec.enhances:
        raise RequestError(
            f"{spec.name} enhances the sections that there are and makes none anew, so none can be excluded; leave "
            f"--exclude out, or let it work before another method: --method auto --enhance {spec.name}"
        )
    if spec.enlarges > 1 or dataset.acquisition.is_projection:
        why = f"{spec.name} makes all three axes finer" if spec.enlarges > 1 else "images are means of sections"
        raise RequestError(
            f"{why}, which needs evenly spaced images, so none can be excluded; leave --exclude out, or use "
            "--acquisition slice and a method that adds sections only"
        )
    return tuple(int(i) for i in excluded)


def end_notes(whole: Dataset, excluded: tuple[int, ...]) -> list[str]:
    """Say so where the first or the last section is excluded, beyond which there is nothing to interpolate from."""
    count = whole.voxels.shape[2]
    used = np.setdiff1d(np.arange(count), excluded)
    ends = [*range(int(used[0])), *range(int(used[-1]) + 1, count)]
    if not ends:
        return []
    which = f"section {ends[0]} is" if len(ends) == 1 else f"sections {section_text(ends)} are"
    return [
        f"{which} excluded at an end of the stack, where there is nothing to interpolate between: the nearest section "
        "that is used stands there"
    ]

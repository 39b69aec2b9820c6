"""What a stack is, in words, and what it is too little for."""

from __future__ import annotations

import html

import numpy as np

from ...errors import InputError
from ...stack import Dataset

FEW = "<br>one section can only be enhanced (method SRCNN); to make new ones two or more are needed"
"""Of a stack of one section."""


def invitation(some: bool) -> str:
    """Return what can be done while no stack is chosen; ``some``: there are layers, made by docks."""
    return f"Open a stack, {'drop one here, or choose a layer that a dock has made' if some else 'or drop one here'}."


def describe_stack(dataset: Dataset) -> str:
    """Return in one or two lines of rich text what a stack is."""
    times, channels, sections, rows, columns = dataset.voxels.shape
    grid = dataset.grid
    unit = html.escape(grid.unit or "(no unit)")
    if grid.depths is None:
        spacing = "<b>z spacing unknown</b>"
    elif grid.is_even:
        spacing = f"{grid.spacing or 0:.4g} {unit} apart"
    else:
        gaps = np.diff(grid.depths)
        spacing = f"unevenly {gaps.min():.4g} to {gaps.max():.4g} {unit} apart"
    if grid.thickness is not None:
        spacing += f" and {grid.thickness:.4g} {unit} thick"
    pixels = f" of {grid.pixel_size[0]:.4g} x {grid.pixel_size[1]:.4g} {unit}" if grid.pixel_size else ""
    colours = "RGB" if dataset.rgb else f"{channels} channels"
    extra = (f", {times} time points" if times > 1 else "") + (f", {colours}" if channels > 1 else "")
    count = f"{sections} section{'' if sections == 1 else 's'}"
    lines = [f"{count} along z, {spacing}; {rows} x {columns} pixels{pixels}, {dataset.voxels.dtype}{extra}"]
    return "<br>".join([*lines, *(f"<i>{html.escape(note, quote=False)}</i>" for note in dataset.notes)])


def check_sections(dataset: Dataset) -> None:
    """Raise if the stack cannot be interpolated, as far as that is seen without looking at the voxels."""
    if dataset.voxels.shape[2] < 2:
        raise InputError("the stack has one section; two or more are needed")
    dataset.stack()

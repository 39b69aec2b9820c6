"""Readers that napari calls: like napari's own, but with spacing, unit and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari.types import LayerData
from napari.utils.notifications import show_info

from .. import io
from ..stack import Dataset
from ..stack.lazy import is_lazy
from ..system.memory import free_memory

Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the reader for images of the formats that are known, also folders of DICOM files; None for others."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_files if all(io.kind_at(each) for each in paths) else None


def read_files(path: Paths) -> list[LayerData]:
    """Read files into layers, one per channel.

    Raises
    ------
    InputError
        If a file cannot be read; napari shows the message.
    """
    from .layers import to_layers
    from .layers.label_layers import holds_labels, to_label_layers

    layers: list[LayerData] = []
    for each in [path] if isinstance(path, str) else path:
        dataset, coarser = _opened(each)
        name = Path(each).name
        for note in dataset.notes:
            show_info(f"{name}: {note}")
        title = title_of(each)
        layers += to_label_layers(dataset, title) if holds_labels(dataset) else to_layers(dataset, title, coarser)
    return layers


def title_of(path: str) -> str:
    """Return what the layers of a file are called: its name without the suffix, and the chosen series."""
    file, series = io.split_series(path)
    stem = io.stem_of(file.name)
    return stem if series is None else f"{stem} {series.strip('/')}"


def _opened(path: str) -> tuple[Dataset, list[Dataset]]:
    """Return an image, and its coarser resolutions if it is too large to be read at once."""
    dataset = io.open_stack(path)
    if not is_lazy(dataset.voxels):
        return dataset, []
    if io.format_of(path) == "zarr":
        return dataset, io.read_levels(path)[1:]
    if dataset.voxels.nbytes < free_memory() // 4:
        return io.read(path), []
    return dataset, []

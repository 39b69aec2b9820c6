"""Readers that napari calls: like napari's own, but with spacing, unit and channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from napari.layers._source import layer_source
from napari.types import LayerData
from napari.utils.notifications import show_info
from napari.viewer import Viewer

from .. import io
from ..io.formats import url_of
from ..stack import Dataset
from ..stack.lazy import is_lazy
from ..system.memory import free_memory
from .preferences import PLUGIN

if TYPE_CHECKING:
    from .layers.series import OfFile

Paths = str | Sequence[str]
_CHOSEN = ("dicom", "hdf5", "n5")
"""Formats of which no stack is read unless it is named."""


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the reader for images of the formats that are known, also folders of DICOM files; None for others."""
    paths = [path] if isinstance(path, str) else list(path)
    kinds = [io.kind_at(each) for each in paths]
    if None in kinds or any(
        kind == "sequence" and Path(each).is_dir() for kind, each in zip(kinds, paths, strict=True)
    ):
        return None  # napari itself opens a folder of images
    return read_files


def read_files(path: Paths) -> list[LayerData]:
    """Read files into layers, one per channel.

    Raises
    ------
    InputError
        If a file cannot be read; napari shows the message.
    """
    from .layers import to_layers
    from .layers.label_layers import holds_labels, to_label_layers
    from .layers.series import SERIES_KEY

    layers: list[LayerData] = []
    for each in map(_first_of, [path] if isinstance(path, str) else path):
        name = Path(each).name
        dataset, coarser = _elsewhere(each, name) if url_of(Path(each)) else _opened(each)
        for note in dataset.notes:
            show_info(f"{name}: {note}")
        title = title_of(each)
        made = to_label_layers(dataset, title) if holds_labels(dataset) else to_layers(dataset, title, coarser)
        if (known := _series(each)) is not None:
            for _, kwargs, _ in made:
                kwargs["metadata"][SERIES_KEY] = known
        layers += made
    return layers


def add_files(viewer: Viewer, path: str) -> list[Layer]:
    """Open a file, a folder or one series as layers, whatever napari's readers are told to open.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = _first_of(path)
    with layer_source(path=path, reader_plugin=PLUGIN):  # with the series: a run's command line needs it
        made = [Layer.create(*each) for each in read_files(path)]
    return [viewer.add_layer(each) for each in made]


def _first_of(path: str) -> str:
    """Return a path that names the first stack where one has to be chosen; the dock lists the others."""
    file, wanted = io.split_series(path)
    if wanted is not None or io.kind_at(file) not in _CHOSEN:
        return path
    names = io.series_of(file)
    return path if len(names) < 2 else f"{path}::{names[0]}"


def _series(path: str) -> OfFile | None:
    """Return which of several stacks a path names, or None where the file holds one."""
    from .layers.series import OfFile

    file, wanted = io.split_series(path)
    names = io.series_of(file)
    if len(names) < 2:
        return None
    index = names.index(wanted) if wanted in names else int(wanted) if wanted and wanted.isdecimal() else 0
    return OfFile(str(file), tuple(names), index)


def title_of(path: str) -> str:
    """Return what the layers of a file are called: its name without the suffix, and the chosen series."""
    file, series = io.split_series(path)
    stem = io.stem_of(file.name)
    return stem if series is None else f"{stem} {series.strip('/')}"


def _elsewhere(path: str, name: str) -> tuple[Dataset, list[Dataset]]:
    """Open what lies on a server, which may keep the window waiting."""
    from .jobs.foreground import in_foreground

    return in_foreground(lambda: _opened(path), f"opening {name}")


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

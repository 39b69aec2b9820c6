"""A run of the window that is divided among processes: they read the layer's file, not the layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari.layers import Layer

from ...errors import RequestError
from ...run.outputs import Spread, Target
from ...run.settings import Settings
from ...stack import Dataset
from ...system.cluster import Processes
from ..layers.command_input import CommandInput


def spread_target(
    target: Target | None, processes: Processes, layers: Sequence[Layer], dataset: Dataset, settings: Settings
) -> Target | None:
    """Return where the result goes, and the processes that make it if there are any beside this one.

    Parameters
    ----------
    target : Target or None
    processes : Processes
    layers : sequence of Layer
        Of the stack; ``dataset`` is what they hold.
    settings : Settings

    Raises
    ------
    RequestError
        If the layers have no file that other processes could read, or the result has none.
    """
    if not processes:
        return target
    if target is None:
        raise RequestError("several workers write into a file: tick 'Stream to a file' and name it .ome.zarr")
    depths = dataset.grid.depths
    source = CommandInput.of(layers[0], None if depths is None else depths.tolist(), dataset.grid.unit)
    if source.path is None:
        raise RequestError(f"workers read a file, and '{layers[0].name}' has none; save it as .ome.zarr and open that")
    complete = (source if len(layers) == 1 else replace(source, channel=None)).complete(settings)
    return replace(target, resume=True, spread=Spread(processes, Path(source.path), complete))

"""What a command line has to say about a layer so that it reads the same stack from the layer's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from ... import io
from ...run.settings import Settings
from . import CHANNEL_KEY, ORIGIN_KEY
from .series import SERIES_KEY


@dataclass(frozen=True)
class CommandInput:
    """A layer as a file: its path (None if it never had one), its channel, and a z spacing that is not the file's."""

    path: str | None = None
    channel: str | None = None
    spacing: str | None = None

    @classmethod
    def of(
        cls, layer: Layer, depths: Sequence[float] | None, unit: str | None, excluded: Sequence[int] = ()
    ) -> CommandInput:
        """Describe a layer whose sections, less excluded ones, are taken to be at these depths.

        None: they do not matter.
        """
        origin = layer.metadata.get(ORIGIN_KEY)
        in_file = None if origin is None else origin.grid.depths
        spacing = None
        if depths is not None and not _same_gaps(in_file, depths, excluded):
            first, second = np.setdiff1d(np.arange(len(depths) + len(excluded)), excluded)[:2]
            gap = (depths[1] - depths[0]) / int(second - first)
            spacing = f"{gap!r}{unit or ''}"  # the user has changed the layer's scale
        return cls(_path_of(layer), layer.metadata.get(CHANNEL_KEY), spacing)

    def complete(self, settings: Settings) -> Settings:
        """Return the settings with the channel, and with the spacing where they do not say it themselves."""
        known = settings.z_spacing is not None or settings.depths is not None
        spacing = settings.z_spacing if known else self.spacing
        return settings.model_copy(update={"channel": self.channel, "z_spacing": spacing})


def _path_of(layer: Layer) -> str | None:
    """Return the path of a layer's file, with the name of its series where napari was not told it."""
    path: str | None = layer.source.path
    known = layer.metadata.get(SERIES_KEY)
    if path is None or known is None or io.split_series(path)[1] is not None:
        return path
    return f"{path}::{known.names[known.index]}"


def _same_gaps(in_file: NDArray[np.float64] | None, depths: Sequence[float], excluded: Sequence[int]) -> bool:
    if in_file is None or len(in_file) != len(depths) + len(excluded):
        return False
    gaps = np.diff(np.delete(in_file, excluded))
    return np.allclose(gaps, np.diff(depths), rtol=1e-6, atol=0)

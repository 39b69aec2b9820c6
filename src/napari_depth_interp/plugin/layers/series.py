"""Which of several stacks in a file a layer shows; it stands in the metadata of the layer."""

from __future__ import annotations

from dataclasses import dataclass

SERIES_KEY = "depth_interp_series"
"""Where the metadata of a layer from a file of several stacks holds its :class:`OfFile`."""


@dataclass(frozen=True)
class OfFile:
    """Which of several stacks in a file a layer shows.

    Attributes
    ----------
    file : str
    names : tuple of str
        Of all stacks.
    index : int
        Of this one.
    """

    file: str
    names: tuple[str, ...]
    index: int

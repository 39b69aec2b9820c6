"""Pictures of one hidden plane side by side: truth, methods, errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.files import replacing

Labelled = tuple[str, NDArray[Any]]
"""A picture and the words above it."""


@dataclass(frozen=True, eq=False)
class Montage:
    """One plane: its truth, what each method made of it, and what was visible around it.

    Attributes
    ----------
    title : str
    below, truth, above : (label, (Y, X) array)
        All arrays in the units of the input; (Y, X, 3) of colours. In an XZ plane ``below`` is what the methods saw,
        ``above`` None.
    methods : mapping of label -> (Y, X) array
    data_range : (low, high)
        Drawn black and white.
    pixel_aspect : float
        Height over width of a pixel.
    uncertainty : mapping of label -> (Y, X) array
        Expected absolute errors, of methods that give them.
    index : int or None
        Of the section in the reference; None for an XZ plane.
    step : int
        Every how manyth pixel is drawn.
    remark : str
        What is to be known of it.
    """

    title: str
    below: Labelled | None
    truth: Labelled
    above: Labelled | None
    methods: dict[str, NDArray[Any]]
    data_range: tuple[float, float]
    pixel_aspect: float = 1.0
    uncertainty: dict[str, NDArray[Any]] = field(default_factory=dict)
    index: int | None = None
    step: int = 1
    remark: str = ""

    @property
    def change(self) -> NDArray[np.float64] | None:
        """How much the observed neighbours differ: what there is to fill in."""
        if self.below is None or self.above is None:
            return None
        return _difference(self.above[1], self.below[1])

    def error(self, method: str) -> NDArray[np.float64]:
        """Return the absolute error of a method."""
        return _difference(self.methods[method], self.truth[1])

    def error_limit(self) -> float:
        """Return what the colours of all error maps end at: percentile 99.5 of the largest of them."""
        maps = [*(self.error(name) for name in self.methods), *([] if self.change is None else [self.change])]
        tops = [float(np.percentile(known, 99.5)) for each in maps if len(known := each[np.isfinite(each)])]
        return max(tops, default=0.0) or 1.0


def _difference(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return the absolute difference, of colours the mean over them."""
    found = np.asarray(np.abs(one.astype(np.float64) - other.astype(np.float64)))
    return found.mean(-1) if found.ndim == 3 else found


def save_montages(path: Path, montages: Sequence[Montage], *, overwrite: bool = False) -> None:
    """Draw each montage as two rows: neighbours, truth and methods; below each method its absolute error."""
    from matplotlib.figure import Figure

    columns = 2 + max(len(montage.methods) for montage in montages)
    figure = Figure(figsize=(2.4 * columns + 0.8, 5.2 * len(montages)), layout="constrained")
    for part, montage in zip(figure.subfigures(len(montages), 1, squeeze=False)[:, 0], montages, strict=True):
        _draw(part, montage, columns)
    with replacing(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format=path.suffix[1:].lower() or "png")


def _draw(figure: Any, montage: Montage, columns: int) -> None:
    figure.suptitle(montage.title, fontsize=11, x=0.01, ha="left")
    axes = figure.subplots(2, columns)
    for axis in axes.flat:
        axis.set_axis_off()
    low, high = montage.data_range
    images: list[tuple[Any, str, NDArray[Any]]] = [(axes[0, 1], *montage.truth)]
    images += [
        (axis, *shown)
        for axis, shown in ((axes[0, 0], montage.below), (axes[1, 0], montage.above))
        if shown is not None
    ]
    images += [(axis, *item) for axis, item in zip(axes[0, 2:], montage.methods.items(), strict=False)]
    for axis, label, image in images:
        shades = np.clip((image - low) / (high - low), 0, 1)  # matplotlib scales no colours
        axis.imshow(shades, cmap="gray", vmin=0, vmax=1, aspect=montage.pixel_aspect)
        axis.set_title(label, fontsize=9)
    errors = [(axes[1, 1], "change between the neighbours", montage.change)]
    errors += [
        (axis, f"{name}: absolute error", montage.error(name))
        for axis, name in zip(axes[1, 2:], montage.methods, strict=False)
    ]
    for axis, label, error in errors:
        if error is not None:
            drawn = axis.imshow(error, cmap="inferno", vmin=0, vmax=montage.error_limit(), aspect=montage.pixel_aspect)
            axis.set_title(label, fontsize=9)
    figure.colorbar(drawn, ax=axes[1, :].tolist(), fraction=0.02, pad=0.01, label="input units")

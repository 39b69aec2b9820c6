"""Montages as separate small pictures, so that a page can wrap them and label them in its own letters."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..evaluation.evaluate import Scores
from .montages import Montage
from .numbers import exact, number
from .tables import Cell

Map = Literal["gray", "inferno"]

_WIDTH, _WIDE, _TALLEST = 290, 586, 440
"""Pixels on the screen; two pictures of a method and two of the next fit side by side, or two of flat ones."""
_SHADES = 64
"""Steps of error maps: more are not told apart and make files larger."""


@dataclass(frozen=True)
class Panel:
    """One picture: its file as a data URI, words for those who cannot see it, and its size on the screen in pixels."""

    uri: str
    caption: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True)
class Bar:
    """A colour bar with the values at its ends."""

    uri: str
    label: str
    low: str
    high: str
    alt: str


@dataclass(frozen=True)
class MethodPanels:
    """What one method made of a plane; ``scores`` are those of this section."""

    method: str
    panels: Sequence[Panel]
    scores: Sequence[Cell]


@dataclass(frozen=True)
class Sheet:
    """A montage, ready for the page."""

    title: str
    remark: str
    context: Sequence[Panel]
    methods: Sequence[MethodPanels]
    bars: Sequence[Bar]


def sheet(montage: Montage, scores: Scores) -> Sheet:
    """Return a montage as pictures with captions."""
    limit = montage.error_limit()
    context = [_picture(montage, *montage.truth)]
    if montage.change is not None:
        context.append(
            _map(montage, montage.change, limit, "change between the neighbours", "change of the neighbours")
        )
    elif montage.below is not None:
        context.append(_picture(montage, *montage.below))
    methods = []
    for name, image in montage.methods.items():
        panels = [
            _picture(montage, "restored", image, name),
            _map(montage, montage.error(name), limit, "absolute error", name),
        ]
        if name in montage.uncertainty:
            panels.append(_map(montage, montage.uncertainty[name], limit, "uncertainty (expected error)", name))
        methods.append(MethodPanels(name, panels, _section_scores(montage, name, scores)))
    return Sheet(montage.title, _remark(montage), context, methods, _bars(montage, limit))


def _remark(montage: Montage) -> str:
    parts = []
    if montage.change is not None and montage.below and montage.above:
        parts.append(f"Neighbours: {montage.below[0]}, {montage.above[0]}.")
    parts += [montage.remark] if montage.remark else []
    if montage.step > 1:
        sides = "row and column" if montage.index is not None else "column"
        parts.append(f"Only one {sides} in {montage.step} is drawn.")
    return " ".join(parts)


def _section_scores(montage: Montage, method: str, scores: Scores) -> list[Cell]:
    each = scores.of(method)
    if montage.index is None or each is None:
        return []
    rows = [row for row in each.sections if row["index"] == montage.index and not row.get("time")]
    rows = rows if montage.truth[1].ndim == 3 else rows[:1]  # of all colours, else of the first channel
    cells = []
    for name, heading, unit in (("psnr", "PSNR", " dB"), ("ssim", "SSIM", "")) if rows else ():
        known = [row[name] for row in rows if row[name] is not None]
        value = known[0] if len(known) == 1 else sum(known) / len(known) if known else None
        cells.append(Cell(f"{heading} {number(value)}{unit}", exact(value), f"sections.{montage.index}.{name}"))
    return cells


def _bars(montage: Montage, limit: float) -> list[Bar]:
    low, high = montage.data_range
    return [
        Bar(_strip("gray"), "intensity (input units)", f"{low:.4g}", f"{high:.4g}", "grey scale of the pictures"),
        Bar(_strip("inferno"), "error, change (input units)", "0", f"{limit:.4g}", "colour scale of the error maps"),
    ]


def _strip(colours: Map) -> str:
    return uri_of(_encoded(np.tile(np.linspace(0, 1, 256), (10, 1)), 0.0, 1.0, colours))


def _picture(montage: Montage, label: str, image: NDArray[Any], whose: str = "") -> Panel:
    png = _encoded(image, *montage.data_range, "gray")
    by = f" by {whose}" if whose else ""
    return _panel(png, image, montage, label, f"{montage.title}: {label}{by}")


def _map(montage: Montage, image: NDArray[Any], limit: float, label: str, whose: str) -> Panel:
    return _panel(_encoded(image, 0.0, limit, "inferno"), image, montage, label, f"{montage.title}: {label}, {whose}")


def _panel(png: bytes, image: NDArray[Any], montage: Montage, caption: str, alt: str) -> Panel:
    return sized_panel(png, image.shape[:2], montage.pixel_aspect, caption, alt)


def sized_panel(png: bytes, shape: tuple[int, ...], pixel_aspect: float, caption: str, alt: str) -> Panel:
    """Return a picture of (rows, columns) at a fitting size; its pixels are ``pixel_aspect`` times as high as wide."""
    rows, columns = shape
    ratio = columns / (rows * pixel_aspect)
    width = min(_WIDTH if ratio < 3 else _WIDE, _TALLEST * ratio)
    return Panel(uri_of(png), caption, alt, max(1, round(width)), max(1, round(width / ratio)))


def uri_of(png: bytes) -> str:
    """Return a PNG as text that stands in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _encoded(image: NDArray[Any], low: float, high: float, colours: Map) -> bytes:
    """Return the image (Y, X), or (Y, X, 3) in its colours, as PNG.

    ``low`` to ``high`` over the whole scale; what is no number is white.
    """

    values = (image.astype(np.float64) - low) / (high - low)
    missing = ~np.isfinite(values)
    shades = np.where(missing, 0.0, np.clip(values, 0.0, 1.0))
    if colours == "gray":
        pixels = (shades * 255).round().astype(np.uint8)
    else:
        from matplotlib import colormaps

        table = (colormaps[colours](np.linspace(0, 1, _SHADES))[:, :3] * 255).round().astype(np.uint8)
        pixels = table[(shades * (_SHADES - 1)).round().astype(int)]
    pixels[missing] = 255
    return png_of(pixels)


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return grey (Y, X) or coloured (Y, X, 3) pixels as PNG."""
    from imagecodecs import png_encode

    # imagecodecs reserves too little for pictures that are only a few pixels wide.
    return bytes(png_encode(np.ascontiguousarray(pixels), level=9, out=2 * pixels.nbytes + 4096))

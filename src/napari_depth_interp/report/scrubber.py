"""All sections of a stack to look through on the page: truth and methods as one tall picture each, in 256 steps.

Errors are made by the page itself, from truth and method, so that they take no room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .numbers import length, number
from .panels import png_of, uri_of

LARGEST, MOST = 256, 64
"""Pixels along a side of a kept section, and sections that are kept; of larger stacks only every n-th is."""
TRUTH = "truth"
_GREY = 255
_COLOURS = 64
"""Steps of the colours of errors."""
_WIDTH = 640
"""Pixels on the screen that a section is wide at most, and high."""


@dataclass(frozen=True)
class Scrub:
    """What the page needs; ``data`` becomes JSON.

    ``data``: ``width``, ``height`` (of a section, in pixels of the pictures), ``sections`` (title and whether it is
    hidden, each), ``pictures`` (name -> data URI of all sections below each other), ``scores`` (per section, method
    -> words), ``colours`` (of errors, from 0 on), ``limit`` (grey steps of the last colour).
    """

    data: dict[str, Any]
    methods: tuple[str, ...]
    start: int
    width: int
    height: int
    remark: str


@dataclass
class Sections:
    """Sections of truth and methods, thinned; kept while results pass by."""

    truth: NDArray[Any] | None = None
    numbers: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    step: int = 1
    methods: dict[str, NDArray[Any]] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    asked: int = 0

    def begin(self, truth: NDArray[Any], wanted: NDArray[np.intp]) -> None:
        """Choose sections among those that methods are asked for, and copy their truth (Z, Y, X) or (Z, Y, X, 3)."""
        self.step = -(-max(truth.shape[1:3]) // LARGEST)
        self.asked = len(wanted)
        self.numbers = wanted[_spread(len(wanted), MOST)]
        self.truth = np.array(truth[self.numbers, :: self.step, :: self.step])

    def keep(self, name: str, index: int, values: NDArray[Any], *, hidden: bool) -> None:
        """Take one section of a method."""
        if self.truth is None or index not in self.numbers:
            return
        if hidden:
            self.hidden.add(index)
        if name not in self.methods:
            self.methods[name] = np.array(self.truth, np.result_type(values.dtype, self.truth.dtype))
        place = int(np.flatnonzero(self.numbers == index)[0])
        self.methods[name][place] = values[:: self.step, :: self.step]


def scrub_of(
    kept: Sections,
    depths: NDArray[np.float64],
    unit: str | None,
    pixel_aspect: float,
    data_range: tuple[float, float],
    budget: int,
) -> Scrub | None:
    """Return the pictures at the finest resolution at which they take ``budget`` bytes of the page at most.

    None where nothing was kept, or a few small sections would be too much already.
    """
    if kept.truth is None or not kept.methods or len(kept.numbers) < 2:
        return None
    images = {TRUTH: kept.truth, **kept.methods}
    # Fewer pixels first: all sections of a smaller picture tell more than a few of a large one.
    for step, share in ((1, 1.0), (2, 1.0), (2, 0.6), (3, 0.6), (4, 0.4), (6, 0.3)):
        places = _spread(len(kept.numbers), max(2, round(share * len(kept.numbers))))
        grey = {name: _grey(each[places, ::step, ::step], data_range) for name, each in images.items()}
        pictures = {name: uri_of(png_of(each.reshape(-1, *each.shape[2:]))) for name, each in grey.items()}
        if sum(map(len, pictures.values())) <= budget:
            return _made(kept, pictures, grey, depths, unit, pixel_aspect, step, places)
    return None


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Return places spread over ``count``; at no fixed step, which could meet kept sections alone."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round()).astype(np.intp)


def _grey(sections: NDArray[Any], data_range: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = data_range
    shades = np.nan_to_num((sections.astype(np.float32) - low) / (high - low), nan=1.0)
    return np.asarray((np.clip(shades, 0, 1) * _GREY).round(), np.uint8)


def _made(
    kept: Sections,
    pictures: dict[str, str],
    grey: dict[str, NDArray[np.uint8]],
    depths: NDArray[np.float64],
    unit: str | None,
    pixel_aspect: float,
    step: int,
    places: NDArray[np.intp],
) -> Scrub:
    numbers = kept.numbers[places].tolist()
    height, width = grey[TRUTH].shape[1:3]
    seen = [f"Section {n}, z = {length(float(depths[n]), unit)}, {_word(n in kept.hidden)}" for n in numbers]
    data = {
        "width": width,
        "height": height,
        "sections": seen,
        "pictures": pictures,
        "scores": [_psnr_words(grey, place) if n in kept.hidden else {} for place, n in enumerate(numbers)],
        "colours": _colours(),
        "limit": _limit(grey),
    }
    size = min(_WIDTH / width, _WIDTH / (height * pixel_aspect))
    shown = (max(1, round(size * width)), max(1, round(size * height * pixel_aspect)))
    start = next((i for i in range(len(numbers) // 2, len(numbers)) if numbers[i] in kept.hidden), 0)
    whole = kept.step * step
    parts = [f"one row and column in {whole}"] if whole > 1 else []
    parts += [f"{len(numbers)} of {kept.asked} sections"] if len(numbers) < kept.asked else []
    remark = f" Shown: {' and '.join(parts)}." if parts else ""
    return Scrub(data, tuple(name for name in pictures if name != TRUTH), start, *shown, remark)


def _word(hidden: bool) -> str:
    return "hidden from the methods" if hidden else "kept"


def _psnr_words(grey: dict[str, NDArray[np.uint8]], place: int) -> dict[str, str]:
    truth = grey[TRUTH][place].astype(np.float64)
    words = {}
    for name, each in grey.items():
        error = float(np.mean((each[place] - truth) ** 2))
        if name != TRUTH:
            words[name] = f"{number(10 * np.log10(_GREY**2 / error))} dB" if error else "exact"
    return words


def _limit(grey: dict[str, NDArray[np.uint8]]) -> int:
    """Return the grey steps at which the colours of errors end: percentile 99.5 of the largest errors."""
    truth = grey[TRUTH].astype(np.int16)
    tops = [np.percentile(np.abs(each - truth), 99.5) for name, each in grey.items() if name != TRUTH]
    return max(1, int(max(tops)))


def _colours() -> list[list[int]]:
    from matplotlib import colormaps

    table = colormaps["inferno"](np.linspace(0, 1, _COLOURS))[:, :3] * 255
    return [[int(value) for value in each] for each in table.round()]

"""Small pictures of some hidden sections of labels, kept while results pass by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluation.label_scores import LabelScores
from ...evaluation.label_trials import LabelTrial
from ...labels.request import LabelRequest
from ...labels.result import LabelResult
from ...labels.voxels import chosen_only
from ..numbers import exact, length, number
from ..panels import Bar, MethodPanels, Panel, Sheet, png_of, sized_panel, uri_of
from ..pictures import LARGEST, even_rows
from ..tables import Cell
from .outlines import ADDED, MISSED, SWAPPED, Pixels, errors, outlined

_PLACES = (0.25, 0.5, 0.75)
"""Parts of the stack near which hidden sections are shown."""
_KINDS = ((MISSED, "label missing"), (ADDED, "label too many"), (SWAPPED, "another label"))

Plane = NDArray[Any]


@dataclass
class _Shown:
    """One plane: the image and the truth, and what each method made of it."""

    title: str
    truth: Plane
    image: Plane | None
    aspect: float
    index: int | None = None
    methods: dict[str, Plane] = field(default_factory=dict)


class LabelPictures:
    """A few hidden sections and the middle XZ plane of the first time point and channel.

    Parameters
    ----------
    request : LabelRequest
        The labels, and the image if there is one.
    trials : sequence of LabelTrial
    """

    def __init__(self, request: LabelRequest, trials: Sequence[LabelTrial]) -> None:
        self._request = request
        self._place = min(request.annotated_of)
        own = set(request.annotated_of[self._place])
        asked = [section for trial in trials for section in trial.asked]
        self._sections = sorted(own & {*asked, *trials[0].kept})
        size = request.grid.pixel_size or (1.0, 1.0)
        rows, columns = request.dataset.voxels.shape[-2:]
        self._step, self._row = -(-max(rows, columns) // LARGEST), rows // 2
        depths = request.dataset.stack().depths
        self._shown = [
            _Shown(
                f"Hidden section {section}, z = {length(float(depths[section]), request.grid.unit)}",
                self._thin(self._truth(section)),
                self._image(section),
                size[0] / size[1],
                section,
            )
            for section in _choose(trials, own, depths)
        ]
        self._xz = self._plane(depths)

    def keep(self, name: str, trial: LabelTrial, result: LabelResult) -> None:
        """Take what is shown from one result; to be given to ``evaluate_labels`` as ``on_result``."""
        made = result.dataset.voxels[self._place]
        for each in self._shown:
            if each.index in trial.hidden:
                each.methods[name] = self._thin(np.asarray(made[each.index]))
        rows = self._xz.methods.setdefault(name, self._xz.truth.copy())
        for section in trial.hidden:
            if section in self._sections:
                rows[self._sections.index(section)] = made[section][self._row, :: self._step]

    def sheets(self, scores: LabelScores, *, most: int | None = None) -> list[Sheet]:
        """Return the hidden sections (at most ``most`` of them) and last the XZ plane, as pictures with captions."""
        shown = [each for each in self._shown if each.methods]
        if most is not None:
            shown = shown[(len(shown) - 1) // 2 :][:most]
        return [_sheet(each, scores, self._step) for each in [*shown, self._even()] if each.methods]

    def _truth(self, section: int) -> Plane:
        voxels = self._request.dataset.voxels[self._place]
        return chosen_only(np.asarray(voxels[section]), self._request.labels)

    def _thin(self, plane: Plane) -> Plane:
        return np.array(plane[:: self._step, :: self._step])

    def _image(self, section: int) -> Plane | None:
        """Return the image on a section; None where there is none at that depth."""
        guide = self._request.image
        if guide is None:
            return None
        depth = float(self._request.dataset.stack().depths[section])
        depths = guide.dataset.stack().depths
        nearest = int(np.abs(depths - depth).argmin())
        time = self._place[0] if guide.dataset.voxels.shape[0] > 1 else 0
        return self._thin(np.asarray(guide.dataset.voxels[time, 0, nearest]))

    def _plane(self, depths: NDArray[np.float64]) -> _Shown:
        truth = np.stack([self._truth(section)[self._row, :: self._step] for section in self._sections])
        return _Shown(f"XZ plane through the middle (row {self._row}), depth downwards", truth, None, 1.0)

    def _even(self) -> _Shown:
        """Return the XZ plane with rows at equal distances."""
        rows, height = even_rows(self._request.dataset.stack().depths[self._sections])
        size = self._request.grid.pixel_size
        width = self._step * (size[1] if size else self._request.dataset.stack().pixel)
        plane = self._xz
        methods = {name: values[rows] for name, values in plane.methods.items()}
        return _Shown(plane.title, plane.truth[rows], None, height / width, None, methods)


def _choose(trials: Sequence[LabelTrial], own: set[int], depths: NDArray[np.float64]) -> list[int]:
    """Return hidden sections in the middle of their gaps at about a quarter, a half and three quarters of the stack."""
    middle = {}
    for trial in trials:
        for section in own & set(trial.hidden):
            middle[section] = abs(trial.place_in_gap(section, depths) - 0.5)
    if not middle:
        return []
    nearest = min(middle.values())
    central = np.array(sorted(section for section, off in middle.items() if off <= nearest + 1e-6))
    wanted = [central[0] + part * (central[-1] - central[0]) for part in _PLACES]
    return sorted({int(central[np.abs(central - each).argmin()]) for each in wanted})


def _sheet(shown: _Shown, scores: LabelScores, step: int) -> Sheet:
    context = [_panel(outlined(shown.image, shown.truth), shown, "truth", "")]
    methods = []
    for name, plane in shown.methods.items():
        pictures = [
            _panel(outlined(shown.image, plane), shown, "filled in", name),
            _panel(errors(shown.image, shown.truth, plane), shown, "errors", name),
        ]
        methods.append(MethodPanels(name, pictures, _cells(shown, name, scores)))
    remark = "Outlines have the colour of their label; true outlines are white where errors are shown."
    if shown.index is None:
        remark += " Rows without an error are sections that the methods saw."
    if step > 1:
        remark += f" Only one {'column' if shown.index is None else 'row and column'} in {step} is drawn."
    return Sheet(shown.title, remark, context, methods, [_bar(colour, words) for colour, words in _KINDS])


def _panel(pixels: Pixels, shown: _Shown, caption: str, method: str) -> Panel:
    alt = f"{shown.title}: {caption}" + (f" by {method}" if method else "")
    return sized_panel(png_of(pixels), pixels.shape[:2], shown.aspect, caption, alt)


def _bar(colour: tuple[int, int, int], words: str) -> Bar:
    pixels = np.tile(np.array(colour, np.uint8), (10, 64, 1))
    return Bar(uri_of(png_of(pixels)), words, "", "", f"colour of errors: {words}")


def _cells(shown: _Shown, method: str, scores: LabelScores) -> list[Cell]:
    each = scores.of(method)
    if shown.index is None or each is None:
        return []
    row = next((row for row in each.sections if row["index"] == shown.index), None)
    if row is None:
        return []
    return [
        Cell(f"{words} {number(row[name])}", exact(row[name]), f"sections.{shown.index}.{name}")
        for name, words in (("dice", "Dice"), ("accuracy", "voxels right"))
    ]

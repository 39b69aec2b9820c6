"""What was filled in goes into the layer as one undo step, or into a new layer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from ...labels.result import LabelResult
from ...run.result import RECORD_KEY
from ..layers.appearance import unique_name
from ..layers.label_layers import history_of
from ..layers.marks import MARKS_KEY, Mark, Names, digest_of
from ..layers.sections import Sections
from .gaps import GapToFill
from .layers_box import PREVIEW_KEY

CONFIDENCE_KEY = "depth_interp_confidence"
"""Where a layer's metadata holds, by time point and section, the mark and the confidence of what was filled in."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is being filled in, and how the sections were when that began."""

    sections: Sections
    time: int
    gaps: tuple[GapToFill, ...]
    only: Names | None
    digests: Mapping[int, int]
    data: Any

    @property
    def inner(self) -> list[int]:
        """The sections that are filled in."""
        return [z for gap in self.gaps for z in gap.inner]

    @classmethod
    def of(cls, sections: Sections, time: int, gaps: list[GapToFill], only: Names | None) -> Plan:
        seen = sorted({z for gap in gaps for z in range(gap.below, gap.above + 1)})
        return cls(
            sections, time, tuple(gaps), only, {z: sections.digest((time, z)) for z in seen}, sections.layer.data
        )

    def changed(self) -> list[int]:
        """Return the sections that were changed since."""
        now = self.sections.volume(self.time)
        return [z for z, digest in self.digests.items() if digest_of(now[z]) != digest]


def write_here(plan: Plan, result: LabelResult, left: list[int]) -> None:
    """Write into the layer, less the sections that are ``left`` as they are."""
    layer, voxels = plan.sections.layer, result.dataset.voxels[0, 0]
    written = {z: voxels[z].astype(layer.data.dtype, copy=False) for z in plan.inner if z not in left}
    _note(plan, written, result)
    write_sections(layer, plan.time, written)
    for z in written:
        plan.sections.forget((plan.time, z))
    _record(plan, result)


def write_new(viewer: napari.Viewer, plan: Plan, result: LabelResult) -> Labels:
    """Add a copy of the layer with what was filled in, and return it."""
    layer = plan.sections.layer
    data, kwargs, _ = layer.as_layer_data_tuple()
    metadata = {key: value for key, value in layer.metadata.items() if key not in (MARKS_KEY, CONFIDENCE_KEY)}
    metadata |= {
        key: copy.deepcopy(layer.metadata[key]) for key in (MARKS_KEY, CONFIDENCE_KEY) if key in layer.metadata
    }
    name = unique_name(viewer, f"{layer.name} filled")
    new = Labels(np.array(data), **{**kwargs, "name": name, "metadata": metadata})
    there = Plan(Sections(new), plan.time, plan.gaps, plan.only, plan.digests, new.data)
    voxels = result.dataset.voxels[0, 0]
    written = {z: voxels[z].astype(new.data.dtype, copy=False) for z in plan.inner}
    _note(there, written, result)
    for z, section in written.items():
        there.sections.volume(plan.time)[z] = section
        there.sections.forget((plan.time, z))
    _record(there, result)
    new.selected_label = layer.selected_label
    viewer.add_layer(new)
    return new


def _note(plan: Plan, written: Mapping[int, NDArray[Any]], result: LabelResult) -> None:
    """Remember what is about to be written: it tells later what was interpolated and what was corrected."""
    layer, ledger = plan.sections.layer, plan.sections.ledger
    ledger.runs += 1
    labels = () if plan.only is None else plan.only
    confidence = layer.metadata.setdefault(CONFIDENCE_KEY, {})
    keys = {z: gap.key for gap in plan.gaps for z in gap.inner}
    for z, section in written.items():
        place = plan.time, z
        own, others = plan.sections.status(place, plan.only), plan.sections.matching(place)
        if own.labels and not others:
            ledger.before[place] = plan.sections.section(place).copy()
        for other in others:
            ledger.write(place, _with_others(other, section, ledger.runs))
        mark = Mark(ledger.runs, labels, digest_of(section, labels), keys[z])
        ledger.write(place, mark)
        if result.confidence is not None:
            confidence[place] = mark, result.confidence[0, 0, z].copy()


def _with_others(mark: Mark, section: NDArray[Any], run: int) -> Mark:
    """Return the mark of what was filled in before, where other labels are filled in beside it."""
    digest = digest_of(section, mark.labels)
    return Mark(run, mark.labels, digest, mark.key if digest == mark.digest else "")


def _record(plan: Plan, result: LabelResult) -> None:
    """Tell in the layer's metadata, as in a file, which sections are annotated and which interpolated."""
    plan.sections.layer.metadata[RECORD_KEY] = history_of(plan.sections, [plan.time], result.record)


def write_sections(layer: Labels, time: int, written: Mapping[int, NDArray[Any]]) -> None:
    """Write whole sections (y, x) into a layer in one step that can be undone and done again."""
    with layer.block_history():
        for z, new in written.items():
            index = (time, z) if layer.ndim == 4 else (z,)
            old = layer.data[index]
            changed = old != new
            rows, columns = (np.flatnonzero(changed.any(axis=axis)).tolist() for axis in (1, 0))
            if not rows:
                continue
            box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            place = tuple(slice(i, i + 1) for i in index) + box
            shape = (1,) * len(index) + new[box].shape
            # data_setitem would keep three indices for every voxel; boxes are undone alike and take a tenth of that.
            layer._save_history((place, layer.data[place].copy(), new[box].reshape(shape).copy()))
            layer.data[place] = new[box].reshape(shape)
    layer.refresh(extent=False)


def confidence_of(sections: Sections, time: int) -> NDArray[np.float32] | None:
    """Return (z, y, x): the confidence of what was filled in, elsewhere 1 on labels, else 0; None: there is none."""
    kept = sections.layer.metadata.get(CONFIDENCE_KEY, {})
    volume = sections.volume(time)
    found = (volume != 0).astype(np.float32)
    some = False
    for z in range(len(volume)):
        place = time, z
        if sections.status(place).counts:
            found[z] = 1
        elif place in kept and kept[place][0] in sections.matching(place):
            found[z], some = kept[place][1], True
    return found if some else None


def show_preview(viewer: napari.Viewer, plan: Plan, result: LabelResult) -> Labels:
    """Add a layer with what would be filled in, over the labels; it is not worked on."""
    layer = plan.sections.layer
    data, kwargs, _ = layer.as_layer_data_tuple()
    shown = np.zeros(data.shape, data.dtype)
    volume = shown[plan.time] if shown.ndim == 4 else shown
    for z in plan.inner:
        volume[z] = result.dataset.voxels[0, 0, z]
    name = unique_name(viewer, f"{layer.name} preview")
    kwargs = {**kwargs, "name": name, "metadata": {PREVIEW_KEY: True}, "visible": True}
    preview: Labels = viewer.add_layer(Labels(shown, **kwargs))
    preview.editable = False
    viewer.layers.selection.active = layer
    return preview

"""What the user asked for, resolved against the labels: checked, complete, frozen.

``resolve_labels(dataset, settings)`` is the only way to a :class:`LabelRequest`; ``execute_labels`` runs it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..method import MethodConfig, Runtime
from ..run.history import input_record, versions
from ..run.request import placed
from ..run.result import RECORD_KEY
from ..run.targets import match_observed
from ..stack import Dataset, Grid
from ..stack.grid import UNKNOWN_GAP
from ..stack.label_images import looks_grey
from ..stack.lazy import as_array
from ..system.devices import default_threads
from .annotated import Annotated, Place, annotated_sections, listed_sections
from .guide import Guide, guide_for, scaling_of
from .method import LabelMethodSpec
from .series import Series
from .settings import LabelSettings, resolve_label_method
from .targets import Targets, wanted_depths
from .voxels import Sections, as_labels


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """One run: labels, the sections that are annotated, the depths wanted, a method with its config.

    Attributes
    ----------
    dataset : Dataset
        The labels: integers, with depths (counted where the file gives none).
    annotated : tuple of int
        Sections that are annotated at any time point, in any channel.
    depths : (K,) float64 array
        Target depths, strictly increasing, in the unit of the labels' grid.
    sections : (K,) int array
        For each target the index of the labels' section at that depth, or -1.
    observed : (K,) int array
        The same for annotated sections only.
    annotated_of : mapping of (time, channel) -> sections
        The annotated sections of each channel at each time point; left out where there are fewer than two.
    image : Guide or None
        The image that guides the labels.
    labels : tuple of int or None
        Identifiers to fill; None: all.
    filled : tuple of int
        Sections whose labels an earlier run has made: they are made anew.
    template : Dataset
        What else there is to know about the result: the labels, or the file whose grid it has.
    same_grid : bool
        The result has the sections of the labels, and those beyond the first and the last annotated one stay.
    depths_known : bool
        False where the sections are only counted.
    notes : tuple of str
    """

    dataset: Dataset
    annotated: tuple[int, ...]
    depths: NDArray[np.float64]
    sections: NDArray[np.intp]
    spec: LabelMethodSpec
    config: MethodConfig
    runtime: Runtime
    template: Dataset
    annotated_of: Mapping[Place, tuple[int, ...]] = field(default_factory=dict)
    image: Guide | None = None
    labels: tuple[int, ...] | None = None
    filled: tuple[int, ...] = ()
    same_grid: bool = True
    depths_known: bool = True
    notes: tuple[str, ...] = ()

    gives_uncertainty = True
    needs_memory = False

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.spec.name

    @property
    def observed(self) -> NDArray[np.intp]:
        """(K,) index of the annotated section at each target, or -1."""
        return np.where(np.isin(self.sections, self.annotated), self.sections, -1)

    @property
    def grid(self) -> Grid:
        """The grid of the result."""
        if self.template is not self.dataset:
            return self.template.grid
        return replace(self.dataset.grid, depths=self.depths if self.depths_known else None)

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self.dataset.voxels.dtype

    @property
    def output_shape(self) -> tuple[int, ...]:
        times, channels, _, rows, columns = self.dataset.voxels.shape
        return times, channels, len(self.depths), rows, columns

    def dense_template(self) -> Dataset:
        """Return the dataset that the result will be, without its voxels and its history."""
        own, empty = self.dataset, np.broadcast_to(np.zeros((), self.output_dtype), self.output_shape)
        return Dataset(
            empty,
            self.grid,
            axes=own.axes,
            channel_names=own.channel_names,
            channel_colours=own.channel_colours,
            time_step=own.time_step,
            source=self.template.source,
            holds_labels=True,
        )

    def series(self, time: int = 0, channel: int = 0, image: Dataset | None = None) -> Series:
        """Return the annotated sections of one channel at one time point as a method sees them.

        Parameters
        ----------
        time, channel : int
        image : Dataset, optional
            From :meth:`Guide.made`; default: none.
        """
        chosen = self.annotated_of[time, channel]
        stack = self.dataset.stack(time, channel)
        voxels: Any = Sections(stack.voxels, chosen, self.labels)
        made = Series(as_array(voxels), stack.depths[list(chosen)], self._pixel())
        if image is None:
            return made
        guide = image.voxels[time if image.voxels.shape[0] > 1 else 0, 0]
        return replace(made, image=guide, image_depths=image.grid.depths, scaling=scaling_of(guide))

    def _pixel(self) -> float:
        return self.dataset.stack().pixel if self.depths_known else 1 / UNKNOWN_GAP

    def record(self) -> dict[str, Any]:
        """Return the history of the run as JSON-ready values; equal runs give equal records."""
        source = None if self.image is None else self.image.dataset.source
        return {
            "versions": versions(),
            "method": self.spec.name,
            "config": self.config.model_dump(mode="json"),
            "labels": "all" if self.labels is None else list(self.labels),
            **({"image": source.path.name if source and source.path else None} if self.image else {}),
            **({"image_method": self.image.dense.method} if self.image and self.image.dense else {}),
            "seed": self.runtime.seed,
            "dtype": "keep",
            "depths": self.dataset.grid.mirrored(self.depths).tolist(),
            "unit": self.dataset.grid.unit,
            "observed": np.flatnonzero(self.observed >= 0).tolist(),
            "annotated": np.flatnonzero(self.observed >= 0).tolist(),
            "input": input_record(self.dataset) | {"annotated": list(self.annotated)},
        }


def resolve_labels(
    dataset: Dataset,
    settings: LabelSettings,
    *,
    image: Dataset | None = None,
    like: Dataset | None = None,
    at: Sequence[float] | None = None,
    filled: Collection[int] | None = None,
) -> LabelRequest:
    """Check what was asked for against the labels and complete it.

    Parameters
    ----------
    dataset : Dataset
        The labels as read; spacing or depths of the settings are applied here.
    settings : LabelSettings
    image : Dataset, optional
        The image that they were drawn on, with the sections of the labels or of the target.
    like : Dataset, optional
        The target has the sections of this one.
    at : sequence of float, optional
        Explicit target depths.
    filled : collection of int, optional
        Sections that an earlier run has filled in: they are made anew, and are annotated only if they are named.
        Default: those that the history in the file names.

    Raises
    ------
    InputError
        If these are no labels, or fewer than two sections are annotated.
    RequestError
        If the settings do not fit each other, the method or the labels.
    """
    filled = tuple(sorted(_made_before(dataset) if filled is None else filled))
    dataset, known = _placed(as_labels(dataset), settings, image)
    spec, config = resolve_label_method(settings.method, settings.parameters)
    if spec.name != "nearest" and looks_grey(dataset.voxels):
        raise InputError(
            "nearly every voxel differs from its neighbours, so this is a grey image and no labels; "
            "use 'depth-interp run' for an image, or the method nearest if these are identifiers"
        )
    labels = None if settings.labels is None else tuple(settings.labels)
    annotated = annotated_sections(dataset, settings.annotated, labels, filled)
    targets = wanted_depths(dataset, settings, like, at, known=known)
    guide = None
    if image is not None:
        needed = _needed(dataset, annotated, targets.depths)
        guide = guide_for(image, dataset, targets.depths, needed, settings)
    notes = (*dataset.notes, *annotated.notes, *targets.notes, *_notes(dataset, annotated, targets, filled))
    return LabelRequest(
        dataset,
        annotated.anywhere,
        targets.depths,
        match_observed(dataset, targets.depths),
        spec,
        config,
        Runtime("cpu", settings.threads or default_threads(), settings.seed),
        dataset if like is None else like,
        annotated.of,
        guide,
        labels,
        tuple(each for each in filled if each not in annotated.anywhere),
        targets.same_grid,
        known,
        notes,
    )


def _placed(dataset: Dataset, settings: LabelSettings, image: Dataset | None) -> tuple[Dataset, bool]:
    """Return the labels with depths, and whether these are known; an image on their sections may know them."""
    dataset = placed(dataset, settings)
    if dataset.grid.depths is None and image is not None and image.voxels.shape[2:] == dataset.voxels.shape[2:]:
        note = "the labels do not say where their sections lie; they are taken to lie where those of the image do"
        if image.grid.depths is not None:
            dataset = replace(dataset, grid=image.grid, notes=(*dataset.notes, note))
    known = dataset.grid.depths is not None
    if known:
        return dataset, True
    note = "it is not known how far apart the sections are; they are taken to be evenly spaced, 4 pixels apart"
    return replace(dataset.counted(), notes=(*dataset.notes, note)), False


def _made_before(dataset: Dataset) -> Sequence[int]:
    """Return the sections that the history of a file says were filled in, if it is of these sections."""
    record = dataset.record.get(RECORD_KEY)
    if not isinstance(record, Mapping) or len(record.get("depths", ())) != dataset.voxels.shape[2]:
        return ()
    found = record.get("interpolated", ())
    return [int(each) for each in found if 0 <= int(each) < dataset.voxels.shape[2]]


def _needed(dataset: Dataset, annotated: Annotated, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the depths at which an image is needed: of annotated sections, and of targets between them."""
    depths = dataset.stack().depths
    own = depths[list(annotated.anywhere)]
    between = targets[(targets > own[0]) & (targets < own[-1])]
    tolerance = 1e-6 * float(np.diff(depths).min())
    merged = np.sort(np.concatenate([own, between]))
    return np.asarray(merged[np.concatenate([[True], np.diff(merged) > tolerance])])


def _notes(dataset: Dataset, annotated: Annotated, targets: Targets, filled: Sequence[int]) -> list[str]:
    """Say what a user may not expect."""
    count, sections = dataset.voxels.shape[2], annotated.anywhere
    beyond = [each for each in range(count) if not sections[0] <= each <= sections[-1]]
    notes = []
    if filled and not set(filled) <= set(sections):
        again = sorted(set(filled) - set(sections))
        notes.append(
            f"sections {listed_sections(again)} were filled in by an earlier run and are filled in anew; name those "
            "that were corrected with --annotated"
        )
    if len(sections) == count and targets.same_grid:
        notes.append("all sections are annotated, so there is none to fill; ask for a denser grid, as with --factor 4")
    if beyond and targets.same_grid:
        notes.append(
            f"sections {listed_sections(beyond)} lie before the first or after the last annotated one and stay as "
            "they are; if nothing is on one of them, say so with --annotated, and objects end before it"
        )
    return notes

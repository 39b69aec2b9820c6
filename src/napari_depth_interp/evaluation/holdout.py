"""Hiding sections whose truth is known: the one place, so that no method can see them.

A :class:`Trial` is a dataset that a method may see, the depths it is asked for, and which of
those depths are scored against which sections of the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..stack import SPACING_RTOL, Acquisition, Dataset, missing_spacing
from ..stack.section_list import section_text
from ..stack.thinning import every_kth
from ..stack.units import convert

Used = NDArray[np.intp] | None
"""Indices of the sections that are not excluded; None: all."""

POOLED = 4
"""Voxels along each axis that the protocol sr4 averages (Nishioka 2026)."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One question to a method whose answer is known.

    Attributes
    ----------
    visible : Dataset
        A copy that holds nothing of the hidden sections, not even the path they were read from.
    depths : (K,) float64 array
        Depths to ask for, in the unit of the grid.
    reference : (K,) int array
        For each depth the index of its true section in the reference, or -1 where it is not scored.
    truth_at : (K,) int array
        The same for all depths, also where the section was visible.
    in_plane : int
        How many pixels of the reference along y and x one visible pixel is the mean of.
    """

    visible: Dataset
    depths: NDArray[np.float64]
    reference: NDArray[np.intp]
    truth_at: NDArray[np.intp]
    in_plane: int = 1

    def on_reference_grid(self, section: NDArray[Any]) -> NDArray[Any]:
        """Return a restored section (Y, X) with the pixels of the reference, by linear interpolation, edges aligned.

        Unchanged where the method has the pixels of the reference.
        """
        if self.in_plane == 1 or section.shape != self.visible.voxels.shape[-2:]:
            return section
        from scipy.ndimage import zoom

        return np.asarray(zoom(section.astype(np.float32), self.in_plane, order=1, grid_mode=True, mode="nearest"))


@dataclass(frozen=True)
class Protocol:
    """How sections are hidden.

    Attributes
    ----------
    kind : str
        ``keep_every``, ``hold_out``, ``leave_one_out``, ``reference``, ``projection`` or ``sr4``.
    every : int or None
        keep_every: the gap factor k. projection: the number n of sections averaged.
    sections : tuple of int
        hold_out: the indices (from 0) of the hidden sections.
    """

    kind: Literal["keep_every", "hold_out", "leave_one_out", "reference", "projection", "sr4"]
    every: int | None = None
    sections: tuple[int, ...] = ()

    @classmethod
    def chosen(cls, keep_every: int | None, hold_out: Sequence[int]) -> Protocol:
        """Return what these arguments ask for; without any of them each inner section is left out in turn.

        Raises
        ------
        RequestError
            If both are given.
        """
        if keep_every is not None and hold_out:
            raise RequestError("keep_every and hold_out exclude each other; give one of them")
        if keep_every is not None:
            return cls("keep_every", every=keep_every)
        return cls("hold_out", sections=tuple(hold_out)) if hold_out else cls("leave_one_out")

    def describe(self) -> str:
        """Return the protocol in words, as it stands beside every score."""
        gap = f"measured at {self.every} times your gap"
        words = {
            "keep_every": f"one section in {self.every} kept, the others hidden: {gap}",
            "hold_out": f"sections {', '.join(map(str, self.sections))} hidden",
            "leave_one_out": "each inner section hidden in turn: measured at twice your gap",
            "reference": "compared with a reference file",
            "projection": f"means of {self.every} sections recorded, the sections hidden",
            "sr4": f"means of {POOLED} x {POOLED} x {POOLED} voxels recorded, the voxels hidden",
        }
        return words[self.kind]


def keep_every(dataset: Dataset, k: int, used: Used = None) -> list[Trial]:
    """Keep sections 0, k, 2k ...; hide those in between. What lies after the last kept one is left out."""
    count = _section_count(dataset)
    if k < 2:
        raise RequestError(f"keep-every must be 2 or more, got {k}; 4 hides 3 of 4 sections")
    if count < 3:
        raise RequestError(f"keep-every needs 3 sections or more, got {count}")
    if count <= k:
        raise RequestError(f"keeping one section in {k} of {count} leaves a single one; choose {count - 1} or less")
    kept = _among(every_kth(count, k)[0], used)
    if len(kept) < 2:
        raise RequestError(
            f"of the sections that are kept, one in {k}, {len(kept)} is not excluded, and 2 are needed; keep more, or "
            "exclude fewer"
        )
    return [_trial(dataset, kept, _among(np.arange(kept[0], kept[-1] + 1), used))]


def hold_out(dataset: Dataset, sections: Sequence[int], used: Used = None) -> list[Trial]:
    """Hide the given sections (indices from 0); the first and the last section cannot be hidden."""
    seen = _among(np.arange(_section_count(dataset)), used)
    hidden = sorted(set(sections))
    bad = [i for i in hidden if not seen[0] < i < seen[-1]]
    if bad or not hidden:
        raise RequestError(
            f"sections to hide must lie between the first ({seen[0]}) and the last ({seen[-1]}), got {bad or 'none'}"
        )
    excluded = sorted(set(hidden) - set(seen.tolist()))
    if excluded:
        raise RequestError(f"sections {section_text(excluded)} are excluded, so nothing can be scored there")
    return [_trial(dataset, np.setdiff1d(seen, hidden), seen)]


class _LeaveOneOut(Sequence[Trial]):
    """Trials made when asked for: each is a copy of nearly the whole dataset."""

    def __init__(self, dataset: Dataset, seen: NDArray[np.intp]) -> None:
        self._dataset, self._seen = dataset, seen

    def __len__(self) -> int:
        return len(self._seen) - 2

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...
    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        hidden = range(1, len(self) + 1)[index]
        return _trial(self._dataset, np.delete(self._seen, hidden), self._seen[[hidden]])


def leave_one_out(dataset: Dataset, used: Used = None) -> Sequence[Trial]:
    """Hide each inner section in turn, all others kept."""
    seen = _among(np.arange(_section_count(dataset)), used)
    if len(seen) < 3:
        raise RequestError(f"leave-one-out needs 3 sections or more, got {len(seen)}")
    return _LeaveOneOut(dataset, seen)


def projections(dataset: Dataset, n: int) -> list[Trial]:
    """Average every n sections of a dense dataset, as a Bessel beam would; hide all sections."""
    count = _section_count(dataset)
    images = count // n if n > 1 else 0
    if images < 2:
        raise RequestError(
            f"projections need n of 2 or more and at least 2n sections, got n = {n} for {count} sections"
        )
    if not dataset.grid.is_even:
        raise RequestError("projections of unevenly spaced sections are not defined; use --keep-every")
    t, c, _, y, x = dataset.voxels.shape
    groups = dataset.voxels[:, :, : images * n].reshape(t, c, images, n, y, x)
    depths = _depths(dataset)[: images * n]
    visible = _stripped(
        dataset, groups.mean(axis=3, dtype=np.float64).astype(np.float32), depths.reshape(images, n).mean(axis=1)
    )
    sections = np.arange(images * n)
    return [Trial(replace(visible, acquisition=Acquisition(n)), depths, sections, sections)]


def pooled(dataset: Dataset) -> list[Trial]:
    """Average 4 x 4 x 4 voxels of a dense dataset, as Nishioka 2026 does; hide all voxels.

    Methods that enlarge have the pixels of the reference; those that only add sections are brought to them by linear
    interpolation.
    """
    *_, height, width = dataset.voxels.shape
    rows, columns = height // POOLED, width // POOLED
    if rows < 2 or columns < 2:
        raise RequestError(f"sr4 averages 4 x 4 pixels and needs 8 x 8 or more, got {height} x {width}")
    [trial] = projections(dataset, POOLED)
    voxels = trial.visible.voxels[..., : rows * POOLED, : columns * POOLED]
    blocks = voxels.reshape(*voxels.shape[:3], rows, POOLED, columns, POOLED).mean(axis=(4, 6))
    grid, middle = trial.visible.grid, (POOLED - 1) / 2
    if grid.pixel_size is not None:
        y, x = grid.pixel_size
        origin = (grid.origin[0] + middle * y, grid.origin[1] + middle * x)
        grid = replace(grid, pixel_size=(POOLED * y, POOLED * x), origin=origin)
    return [replace(trial, visible=replace(trial.visible, voxels=blocks, grid=grid), in_plane=POOLED)]


def against_reference(dataset: Dataset, reference: Dataset) -> list[Trial]:
    """Ask for the depths of a denser reference of the same scene; score those that were not observed."""
    if dataset.voxels.shape[:2] != reference.voxels.shape[:2] or dataset.voxels.shape[3:] != reference.voxels.shape[3:]:
        raise RequestError(
            f"the reference has the shape (t, c, z, y, x) {reference.voxels.shape}, the input {dataset.voxels.shape}; "
            "all but z must agree"
        )
    if reference.grid.depths is None:
        raise RequestError("the reference does not say how far apart its sections are; save it with its z spacing")
    observed, depths = _depths(dataset), reference.grid.mirrored(_depths(reference))
    if dataset.grid.unit and reference.grid.unit:
        depths = convert(1.0, reference.grid.unit, dataset.grid.unit) * depths
    depths = dataset.grid.mirrored(depths)
    reach = (dataset.grid.spacing or 0.0) * (0.5 if dataset.acquisition.is_projection else SPACING_RTOL)
    inside = np.flatnonzero((depths >= observed[0] - reach) & (depths <= observed[-1] + reach))
    inside = inside[np.argsort(depths[inside])]
    scored = np.ones(len(inside), bool)
    if not dataset.acquisition.is_projection:
        near = SPACING_RTOL * np.diff(observed).min()
        scored = np.abs(depths[inside, None] - observed[None]).min(axis=1) > near
    if not scored.any():
        raise RequestError(
            f"no section of the reference ({depths[0]:g} to {depths[-1]:g}) lies between observed sections "
            f"({observed[0]:g} to {observed[-1]:g}); check spacing and origin of both files"
        )
    visible = _stripped(dataset, dataset.voxels.copy(), observed)
    return [Trial(visible, depths[inside], np.where(scored, inside, -1), inside)]


def make_trials(
    dataset: Dataset, protocol: Protocol, reference: Dataset | None = None, used: Used = None
) -> Sequence[Trial]:
    """Return the trials of a protocol.

    Parameters
    ----------
    dataset : Dataset
    protocol : Protocol
    reference : Dataset, optional
    used : (S,) int array, optional
        The sections that may be seen and scored; all others are excluded. Default: all.

    Raises
    ------
    RequestError
        If the dataset has too few sections for it, or holds projections: the sections behind them are not known.
    """
    if protocol.kind == "reference":
        if reference is None:
            raise RequestError("the protocol 'reference' needs a reference file")
        return against_reference(dataset if used is None else dataset.keeping(used), reference)
    if dataset.acquisition.is_projection:
        raise RequestError(
            f"the stack is {dataset.acquisition}: no section is known, so none can be hidden; "
            "compare with a dense --reference FILE, or give a dense stack and --protocol projection:N or sr4"
        )
    if protocol.kind == "hold_out":
        return hold_out(dataset, protocol.sections, used)
    if protocol.kind == "leave_one_out":
        return leave_one_out(dataset, used)
    if protocol.kind == "keep_every":
        return keep_every(dataset, protocol.every or 0, used)
    if used is not None and len(used) < _section_count(dataset):
        raise RequestError(
            "means of sections are made of all of them, so none can be excluded; leave --exclude out, or choose "
            "--keep-every"
        )
    if protocol.kind == "projection":
        return projections(dataset, protocol.every or 0)
    return pooled(dataset)


def _among(sections: NDArray[np.intp], used: Used) -> NDArray[np.intp]:
    return sections if used is None else sections[np.isin(sections, used)]


def _trial(dataset: Dataset, kept: NDArray[np.intp], asked: NDArray[np.intp]) -> Trial:
    """Show only the sections ``kept``; ask for ``asked`` and score those that are not kept."""
    depths = _depths(dataset)
    visible = _stripped(dataset, dataset.voxels[:, :, kept], depths[kept])  # an index array copies
    return Trial(visible, depths[asked], np.where(np.isin(asked, kept), -1, asked), asked)


def _stripped(dataset: Dataset, voxels: NDArray[np.generic], depths: NDArray[np.float64]) -> Dataset:
    """Return other sections on the same grid, without a path or a record that would lead to the hidden ones.

    Trials are asked for depths as the grid has them, so it no longer says whether these were given decreasing.
    """
    grid = replace(dataset.grid, depths=depths, descends_from=None)
    return replace(dataset, voxels=voxels, grid=grid, source=None, record={}, notes=())


def _depths(dataset: Dataset) -> NDArray[np.float64]:
    if dataset.grid.depths is None:
        raise missing_spacing()
    return dataset.grid.depths


def _section_count(dataset: Dataset) -> int:
    return len(_depths(dataset))

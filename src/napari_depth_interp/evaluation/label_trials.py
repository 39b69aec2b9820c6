"""Hiding annotated sections whose labels are known: the one place, so that no method for labels can see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..labels.annotated import listed_sections
from ..labels.request import LabelRequest
from ..labels.settings import LabelSettings
from ..labels.voxels import chosen_only
from ..stack import Dataset, Grid
from .holdout import Protocol, Trial, make_trials

KINDS = ("keep_every", "hold_out", "leave_one_out")


@dataclass(frozen=True)
class LabelTrial:
    """One question to a method for labels whose answer is known.

    Attributes
    ----------
    kept : tuple of int
        Annotated sections that the method sees, counted as in the file.
    hidden : tuple of int
        Annotated sections that it does not see, and that are scored.
    asked : tuple of int
        Both, as far as the result is looked at.
    """

    kept: tuple[int, ...]
    hidden: tuple[int, ...]
    asked: tuple[int, ...]

    def visible(self, request: LabelRequest) -> Dataset:
        """Return the labels of the kept sections on all sections of the file; all others are empty.

        Nothing of the hidden sections is left, nor of what stands on sections that are not annotated, nor the path they
        were read from.
        """
        dataset = request.dataset
        voxels = np.zeros(dataset.voxels.shape, dataset.voxels.dtype)
        for place, sections in request.annotated_of.items():
            for section in set(sections) & set(self.kept):
                voxels[place][section] = chosen_only(np.asarray(dataset.voxels[place][section]), request.labels)
        grid = dataset.grid if request.depths_known else replace(dataset.grid, depths=None)
        return replace(dataset, voxels=voxels, grid=grid, source=None, record={}, notes=())

    def settings(self, settings: LabelSettings) -> LabelSettings:
        """Return the settings of a run on :meth:`visible`: what says where sections and labels are was applied."""
        annotated = "auto" if settings.annotated.strip().lower() == "auto" else ",".join(map(str, self.kept))
        return settings.model_copy(
            update={
                "annotated": annotated, "labels": None, "depths": None, "z_spacing": None,
                "factor": None, "spacing": None, "isotropic": False,
            }
        )  # fmt: skip

    def gaps(self, request: LabelRequest) -> set[int] | None:
        """Return the gaps with hidden sections; None (all gaps) where channels or time points differ."""
        if len(set(request.annotated_of.values())) > 1:
            return None
        return set((np.searchsorted(self.kept, self.hidden) - 1).tolist())

    def place_in_gap(self, section: int, depths: NDArray[np.float64]) -> float:
        """Return where in the gap between kept sections a hidden one lies, 0 to 1."""
        above = int(np.searchsorted(self.kept, section))
        first, last = depths[self.kept[above - 1]], depths[self.kept[above]]
        return round(float((depths[section] - first) / (last - first)), 9)


def make_label_trials(request: LabelRequest, protocol: Protocol) -> list[LabelTrial]:
    """Return the trials of a protocol over the annotated sections.

    Parameters
    ----------
    request : LabelRequest
        Says which sections are annotated.
    protocol : Protocol
        ``keep_every`` and ``leave_one_out`` count annotated sections; ``hold_out`` numbers them as the file does.

    Raises
    ------
    RequestError
        If too few sections are annotated for it, or one to hide is not; for a protocol that hides no sections.
    """
    if protocol.kind not in KINDS:
        raise RequestError(
            "labels are evaluated by hiding annotated sections; choose --keep-every K, --hold-out I,J or "
            f"--leave-one-out, not {protocol.kind}"
        )
    annotated = np.array(request.annotated)
    if len(annotated) < 3:
        raise RequestError(
            f"only sections {listed_sections(annotated)} are annotated, so none can be hidden between two others; "
            "annotate 3 or more"
        )
    numbers = np.arange(len(annotated)).reshape(1, 1, -1, 1, 1)
    depths = request.dataset.stack().depths[annotated]
    trials = make_trials(Dataset(numbers, Grid(depths)), _counted(protocol, annotated))
    return [_trial(each, annotated) for each in trials]


def _trial(trial: Trial, annotated: NDArray[np.intp]) -> LabelTrial:
    kept = annotated[trial.visible.voxels[0, 0, :, 0, 0].astype(int)]
    hidden = annotated[trial.reference[trial.reference >= 0]]
    return LabelTrial(_tuple(kept), _tuple(hidden), _tuple(annotated[trial.truth_at]))


def _tuple(sections: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(map(int, sections))


def _counted(protocol: Protocol, annotated: NDArray[np.intp]) -> Protocol:
    """Return the protocol with sections to hide counted among the annotated ones."""
    if protocol.kind != "hold_out":
        return protocol
    wrong = sorted(set(protocol.sections) - set(annotated[1:-1].tolist()))
    if wrong or not protocol.sections:
        raise RequestError(
            f"sections to hide must be annotated and lie between the first and the last annotated one ({annotated[0]} "
            f"and {annotated[-1]}), got {', '.join(map(str, wrong)) or 'none'}; annotated are "
            f"{listed_sections(annotated)}"
        )
    return replace(protocol, sections=tuple(np.searchsorted(annotated, sorted(set(protocol.sections))).tolist()))


def unseen_labels(request: LabelRequest, trials: Sequence[LabelTrial]) -> tuple[int, ...]:
    """Return the labels that stand on hidden sections only: no method can know them."""
    hidden: set[int] = set()
    known: set[int] = set()
    for place, sections in request.annotated_of.items():
        voxels = request.dataset.voxels[place]
        on = {each: _labels_on(chosen_only(np.asarray(voxels[each]), request.labels)) for each in sections}
        for trial in trials:
            asked = set().union(*(on[each] for each in trial.hidden if each in on))
            hidden |= asked
            known |= asked & set().union(*(on[each] for each in trial.kept if each in on))
    return tuple(sorted(hidden - known))


def _labels_on(section: NDArray[np.int64]) -> set[int]:
    return set(np.unique(section).tolist()) - {0}

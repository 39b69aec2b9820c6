"""What a run consists of: channels at time points, each prepared and made by itself, and what they have to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ..method import Findings
from ..method.preparation import State
from ..stack import Dataset
from .outputs import Target
from .preparing import Learned
from .request import Request
from .sharing import Group, groups_of


class States(Protocol):
    """What was prepared for a request."""

    def state(self, time: int, channels: tuple[int, ...]) -> State:
        """Return what is known for some channels at a time point."""

    def check_fits(self, request: Request) -> None:
        """Raise a ``RequestError`` if it was prepared for other data, another method or other parameters."""

    def about(self, request: Request) -> dict[str, Any]:
        """Return what belongs into the history of the request."""


@dataclass(frozen=True)
class Told:
    """What preparing a method has to tell: warnings for the user, and its part of the history if it has any."""

    warnings: tuple[str, ...] = ()
    finding: Mapping[str, Any] | None = None


def jobs_of(request: Request) -> list[tuple[int, Group]]:
    """Return what is prepared and made by itself: channels that share what is learned, at every time point."""
    return [(t, group) for t in range(request.dataset.voxels.shape[0]) for group in groups_of(request)]


def told_by(learned: Learned, words: str, time: int, channels: tuple[int, ...]) -> Told:
    """Return what a method has to tell that was prepared for some channels, which ``words`` name."""
    found = learned.findings()
    if found is None:
        return Told(tuple(learned.warnings))
    lines = [f"{words}: {line}" if words else line for line in found.warnings]
    return Told((*learned.warnings, *lines), {"time": time, "channel": channels[0], **_as_record(found)})


def history(
    request: Request, told: Sequence[Told], target: Target | None = None, record: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the history of a run and what the user should know; ``record`` is that of the request, if it is known."""
    warnings = [*request.notes, *(line for each in told for line in each.warnings)]
    findings = [dict(each.finding) for each in told if each.finding is not None]
    added = {"warnings": warnings} | ({"findings": findings} if findings else {})
    made = dict(request.record() if record is None else record) | added
    if target is not None:
        made |= target.history or {}
    return made, tuple(warnings)


def _as_record(findings: Findings) -> dict[str, Any]:
    """Return what belongs into the history: nothing that differs between equal runs."""
    values = asdict(findings)
    chosen = {"chosen": values["chosen"]} if values["chosen"] else {}
    return {key: values[key] for key in ("expected_gain_db", "gain_std_db", "shares")} | chosen


def share_of_preparing(request: Request) -> float:
    """Return the share of the time that ``prepare`` takes, roughly."""
    if request.spec.trains_on_stack:
        return 0.9
    return 0.5 if request.tile_halo is None else 0.02


def blas_threads(request: Request) -> int:
    """Return the threads of matrix products: one where tiles are made in several threads."""
    return 1 if request.spec.tiling.parallel else request.runtime.threads


def label_of(dataset: Dataset, time_point: int, group: tuple[int, ...]) -> str:
    """Return in words which channels at which time point are meant, where there are others."""
    times, channels = dataset.voxels.shape[:2]
    words = [f"time {time_point + 1} of {times}"] if times > 1 else []
    if len(group) > 1:
        words.append("colours" if dataset.rgb else f"{len(group)} channels")
    elif channels > 1:
        words.append(f"channel {group[0] + 1} of {channels}")
    return ", ".join(words)

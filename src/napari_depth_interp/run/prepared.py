"""What a run has learned before it makes the first section, for other processes and stacks (prepared_file.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..errors import RequestError
from ..method import CompositeConfig, Findings, Method, MethodConfig, MethodSpec
from ..method.preparation import Keeps, State
from ..methods import registry
from ..progress import Progress, Report, part, silent
from ..system.devices import limited_threads
from .aligning import SHARE_OF_ALIGNING, aligned
from .history import versions
from .jobs import blas_threads, jobs_of, label_of
from .making import read
from .memory import memory_of
from .preparing import learn
from .request import Request
from .settings import Settings, chosen_targets

GAP_TOLERANCE = 0.1
"""By how much, in proportion, the distance of sections in pixels may differ."""


class Kind(BaseModel):
    """What data something was prepared for.

    Attributes
    ----------
    acquisition : str
    gap : float or None
        Median distance of the sections in pixels; None where no pixel size is known.
    channels : int
    rgb, shared : bool
        The channels are colours; they share what was learned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    acquisition: str
    gap: float | None
    channels: int = Field(ge=1)
    rgb: bool
    shared: bool


@dataclass(frozen=True, eq=False)
class Prepared:
    """What was learned for a request, for the same stack or for another one of its kind.

    Attributes
    ----------
    method : str
    config : mapping
        Its parameters, as JSON holds them.
    kind : Kind
        What data it is for.
    request : str
        The :func:`fingerprint` of the request that it was prepared for.
    seed : int
    made_with : mapping
        Versions of the software.
    states : mapping
        What the method knows for some channels at a time point, by their name.
    findings : tuple of Findings
        What it found out; not kept in files.
    """

    method: str
    config: Mapping[str, Any]
    kind: Kind
    request: str
    seed: int
    made_with: Mapping[str, str]
    states: Mapping[str, State]
    findings: tuple[Findings, ...] = field(default=(), compare=False)

    @cached_property
    def times(self) -> int:
        """How many time points it was prepared on."""
        return len({name.partition(":")[0] for name in self.states})

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(each.nbytes for state in self.states.values() for each in state.arrays.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the preparing."""
        of_methods = [line for found in self.findings for line in found.warnings]
        kept = [line for state in self.states.values() for line in state.values.get("warnings", ())]
        return tuple(dict.fromkeys([*kept, *of_methods]))

    def state(self, time: int, channels: tuple[int, ...]) -> State:
        """Return what is known for some channels at a time point; of one time point, for all.

        Raises
        ------
        RequestError
            If nothing is known for them.
        """
        name = _name(0 if self.times == 1 else time, channels)
        if name not in self.states:
            raise RequestError(
                f"nothing was prepared for time point {time}, channels {', '.join(map(str, channels))}; prepare again"
            )
        return self.states[name]

    def about(self, request: Request) -> dict[str, Any]:
        """Return what belongs into the history of a run: nothing if this is the request that it was prepared for."""
        if self.request == fingerprint(request):
            return {}
        return {"prepared": {"request": self.request, "versions": dict(self.made_with)}}

    def check_fits(self, request: Request) -> None:
        """Raise a :class:`RequestError` if it was prepared for other data, another method or other parameters."""
        check_fits(self, request)


def prepare(request: Request, report: Report = silent) -> Prepared:
    """Learn what a run of the request would learn, and make no section.

    Parameters
    ----------
    request : Request
        From :func:`napari_depth_interp.run.request.resolve`.
    report : callable
        Gets a :class:`Progress`; cancels by raising ``Cancelled``.

    Returns
    -------
    Prepared
        ``execute(request, prepared=...)`` gives the same result as ``execute(request)``, bit by bit.

    Raises
    ------
    RequestError
        If what the method learns cannot be kept.
    """
    check_keeps(request)
    kind, request_hash = kind_of(request), fingerprint(request)
    if request.align is not None:
        request = aligned(request, part(report, 0.0, SHARE_OF_ALIGNING))
        report = part(report, SHARE_OF_ALIGNING, 1.0)
    jobs, memory = jobs_of(request), memory_of(request)
    known: dict[tuple[int, ...], Method] = {}
    states, findings = {}, []
    for number, (t, group) in enumerate(jobs):
        inner = part(report, number / len(jobs), (number + 1) / len(jobs), label_of(request.dataset, t, group.channels))
        stacks = [read(group.request, t, channel) for channel in group.channels]
        seen = [stack if filled is None else filled for stack, filled in stacks]
        with limited_threads(blas_threads(request)):
            learned = learn(group.request, seen, memory, known.get(group.channels), inner)
        known[group.channels] = learned.method
        states[_name(t, group.channels)] = copied(learned.state())
        found = learned.findings()
        findings += [] if found is None else [found]
    report(Progress(1.0))
    return Prepared(
        request.spec.name, request.config.model_dump(mode="json"), kind, request_hash, request.runtime.seed,
        versions(), states, tuple(findings),
    )  # fmt: skip


def check_keeps(request: Request) -> None:
    """Raise a :class:`RequestError`, before anything is learned, if what the request learns cannot be kept."""
    if request.enhance is not None:
        raise RequestError(
            "sections that are enhanced first cannot be prepared for later; enhance them into a file, then prepare that"
        )
    for spec, config in _learning_parts(request.spec, request.config):
        if not isinstance(spec.create(config, request.runtime), Keeps):
            raise RequestError(
                f"{spec.name} learns anew in every run, and what it learns cannot be kept; use run without prepare, or "
                "another method, such as auto"
            )


def with_any_target(settings: Settings) -> Settings:
    """Return the settings with a factor if they name no target: what is learned does not depend on it."""
    spec = registry.get(settings.method)
    if chosen_targets(settings) or spec.enhances or spec.enlarges > 1:
        return settings
    return settings.model_copy(update={"factor": 2})


def settings_with(settings: Settings, prepared: Prepared) -> Settings:
    """Return the settings with the method, the parameters and the seed that something was prepared with.

    Those that were given stay; whether they fit is for :func:`check_fits` to say.
    """
    given = settings.model_fields_set
    taken: dict[str, Any] = {"method": prepared.method, "seed": prepared.seed}
    if not given & {"preset", "parameters"} and settings.method in (prepared.method, Settings().method):
        taken |= {"parameters": dict(prepared.config)}
    return settings.model_copy(update={name: each for name, each in taken.items() if name not in given})


def check_fits(prepared: Prepared, request: Request) -> None:
    """Raise a :class:`RequestError` if something was prepared for other data, another method or other parameters."""
    if request.enhance is not None:
        raise RequestError("what was prepared cannot be used on sections that are enhanced first; leave --enhance out")
    if prepared.method != request.spec.name:
        raise RequestError(
            f"this was prepared for the method '{prepared.method}', not for '{request.spec.name}'; leave --method out, "
            "or prepare again"
        )
    config = request.config.model_dump(mode="json")
    other = [name for name in {**config, **prepared.config} if config.get(name) != prepared.config.get(name)]
    if other:
        had, wanted = prepared.config.get(other[0]), config.get(other[0])
        raise RequestError(
            f"this was prepared with {other[0]}={had}, and {other[0]}={wanted} is asked for; leave the parameters out, "
            "or prepare again"
        )
    _check_kind(prepared, request)


def _check_kind(prepared: Prepared, request: Request) -> None:
    there, here = prepared.kind, kind_of(request)
    for name, words in (("acquisition", "the acquisition"), ("channels", "the number of channels"),
                        ("rgb", "colours"), ("shared", "sharing of channels")):  # fmt: skip
        if getattr(there, name) != getattr(here, name):
            raise RequestError(
                f"this was prepared for another kind of data: {words} {getattr(there, name)} instead of "
                f"{getattr(here, name)}; prepare on this stack"
            )
    if there.gap is not None and here.gap is not None and abs(here.gap / there.gap - 1) > GAP_TOLERANCE:
        raise RequestError(
            f"this was prepared for sections {there.gap:.3g} pixels apart, and those of this stack are {here.gap:.3g} "
            "pixels apart; prepare on this stack"
        )
    times = request.dataset.voxels.shape[0]
    if prepared.times not in (1, times):
        raise RequestError(
            f"this was prepared on {prepared.times} time points, and the stack has {times}; prepare on this stack, or "
            "on one time point with --times"
        )


def kind_of(request: Request) -> Kind:
    """Return what data a request is about."""
    stack, dataset = request.dataset.stack(), request.dataset
    known = dataset.grid.pixel_size is not None and len(stack.depths) > 1
    gap = float(np.median(np.diff(stack.depths))) / stack.pixel if known else None
    return Kind(
        acquisition=str(dataset.acquisition), gap=gap, channels=dataset.voxels.shape[1], rgb=dataset.rgb,
        shared=request.shares_fit,
    )  # fmt: skip


def fingerprint(request: Request) -> str:
    """Return the SHA-256 of what is learned from and with what; not of the voxels, which may be terabytes."""
    dataset = request.dataset
    known = {
        "method": request.spec.name,
        "config": request.config.model_dump(mode="json"),
        "seed": request.runtime.seed,
        "input": dataset.source.name if dataset.source else None,
        "shape": list(dataset.voxels.shape),
        "dtype": str(dataset.voxels.dtype),
        "depths": dataset.stack().depths.tolist(),
        "pixel_size": dataset.grid.pixel_size,
        "acquisition": str(dataset.acquisition),
        "excluded": list(request.excluded),
        "part": dict(request.part),
        "align": request.align,
        "fill_nan": request.fill_nan,
        "shared": request.shares_fit,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def copied(state: State) -> State:
    """Return a state that a refit does not change."""
    return State(json.loads(json.dumps(state.values)), {name: np.array(each) for name, each in state.arrays.items()})


def _learning_parts(spec: MethodSpec, config: MethodConfig) -> list[tuple[MethodSpec, MethodConfig]]:
    """Return a method, and the methods that it is made of, as far as they learn from a stack."""
    parts = list(config.parts()) if isinstance(config, CompositeConfig) else []
    learns = bool(parts) or (spec.trains_on_stack and getattr(config, "model", None) is None)
    return [(spec, config), *parts] if learns else []


def _name(time: int, channels: tuple[int, ...]) -> str:
    return f"{time}:{','.join(map(str, channels))}"

"""Damaged sections made anew by any method, from the sections that are sound; and how good it is on those."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import Report
from ..run.execute import execute
from ..run.outputs import Target, result_bytes
from ..run.request import Request, resolve
from ..run.result import Result
from ..run.settings import Settings
from ..stack import Acquisition, Dataset
from ..stack.lazy import some_sections
from ..system.memory import give_back
from .cases import case_of, difference, section_of
from .detect import Place
from .memory import held_bytes
from .plan import runs
from .rehearsal import WHOLE, best_share
from .settings import RepairSettings

_TRIALS = 4
"""Gaps of each width that are made among sound sections, at most."""
_SHARE = 8
"""At most one of so many sound sections is hidden for them."""
_MARGIN = 2
"""Sound sections between a trial and the next damage, trial or end, at least."""


@dataclass(frozen=True, eq=False)
class Anew:
    """Sections made anew.

    Attributes
    ----------
    errors : mapping of width -> float
        Expected error in a gap of so many sections, over the difference of the sections around it (root mean squares).
    widths : mapping of section -> int
        How many neighbouring sections the gap has that a section lies in.
    warnings : tuple of str
    """

    _drawn: Callable[[int], _Drawn]
    _shares: Mapping[int, float]
    errors: dict[int, float]
    widths: dict[int, int]
    warnings: tuple[str, ...] = ()

    def section(self, index: int) -> NDArray[Any]:
        """Return one section (C, Y, X) made anew, as real numbers."""
        return _at(self._drawn, self._shares[self.widths[index]], index)

    def error(self, index: int, change: float) -> float | None:
        """Return the expected error of a section between two that differ by ``change`` (root mean squares)."""
        ratio = self.errors.get(self.widths[index])
        return None if ratio is None else ratio * change


@contextmanager
def made_anew(
    dataset: Dataset,
    place: Place,
    damaged: set[int],
    wanted: set[int],
    settings: RepairSettings,
    report: Report,
    folder: Path | None = None,
) -> Iterator[Anew]:
    """Make sections anew, and some sound ones with them to see how good that is; they last as long as the context.

    Parameters
    ----------
    dataset : Dataset
        With depths.
    place : Place
    damaged : set of int
        Sections that are not to be used.
    wanted : set of int
        Those of them that are made.
    settings : RepairSettings
    report : callable
    folder : Path, optional
        Where they are held if they are many; default: in memory.
    """
    count = dataset.voxels.shape[2]
    widths = {k: len(run) for run in runs(damaged) for k in run}
    trials = _trials(count, damaged, {widths[k] for k in wanted})
    hidden = {k for found in trials.values() for run in found for k in run}
    targets = sorted(wanted | hidden)
    kept = [k for k in range(count) if k not in damaged and k not in hidden]
    depths = _depths(dataset)[targets].tolist()
    give_back()  # what looking for damage, or an earlier round, has left: the run counts it
    request = resolve(_part(dataset, place, kept), _run_settings(dataset, settings), depths=depths)
    with _made(request, report, folder, held_bytes(settings)) as result:
        rows = {k: row for row, k in enumerate(targets)}

        def drawn(k: int) -> _Drawn:
            made = np.asarray(result.dataset.voxels[0, :, rows[k]])
            return _drawn(dataset, place, k, made, {*damaged, *hidden, k})

        shares = {width: _share(dataset, place, drawn, found) for width, found in trials.items()}
        measured = {
            width: _error(dataset, place, partial(_at, drawn, shares[width]), found)
            for width, found in trials.items()
            if found
        }
        errors = {width: error for width, error in measured.items() if error is not None}
        notes = [_note(settings.method, share) for share in set(shares.values()) if share < 1]
        yield Anew(drawn, shares, errors, widths, (*result.warnings, *notes))


@contextmanager
def _made(request: Request, report: Report, folder: Path | None, held: int) -> Iterator[Result]:
    """Run a request into memory, or into a file that lasts as long as the context where the result is large."""
    if folder is None or result_bytes(request) <= held:
        yield execute(request, report)
        return
    with TemporaryDirectory(dir=folder) as inner:
        yield execute(request, report, target=Target(Path(inner) / "anew.ome.zarr"))


def _depths(dataset: Dataset) -> NDArray[np.float64]:
    assert dataset.grid.depths is not None
    return dataset.grid.depths


def _run_settings(dataset: Dataset, settings: RepairSettings) -> Settings:
    """Return the settings of the run: real values where they are exact, NaN filled for the computation."""
    given = {"method", "preset", "parameters", "device", "threads", "seed", "memory"}
    small = dataset.voxels.dtype.kind in "iu" and dataset.voxels.dtype.itemsize <= 2
    return Settings(**settings.model_dump(include=given), dtype="float32" if small else "keep", nan="fill")


def _part(dataset: Dataset, place: Place, kept: list[int]) -> Dataset:
    """Return some sections of a place as a dataset; of lazy voxels none is read."""
    channels = slice(place.channels[0], place.channels[-1] + 1)
    voxels: Any = dataset.voxels[place.time : place.time + 1, channels]
    whole = len(place.channels) == dataset.voxels.shape[1]
    return replace(
        dataset,
        voxels=some_sections(voxels, np.array(kept, np.intp)),
        grid=replace(dataset.grid, depths=_depths(dataset)[kept]),
        acquisition=Acquisition(),
        axes="CZYX" if dataset.rgb else "ZYX",
        channel_names=dataset.channel_names if whole else (),
        channel_colours=dataset.channel_colours if whole else (),
        time_step=None,
        record={},
        notes=(),
    )


def _trials(count: int, damaged: set[int], widths: set[int]) -> dict[int, list[list[int]]]:
    """Return, for each width, gaps among sound sections, spread over the stack; fewer where sections are few."""
    sound = count - len(damaged)
    found: dict[int, list[list[int]]] = {width: [] for width in sorted(widths)}
    taken, room = set(damaged), sound // _SHARE
    for width, places in found.items():
        for first in _spread(count - width):
            run = list(range(first, first + width))
            around = range(first - _MARGIN, first + width + _MARGIN)
            free = around[0] >= 0 and around[-1] < count and not taken & set(around)
            if free and len(places) < _TRIALS and room >= width:
                places.append(run)
                taken |= set(run)
                room -= width
    return found


def _spread(count: int) -> list[int]:
    """Return whole numbers below ``count``, first those that lie far apart."""
    steps = [np.linspace(0, max(count - 1, 0), parts + 2)[1:-1] for parts in (_TRIALS, 4 * _TRIALS + 3)]
    return list(dict.fromkeys(int(each) for each in np.rint(np.concatenate(steps)) if 0 <= each < count))


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A section (C, Y, X) as a method and as linear interpolation make it."""

    made: NDArray[Any]
    plain: NDArray[Any]

    def at(self, share: float) -> NDArray[Any]:
        """Return what is that share of the way from linear interpolation to the method's."""
        if share >= 1:
            return self.made
        between = self.plain + share * (self.made - self.plain)
        return np.where(np.isfinite(between), between, self.made)


def _at(drawn: Callable[[int], _Drawn], share: float, k: int) -> NDArray[Any]:
    return drawn(k).at(share)


def _drawn(dataset: Dataset, place: Place, k: int, made: NDArray[Any], unused: set[int]) -> _Drawn:
    plain = [case_of(dataset, (place.time, channel, k), unused).plain for channel in place.channels]
    return _Drawn(np.asarray(made, np.float32), np.stack(plain))


def _share(dataset: Dataset, place: Place, drawn: Callable[[int], _Drawn], trials: list[list[int]]) -> float:
    """Return how much of the way to the method's sections is taken: what serves all hidden sound sections; 1: none."""
    shares = []
    for run in trials:
        for k in run:
            truth = np.stack([section_of(dataset, (place.time, channel, k)) for channel in place.channels])
            both = drawn(k)
            shares.append(best_share(both.plain, both.made, truth))
    share = min(shares, default=1.0)
    return 1.0 if share >= WHOLE else share


def _note(method: str, share: float) -> str:
    if share == 0:
        return f"hidden sound sections are no better by {method} than by linear interpolation, which was used"
    return (
        f"sections made anew by {method} were drawn {100 * (1 - share):.0f} % of the way to linear interpolation, as "
        "hidden sound sections ask for"
    )


def _error(
    dataset: Dataset, place: Place, made: Callable[[int], NDArray[Any]], trials: list[list[int]]
) -> float | None:
    """Return the error of trials over the difference of the sections around them; None: only those are equal."""
    errors, changes = [], []
    for run in trials:
        for channel in place.channels:
            below, above = (section_of(dataset, (place.time, channel, k)) for k in (run[0] - 1, run[-1] + 1))
            changes.append(difference(below, above))
        for k in run:
            truths = (section_of(dataset, (place.time, channel, k)) for channel in place.channels)
            errors += [difference(row, truth) for row, truth in zip(made(k), truths, strict=True)]
    change = float(np.sqrt(np.mean(np.square(changes))))
    error = float(np.sqrt(np.mean(np.square(errors))))
    if change > 0:
        return error / change
    return 0.0 if error == 0 else None

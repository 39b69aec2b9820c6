"""Prepare all candidates, try them on known sections, mix them, say what to expect."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RequestError
from ...method import Drafts, Explains, Findings, Method, Refits, Runtime, Sections, StretchesZ
from ...method.preparation import Keeps, State, images_of, prepare_on
from ...method.trimming import Place, cut, grown, inside
from ...numerics.axial import FWHM, matching_blur
from ...progress import Progress, Report, part, silent
from ...stack import Stack
from ...stack.scaling import Scaling
from ...stack.thinning import spread_over
from . import SMOOTHED, candidate_config, names_in, spec_of
from .decision import decide
from .expectation import mismatch
from .rendering import Candidate, rendered
from .trials import Answer, Known, Question, answers, change_between, gaps_of, hidden_rows, left_out, looked_at
from .uncertainty import ErrorModel, mixed, peaks_of

if TYPE_CHECKING:
    from . import AutoConfig

_FEWEST = 4
"""Sections under which nothing can be left out."""
_SLOW = 20.0
"""Weight of a candidate that trains, in the share of the progress bar."""
_GAPS = 8
"""Gaps in which it is looked up what goes with errors at the real gap."""
_FEWER = 8
"""So many times fewer voxels are looked at there as of left-out sections: only means are needed, no errors."""
_ROUNDING = 0.6
"""Grey levels: error of linear interpolation where only rounding is missed."""
_LARGEST_ROUNDING = 1e-4
"""The same for stacks of few grey levels, as mean square of the range: more than that is structure."""
_BLOCKS = 4
"""Blocks of a large stack on which the methods are tried."""


class Auto:
    """A mixture of methods that is fitted on the stack itself."""

    def __init__(self, config: AutoConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._linear = self._create("linear")
        self._candidates: dict[str, Method] = {}
        self._known: dict[str, Method] = {}
        self._weights = np.zeros(0)
        self._errors: ErrorModel | None = None
        self._findings = Findings(shares={"linear": 1.0})
        self._kept: Place | None = None

    def keeping(self, place: Place) -> Auto:
        """Return the same mixture, made of these rows and columns only."""
        same = copy.copy(self)
        same._kept = place
        return same

    def _create(self, name: str) -> Method:
        return spec_of(name).create(candidate_config(self._config, name), self._runtime)

    def findings(self) -> Findings:
        """Return the expected gain, the shares and what is odd about the stack."""
        return self._findings

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Prepare the candidates and mix them as known sections of the stack tell."""
        self.prepare_on([stack], stack, report=report)

    def refit(self, stack: Stack, *, report: Report = silent) -> None:
        """Prepare on another time point; candidates that can begin from what they know."""
        self.prepare_on([stack], stack, report=report, again=True)

    def prepare_on(
        self, blocks: Sequence[Stack], whole: Stack, *, report: Report = silent, again: bool = False
    ) -> None:
        """Do either on blocks of the stack."""
        self._known, self._candidates = (self._candidates if again else {}), {}
        prepare_on(self._linear, blocks, whole, report=silent)
        if len(blocks[0].depths) < _FEWEST:
            few = f"the stack has {len(whole.depths)} sections; with fewer than {_FEWEST} auto is linear interpolation"
            self._give_up(few, "linear")
            report(Progress(1.0))
            return
        if not self._names(whole):
            report(Progress(1.0))
            return
        seconds = self._prepare_candidates(blocks, whole, part(report, 0.0, 0.85))
        tried = [blocks[number] for number in spread_over(np.arange(len(blocks)), _BLOCKS)]
        self._judge(tried, seconds, part(report, 0.85, 1.0, "trying the methods on left-out sections"))
        report(Progress(1.0))

    def state(self) -> State:
        """Return what the candidates know, the mixture, and how errors go with it."""
        parts = {name: _state_of(name, each) for name, each in {"linear": self._linear, **self._candidates}.items()}
        values = {
            "candidates": list(self._candidates),
            "weights": self._weights.tolist(),
            "errors": None if self._errors is None else self._errors.as_json(),
            "findings": {**asdict(self._findings), "seconds": {}},
        }
        return State.of_parts(parts, values)

    def restore(self, state: State, stack: Stack) -> None:
        """Know all this again."""
        values = state.values
        self._candidates = {name: self._create(name) for name in values["candidates"]}
        for name, method in {"linear": self._linear, **self._candidates}.items():
            assert isinstance(method, Keeps)  # what cannot be kept was not written
            method.restore(state.part(name), stack)
        self._weights = np.array(values["weights"], float)
        self._errors = None if values["errors"] is None else ErrorModel.from_json(values["errors"])
        self._findings = Findings(**{**values["findings"], "warnings": tuple(values["findings"]["warnings"])})

    def _names(self, stack: Stack) -> list[str]:
        """Return the candidates that can work on the stack."""
        kind = "projection" if stack.acquisition.is_projection else "slice"
        return [name for name in names_in(self._config.candidates) if kind in spec_of(name).acquisitions]

    def _give_up(self, why: str, name: str) -> None:
        self._findings = Findings(shares={name: 1.0}, warnings=(f"{why}; how sure it is remains unknown",))

    def _prepare_candidates(self, blocks: Sequence[Stack], whole: Stack, report: Report) -> dict[str, float]:
        names = self._names(whole)
        costs = np.array([_SLOW if spec_of(name).trains_on_stack else 1.0 for name in names])
        ends = np.concatenate([[0.0], np.cumsum(costs) / costs.sum()])
        seconds = {}
        for number, name in enumerate(names):
            start = time.perf_counter()
            inner = part(report, ends[number], ends[number + 1])
            known = self._known.get(name)
            again = isinstance(known, Refits)
            method = known if known is not None and again else self._create(name)
            prepare_on(method, blocks, whole, report=inner, again=again)
            self._candidates[name] = method
            seconds[name] = time.perf_counter() - start
        return seconds

    def _judge(self, blocks: Sequence[Stack], seconds: dict[str, float], report: Report) -> None:
        """Fit the weights, the expected gain and the uncertainty."""
        names, scaling = list(self._candidates), Scaling.of(images_of(blocks))
        exact = _exact(blocks[0], scaling)
        decided = decide(self.ask(blocks, report), names, self._config.caution, scaling.scale, exact)
        self._weights, self._errors = decided.weights, decided.errors
        shares = {name: float(weight) for name, weight in zip(names, decided.weights, strict=True)}
        inner = [method.findings() for method in self._candidates.values() if isinstance(method, Explains)]
        warnings = dict.fromkeys(line for each in inner for line in each.warnings)  # two candidates may say the same
        self._findings = Findings(
            decided.gain.gain_db,
            decided.gain.std_db,
            {"linear": max(0.0, 1.0 - sum(shares.values()))} | shares,
            seconds,
            (*warnings, *mismatch(blocks)),
            {name: value for each in inner for name, value in each.chosen.items()},
        )

    def ask(self, blocks: Sequence[Stack], report: Report = silent) -> Known:
        """Return what the candidates make of known sections: all that the mixture and what is said of it rest on."""
        doubled = list(self._left_out(blocks, 2, part(report, 0.0, 0.5)))
        rows = self._hidden_rows(blocks, part(report, 0.5, 0.8))
        wider = list(self._left_out(blocks, 4, part(report, 0.8, 0.9))) if rows is None else []
        here = [answer for each in blocks for answer in self._in_gaps(each, len(blocks))]
        report(Progress(1.0))
        return Known(doubled, wider, rows, here, middles=not blocks[0].acquisition.is_projection)

    def _drafts(self) -> dict[str, Method]:
        """Return the candidates as they are tried: how they compare needs no more."""
        return {name: each.draft() if isinstance(each, Drafts) else each for name, each in self._candidates.items()}

    def _left_out(self, blocks: Sequence[Stack], every: int, report: Report) -> Iterator[Answer]:
        questions = [question for each in blocks for question in left_out(each, every, len(blocks))]
        for number, question in enumerate(questions):
            inner = part(report, number / len(questions), (number + 1) / len(questions))
            yield from answers(question, self._linear, self._drafts(), inner)

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return the mixture and how wrong it probably is; NaN where nothing could be tried."""
        return self.sections_of(stack, [stack], z, report=report)[0]

    def sections_of(
        self, guide: Stack, channels: Sequence[Stack], z: Sequence[float], *, report: Report = silent
    ) -> list[Sections]:
        """Return each channel's mixture, as the guide says that the methods are to be mixed.

        Each candidate sees the margin that it needs itself: that of another one may be seven times as wide.
        """
        shape = guide.voxels.shape[1:]
        kept = self._kept or (slice(0, shape[0]), slice(0, shape[1]))
        wide = grown(kept, SMOOTHED, shape)
        candidates = [self._candidate(name, method) for name, method in self._candidates.items()]
        linear = self._candidate("linear", self._linear)
        mixed_ones = rendered(linear, candidates, guide, channels, z, wide, self._mixed, self._runtime.threads, report)
        report(Progress(1.0))
        return [cut(each, inside(kept, wide)) for each in mixed_ones]

    def _candidate(self, name: str, method: Method) -> Candidate:
        return Candidate(method, spec_of(name), candidate_config(self._config, name))

    def _mixed(self, stack: Stack, values: NDArray[Any], others: list[NDArray[Any]], z: Sequence[float]) -> Sections:
        """Turn linear ``values`` into the mixture with ``others``; say how wrong it probably is."""
        if not others:
            return Sections(values, np.full(values.shape, np.nan, np.float32))
        uncertainty = np.zeros(values.shape, np.float32)
        depths = stack.depths
        below, shares = gaps_of(stack, np.asarray(z, float))
        reach = (stack.grid.spacing or 0.0) / 2 if stack.acquisition.is_projection else 0.0
        for k, share in enumerate(shares.tolist()):
            each = np.stack([found[k] for found in others])
            change = change_between(stack, int(below[k]))
            mixture, found = mixed(values[k], each, change, share, self._weights)
            peaks = peaks_of(mixture, values[k], change, share)
            beyond = not depths[0] - reach <= z[k] <= depths[-1] + reach
            uncertainty[k] = np.nan if self._errors is None or beyond else self._errors.expect(found, peaks)
            values[k] = mixture
        return Sections(values, uncertainty)

    def _in_gaps(self, stack: Stack, blocks: int) -> Iterator[Answer]:
        """Yield what is made of the middle of some real gaps of one of so many blocks; nobody knows what is there."""
        seen = stack.crop(slice(None), looked_at(stack, _FEWER * blocks))
        gaps = spread_over(np.arange(len(stack.depths) - 1), -(-_GAPS // blocks))
        z = ((stack.depths[gaps] + stack.depths[gaps + 1]) / 2).tolist()
        unknown = np.full((len(z), *seen.voxels.shape[1:]), np.nan, np.float32)
        yield from answers(Question(seen, z, unknown), self._linear, self._drafts())

    def _hidden_rows(self, blocks: Sequence[Stack], report: Report) -> tuple[list[Answer], list[Answer]] | None:
        """Return what becomes of rows hidden in the XY images, at the real and at the doubled gap.

        Rows are blurred so far that they change with the distance as sections do.
        """
        stack = blocks[0]
        spacing, pixel = float(np.median(np.diff(stack.depths))), stack.pixel
        blur = _blur_of(blocks, spacing / pixel) * spacing / pixel / FWHM
        in_plane = {
            name: each.in_plane() if isinstance(each, StretchesZ) else each for name, each in self._drafts().items()
        }
        found = []
        for number, gap in enumerate((max(2, round(spacing / pixel)), max(4, round(2 * spacing / pixel)))):
            inner = part(report, number / 2, (number + 1) / 2)
            known = [
                answer
                for each in blocks
                for question in hidden_rows(each, gap, pixel, blur)
                for answer in answers(question, self._linear, in_plane, silent)
            ]
            inner(Progress(1.0))
            if not known:
                return None
            found.append(known)
        return found[0], found[1]


def _blur_of(blocks: Sequence[Stack], gap: float) -> float:
    """Return the blur that makes rows change as sections do, as a share of the gap; 0 where they cannot be compared."""
    if not blocks[0].grid.is_even or blocks[0].acquisition.is_projection:
        return 0.0
    found = [matching_blur(each.voxels[:, looked_at(each, len(blocks))], gap) for each in blocks]
    return float(np.median(found))


def _state_of(name: str, method: Method) -> State:
    if not isinstance(method, Keeps):
        raise RequestError(f"what '{name}' learns cannot be kept, so auto with it cannot be prepared for later")
    return method.state()


def _exact(stack: Stack, scaling: Scaling) -> float:
    """Return the mean squared error, in scaled intensities, that is no more than rounding."""
    return min((_ROUNDING / scaling.scale) ** 2, _LARGEST_ROUNDING) if stack.voxels.dtype.kind in "iu" else 1e-12

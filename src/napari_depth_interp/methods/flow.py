"""Symmetric dense optical flow between neighbouring observed sections.

Both sections are warped to the new depth and blended. Where the forward and the backward flow disagree, or
warping does not bring the two sections closer together, the result falls back to plain interpolation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..method import Method, MethodConfig, MethodSpec, Runtime, Sections, Tiling
from ..method.preparation import Keeps, State, images_of, prepare_on
from ..numerics.motion import motion, moved, single_threaded
from ..progress import Progress, Report, part, silent
from ..stack import Acquisition, Stack
from ..stack.scaling import Scaling
from ..stack.thinning import spread_over
from . import registry

Image = NDArray[np.float32]

_REFINEMENTS = 20
"""Iterations of the solver's variational refinement."""
_LARGE = 512
"""Pixels per side above which the motion is found on halved images, unless told otherwise."""
_CHECKED = 8
"""Sections left out in the self-check, spread over the stack."""
_BLUR = 3.0
"""Pixels: over how large a neighbourhood it is judged whether warping helps."""
_MARGIN = 64
"""Pixels around a tile: motion is found on coarse images first, so it depends on more than the tile, but hardly."""
_OF_A_GAP = 80.0
"""Floats for each pixel of a section while the motion at one gap is found and used, and of those that are kept."""
_EDGE = 1.0
"""Pixels: how softly flow gives way to the fallback."""


class FlowConfig(MethodConfig):
    """Parameters of optical-flow interpolation."""

    smoothness: float = Field(
        default=40.0,
        ge=1.0,
        le=500.0,
        title="Smoothness",
        description="How strongly neighbouring pixels are made to move alike. Higher: steadier on noise, misses "
        "small structures that move on their own.",
    )
    finest_scale: int | None = Field(
        default=None,
        ge=0,
        le=4,
        title="Finest scale",
        description="The motion is found on images halved this many times. 0: every pixel; 1: several times faster; "
        "2 and more: coarser motion. Not set: 0 for images up to 512 pixels wide or high, else 1.",
    )
    tolerance: float = Field(
        default=5.0,
        gt=0.0,
        le=100.0,
        title="Tolerance (pixels)",
        description="How far forward and backward motion may disagree before the result falls back to plain "
        "interpolation. Lower: more cautious.",
    )
    resampling: Literal["mixed", "linear", "cubic"] = Field(
        default="mixed",
        title="Resampling",
        description="How pixels are read between pixels. linear: smoothest, good on noise; cubic: sharpest, good on "
        "clean data; mixed: the mean of both.",
    )
    self_check: bool = Field(
        default=True,
        title="Check on own sections",
        description="Leave some observed sections out, restore them from their neighbours, and trust the motion "
        "only as far as it helps there. Off: a little faster, but worse than linear where structures are confused.",
    )
    fallback: Literal["linear", "cubic"] = Field(
        default="linear",
        title="Fallback",
        description="What stands where the motion is not trusted: linear, or cubic for smooth, finely sampled stacks.",
    )


@dataclass(frozen=True, eq=False)
class _Motion:
    """Flow between two sections, (Y, X, 2) in pixels (x, y), and how far the two directions disagree, (Y, X)."""

    forward: Image
    backward: Image
    forward_error: Image
    backward_error: Image


@dataclass(frozen=True, eq=False)
class _Passage:
    """Flow from a depth between two sections to each of them, (Y, X, 2), and by how far its directions disagree."""

    to_below: Image
    to_above: Image
    error: Image


class _Flow:
    def __init__(self, config: FlowConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        spec = registry.get(config.fallback)
        self._fallback: Method = spec.create(spec.config(), runtime)
        self._scaling = Scaling(0.0, 1.0)
        self._trust = 1.0
        self._known: OrderedDict[tuple[int, int], _Motion] = OrderedDict()

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        self.prepare_on([stack], stack, report=report)

    def prepare_on(
        self, blocks: Sequence[Stack], whole: Stack, *, report: Report = silent, again: bool = False
    ) -> None:
        self._scaling = Scaling.of(images_of(blocks))
        self._choose_scale(whole)
        prepare_on(self._fallback, blocks, whole, report=part(report, 0.0, 0.1))
        if self._config.self_check and len(blocks[0].depths) > 2:
            self._trust = self._check_on(blocks, part(report, 0.1, 1.0))

    def _choose_scale(self, stack: Stack) -> None:
        """Choose the finest scale by the size of the whole images, so that tiles are treated alike."""
        if self._config.finest_scale is None:
            automatic = int(max(stack.voxels.shape[1:]) > _LARGE)
            self._config = self._config.model_copy(update={"finest_scale": automatic})

    def state(self) -> State:
        fallback = {"fallback": self._fallback.state()} if isinstance(self._fallback, Keeps) else {}
        values = {"trust": self._trust, "finest_scale": self._config.finest_scale}
        return State.of_parts(fallback, {"scaling": self._scaling.as_json(), **values})

    def restore(self, state: State, stack: Stack) -> None:
        self._scaling, self._trust = Scaling.from_json(state.values["scaling"]), float(state.values["trust"])
        self._config = self._config.model_copy(update={"finest_scale": int(state.values["finest_scale"])})
        if isinstance(self._fallback, Keeps):
            self._fallback.restore(state.part("fallback"), stack)

    def _check_on(self, blocks: Sequence[Stack], report: Report) -> float:
        """Return the share of the flow's correction that fits left-out sections best (least squares), 0 to 1."""
        each = spread_over(np.arange(1, len(blocks[0].depths) - 1), -(-_CHECKED // len(blocks)))
        inner = [(stack, i) for stack in blocks for i in each.tolist()]
        helped, size = 0.0, 0.0
        with single_threaded():
            for done, (stack, i) in enumerate(inner):
                below, truth, above = (self._scaling.apply(stack.voxels[j]) for j in (i - 1, i, i + 1))
                t = float((stack.depths[i] - stack.depths[i - 1]) / (stack.depths[i + 1] - stack.depths[i - 1]))
                plain = (1 - t) * below + t * above
                passage = _passage(_find_motion(below, above, self._config), t)
                warped, trust = _blend(below, above, passage, t, self._config)
                correction = trust * (warped - plain)
                helped += float(np.vdot(correction, truth - plain))
                size += float(np.vdot(correction, correction))
                report(Progress((done + 1) / len(inner)))
        return float(np.clip(helped / size, 0, 1)) if size > 0 else 0.0

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        return self.sections_of(stack, [stack], z, report=report)[0]

    def sections_of(
        self, guide: Stack, channels: Sequence[Stack], z: Sequence[float], *, report: Report = silent
    ) -> list[Sections]:
        """Return each channel moved as the guide moves, as far as that brings its own sections closer together."""
        depths = np.clip(np.asarray(z, float), guide.depths[0], guide.depths[-1])
        values = [self._fallback.sections_at(each, z, report=silent).values for each in channels]
        report(Progress(0.1))
        gaps = np.clip(np.searchsorted(guide.depths, depths, side="right") - 1, 0, len(guide.depths) - 2)
        chosen = np.unique(gaps)

        def fill(gap: int) -> None:
            rows = np.flatnonzero(gaps == gap)
            share = (depths[rows] - guide.depths[gap]) / (guide.depths[gap + 1] - guide.depths[gap])
            self._fill_gap(guide, channels, gap, share, rows, values)

        with single_threaded(), ThreadPoolExecutor(self._runtime.threads) as pool:
            try:
                for done, _ in enumerate(pool.map(fill, chosen.tolist())):
                    report(Progress(0.1 + 0.9 * (done + 1) / len(chosen)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return [Sections(each) for each in values]

    def _fill_gap(
        self,
        guide: Stack,
        channels: Sequence[Stack],
        gap: int,
        share: NDArray[np.float64],
        rows: NDArray[np.intp],
        values: Sequence[NDArray[Any]],
    ) -> None:
        """Blend warped sections into the fallback's ``values``; ``share`` is the depth as part of the gap."""
        below, above = self._pair(guide, gap)
        pairs = [(below, above) if each is guide else self._pair(each, gap) for each in channels]
        found = self._motion(below, above)
        for row, t in zip(rows, share.astype(np.float32), strict=True):
            passage = _passage(found, float(t))
            for pair, made in zip(pairs, values, strict=True):
                plain = made[row]
                warped, trust = _blend(*pair, passage, float(t), self._config)
                plain += self._trust * trust * (self._scaling.undo(warped.astype(made.dtype)) - plain)

    def _pair(self, stack: Stack, gap: int) -> tuple[Image, Image]:
        """Return the sections below and above a gap, scaled as the guide is."""
        return self._scaling.apply(stack.voxels[gap]), self._scaling.apply(stack.voxels[gap + 1])

    def _motion(self, below: Image, above: Image) -> _Motion:
        """Return the motion between two sections; the last few are kept, as a gap may be asked for in portions."""
        key = hash(below.tobytes()), hash(above.tobytes())
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _find_motion(below, above, self._config)
            if len(self._known) > self._runtime.threads + 1:
                self._known.popitem(last=False)
        return found


def _find_motion(below: Image, above: Image, config: FlowConfig) -> _Motion:
    """Return the motion both ways."""
    scale, smoothness = config.finest_scale or 0, config.smoothness
    forward = motion(below, above, finest_scale=scale, refinements=_REFINEMENTS, smoothness=smoothness)
    backward = motion(above, below, finest_scale=scale, refinements=_REFINEMENTS, smoothness=smoothness)
    return _Motion(forward, backward, _disagreement(forward, backward), _disagreement(backward, forward))


def _disagreement(there: Image, back: Image) -> Image:
    """Return how far a pixel that goes there and back ends from where it began, in pixels."""
    return np.asarray(np.linalg.norm(there + moved(back, there), axis=2), np.float32)


def _passage(pair: _Motion, t: float) -> _Passage:
    """Return where the pixels at share ``t`` of the gap come from.

    The flow at the new depth is taken from both directions as in Jiang et al., CVPR 2018 (Super SloMo), eq. 4.
    """
    to_below = t * t * pair.backward - (1 - t) * t * pair.forward
    to_above = (1 - t) ** 2 * pair.forward - t * (1 - t) * pair.backward
    error = (1 - t) * moved(pair.forward_error, to_below) + t * moved(pair.backward_error, to_above)
    return _Passage(to_below, to_above, error)


def _blend(below: Image, above: Image, passage: _Passage, t: float, config: FlowConfig) -> tuple[Image, Image]:
    """Return the blend of both warped sections at share ``t`` of the gap, and how far it is trusted, 0 to 1."""
    import cv2

    warped_below = _resample(below, passage.to_below, config.resampling)
    warped_above = _resample(above, passage.to_above, config.resampling)
    before = cv2.GaussianBlur((below - above) ** 2, (0, 0), _BLUR)
    after = cv2.GaussianBlur((warped_below - warped_above) ** 2, (0, 0), _BLUR)
    explained = np.clip((before - after) / (before + 1e-8), 0, 1)
    trust = np.exp(-((passage.error / config.tolerance) ** 2)) * np.sqrt(explained)
    blend = (1 - t) * warped_below + t * warped_above
    return np.asarray(blend, np.float32), np.asarray(cv2.GaussianBlur(trust, (0, 0), _EDGE), np.float32)


def _resample(image: Image, flow: Image, how: str) -> Image:
    import cv2

    kernels = {"linear": [cv2.INTER_LINEAR], "cubic": [cv2.INTER_CUBIC], "mixed": [cv2.INTER_LINEAR, cv2.INTER_CUBIC]}
    images = [moved(image, flow, kernel) for kernel in kernels[how]]
    return images[0] if len(images) == 1 else np.asarray((images[0] + images[1]) / 2)


def _reach(config: FlowConfig, acquisition: Acquisition) -> int | None:
    fallback = registry.get(config.fallback)
    return fallback.z_reach(fallback.config(), acquisition)


def _images(_config: FlowConfig, threads: int) -> float:
    """Return what the motion at one gap takes for each pixel, in each thread."""
    return _OF_A_GAP * threads


FLOW = MethodSpec(
    name="flow",
    title="Optical flow",
    summary="Moves structures from one section to the next instead of cross-fading them; falls back to linear where "
    "it cannot. Use it when structures shift sideways along z.",
    config=FlowConfig,
    create=_Flow,
    cost="seconds for small images, minutes for stacks of thousands of pixels per side",
    acquisitions=frozenset({"slice"}),
    training=None,
    tiling=Tiling(halo=_MARGIN, z_reach=_reach, lazy=True, floats=1.5, images=_images),
    shares_fit=True,
)

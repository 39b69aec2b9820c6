"""Fit on a stack, choose the scale that it prefers, render sections at any depths."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import Findings, Method, Runtime, Sections
from ...method.preparation import State, images_of, prepare_on
from ...method.trimming import cropped_around
from ...nn.kept import arrays_of, filled
from ...nn.runtime import torch_on
from ...numerics.axial import FWHM, matching_blur
from ...numerics.back_projection import Floor, back_projected
from ...numerics.bounds import Bounds
from ...progress import Progress, Report, fractions, part, silent
from ...stack import Stack
from ...stack.scaling import Scaling
from ...stack.thinning import spread_over, thinned
from .. import registry
from . import LOOKED_AT, ready, rows_beyond
from .fit import Plan, fit, noise_share
from .fusion import shares_of_xz
from .middles import NARROW, middles
from .network import RowNet
from .patches import Patches, gaussian, widest_gap
from .render import PLAIN, TURNED, Flip, Targets, corrections

if TYPE_CHECKING:
    from . import SectionSRConfig

_OCTAVES = np.linspace(-1.0, 1.0, 5)
"""Binary logarithms of the multiples of the physical gap at which the stack is looked at."""
_DRAWN = 0.15
"""dB per squared octave by which a scale must be better than the physical one: it is chosen at the doubled gap."""
_BELIEVED = 0.8
"""Share of the chosen octaves that is used, for the same reason."""
_CHECKED = 6
"""Sections left out to choose the scale."""
_FEWEST = 5
"""Sections under which none can be left out to choose by."""
_CHANGES_IN = 1_500_000
"""Voxels in which the axial blur is looked for."""
_FROM_SCRATCH = 2
"""So many times the steps are taken where the weights are random at first."""
_REFIT = 4
"""A further time point is trained on for this part of the steps."""
_ALIKE = 1.5
"""Planes whose pixels differ from the images' by more than this factor are not what the network knows."""
_SMALLEST_IMAGE = 16
"""Pixels of the longer image side under which nothing can be learned."""
_FURTHER = 5
"""With an axial blur the network goes on from what it knows without, for this part of the steps."""
_BETTER = 0.05
"""dB by which an axial blur must be better than none on left-out sections."""
_NOISY = 0.5
"""Share of noise in what linear interpolation misses, above which the squared error is the better loss."""


class SectionSR:
    """Zero-shot section super-resolution on one stack."""

    def __init__(self, config: SectionSRConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        linear = registry.get("linear")
        self._linear: Method = linear.create(linear.config.model_validate({"match_projections": False}), runtime)
        self._matched: Method = linear.create(linear.config(), runtime)
        self._scaling = Scaling(0.0, 1.0)
        self._bounds = Bounds()
        self._floor = Floor()
        self._depths = np.zeros(0)
        self._network: RowNet | None = None
        self._why = ""
        self._pixel = 1.0
        self._flips = TURNED if config.flips else PLAIN
        self.scale = config.scale or 1.0
        self.axial_blur = config.axial_blur or 0.0

    def prepare(self, stack: Stack, *, report: Report = silent) -> None:
        """Train on the XY images of the stack, then leave sections out to choose the scale."""
        self.prepare_on([stack], stack, report=report)

    def refit(self, stack: Stack, *, report: Report = silent) -> None:
        """Train on another time point of the same channel, beginning from what is known: a quarter of the time."""
        self.prepare_on([stack], stack, report=report, again=True)

    def prepare_on(
        self, blocks: Sequence[Stack], whole: Stack, *, report: Report = silent, again: bool = False
    ) -> None:
        """Do either on blocks of the stack."""
        if again:
            self._fit(blocks, whole, max(1, self._config.training_steps // _REFIT), report)
            return
        self._network = None
        self.axial_blur = self._config.axial_blur or 0.0
        begun = self._starts_ready(exact=not whole.acquisition.is_projection)
        training_steps = self._config.training_steps * (1 if begun else _FROM_SCRATCH)
        self._fit(blocks, whole, training_steps, report, first=True)

    def _fit(
        self, blocks: Sequence[Stack], whole: Stack, training_steps: int, report: Report, *, first: bool = False
    ) -> None:
        voxels, exact = images_of(blocks), not whole.acquisition.is_projection
        self._floor = Floor.of_images(voxels, whole.acquisition)
        for plain in (self._linear, self._matched):
            prepare_on(plain, blocks, whole, report=silent)
        self._pixel, self._depths = whole.pixel, whole.depths
        gap = float(np.median(np.diff(whole.depths))) / self._pixel
        self._why = self._hopeless(blocks[0], gap)
        if self._why:
            self._network = None
            report(Progress(1.0))
            return
        self._scaling = Scaling.of(voxels)
        self._bounds = Bounds.of(voxels, of_all=len(blocks) == 1)
        with torch_on(self._runtime) as device:
            images = torch.from_numpy(self._scaling.apply(voxels)).to(device)
            network = self._network or self._new_network(float(images.mean()), float(images.std()), exact=exact)
            squared, sharpness = self._is_squared(images, gap), self._config.sharpness
            plan = Plan(training_steps, self._config.batch, gap, squared, sharpness=sharpness)
            if self._starts_ready(exact=exact):
                plan = replace(plan, rate=ready.RATE, span=ready.SPAN)
            patches = self._patches(images, self.axial_blur, whole)
            found = self._matching_blur(blocks, gap) if first else 0.0
            done = (0.75, 0.8) if found else (0.95, 1.0)
            training = part(report, 0.0, done[0], "training on the sections of this stack")
            self._network = fit(network.train().to(device), patches, plan, self._runtime.seed, training)
            if self._config.scale is None and self._can_leave_out(blocks[0]):
                self.scale = self._choose_scale(blocks, device, part(report, *done))
            if found:
                plan = replace(plan, training_steps=max(1, training_steps // _FURTHER), rate=ready.RATE)
                training = part(report, 0.8, 1.0, "training on blurred sections")
                self._try_blur(found, blocks, images, plan, training)
        report(Progress(1.0))

    def state(self) -> State:
        """Return the networks, the scale, and what the images were like."""
        known = {} if self._network is None else {"network": _state_of(self._network)}
        values = {
            "scale": self.scale,
            "axial_blur": self.axial_blur,
            "scaling": self._scaling.as_json(),
            "bounds": self._bounds.as_json(),
            "floor": self._floor.value,
            "why": self._why,
        }
        return State.of_parts(known, values)

    def restore(self, state: State, stack: Stack) -> None:
        """Know networks and scale again, for a stack whose sections are as far apart."""
        values = state.values
        self.scale, self.axial_blur, self._why = float(values["scale"]), float(values["axial_blur"]), values["why"]
        self._scaling = Scaling.from_json(values["scaling"])
        self._bounds = Bounds.from_json(values["bounds"])
        self._floor = Floor(float(values["floor"]))
        self._pixel, self._depths = stack.pixel, stack.depths
        self._network = self._restored(state.part("network"))

    def _restored(self, state: State) -> RowNet | None:
        if not state.arrays:
            return None
        size, about = (self._config.channels, self._dilations()), state.values
        network = RowNet(*size, float(about["mean"]), float(about["std"]), exact=bool(about["exact"]))
        network = filled(network, state.arrays, torch.device(self._runtime.device))
        return network.to(memory_format=torch.channels_last)

    def _patches(self, images: Tensor, blur: float, stack: Stack) -> Patches:
        """Return patches whose rows are blurred as sections are: by their profile where it is known, or a Gaussian."""
        profile = stack.acquisition.profile if self._config.axial_blur is None else None
        if profile is None:
            kernel = gaussian(blur / FWHM / self._pixel) if blur > 0 else None
        else:
            kernel = torch.from_numpy(profile.kernel(self._pixel)).float() if profile.thickness > self._pixel else None
        n = stack.acquisition.n
        return Patches(images, self._config.batch, kernel, n, around=profile is not None)

    def _can_leave_out(self, stack: Stack) -> bool:
        return len(stack.depths) >= _FEWEST and not stack.acquisition.is_projection

    def _matching_blur(self, blocks: Sequence[Stack], gap: float) -> float:
        """Return the axial blur that the stack seems to have, in the unit of its depths; 0 where it is given."""
        stack = blocks[0]
        given = self._config.axial_blur is not None or stack.acquisition.is_thick
        if given or stack.grid.pixel_size is None or not self._can_leave_out(stack):
            return 0.0
        seen = [self._scaling.apply(each.voxels) for each in middles(blocks, _CHANGES_IN)]
        axes = self._usable_axes(stack)
        return float(np.median([matching_blur(each, gap, axes) for each in seen])) * gap * self._pixel

    def _try_blur(self, blur: float, blocks: Sequence[Stack], images: Tensor, plan: Plan, report: Report) -> None:
        """Go on with blurred rows; keep what was learned if left-out sections come back better."""
        plain, octave = self._network, np.array([math.log2(self.scale)])
        assert plain is not None
        before = self._errors_at(octave, blocks, images.device, silent)
        blurred = copy.deepcopy(plain).train()
        self._network = fit(blurred, self._patches(images, blur, blocks[0]), plan, self._runtime.seed, report)
        after = self._errors_at(octave, blocks, images.device, silent)
        if 10 * math.log10(before[0] / after[0]) > _BETTER:
            self.axial_blur = blur
        else:
            self._network = plain

    def _new_network(self, mean: float, std: float, *, exact: bool) -> RowNet:
        network = RowNet(self._config.channels, self._dilations(), mean, std, exact=exact)
        if self._starts_ready(exact=exact):
            ready.start(network, std)
        return network

    def _starts_ready(self, *, exact: bool) -> bool:
        """Return whether ready weights are used: they know slices, and projections do a little better without."""
        return exact and self._config.start == "ready" and ready.fits(self._config.channels, self._dilations())

    def _hopeless(self, stack: Stack, gap: float) -> str:
        """Return why the images cannot teach anything about gaps of so many pixels; empty: they can."""
        side = max(stack.voxels.shape[1:])
        if side < _SMALLEST_IMAGE or not self._usable_axes(stack):
            return "the images are too small, or their pixels far from square"
        if gap > widest_gap(side, stack.acquisition.n, rows=2):
            return (
                f"the images are {side} pixels wide, too few to hide rows {gap:.0f} pixels apart, as the sections are"
            )
        return ""

    def in_plane(self) -> SectionSR:
        """Return the same network, told the true distance of rows; with an axial blur, for rows that are blurred so."""
        same = copy.copy(self)
        same.scale = 1.0
        return same

    def draft(self) -> SectionSR:
        """Return the same network, without the average over mirrored versions."""
        same = copy.copy(self)
        same._flips = PLAIN
        return same

    def findings(self) -> Findings:
        """Say so where nothing could be learned, and which axial blur was found."""
        if self._why:
            return Findings(warnings=(f"section_sr is linear interpolation here: {self._why}",))
        found = self._config.axial_blur is None and self.axial_blur > 0
        return Findings(chosen={"axial blur of section_sr": self.axial_blur} if found else {})

    def sections_at(self, stack: Stack, z: Sequence[float], *, report: Report = silent) -> Sections:
        """Return linear interpolation plus what the XZ and the YZ planes add.

        Within the stack's range; projections are matched by back-projection instead.
        """
        if self._network is None or len(stack.depths) < 2:
            values = self._matched.sections_at(stack, z, report=silent).values
            report(Progress(1.0))
            return Sections(values)
        wanted = np.asarray(z, float)
        if stack.acquisition.is_projection:
            return Sections(self._floor.held(lambda at: self._matching(stack, at, report), stack, wanted))
        values = self._render(stack, wanted, report)
        self._bounds.clip(values, stack.voxels)
        return Sections(values)

    def _matching(self, stack: Stack, z: NDArray[np.float64], report: Report) -> NDArray[Any]:
        return back_projected(lambda at, inner: self._render(stack, at, inner), stack, z, report)

    def _render(self, stack: Stack, z: NDArray[np.float64], report: Report) -> NDArray[Any]:
        stack = cropped_around(stack, z.tolist(), rows_beyond(self._config))  # what the network sees
        values = self._linear.sections_at(stack, z.tolist(), report=silent).values
        with torch_on(self._runtime) as device:
            both = self._shares_of_xz(stack)
            self._add(values, stack, z.tolist(), self.scale, both, device, report, flips=self._flips)
        return values

    def _add(
        self,
        values: NDArray[Any],
        stack: Stack,
        z: Sequence[float],
        scale: float,
        both: NDArray[np.float32] | None,
        device: torch.device,
        report: Report,
        *,
        flips: Sequence[Flip],
    ) -> None:
        assert self._network is not None
        axes = self._usable_axes(stack)
        depths, scaled = _with_ends(stack, self._scaling.apply(stack.voxels))
        targets = Targets.at(depths, z, self._pixel, scale, self._all_gaps(stack))
        voxels = torch.from_numpy(scaled)
        span = values.dtype.type(self._scaling.scale)
        for number, axis in enumerate(axes):
            inner = part(report, number / len(axes), (number + 1) / len(axes))
            planes = voxels.movedim(axis, 0).to(device)
            found = corrections(self._network, planes, targets, flips=flips, each_chunk=fractions(inner))
            for where, correction in found:
                # (p, K, X) belongs to rows of the image, (p, K, Y) to columns
                place = (slice(None), where) if axis == 1 else (slice(None), slice(None), where)
                added = correction.transpose(1, 0, 2) if axis == 1 else correction.transpose(1, 2, 0)
                if both is not None:
                    share = both[place] if axis == 1 else 1 - both[place]
                    added = added * share[targets.gap_of]
                values[place] += span * added

    def _all_gaps(self, stack: Stack) -> NDArray[np.float64] | None:
        """Return the gaps of the prepared stack if this is a part of it, so that parts are treated alike."""
        first = int(np.searchsorted(self._depths, stack.depths[0]))
        if not np.array_equal(self._depths[first : first + len(stack.depths)], stack.depths):
            return None
        gaps = np.diff(self._depths)
        return np.concatenate([gaps[:1], gaps, gaps[-1:]]) if stack.acquisition.is_projection else gaps

    def _shares_of_xz(self, stack: Stack) -> NDArray[np.float32] | None:
        """Return how much the XZ planes count in each gap; None if only one kind of planes can be cut."""
        if len(self._usable_axes(stack)) < 2:
            return None
        _, scaled = _with_ends(stack, self._scaling.apply(stack.voxels))
        return shares_of_xz(scaled, stack.grid.pixel_size or (1.0, 1.0))

    def _usable_axes(self, stack: Stack) -> list[int]:
        """Return the image axes along which planes are cut: 1 gives XZ planes, 2 gives YZ planes."""
        sizes = stack.grid.pixel_size or (self._pixel, self._pixel)
        _, height, width = stack.voxels.shape
        columns = {1: (width, sizes[1]), 2: (height, sizes[0])}
        return [
            axis
            for axis, (count, size) in columns.items()
            if count >= NARROW and 1 / _ALIKE < size / self._pixel < _ALIKE
        ]

    def _choose_scale(self, blocks: Sequence[Stack], device: torch.device, report: Report) -> float:
        """Return the bounded scale at which left-out sections come back best, drawn towards the physical one."""
        from scipy.interpolate import CubicSpline

        errors = self._errors_at(_OCTAVES, blocks, device, report)
        finer = np.linspace(_OCTAVES[0], _OCTAVES[-1], 81)
        residual = CubicSpline(_OCTAVES, 10 * np.log10(errors))(finer) + _DRAWN * finer**2
        return float(2 ** (_BELIEVED * finer[residual.argmin()]))

    def _errors_at(
        self, octaves: NDArray[np.float64], blocks: Sequence[Stack], device: torch.device, report: Report
    ) -> NDArray[np.float64]:
        """Return the squared errors of left-out sections with the network told multiples of the physical gap."""
        errors = np.full(len(octaves), 1e-12)
        asked = [(stack, half) for stack in middles(blocks, LOOKED_AT) for half in (0, 1)]
        for done, (stack, half) in enumerate(asked):
            made = thinned(stack, 2, half)
            few = spread_over(made.hidden, _CHECKED // 2)
            both, z = self._shares_of_xz(made.seen), stack.depths[few].tolist()
            for number, octave in enumerate(octaves):
                values = self._linear.sections_at(made.seen, z, report=silent).values
                self._add(values, made.seen, z, float(2**octave), both, device, silent, flips=PLAIN)
                errors[number] += float(np.square((values - stack.voxels[few]) / self._scaling.scale).sum())
                report(Progress((done + (number + 1) / len(octaves)) / len(asked)))
        return errors

    def _dilations(self) -> tuple[int, ...]:
        """Every second block looks twice as far along the rows."""
        return tuple(1 + number % 2 for number in range(self._config.blocks))

    def _is_squared(self, images: Tensor, gap: float) -> bool:
        if self._config.loss != "auto":
            return self._config.loss == "l2"
        return noise_share(images, gap) > _NOISY


def _with_ends(stack: Stack, scaled: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return depths and images; projections with the first and the last one continued, as sections lie beyond them."""
    if not stack.acquisition.is_projection:
        return stack.depths, scaled
    first, last = stack.depths[1] - stack.depths[0], stack.depths[-1] - stack.depths[-2]
    depths = np.concatenate([stack.depths[:1] - first, stack.depths, stack.depths[-1:] + last])
    return depths, np.concatenate([scaled[:1], scaled, scaled[-1:]])


def _state_of(network: RowNet) -> State:
    return State(network.about(), arrays_of(network))

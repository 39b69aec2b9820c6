"""Collect what candidates get right on hundreds of thinned stacks, and what `auto` can know of it beforehand.

One file per case goes into a folder; cases that are there are not made again, so that it can be stopped at any time.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from napari_depth_interp.method import Method, Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.auto.trials import Answer, Question, answers, hidden_rows, left_out
from napari_depth_interp.methods.section_sr.method import SectionSR
from napari_depth_interp.stack import Stack
from napari_depth_interp.stack.thinning import spread_over, thinned
from proving_cases import Case, all_cases, truth_of

BLURS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.8, 2.5, 3.5)
"""Axial blurs of which one is chosen: full widths at half maximum, as shares of the gap."""
NAMES = ("cubic", "flow", "section_sr", "section_sr blurred")
_STEPS, _FURTHER = 90, 30
_FWHM = 2.355
_GAPS = 2
"""Gaps of a stack of every 3rd or 4th section in which all sections are asked for."""


def candidates(seen: Stack, share: float, runtime: Runtime) -> dict[str, Method]:
    """Prepare all candidates; the one with blur (a share of the gap) goes on from the one without."""
    found: dict[str, Method] = {}
    for name in NAMES[:2]:
        spec = registry.get(name)
        found[name] = spec.create(spec.config(), runtime)
        found[name].prepare(seen)
    spec = registry.get("section_sr")
    plain = spec.create(spec.config(training_steps=_STEPS, flips=False), runtime)
    plain.prepare(seen)
    assert isinstance(plain, SectionSR)
    found["section_sr"] = plain
    if not share:
        return found | {NAMES[3]: plain}
    gap = float(np.median(np.diff(seen.depths)))
    config = spec.config(training_steps=4 * _FURTHER, flips=False, axial_blur=share * gap, scale=plain.scale)
    blurred = spec.create(config, runtime)
    blurred._network = copy.deepcopy(plain._network)
    blurred.refit(seen)
    found[NAMES[3]] = blurred
    return found


def _noise(voxels: NDArray[Any]) -> float:
    """Return the variance of noise (Immerkaer, CVIU 1996)."""
    rows = voxels[:, :-2] - 2 * voxels[:, 1:-1] + voxels[:, 2:]
    mask = rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return float(1.4826 * np.median(np.abs(mask)) / 6) ** 2


def _noise_at(voxels: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """Return the standard deviation of the noise at the intensities wanted."""
    local = gaussian_filter(voxels, (0, 1.5, 1.5))[:, 1:-1, 1:-1]
    rows = voxels[:, :-2] - 2 * voxels[:, 1:-1] + voxels[:, 2:]
    mask = np.abs(rows[:, :, :-2] - 2 * rows[:, :, 1:-1] + rows[:, :, 2:])
    edges = np.unique(np.quantile(local, [0, 0.3, 0.6, 0.8, 0.9, 0.96, 1]))
    which = np.clip(np.searchsorted(edges, local, side="right") - 1, 0, max(0, len(edges) - 2))
    found = [
        (float(local[which == i].mean()), 1.4826 * float(np.median(mask[which == i])) / 6)
        for i in range(max(1, len(edges) - 1))
        if (which == i).any()
    ]
    at, sd = np.array(found).T
    return np.interp(wanted, at, sd)


def _changes(voxels: NDArray[Any], axis: int, lag: int, noise: float) -> float:
    """Return half the variance of differences at a lag, without that of noise."""
    ahead, behind = (np.moveaxis(voxels, axis, 0)[part] for part in (slice(lag, None), slice(None, -lag)))
    return max(float(np.var(ahead - behind, axis=(1, 2)).mean()) / 2 - noise, 1e-12)


def matching_blur(seen: Stack) -> float:
    """Return the blur (FWHM over the gap) that makes XY rows change with the distance as sections do."""
    gap = float(np.median(np.diff(seen.depths))) / seen.pixel
    lag, noise = max(1, round(gap)), _noise(seen.voxels)
    if 2 * lag >= min(seen.voxels.shape[1:]) or len(seen.voxels) < 4:
        return 0.0
    along = _changes(seen.voxels, 0, 1, noise) / _changes(seen.voxels, 0, 2, noise)
    ratios = []
    for share in BLURS:
        sigma, parts = share * gap / _FWHM, []
        for axis in (1, 2):
            smooth = gaussian_filter1d(seen.voxels, sigma, axis=axis) if sigma else seen.voxels
            left = noise * min(1.0, 1 / (2 * np.sqrt(np.pi) * sigma)) if sigma else noise
            parts.append([_changes(smooth, axis, n * lag, left) for n in (1, 2)])
        near, far = np.sum(parts, axis=0)
        ratios.append(near / far)
    falling = np.minimum.accumulate(ratios)
    found = float(np.interp(-along, -falling, BLURS))
    return found if found >= BLURS[1] else 0.0


def _left_out(seen: Stack, every: int) -> list[Question]:
    """Return questions as of `auto`, but with sections at all shares of the gap."""
    if every == 2:
        return left_out(seen, 2)
    questions = []
    for first in range(every):
        made = thinned(seen, every, first)
        gaps = spread_over(np.arange(len(made.kept) - 1), _GAPS)
        few = (made.kept[gaps][:, None] + np.arange(1, every)).ravel()
        if len(few):
            questions.append(Question(made.seen, seen.depths[few].tolist(), seen.voxels[few]))
    return questions


def _rows(seen: Stack, factor: int, blur: float, *, noisy: bool = False) -> list[Question]:
    """Return hidden rows at a multiple of the real gap, of images blurred along the rows hidden (sd in pixels)."""
    gap = max(2 * factor, round(factor * float(np.median(np.diff(seen.depths))) / seen.pixel))
    if not blur:
        return hidden_rows(seen, gap, seen.pixel)
    found = []
    for axis in (1, 2):
        voxels = gaussian_filter1d(seen.voxels, blur, axis=axis)
        if noisy:
            lost = max(0.0, 1 - 1 / (2 * np.sqrt(np.pi) * blur))
            voxels = voxels + _noise_at(seen.voxels, voxels) * np.sqrt(lost) * np.random.default_rng(
                axis
            ).standard_normal(voxels.shape)
        smooth = replace(seen, voxels=voxels.astype(np.float32))
        questions = hidden_rows(smooth, gap, seen.pixel)
        if len(questions) == 2:
            found.append(questions[axis - 1])
    return found


def _packed(prefix: str, known: Sequence[Answer], spans: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Return answers as arrays; images of different shapes are flattened, one after the other."""
    if not known:
        return {}
    flat = {
        name: np.concatenate([np.asarray(getattr(a, name)).reshape(-1) for a in known]).astype(np.float16)
        for name in ("truth", "linear", "change")
    }
    flat["others"] = np.concatenate([a.others.reshape(len(a.others), -1) for a in known], axis=1).astype(np.float16)
    flat["share"] = np.array([a.share for a in known])
    flat["shape"] = np.array([a.truth.shape for a in known])
    return {f"{prefix}_{name}": value for name, value in flat.items()}


def collect(case: Case, folder: Path, runtime: Runtime) -> dict[str, NDArray[Any]]:
    """Return all answers of one case: of the hidden sections, of left-out sections and of hidden rows."""
    truth = truth_of(case, folder)
    made = thinned(truth, case.every)
    seen, start = made.seen, time.process_time()
    blur = matching_blur(seen)
    methods = candidates(seen, blur, runtime)
    linear = registry.get("linear").create(registry.get("linear").config(), runtime)
    linear.prepare(seen)
    in_plane = {name: m.in_plane() if isinstance(m, SectionSR) else m for name, m in methods.items()}

    def told(questions: Sequence[Question], asked: dict[str, Method]) -> Iterator[Answer]:
        for question in questions:
            yield from answers(question, linear, asked)

    found = {}
    hidden = Question(seen, truth.depths[made.hidden].tolist(), truth.voxels[made.hidden])
    found.update(_packed("hidden", list(told([hidden], methods)), ()))
    for every in (2, 3, 4):
        found.update(_packed(f"left{every}", list(told(_left_out(seen, every), methods)), ()))
    gap = float(np.median(np.diff(seen.depths))) / seen.pixel
    for number, share in enumerate((0.0, blur)):
        if number and not share:
            continue
        for factor in (1, 2):
            rows = list(told(_rows(seen, factor, share * gap / _FWHM), in_plane))
            found.update(_packed(f"rows{number}_{factor}", rows, ()))
            if number:
                rows = list(told(_rows(seen, factor, share * gap / _FWHM, noisy=True), in_plane))
                found.update(_packed(f"rows2_{factor}", rows, ()))
    scales = [m.scale if isinstance(m, SectionSR) else 1.0 for m in methods.values()]
    meta = {
        "group": case.group,
        "source": case.source,
        "variant": case.variant,
        "every": case.every,
        "names": NAMES,
        "gap": gap,
        "blur": blur,
        "scales": scales,
        "pixel": seen.pixel,
        "sizes": [seen.grid.spacing, *(seen.grid.pixel_size or ())],
        "cpu": time.process_time() - start,
    }
    for number, m in enumerate(methods.values()):
        if isinstance(m, SectionSR) and m._network is not None:
            found.update({f"net{number}_{key}": value.numpy() for key, value in m._network.state_dict().items()})
    found["seen"] = seen.voxels.astype(np.float16)
    found["meta"] = np.array(json.dumps(meta))
    return found


def main() -> None:
    """Collect all cases that are not there yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of TIFF and NIfTI volumes")
    parser.add_argument("into", type=Path, help="folder for the cases")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.into.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(all_cases(args.data)):
        file = args.into / f"{case.name}.npz"
        if file.exists():
            continue
        start = time.perf_counter()
        try:
            found = collect(case, args.data, Runtime())
        except Exception as problem:  # noqa: BLE001 - one odd case must not end the night
            print(f"{case.name}: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
            continue
        with file.with_suffix(".part").open("wb") as out:
            np.savez(out, **found)
        file.with_suffix(".part").replace(file)
        print(f"{number} {case.name}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

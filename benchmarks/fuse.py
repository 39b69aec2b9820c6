"""Two and three orthogonal thick stacks of known volumes: how well they are registered and fused.

    python benchmarks/fuse.py [DIR] [--only NAME ...] [--methods A,B] [--out DIR] [--quick]

DIR holds dense volumes (TIFF or NIfTI) with nearly cubic voxels; without it volumes are simulated. The middle of each
is the truth. Stacks are made of it by cubic splines along a finely sampled box or Gaussian profile: their sections lie
along z, y and x; all but the first are shifted by 2 to 5 voxels and turned by 2 to 5 degrees; brightness drifts by
10 % along the sections and differs by 10 % between stacks; noise of 2 % of the range is added. Neither motion, drift
nor noise is told; the profile and the thickness are. PSNR (range 0.1 to 99.9 percent of the truth) and SSIM are of the
middle of the volume, after one factor that all get alike, because nobody knows how bright the first stack should be.

Beside ours: the first stack alone, made denser by ``auto`` (fast) and by ``section_sr`` (fast), the best of all stacks
made denser by cubic interpolation in its true place, and the average of the registered stacks. How smooth the volume is
to be was chosen on the volumes named in CHOSEN_ON; the table tells these from the others.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation
from skimage.metrics import structural_similarity

from _tools import machine, markdown_table, remembered, verdict
from napari_depth_interp import io
from napari_depth_interp.api import interpolate
from napari_depth_interp.fusion.execute import place_stacks, solve_placed
from napari_depth_interp.fusion.problem import upsampled
from napari_depth_interp.fusion.request import resolve_fusion
from napari_depth_interp.fusion.settings import make_fuse_settings
from napari_depth_interp.fusion.views import Lattice, View, isotropic
from napari_depth_interp.simulate import SPECIMENS, simulate
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.profile import Profile

Volume = NDArray[np.float32]
CHOSEN_ON = ("mri_t1_studyforrest", "em_fibsem_fib25_train1", "lsfm_mesospim_cortex")
"""Volumes that the constants of the solver were chosen on."""
ALONE = ("auto", "section_sr")
"""Methods that make the first stack denser by itself, in the third case of each volume."""
CASES = ((2, "box"), (2, "gaussian"), (3, "box"), (3, "gaussian"))
_ALONE_IN = 2
_MARGIN = 20
"""Voxels of the truth beyond the field of view of the stacks, both sides together: they are moved and turned."""
_SCORED = 6
"""Voxels at each face of the volume that are not scored."""
_NOISE, _DRIFT, _GAIN = 0.02, 0.1, 0.1
_LARGEST_SHIFT, _LARGEST_ANGLE = 5.0, 5.0
_FINE = 16
"""Samples of a profile."""


@dataclass(frozen=True, eq=False)
class Case:
    """Stacks of one truth, and how each really was moved."""

    truth: Volume
    stacks: list[Volume]
    affines: list[NDArray[np.float64]]
    motions: list[NDArray[np.float64]]


def volumes(folder: Path | None, only: Sequence[str], side: int) -> Iterator[tuple[str, Volume]]:
    """Yield the middle of each volume with nearly cubic voxels, its grey values at about 0 to 1."""
    if folder is None:
        for name in SPECIMENS:
            yield name, _middle(simulate(name, shape=(side, side, side), seed=1).truth.voxels[0, 0], side)
        return
    for path in sorted(folder.iterdir()):
        name = path.name.partition(".")[0]
        if not path.name.endswith(tuple(io.SUFFIXES)) or (only and name not in only):
            continue
        found = io.read(path)
        if min(found.voxels.shape[2:]) >= 64 and _is_cubic(found):
            yield name, _middle(np.asarray(found.voxels[0, 0]), side)


def _is_cubic(dataset: Dataset) -> bool:
    sizes = [dataset.grid.spacing, *(dataset.grid.pixel_size or (None, None))]
    return None not in sizes and max(sizes) / min(sizes) < 1.3


def _middle(voxels: NDArray[Any], side: int) -> Volume:
    sizes = [min(side, size) for size in voxels.shape]
    inner = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(voxels.shape, sizes, strict=True))
    values = np.asarray(voxels[inner], np.float32)
    low, high = np.percentile(values, (0.1, 99.9))
    return np.asarray((values - low) / (high - low), np.float32)


def make_case(truth: Volume, count: int, kind: str, thickness: int, seed: int) -> Case:
    """Return stacks of a truth whose voxels are 1 mm large."""
    rng = np.random.default_rng(seed)
    coefficients = spline_filter(truth, 3)
    size = (min(truth.shape) - _MARGIN) // thickness * thickness
    centre = (np.array(truth.shape) - 1) / 2
    case = Case(truth, [], [], [])
    for axis in range(count):
        affine = _along(axis, centre, size, thickness)
        motion = _motion(rng, centre) if axis else np.eye(4)
        case.stacks.append(_seen(coefficients, motion @ affine, size, thickness, kind, rng))
        case.affines.append(affine)
        case.motions.append(motion)
    return case


def _along(axis: int, centre: NDArray[np.float64], size: int, thickness: int) -> NDArray[np.float64]:
    """Return the affine of a stack whose sections lie along an axis, in the middle of the truth."""
    order = [axis, *(other for other in range(3) if other != axis)]
    steps, counts = np.array([thickness, 1, 1]), np.array([size // thickness, size, size])
    affine = np.zeros((4, 4))
    affine[order, [0, 1, 2]], affine[3, 3] = steps, 1
    affine[order, 3] = centre[order] - steps * (counts - 1) / 2
    return affine


def _motion(rng: np.random.Generator, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    directions = rng.normal(size=(2, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shift, angle = np.array([_LARGEST_SHIFT, _LARGEST_ANGLE]) * rng.uniform(0.4, 1, 2)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(math.radians(angle) * directions[0]).as_matrix()
    motion[:3, 3] = centre - motion[:3, :3] @ centre + shift * directions[1]
    return motion


def _seen(
    coefficients: NDArray[Any], to_truth: NDArray[np.float64], size: int, thickness: int, kind: str,
    rng: np.random.Generator,
) -> Volume:  # fmt: skip
    """Return what a stack sees of the truth, with drift and noise."""
    count = size // thickness
    at = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    sigma = thickness / 2.3548
    offsets = at * thickness if kind == "box" else at * 6 * sigma
    weights = np.ones(_FINE) if kind == "box" else np.exp(-0.5 * (offsets / sigma) ** 2)
    places = np.indices((count, size, size)).reshape(3, -1).astype(float)
    total = np.zeros(places.shape[1])
    for offset, weight in zip(offsets / thickness, weights / weights.sum(), strict=True):
        moved = to_truth[:3, :3] @ (places + np.array([[offset], [0], [0]])) + to_truth[:3, 3:]
        total += weight * map_coordinates(coefficients, moved, order=3, prefilter=False, mode="nearest")
    slow = gaussian_filter1d(rng.normal(size=count), count / 5, mode="wrap")
    drift = 1 + _DRIFT * (slow - slow.mean()) / max(float(np.abs(slow - slow.mean()).max()), 1e-9)
    gain = 1 + _GAIN * rng.uniform(-1, 1)
    stack = total.reshape(count, size, size) * gain * drift[:, None, None]
    return np.asarray(stack + _NOISE * rng.normal(size=stack.shape), np.float32)


def score(volume: Volume, truth: Volume) -> tuple[float, float]:
    """Return PSNR in dB and SSIM of the middle, after the factor that fits best."""
    inner = (slice(_SCORED, -_SCORED),) * 3
    found, true = volume[inner].astype(float), truth[inner].astype(float)
    found = found * float((found * true).sum() / (found * found).sum())
    error = float(np.square(found - true).mean())
    return -10 * math.log10(error), float(structural_similarity(found, true, data_range=1.0))


def errors_of(
    motion: NDArray[np.float64], true: NDArray[np.float64], centre: NDArray[np.float64]
) -> tuple[float, float]:
    """Return by how many voxels a motion is off at the centre, and by how many degrees."""
    middle = np.append(centre, 1.0)
    turn = np.linalg.inv(true[:3, :3]) @ motion[:3, :3]
    angle = math.degrees(math.acos(float(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
    return float(np.linalg.norm((motion @ middle - true @ middle)[:3])), angle


def run_alone(case: Case, kind: str, thickness: int) -> dict[str, tuple[float, float]]:
    """Return the scores of the first stack alone, made denser."""
    lattice = isotropic(View(case.stacks[0], case.affines[0], Profile(kind, float(thickness)), ""))  # type: ignore[arg-type]
    truth = _on(case.truth, lattice)
    return {f"{name}, first stack": score(_denser(case.stacks[0], name, thickness), truth) for name in ALONE}


def run_case(case: Case, kind: str, thickness: int, methods: Sequence[str]) -> dict[str, Any]:
    """Fuse the stacks with each method; return scores, registration errors and seconds."""
    profile = Profile(kind, float(thickness))  # type: ignore[arg-type]
    views = [View(*each, profile, "") for each in zip(case.stacks, case.affines, strict=True)]
    lattice = isotropic(views[0])
    truth = _on(case.truth, lattice)
    found: dict[str, Any] = {"scores": {}, "seconds": {}, "gains": {}}
    placed = [view.moved(motion) for view, motion in zip(views, case.motions, strict=True)]
    found["scores"]["cubic, best stack"] = max(score(upsampled(each, lattice, 3)[0], truth) for each in placed)
    datasets = [Dataset.from_array(stack) for stack in case.stacks]
    centre = (np.array(case.truth.shape) - 1) / 2
    placed_by_us = None
    for method in ("average", *methods):
        settings = make_fuse_settings(method=method, profile=kind, thickness=str(thickness), spacing="1", threads=1)
        request = resolve_fusion(datasets, settings, affines=case.affines)
        begun = time.perf_counter()
        placed_by_us = placed_by_us or place_stacks(request)
        result = solve_placed(request, placed_by_us)
        found["seconds"][method] = time.perf_counter() - begun
        values = _as_lattice(result.dataset, lattice)
        found["scores"][method] = score(values, truth)
        if method == "average":
            pairs = zip(result.motions[1:], case.motions[1:], strict=True)
            found["registration"] = [errors_of(*pair, centre) for pair in pairs]
        else:
            found["gains"][method] = [each.get("held_out", {}).get("gain_db") for each in result.stacks]
            found["consistency"] = [each["consistency"]["ratio"] for each in result.stacks]
            found["share"] = result.record["share"]
            found["calibration"] = _calibration(result, truth, lattice)
    return found


def _calibration(result: Any, truth: Volume, lattice: Lattice) -> float:
    """Return the mean error over the mean expected error."""
    inner = (slice(_SCORED, -_SCORED),) * 3
    values = _as_lattice(result.dataset, lattice)[inner].astype(float)
    expected = _as_lattice(io.on_affine(result.uncertainty[0, 0], _affine_of(result.dataset)), lattice)[inner]
    true = truth[inner]
    factor = float((values * true).sum() / (values * values).sum())
    return float(np.abs(values * factor - true).mean() / (np.nanmean(expected) * factor))


def _affine_of(dataset: Dataset) -> NDArray[np.float64]:
    found = io.affine(dataset)
    assert found is not None
    return found


def _as_lattice(dataset: Dataset, lattice: Lattice) -> Volume:
    """Return the voxels of a result in the order of the lattice."""
    affine = _affine_of(dataset)
    view = View(np.asarray(dataset.voxels[0, 0], np.float32), affine, Profile("box", 1.0), "")
    return upsampled(view, lattice)[0]


def _on(truth: Volume, lattice: Lattice) -> Volume:
    places = np.indices(lattice.shape).reshape(3, -1).astype(float)
    moved = lattice.affine[:3, :3] @ places + lattice.affine[:3, 3:]
    return np.asarray(map_coordinates(truth, moved, order=3, mode="nearest").reshape(lattice.shape), np.float32)


def _denser(stack: Volume, method: str, thickness: int) -> Volume:
    """Return the first stack with sections as close together as its pixels, where the volume has its voxels."""
    count = len(stack)
    wanted = (np.arange(count * thickness) - (thickness - 1) / 2).tolist()
    dataset = Dataset.from_array(stack, z_spacing=float(thickness), pixel_size=(1.0, 1.0), unit="mm")
    result = interpolate(dataset, method=method, preset="fast", at=wanted, extrapolate=True, threads=1)
    dense = np.asarray(result, np.float32)
    return dense[:: max(1, len(dense) // (count * thickness))][: count * thickness]


def report(rows: Sequence[tuple[str, int, str, dict[str, Any]]], methods: Sequence[str]) -> str:
    """Return the tables."""
    names = list(dict.fromkeys(name for row in rows for name in row[3]["scores"]))
    head = ["volume", "stacks", "profile", *names, "voxels", "degrees"]
    body = []
    for name, count, kind, found in rows:
        scores = ["{:.2f} / {:.3f}".format(*found["scores"][each]) if each in found["scores"] else "" for each in names]
        worst = [max(each[k] for each in found["registration"]) for k in (0, 1)]
        mark = " *" if name in CHOSEN_ON else ""
        body.append([name + mark, str(count), kind, *scores, f"{worst[0]:.2f}", f"{worst[1]:.2f}"])
    parts = [markdown_table(head, body), *_summaries(rows, methods)]
    return "\n\n".join(parts)


def _summaries(rows: Sequence[tuple[str, int, str, dict[str, Any]]], methods: Sequence[str]) -> Iterator[str]:
    singles = [name for row in rows for name in row[3]["scores"] if name.endswith("stack")]
    groups = {
        "all": rows,
        "volumes that constants were chosen on (*)": [row for row in rows if row[0] in CHOSEN_ON],
        "other volumes": [row for row in rows if row[0] not in CHOSEN_ON],
    }
    body = []
    for method in methods:
        for title, some in groups.items():
            over = [_over(row, method, ["average"]) for row in some]
            beyond = [_over(row, method, singles) for row in some]
            if over:
                body.append(
                    [
                        method,
                        title,
                        str(len(over)),
                        *(f"{f(each):+.2f}" for each in (over, beyond) for f in (_mean, min)),
                    ]
                )
    yield markdown_table(
        ["method", "cases", "number", "over average, mean dB", "worst", "over best single, mean dB", "worst"], body
    )  # fmt: skip
    shifts, angles = ([max(each[k] for each in row[3]["registration"]) for row in rows] for k in (0, 1))
    yield (
        f"Registration: worst {max(shifts):.2f} voxel, {max(angles):.2f} degrees; mean of the worst stack of each case "
        f"{_mean(shifts):.2f} voxel, {_mean(angles):.2f} degrees."
    )
    ratios = [ratio for row in rows for ratio in row[3].get("consistency", [])]
    calibrations = [row[3]["calibration"] for row in rows if "calibration" in row[3]]
    if ratios:
        yield (
            f"Difference between the stacks and what is seen of the result over the noise: mean {_mean(ratios):.2f}, "
            f"largest {max(ratios):.2f}. Mean error over mean expected error: {min(calibrations):.2f} to "
            f"{max(calibrations):.2f}."
        )
    best = methods[0]
    over, beyond = [_over(row, best, ["average"]) for row in rows], [_over(row, best, singles) for row in rows]
    yield "\n".join(
        [
            verdict(_mean(over) >= 1.5, "1.5 dB above the average, in the mean"),
            verdict(_mean(beyond) >= 2, "2 dB above the best single stack, in the mean"),
            verdict(min(over) >= 0, "never worse than the average"),
            verdict(max(*shifts, *angles) <= 0.3, "registered within 0.3 voxel and 0.3 degree in each case"),
        ]
    )


def _over(row: tuple[str, int, str, dict[str, Any]], method: str, others: Sequence[str]) -> float:
    scores = row[3]["scores"]
    return float(scores[method][0] - max(scores[other][0] for other in others if other in scores))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--side", type=int, default=88, help="voxels of the truth along each axis")
    parser.add_argument("--thickness", type=int, default=4, help="voxels that a section is thick")
    parser.add_argument("--methods", default="least_squares", metavar="A,B")
    parser.add_argument("--quick", action="store_true", help="two cases of each volume, no network alone")
    parser.add_argument("--out", type=Path, help="folder in which finished cases are kept")
    given = parser.parse_args()
    methods, rows = given.methods.split(","), []
    for name, truth in volumes(given.folder, given.only, given.side):
        for number, (count, kind) in enumerate(CASES):
            if given.quick and number in (0, 3):
                continue
            about = {"volume": name, "side": given.side, "count": count, "kind": kind, "thickness": given.thickness}

            def case(truth: Volume = truth, count: int = count, kind: str = kind, seed: int = number) -> Case:
                return make_case(truth, count, kind, given.thickness, seed)

            def fused(case: Callable[[], Case] = case, kind: str = kind) -> dict[str, Any]:
                return run_case(case(), kind, given.thickness, methods)

            def alone(case: Callable[[], Case] = case, kind: str = kind) -> dict[str, tuple[float, float]]:
                return run_alone(case(), kind, given.thickness)

            found = remembered(given.out, {**about, "methods": methods}, fused)
            if number == _ALONE_IN and not given.quick:
                scores = remembered(given.out, {**about, "alone": ALONE}, alone)
                found["scores"] = {**scores, **found["scores"]}
            rows.append((name, count, kind, found))
            print(rows[-1], file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{report(rows, methods)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Two and three orthogonal thick stacks of known volumes: how well they are registered and fused.

    python benchmarks/fuse.py [DIR] [--part usual|wrong|place] [--only NAME ...] [--methods A,B] [--out DIR]

DIR holds dense volumes (TIFF or NIfTI) with nearly cubic voxels; without it volumes are simulated. The middle of each
is the truth. Stacks are made of it by cubic splines along a finely sampled box or Gaussian profile: their sections lie
along z, y and x; all but the first are shifted by 2 to 5 voxels and turned by 2 to 5 degrees; brightness drifts by
10 % along the sections and differs by 10 % between stacks; noise of 2 % of the range is added. Neither motion, drift
nor noise is told; the profile and the thickness are. PSNR (range 0.1 to 99.9 percent of the truth) and SSIM are of the
middle of the volume, after one factor that all get alike, because nobody knows how bright the first stack should be.

Beside ours: the first stack alone, made denser by ``auto`` (fast), the best of all stacks made denser by cubic
interpolation in its true place, and the average of the registered stacks. How smooth the volume is to be and how stacks
are registered was chosen on the volumes named in CHOSEN_ON; the table tells these from the others.

``--part wrong`` tells the wrong profile or thickness, or registers nothing. ``--part place`` only registers.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates, spline_filter
from scipy.spatial.transform import Rotation
from skimage.metrics import structural_similarity

from _fuse_tables import Row, report, report_places
from _tools import machine, peak_memory_mb, remembered
from napari_depth_interp import io
from napari_depth_interp.api import interpolate
from napari_depth_interp.errors import RequestError
from napari_depth_interp.fusion.execute import solve_placed
from napari_depth_interp.fusion.placing import Placed, place_stacks
from napari_depth_interp.fusion.problem import upsampled
from napari_depth_interp.fusion.refining import distance
from napari_depth_interp.fusion.request import FusionRequest, resolve_fusion
from napari_depth_interp.fusion.settings import make_fuse_settings
from napari_depth_interp.fusion.views import Lattice, View, isotropic
from napari_depth_interp.simulate import SPECIMENS, simulate
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.profile import Profile

Volume = NDArray[np.float32]
ALONE = "auto"
"""Method that makes the first stack denser by itself, where three stacks see along a box."""


@dataclass(frozen=True)
class Setup:
    """How stacks are made and what is told of them.

    Attributes
    ----------
    count : int
        Of the stacks.
    kind : str
        Their profile.
    words : str
        What is told wrongly.
    told : str
        The profile that is told; empty: the true one.
    thicker : float
        Thickness that is told, over the true one.
    registration : str
    """

    count: int
    kind: str
    words: str = ""
    told: str = ""
    thicker: float = 1.0
    registration: str = "rigid"


PARTS = {
    "usual": tuple(Setup(count, kind) for count in (2, 3) for kind in ("box", "gaussian")),
    "wrong": (
        Setup(2, "gaussian", "told: box", told="box"),
        Setup(2, "gaussian", "told: 1.5 times as thick", thicker=1.5),
        Setup(2, "gaussian", "told: 1.5 times as thin", thicker=1 / 1.5),
        Setup(3, "box", "not registered", registration="none"),
    ),
    "place": tuple(Setup(count, kind) for count in (2, 3) for kind in ("box", "gaussian")),
}
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
        affine = along(axis, centre, size, thickness)
        motion = random_motion(rng, centre) if axis else np.eye(4)
        case.stacks.append(seen_along(coefficients, motion @ affine, size, thickness, kind, rng))
        case.affines.append(affine)
        case.motions.append(motion)
    return case


def along(axis: int, centre: NDArray[np.float64], size: int, thickness: int) -> NDArray[np.float64]:
    """Return the affine of a stack whose sections lie along an axis, in the middle of the truth."""
    order = [axis, *(other for other in range(3) if other != axis)]
    steps, counts = np.array([thickness, 1, 1]), np.array([size // thickness, size, size])
    affine = np.zeros((4, 4))
    affine[order, [0, 1, 2]], affine[3, 3] = steps, 1
    affine[order, 3] = centre[order] - steps * (counts - 1) / 2
    return affine


def random_motion(rng: np.random.Generator, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a motion of the world about a centre, as large as the module says."""
    directions = rng.normal(size=(2, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shift, angle = np.array([_LARGEST_SHIFT, _LARGEST_ANGLE]) * rng.uniform(0.4, 1, 2)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(math.radians(angle) * directions[0]).as_matrix()
    motion[:3, 3] = centre - motion[:3, :3] @ centre + shift * directions[1]
    return motion


def seen_along(
    coefficients: NDArray[Any], to_truth: NDArray[np.float64], size: int, thickness: int, kind: str,
    rng: np.random.Generator, *, noise: float = _NOISE, drift: float = _DRIFT,
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
    brightness = 1 + drift * (slow - slow.mean()) / max(float(np.abs(slow - slow.mean()).max()), 1e-9)
    gain = 1 + _GAIN * rng.uniform(-1, 1)
    stack = total.reshape(count, size, size) * gain * brightness[:, None, None]
    return np.asarray(stack + noise * rng.normal(size=stack.shape), np.float32)


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


def run_alone(case: Case, setup: Setup, thickness: int) -> tuple[float, float]:
    """Return the scores of the first stack alone, made denser."""
    lattice = _lattice_of(case, setup, thickness)
    return score(_denser(case.stacks[0], ALONE, thickness), _on(case.truth, lattice))


def _lattice_of(case: Case, setup: Setup, thickness: int) -> Lattice:
    return isotropic(_views(case, setup, thickness)[0])


def _views(case: Case, setup: Setup, thickness: int) -> list[View]:
    profile = Profile(setup.kind, float(thickness))  # type: ignore[arg-type]
    return [View(*each, profile, "") for each in zip(case.stacks, case.affines, strict=True)]


def _request(case: Case, setup: Setup, thickness: int, method: str = "average") -> FusionRequest:
    settings = make_fuse_settings(
        method=method, profile=setup.told or setup.kind, thickness=str(thickness * setup.thicker), spacing="1",
        registration=setup.registration, threads=1,
    )  # fmt: skip
    return resolve_fusion([Dataset.from_array(stack) for stack in case.stacks], settings, affines=case.affines)


def place_case(case: Case, setup: Setup, thickness: int) -> dict[str, Any]:
    """Only register the stacks; return how far off they are, and what is told of that."""
    begun = time.perf_counter()
    placed = place_stacks(_request(case, setup, thickness))
    return {**_placement(case, placed), "seconds": time.perf_counter() - begun}


def _placement(case: Case, placed: Placed) -> dict[str, Any]:
    centre = (np.array(case.truth.shape) - 1) / 2
    pairs = list(zip(placed.problem.views[1:], case.motions[1:], strict=True))
    return {
        "registration": [errors_of(view.motion, true, centre) for view, true in pairs],
        "distances": [distance(view, view.motion, true) for view, true in pairs],
        "told": [each.distance for each in placed.known[1:]],
        "told_angles": [each.angle for each in placed.known[1:]],
        "notes": list(placed.notes),
    }


def run_case(case: Case, setup: Setup, thickness: int, methods: Sequence[str]) -> dict[str, Any]:
    """Fuse the stacks with each method; return scores, registration errors, seconds and memory."""
    views, lattice = _views(case, setup, thickness), _lattice_of(case, setup, thickness)
    truth = _on(case.truth, lattice)
    there = [view.moved(motion) for view, motion in zip(views, case.motions, strict=True)]
    cubic = max(score(upsampled(each, lattice, 3)[0], truth) for each in there)
    begun = time.perf_counter()
    scores: dict[str, Any] = {"cubic, best stack": cubic}
    try:
        placed = place_stacks(_request(case, setup, thickness))
    except RequestError as error:
        return {"scores": scores, "refused": str(error), "peak_mb": peak_memory_mb()}
    found: dict[str, Any] = {**_placement(case, placed), "scores": scores}
    found["seconds"] = {"registration": time.perf_counter() - begun}
    for method in ("average", *methods):
        begun = time.perf_counter()
        result = solve_placed(_request(case, setup, thickness, method), placed)
        found["seconds"][method] = time.perf_counter() - begun
        found["scores"][method] = score(_as_lattice(result.dataset, lattice), truth)
        if method != "average":
            found.setdefault("gains", {})[method] = [each.get("held_out", {}).get("gain_db") for each in result.stacks]
            found.setdefault("averaged", {})[method] = result.record["averaged"]
            found.setdefault("alone", {})[method] = result.record["first_alone"]
            found.setdefault("warnings", {})[method] = list(result.warnings)
        if method == methods[0]:
            found["consistency"] = [each["consistency"]["ratio"] for each in result.stacks]
            found["calibration"] = _calibration(result, truth, lattice)
    found["peak_mb"] = peak_memory_mb()
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


def main() -> int:
    """Run and print."""
    given = _arguments()
    rows: list[Row] = []
    for name, truth in volumes(given.folder, given.only, given.side):
        for number, setup in enumerate(PARTS[given.part][: given.cases]):
            for turn in range(given.turns):
                rows.append(Row(name, setup, _row(given, name, truth, setup, number + len(PARTS["usual"]) * turn)))
                print(rows[-1], file=sys.stderr, flush=True)
    tables = report_places(rows) if given.part == "place" else report(rows, given.methods.split(","))
    print(f"{machine()}\n\n{tables}")
    return 0


def _row(given: argparse.Namespace, name: str, truth: Volume, setup: Setup, seed: int) -> dict[str, Any]:
    """Return what is found in one case; what is kept of an earlier run is read."""
    about = {"volume": name, "side": given.side, "thickness": given.thickness, "seed": seed, **asdict(setup)}
    case = partial(make_case, truth, setup.count, setup.kind, given.thickness, seed)
    if given.part == "place":
        return remembered(given.out, {**about, "part": "place"}, lambda: place_case(case(), setup, given.thickness))
    methods = given.methods.split(",")
    found = remembered(
        given.out, {**about, "methods": methods}, lambda: run_case(case(), setup, given.thickness, methods)
    )
    if given.alone and setup == Setup(3, "box"):
        alone = remembered(given.out, {**about, "alone": ALONE}, lambda: run_alone(case(), setup, given.thickness))
        found["scores"] = {f"{ALONE}, first stack": alone, **found["scores"]}
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--part", choices=PARTS, default="usual")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--side", type=int, default=72, help="voxels of the truth along each axis")
    parser.add_argument("--thickness", type=int, default=4, help="voxels that a section is thick")
    parser.add_argument("--methods", default="least_squares", metavar="A,B")
    parser.add_argument("--cases", type=int, help="only so many of the cases of each volume")
    parser.add_argument("--turns", type=int, default=1, help="how often each case is made, with another motion")
    parser.add_argument("--alone", action="store_true", help="also make single stacks denser by auto")
    parser.add_argument("--out", type=Path, help="folder in which finished cases are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

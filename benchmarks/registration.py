"""Displacements of sections found again, and what aligning does to interpolation between jittered sections.

Sections of sound volumes are displaced by known amounts (seeded). pystackreg and SimpleITK are measured beside what is
used where they are installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table, verdict
from napari_depth_interp.metrics.intensity import psnr_of
from napari_depth_interp.numerics.motion import single_threaded
from napari_depth_interp.progress import silent
from napari_depth_interp.registration import AlignConfig, Kind, check_jitter, estimate
from napari_depth_interp.registration.chain import chain_of
from napari_depth_interp.registration.estimation import corrections, motions_of, section_depths
from napari_depth_interp.registration.jumps import off_line
from napari_depth_interp.registration.pairs import motion_between, prepared
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset
from quality import Volume, volumes

Image = NDArray[Any]
EDGE = 12
"""Pixels at each edge that no score counts: what was displaced has black edges."""
JITTER = 1.5
"""Pixels: standard deviation of the jitter."""


def displaced(section: Image, shift: NDArray[np.float64], degrees: float = 0.0) -> Image:
    """Return a section with its content moved by (y, x) pixels, turned, and black where nothing was recorded."""
    from scipy.ndimage import affine_transform

    angle, centre = np.radians(degrees), (np.array(section.shape) - 1) / 2
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(affine_transform(section, back, centre - back @ (centre + shift), order=3), section.dtype)


def with_sections(dataset: Dataset, moves: dict[int, tuple[NDArray[np.float64], float]]) -> Dataset:
    """Return the dataset with some sections displaced and turned."""
    voxels = dataset.voxels.copy()
    for k, (shift, degrees) in moves.items():
        voxels[0, 0, k] = displaced(voxels[0, 0, k], shift, degrees)
    return replace(dataset, voxels=voxels)


def single_moves(
    count: int, rng: np.random.Generator, *, degrees: float
) -> dict[int, tuple[NDArray[np.float64], float]]:
    """Return moves of every eighth section by 2 to 6 pixels along each axis."""
    return {
        k: (rng.uniform(2, 6, 2) * rng.choice([-1, 1], 2), float(rng.uniform(-degrees, degrees)))
        for k in range(4, count - 2, 8)
    }


def ours(first: Image, second: Image) -> tuple[float, float]:
    """Return where the first lies in the second by what is used: ECC from the peaks of both correlations."""
    return motion_between(prepared(first), prepared(second), "translation").shift


def phase(first: Image, second: Image) -> tuple[float, float]:
    """Return it by scikit-image's phase correlation, upsampled 20 times."""
    from skimage.registration import phase_cross_correlation

    y, x = phase_cross_correlation(second, first, upsample_factor=20)[0]
    return float(y), float(x)


def stackreg(first: Image, second: Image) -> tuple[float, float]:
    """Return it by pystackreg (TurboReg)."""
    from pystackreg import StackReg

    matrix = StackReg(StackReg.TRANSLATION).register(first, second)
    return float(matrix[1, 2]), float(matrix[0, 2])


def itk(first: Image, second: Image) -> tuple[float, float]:
    """Return it by SimpleITK: correlation, gradient descent on three resolutions."""
    sitk: Any = import_module("SimpleITK")

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200)
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(sitk.TranslationTransform(2))
    images = (sitk.GetImageFromArray(np.ascontiguousarray(each, np.float32)) for each in (first, second))
    x, y = method.Execute(*images).GetParameters()
    return float(y), float(x)


def finders() -> dict[str, Callable[[Image, Image], tuple[float, float]]]:
    """Return what is compared, as far as it is installed."""
    peers = {"pystackreg": ("pystackreg", stackreg), "SimpleITK": ("SimpleITK", itk)}
    there = {name: find for name, (module, find) in peers.items() if find_spec(module) is not None}
    return {"ECC": ours, "phase correlation": phase, **there}


def pair_errors(volume: Volume, seed: int) -> dict[str, tuple[list[float], float]]:
    """Return for each finder the errors in pixels against both neighbours, and seconds per pair.

    What the same finder says of the sound section is no displacement, and is subtracted.
    """
    voxels = volume.dataset.voxels[0, 0]
    moves = single_moves(len(voxels), np.random.default_rng(seed), degrees=0.0)
    found: dict[str, tuple[list[float], float]] = {}
    for name, find in finders().items():
        errors, start = [], time.perf_counter()
        with single_threaded():
            for k, (shift, _) in moves.items():
                off = displaced(voxels[k], shift)
                ways = [
                    np.subtract(_or_nothing(find, voxels[j], off), _or_nothing(find, voxels[j], voxels[k]))
                    for j in (k - 1, k + 1)
                ]
                errors.append(float(np.linalg.norm(np.mean(ways, axis=0) - shift)))
        found[name] = errors, (time.perf_counter() - start) / (4 * len(moves))
    return found


def _or_nothing(
    find: Callable[[Image, Image], tuple[float, float]], first: Image, second: Image
) -> tuple[float, float]:
    try:
        return find(first, second)
    except RuntimeError:  # SimpleITK, where images have too little in common
        return 0.0, 0.0


def chain_errors(volume: Volume, seed: int) -> dict[str, Any]:
    """Return how exactly displaced and turned sections of a stack are found, and what is found in the sound one."""
    dataset, rng = volume.dataset, np.random.default_rng(seed)
    count = dataset.voxels.shape[2]
    report = check_jitter(dataset)
    found: dict[str, Any] = {"sound": report.as_json()}
    kinds: tuple[tuple[Kind, float], ...] = (("translation", 0.0), ("rigid", 3.0))
    for kind, degrees in kinds:
        moves = single_moves(count, rng, degrees=degrees)
        transforms = estimate(with_sections(dataset, moves), kind, smallest=0.0)
        motions = motions_of(dataset, 0, kind, silent)
        chain = chain_of(motions, count, max(dataset.voxels.shape[-2:]) / 4)
        before, _ = corrections(chain, section_depths(dataset), "keep", AlignConfig().period)
        ks = [k for k in moves if dataset.voxels[0, 0, k].std() > 0]
        line = off_line(motions, section_depths(dataset))[:, :2]
        before = np.where(np.isfinite(line), line, before)
        shifts = transforms.shifts[0, ks] - np.array([moves[k][0] for k in ks])
        turns = np.degrees(transforms.angles[0, ks]) - np.array([moves[k][1] for k in ks])
        found[kind] = {
            "absolute": np.linalg.norm(shifts, axis=1).tolist(),
            "relative": np.linalg.norm(shifts - before[ks], axis=1).tolist(),
            "degrees": np.abs(turns).tolist(),
            "judged": transforms.judged[0, ks].tolist(),
        }
    return found


def gains(volume: Volume, method: str, seed: int) -> dict[str, float]:
    """Return PSNR (dB) of hidden sections: of the sound stack and of the jittered one, with and without aligning.

    A hidden section belongs half-way between its neighbours as they lie in the end; there the truth is laid, whether
    they were aligned or not, as nobody can know where all of them together should lie.
    """
    dataset = volume.dataset
    assert dataset.grid.depths is not None
    kept = np.arange(0, dataset.voxels.shape[2], 2)
    depths = dataset.grid.depths[: kept[-1] + 1]
    sparse = replace(dataset, voxels=dataset.voxels[:, :, kept], grid=replace(dataset.grid, depths=depths[kept]))
    jitter = np.random.default_rng(seed).normal(0, JITTER, (len(kept), 2))
    jittered = with_sections(sparse, {k: (shift, 0.0) for k, shift in enumerate(jitter)})
    found = {}
    for name, given, off in (("sound", sparse, np.zeros_like(jitter)), ("jittered", jittered, jitter)):
        for align in ("none", "translation"):
            settings = make_settings(method=method, align=align)
            result = execute(resolve(given, settings, depths=depths.tolist()))
            left = off if result.transforms is None else off - result.transforms.shifts[0]
            places = (left[1:] + left[:-1]) / 2
            truth = np.stack([displaced(dataset.voxels[0, 0, 2 * k + 1], move) for k, move in enumerate(places)])
            error = (result.dataset.voxels[0, 0, 1::2] - truth)[:, EDGE:-EDGE, EDGE:-EDGE]
            found[f"{name}, {align}"] = psnr_of(float(np.mean(error**2)), 1.0) or np.inf
    return found


def main() -> None:
    """Print the tables, and whether the targets are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--crop", type=int, nargs=3, default=(40, 200, 200), metavar=("Z", "Y", "X"))
    parser.add_argument("--method", default="flow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("pairs", "chains", "gains"))
    args = parser.parse_args()
    print(machine())
    found = list(volumes(args.data, args.crop))
    if args.only in (None, "pairs"):
        print_pairs(found, args.seed)
    if args.only in (None, "chains"):
        print_chains(found, args.seed)
    if args.only in (None, "gains"):
        print_gains(found, args.method, args.seed)


def print_pairs(found: list[Volume], seed: int) -> None:
    """Print the errors of finders, between pairs of sections."""
    names, lines = list(finders()), []
    for volume in found:
        errors = pair_errors(volume, seed)
        cells = [f"{np.median(errors[name][0]):.2f} / {max(errors[name][0]):.2f}" for name in names]
        lines.append([volume.name, *cells, *(f"{1e3 * errors[name][1]:.0f}" for name in names)])
        print(lines[-1], flush=True)
    header = ["volume", *(f"{name}, px" for name in names), *(f"{name}, ms" for name in names)]
    print(f"\nError of one displaced section (median / largest):\n\n{markdown_table(header, lines)}\n", flush=True)


def print_chains(found: list[Volume], seed: int) -> None:
    """Print how exactly displaced sections of stacks are found."""
    lines, worst = [], []
    for volume in found:
        each = chain_errors(volume, seed)
        moved, turned, sound = each["translation"], each["rigid"], each["sound"]
        worst.append(max(moved["relative"]))
        lines.append([
            volume.name,
            f"{np.median(moved['absolute']):.2f} / {max(moved['absolute']):.2f}",
            f"{np.median(moved['relative']):.2f} / {worst[-1]:.2f}",
            f"{np.median(turned['relative']):.2f} / {max(turned['relative']):.2f}",
            f"{max(turned['degrees']):.2f}",
            f"{sound['pixels']:.2f} / {sound['largest']:.2f}",
            f"{len(sound['displaced'])} of {sound['sections']}",
        ])  # fmt: skip
        print(lines[-1], flush=True)
    header = [
        "volume", "shift, px", "beside what the sound one shows, px", "turned, px", "turned, degrees",
        "sound stack, px", "called displaced",
    ]  # fmt: skip
    print(f"\nDisplaced sections (median / largest error):\n\n{markdown_table(header, lines)}\n")
    print(verdict(max(worst) <= 0.3, f"shifts within 0.3 pixel on all volumes: {max(worst):.2f} at worst"), flush=True)


def print_gains(found: list[Volume], method: str, seed: int) -> None:
    """Print PSNR with and without aligning."""
    lines, sums = [], []
    for volume in found:
        each = gains(volume, method, seed)
        sums.append(list(each.values()))
        lines.append([volume.name, *(f"{value:.2f}" for value in sums[-1])])
        print(lines[-1], flush=True)
    mean = np.mean(sums, axis=0)
    lines.append(["**mean**", *(f"{value:.2f}" for value in mean)])
    header = ["volume", "sound", "sound, aligned", "jittered", "jittered, aligned"]
    print(f"\nPSNR of {method}, jitter {JITTER:g} pixels:\n\n{markdown_table(header, lines)}\n")
    print(verdict(mean[3] > mean[2], f"aligning helps where sections jitter: {mean[3] - mean[2]:+.2f} dB"))
    print(verdict(mean[1] > mean[0] - 0.1, f"aligning does no harm where they do not: {mean[1] - mean[0]:+.2f} dB"))


if __name__ == "__main__":
    main()

"""What filling does to tracing, rendering and registration: ``python benchmarks/recipes.py [--data DIR] --out DIR``.

Every k-th section is kept; what is done with the filled stack is compared with what is done with the recorded one.

- Trace: centreline of what is above Otsu's threshold of the recorded stack; F1 of centrelines within 2 pixels. The
  sparse stack itself: what is above it there, brought to all sections as labels are.
- Render: PSNR of the view from the side, brightest voxel along y.
- Register: the recorded stack is moved, and the sparse or filled one registered to it (SimpleITK, rigid); mean distance
  of the corners from where they belong, in pixels.

Without ``--data`` simulated processes are filled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _recipe_tables import summary, table
from _tools import machine, remembered
from _volumes import Question, Volume, cropped, volumes
from napari_depth_interp import __version__
from napari_depth_interp.evaluation.downstream import bring_labels
from napari_depth_interp.metrics.intensity import psnr_of
from napari_depth_interp.simulate import simulate

Image = NDArray[Any]
METHODS = ("nearest", "linear", "auto:fast")
SPARSE, RECORDED = "sparse", "recorded"
_SIMULATED = ("dendrites", "neuron", "vessels")
_NEAR = 2.0
_MOVES = (
    (0.03, -0.02, 0.04, 1.3, -2.4, 1.7),
    (-0.04, 0.03, -0.02, -1.6, 1.9, -0.8),
    (0.02, 0.04, -0.03, 0.7, 2.2, 1.4),
)
"""Angles (radians) about x, y and z, and pixels along x, y and z."""


def score(volume: Volume, every: int) -> list[dict[str, Any]]:
    """Return a row per contender; scores that say nothing of a contender are None."""
    question = Question.of(volume, every)
    recorded = volume.dataset.voxels[0, 0].astype(np.float64)
    sparse = question.trial.visible
    step = _step(volume)
    rows = [{"contender": RECORDED, "register": _registered(recorded, step, recorded, step)}]
    bright = bring_labels((sparse.voxels[0, 0] > _otsu(recorded)).astype(np.uint8), sparse, question.trial.depths)
    kept = sparse.voxels[0, 0].astype(np.float64)
    error = _registered(kept, every * step, recorded, step)
    rows.append({"contender": SPARSE, "trace": _traced(bright > 0, recorded), "register": error})
    for name in METHODS:
        print(f"{volume.name}, every {every}: {name}", file=sys.stderr, flush=True)
        dense = question.ours(name).voxels.astype(np.float64)
        limits = question.truth.ranges[0]
        rows.append(
            {
                "contender": name,
                "trace": _traced(dense > _otsu(recorded), recorded),
                "render": psnr_of(float(np.mean((dense.max(1) - recorded.max(1)) ** 2)), limits[1] - limits[0]),
                "register": _registered(dense, step, recorded, step),
            }
        )
    return [{"volume": volume.name, "every": every} | row for row in rows]


def _step(volume: Volume) -> float:
    grid = volume.dataset.grid
    return (grid.spacing or 1.0) / float(np.mean(grid.pixel_size)) if grid.pixel_size is not None else 1.0


def _otsu(voxels: Image) -> float:
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(voxels))


def _traced(bright: NDArray[np.bool_], recorded: Image) -> float:
    """Return F1 of the centreline of a mask against that of the recorded stack."""
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    own, truth = skeletonize(bright), skeletonize(recorded > _otsu(recorded))
    if not (own.any() and truth.any()):
        return float(own.any() == truth.any())
    right = float(np.mean(distance_transform_edt(~truth)[own] <= _NEAR))
    found = float(np.mean(distance_transform_edt(~own)[truth] <= _NEAR))
    return 2 * right * found / (right + found) if right + found else 0.0


def _registered(voxels: Image, step: float, recorded: Image, recorded_step: float) -> float | None:
    """Return the mean error of the corners over some moves; None without SimpleITK."""
    try:
        itk = import_module("SimpleITK")
    except ImportError:
        return None
    fixed, whole = (_image(itk, each, gap) for each, gap in ((voxels, step), (recorded, recorded_step)))
    last = np.subtract(whole.GetSize(), 1)
    corners = [whole.TransformIndexToPhysicalPoint((last * each).tolist()) for each in np.ndindex(2, 2, 2)]
    errors = []
    for move in _MOVES:
        truth = itk.Euler3DTransform()
        truth.SetCenter(np.mean(corners, 0).tolist())
        truth.SetParameters(move)
        moved = itk.Resample(whole, whole, truth.GetInverse(), itk.sitkLinear, float(np.median(recorded)))
        found = _rigid(itk, fixed, moved, truth.GetCenter())
        apart = [np.subtract(found.TransformPoint(each), truth.TransformPoint(each)) for each in corners]
        errors.append(float(np.mean(np.linalg.norm(apart, axis=1))))
    return float(np.mean(errors))


def _rigid(itk: Any, fixed: Any, moved: Any, centre: Sequence[float]) -> Any:
    start = itk.Euler3DTransform()
    start.SetCenter(centre)
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])
    method.SetNumberOfThreads(1)
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moved)


def _image(itk: Any, voxels: Image, step: float) -> Any:
    image = itk.GetImageFromArray(voxels.astype(np.float32))
    image.SetSpacing((1.0, 1.0, step))
    return image


def main() -> None:
    """Print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--volumes", nargs="+", default=[], metavar="NAME", help="only these, by name without suffix")
    parser.add_argument("--every", type=int, default=4, metavar="K")
    parser.add_argument("--crop", type=int, nargs=3, default=(33, 64, 64), metavar=("Z", "Y", "X"))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="recipes.json and what is finished")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.data is None:
        asked = [Volume(name, cropped(simulate(name).observed, args.crop, args.every)) for name in _SIMULATED]
        chosen = [each for each in asked if not args.volumes or each.name in args.volumes]
    else:
        chosen = list(volumes(args.data, args.crop, args.every, args.volumes))
    rows: list[dict[str, Any]] = []
    for volume in chosen:
        about = {"volume": volume.name, "shape": volume.dataset.voxels.shape, "every": args.every,
                 "version": __version__, "of": "recipes"}  # fmt: skip
        rows += remembered(args.out, about, partial(score, volume, args.every))
    found = summary(rows)
    print(f"{machine()}\n\nEvery {args.every}th section kept, crops of {' x '.join(map(str, args.crop))} voxels.\n")
    print(table(found, args.every))
    about = {"machine": machine(), "version": __version__, "every": args.every, "crop": list(args.crop)}
    text = json.dumps(about | {"summary": found, "rows": rows}, indent=1)
    (args.out / "recipes.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

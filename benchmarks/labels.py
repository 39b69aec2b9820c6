"""Labels between annotated sections, beside ITK's morphological interpolation, plain distances and the nearest section.

    python benchmarks/labels.py DIR [--every 2 4 8] [--without-kind WEIGHTS] [--itk FOLDER]
    python benchmarks/labels.py [--itk FOLDER]

The second prints times alone, on simulated labels.

DIR holds pairs NAME_labels.tif and NAME_image.tif, and volumes.json with each NAME's kind and the distance of its
sections in pixels. Every k-th section is kept, the others are hidden and scored: Dice of each label over all hidden
sections, and their mean; labels that no kept section shows count 0. The network that weighs outlines against the image
has learned from such volumes: WEIGHTS is a folder with KIND.safetensors, trained without that kind
(scripts/train_label_fusion.py). ITK is used if it can be imported, from FOLDER too:
pip install --target FOLDER itk-morphologicalcontourinterpolation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table
from napari_depth_interp.labels import fusion, learning
from napari_depth_interp.labels.method import ExplainsLabels
from napari_depth_interp.labels.methods import registry
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.metrics.labels import section_scores
from napari_depth_interp.progress import silent
from napari_depth_interp.stack.scaling import Scaling

Volume = NDArray[Any]
Fill = Callable[[Volume, NDArray[np.intp]], Volume]
FROM_IMAGE = ("flow", "learned", "auto")
FROM_LABELS = ("shape", "auto")


def plain(labels: Volume, kept: NDArray[np.intp]) -> Volume:
    """Blend the signed distances of each label, all labels competing: what every textbook does."""
    from scipy.ndimage import distance_transform_edt

    def signed(mask: NDArray[np.bool_]) -> Any:
        return distance_transform_edt(mask) - distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, -1e3)

    found = labels.copy()
    for first, last in pairwise(kept.tolist()):
        best = np.zeros((last - first - 1, *labels.shape[1:]))
        for name in np.setdiff1d(labels[[first, last]], [0]):
            below, above = signed(labels[first] == name), signed(labels[last] == name)
            for row, share in enumerate(np.arange(1, last - first) / (last - first)):
                score = (1 - share) * below + share * above
                wins = score > best[row]
                best[row][wins], found[first + 1 + row][wins] = score[wins], name
    return found


def nearest(labels: Volume, kept: NDArray[np.intp]) -> Volume:
    """Repeat the nearer kept section; halfway the one below."""
    places = np.abs(np.arange(len(labels))[:, None] - kept).argmin(axis=1)
    return np.asarray(labels[kept[places]])


def by_itk(labels: Volume, kept: NDArray[np.intp]) -> Volume:
    """ITK's morphological contour interpolation along z."""
    import itk

    source = itk.image_view_from_array(np.ascontiguousarray(labels.astype(np.uint16)))
    interpolator = itk.MorphologicalContourInterpolator.New(source)
    interpolator.SetAxis(2)
    interpolator.Update()
    return np.asarray(itk.array_from_image(interpolator.GetOutput()))


@dataclass
class Ours:
    """One of our methods, and which Dice it expected when it last filled labels in; None: it did not say."""

    name: str
    image: Volume | None
    step: float
    expected: float | None = None

    def __call__(self, labels: Volume, kept: NDArray[np.intp]) -> Volume:
        depths = np.arange(len(labels), dtype=np.float64) * self.step
        scaling = Scaling(0.0, 1.0) if self.image is None else Scaling.of(self.image)
        series = Series(labels[kept], depths[kept], 1.0, self.image, depths, scaling)
        spec = registry.get(self.name)
        method = spec.create(spec.config(), Runtime("cpu", 1, 0))
        method.prepare(series, report=silent)
        self.expected = method.findings().expected_dice if isinstance(method, ExplainsLabels) else None
        found = labels.copy()
        for i in range(len(kept) - 1):
            between = slice(kept[i] + 1, kept[i + 1])
            gap, names = series.gap(i, i + 1, depths[between])
            found[between] = names[method.fill(gap).labels]
        return found


def objects_f1(truth: Volume, found: Volume) -> float:
    """Return the F1 of labels found with an intersection over union above 0.5, whatever their identifier."""
    true, made = (np.unique(each, return_inverse=True) for each in (truth, found))
    pairs = np.bincount(true[1].ravel() * len(made[0]) + made[1].ravel(), minlength=len(true[0]) * len(made[0]))
    both = pairs.reshape(len(true[0]), len(made[0]))[true[0] != 0][:, made[0] != 0]
    sizes = [np.bincount(each[1].ravel())[each[0] != 0] for each in (true, made)]
    union = sizes[0][:, None] + sizes[1] - both
    return float(2 * np.sum(both / union > 0.5) / (len(sizes[0]) + len(sizes[1])))


def compare(folder: Path, every: list[int], weights: Path | None, itk: bool) -> None:
    """Print the scores of all methods on all volumes."""
    import tifffile

    rows: list[list[object]] = []
    gains: dict[tuple[str, int], list[float]] = {}
    for name, about in json.loads((folder / "volumes.json").read_text()).items():
        labels, image = (tifffile.imread(folder / f"{name}_{what}.tif") for what in ("labels", "image"))
        if weights is not None:
            learning.ready = partial(fusion.load, weights / f"{about['kind']}.safetensors")  # type: ignore[attr-defined, assignment]
        for k in every:
            kept = np.arange(0, len(labels), k)
            hidden = np.setdiff1d(np.arange(kept[-1]), kept)
            sparse = np.zeros_like(labels)
            sparse[kept] = labels[kept]
            base = 0.0
            for method, fill in methods_for(image, about["step"], itk).items():
                start = time.process_time()
                found = fill(sparse, kept)
                seconds = time.process_time() - start
                score = section_scores(labels[hidden], found[hidden])["dice"] or 0.0
                base = max(base, score) if method in ("nearest", "plain") else base
                gains.setdefault((method, k), []).append(score - base)
                f1 = objects_f1(labels[hidden], found[hidden])
                known = fill.expected if isinstance(fill, Ours) else None
                expected = "" if known is None else f"{known:.3f}"
                gain = f"{score - base:+.3f}"
                rows.append([name, k, method, f"{score:.3f}", gain, expected, f"{f1:.2f}", f"{seconds:.1f}"])
                print(*rows[-1], file=sys.stderr, flush=True)
    print(markdown_table(["volume", "every", "method", "mean Dice", "gain", "expected", "object F1", "CPU s"], rows))
    summary = [[m, k, f"{np.mean(g):+.3f}", f"{min(g):+.3f}"] for (m, k), g in gains.items()]
    print(markdown_table(["method", "every", "mean gain", "worst gain"], summary))


def methods_for(image: Volume, step: float, itk: bool) -> dict[str, Fill]:
    """Return all methods, the two that gains are counted from first."""
    found: dict[str, Fill] = {"nearest": nearest, "plain": plain}
    if itk:
        found["ITK"] = by_itk
    found |= {f"{each} (labels)": Ours(each, None, step) for each in FROM_LABELS}
    return found | {each: Ours(each, image, step) for each in FROM_IMAGE}


def speed(itk: bool) -> None:
    """Print processor seconds on 64 x 512 x 512 with 1 and 100 labels, every 8th section annotated."""
    rows = []
    for count in (1, 100):
        labels = spheres(count)
        kept = np.arange(0, 64, 7)
        sparse = np.zeros_like(labels)
        sparse[kept] = labels[kept]
        methods: dict[str, Fill] = {"shape": Ours("shape", None, 2.0), "plain": plain}
        if itk:
            methods["ITK"] = by_itk
        for name, fill in methods.items():
            fill(sparse[: kept[2]], kept[:2])  # what is imported first does not count
            wall, start = time.perf_counter(), time.process_time()
            fill(sparse, kept)
            rows.append([count, name, f"{time.process_time() - start:.2f}", f"{time.perf_counter() - wall:.2f}"])
    print(markdown_table(["labels", "method", "CPU s", "wall s"], rows))


def spheres(count: int) -> Volume:
    """Return (64, 512, 512) labels: one large ellipsoid, or many small ones."""
    z, y, x = np.ogrid[:64, :512, :512]
    rng, labels = np.random.default_rng(0), np.zeros((64, 512, 512), np.uint16)
    for name in range(1, count + 1):
        centre = (32, 256, 256) if count == 1 else (rng.uniform(8, 56), *rng.uniform(30, 482, 2))
        radius = (30, 150, 150) if count == 1 else (rng.uniform(8, 20), *rng.uniform(12, 28, 2))
        places = zip((z, y, x), centre, radius, strict=True)
        labels[sum(((axis - c) / r) ** 2 for axis, c, r in places) < 1] = name
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="labelled volumes; default: times on simulated labels")
    parser.add_argument("--every", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--without-kind", type=Path, help="folder with weights trained without each kind")
    parser.add_argument("--itk", type=Path, help="folder where ITK is installed")
    given = parser.parse_args()
    if given.itk is not None:
        sys.path.insert(0, str(given.itk))
    try:
        import itk
    except ImportError:
        print("ITK cannot be imported; it is left out", file=sys.stderr)
        itk = None
    print(machine())
    if given.folder is None:
        speed(itk is not None)
    else:
        compare(given.folder, given.every, given.without_kind, itk is not None)


if __name__ == "__main__":
    main()

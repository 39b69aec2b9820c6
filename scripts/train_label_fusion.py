"""Train the network that weighs outlines against what the image says (labels/fusion.py).

It learns from volumes whose sections are all labelled: every 2nd, 4th and 8th section is taken for annotated, and the
others are the truth. Simulated volumes of several kinds are always among them; experts' labels are added with
``--real FOLDER``, which holds pairs ``NAME_labels.tif`` and ``NAME_image.tif`` and a file ``volumes.json`` that says
for each NAME its kind and the distance of the sections in pixels::

    python scripts/train_label_fusion.py --real FOLDER --rows CACHE --out fusion.safetensors
    python scripts/train_label_fusion.py --real FOLDER --rows CACHE --leave-out KIND --out KIND.safetensors
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_depth_interp.labels.fusion import WIDTH, save
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.network import RowClassifier, train_rows
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import silent
from napari_depth_interp.stack.scaling import Scaling

KEPT = (2, 4, 8)
COUNTS = {"cells": 30, "touching": 60, "tubes": 25, "organs": 5}
"""Objects in a simulated volume of each kind."""
SIMULATED = tuple(COUNTS)
PER_OBJECT, PER_VOLUME = 400, 12_000
STEPS, BATCH, RATE = 2000, 2048, 5e-3
SEEDS = 3


@dataclass(frozen=True)
class Volume:
    """A labelled volume: (Z, Y, X) labels and image, made or read on demand, and the distance of sections in pixels."""

    name: str
    kind: str
    step: float
    make: Callable[[], tuple[NDArray[Any], NDArray[Any]]]


def rows_of(volume: Volume, every: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return features of candidates on the hidden sections, and whether each belongs to its object."""
    labels, image = volume.make()
    depths = np.arange(len(labels), dtype=np.float64) * volume.step
    kept = np.arange(0, len(labels), every)
    series = Series(labels[kept].astype(np.int64), depths[kept], 1.0, image, depths, Scaling.of(image))
    method = Learned(LearnedConfig(), Runtime("cpu", 1, 0))
    method.prepare(series, report=silent)
    rng, rows, truth = np.random.default_rng(0), [], []
    for i in range(len(series) - 1):
        gap, names = series.gap(i, i + 1, depths[kept[i] + 1 : kept[i + 1]])
        for each in method.candidates(gap):
            section = labels[kept[i] + 1 + each.section][each.object.thing.box]
            right = (section == names[each.object.thing.label])[each.mask]
            drawn = rng.permutation(len(right))[:PER_OBJECT]
            rows.append(each.features[drawn])
            truth.append(right[drawn])
    x, y = np.concatenate(rows), np.concatenate(truth)
    drawn = rng.permutation(len(x))[:PER_VOLUME]
    return x[drawn], y[drawn]


def simulated() -> Iterator[Volume]:
    """Yield simulated volumes: four kinds, sharp and noisy, near and far sections."""
    for kind in SIMULATED:
        for seed in range(SEEDS):
            step = (1.0, 2.0, 4.0)[seed % 3]
            yield Volume(f"{kind}{seed}", f"simulated {kind}", step, partial(simulate, kind, step, seed))


def simulate(kind: str, step: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return labels and image (49, 128, 128) of one simulated volume; seeds from 100 on are in no training."""
    rng = np.random.default_rng([SIMULATED.index(kind), seed])
    shape = (49, 128, 128)
    place = np.moveaxis(np.indices(shape), 0, -1).astype(np.float32) * np.array([step, 1, 1], np.float32)
    best, labels = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    for number in range(1, COUNTS[kind] + 1):
        score = _object(kind, place, np.array(shape) * np.array([step, 1, 1]), rng)
        wins = score > best
        best[wins], labels[wins] = score[wins], number
    return labels, _image(labels, kind, rng)


def _object(kind: str, place: NDArray[np.float32], extent: NDArray[np.float64], rng: np.random.Generator) -> Any:
    centre = rng.uniform(0, extent)
    if kind == "tubes":
        bends = rng.normal(0, 12, (2, 2))
        z = place[..., 0] / extent[0]
        line = centre[1:] + z[..., None] * bends[0] * 2 + np.sin(6 * z)[..., None] * bends[1]
        radius = rng.uniform(3, 9) * (1 + 0.3 * np.sin(9 * z + rng.uniform(0, 6)))
        start, stop = np.sort(rng.uniform(-0.3, 1.3, 2)) * extent[0]
        score = radius - np.linalg.norm(place[..., 1:] - line, axis=-1)
        return np.where((place[..., 0] > start) & (place[..., 0] < stop), score, -1)
    size = {"cells": (6, 14), "touching": (9, 16), "organs": (22, 45)}[kind]
    axes = rng.uniform(*size, 3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)
    reach = np.linalg.norm(((place - centre.astype(np.float32)) @ turn) / axes.astype(np.float32), axis=-1)
    bumps = 0.15 * np.sin(place @ rng.normal(0, 0.15, 3).astype(np.float32) + rng.uniform(0, 6))
    return (1 + bumps - reach) * axes.min()


def _image(labels: NDArray[np.int32], kind: str, rng: np.random.Generator) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

    spread = 0.3 if kind == "organs" else 0.15
    levels = np.concatenate([[0.0], 1 + rng.normal(0, spread, labels.max())])
    image = levels[labels]
    if kind in ("touching", "tubes"):
        outline = maximum_filter(labels, (1, 3, 3)) != minimum_filter(labels, (1, 3, 3))
        image = np.where(outline, rng.uniform(-0.5, 0.4), image)
    clutter = gaussian_filter(rng.normal(size=labels.shape), (1, 4, 4))
    noise = rng.choice([0.2, 0.6, 1.2]) * rng.normal(size=labels.shape)
    image = image + rng.uniform(0, 0.6) * clutter / clutter.std() + noise
    return np.asarray(gaussian_filter(image, (0.5, 0.8, 0.8)), np.float32)


def real(folder: Path) -> Iterator[Volume]:
    """Yield the volumes of a folder with experts' labels."""
    import tifffile

    def read(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        return tifffile.imread(folder / f"{name}_labels.tif"), tifffile.imread(folder / f"{name}_image.tif")

    for name, about in json.loads((folder / "volumes.json").read_text()).items():
        yield Volume(name, about["kind"], about["step"], partial(read, name))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, help="folder with experts' labels")
    parser.add_argument("--rows", type=Path, required=True, help="folder where features are kept for the next call")
    parser.add_argument("--leave-out", help="kind of experts' labels to leave out")
    parser.add_argument("--only", help="only make the features of this volume")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    given.rows.mkdir(exist_ok=True)
    sources = [simulated()] + ([real(given.real)] if given.real else [])
    rows, truth, kinds = [], [], {}
    for volume in (each for source in sources for each in source):
        if volume.kind == given.leave_out or (given.only and not volume.name.startswith(given.only)):
            continue
        kinds[volume.name] = volume.kind
        for every in KEPT:
            kept = given.rows / f"{volume.name}-{every}.npz"
            if not kept.exists():
                x, y = rows_of(volume, every)
                np.savez(kept, x=x, y=y)
                print(volume.name, every, len(x), flush=True)
            stored = np.load(kept)
            rows.append(stored["x"])
            truth.append(stored["y"])
    if given.out is None:
        return
    torch.manual_seed(0)
    features, classes = torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(truth))
    network = RowClassifier(features.shape[1], 1, WIDTH)
    train_rows(network, features, classes, steps=STEPS, batch=BATCH, rate=RATE, seed=0)
    save(given.out, network, {"volumes": kinds, "every": KEPT, "rows": len(features), "steps": STEPS})


if __name__ == "__main__":
    main()

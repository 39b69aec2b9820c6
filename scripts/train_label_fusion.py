"""Train the networks that weigh outlines against what the image says (labels/fusion.py).

It learns from volumes whose sections are all labelled: every 2nd, 4th and 8th section is taken for annotated, and the
others are the truth. Simulated volumes of several kinds are always among them; experts' labels are added with
``--real FOLDER``, which holds pairs ``NAME_labels.tif`` and ``NAME_image.tif`` and a file ``volumes.json`` that says
for each NAME its kind and the distance of the sections in pixels::

    python scripts/train_label_fusion.py --real FOLDER --rows CACHE --out fusion.safetensors
    python scripts/train_label_fusion.py --real FOLDER --rows CACHE --leave-out KIND --out KIND.safetensors

The network of the first weighing that the package brings was kept (``--first``) when that of the second was trained:
it learned before distances counted in the stack's own error, and learned anew it was no better.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_depth_interp.labels.candidates import Candidate
from napari_depth_interp.labels.fusion import WIDTH, Networks, load, review_of, save
from napari_depth_interp.labels.learning import Learned
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.network import RowClassifier, train_rows
from napari_depth_interp.labels.objects import Thing
from napari_depth_interp.labels.scores import Scored
from napari_depth_interp.labels.series import Series
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import silent
from napari_depth_interp.stack.scaling import Scaling
from napari_depth_interp.stack.thinning import spread_over

KEPT = (2, 4, 8)
COUNTS = {"cells": 30, "touching": 60, "tubes": 25, "organs": 5}
"""Objects in a simulated volume of each kind."""
SIMULATED = tuple(COUNTS)
PER_OBJECT, PER_VOLUME = 400, 12_000
STEPS, BATCH, RATE = 2000, 2048, 5e-3
SEEDS = 3
GAPS = 8
"""Gaps of a volume that are learned from, at most."""
Rows = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True)
class Volume:
    """A labelled volume: (Z, Y, X) labels and image, made or read on demand, and the distance of sections in pixels."""

    name: str
    kind: str
    step: float
    make: Callable[[], tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class Example:
    """The candidates of one gap, and for each which of its pixels belong to its object."""

    shape: tuple[int, int, int]
    candidates: list[Candidate]
    truth: list[NDArray[np.bool_]]

    def rows(self, network: RowClassifier | None, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield features of some pixels of each candidate, with a review's by a network of the first weighing."""
        review = None if network is None else review_of(network, self.candidates, self.shape)
        for each, right in zip(self.candidates, self.truth, strict=True):
            features = each.features
            if review is not None:
                features = np.concatenate([features, review.features(each)], axis=1)
            drawn = rng.permutation(len(right))[:PER_OBJECT]
            yield features[drawn], right[drawn]


def examples_of(volume: Volume, every: int) -> Iterator[Example]:
    """Yield the candidates of some gaps where every so-many-th section is taken for annotated."""
    labels, image = volume.make()
    depths = np.arange(len(labels), dtype=np.float64) * volume.step
    kept = np.arange(0, len(labels), every)
    series = Series(labels[kept].astype(np.int64), depths[kept], 1.0, image, depths, Scaling.of(image))
    method = Learned(LearnedConfig(), Runtime("cpu", 1, 0))
    method.prepare(series, report=silent)
    for i in spread_over(np.arange(len(series) - 1), GAPS).tolist():
        gap, names = series.gap(i, i + 1, depths[kept[i] + 1 : kept[i + 1]])
        found, truth = list(method.candidates(gap)), []
        for each in found:
            section = labels[kept[i] + 1 + each.section][each.object.thing.box]
            truth.append((section == names[each.object.thing.label])[each.mask])
        yield Example(gap.shape, found, truth)


def store(path: Path, examples: Iterable[Example]) -> None:
    """Write examples: a row of numbers for each candidate, and for all of them together masks, features and truth."""
    table, told, masks, features, truth = [], [], [], [], []
    for number, example in enumerate(examples):
        objects = {id(each.object): row for row, each in enumerate(example.candidates)}
        for each, right in zip(example.candidates, example.truth, strict=True):
            thing = each.object.thing
            box = [place for side in thing.box for place in (side.start, side.stop)]
            table.append([number, *example.shape, objects[id(each.object)], thing.label, each.section, *box])
            masks.append(each.mask.ravel())
            features.append(each.features.astype(np.float16))
            truth.append(right)
            told.append(each.told)
    every = [np.concatenate(each) for each in (masks, features, truth)]
    np.savez(path, table=table, told=told, masks=every[0], features=every[1], truth=every[2])


def stored(path: Path) -> list[Example]:
    """Read what :func:`store` wrote."""
    file, nothing = np.load(path), np.zeros((0, 0), np.float32)
    features, truth, masks = file["features"], file["truth"], file["masks"]
    found, objects, row, pixel = dict[int, Example](), dict[tuple[int, int], Scored](), 0, 0
    for numbers, told in zip(file["table"].tolist(), file["told"].tolist(), strict=True):
        gap, depth, height, width, name, label, section, top, bottom, left, right = numbers
        mask = masks[pixel : pixel + (bottom - top) * (right - left)].reshape(bottom - top, right - left)
        rows = slice(row, row + int(np.count_nonzero(mask)))
        thing = Thing(
            label, (slice(top, bottom), slice(left, right)), nothing.astype(np.uint8), nothing.astype(np.uint8)
        )
        scored = objects.setdefault((gap, name), Scored(thing, nothing, nothing, None, None))
        example = found.setdefault(gap, Example((depth, height, width), [], []))
        example.candidates.append(Candidate(scored, section, mask, features[rows].astype(np.float32), told))
        example.truth.append(truth[rows])
        row, pixel = rows.stop, pixel + mask.size
    return list(found.values())


def trained(files: Sequence[Path], first: RowClassifier | None = None) -> RowClassifier:
    """Return the network of the first weighing, trained on stored examples; with that one, that of the second."""
    rng, features, truth = np.random.default_rng(0), [], []
    for path in files:
        pairs = [each for example in stored(path) for each in example.rows(first, rng)]
        rows, right = (np.concatenate(each) for each in zip(*pairs, strict=True))
        drawn = rng.permutation(len(right))[:PER_VOLUME]
        features.append(rows[drawn])
        truth.append(right[drawn])
    torch.manual_seed(0)
    x, y = torch.from_numpy(np.concatenate(features)), torch.from_numpy(np.concatenate(truth))
    return train_rows(RowClassifier(x.shape[1], 1, WIDTH), x, y, steps=STEPS, batch=BATCH, rate=RATE, seed=0)


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
    parser.add_argument("--rows", type=Path, required=True, help="folder where candidates are kept for the next call")
    parser.add_argument("--leave-out", help="kind of experts' labels to leave out")
    parser.add_argument("--only", help="only make the candidates of this volume")
    parser.add_argument("--first", type=Path, help="weights whose network of the first weighing is kept")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    given.rows.mkdir(exist_ok=True)
    sources = [simulated()] + ([real(given.real)] if given.real else [])
    files, kinds = list[Path](), dict[str, str]()
    for volume in (each for source in sources for each in source):
        if volume.kind == given.leave_out or (given.only and not volume.name.startswith(given.only)):
            continue
        kinds[volume.name] = volume.kind
        for every in KEPT:
            files.append(given.rows / f"{volume.name}-{every}.npz")
            if not files[-1].exists():
                store(files[-1], examples_of(volume, every))
                print(files[-1].stem, flush=True)
    if given.out is not None:
        first = load(given.first).first if given.first else trained(files)
        made = {"volumes": kinds, "every": KEPT, "steps": STEPS, "first": "kept" if given.first else "trained"}
        save(given.out, Networks(first, trained(files, first)), made)


if __name__ == "__main__":
    main()

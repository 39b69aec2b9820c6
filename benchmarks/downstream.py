"""Is the segmentation better? Sections hidden, filled by each method and peer, segmented, judged by experts' labels.

    python benchmarks/downstream.py --pairs FILE [--every 2 4 8] [--out DIR]

FILE is JSON: a list of {"name", "image", "labels", "dark": true where objects are darker than what is around them,
"crops": how many parts of the image to take, "place": where it comes from, "membranes": true for neurites in electron
microscopy, "teaches": true for the membranes that a network for them learns from}, paths relative to it
(``public_labels.py`` writes one of public images). Without it simulated nuclei and cells are segmented. Every
k-th section is kept. What is segmented: what each method and installed peer made of them, the sparse stack as it is
(its labels brought to all sections afterwards), and the recorded dense stack. By whom: a threshold, a watershed of what
it finds, a watershed between walls, a network trained on simulated tissue, of neurites one that learned membranes in
another stack, and commands of the user's
(``--segment NAME="CMD {in} {out}"``: Cellpose, StarDist). Figures and downstream.json go to --out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _membranes
import _network
from _cells import cells
from _downstream_tables import LEAST, RECORDED, figures, recorded_f1, summary, table
from _tools import machine, remembered
from _volumes import Question, Volume, cropped
from _walls import between_walls
from napari_depth_interp import __version__, io
from napari_depth_interp.evaluation.downstream import bring_labels
from napari_depth_interp.evaluation.segmenters import Segmenter, command_segmenter, default_segmenters
from napari_depth_interp.metrics import VolumePair, correlation
from napari_depth_interp.metrics.objects import object_scores
from napari_depth_interp.simulate import nuclei
from napari_depth_interp.stack import Dataset
from peers import FOLDER, Job, PeerError, installed, run

OURS = ("linear", "cubic", "flow", "auto:fast")
PEERS = ("demons", "rife")
SEGMENTERS = ("otsu", "watershed", "walls", "network")
MEMBRANES = "membranes"
"""One more, for neurites in electron microscopy."""
SPARSE = {"sparse": "shape", "sparse, nearest": "nearest"}
"""What the sparse stack's labels are brought to all sections by."""
SPARSE_BY_ITK = "sparse, ITK contours"
_NUCLEI, _CELLS = (100, 101, 102, 103), (200, 201)
_SHAPE, _CELLS_SHAPE, _VOXEL = (65, 80, 80), (33, 56, 56), (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Labelled(Volume):
    """A crop with labels; ``source`` is the image it was cut from, ``real`` whether somebody recorded and drew it.

    ``membranes``: its objects are neurites in electron microscopy.
    """

    source: str = ""
    dark: bool = False
    real: bool = True
    membranes: bool = False


def simulated() -> Iterator[Labelled]:
    """Yield nuclei that the network has not learned from, and cells with walls between them."""
    for seed in _NUCLEI:
        made, objects = nuclei(shape=_SHAPE, voxel_size=_VOXEL, seed=seed)
        name = f"nuclei {seed} (simulated)"
        yield Labelled(name, made.observed, objects, name, real=False)
    for seed in _CELLS:
        image, objects = cells(_CELLS_SHAPE, _VOXEL, seed)
        name = f"cells {seed} (simulated)"
        yield Labelled(name, image, objects, name, dark=True, real=False)


def from_pairs(file: Path, crop: Sequence[int], every: int) -> Iterator[Labelled]:
    """Yield crops of the pairs of image and labels that a file names, side by side along y."""
    for pair in json.loads(file.read_text(encoding="utf-8")):
        if pair.get("teaches"):
            continue
        image, drawn = _read(file, pair)
        parts = int(pair.get("crops", 1))
        width = image.voxels.shape[3] // parts
        for part in range(parts):
            rows = slice(part * width, (part + 1) * width)
            both = [replace(each, voxels=each.voxels[:, :, :, rows]) for each in (image, drawn)]
            seen, labels = (cropped(each, crop, every) for each in both)
            name = pair["name"] + (f" {part + 1}" if parts > 1 else "")
            dark, membranes = bool(pair.get("dark")), bool(pair.get("membranes"))
            yield Labelled(name, seen, labels.voxels[0, 0], pair["name"], dark, membranes=membranes)


def _read(file: Path, pair: Mapping[str, Any]) -> tuple[Dataset, Dataset]:
    image = io.read(file.parent / pair["image"], axis="z")
    return image, io.read(file.parent / pair["labels"], axis="z", labels=True)


def taught(file: Path | None, out: Path) -> _membranes.Membranes | None:
    """Return the network that learned from the membranes that a file names; None if it names none."""
    pairs = [] if file is None else json.loads(file.read_text(encoding="utf-8"))
    teachers = [pair for pair in pairs if pair.get("teaches")]
    if file is None or not teachers:
        return None
    image, drawn = _read(file, teachers[0])
    return _membranes.trained(out, image.voxels[0, 0], drawn.voxels[0, 0])


def places_of(file: Path) -> dict[str, str]:
    """Return where the images of a file come from, by name."""
    return {pair["name"]: pair.get("place", pair["name"]) for pair in json.loads(file.read_text(encoding="utf-8"))}


def segmenters_of(volume: Labelled, setting: Setting) -> dict[str, Segmenter]:
    """Return the frozen segmenters: told the size of the objects and whether they are dark, and nothing else."""
    assert volume.labels is not None
    classical = default_segmenters(volume.labels, volume.dataset)
    sizes = np.bincount(volume.labels.ravel())[1:]
    step = _step(volume.dataset)
    radius = float((0.75 * np.median(sizes[sizes > 0]) * step / np.pi) ** (1 / 3))
    found = dict(classical) | {
        "walls": partial(between_walls, radius=radius),
        "network": _network.segmenter(setting.network, radius),
    }
    if volume.membranes and setting.membranes is not None:
        found[MEMBRANES] = partial(_membranes.between_membranes, network=setting.membranes)
    found |= {name: command_segmenter(command) for name, command in setting.commands.items()}
    return {name: _bright(each) for name, each in found.items()} if volume.dark else found


def _bright(segmenter: Segmenter) -> Segmenter:
    def inverted(stack: Dataset) -> NDArray[Any]:
        voxels = stack.voxels
        return segmenter(replace(stack, voxels=voxels.max() - voxels))

    return inverted


def _step(dataset: Dataset) -> float:
    grid = dataset.grid
    if grid.pixel_size is None or grid.spacing is None:
        return 1.0
    return grid.spacing / float(np.mean(grid.pixel_size))


def contenders(question: Question, folder: Path, peers: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield (name, what makes the dense stack) of methods and peers."""
    for name in OURS:
        yield name, lambda name=name: question.ours(name).voxels  # type: ignore[misc]
    for name in peers:
        yield name, lambda name=name: question.peer(name, 0.0, folder).voxels  # type: ignore[misc]


def score(volume: Labelled, every: int, setting: Setting) -> list[dict[str, Any]]:
    """Return a row per contender and segmenter; of segmenters that fail on the recorded stack, only that."""
    question = Question.of(volume, every)
    segmenters = segmenters_of(volume, setting)
    recorded = replace(question.trial.visible, voxels=volume.dataset.voxels, grid=volume.dataset.grid)
    rows = [
        _row(volume, segment(recorded), RECORDED, segmenter) | {"resolution_z": None}
        for segmenter, segment in segmenters.items()
    ]
    able = {row["segmenter"] for row in rows if row["f1"] >= LEAST}
    segmenters = {name: each for name, each in segmenters.items() if name in able}
    for name, make in contenders(question, setting.folder, setting.peers) if able else ():
        print(f"{volume.name}, every {every}: {name}", file=sys.stderr, flush=True)
        dense = replace(question.trial.visible, voxels=make()[None, None], grid=volume.dataset.grid)
        resolution = _resolution_z(question, dense.voxels[0, 0])
        for segmenter, segment in segmenters.items():
            rows.append(_row(volume, segment(dense), name, segmenter) | {"resolution_z": resolution})
    for segmenter, segment in segmenters.items():
        labels = segment(question.trial.visible)
        for name, brought in _sparse(question, labels, setting):
            rows.append(_row(volume, brought, name, segmenter) | {"resolution_z": None})
    about = {"volume": volume.name, "source": volume.source, "real": volume.real, "every": every}
    return [about | row for row in rows]


def _sparse(question: Question, labels: NDArray[Any], setting: Setting) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, method in SPARSE.items():
        yield name, bring_labels(labels, question.trial.visible, question.trial.depths, method)
    if "contours" in setting.labellers:
        try:
            yield SPARSE_BY_ITK, run("contours", labels, Job(question.every, 1.0), setting.folder).voxels
        except PeerError as error:
            print(error, file=sys.stderr)


def _row(volume: Labelled, found: NDArray[Any], contender: str, segmenter: str) -> dict[str, Any]:
    """Return scores on all sections; lengths in pixels of a section."""
    assert volume.labels is not None
    depths = np.arange(len(found), dtype=np.float64) * _step(volume.dataset)
    return {"contender": contender, "segmenter": segmenter} | object_scores(volume.labels, found, depths, (1.0, 1.0))


def _resolution_z(question: Question, voxels: NDArray[Any]) -> float | None:
    truth = question.truth
    pair = VolumePair(
        question.volume.dataset.voxels[0, 0], voxels, truth.ranges[0], truth.foreground[0][0],
        question.trial.reference >= 0, (_step(question.volume.dataset), 1.0, 1.0),
    )  # fmt: skip
    both = [correlation.frc_xz(pair, foreground=False), correlation.frc_yz(pair, foreground=False)]
    known = [each for each in both if each is not None]
    return float(np.mean(known)) if known else None


@dataclass(frozen=True, eq=False)
class Setting:
    """What all volumes are asked alike."""

    network: _network.Network
    membranes: _membranes.Membranes | None
    commands: Mapping[str, str]
    folder: Path
    peers: Sequence[str]
    labellers: Sequence[str]


class _Unfinished(Exception):
    """Nothing was left by an earlier run."""


def _asked(volume: Labelled, every: int, setting: Setting, finished: bool) -> list[dict[str, Any]]:
    if finished:
        raise _Unfinished
    return score(volume, every, setting)


def main() -> None:
    """Print the tables; write figures and JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="JSON that names images and their labels")
    parser.add_argument("--every", type=int, nargs="+", default=[2, 4, 8], metavar="K")
    parser.add_argument("--crop", type=int, nargs=3, default=(65, 112, 112), metavar=("Z", "Y", "X"))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="environments of the peers")
    parser.add_argument("--segment", nargs="+", default=[], metavar="NAME=CMD", help="segmenters of your own")
    parser.add_argument("--finished", action="store_true", help="only tables and figures of what is in --out")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="figures, JSON and what is finished")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    there = installed(args.folder)
    commands = dict(each.split("=", 1) for each in args.segment)
    setting = Setting(
        _network.trained(args.out), taught(args.pairs, args.out), commands, args.folder,
        [name for name in PEERS if name in there], [name for name in ("contours",) if name in there],
    )  # fmt: skip
    rows = []
    largest = max(args.every)
    for volume in simulated() if args.pairs is None else from_pairs(args.pairs, args.crop, largest):
        segmenters = [*SEGMENTERS, MEMBRANES] if volume.membranes and setting.membranes else SEGMENTERS
        for every in args.every:
            about = {"volume": volume.name, "every": every, "shape": volume.dataset.voxels.shape, "commands": commands,
                     "segmenters": segmenters, "peers": [*setting.peers, *setting.labellers],
                     "version": __version__}  # fmt: skip
            try:
                rows += remembered(args.out, about, partial(_asked, volume, every, setting, args.finished))
            except _Unfinished:
                print(f"left out, not finished: {volume.name}, every {every}", file=sys.stderr)
    found = summary(rows, {} if args.pairs is None else places_of(args.pairs))
    print(machine())
    for real, every, segmenter in dict.fromkeys((row["real"], row["every"], row["segmenter"]) for row in found):
        print(f"\n{'Real' if real else 'Simulated'} images, every {every}th section kept, segmented by {segmenter}:\n")
        print(table(found, real, every, segmenter), flush=True)
    name = "downstream.json" if args.pairs is not None else "downstream-simulated.json"
    recorded: dict[str, dict[str, float]] = {}
    for (image, segmenter), f1 in recorded_f1(rows).items():
        recorded.setdefault(image, {})[segmenter] = f1
    about = {"machine": machine(), "version": __version__, "crop": list(args.crop), "every": args.every,
             "recorded": recorded}  # fmt: skip
    (args.out / name).write_text(json.dumps(about | {"summary": found, "rows": rows}, indent=1) + "\n", "utf-8")
    figures(found, args.out)


if __name__ == "__main__":
    main()

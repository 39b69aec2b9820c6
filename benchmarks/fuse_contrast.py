"""Stacks of one contrast and of two: which of them fusing refuses.

    python benchmarks/fuse_contrast.py [DIR] [--only NAME ...] [--side N] [--turns N] [--out DIR]

Of the middle of each volume (see ``fuse.py``) a first stack is made, and of what a second contrast makes of its grey
values a second one, which lies as its true motion says, but for 0.1 voxel unless said otherwise. Each pair is told
what it is: *one* contrast (noise, drift, uneven brightness, mild gamma, wrong thickness, 0.7 voxel off), *another* one
(folded, inverted or freely bent grey values, a second stain), or one that is *displaced* by 3 voxels and more.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, spline_filter
from scipy.spatial.transform import Rotation

from _tools import machine, markdown_table, remembered
from fuse import along, random_motion, seen_along, volumes
from napari_depth_interp.errors import RequestError
from napari_depth_interp.fusion.contrast import agreement, matched
from napari_depth_interp.fusion.same_contrast import check_same_contrast
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile

Volume = NDArray[Any]
_THICKNESS = 4
_BANDS = (0.6, 0.8, 0.9, 1.01)
"""Correlations of matched stacks between which other contrasts are counted apart."""


@dataclass(frozen=True, eq=False)
class Second:
    """What the second stack shows, and how it was taken."""

    kind: str
    name: str
    volume: Volume
    noise: float = 0.02
    drift: float = 0.1
    off: float = 0.1
    turn: float = 0.0
    told: float = _THICKNESS


def seconds(first: Volume, rng: np.random.Generator) -> Iterator[Second]:
    """Yield one contrast and others."""
    yield Second("one", "the same", first)
    yield Second("one", "noise 0.1", first, noise=0.1)
    yield Second("one", "noise 0.2", first, noise=0.2)
    yield Second("one", "drift 0.4", first, drift=0.4)
    above = np.clip(first, 0, None)
    for power in (0.7, 1.4):
        yield Second("one", f"gamma {power}", above**power)
    yield Second("one", "gamma 0.7, noise 0.1", above**0.7, noise=0.1)
    for strength in (0.2, 0.4):
        yield Second("one", f"uneven by {strength}", first * (1 + strength * _uneven(first.shape, rng)))
    yield Second("one", "0.7 voxel off", first, off=0.7)
    yield Second("one", "told 1.5 times as thick", first, told=1.5 * _THICKNESS)
    yield Second("displaced", "3 voxels", first, off=3.0)
    yield Second("displaced", "3 voxels, 3 degrees", first, off=3.0, turn=3.0)
    yield Second("displaced", "5 voxels", first, off=5.0)
    yield Second("another", "inverted", 1 - first)
    for share in (0.5, 0.75, 0.9):
        level = float(np.quantile(first, share))
        yield Second("another", f"folded at {share}", np.where(first > level, 2 * level - first, first))
    for pieces in (4, 4, 4, 4, 7, 7):
        knots = np.quantile(first, np.linspace(0, 1, pieces + 1)) + np.arange(pieces + 1) * 1e-6
        yield Second("another", f"bent in {pieces} pieces", np.interp(first, knots, rng.uniform(0, 1, pieces + 1)))
    for strength in (0.5, 0.8, 1.2):
        yield Second("another", f"second stain, {strength}", first + strength * _stain(first))
    yield Second("another", "darkening stain", first - 0.6 * np.abs(_stain(first)))
    edges = gaussian_gradient_magnitude(first, 1.5)
    yield Second("another", "edges", first / 2 + edges * first.std() / edges.std())


def _uneven(shape: tuple[int, ...], rng: np.random.Generator) -> Volume:
    field = gaussian_filter(rng.normal(size=shape), [size / 4 for size in shape], mode="wrap")
    return np.asarray(field / np.abs(field).max(), np.float32)


def _stain(first: Volume) -> Volume:
    """Return structures of the same kind that lie elsewhere, as strong."""
    turned = np.roll(first[::-1, ::-1], (17, 23, 11), (0, 1, 2))
    return np.asarray((turned - turned.mean()) / turned.std() * first.std(), np.float32)


def pairs(truth: Volume, seed: int) -> Iterator[tuple[Second, list[View]]]:
    """Yield the second contrasts, and the views of both stacks, as they are registered."""
    rng = np.random.default_rng(seed)
    kind: Any = ("box", "gaussian")[seed % 2]
    centre = (np.array(truth.shape) - 1) / 2
    size = (min(truth.shape) - 20) // _THICKNESS * _THICKNESS
    affines = [along(axis, centre, size, _THICKNESS) for axis in (0, 1)]
    motion = random_motion(rng, centre)
    for second in seconds(truth, rng):
        low, high = np.percentile(second.volume, (0.1, 99.9))
        shown = np.asarray((second.volume - low) / (high - low), np.float32)
        own = np.random.default_rng(seed + 1)
        stacks = [
            seen_along(
                spline_filter(volume, 3), to_truth, size, _THICKNESS, kind, own, noise=second.noise, drift=second.drift
            )
            for volume, to_truth in ((truth, affines[0]), (shown, motion @ affines[1]))
        ]
        profile = Profile(kind, second.told)
        views = [View(stack, affine, profile, "") for stack, affine in zip(stacks, affines, strict=True)]
        yield second, [views[0], views[1].with_voxels(400 * views[1].voxels + 33).moved(_off(second, centre) @ motion)]


def _off(second: Second, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    direction = np.ones(3) / math.sqrt(3)
    found = np.eye(4)
    found[:3, :3] = Rotation.from_rotvec(math.radians(second.turn) * direction).as_matrix()
    found[:3, 3] = centre - found[:3, :3] @ centre + second.off * direction
    return found


def judged(views: list[View]) -> tuple[float | None, bool]:
    """Return how matched stacks correlate (None where they cannot be matched), and whether they are refused."""
    lattice = isotropic(views[0])
    try:
        comparable, _ = matched(views, lattice)
    except RequestError:
        return None, True
    found = agreement(comparable, 1, lattice)
    try:
        check_same_contrast(comparable, lattice)
    except RequestError:
        return found, True
    return found, False


def table(rows: list[dict[str, Any]]) -> str:
    """Return how many of each kind are refused."""
    body = []
    for kind, name in dict.fromkeys((row["kind"], row["name"]) for row in rows):
        some = [row for row in rows if (row["kind"], row["name"]) == (kind, name)]
        known = [row["correlation"] for row in some if row["correlation"] is not None]
        spread = f"{min(known):.2f} to {max(known):.2f}" if known else ""
        early = sum(row["correlation"] is None for row in some)
        late = sum(row["refused"] for row in some) - early
        body.append([kind, name, len(some), early, late, spread])
    head = ["contrast", "what", "pairs", "refused, below 0.6", "refused since", "correlation of the others"]
    return markdown_table(head, body)


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the refused shares, those of other contrasts by how well they correlate."""
    lines = []
    for kind in ("one", "displaced"):
        some = [row for row in rows if row["kind"] == kind]
        lines.append(f"- {kind}: {sum(row['refused'] for row in some)} of {len(some)} refused")
    others = [row for row in rows if row["kind"] == "another"]
    early = [row for row in others if row["correlation"] is None]
    lines.append(f"- another, correlation below 0.6, noise aside: {len(early)} of {len(early)} refused")
    for low, high in pairwise(_BANDS):
        some = [row for row in others if row["correlation"] is not None and low <= row["correlation"] < high]
        refused = sum(row["refused"] for row in some)
        lines.append(f"- another, correlation {low:.1f} to {min(high, 1):.1f}: {refused} of {len(some)} refused")
    return "\n".join(lines)


def main() -> int:
    """Run and print."""
    given = _arguments()
    rows: list[dict[str, Any]] = []
    for name, truth in volumes(given.folder, given.only, given.side):
        for turn in range(given.turns):
            about = {"volume": name, "side": given.side, "turn": turn, "part": "contrast"}
            rows += remembered(given.out, about, lambda t=truth, n=turn: _rows(t, n))  # type: ignore[misc]
            print(name, turn, len(rows), file=sys.stderr, flush=True)
    print(f"{machine()}\n\n{table(rows)}\n\n{summary(rows)}")
    return 0


def _rows(truth: Volume, turn: int) -> list[dict[str, Any]]:
    found = []
    for second, views in pairs(truth, 100 + turn):
        correlation, refused = judged(views)
        found.append({"kind": second.kind, "name": second.name, "correlation": correlation, "refused": refused})
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--side", type=int, default=72, help="voxels of the volume along each axis")
    parser.add_argument("--turns", type=int, default=2, help="how often, with another motion and profile")
    parser.add_argument("--out", type=Path, help="folder in which finished volumes are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

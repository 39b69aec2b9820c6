"""Optical flow beside linear, cubic and scikit-image's TV-L1 on hidden sections, in the same run.

TV-L1 is used as one would use it by hand: flow both ways between two observed sections, both warped to the new
depth, blended. Without a folder the four simulated specimens are scored.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _tools import machine, markdown_table
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics.intensity import psnr_of
from napari_depth_interp.run.settings import Settings
from quality import Volume, volumes

OURS = ("linear", "cubic", "flow")


def tv_l1(voxels: NDArray[Any], every: int) -> NDArray[np.float32]:
    """Return all sections up to the last kept one; hidden ones by TV-L1 flow between the kept ones."""
    from skimage.registration import optical_flow_tvl1
    from skimage.transform import warp

    kept = voxels[::every].astype(np.float32)
    grid = np.indices(kept.shape[1:], dtype=np.float32)
    sections = []
    for below, above in pairwise(kept):
        forward, backward = optical_flow_tvl1(below, above), optical_flow_tvl1(above, below)
        sections.append(below)
        for t in np.arange(1, every) / every:
            # scikit-image: reference(x) = moving(x + flow(x)); the flow at the new depth is scaled by the distance
            from_above = warp(above, grid + (1 - t) * forward, mode="edge")
            from_below = warp(below, grid + t * backward, mode="edge")
            sections.append((1 - t) * from_below + t * from_above)
    return np.stack([*sections, kept[-1]])


def score(volume: Volume, every: int) -> tuple[list[float], list[float]]:
    """Return PSNR (dB, range 1) and seconds of linear, cubic, flow and TV-L1."""
    protocol = Protocol("keep_every", every=every)
    scores = evaluate(volume.dataset, OURS, protocol, Settings(), data_range=(0.0, 1.0)).methods
    voxels = volume.dataset.voxels[0, 0]
    start = time.perf_counter()
    dense = tv_l1(voxels, every)
    seconds = time.perf_counter() - start
    hidden = np.flatnonzero(np.arange(len(dense)) % every)
    peer = psnr_of(float(np.mean((dense[hidden] - voxels[hidden]) ** 2)), 1.0) or np.inf
    return [*(each.volume["psnr"] or np.inf for each in scores), peer], [*(each.seconds for each in scores), seconds]


def main() -> None:
    """Print a table per gap."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="folder of TIFF and NIfTI volumes")
    parser.add_argument("--keep-every", type=int, nargs="+", default=[4], metavar="K")
    parser.add_argument("--crop", type=int, nargs=3, default=(97, 160, 160), metavar=("Z", "Y", "X"))
    args = parser.parse_args()
    print(machine())
    names = [*OURS, "TV-L1"]
    for every in args.keep_every:
        lines, gains, ratios = [], [], []
        for volume in volumes(args.data, args.crop):
            decibels, seconds = score(volume, every)
            gains.append([each - decibels[0] for each in decibels])
            ratios.append(seconds[-1] / seconds[-2])
            cells = [f"{value:.2f} ({gain:+.2f})" for value, gain in zip(decibels, gains[-1], strict=True)]
            lines.append([volume.name, *cells, f"{seconds[-2]:.1f}", f"{seconds[-1]:.1f}", f"{ratios[-1]:.0f}"])
        mean = [f"{value:+.2f}" for value in np.mean(gains, axis=0)]
        lines.append(["**mean gain**", *mean, "", "", f"{np.mean(ratios):.0f}"])
        header = ["volume", *(f"{name} dB" for name in names), "flow s", "TV-L1 s", "ratio"]
        print(f"\nKeep every {every}:\n\n{markdown_table(header, lines)}", flush=True)


if __name__ == "__main__":
    main()

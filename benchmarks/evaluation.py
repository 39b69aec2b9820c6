"""Peak memory and time of scoring several methods on a large stack: results are scored one by one and let go."""

from __future__ import annotations

import argparse
import time

import numpy as np

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.stack import Dataset, Grid

METHODS = ("nearest", "linear", "cubic", "flow", "kplanes")
LIMIT_MB = 4000.0


def stack(shape: tuple[int, ...]) -> Dataset:
    """Return smooth noise of 16 bits, 1 x 1 x 1 um."""
    rng = np.random.default_rng(0)
    coarse = rng.random(tuple(size // 8 + 2 for size in shape), dtype=np.float32)
    voxels = np.empty(shape, np.uint16)
    from scipy.ndimage import map_coordinates

    y, x = np.meshgrid(*(np.arange(size) / 8 for size in shape[1:]), indexing="ij")
    for z in range(shape[0]):
        places = np.stack([np.full_like(y, z / 8), y, x])
        voxels[z] = 60000 * map_coordinates(coarse, places, order=1, mode="nearest")
    depths = np.arange(shape[0], dtype=np.float64)
    return Dataset(voxels[None, None], Grid(depths, (1.0, 1.0), "um"))


def score(shape: tuple[int, ...], methods: tuple[str, ...], threads: int) -> tuple[list[list[str]], float, float]:
    """Return a row per method, the peak memory of the process in MB and the time in seconds."""
    dataset = stack(shape)
    before = peak_memory_mb()
    start = time.perf_counter()
    scores = evaluate(dataset, methods, Protocol("keep_every", every=4), Settings(preset="fast", threads=threads))
    taken = time.perf_counter() - start
    rows = [[each.method, f"{each.seconds:.1f}", f"{each.peak_memory_mb:.0f}"] for each in scores.methods]
    return [*rows, ["before the first method", "-", f"{before:.0f}"]], peak_memory_mb(), taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", default="128,512,512", help="Z,Y,X, default 128,512,512")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    shape = tuple(int(size) for size in args.shape.split(","))
    methods = tuple(args.methods.split(","))
    print(machine(), flush=True)
    rows, peak, taken = in_fresh_process(score, shape, methods, args.threads)
    print(f"\n{' x '.join(map(str, shape))} uint16, every 4th section kept, preset fast, {args.threads} threads:\n")
    print(markdown_table(["method", "run s", "peak MB"], rows))
    print(f"\nAll scores of {len(methods)} methods in {taken:.0f} s.\n")
    print(verdict(peak <= LIMIT_MB, f"peak at most {LIMIT_MB:.0f} MB: {peak:.0f} MB"))


if __name__ == "__main__":
    main()

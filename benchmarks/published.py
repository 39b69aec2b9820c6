"""Presets ``published`` of the fields that are fitted to the stack itself, beside our defaults and interpolation.

One simulated organoid: every 4th of 33 sections kept, and 6 projections of 6 sections each. PSNR of all hidden sections
together. The presets themselves take minutes to hours, so without ``--full`` there are only fractions of them, which
say so. ``--out`` keeps finished rows: a run with more of them goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from _tools import machine, markdown_table, remembered
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset

ROWS = {
    "linear": "linear",
    "cubic": "cubic",
    "kplanes": "kplanes",
    "kplanes, published, a tenth of its steps": "kplanes:published:training_steps=3000",
    "kplanes, published": "kplanes:published",
    "inr, factorised": "inr",
    "inr, hash, finest=32": "inr:field=hash:finest=32:training_steps=1000:rays=512",
    "inr, hash, finest=64": "inr:field=hash:training_steps=1000:rays=512",
    "inr, siren, omega=10": "inr:field=siren:omega=10:width=64:learning_rate=0.0005:training_steps=1000:rays=512",
    "inr, siren, omega=30": "inr:field=siren:omega=30:width=64:learning_rate=0.0005:training_steps=1000:rays=512",
    "inr, published, a fifth of its steps, a quarter of its rays": "inr:published:training_steps=1000:rays=512",
    "inr, published": "inr:published",
}
LONG = ("kplanes, published", "inr, published")
"""Rows that need ``--full``."""
SECTIONS, PROJECTIONS, EVERY, N = 33, 36, 4, 6


def organoid(sections: int, size: int) -> Dataset:
    """Return a simulated organoid as recorded."""
    return simulate("organoid", shape=(sections, size, size), voxel_size=(1.0, 1.0, 1.0)).observed


def score(dataset: Dataset, protocol: Protocol, method: str, threads: int) -> list[float]:
    """Return the PSNR of all hidden sections together and the seconds."""
    [found] = evaluate(dataset, [method], protocol, Settings(threads=threads, dtype="float32")).methods
    return [found.volume["psnr"] or float("nan"), found.seconds]


def rows(names: Sequence[str], size: int, threads: int, out: Path | None) -> list[list[str]]:
    """Return a line for each row: PSNR on slices and on projections, and seconds."""
    kinds = {
        "slices": (organoid(SECTIONS, size), Protocol("keep_every", every=EVERY)),
        "projections": (organoid(PROJECTIONS, size), Protocol("projection", every=N)),
    }
    lines = []
    for name in names:
        cells, times = [], []
        for kind, (dataset, protocol) in kinds.items():
            if kind == "projections" and name.startswith("kplanes"):
                cells.append("-")  # for slices only
                continue

            def make(dataset: Dataset = dataset, protocol: Protocol = protocol, name: str = name) -> list[float]:
                return score(dataset, protocol, ROWS[name], threads)

            psnr, seconds = remembered(out, {"kind": kind, "method": ROWS[name], "size": size}, make)
            cells.append(f"{psnr:.2f}")
            times.append(f"{seconds:.0f}")
        lines.append([name, *cells, " / ".join(times)])
        print(f"<!-- {' | '.join(lines[-1])} -->", flush=True)
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="pixels of a section's side, default 64")
    parser.add_argument("--full", action="store_true", help="also the presets at their full length")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="ROW", help="only these")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep finished rows here, and go on from them")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    names = args.rows or [name for name in ROWS if args.full or name not in LONG]
    print(machine(), flush=True)
    found = rows(names, args.size, args.threads, args.out)
    header = ["row", f"every {EVERY}th of {SECTIONS} slices", f"{PROJECTIONS // N} projections of {N} sections", "s"]
    print(f"\nPSNR in dB, sections of {args.size} x {args.size}:\n\n{markdown_table(header, found)}")


if __name__ == "__main__":
    main()

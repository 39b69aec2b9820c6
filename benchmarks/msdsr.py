"""What each choice of MSDSR is worth: gain over linear and gradient along z, for few and many sampling steps.

Every 4th section is kept; each variant trains once on the stack itself and draws one sample per number of steps.
``--out`` keeps what is finished, so that a longer run goes on from there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _tools import machine, markdown_table, remembered
from napari_depth_interp.method import Method, Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.methods.msdsr.method import Msdsr
from napari_depth_interp.metrics import above_otsu
from napari_depth_interp.metrics.volume import VolumePair, gradient_ratio
from napari_depth_interp.progress import silent
from napari_depth_interp.stack import Stack
from quality import Volume, volumes

EVERY = 4
STEPS = (1, 4, 10)
MANY_STEPS = (50, 200)
PLAIN = {"channels": 16, "samples": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "rows hidden in both ways": {"masks": "both"},
    "rows hidden at random": {"masks": "random"},
    "XZ and YZ averaged only at the end": {"coupled": False},
    "the same noise in all planes": {"shared_noise": True},
    "some image left at the end": {"zero_snr": False},
    "noise predicted, some image left": {"zero_snr": False, "prediction": "noise"},
    "noise predicted, DDPM's schedule": {"zero_snr": False, "prediction": "noise", "schedule": "linear"},
    "noise predicted, cosine schedule": {"zero_snr": False, "prediction": "noise", "schedule": "cosine"},
    "the same, steps as published": {
        "zero_snr": False, "prediction": "noise", "schedule": "cosine", "step_spacing": "leading",
    },
    "DDPM's schedule, pure noise at the end": {"schedule": "linear"},
    "cosine schedule, pure noise at the end": {"schedule": "cosine"},
    "the same with offset noise": {"zero_snr": False, "prediction": "noise", "offset_noise": 0.1},
    "the same with adjusted offset noise": {
        "zero_snr": False, "prediction": "noise", "offset_noise": 0.1, "adjusted_offset": True,
    },
    "linear interpolation shown, not subtracted": {"guide": "shown"},
    "linear interpolation unknown": {"guide": "none"},
}  # fmt: skip


def sparse_of(dense: Stack) -> Stack:
    """Return every 4th section; sections beyond the last kept one are not scored."""
    grid = dense.grid
    return Stack(
        np.ascontiguousarray(dense.voxels[::EVERY]), type(grid)(dense.depths[::EVERY], grid.pixel_size, grid.unit)
    )


def pair_of(method: Method, sparse: Stack, dense: Stack) -> VolumePair:
    """Return the stack that a method restores beside its truth."""
    count = (len(sparse.depths) - 1) * EVERY + 1
    truth = dense.voxels[:count]
    found = method.sections_at(sparse, dense.depths[:count].tolist(), report=silent).values
    found[::EVERY] = sparse.voxels
    hidden = np.arange(count) % EVERY > 0
    return VolumePair(truth, found, (0.0, 1.0), above_otsu(truth), hidden)


def psnr(pair: VolumePair) -> float:
    """Return the PSNR of all hidden sections together, in dB."""
    return float(-10 * np.log10(np.mean((pair.test[pair.hidden] - pair.reference[pair.hidden]) ** 2)))


def figures(method: Method, sparse: Stack, dense: Stack, linear_db: float) -> str:
    """Return gain and gradient as one cell, and the shift of the mean grey value where it is large."""
    pair = pair_of(method, sparse, dense)
    gradient = gradient_ratio(pair, False) or float("nan")
    shift = 100 * float(np.mean(pair.test[pair.hidden] - pair.reference[pair.hidden]))
    return f"{psnr(pair) - linear_db:+.2f} / {gradient:.2f}" + (f" ({shift:+.1f} %)" if abs(shift) >= 0.5 else "")


def rows(
    volume: Volume, names: Sequence[str], training_steps: int, many: Sequence[int], threads: int, out: Path | None
) -> list[list[str]]:
    """Return one row per variant; the first also with many steps."""
    dense = volume.dataset.stack()
    sparse = sparse_of(dense)
    linear = registry.get("linear").create(registry.get("linear").config(), Runtime())
    linear.prepare(sparse, report=silent)
    pair = pair_of(linear, sparse, dense)
    linear_db = psnr(pair)
    found = [["linear interpolation", f"{linear_db:.2f} dB / {gradient_ratio(pair, False) or 0:.2f}"]]
    for words in names:
        values = {**PLAIN, **VARIANTS[words], "training_steps": training_steps}
        steps = (*STEPS, *many) if not VARIANTS[words] else STEPS

        def cells_of(values: dict[str, Any] = values, steps: tuple[int, ...] = steps) -> list[str]:
            trained = Msdsr(MsdsrConfig.model_validate(values), Runtime(threads=threads))
            trained.prepare(sparse, report=silent)
            return [figures(trained.drawing(steps=count), sparse, dense, linear_db) for count in steps]

        about = {"volume": volume.name, "shape": dense.voxels.shape, "values": values, "steps": steps}
        cells = remembered(out, about, cells_of)
        found.append([words, *cells])
        print(f"<!-- {words}: {', '.join(cells)} -->", flush=True)
    width = 1 + len(STEPS) + len(many)
    return [[*row, *[""] * (width - len(row))] for row in found]


def main() -> None:
    """Print one table per volume."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="TIFF and NIfTI volumes; default: simulated specimens")
    parser.add_argument("--only", help="a word of the name of the volumes that are wanted")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="WORDS")
    parser.add_argument("--crop", type=int, nargs=3, default=(49, 96, 96), metavar=("Z", "Y", "X"))
    parser.add_argument("--training-steps", type=int, default=600)
    parser.add_argument("--many", type=int, nargs="*", default=MANY_STEPS, help="further steps of the first variant")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep finished variants here, and go on from them")
    args = parser.parse_args()
    print(machine(), flush=True)
    for volume in volumes(args.folder, args.crop):
        if args.only is None or args.only in volume.name:
            found = rows(volume, args.variants, args.training_steps, args.many, args.threads, args.out)
            header = [f"{volume.name}: gain dB / gradient", *(f"{n} steps" for n in (*STEPS, *args.many))]
            print(
                "\n" + markdown_table(header, found),
                flush=True,
            )


if __name__ == "__main__":
    main()

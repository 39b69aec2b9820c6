"""3-D RRDB-GAN on the volumes of a folder: every second one (by name) is trained on, the others are scored.

Prints a table laid out as 4.1 of Nishioka 2026, beside trilinear and cubic interpolation with back-projection in the
same run; what blocks, planes and patches do is measured by ``rrdb_tables.py``. Scores are the paper's: MSE and PSNR for
volumes from 0 to 1, the structural similarity of the 3-D volume, LPIPS over all planes (with --lpips-weights FILE);
further the sharpness, the mean absolute step between neighbouring voxels over the truth's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from _tools import machine, markdown_table, verdict
from napari_depth_interp import io
from napari_depth_interp.cli.options import parse_parameter
from napari_depth_interp.evaluation.holdout import pooled
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.rrdb_gan import GanConfig
from napari_depth_interp.methods.rrdb_gan.objective import shares_of
from napari_depth_interp.metrics.intensity import psnr_of
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import Cancelled, Progress, Stopped
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.system.devices import default_threads, resolve_device
from quality import Volume, volumes

CLASSICAL = {
    "trilinear": ("enlarge", {"kind": "linear", "back_projection": False}),
    "cubic + back-projection": ("enlarge", {}),
}
MOST_LOST_DB = 0.5
"""Under cubic + back-projection, that the perceptual loss may cost."""


@dataclass(frozen=True)
class Row:
    """Mean scores of one model over the volumes."""

    model: str
    mse: float
    psnr: float
    ssim: float
    lpips: float | None
    sharpness: float
    seconds: float

    def cells(self) -> list[str]:
        """Return the cells of a table."""
        lpips = "n/a" if self.lpips is None else f"{self.lpips:.4f}"
        scores = [f"{self.mse:.6f}", f"{self.psnr:.2f}", f"{self.ssim:.4f}", lpips, f"{self.sharpness:.3f}"]
        return [self.model, *scores, f"{self.seconds:.1f}"]


HEADER = ["model", "MSE", "PSNR", "SSIM", "LPIPS[mean]", "sharpness", "seconds"]


def halves(found: Sequence[Volume]) -> tuple[list[Volume], list[Volume]]:
    """Return the volumes to train on and those to score: every second one."""
    return list(found[::2]), list(found[1::2])


def files_of(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the files of volumes, as :func:`quality.volumes` names them."""
    found = {path.name.split(".")[0]: path for path in sorted(folder.iterdir())}
    return [found[name] for name in names]


def train(
    folder: Path, files: Sequence[Path], volumes: Sequence[Volume], parameters: dict[str, Any], minutes: float,
    runtime: Runtime, pause: float | None,
) -> tuple[int, float]:  # fmt: skip
    """Train for a time (going on where an earlier run paused); return the steps of this run and its seconds.

    Raises
    ------
    Cancelled
        After ``pause`` minutes of this run.
    """
    spec = registry.get("rrdb_gan")
    learner: Any = spec.create(spec.config(**parameters), runtime)
    spent_file = folder / "minutes.txt"
    before = float(spent_file.read_text()) if spent_file.exists() else 0.0
    start, steps = time.perf_counter(), 0

    def report(progress: Progress) -> None:
        nonlocal steps
        spent = (time.perf_counter() - start) / 60
        steps += 1
        if progress.training is not None and progress.training.scores:
            scores = {name: round(value, 4) for name, value in progress.training.scores.items()}
            print(f"  {before + spent:.1f} min, step {progress.training.step}: {scores}", flush=True)
        if before + spent >= minutes:
            raise Stopped
        if pause is not None and spent >= pause:
            folder.mkdir(parents=True, exist_ok=True)
            spent_file.write_text(str(before + spent))
            raise Cancelled

    stacks = [each.dataset.stack() for each in volumes]
    learner.train(TrainingData(stacks, files), folder, resume=True, report=report)
    return steps, time.perf_counter() - start


def score(
    name: str, method: str, parameters: dict[str, Any], found: Sequence[Volume], threads: int | None,
    lpips: Callable[[NDArray[Any], NDArray[Any]], float] | None,
) -> tuple[Row, list[Row]]:  # fmt: skip
    """Return the mean scores of a method, and those of each volume."""
    rows = []
    for volume in found:
        [trial] = pooled(volume.dataset)
        settings = make_settings(method=method, parameters=parameters, threads=threads)
        result = execute(resolve(trial.visible, settings, depths=trial.depths.tolist()))
        made = result.dataset.voxels[0, 0].clip(0, 1)
        real = np.asarray(volume.dataset.voxels[0, 0][tuple(slice(size) for size in made.shape)], np.float32)
        mse = float(np.square(made - real, dtype=np.float64).mean())
        ssim = structural_similarity(real, made, data_range=float(np.ptp(real)))
        apart = None if lpips is None else lpips(real, made)
        sharpness = steps(made) / steps(real)
        rows.append(Row(volume.name, mse, psnr_of(mse, 1.0) or np.inf, ssim, apart, sharpness, result.seconds or 0.0))
    mse, psnr, ssim, sharpness, seconds = (
        float(np.mean([getattr(row, key) for row in rows])) for key in ("mse", "psnr", "ssim", "sharpness", "seconds")
    )
    apart = None if lpips is None else float(np.mean([row.lpips for row in rows if row.lpips is not None]))
    return Row(name, mse, psnr, ssim, apart, sharpness, seconds), rows


def steps(volume: NDArray[Any]) -> float:
    """Return the mean absolute step between neighbouring voxels."""
    return float(np.mean([np.abs(np.diff(volume, axis=axis)).mean() for axis in range(3)]))


def lpips_of(file: Path) -> Callable[[NDArray[Any], NDArray[Any]], float]:
    """Return LPIPS (AlexNet) over all planes of the three directions, weighted by their number (eq. 4.2)."""
    from napari_depth_interp.metrics.perceptual import Lpips
    from napari_depth_interp.models.weights import lpips_linear_weights, read

    network = Lpips("alex", read(file), lpips_linear_weights("alex"))

    def distance(real: NDArray[Any], made: NDArray[Any]) -> float:
        found = [
            network.distance(real.take(i, axis), made.take(i, axis), (0.0, 1.0)).mean
            for axis in range(3)
            for i in range(real.shape[axis])
        ]
        return float(np.mean(found))

    return distance


def per_volume(rows: dict[str, list[Row]]) -> str:
    """Return PSNR and SSIM of each model on each volume."""
    names = [row.model for row in next(iter(rows.values()))]
    lines = [
        [name, *(f"{of[i].psnr:.2f} / {of[i].ssim:.4f} / {of[i].sharpness:.3f}" for of in rows.values())]
        for i, name in enumerate(names)
    ]
    return markdown_table(["volume", *(f"{model}: PSNR / SSIM / sharpness" for model in rows)], lines)


def judge(rows: dict[str, Row], learned: Row, perceptual: bool) -> str:
    """Return the targets."""
    cubic = rows["cubic + back-projection"]
    if perceptual:
        met = learned.sharpness > cubic.sharpness and cubic.psnr - learned.psnr <= MOST_LOST_DB
        words = f"sharper than cubic + back-projection, at most {MOST_LOST_DB} dB below it"
        got = f"{learned.sharpness:.3f} against {cubic.sharpness:.3f}, {learned.psnr - cubic.psnr:+.2f} dB"
    else:
        met = learned.psnr > cubic.psnr and learned.ssim > cubic.ssim
        words = "above cubic + back-projection in mean PSNR and SSIM"
        got = f"{learned.psnr - cubic.psnr:+.2f} dB, SSIM {learned.ssim - cubic.ssim:+.4f}"
    return verdict(met, f"{words}: {got}")


def main() -> None:
    """Train, score, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, metavar="DIR", help="folder of volumes; default: simulated ones")
    parser.add_argument("--minutes", type=float, default=1.0, help="time to train each model, default 1")
    parser.add_argument("--pause", type=float, metavar="MIN", help="stop after so many minutes, to go on later")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder for the models, to go on and to keep them")
    parser.add_argument("--preset", default="fast", choices=["fast", "balanced", "best"])
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--crop", type=int, nargs=3, default=(128, 160, 160), metavar=("Z", "Y", "X"))
    parser.add_argument("--lpips-weights", type=Path, metavar="FILE", help="AlexNet's weights, for LPIPS")
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        models = args.models or Path(temporary)
        run(args, models, Path(temporary))


def run(args: argparse.Namespace, models: Path, temporary: Path) -> None:
    """Do what the arguments ask for."""
    found = list(volumes(args.data, args.crop))
    learning, scored = halves(found)
    runtime = Runtime("cpu", args.threads or 1, 0) if args.threads else Runtime(*device_and_threads(), 0)
    source = files_of(args.data, [each.name for each in learning]) if args.data else written(learning, temporary)
    lpips = None if args.lpips_weights is None else lpips_of(args.lpips_weights)
    names = [", ".join(each.name for each in part) for part in (learning, scored)]
    print(f"\nTrained on {names[0]}; scored on {names[1]}.")
    given = dict(map(parse_parameter, args.parameter))
    spec = registry.get("rrdb_gan")
    rows: dict[str, Row] = {}
    each_volume: dict[str, list[Row]] = {}
    contenders: dict[str, tuple[str, dict[str, Any]]] = dict(CLASSICAL)
    folder = models / "rrdb_gan"
    if not (folder / "model.safetensors").exists():
        print(f"\nrrdb_gan, {args.minutes:g} minutes:", flush=True)
        parameters = {**spec.presets[args.preset], **given}
        try:
            count, seconds = train(folder, source, learning, parameters, args.minutes, runtime, args.pause)
        except Cancelled:
            print("paused; run again with the same --models to go on")
            return
        print(f"  {count} steps in this run, {seconds / count:.2f} s each", flush=True)
    contenders["rrdb_gan"] = "rrdb_gan", {"model": folder}
    for name, (method, own) in contenders.items():
        rows[name], each_volume[name] = score(name, method, own, scored, args.threads, lpips)
    table = [rows[name] for name in rows]
    print(f"\nMeans over {len(scored)} volumes:\n")
    print(markdown_table(HEADER, [row.cells() for row in table]))
    print(f"\n{per_volume(each_volume)}\n")
    config = json.loads((folder / "training.json").read_text())["parameters"]
    print(judge(rows, rows["rrdb_gan"], shares_of(GanConfig(**config)).perceptual > 0))


def device_and_threads() -> tuple[str, int]:
    """Return the GPU if there is one, and all cores."""
    return resolve_device("auto", ("cuda", "cpu"))[0], default_threads()


def written(found: Sequence[Volume], folder: Path) -> list[Path]:
    """Write simulated volumes: a training names the files that it learned from."""
    paths = [folder / f"{each.name}.tif" for each in found]
    for each, path in zip(found, paths, strict=True):
        io.write(path, each.dataset)
    return paths


if __name__ == "__main__":
    main()

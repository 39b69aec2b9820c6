"""Training 3-D RRDB-GAN: pairs per second of a plain loop and of ours, in turn, in one run.

The plain loop is the paper's text written down: float32, the generator run once for the discriminator and once for
itself, planes fed to VGG16 one after the other, SSIM from MONAI. Both train the same networks on the same patches with
the same losses; VGG16 has random weights, which cost what trained ones do. ``--paper`` takes the setting of Nishioka
2026 and compares with its rate; it needs a large GPU. ``--inference`` enlarges 60 x 60 x 39 voxels with the published
generator.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from _tools import in_fresh_process, machine, markdown_table, peak_memory_mb, verdict
from napari_depth_interp.methods.rrdb_gan import GanConfig
from napari_depth_interp.methods.rrdb_gan.discriminator import Discriminator
from napari_depth_interp.methods.rrdb_gan.forward import lattice_of
from napari_depth_interp.methods.rrdb_gan.generator import LEARNED, Generator
from napari_depth_interp.methods.rrdb_gan.losses import deceives, judges
from napari_depth_interp.methods.rrdb_gan.objective import Objective
from napari_depth_interp.methods.rrdb_gan.pairs import Patches, make_volume
from napari_depth_interp.methods.rrdb_gan.perceptual import Vgg
from napari_depth_interp.methods.rrdb_gan.train import Pair
from napari_depth_interp.nn.loop import OptimizerStep, Plan, Step, train_alternating
from napari_depth_interp.system.devices import default_threads, resolve_device

PAPER_PER_GPU = 3872 / (8.75 * 60) / 2
"""Pairs per second and GPU: an epoch of 3872 pairs in 8.75 minutes on two RTX 6000 Ada (Nishioka 2026, table 4.2)."""
TARGET_RATIO = 4.0
PUBLISHED: dict[str, Any] = {
    "features": 64, "growth": 32, "blocks": 10, "tail": "staged", "base": "none", "scale": "truth",
    "back_projection": False, "objective": "published", "perceptual": "random", "slices": 10, "slice_size": 224,
    "discriminator_channels": 64, "patch": 30, "patch_z": 20, "batch": 16, "augment": False, "weight_average": 0.0,
    "clip": 0.0,
}  # fmt: skip
SMALL: dict[str, Any] = {
    **PUBLISHED, "features": 16, "growth": 8, "blocks": 2, "patch": 8, "patch_z": 6, "batch": 4, "slices": 2,
    "slice_size": 64, "discriminator_channels": 16,
}  # fmt: skip


def patches_of(config: GanConfig, device: torch.device) -> Patches:
    """Return patches of two random volumes, 0 to 1."""
    lattice = lattice_of(config)
    rng = np.random.default_rng(0)
    shape = lattice.fine_size((config.patch_z + 8, config.patch + 8, config.patch + 8))
    made = [make_volume(rng.random(shape).astype(np.float32), None, lattice, config, seed) for seed in (0, 1)]
    return Patches(made, lattice, config, 0, device)


class Plain:
    """The loop as one would write it down from the paper."""

    def __init__(self, config: GanConfig, device: torch.device) -> None:
        from monai.losses.ssim_loss import SSIMLoss

        self._config, self._patches = config, patches_of(config, device)
        about = {name: getattr(config, name) for name in LEARNED if hasattr(config, name)}
        self._generator = Generator.of(about, (4, 4, 4)).to(device)
        self._judge = Discriminator(config.discriminator_channels, 0).to(device)
        networks = (self._judge, self._generator)
        self._adams = [torch.optim.Adam(each.parameters(), lr=2e-4, betas=(0.9, 0.99)) for each in networks]
        self._vgg = Vgg(config.slice_size, None).to(device)
        self._ssim = SSIMLoss(spatial_dims=3, data_range=1.0)

    def step(self, number: int) -> None:
        """Train the discriminator, then the generator, on one batch."""
        batch = self._patches.draw(Step(number, np.random.default_rng(number)))
        with torch.no_grad():
            made = self._generator(batch.coarse)
        loss = judges(self._judge(batch.fine, batch.kinds), self._judge(made, batch.kinds))
        self._move(0, loss)
        made = self._generator(batch.coarse)
        loss = functional.mse_loss(made, batch.fine) + self._ssim(made, batch.fine)
        loss = loss + 0.001 * deceives(self._judge(made, batch.kinds)) + 0.2 * self._perceptual(made, batch.fine)
        self._move(1, loss)

    def _move(self, which: int, loss: Tensor) -> None:
        self._adams[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._adams[which].step()
        float(loss.detach())  # logged

    def _perceptual(self, made: Tensor, real: Tensor) -> Tensor:
        total, count = made.new_zeros(()), 0
        for axis in (2, 3, 4):
            for i in (torch.randperm(made.shape[axis] - 2)[: self._config.slices] + 1).tolist():
                one, other = (each[:, 0].movedim(axis - 1, 1)[:, i - 1 : i + 2] for each in (made, real))
                total = total + functional.mse_loss(self._vgg(one), self._vgg(other))
                count += 1
        return total / count


class Ours:
    """Our loop on the same patches."""

    def __init__(self, config: GanConfig, device: torch.device) -> None:
        self._patches = patches_of(config, device)
        objective = Objective(config, device)
        self._pair = Pair("rrdb_gan", lattice_of(config), config, objective, self._patches, (), device)
        self._optimizer_steps: list[OptimizerStep] = self._pair.optimizer_steps()

    def run(self, steps: int, finished: Callable[[], None]) -> None:
        """Train so many steps; ``finished`` is called after each."""
        plan = Plan(steps, average=0.0, clip=float("inf"))
        others = self._pair.others
        train_alternating(self._pair.generator, others, self._optimizer_steps, plan, report=lambda _: finished())


def rate(kind: str, parameters: dict[str, Any], device: str, threads: int, steps: int) -> tuple[float, float]:
    """Return pairs per second (the first step is not counted) and the peak memory in MB."""
    torch.set_num_threads(threads)
    config, where = GanConfig(**parameters), torch.device(device)
    torch.manual_seed(0)
    times: list[float] = []

    def finished() -> None:
        if where.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    if kind == "plain":
        plain = Plain(config, where)
        for number in range(steps + 1):
            plain.step(number)
            finished()
    else:
        Ours(config, where).run(steps + 1, finished)
    peak = torch.cuda.max_memory_allocated() / 1e6 if where.type == "cuda" else peak_memory_mb()
    return config.batch * steps / (times[-1] - times[0]), peak


def inference(device: str, threads: int, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB of enlarging a volume with the published generator."""
    from napari_depth_interp.models import folder as model_folder
    from napari_depth_interp.run.execute import execute
    from napari_depth_interp.run.request import resolve
    from napari_depth_interp.run.settings import make_settings
    from napari_depth_interp.stack import Dataset

    about = {name: value for name, value in GanConfig(**PUBLISHED).model_dump().items() if name in LEARNED}
    with TemporaryDirectory() as folder:
        tensors = Generator.of({"generator": "rrdb", **about}, (4, 4, 4)).state_dict()
        found = {**about, "error_per_std": 1.0, "gain_db": None, "adversarial": 0.001}
        model_folder.save(Path(folder) / "model", model_folder.Model("rrdb_gan", found, tensors, {}))
        voxels = np.random.default_rng(0).random(shape).astype(np.float32)
        parameters = {"model": Path(folder) / "model", "flips": 1, "back_projection": False}
        settings = make_settings(method="rrdb_gan", parameters=parameters, device=device, threads=threads)
        result = execute(resolve(Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1, 1)), settings))
    peak = torch.cuda.max_memory_allocated() / 1e6 if device.startswith("cuda") else result.peak_memory_mb or 0.0
    return result.seconds or 0.0, peak


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--paper", action="store_true", help="the published setting, for a large GPU")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of each loop, default 5")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of all contenders, default 2; the best counts")
    parser.add_argument("--compiled", action="store_true", help="also ours with torch.compile")
    parser.add_argument("--inference", action="store_true", help="also 60 x 60 x 39 with the published generator")
    parser.add_argument("--shape", type=int, nargs=3, default=(39, 60, 60), metavar=("Z", "Y", "X"))
    parser.add_argument("--threads", type=int, default=default_threads())
    args = parser.parse_args()
    device, _ = resolve_device("auto", ("cuda", "cpu"))
    print(machine(), flush=True)
    parameters = PUBLISHED if args.paper else SMALL
    contenders: dict[str, tuple[str, dict[str, Any]]] = {"plain loop, float32": ("plain", {})}
    contenders["ours"] = ("ours", {})
    if args.compiled:
        contenders["ours, compiled"] = ("ours", {"compiled": True})
    best: dict[str, tuple[float, float]] = {}
    for _ in range(args.rounds):
        for name, (kind, own) in contenders.items():
            found = in_fresh_process(rate, kind, {**parameters, **own}, device, args.threads, args.steps)
            best[name] = max(best.get(name, (0.0, 0.0)), found)
    plain = best["plain loop, float32"][0]
    rows = [[name, f"{pairs:.2f}", f"{pairs / plain:.1f}", f"{peak:.0f}"] for name, (pairs, peak) in best.items()]
    size = f"{parameters['patch']} x {parameters['patch']} x {parameters['patch_z']}"
    print(f"\nPatches of {size}, batch {parameters['batch']}, {device}, {args.threads} threads:\n")
    print(markdown_table(["loop", "pairs/s", "times the plain loop", "peak MB"], rows))
    fastest = max(pairs for pairs, _ in best.values())
    if args.paper and device != "cpu":
        ratio = fastest / PAPER_PER_GPU
        words = f"at least {TARGET_RATIO:g} times the paper's {PAPER_PER_GPU:.2f} pairs/s per GPU: {ratio:.1f} times"
        print(f"\n{verdict(ratio >= TARGET_RATIO, words)}")
    else:
        print(f"\n- the paper's {PAPER_PER_GPU:.2f} pairs/s per GPU at its setting: not measured here (needs a GPU)")
    if args.inference:
        seconds, peak = in_fresh_process(inference, device, args.threads, tuple(args.shape))
        sizes = " x ".join(str(4 * each) for each in args.shape)
        print(f"- published generator, {sizes} voxels (z, y, x): {seconds:.1f} s, peak {peak:.0f} MB on {device}")


if __name__ == "__main__":
    main()

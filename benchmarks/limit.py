"""How near section_sr comes to what this machine's convolutions can do: a training step and rendering, one thread.

The limit is measured, not looked up: the fastest of some 3 x 3 convolutions, in the number format of the method here.
Seconds are CPU seconds, the least of several, so that other programs count little. With ``ONEDNN_MAX_CPU_ISA=AVX2
ATEN_CPU_CAPABILITY=avx2`` before the command it measures as if the processor had nothing newer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from _tools import machine, markdown_table, verdict
from napari_depth_interp.methods.section_sr import ready, render
from napari_depth_interp.methods.section_sr.fit import Plan, fit
from napari_depth_interp.methods.section_sr.network import RowNet
from napari_depth_interp.methods.section_sr.patches import Batch, Patches
from napari_depth_interp.nn.runtime import half_precision

SHAPE, GAP, STEPS, BATCH = (31, 192, 192), 4.0, 60, 8
TARGET = 0.65
"""Share of the limit that is aimed at."""


def least(work: Callable[[], object], times: int) -> float:
    """Return the CPU seconds of a call, the least of some."""
    work()
    found = []
    for _ in range(times):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def limit(kind: torch.dtype) -> dict[int, float]:
    """Return the FLOP/s of 3 x 3 convolutions of some widths."""
    found = {}
    for width in (32, 64, 128):
        features, weights = torch.rand(4, width, 64, 64, dtype=kind), torch.rand(width, width, 3, 3, dtype=kind)
        features, weights = (each.contiguous(memory_format=torch.channels_last) for each in (features, weights))
        flops = 2 * 9 * width * features.numel()
        found[width] = flops / least(lambda x=features, w=weights: torch.conv2d(x, w, padding=1), 30)  # type: ignore[misc]
    return found


def per_pixel(network: RowNet) -> int:
    """Return the floating point operations of the convolutions for one pixel of the observed rows."""
    weights = sum(each.numel() for name, each in network.named_parameters() if name.endswith((".first", ".second")))
    entry, head = network.entry.weight.numel(), network.head.weight.numel()
    return 2 * (weights + entry + head)


def training(network: RowNet) -> float:
    """Return the FLOP/s of training steps: forward, and twice as much backward."""
    patches, pixels = Patches(torch.rand(SHAPE), BATCH), []

    class Counted:
        def draw(self, gap: float, rng: np.random.Generator) -> Batch:
            batch = patches.draw(gap, rng)
            pixels.append(batch.rows.numel())
            return batch

    times = [time.process_time()]
    plan = Plan(STEPS, BATCH, GAP, squared=False, rate=ready.RATE, span=ready.SPAN)
    fit(network, Counted(), plan, 0, lambda _: times.append(time.process_time()))  # type: ignore[arg-type]
    speeds = 3 * per_pixel(network) * np.array(pixels) / np.diff(times)
    return float(np.median(speeds[5:]))


def rendering(network: RowNet) -> float:
    """Return the FLOP/s of making three sections in every gap."""
    planes = torch.rand(96, SHAPE[0], SHAPE[2])
    depths = np.linspace(0.0, GAP * (SHAPE[0] - 1), SHAPE[0])
    between = [float(z) for z in np.arange(depths[-1]) if z % GAP]
    targets = render.Targets.at(depths, between, 1.0, 1.0)

    def work() -> None:
        for _ in render.corrections(network, planes, targets, flips=render.PLAIN, each_chunk=lambda _: None):
            pass

    return per_pixel(network) * planes.numel() / least(work, 4)


def main() -> None:
    """Print the limit and what is reached."""
    torch.set_num_threads(1)
    with half_precision(torch.device("cpu")) as context:
        kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
        del context
    print(machine(), kind, flush=True)
    with torch.no_grad():
        widths = limit(kind)
    best = max(widths.values())
    known = {f"convolution, {width} channels": speed for width, speed in widths.items()}
    network = RowNet(32, (1, 2, 1, 2), ready.MEAN, ready.STD)
    ready.start(network, ready.STD)
    network = network.to(memory_format=torch.channels_last)
    reached = {"a training step": training(network), "rendering": rendering(network.eval())}
    rows = [[name, f"{speed / 1e9:.0f}", f"{speed / best:.2f}"] for name, speed in (known | reached).items()]
    print("\n" + markdown_table(["one thread", "GFLOP/s", "share of the limit"], rows) + "\n")
    for name, speed in reached.items():
        print(verdict(speed >= TARGET * best, f"{name} at {TARGET:.0%} of the limit: {speed / best:.0%}"))


if __name__ == "__main__":
    main()

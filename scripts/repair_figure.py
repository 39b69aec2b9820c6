"""Write docs/images/repair-kinds.png: damaged sections of a simulated organoid, repaired, and as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_depth_interp as ndi
from napari_depth_interp.simulate import simulate
from screenshots import IMAGES

Voxels = NDArray[Any]


def repair_figure() -> None:
    """Damage sections in five ways, let them be found and and repaired, and draw all."""
    sound = np.array(simulate("organoid").observed.voxels[0, 0, 8:40])
    damaged, sections = _damaged(sound)
    repaired = ndi.repair(damaged, method="linear")
    kinds = {entry["index"]: f"{entry['kind']}: {entry['action']}" for entry in repaired.sections}
    _draw({"damaged": damaged, "repaired": np.asarray(repaired), "sound": sound}, {k: kinds[k] for k in sections})


def _damaged(sound: Voxels) -> tuple[Voxels, list[int]]:
    """Return the stack with damaged sections, and their numbers."""
    from scipy.ndimage import gaussian_filter, shift

    found = sound.copy()
    found[8] = 0
    found[12, 20:70, 30:90] = 0
    found[16] = shift(sound[16].astype(float), (5, -7), order=1)
    found[20] = np.clip(sound[20] * 0.6 + 200, 0, np.iinfo(sound.dtype).max)
    found[24] = gaussian_filter(sound[24].astype(float), 3)
    return found, [8, 12, 16, 20, 24]


def _draw(stacks: dict[str, Voxels], titles: dict[int, str]) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(12.8, 7.4), dpi=100, facecolor="#15161b")
    high = np.quantile(stacks["sound"], 0.999)
    rows = drawn.subplots(len(stacks), len(titles))
    for row, (name, voxels) in zip(rows, stacks.items(), strict=True):
        for axes, (k, title) in zip(row, titles.items(), strict=True):
            axes.imshow(voxels[k], cmap="gray", vmin=0, vmax=high, interpolation="nearest")
            error = np.sqrt(np.mean((voxels[k].astype(float) - stacks["sound"][k]) ** 2))
            words = {"damaged": title, "repaired": f"repaired, error {error:.0f}", "sound": "as it was"}
            axes.set_title(words[name], color="white", fontsize=11)
            axes.set_axis_off()
    drawn.subplots_adjust(left=0.005, right=0.995, top=0.96, bottom=0.005, wspace=0.02, hspace=0.1)
    drawn.savefig(IMAGES / "repair-kinds.png", facecolor=drawn.get_facecolor())

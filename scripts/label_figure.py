"""Write docs/images/labels-methods.png: one hidden section of simulated cells, filled in by each method."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import napari_depth_interp as ndi
from napari_depth_interp.metrics.labels import section_scores
from napari_depth_interp.stack import Dataset, Grid
from screenshots import IMAGES
from train_label_fusion import simulate

EVERY, SHOWN = 8, 20


def label_figure() -> None:
    """Fill labels of simulated cells in by three methods, and draw one hidden section beside the truth."""
    step = 2.0
    truth, image = simulate("cells", step, 107)
    sparse = np.zeros_like(truth)
    sparse[::EVERY] = truth[::EVERY]
    grid = Grid(np.arange(len(truth), dtype=np.float64) * step, (1.0, 1.0))
    labels, guide = (Dataset(each[None, None], grid) for each in (sparse, image))
    found = {"truth": truth}
    for method in ("nearest", "shape", "learned"):
        result = ndi.interpolate_labels(labels, image=guide, method=method)
        found[method] = result.values
    _draw(image, truth, found)


def _draw(image: NDArray[Any], truth: NDArray[Any], found: dict[str, NDArray[Any]]) -> None:
    from matplotlib.figure import Figure
    from skimage.segmentation import find_boundaries

    drawn = Figure(figsize=(12.8, 3.5), dpi=100, facecolor="#15161b")
    hidden = np.arange(len(truth)) % EVERY != 0
    for axes, (name, labels) in zip(drawn.subplots(1, 4), found.items(), strict=True):
        axes.imshow(image[SHOWN], cmap="gray", interpolation="nearest")
        for section, colour in ((truth[SHOWN], "#55dd77"), (labels[SHOWN], "#ffaa33")):
            outline = np.ma.masked_equal(find_boundaries(section, mode="inner"), 0)
            axes.imshow(np.ma.array(np.ones(section.shape), mask=outline.mask), cmap=_one(colour), alpha=0.9)
            if name == "truth":
                break
        dice = section_scores(truth[hidden], labels[hidden])["dice"]
        axes.set_title(name if name == "truth" else f"{name}, Dice {dice:.2f}", color="white", fontsize=11)
        axes.set_axis_off()
    drawn.subplots_adjust(left=0.005, right=0.995, top=0.92, bottom=0.01, wspace=0.02)
    drawn.savefig(IMAGES / "labels-methods.png", facecolor=drawn.get_facecolor())


def _one(colour: str) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour])

"""Labels with known truth, small and made here."""

import numpy as np

from napari_depth_interp.labels.execute import execute_labels
from napari_depth_interp.labels.request import resolve_labels
from napari_depth_interp.labels.settings import make_label_settings
from napari_depth_interp.stack import Dataset, Grid


def cone(count=9, size=48, label=7, dtype="uint16", centre=(24, 24), radius=6.0, growth=1.0):
    """A disc whose radius grows by ``growth`` pixels per section."""
    z, y, x = np.mgrid[:count, :size, :size]
    inside = np.hypot(y - centre[0], x - centre[1]) < radius + growth * z
    return np.where(inside, np.array(label, dtype), np.array(0, dtype))


def only(voxels, kept):
    """Return the voxels with nothing on all other sections."""
    found = np.zeros_like(voxels)
    found[list(kept)] = voxels[list(kept)]
    return found


def dataset(voxels, depths=None, *, pixel=(1.0, 1.0), unit="um", axes="ZYX", **more):
    """Labels 1 um apart, unless told otherwise; ``depths=False``: nothing is known about them."""
    made = Dataset.from_array(voxels, axes=axes)
    count = made.voxels.shape[2]
    known = None if depths is False else np.arange(count, dtype=float) if depths is None else np.asarray(depths, float)
    return Dataset(made.voxels, Grid(known, pixel, unit), axes=made.axes, **more)


def asked(labels, /, *, image=None, like=None, at=None, filled=None, **settings):
    chosen = make_label_settings(**{"method": "shape", "threads": 1, **settings})
    given = labels if isinstance(labels, Dataset) else dataset(labels)
    return resolve_labels(given, chosen, image=image, like=like, at=at, filled=filled)


def filled_in(labels, /, *, gaps=None, target=None, report=None, **settings):
    more = {} if report is None else {"report": report}
    return execute_labels(asked(labels, **settings), gaps=gaps, target=target, **more)


def dice(found, truth):
    found, truth = np.asarray(found) != 0, np.asarray(truth) != 0
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())

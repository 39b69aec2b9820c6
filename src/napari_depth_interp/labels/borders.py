"""Where the border between objects runs, by where the image shows that two touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .distance import Contest

_LEAD = 1.5
"""Where an object is ahead of any other by so much in log-odds it keeps its pixels."""
_CORE = 0.5
"""An object that is nowhere so far ahead keeps those where it is ahead by this share of its largest lead."""
_SMOOTH = 0.7
"""Standard deviation of the Gaussian that smooths what the image says, in pixels."""


def settled(contest: Contest, touching: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return (n, Y, X) the winners of a contest in log-odds, with borders between them where the image shows them.

    Pixels in dispute between two objects go to the one that reaches them first from its undisputed pixels, without
    crossing where objects touch (watershed). What is background stays background.

    Parameters
    ----------
    contest : Contest
    touching : (n, Y, X) float32 array
        Log-odds of being where two objects touch. Sections where they are all alike are left as they are.
    """
    import cv2
    from skimage.segmentation import watershed

    labels = contest.winners()
    for section, best in enumerate(contest.best):
        disputed = _disputed(labels[section], best - contest.second[section])
        if not disputed.any() or np.ptp(touching[section]) == 0:
            continue
        around = cv2.dilate(disputed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        near = around & (best > 0)
        barrier = cv2.GaussianBlur(1 / (1 + np.exp(-touching[section])), (0, 0), _SMOOTH)
        flooded = watershed(barrier, np.where(disputed, 0, labels[section]), mask=near)
        np.copyto(labels[section], flooded, where=flooded > 0, casting="same_kind")
    return labels


def _disputed(labels: NDArray[np.int32], lead: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (Y, X) the pixels of objects that are not far ahead there; each object keeps some."""
    largest = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    np.maximum.at(largest, labels, lead)
    return np.asarray((labels > 0) & (lead < np.minimum(_LEAD, _CORE * largest)[labels]))

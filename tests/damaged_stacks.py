"""A small sound stack, and damage to its sections, made here."""

import numpy as np
from scipy.ndimage import gaussian_filter, shift
from skimage.draw import line

from napari_depth_interp.damage.request import resolve_repair
from napari_depth_interp.damage.settings import make_repair_settings
from napari_depth_interp.stack import Dataset

LINEAR = {"method": "linear", "threads": 1}


def tissue(count=24, size=72, dtype="uint16", seed=0):
    """Structures that change slowly along z, with noise as a camera has it; values about 1000 to 4000."""
    random = np.random.default_rng(seed)
    coarse = gaussian_filter(random.normal(size=(count, size, size)), (5, 4, 4))
    fine = gaussian_filter(random.normal(size=(count, size, size)), (3, 1.5, 1.5))
    image = 2400 + 500 * coarse / coarse.std() + 150 * fine / fine.std() + random.normal(0, 12, coarse.shape)
    return np.clip(image, 0, None).astype(dtype)


def fibres(seed, count=16, size=64):
    """Sections so far apart that each shows others of a few bright fibres."""
    random = np.random.default_rng(seed)
    image = np.zeros((count, size, size))
    for section in image:
        for _ in range(5):
            (y, x), (y2, x2) = random.integers(0, size, 2), random.integers(0, size, 2)
            rows, columns = line(y, x, y2, x2)
            section[rows, columns] = 1
    image = 200 + 2500 * gaussian_filter(image, (0, 1, 1)) + random.normal(0, 8, image.shape)
    return np.clip(image, 0, None).astype("uint16")


def black(stack, k):
    stack[k] = 0


def copied(stack, k):
    stack[k] = stack[k - 1]


def blurred(stack, k):
    stack[k] = gaussian_filter(stack[k].astype(float), 2.5)


def brighter(stack, k):
    stack[k] = stack[k] * 1.5 + 200


def saturated(stack, k):
    full = np.quantile(stack[k], 0.7)
    stack[k] = np.minimum(stack[k].astype(float), full)


def torn(stack, k):
    stack[k, 20:50, 10:60] = 0


def moved(stack, k):
    stack[k] = shift(stack[k].astype(float), (3, -4), order=1, mode="nearest")


def striped(stack, k):
    rows = np.random.default_rng(1).normal(0, 250, len(stack[k]))[:, None]
    stack[k] = np.clip(stack[k] + rows, 0, 6e4)


EVERY = {
    "missing": black, "duplicate": copied, "blur": blurred, "brightness": brighter, "saturated": saturated,
    "partial": torn, "shift": moved, "stripes": striped,
}  # fmt: skip


def damaged(*kinds, count=24, first=5, apart=5, **more):
    """Return (damaged stack, sound stack, {section: kind}); the sections lie ``apart``."""
    sound = tissue(max(count, first + apart * len(kinds) + 3), **more)
    stack, truth = sound.copy(), {}
    for number, kind in enumerate(kinds):
        k = first + apart * number
        EVERY[kind](stack, k)
        truth[k] = kind
    return stack, sound, truth


def asked(stack, /, *, mask=None, examination=None, **settings):
    chosen = make_repair_settings(**(LINEAR | settings))
    given = stack if isinstance(stack, Dataset) else Dataset.from_array(stack)
    return resolve_repair(given, chosen, mask=mask, examination=examination)


def rms(found, truth):
    return float(np.sqrt(np.mean((np.asarray(found, float) - np.asarray(truth, float)) ** 2)))

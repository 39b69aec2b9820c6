"""Thick stacks of one known specimen, taken from three sides, as arrays and as NIfTI files."""

from functools import cache

import nibabel
import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

SIDE, THICK = 32, 4


@cache
def specimen():
    """Return a volume of blobs and edges, 0 to about 1000; not writable."""
    rng = np.random.default_rng(5)
    rough = gaussian_filter(rng.normal(size=(SIDE,) * 3), 1.2)
    coarse = gaussian_filter(rng.normal(size=(SIDE,) * 3), 4.0)
    volume = 300 + 120 * rough / rough.std() + 300 * (coarse > 0)
    volume = np.clip(volume, 0, None).astype(np.float32)
    volume.flags.writeable = False
    return volume


def affine_along(axis, side=SIDE):
    """Return where the stack lies whose sections lie along an axis (0: x, 1: y, 2: z) of the world, 1 mm pixels."""
    order = [axis, *(other for other in (2, 1, 0) if other != axis)]
    affine = np.zeros((4, 4))
    affine[order, [0, 1, 2]], affine[3, 3] = (THICK, 1, 1), 1
    affine[axis, 3] = (THICK - 1) / 2
    return affine


def thick(axis, noise=5.0, motion=None, volume=None):
    """Return (Z, Y, X) means of 4 sections of the specimen along an axis (0: x, 1: y, 2: z), perhaps of a moved one."""
    truth = specimen() if volume is None else volume  # (z, y, x)
    if motion is not None:
        truth = affine_transform(truth, motion[:3, :3], motion[:3, 3], order=3, mode="nearest")
    along = {2: 0, 1: 1, 0: 2}[axis]
    turned = np.moveaxis(truth, along, 0)
    means = turned.reshape(SIDE // THICK, THICK, SIDE, SIDE).mean(axis=1)
    return (means + np.random.default_rng(axis).normal(0, noise, means.shape)).astype(np.float32)


def stacks(count=3, **how):
    """Return arrays and affines of axial, coronal and sagittal stacks."""
    axes = (2, 1, 0)[:count]
    return [thick(axis, **how) for axis in axes], [affine_along(axis) for axis in axes]


def write_nifti(path, array, affine, dtype=np.int16):
    """Write a stack (z, y, x) whose affine leads from these indices to the world in mm."""
    image = nibabel.Nifti1Image(np.rint(array).astype(dtype).transpose(2, 1, 0), affine[:, [2, 1, 0, 3]])
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def write_stacks(folder, count=3, **how):
    """Write axial.nii.gz, coronal.nii.gz and sagittal.nii.gz and return their paths."""
    arrays, affines = stacks(count, **how)
    names = ("axial", "coronal", "sagittal")
    triples = zip(names, arrays, affines, strict=False)
    return [write_nifti(folder / f"{name}.nii.gz", array, affine) for name, array, affine in triples]

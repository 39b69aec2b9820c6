"""Stacks of one specimen in the library: one call, a thin line to the functions behind it."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from numpy.typing import ArrayLike

from ..fusion.execute import execute_fusion
from ..fusion.request import resolve_fusion
from ..fusion.result import FusionResult
from ..fusion.settings import make_fuse_settings
from ..progress import Report, silent
from . import Image, opened


def fuse(
    *stacks: Image,
    affines: Sequence[ArrayLike | None] | None = None,
    like: Image | None = None,
    transforms: str | PathLike[str] | None = None,
    score: bool = False,
    report: Report = silent,
    **settings: Any,
) -> FusionResult:
    """Fuse two or more thick stacks of one specimen into one volume.

    Parameters
    ----------
    *stacks : path, Dataset or (Z, Y, X) array
        Of one contrast. The first one is the reference: the volume lies in its world and has its grey values.
    affines : sequence of (4, 4) arrays, optional
        From voxel indices (z, y, x) to the world (to the right, front and up), one for each stack; arrays need them,
        files of scanners bring their own, and None takes that of the file.
    like : path or Dataset, optional
        The volume gets its grid; default: cubic voxels over the field of view of the first stack.
    transforms : path, optional
        Folder that ``save_transforms`` wrote; nothing is registered then.
    score : bool
        Also leave each stack out as a whole and predict it from the others.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.fusion.settings.FuseSettings`: ``registration="affine"``,
        ``thickness="5mm"``, ``profile="box"``, ``method="in_plane"``, ``spacing="0.8mm"`` ...

    Returns
    -------
    FusionResult
        An array with ``uncertainty``, ``coverage``, ``stacks``; ``result.save("fused.nii.gz")`` writes it.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> truth = np.random.default_rng(0).random((24, 24, 24)).cumsum(0).cumsum(1).cumsum(2)
    >>> axial = truth.reshape(6, 4, 24, 24).mean(1)
    >>> coronal = truth.reshape(24, 6, 4, 24).mean(2).transpose(1, 0, 2)
    >>> along_z = np.diag([4.0, 1, 1, 1]); along_z[0, 3] = 1.5
    >>> along_y = np.eye(4)[[1, 0, 2, 3]] @ along_z
    >>> fused = ndi.fuse(axial, coronal, affines=[along_z, along_y], registration="none", profile="box")
    >>> fused
    FusionResult(24 x 24 x 24 float32, of 2 stacks, least_squares)
    """
    chosen = make_fuse_settings(**settings)
    datasets = [opened(stack, chosen.axis) for stack in stacks]
    grid = None if like is None else opened(like)
    request = resolve_fusion(
        datasets, chosen, affines=affines, like=grid, transforms=None if transforms is None else str(transforms)
    )
    return execute_fusion(request, report, score=score)

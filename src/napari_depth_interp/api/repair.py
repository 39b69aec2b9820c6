"""Damaged sections in the library: two calls, thin lines to the functions behind them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import io
from ..damage.detect import examine as _examine
from ..damage.examination import Examination
from ..damage.execute import execute_repair
from ..damage.request import resolve_repair
from ..damage.result import RepairResult
from ..damage.settings import make_repair_settings
from ..progress import Report, part, silent
from ..run.outputs import Target
from . import Image, opened

_SHARE_OF_LOOKING = 0.3
"""Share of the time that looking for damage takes, roughly."""


def examine(image: Image, /, *, report: Report = silent, **settings: Any) -> Examination:
    """Look for damaged sections; nothing is changed.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset or xarray DataArray
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.damage.settings.RepairSettings`: ``kinds="missing,blur"``,
        ``sensitivity=2`` ...

    Returns
    -------
    Examination
        ``scores`` and ``thresholds`` by kind, ``found``, ``as_table()``.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((12, 32, 32)).cumsum(0)
    >>> stack[7] = stack[6]
    >>> [(each.index, each.kind, each.detail) for each in ndi.examine(stack).found]
    [(7, 'duplicate', 'the same as section 6')]
    """
    chosen = make_repair_settings(**settings)
    return _examine(opened(image, chosen.axis, read=io.open_stack), chosen, report)


def repair(
    image: Image,
    /,
    *,
    mask: ArrayLike | None = None,
    examination: Examination | None = None,
    out: str | PathLike[str] | None = None,
    report: Report = silent,
    **settings: Any,
) -> RepairResult:
    """Repair damaged sections; every other section comes back bit by bit as it was.

    Parameters
    ----------
    image : path, (Z, Y, X) array, Dataset or xarray DataArray
        The spacing of the sections need not be known.
    mask : (Z, Y, X) array, optional
        Where it is not 0, voxels are lost and filled in, and the rest of that section stays.
    examination : Examination, optional
        From :func:`examine` of the same image with the same settings; default: it is examined now.
    out : path, optional
        OME-Zarr or TIFF file that does not exist yet: the result is streamed to it instead of being held in memory.
    report : callable
        Gets :class:`~napari_depth_interp.progress.Progress`; cancels by raising ``Cancelled``.
    **settings
        Fields of :class:`~napari_depth_interp.damage.settings.RepairSettings`: ``sections="12,40-41"``,
        ``kinds="missing,blur"``, ``method="linear"``, ``gaps=True`` ...

    Returns
    -------
    RepairResult
        An array with ``sections``, ``repaired``, ``examination``; ``result.save("repaired.tif")`` writes it.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.

    Examples
    --------
    >>> import numpy as np, napari_depth_interp as ndi
    >>> stack = np.random.default_rng(0).random((12, 32, 32)).cumsum(0)
    >>> stack[7, 8:24, 8:24] = 0
    >>> repaired = ndi.repair(stack, method="linear")
    >>> [(each["index"], each["kind"], each["action"]) for each in repaired.sections]
    [(7, 'partial', 'fill')]
    >>> bool((repaired[7, :6] == stack[7, :6]).all()), bool((repaired[7] > 0).all())
    (True, True)
    """
    chosen = make_repair_settings(**settings)
    dataset = opened(image, chosen.axis, read=io.read if out is None else io.open_stack)
    given = None if mask is None else np.asarray(mask)
    looking = part(report, 0.0, _SHARE_OF_LOOKING)
    request = resolve_repair(dataset, chosen, examination=examination, mask=given, report=looking)
    target = None if out is None else Target(Path(out))
    return execute_repair(request, part(report, _SHARE_OF_LOOKING, 1.0), target=target)

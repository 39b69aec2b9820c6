"""What is to be fused, resolved against the stacks: placed, checked, frozen.

``resolve_fusion(stacks, settings)`` is the only way to a :class:`FusionRequest`; ``execute_fusion`` runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import io
from ..errors import InputError, RequestError
from ..method import MethodConfig, Runtime
from ..run.inputs import check_voxels
from ..stack import Dataset
from ..stack.profile import Profile
from ..stack.units import convert, parse_length
from ..system.devices import default_threads, resolve_device
from .checks import check_content, check_memory, check_overlap, check_stacks
from .motion import load
from .settings import FuseSettings
from .solvers import Solver, resolve_solver
from .views import Affine, Lattice, View, isotropic


@dataclass(frozen=True, eq=False)
class FusionRequest:
    """One fusion: where the stacks lie, how their sections see, and the voxels of the result.

    Attributes
    ----------
    datasets : tuple of Dataset
    views : tuple of View
        Grey values as they are in the files; lengths in ``unit``.
    lattice : Lattice
        In the world of the first stack.
    unit : str or None
    settings : FuseSettings
    solver : Solver
    config : MethodConfig
    runtime : Runtime
    given : bool
        The motions were given; nothing is registered.
    notes : tuple of str
    """

    datasets: tuple[Dataset, ...]
    views: tuple[View, ...]
    lattice: Lattice
    unit: str | None
    settings: FuseSettings
    solver: Solver
    config: MethodConfig
    runtime: Runtime
    given: bool = False
    notes: tuple[str, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the result."""
        first = self.datasets[0].voxels.dtype
        return np.dtype(np.float32) if self.settings.dtype == "float32" or first.kind == "f" else first


def resolve_fusion(
    datasets: Sequence[Dataset],
    settings: FuseSettings,
    *,
    names: Sequence[str] | None = None,
    affines: Sequence[ArrayLike | None] | None = None,
    like: Dataset | None = None,
    transforms: str | Path | None = None,
    trusted: bool = False,
) -> FusionRequest:
    """Check what was asked for against the stacks and complete it.

    Parameters
    ----------
    datasets : sequence of Dataset
        The first one is the reference: the result lies in its world and has its grey values.
    settings : FuseSettings
    names : sequence of str, optional
        Of the stacks; default: those of their files.
    affines : sequence of (4, 4) arrays, optional
        From voxel indices (z, y, x) to the world, instead of those of the files.
    like : Dataset, optional
        Its grid is that of the result.
    transforms : path, optional
        Folder that :func:`napari_depth_interp.fusion.motion.save` wrote; nothing is registered then.
    trusted : bool
        Do not look at the voxels, which takes long where they are many: tells what would be fused; cannot be executed.

    Raises
    ------
    DepthInterpError
        Of the kind that fits; the message says what is wrong and what to do.
    """
    solver, config = resolve_solver(settings.method, settings.parameters)
    called = _names(datasets, names)
    check_stacks(datasets, called)
    places = [_affine(*each) for each in zip(datasets, called, affines or [None] * len(datasets), strict=True)]
    unit, factors, notes = _units(datasets, called)
    views = _views(datasets, called, places, factors, settings, unit, trusted=trusted)
    if transforms is not None:
        views = [view.moved(motion) for view, motion in zip(views, load(Path(transforms), called, unit), strict=True)]
    if not trusted:
        check_content(views)
    lattice = _lattice(views, settings, unit) if like is None else _lattice_like(like, unit)
    check_overlap(views, lattice)
    check_memory(views, lattice)
    device, warning = resolve_device(settings.device, ("cpu", "cuda"))
    runtime = Runtime(device, settings.threads or default_threads(), settings.seed)
    given = transforms is not None or settings.registration == "none"
    placed = [_with_depths(dataset, place) for dataset, place in zip(datasets, places, strict=True)]
    return FusionRequest(
        tuple(placed), tuple(views), lattice, unit, settings, solver, config, runtime, given,
        (*notes, *([warning] if warning else [])),
    )  # fmt: skip


def _names(datasets: Sequence[Dataset], names: Sequence[str] | None) -> list[str]:
    if names is not None:
        return list(names)
    found = [each.source.name if each.source else None for each in datasets]
    return [name or f"stack {number}" for number, name in enumerate(found)]


def _affine(dataset: Dataset, name: str, given: ArrayLike | None) -> Affine:
    """Return where a stack lies: as given, or as its file says."""
    found = io.affine(dataset) if given is None else np.asarray(given, np.float64)
    if found is None:
        raise InputError(
            f"'{name}' does not say how it lies in space (no affine); give NIfTI, DICOM, NRRD or MetaImage, or "
            "affines=[...] in Python"
        )
    if found.shape != (4, 4) or not np.isfinite(found).all() or abs(np.linalg.det(found[:3, :3])) < 1e-12:
        raise InputError(f"the affine of '{name}' is no invertible 4 x 4 matrix: {found.tolist()}; correct it")
    return found


def _with_depths(dataset: Dataset, affine: Affine) -> Dataset:
    """Return a stack whose sections are as far apart as its affine says, if nothing else does."""
    if dataset.grid.depths is not None:
        return dataset
    depths = np.arange(dataset.voxels.shape[2]) * float(np.linalg.norm(affine[:3, 0]))
    return replace(dataset, grid=dataset.grid.with_depths(depths))


def _units(datasets: Sequence[Dataset], names: Sequence[str]) -> tuple[str | None, list[float], list[str]]:
    """Return the unit of the first stack, and the factor from that of each stack to it."""
    unit = next((each.grid.unit for each in datasets if each.grid.unit), None)
    factors, notes = [], []
    for dataset, name in zip(datasets, names, strict=True):
        own = dataset.grid.unit
        factors.append(convert(1.0, own, unit) if own and unit else 1.0)
        if own is None and unit is not None:
            notes.append(f"'{name}' does not say in which unit its lengths are; they are taken for {unit}")
    return unit, factors, notes


def _views(
    datasets: Sequence[Dataset], names: Sequence[str], places: Sequence[Affine], factors: Sequence[float],
    settings: FuseSettings, unit: str | None, *, trusted: bool,
) -> list[View]:  # fmt: skip
    given = _thicknesses(settings.thickness, len(datasets), unit)
    views = []
    for dataset, name, place, factor, thickness in zip(datasets, names, places, factors, given, strict=True):
        try:
            if not trusted:
                check_voxels(dataset, fill_nan=True, alone=True)
        except InputError as error:
            raise InputError(f"'{name}': {error}") from error
        affine = np.array(place)
        affine[:3] *= factor
        spacing = float(np.linalg.norm(affine[:3, 0]))
        own = None if dataset.grid.thickness is None else dataset.grid.thickness * factor
        profile = Profile(settings.profile, thickness or own or spacing)
        shape = dataset.voxels.shape[2:]
        voxels = np.broadcast_to(np.float32(0), shape) if trusted else np.asarray(dataset.voxels[0, 0], np.float32)
        views.append(View(voxels, affine, profile, name))
    return views


def _thicknesses(text: str | None, count: int, unit: str | None) -> list[float | None]:
    if text is None:
        return [None] * count
    words = [word for word in text.split(",") if word.strip()]
    if len(words) not in (1, count):
        raise RequestError(
            f"--thickness {text} gives {len(words)} lengths for {count} stacks; give one, or one for each"
        )
    found = [_length(word, unit) for word in words]
    return [*found] if len(found) == count else [found[0]] * count


def _length(word: str, unit: str | None) -> float:
    value, own = parse_length(word)
    if own and not unit:
        raise RequestError(f"the stacks do not say in which unit their lengths are; write {value:g} without {own}")
    return convert(value, own, unit) if own and unit else value


def _lattice(views: Sequence[View], settings: FuseSettings, unit: str | None) -> Lattice:
    """Return cubic voxels over the field of view of the first stack."""
    if settings.spacing is not None:
        return isotropic(views[0], _length(settings.spacing, unit))
    return isotropic(views[0], min(float(view.sizes[1:].min()) for view in views))


def _lattice_like(like: Dataset, unit: str | None) -> Lattice:
    affine = io.affine(like)
    if affine is None:
        raise InputError("the image of --like does not say how it lies in space (no affine); give a NIfTI file")
    z, y, x = like.voxels.shape[2:]
    found = np.array(affine)
    found[:3] *= convert(1.0, like.grid.unit, unit) if like.grid.unit and unit else 1.0
    return Lattice((z, y, x), found)


def as_world(values: NDArray[Any], lattice: Lattice, unit: str | None, title: str) -> Dataset:
    """Return voxels of the result as a dataset that files are written of."""
    return io.on_affine(values, lattice.affine, unit, title=title)

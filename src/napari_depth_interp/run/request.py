"""What the user asked for, resolved against the data: checked, complete, frozen.

``resolve(dataset, settings)`` is the only way to a :class:`Request`; ``execute`` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..errors import InputError, RequestError
from ..method import MethodConfig, MethodSpec, Preset, Runtime
from ..methods import registry
from ..nn.recipe import completed
from ..registration import Kind, Transforms
from ..stack import Acquisition, Dataset, Grid, missing_spacing
from ..stack.label_images import looks_like_labels
from ..stack.lazy import planes_of
from ..stack.part import part_of
from ..stack.units import parse_length
from ..system.amounts import parse_size
from ..system.devices import default_threads, resolve_device
from .blocks import Shape, shard_shape
from .exclusion import end_notes, excluded_sections, without_excluded
from .history import input_record, versions
from .settings import Settings, ShareFit, StackSettings, explain_validation
from .targets import (
    changes_observed,
    check_enhancer,
    check_same_grid,
    explicit_depths,
    known_depths,
    match_observed,
    target_depths,
)
from .thickness import estimated, thickness_notes, with_thickness

PART = ("crop", "times")
"""Settings that choose a part of the image."""

APPLIED: dict[str, None] = dict.fromkeys(("channel", "z_spacing", "depths", "acquisition", "exclude", *PART))
"""Settings that :func:`prepare_dataset` and :func:`without_excluded` have applied, as they are for their results."""

_SELDOM = ("sharp", "published")
"""Presets that mean something of their own, so that a method that has others has to have these, too."""

LARGEST = 1e100
"""Values beyond this overflow when squared and summed."""


@dataclass(frozen=True, eq=False)
class Request:
    """One run: a dataset, the depths wanted, a method with its config, and where it computes.

    Attributes
    ----------
    dataset : Dataset
        With known depths, the wanted channels only.
    depths : (K,) float64 array
        Target depths, strictly increasing, in the unit of the dataset's grid.
    observed : (K,) int array
        For each target the index of the observed section at that depth, or -1 for a new one.
    enhance : Request or None
        Enhances the sections first; this request then runs on what that one gives.
    align : {"translation", "rigid"} or None
        How sections are aligned before anything else.
    transforms : Transforms or None
        How they were aligned, once they are: ``dataset`` then holds them as they were moved.
    recorded : Dataset or None
        As it was before they were.
    fill_nan, float_output : bool
        Fill voxels that are not a number for the computation; give float32 whatever the input was.
    share_fit : {"auto", "yes", "no"}
        Which channels share what the method learns, as in the settings.
    shard : str or None
        Voxels of one file of an OME-Zarr result, as in the settings.
    memory : int or None
        Bytes that the process may take; None: what is free.
    stored_dtype : dtype or None
        Type of the result's voxels where it is not that of the dataset's.
    depths_known : bool
        False where the sections are only counted; the result's grid then has no depths either.
    part : mapping
        Which part of the image the dataset is, as in the settings ``crop`` and ``times``; empty: all of it.
    excluded : tuple of int
        Sections of the input that the dataset is without.
    notes : tuple of str
        What the user should know about how the request was understood.
    learned_elsewhere : mapping
        What the history says of a preparation on another stack; empty: there was none.
    """

    dataset: Dataset
    depths: NDArray[np.float64]
    observed: NDArray[np.intp]
    spec: MethodSpec
    config: MethodConfig
    runtime: Runtime
    enhance: Request | None = None
    align: Kind | None = None
    transforms: Transforms | None = None
    recorded: Dataset | None = None
    fill_nan: bool = False
    float_output: bool = False
    share_fit: ShareFit = "auto"
    shard: str | None = None
    memory: int | None = None
    stored_dtype: np.dtype[Any] | None = None
    depths_known: bool = True
    part: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    learned_elsewhere: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """The grid of the result."""
        depths = self.depths if self.depths_known else None
        return replace(self.dataset.grid, depths=depths).enlarged(self.spec.enlarges)

    @property
    def method(self) -> str:
        return self.spec.name

    @property
    def gives_uncertainty(self) -> bool:
        return self.spec.gives_uncertainty

    @property
    def needs_memory(self) -> bool:
        """Whether the result has to be made in memory: enhanced sections are held there."""
        return self.enhance is not None

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32) if self.float_output else self.stored_dtype or self.dataset.voxels.dtype

    @property
    def output_shape(self) -> tuple[int, ...]:
        times, channels, _, rows, columns = self.dataset.voxels.shape
        return times, channels, len(self.depths), rows * self.spec.enlarges, columns * self.spec.enlarges

    @property
    def shares_fit(self) -> bool:
        """Whether channels share what the method learns: where they were told to, and colours by themselves.

        By themselves they share no training: a network of its own serves each colour a little better.
        """
        dataset = self.dataset
        wanted = self.share_fit == "yes" or (self.share_fit == "auto" and dataset.rgb and not self.spec.trains_on_stack)
        return wanted and dataset.voxels.shape[1] > 1 and self.spec.can_share(self.config)

    @property
    def file_shape(self) -> Shape | None:
        """Sections, rows and columns of one file of an OME-Zarr result; None: each chunk is a file."""
        return shard_shape(self.shard, self.output_shape)

    @property
    def tile_halo(self) -> int | None:
        """Pixels that a tile needs on each side; None: the method needs whole sections."""
        return self.spec.halo(self.config)

    @property
    def z_reach(self) -> int | None:
        """Observed sections that a tile needs beyond those at its gaps; None: the method needs all of them."""
        return self.spec.z_reach(self.config, self.dataset.acquisition)

    @property
    def moved(self) -> NDArray[np.bool_]:
        """(K,) True where the observed section at a target depth was moved, at any time point."""
        if self.transforms is None:
            return np.zeros(len(self.depths), bool)
        return (self.observed >= 0) & self.transforms.moved_ever[self.observed]

    def dense_template(self) -> Dataset:
        """Return the dataset that the result will be, without its voxels and its history.

        It holds sections, whatever was recorded, unless the method only enhances what was.
        """
        empty = np.broadcast_to(np.zeros((), self.output_dtype), self.output_shape)
        acquisition = self.dataset.acquisition if self.spec.enhances else Acquisition()
        return replace(self.dataset, voxels=empty, grid=self.grid, acquisition=acquisition, record={}, notes=())

    def record(self, *, hashed: bool = True) -> dict[str, Any]:
        """Return the history of the run as JSON-ready values; equal runs give equal records.

        With ``hashed`` off the voxels of the input are not read for their hash.
        """
        moved = self.moved
        there = [int(i) for i in np.flatnonzero((self.observed >= 0) & ~moved)]
        aligned = {} if self.transforms is None else {"align": self.transforms.as_json()}
        return {
            "versions": versions(),
            "method": self.spec.name,
            "config": self.config.model_dump(mode="json"),
            **self.learned_elsewhere,
            **({"enhance": _enhancement_record(self.enhance)} if self.enhance else {}),
            **aligned,
            "acquisition": str(self.dataset.acquisition),
            **self.part,
            **({"excluded": list(self.excluded)} if self.excluded else {}),
            "seed": self.runtime.seed,
            "device": self.runtime.device,
            "dtype": "float32" if self.float_output else "keep",
            "nan": "fill" if self.fill_nan else "refuse",
            **({"shared_fit": "luminance" if self.dataset.rgb else "mean"} if self.shares_fit else {}),
            "depths": self.dataset.grid.mirrored(self.depths).tolist(),
            "unit": self.dataset.grid.unit,
            "observed": [] if self.enhance else there,
            **({"moved": [int(i) for i in np.flatnonzero(moved)]} if moved.any() else {}),
            **({"enhanced": [int(i) for i in np.flatnonzero(self.observed >= 0)]} if self.enhance else {}),
            **({"enhanced": list(range(len(self.depths)))} if self.spec.enhances else {}),
            "input": input_record(self.recorded or self.dataset, hashed=hashed),
        }


def _enhancement_record(request: Request) -> dict[str, Any]:
    return {"method": request.spec.name, "config": request.config.model_dump(mode="json")}


def resolve(
    dataset: Dataset,
    settings: Settings,
    *,
    depths: Sequence[float] | None = None,
    extrapolate: bool = False,
    trusted: bool = False,
) -> Request:
    """Check what was asked for against the data and complete it.

    Parameters
    ----------
    dataset : Dataset
        As read; acquisition, channel and spacing of the settings are applied here.
    settings : Settings
    depths : sequence of float, optional
        Explicit target depths instead of the settings' factor, spacing or isotropic.
    extrapolate : bool
        Allow explicit depths beyond the first and the last section.
    trusted : bool
        Another process has looked at the voxels already: do not read them again.

    Raises
    ------
    InputError
        If the stack cannot be interpolated: one section, no spacing, NaN, Inf.
    RequestError
        If the settings do not fit each other, the method or the data.
    DeviceError
        If this machine lacks the device.
    """
    dataset = prepare_dataset(dataset, settings)
    spec, config = resolve_method(settings.method, settings.preset, settings.parameters)
    whole, excluded = dataset, excluded_sections(dataset, settings, spec)
    dataset = without_excluded(whole, settings)
    if not trusted:
        check_voxels(dataset, fill_nan=settings.nan == "fill", alone=spec.enhances)
    if "thick" in spec.acquisitions:
        dataset = estimated(dataset, settings)
    _check_acquisition(spec, dataset.acquisition)
    _check_model(spec, config)
    shard_shape(settings.shard, dataset.voxels.shape)
    device, warning = resolve_device(settings.device, spec.devices)
    warnings = [warning] if warning else []
    known = dataset.grid.depths is not None
    if spec.enhances:
        check_same_grid(spec, settings, depths)
        dataset = dataset.counted()
        targets, grid_notes = known_depths(dataset.grid), [changes_observed(spec)]
    elif depths is None:
        targets, grid_notes = target_depths(whole, settings)
    else:
        targets, grid_notes = explicit_depths(whole, settings, depths, extrapolate=extrapolate), []
    observed = match_observed(dataset, targets) if spec.keeps_observed else np.full(len(targets), -1)
    if depths is None and spec.keeps_observed:
        grid_notes += _observed_notes(dataset, observed)
    return Request(
        dataset,
        targets,
        observed,
        spec,
        config,
        Runtime(device, settings.threads or default_threads(), settings.seed),
        enhance=_enhancement(dataset, settings),
        align=None if settings.align == "none" else settings.align,
        fill_nan=settings.nan == "fill",
        float_output=settings.dtype == "float32",
        share_fit=settings.share_fit,
        shard=settings.shard,
        memory=None if settings.memory is None else parse_size(settings.memory),
        depths_known=known,
        part=part_in_words(settings),
        excluded=excluded,
        notes=(
            *dataset.notes,
            *grid_notes,
            *end_notes(whole, excluded),
            *thickness_notes(dataset, settings, spec),
            *_sharing_notes(dataset, settings, spec, config),
            *warnings,
            *(() if trusted else _label_notes(dataset, spec)),
        ),
    )


def _enhancement(dataset: Dataset, settings: Settings) -> Request | None:
    """Return the request that enhances a prepared dataset first, if the settings ask for it; it gives floats."""
    if settings.enhance is None:
        if settings.enhance_parameters:
            raise RequestError("parameters of an enhancing method were given, but no such method; add --enhance srcnn")
        return None
    check_enhancer(registry.get(settings.enhance))
    own = {"method": settings.enhance, "parameters": settings.enhance_parameters}
    given = {"preset", "nan", "device", "threads", "seed", "share_fit", "memory"}
    dtype = "keep" if dataset.voxels.dtype.kind == "f" else "float32"
    return resolve(replace(dataset, notes=()), Settings(**settings.model_dump(include=given), **own, dtype=dtype))


def prepare_dataset(dataset: Dataset, settings: Settings) -> Dataset:
    """Apply what the settings say about the input: channel, part, spacing or depths, acquisition, thickness.

    :data:`APPLIED` names those that must not be applied to it again; the thickness may be.
    """
    if settings.channel is not None:
        dataset = dataset.select_channel(settings.channel)
    dataset = placed(cut(dataset, settings), settings)
    if settings.acquisition is not None:
        dataset = replace(dataset, acquisition=Acquisition.parse(settings.acquisition))
    return with_thickness(dataset, settings)


def placed(dataset: Dataset, settings: StackSettings) -> Dataset:
    """Return the dataset with its sections where the settings say."""
    if settings.depths is not None and settings.z_spacing is not None:
        raise RequestError("--depths and --z-spacing exclude each other; give one of them")
    if settings.depths is not None:
        dataset = dataset.with_depths(settings.depths)
    if settings.z_spacing is not None:
        dataset = dataset.with_z_spacing(*parse_length(settings.z_spacing))
    return dataset


def cut(dataset: Dataset, settings: Settings) -> Dataset:
    """Return the part of the image that the settings choose."""
    if not part_in_words(settings):
        return dataset
    return dataset.part(*part_of(dataset.voxels.shape, settings.crop, settings.times))


def part_in_words(settings: Settings) -> dict[str, str]:
    """Return the settings that choose a part of the image; empty if the whole image is meant."""
    return {name: value for name in PART if (value := getattr(settings, name)) is not None}


def whole_image(settings: Settings) -> Settings:
    """Return the settings without those that choose a part of the image."""
    return settings.model_copy(update=dict.fromkeys(PART))


def check_voxels(dataset: Dataset, *, fill_nan: bool, alone: bool = False) -> None:
    """Refuse what cannot be interpolated: one section, unknown depths, Inf, NaN (unless filled).

    The first two do not matter where each section is taken ``alone``.
    """
    times, channels, sections = dataset.voxels.shape[:3]
    if sections < 2 and not alone:
        hint = f", not {times} time points and {channels} channels" if times * channels > 1 else ""
        raise InputError(
            f"the stack has {sections} section, so there is nothing to interpolate between; "
            + "; ".join([f"give 2 or more sections along z{hint}", *dataset.notes])
        )
    if dataset.grid.depths is None and not alone:
        raise missing_spacing()
    if dataset.voxels.dtype.kind != "f":
        return
    missing = 0
    for plane in planes_of(dataset.voxels):
        if np.isinf(plane).any():
            raise InputError("the stack holds infinite values; replace them by numbers (or by NaN, with --nan fill)")
        if float(np.nan_to_num(np.abs(plane)).max()) > LARGEST:
            raise InputError(f"the stack holds values beyond {LARGEST:g}, whose squares overflow; scale them down")
        missing += int(np.isnan(plane).sum())
    if missing == dataset.voxels.size:
        raise InputError("every voxel of the stack is NaN (not a number); there is no image in it")
    if missing and not fill_nan:
        raise InputError(
            f"{missing} of {dataset.voxels.size} voxels are NaN (not a number); correct them, or add --nan fill "
            "to fill them for the computation and keep them NaN in the result"
        )


def resolve_method(name: str, preset: Preset, parameters: Mapping[str, Any]) -> tuple[MethodSpec, MethodConfig]:
    """Return the spec and the config: defaults, then what the model brings, the preset, the parameters given.

    Raises
    ------
    RequestError
        For an unknown method or parameter, a value that does not fit, or the preset ``sharp`` or ``published`` of a
        method that has presets, but not this one.
    WeightsError
        If how a model is to be used does not fit.
    """
    spec = registry.get(name)
    if preset in _SELDOM and spec.presets and preset not in spec.presets:
        why = {"published": ": no paper has it", "sharp": ""}[preset]
        raise RequestError(f"{name} has no preset '{preset}'{why}; choose {', '.join(spec.presets)}")
    try:
        config = spec.config(**{**spec.presets.get(preset, {}), **parameters})
    except ValidationError as error:
        known = ", ".join(spec.config.model_fields) or "none"
        raise RequestError(f"{name}: {explain_validation(error)}; its parameters are: {known}") from error
    return spec, completed(config)


def _observed_notes(dataset: Dataset, observed: NDArray[np.intp]) -> list[str]:
    """Say where the target leaves observed sections out, or brings nothing new."""
    if dataset.acquisition.is_projection:
        return []
    kept, sections = int((observed >= 0).sum()), dataset.voxels.shape[2]
    if kept == len(observed):
        return ["all target sections are observed ones; nothing new is made"]
    lost = sections - kept
    return [f"{lost} of {sections} observed sections are not at a target depth and are left out"] if lost else []


def _sharing_notes(dataset: Dataset, settings: Settings, spec: MethodSpec, config: MethodConfig) -> list[str]:
    """Say so where channels cannot share what the method learns, and were told to."""
    if settings.share_fit != "yes" or dataset.voxels.shape[1] == 1 or spec.can_share(config):
        return []
    return [f"{spec.name} learns nothing that channels could share; each was made alone"]


def _label_notes(dataset: Dataset, spec: MethodSpec) -> list[str]:
    """Say so where identifiers are about to be blended as if they were grey values."""
    if spec.name == "nearest" or dataset.rgb or not (dataset.holds_labels or looks_like_labels(dataset.voxels)):
        return []
    why = "says that it holds labels" if dataset.holds_labels else "looks like a label image"
    return [
        f"the input {why}, and {spec.name} blends identifiers as if they were grey values; to fill in labels use "
        "'depth-interp labels' (interpolate_labels in Python)"
    ]


def _check_acquisition(spec: MethodSpec, acquisition: Acquisition) -> None:
    kind = "projection" if acquisition.is_projection else "slice"
    if kind not in spec.acquisitions:
        raise RequestError(f"{spec.name} cannot work on a {kind} acquisition; choose another method, such as linear")
    if spec.enlarges > 1 and acquisition.is_projection and acquisition.n != spec.enlarges:
        raise RequestError(
            f"{spec.name} makes {spec.enlarges} sections of each, but {acquisition} means {acquisition.n}; "
            "choose another method, such as linear"
        )


def _check_model(spec: MethodSpec, config: MethodConfig) -> None:
    if spec.needs_model and getattr(config, "model", None) is None:
        raise RequestError(
            f"{spec.name} needs a model, and none is given; train one on dense stacks with "
            f"'depth-interp train {spec.name} DATA_DIR --out MODEL_DIR', then run with -p model=MODEL_DIR"
        )

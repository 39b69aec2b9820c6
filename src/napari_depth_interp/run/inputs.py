"""The input as the settings say it is: its channel, its part, where its sections lie, what one of them is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import InputError, RequestError
from ..stack import Acquisition, Dataset, missing_spacing
from ..stack.lazy import planes_of
from ..stack.part import part_of
from ..stack.units import parse_length
from .settings import Settings, StackSettings
from .thickness import with_thickness

PART = ("crop", "times")
"""Settings that choose a part of the image."""

APPLIED: dict[str, None] = dict.fromkeys(("channel", "z_spacing", "depths", "acquisition", "exclude", *PART))
"""Settings that :func:`prepare_dataset` and :func:`without_excluded` have applied, as they are for their results."""

LARGEST = 1e100
"""Values beyond this overflow when squared and summed."""


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
        raise missing_spacing(dataset.notes)
    if dataset.voxels.dtype.kind != "f":
        return
    missing = 0
    for plane in planes_of(dataset.voxels):
        if np.isinf(plane).any():
            how = "" if fill_nan else ", with --nan fill"
            raise InputError(f"the stack holds infinite values; replace them by numbers (or by NaN{how})")
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

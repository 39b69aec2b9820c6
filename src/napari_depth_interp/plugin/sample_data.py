"""File > Open Sample: a real MRI, simulated tissue, and scikit-image's cells."""

from __future__ import annotations

from dataclasses import replace

from napari.types import LayerData

from ..demo import example_mri
from ..errors import InputError
from ..evaluation.holdout import keep_every
from ..simulate import simulate
from ..stack import Dataset
from .layers import to_layers


def mri() -> list[LayerData]:
    """Open the MRI of a head that nibabel carries: 24 sections of 96 x 128 pixels."""
    return to_layers(example_mri(), "MRI head")


def organoid() -> list[LayerData]:
    """Open a sparse simulated organoid: every 4th section of a confocal stack."""
    return _sparse("organoid")


def vessels() -> list[LayerData]:
    """Open a sparse simulated vessel tree: every 4th section."""
    return _sparse("vessels")


def dendrites() -> list[LayerData]:
    """Open sparse simulated dendrites: every 4th section."""
    return _sparse("dendrites")


def cells() -> list[LayerData]:
    """Open scikit-image's fluorescent cells; the first time this loads 60 MB from the internet.

    Raises
    ------
    InputError
        If the file cannot be loaded, for example offline.
    """
    from skimage.data import cells3d

    try:
        image = cells3d()
    except Exception as error:  # pooch and the network fail in many ways
        raise InputError(
            f"the sample 'cells3d' (about 60 MB) could not be loaded from the internet ({error}); "
            "connect once, or choose another sample"
        ) from error
    # (z, c, y, x), 0.29 x 0.26 x 0.26 um, as scikit-image's documentation says.
    dataset = Dataset.from_array(image, axes="ZCYX", z_spacing=0.29, pixel_size=(0.26, 0.26), unit="um")
    return to_layers(replace(dataset, channel_names=("membranes", "nuclei")), "cells")


def _sparse(specimen: str) -> list[LayerData]:
    return to_layers(keep_every(simulate(specimen).observed, 4)[0].visible, specimen)

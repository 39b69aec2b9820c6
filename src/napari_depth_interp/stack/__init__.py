"""Sections with known depths, what every method gets and gives; no file and no method is known here."""

from .dataset import Dataset, Source, Stack, to_tczyx, without_voxels
from .grid import SPACING_RTOL, Acquisition, Grid, fine_depths, missing_spacing
from .masks import unmasked

__all__ = [
    "SPACING_RTOL",
    "Acquisition",
    "Dataset",
    "Grid",
    "Source",
    "Stack",
    "fine_depths",
    "missing_spacing",
    "to_tczyx",
    "unmasked",
    "without_voxels",
]

"""Names of files that results are saved in: what a dialog offers, and the suffix that it leaves out."""

from __future__ import annotations

from pathlib import Path

from ... import io

_SUFFIXES = {
    "TIFF": ".tif", "NIfTI": ".nii.gz", "OME-Zarr": ".ome.zarr", "NRRD": ".nrrd", "MetaImage": ".mha",
    "FreeSurfer": ".mgz",
}  # fmt: skip
FILTERS = ";;".join(f"{kind} (*{suffix})" for kind, suffix in _SUFFIXES.items())


def with_suffix(path: str, chosen: str) -> Path:
    """Return a path from a dialog, with the suffix of the chosen kind if it has none that is known."""
    return Path(path if io.format_of(path) else path + _SUFFIXES[chosen.split(" (")[0]])


def beside(path: Path, word: str) -> Path:
    """Return where goes what belongs to a result: ``word`` before the suffix."""
    stem = io.stem_of(path.name)
    return path.with_name(f"{stem}-{word}{path.name[len(stem) :]}")

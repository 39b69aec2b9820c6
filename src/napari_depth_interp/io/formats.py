"""The one table of file formats: names, suffixes, and what has to be installed to read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path


@dataclass(frozen=True)
class Format:
    """One family of files.

    Attributes
    ----------
    key : str
        Short name, as :func:`format_of` gives it.
    title : str
        What people call it.
    module : str
        Of the reader (and writer), below this package.
    suffixes : tuple of str
        Of the files that are stacks by themselves.
    written : bool
        Whether results can be written so.
    result : str
        Suffix for results of files that are only read: what keeps the most of their metadata.
    series : bool
        Whether one file may hold several stacks, chosen as ``FILE::SERIES``.
    placed : bool
        Whether it has a world orientation, so that the section axis can be chosen as in NIfTI.
    """

    key: str
    title: str
    module: str
    suffixes: tuple[str, ...]
    written: bool = False
    result: str = ".ome.tif"
    series: bool = False
    placed: bool = False


FORMATS = (
    Format("tiff", "TIFF", "tiff", (".tif", ".tiff", ".btf"), written=True, series=True),
    Format("companion", "OME companion", "tiff", (".companion.ome",), series=True),
    Format("ndtiff", "Micro-Manager NDTiff", "tiff.folder", (), series=True),
    Format("nifti", "NIfTI", "nifti", (".nii", ".nii.gz"), written=True, placed=True),
    Format("zarr", "OME-Zarr", "zarr", (".ome.zarr", ".zarr"), written=True),
    Format("pair", "NIfTI pair", "nifti", (".hdr",), result=".nii.gz", placed=True),
    Format("nrrd", "NRRD", "scanners.nrrd", (".nrrd", ".nhdr"), written=True, placed=True),
    Format("metaimage", "MetaImage", "scanners.metaimage", (".mha", ".mhd"), written=True, placed=True),
    Format("mgh", "FreeSurfer MGH", "scanners.mgh", (".mgz", ".mgh"), written=True, placed=True),
    Format("minc", "MINC", "scanners.minc", (".mnc",), result=".nii.gz", placed=True),
    Format("dicom", "DICOM", "scanners.dicom", (), result=".nii.gz", series=True, placed=True),
    Format("lsm", "Zeiss LSM", "microscopes.lsm", (".lsm",)),
    Format("czi", "Zeiss CZI", "microscopes.czi", (".czi",), series=True),
    Format("lif", "Leica LIF", "microscopes.lif", (".lif",), series=True),
    Format("nd2", "Nikon ND2", "microscopes.nd2", (".nd2",), series=True),
    Format("oif", "Olympus OIF/OIB", "microscopes.oif", (".oib", ".oif")),
    Format("ims", "Imaris", "microscopes.ims", (".ims",)),
    Format("hdf5", "HDF5", "microscopes.hdf5", (".h5", ".hdf5"), series=True),
    Format("n5", "N5", "microscopes.n5", (".n5",), series=True),
    Format("sequence", "image sequence", "sequence", ()),
)
BY_KEY = {each.key: each for each in FORMATS}
SUFFIXES = {suffix: each.key for each in FORMATS for suffix in each.suffixes}
WRITTEN = tuple(
    suffix for each in FORMATS if each.written for suffix in each.suffixes if suffix not in (".nhdr", ".mhd")
)
"""Suffixes of results; of a format with a head and a file of voxels, the one that holds both."""
FOLDERS = ("zarr", "n5")
"""Formats whose image is a folder with a suffix."""

_PLACEHOLDER = re.compile(r"[*?]|\{[cztCZT]\}")
_SEPARATOR = "::"
_URL = re.compile(r"(https?|s3):/{1,2}(?!/)(.+)", re.IGNORECASE)


def url_of(path: str | PathLike[str]) -> str | None:
    """Return the address of an image on a server, whose slashes a path has taken together; None for a file."""
    match = _URL.match(fspath(path))
    return None if match is None else f"{match[1].lower()}://{match[2]}"


def split_series(path: str | PathLike[str]) -> tuple[Path, str | None]:
    """Return the file and the series that is chosen in it by ``FILE::SERIES``; None if none is.

    A file whose own name holds two colons is found all the same.
    """
    text = fspath(path)
    file, separator, series = text.partition(_SEPARATOR)
    if url_of(text) is not None or not separator or not series or _exists(Path(text)):
        return Path(text), None
    return Path(file), series


def format_of(path: str | PathLike[str]) -> str | None:
    """Return the key of the format, such as ``"tiff"``, or None, judged by the name alone."""
    text = fspath(path)
    file, _, series = text.partition(_SEPARATOR)
    first = _by_suffix(file)
    if series and first is not None and BY_KEY[first].series:
        return first
    return _by_suffix(text) or first


def _by_suffix(text: str) -> str | None:
    name = Path(text).name.lower()
    if _PLACEHOLDER.search(name) and url_of(text) is None and not _exists(Path(text)):
        return "sequence"
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def stem_of(name: str) -> str:
    """Return the name of a file without the suffix of its format."""
    suffix = max((each for each in SUFFIXES if name.lower().endswith(each)), key=len, default="")
    return name[: len(name) - len(suffix)] or name


def result_name(name: str) -> str:
    """Return what the result of a file is called: its own name where its format is written, else another suffix."""
    kind = format_of(name)
    if kind is None or name.lower().endswith(WRITTEN):
        return name
    found = BY_KEY[kind]
    return stem_of(name) + (found.suffixes[0] if found.written else found.result)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False

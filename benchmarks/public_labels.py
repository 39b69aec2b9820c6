"""Public images with labels that people drew, for ``downstream.py --pairs``; ``public_labels.json`` names them.

    python benchmarks/public_labels.py FOLDER --out DIR

FOLDER holds clones of the repositories named there, each under its own name; nothing is downloaded, and nothing of
them is part of this program. Files that are not there are named, those whose SHA-256 differs are refused. DIR gets an
image and its labels as TIFF for each source that is there, and ``pairs.json``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import block_reduce
from skimage.measure import label as connected
from skimage.segmentation import relabel_sequential

from napari_depth_interp import io
from napari_depth_interp.stack import Dataset, Grid


@dataclass(frozen=True)
class Source:
    """An image and its labels.

    Attributes
    ----------
    name, what : str
        Of the image; what is to be seen.
    repository, commit, licence : str
        On GitHub, and what its licence file or its README says.
    image, labels : str
        Paths in the repository, or patterns of sections. In HDF5 the data sets are those of ``data_sets``.
    sha256 : pair of str
        Of the image and of the labels, their files joined in the order of their names.
    voxel_size : triple of float
        Along z, y and x, in ``unit``.
    dark : bool
        Objects are darker than what is around them.
    box : triple of pairs of int
        First and last index (not included) of the part that is used, along z, y and x; empty: all.
    only : tuple of int
        Labels that count; none: all.
    smallest : int
        Voxels under which an object does not count.
    binned : int
        Pixels along y and x that become one.
    mask : bool
        The labels are a mask; its connected parts are the objects.
    membranes : bool
        Electron microscopy whose objects lie between membranes: the network that finds membranes is asked, too.
    teaches : bool
        Not judged: its labels are the membranes that this network learns from.
    """

    name: str
    what: str
    repository: str
    commit: str
    licence: str
    image: str
    labels: str
    sha256: tuple[str, str]
    voxel_size: tuple[float, float, float]
    unit: str = "um"
    data_sets: tuple[str, str] = ("raw", "label")
    dark: bool = False
    box: tuple[tuple[int, int | None], ...] = ()
    only: tuple[int, ...] = ()
    smallest: int = 0
    binned: int = 1
    mask: bool = False
    membranes: bool = False
    teaches: bool = False


SOURCES = tuple(Source(**each) for each in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")))


class SourceError(Exception):
    """A file that is not there, or another than the one that was used."""


def pair(source: Source, folder: Path) -> tuple[Dataset, Dataset]:
    """Return the image and its labels, which are 1, 2 ...

    Raises
    ------
    SourceError
        If a file is not there, or is another one.
    """
    part = tuple(slice(*each) for each in source.box)
    image, labels = (
        _read(_files(folder, source, pattern, sha256), data_set)[part]
        for pattern, sha256, data_set in zip(
            (source.image, source.labels), source.sha256, source.data_sets, strict=True
        )
    )
    labels = connected(labels > 0) if source.mask else labels.astype(np.int64)
    block = (1, source.binned, source.binned)
    if source.binned > 1:
        image = np.rint(block_reduce(image, block, np.mean)).astype(image.dtype)
        labels = labels[:, source.binned // 2 :: source.binned, source.binned // 2 :: source.binned]
    sizes = np.bincount(labels.ravel())
    wanted = np.isin(np.arange(len(sizes)), source.only) if source.only else sizes >= source.smallest
    wanted[0] = False
    objects = relabel_sequential(np.where(wanted[labels], labels, 0))[0].astype(np.uint16)
    return _dataset(image, source), _dataset(objects, source)


def _files(folder: Path, source: Source, pattern: str, sha256: str) -> list[Path]:
    where = folder / source.repository.partition("/")[2]
    found = sorted(where.glob(pattern))
    if not found:
        raise SourceError(
            f"{source.name}: no {where / pattern}; clone github.com/{source.repository} there, commit {source.commit}"
        )
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in found)).hexdigest()
    if digest != sha256:
        raise SourceError(f"{source.name}: {where / pattern} has SHA-256 {digest}, not {sha256}; take {source.commit}")
    return found


def _read(files: Sequence[Path], data_set: str) -> NDArray[Any]:
    suffix = "".join(files[0].suffixes[-2:])
    if suffix.endswith((".h5", ".h5.gz")):
        return _hdf5(files[0], data_set)
    if suffix == ".gipl.gz":
        import SimpleITK  # with ITK only: no other library at hand reads GIPL

        found: NDArray[Any] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files[0])))
        return found
    from skimage.io import imread

    return np.concatenate([_section(imread(each)) for each in files])


def _section(found: NDArray[Any]) -> NDArray[Any]:
    return found[None] if found.ndim == 2 else found


def _hdf5(file: Path, data_set: str) -> NDArray[Any]:
    import io as streams

    import h5py

    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    with h5py.File(streams.BytesIO(content)) as opened:
        found: NDArray[Any] = opened[data_set][...]
        if "transforms" in opened:  # neuroproof: pieces, and what they are pieces of
            pieces, bodies = opened["transforms"][...].T
            whole = np.zeros(max(int(pieces.max()), int(found.max())) + 1, bodies.dtype)
            whole[pieces] = bodies
            found = whole[found]
    return found


def _dataset(voxels: NDArray[Any], source: Source) -> Dataset:
    step, *pixel = source.voxel_size
    grid = Grid(
        depths=np.arange(len(voxels), dtype=np.float64) * step, pixel_size=(pixel[0], pixel[1]), unit=source.unit
    )
    return Dataset(np.ascontiguousarray(voxels)[None, None], grid)


def written(folder: Path, out: Path) -> Iterator[dict[str, Any]]:
    """Write the pairs that are there; yield each as ``pairs.json`` has it."""
    for source in SOURCES:
        try:
            both = pair(source, folder)
        except SourceError as error:
            print(error, file=sys.stderr)
            continue
        stem = source.name.replace(", ", "-").replace(" ", "-")
        files = [f"{stem}-{kind}.tif" for kind in ("image", "labels")]
        for name, dataset in zip(files, both, strict=True):
            io.write(out / name, dataset, overwrite=True)
        about = {"dark": source.dark, "place": source.repository}
        about |= {key: True for key in ("membranes", "teaches") if getattr(source, key)}
        yield {"name": source.name, "image": files[0], "labels": files[1]} | about


def main() -> int:
    """Write what is there; return 1 if nothing is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="clones of the repositories")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="TIFF files and pairs.json")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pairs = list(written(args.folder, args.out))
    (args.out / "pairs.json").write_text(json.dumps(pairs, indent=1) + "\n", encoding="utf-8")
    print(f"{len(pairs)} of {len(SOURCES)} images in {args.out / 'pairs.json'}")
    return int(not pairs)


if __name__ == "__main__":
    sys.exit(main())

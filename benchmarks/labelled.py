"""Public images with labels that people drew, as ``downstream.py --pairs`` takes them: where they lie and their licences.

    python benchmarks/labelled.py FOLDER --out DIR

FOLDER holds clones of the repositories of ``SOURCES``, each under its own name; nothing is downloaded and nothing of
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

Box = tuple[slice, slice, slice]
_WHOLE: Box = (slice(None), slice(None), slice(None))


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
    box : triple of slices
        The part that is used.
    only : tuple of int
        Labels that count; none: all.
    smallest : int
        Voxels under which an object does not count.
    binned : int
        Pixels along y and x that become one.
    mask : bool
        The labels are a mask; its connected parts are the objects.
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
    box: Box = _WHOLE
    only: tuple[int, ...] = ()
    smallest: int = 0
    binned: int = 1
    mask: bool = False


def _ovule(name: str, number: int, sha256: str, pixel: float, step: float) -> Source:
    file = f"stardist/tests/data/{number}_mini.h5"
    return Source(
        name, "nuclei of an ovule, Arabidopsis, confocal", "kreshuklab/go-nuclear",
        "00a2a3bc0113e6cc2214ff7b0bc7685ea360841c", "MIT", file, file, (sha256, sha256), (step, pixel, pixel),
    )  # fmt: skip


def _organoid(name: str, what: str, channel: int, labels: str, sha256: tuple[str, str], *, dark: bool) -> Source:
    return Source(
        name, what, "fmi-basel/LSTree", "1e43a58c376e03ea634bb0ea8145153ab9acda4b", "MIT",
        f"example/data/002-Budding/Channel{channel}-Denoised/002-Ch{channel}-T0301.tif",
        f"example/data/002-Budding/{labels}/002-Ch{channel}-T0301.tif", sha256, (2.0, 0.26, 0.26),
        dark=dark, box=(slice(6, 62), slice(200, 384), slice(210, 394)),
    )  # fmt: skip


SOURCES = (
    _ovule("ovule, nuclei", 1135, "aefcc5103479c959aca022f411c3260df1a5c99a69b0adb03d6bbea19e8afc2f", 0.126786, 0.283718),
    _organoid(
        "organoid, cells", "cells of an intestinal organoid, mouse, light-sheet", 0, "cell_segmentation",
        ("d6b165045dc9121ef5b62e3a9e74deed7fe6445dfa521b4cbfd68ed6c40e9d50", "cbac8924334f2a23f34e652c17bbc634cc57441bb7e52257f7d1be5b62b754f1"), dark=True,
    ),
    _organoid(
        "organoid, nuclei", "its nuclei", 1, "nuclei_segmentation", ("58064bff1db4ab1e757bee07d03656753e9fa727b5cd7708fb644fbe1dda894d", "e75b1854562e072a08d31cc87c0f92216fc33b0e3a1226aa67593d288de53d3b"), dark=False,
    ),
    Source(
        "EM, neurites", "neurites, Drosophila medulla, FIB-SEM", "janelia-flyem/neuroproof_examples",
        "ce839e17deaf4c01153827c6d028dfecfbb4b958", "CC-BY-3.0", "training_sample2/grayscale_maps/*.png",
        "training_sample2/groundtruth.h5.gz", ("db6a4d0b9f3eb66cee808399bdba8d9421c8b3c01bf5c3030242a1df291eeb4c", "0cf869f51c49653d6ae4219ece2bcc20bea6026d1544108eeb5a9cfdd2b9f17a"), (0.008, 0.008, 0.008), data_sets=("", "stack"),
        box=(slice(65), slice(None), slice(None)), smallest=300,
    ),
    Source(
        "ovule, cell walls", "cells of an ovule by their walls, Arabidopsis, confocal", "kreshuklab/plant-seg",
        "9d748063cc9de8d8025aaf691a11483b94a5894c", "MIT", "tests/resources/sample_ovule.h5",
        "tests/resources/sample_ovule.h5", ("904d8e22890beb8d1b42564499019af7cdcb469f0b8ccc5f796fcf26a7c10e5e", "904d8e22890beb8d1b42564499019af7cdcb469f0b8ccc5f796fcf26a7c10e5e"), (0.235, 0.15, 0.15), dark=True,
    ),
    Source(
        "MRI, ventricles", "ventricles of a brain, MRI (T1)", "pyushkevich/itksnap",
        "b107ab02ef488a16f1b9c914e8ed8283a91ba197", "GPL-3.0", "Testing/TestData/MRIcrop-orig.gipl.gz",
        "Testing/TestData/MRIcrop-seg.gipl.gz", ("e2357ab6d70e52b5416513fd0c48c9d1e854d683044e2a693be5ad4944df3d49", "75909d1f39c9cb34f3cbb3ccc8d5b618bb59deeceb36cb0a38329ef45efda0a3"), (1.0, 1.0, 1.0), "mm", dark=True,
        only=(1, 2, 3, 6),
    ),
    Source(
        "EM, mitochondria", "mitochondria, nerve cord of a Drosophila larva, serial-section TEM",
        "unidesigner/groundtruth-drosophila-vnc", "4a5f051466d24d8dc1e855ab55658bb1b1dcd6bf", "CC-BY-NC-SA-3.0",
        "stack1/raw/*.tif", "stack1/mitochondria/*.png", ("7c832721c016248c0b2fcd2ad403ba84ca6aef969ac98809617237e71d48ca4f", "242a43d53bb2ead7438e4d6c00b3a284bd2fe480c181c7efbef15937a00bf52d"), (0.05, 0.0368, 0.0368), dark=True,
        smallest=20, binned=8, mask=True,
    ),
    _ovule("ovule 2, nuclei", 1136, "0dc53007c490e3ddc0fec28409ff4e76e12963e7f06ba1adf3ff23301a001e4c", 0.127570, 0.283718),
    _ovule("ovule 3, nuclei", 1137, "b0846296d4442658d14f9901fef734ed7b03a91f14993163dc7d57e5e3fdd521", 0.126621, 0.283718),
    _ovule("ovule 4, nuclei", 1139, "28be5188d9ef2f09b103ad86ada41ca78531764d2b41e39a5061086bf8a62d6b", 0.126743, 0.279904),
    _ovule("ovule 5, nuclei", 1170, "47e98dec442f8cf790d2acf05d47a78edd9e7fdad11eeb00e7de8aadbc0a45b7", 0.126985, 0.277996),
)  # fmt: skip


class SourceError(Exception):
    """A file that is not there, or another than the one that was used."""


def pair(source: Source, folder: Path) -> tuple[Dataset, Dataset]:
    """Return the image and its labels, which are 1, 2 ...

    Raises
    ------
    SourceError
        If a file is not there, or is another one.
    """
    image, labels = (
        _read(_files(folder, source, pattern, sha256), data_set)[source.box]
        for pattern, sha256, data_set in zip(
            (source.image, source.labels), source.sha256, source.data_sets, strict=True
        )
    )
    if source.mask:
        labels = connected(labels > 0)
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
    grid = Grid(depths=np.arange(len(voxels)) * step, pixel_size=(pixel[0], pixel[1]), unit=source.unit)
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
        yield {"name": source.name, "image": files[0], "labels": files[1], "dark": source.dark}


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

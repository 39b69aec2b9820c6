"""Damaged and odd files of microscopes and scanners, HDF5, N5 and image sequences."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import imagecodecs
import nibabel
import numpy as np
import pydicom
from cases import SHAPE, Folder, deflated_zeros, gzipped_zeros, stack
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless

import microscope_files

STACK = stack()


def nrrd(sizes: str = "20 24 4", **fields: str) -> bytes:
    """Return a sound NRRD file, or one with other fields."""
    words = {
        "type": "uint16", "dimension": "3", "space": "right-anterior-superior", "sizes": sizes,
        "space directions": "(0.5,0,0) (0,0.5,0) (0,0,2)", "encoding": "gzip", "endian": "little",
        "space origin": "(0,0,0)",
    }  # fmt: skip
    words |= {key.replace("_", " "): value for key, value in fields.items()}
    head = "NRRD0005\n" + "".join(f"{key}: {value}\n" for key, value in words.items()) + "\n"
    return head.encode() + gzip.compress(STACK.tobytes(), mtime=0)


def mha(data: bytes | None = None, **fields: str) -> bytes:
    """Return a sound MetaImage file, or one with other fields."""
    words = {
        "NDims": "3", "DimSize": "20 24 4", "ElementSpacing": "0.5 0.5 2", "ElementType": "MET_USHORT",
        "TransformMatrix": "-1 0 0 0 -1 0 0 0 1", "Offset": "0 0 0", "CompressedData": "True",
    }  # fmt: skip
    words |= {"ElementDataFile": "LOCAL"} | fields
    where = words.pop("ElementDataFile")
    head = "".join(f"{key} = {value}\n" for key, value in words.items()) + f"ElementDataFile = {where}\n"
    return head.encode() + (zlib.compress(STACK.tobytes()) if data is None else data)


def mgz() -> bytes:
    image = nibabel.freesurfer.MGHImage(STACK.transpose().astype(np.int16), np.diag([0.5, 0.5, 2, 1]))
    return gzip.compress(image.to_bytes(), mtime=0)


def dicom(**fields: object) -> bytes:
    """Return one image of many frames."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID, made.SeriesInstanceUID, made.Modality = "1.2.3", "1.2", "CT"
    made.NumberOfFrames, made.Rows, made.Columns, made.SamplesPerPixel = SHAPE[0], SHAPE[1], SHAPE[2], 1
    made.PhotometricInterpretation, made.PixelRepresentation, made.BitsAllocated = "MONOCHROME2", 0, 16
    made.BitsStored, made.HighBit, made.PixelSpacing, made.SpacingBetweenSlices = 16, 15, [0.5, 0.5], 2
    made.PixelData = STACK.tobytes()
    for key, value in fields.items():
        setattr(made.file_meta if key == "TransferSyntaxUID" else made, key, value)
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def made(write: Callable[[Path], object], folder: Folder, name: str) -> bytes:
    """Return the bytes of a file that a function writes."""
    folder.root.mkdir(parents=True, exist_ok=True)
    path = folder.root / name
    write(path)
    data = path.read_bytes()
    path.unlink()
    return data


def bases(folder: Folder) -> dict[str, bytes]:
    """Return a sound file of each format that is one file."""
    five = STACK[None, None]
    return {
        "in.nrrd": nrrd(), "in.mha": mha(), "in.mgz": mgz(), "in.dcm": dicom(),
        "in.lif": made(lambda path: microscope_files.lif(path, {"a": five}, steps={"Z": 2e-6}), folder, "a.lif"),
        "in.czi": made(lambda path: microscope_files.czi_file(path, [five]), folder, "a.czi"),
        "in.ims": made(lambda path: microscope_files.ims(path, five), folder, "a.ims"),
        "in.h5": made(_hdf5, folder, "a.h5"),
    }  # fmt: skip


def _hdf5(path: Path, name: str = "raw", **options: object) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, **({"data": STACK, "compression": "gzip"} | options))
        file[name].attrs["element_size_um"] = [2.0, 0.5, 0.5]


def deflated(content: bytes) -> bytes:
    """Return a DICOM file that is packed as a whole, of this content."""
    sound = dicom(TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    (length,) = struct.unpack_from("<I", sound, 140)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return sound[: 144 + length] + packer.compress(content) + packer.flush()


def oib(second: int) -> bytes:
    """Return a compound file whose sector 2 is followed by another one."""
    head = struct.pack("<8s16xHHHHH6x", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, 2**32 - 2, 0, 2**32 - 2, 0) + struct.pack("<I", 0)
    table = [2**32 - 3, 2, second, *[2**32 - 1] * 125]
    return head + b"\xff" * (512 - len(head)) + struct.pack("<128I", *table) + bytes(2 * 512)


def czi_with(xml: bytes, folder: Folder) -> bytes:
    """Return a CZI file with other metadata."""
    data = bytearray(made(lambda path: microscope_files.czi_file(path, [STACK[None, None]]), folder, "a.czi"))
    struct.pack_into("<q", data, 92, len(data))
    size = 256 + len(xml)
    return bytes(data) + struct.pack("<16sqqi252x", b"ZISRAWMETADATA", size, size, len(xml)) + xml


def _packed(folder: Folder) -> None:
    """Files that are small, and large or endless once they are read."""
    folder.add("bombs", "DICOM, 1 GB deflated", "in.dcm", deflated(bytes(2**30)))
    folder.add("other formats, lying sizes", "OIB, sectors in a circle", "in.oib", oib(1))
    folder.add("other formats, lying sizes", "OIB, a sector that follows itself", "in.oib", oib(2))
    folder.add("other formats, lying sizes", "OIB, sectors that are not there", "in.oib", oib(2**31))
    folder.add("other formats, lying sizes", "DICOM 99999 frames", "in.dcm", dicom(NumberOfFrames=99999))
    for name, xml in (
        ("nested deeply", b"<a>" * 100_000 + b"</a>" * 100_000),
        ("with entities", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("in no language", bytes(range(256))),
    ):
        folder.add("other formats, lying sizes", f"CZI, XML {name}", "in.czi", czi_with(xml, folder))

    def endless(path: Path) -> None:
        microscope_files.ims(path, STACK[None, None])
        with h5py.File(path, "r+") as file:
            times = file["DataSet/ResolutionLevel 0"]
            for number in range(1, 12_000):
                times[f"TimePoint {number}"] = times["TimePoint 0"]

    folder.add("HDF5", "Imaris, 12000 time points", "in.ims", endless)


def _olympus(folder: Folder) -> None:
    def write(path: Path, change: Callable[[Path], object]) -> None:
        microscope_files.oif(path, STACK[None])
        change(path.with_name(f"{path.name}.files") / "s_C001Z002.tif")

    for name, change, expect in (
        ("sound", lambda plane: plane, "ok"),
        ("without a section", lambda plane: plane.unlink(), "error"),
        ("a section cut off", lambda plane: os.truncate(plane, 300), "error"),
        ("a section that is /dev/zero", lambda plane: (plane.unlink(), plane.symlink_to("/dev/zero")), "error"),
        ("a section that is a pipe", lambda plane: (plane.unlink(), os.mkfifo(plane)), "error"),
    ):
        folder.add("other formats, lying sizes", f"OIF {name}", "in.oif", lambda path, c=change: write(path, c), expect)


def add(folder: Folder) -> None:
    """Add all cases."""
    files = bases(folder)
    _sound(folder, files)
    for name, data in files.items():
        _cut(folder, name, data)
        _flipped(folder, name, data)
    _lies(folder)
    _paths(folder)
    _hierarchies(folder)
    _folders(folder)
    _packed(folder)
    _olympus(folder)


def _sound(folder: Folder, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        folder.add("other formats sound", name, name, data, "either" if name == "in.dcm" else "ok")


def _cut(folder: Folder, name: str, data: bytes) -> None:
    size = len(data)
    for keep in sorted({1, 4, 12, 200, size // 4, size // 2, size - 40}):
        folder.add("other formats cut off", f"{name}, {keep} of {size} bytes", name, data[:keep], "either")


def _flipped(folder: Folder, name: str, data: bytes) -> None:
    rng = np.random.default_rng(9)
    for number in range(4):
        spoiled = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(0, min(len(data), 4000), 2 + 6 * number)
        spoiled[places] = rng.integers(0, 256, len(places))
        folder.add("other formats, bytes changed", f"{name}, {len(places)}", name, spoiled.tobytes(), "either")


def _lies(folder: Folder) -> None:
    zeros = gzipped_zeros()
    huge = "100000 100000 1000"
    for name, data in (
        ("NRRD sizes 10^13", nrrd(huge)), ("NRRD negative sizes", nrrd("-20 24 4")),
        ("NRRD sizes that overflow", nrrd("4294967296 4294967296 4")), ("NRRD of 16 axes", nrrd(dimension="16")),
        ("NRRD, larger than its data", nrrd("2000 2400 40")), ("NRRD skips -5 bytes", nrrd(byte_skip="-5")),
        ("NRRD skips 10^9 lines", nrrd(line_skip="1000000000")), ("NRRD block type", nrrd(type="block")),
        ("NRRD singular", nrrd(space_directions="(1,0,0) (1,0,0) (0,0,2)")),
        ("NRRD NaN", nrrd(space_directions="(nan,0,0) (0,inf,0) (0,0,2)")),
        ("NRRD header without end", b"NRRD0004\n" + b"# x\n" * 400_000),
    ):  # fmt: skip
        folder.add("other formats, lying sizes", name, "in.nrrd", data)
    folder.add("bombs", "NRRD, 256 MB after the voxels", "in.nrrd", nrrd().split(b"\x1f\x8b")[0] + zeros, "either")
    for name, data in (
        ("MetaImage sizes 10^13", mha(DimSize=huge)), ("MetaImage of 9 axes", mha(NDims="9")),
        ("MetaImage, no sizes", mha(DimSize="")), ("MetaImage of -3 axes", mha(NDims="-3")),
        ("MetaImage, 10^9 channels", mha(ElementNumberOfChannels="1000000000")),
        ("MetaImage, wrong matrix", mha(TransformMatrix="1 0 0")), ("MetaImage, text", mha(BinaryData="False")),
        ("MetaImage, spacing 0", mha(ElementSpacing="0 0 0")), ("MetaImage, no end", b"ObjectType = Image\n" * 90_000),
    ):  # fmt: skip
        folder.add("other formats, lying sizes", name, "in.mha", data)
    folder.add("bombs", "MetaImage, 200 MB after the voxels", "in.mha", mha(deflated_zeros()), "either")
    head = bytearray(gzip.decompress(mgz()))
    for name, values in (
        ("10^9 frames", (20, 24, 4, 10**9)),
        ("negative", (-20, 24, 4, 1)),
        ("2^31", (2**31 - 1,) * 4),
    ):
        struct.pack_into(">4i", head, 4, *values)
        folder.add("other formats, lying sizes", f"MGH {name}", "in.mgz", gzip.compress(bytes(head), mtime=0))
    for name, fields in (
        ("65535 x 65535 pixels", {"Rows": 65535, "Columns": 65535}), ("10^9 frames", {"NumberOfFrames": 10**9}),
        ("twice the frames", {"NumberOfFrames": 8}), ("no pixels", {"PixelData": b""}),
        ("JPEG 2000 that is none", {"TransferSyntaxUID": JPEG2000Lossless}),
    ):  # fmt: skip
        folder.add("other formats, lying sizes", f"DICOM {name}", "in.dcm", _or_plain(fields), "error")


def _or_plain(fields: dict[str, object]) -> bytes:
    if "TransferSyntaxUID" in fields:
        return dicom(PixelData=pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(90)] * 4), **fields)
    return dicom(**fields)


def _paths(folder: Folder) -> None:
    """Headers that lead out of their folder."""
    for name in ("../../outside.raw", "/etc/passwd", "/dev/zero", "x\0y", "LIST 2", "%04d.raw 1 9 1"):
        data = nrrd(encoding="raw", data_file=name).split(b"\n\n")[0] + b"\n"
        folder.add("paths in headers", f"NRRD {name!r}", "in.nhdr", data)
        folder.add(
            "paths in headers", f"MetaImage {name!r}", "in.mhd", mha(b"", CompressedData="False", ElementDataFile=name)
        )


def _hierarchies(folder: Folder) -> None:
    def external(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", SHAPE, np.uint16, external=[("/etc/passwd", 0, STACK.nbytes)])

    def linked(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["raw"] = h5py.ExternalLink("/etc/passwd", "/raw")

    def circle(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["a/b"] = file["/"] if "a" in file else np.arange(4)
            file["a/c"] = file["/"]

    def objects(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", SHAPE, h5py.string_dtype())

    for name, write in (
        ("voxels in /etc/passwd", external), ("link to /etc/passwd", linked), ("groups in a circle", circle),
        ("text", objects),
        ("10^13 voxels, none there", lambda path: _hdf5(path, data=None, shape=(10**5, 10**5, 10**3), dtype="u2",
                                                        chunks=(1, 64, 64))),
        ("chunks of 4 GB", lambda path: _hdf5(path, data=None, shape=(8, 2**16, 2**13), dtype="u2",
                                              chunks=(4, 2**16, 2**13 - 1))),
    ):  # fmt: skip
        folder.add("HDF5", name, "in.h5", write)


def _n5(path: Path, said: dict[str, object] | None = None, block: bytes | None = None) -> None:
    path.mkdir()
    attributes = {
        "dimensions": SHAPE[::-1], "blockSize": SHAPE[::-1], "dataType": "uint16", "compression": {"type": "gzip"},
        "pixelResolution": {"dimensions": [0.5, 0.5, 2], "unit": "um"},
    }  # fmt: skip
    (path / "attributes.json").write_text(json.dumps(attributes | (said or {})))
    (path / "0" / "0").mkdir(parents=True)
    head = struct.pack(">HH3I", 0, 3, *SHAPE[::-1])
    (path / "0" / "0" / "0").write_bytes(
        head + gzip.compress(STACK.astype(">u2").tobytes()) if block is None else block
    )


def _folders(folder: Folder) -> None:
    head = struct.pack(">HH3I", 0, 3, *SHAPE[::-1])
    folder.add("N5 and sequences", "N5, sound", "in.n5", _n5, "ok")
    for name, said, block in (
        ("N5 of 10^13 voxels", {"dimensions": [10**5, 10**5, 10**3]}, None),
        ("N5 blocks of 4 GB", {"blockSize": [2**11, 2**11, 2**9]}, None),
        ("N5 without an axis", {"dimensions": []}, None),
        ("N5 of objects", {"dataType": "object"}, None),
        ("N5, unknown codec", {"compression": {"type": "pickle"}}, None),
        ("N5, block cut off", {}, head[:9]),
        ("N5, block without data", {}, head),
        ("N5, block of other sizes", {}, struct.pack(">HH3I", 0, 3, 2**31, 2, 2)),
    ):
        folder.add("N5 and sequences", name, "in.n5", lambda path, s=said, b=block: _n5(path, s, b))
    folder.add(
        "N5 and sequences",
        "N5, a bomb",
        "in.n5",
        lambda path: _n5(path, {}, head + gzipped_zeros()),
        "either",
    )
    for name, write in (
        ("PNG of 10^10 pixels", _png_bomb), ("images of two sizes", _two_sizes), ("one is text", _one_is_text),
    ):  # fmt: skip
        folder.add("N5 and sequences", name, "in", write, options=("--z-spacing", "2um"))


def _pngs(path: Path) -> None:
    path.mkdir()
    for number, section in enumerate(STACK):
        (path / f"{number}.png").write_bytes(imagecodecs.png_encode(section))


def _png_bomb(path: Path) -> None:
    _pngs(path)
    for number in range(4):
        data = bytearray((path / f"{number}.png").read_bytes())
        struct.pack_into(">II", data, 16, 100_000, 100_000)
        struct.pack_into(">I", data, 29, zlib.crc32(bytes(data[12:29])))
        (path / f"{number}.png").write_bytes(bytes(data))


def _two_sizes(path: Path) -> None:
    _pngs(path)
    (path / "2.png").write_bytes(imagecodecs.png_encode(STACK[2, :5]))


def _one_is_text(path: Path) -> None:
    _pngs(path)
    (path / "2.png").write_text("no image")
    os.utime(path / "2.png")

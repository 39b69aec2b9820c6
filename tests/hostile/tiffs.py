"""Damaged and odd TIFF files."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import tifffile
from cases import SHAPE, Folder, deflated_zeros, stack

_IMAGEJ = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
_OME = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}


def _written(**options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, stack(), photometric="minisblack", **options)
    return buffer.getvalue()


def imagej(**metadata) -> bytes:
    return _written(imagej=True, resolution=(2, 2), metadata=_IMAGEJ | metadata)


def ome(**options) -> bytes:
    return _written(ome=True, metadata=_OME, **options)


def bases() -> dict[str, bytes]:
    """Return sound files of all layouts that are read in different ways."""
    return {
        "ImageJ": imagej(),
        "OME": ome(),
        "BigTIFF": ome(bigtiff=True),
        "big-endian": _written(imagej=True, metadata=_IMAGEJ, byteorder=">"),
        "deflated tiles": ome(compression="zlib", tile=(16, 16)),
    }


def tags(data: bytes) -> dict[int, int]:
    """Return where the 12-byte entries of the first directory of a little-endian classic TIFF are."""
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    places = [start + 2 + 12 * i for i in range(count)]
    return {struct.unpack_from("<H", data, place)[0]: place for place in places}


def patched(data: bytes, tag: int, value: int, *, kind: int | None = None, count: int | None = None) -> bytes:
    """Change one entry of the first directory."""
    changed, place = bytearray(data), tags(data)[tag]
    if kind is not None:
        struct.pack_into("<H", changed, place + 2, kind)
    if count is not None:
        struct.pack_into("<I", changed, place + 4, count)
    struct.pack_into("<I", changed, place + 8, value)
    return bytes(changed)


def add(folder: Folder) -> None:
    """Add all kinds of TIFF files."""
    _truncated(folder)
    _magic(folder)
    _lies(folder)
    _cycles(folder)
    _endianness(folder)
    _xml(folder)
    _words(folder)
    _flips(folder)
    _bombs(folder)


def _truncated(folder: Folder) -> None:
    for name, data in bases().items():
        size = len(data)
        for keep in sorted({0, 1, 4, 7, 12, size // 4, size // 2, size - 300, size - 1}):
            options = ("--z-spacing", "2um")
            folder.add("TIFF cut off", f"{name}, {keep} of {size} bytes", "in.tif", data[:keep], "either", options)


def _magic(folder: Folder) -> None:
    data = imagej()
    for name, start in {
        "zeros": bytes(4), "text": b"not a TIFF", "PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff\xe0",
        "version 44": b"II\x2c\0", "mixed order": b"IM*\0", "zip": b"PK\x03\x04", "HDF5": b"\x89HDF\r\n",
    }.items():  # fmt: skip
        folder.add("TIFF wrong magic", name, "in.tif", start + data[len(start) :])


def _lies(folder: Folder) -> None:
    for name, data in (("ImageJ", imagej()), ("deflated", ome(compression="zlib", rowsperstrip=8))):
        for what, tag, value in (
            ("width 2^31", 256, 2**31), ("height 2^31", 257, 2**31), ("width 0", 256, 0), ("height 0", 257, 0),
            ("width 60000", 256, 60000), ("height 4 million", 257, 4_000_000),
        ):  # fmt: skip
            folder.add("TIFF lying header", f"{name}, {what}", "in.tif", patched(data, tag, value, kind=4))
        folder.add("TIFF lying header", f"{name}, 255 bits", "in.tif", patched(data, 258, 255, kind=3, count=1))
        folder.add("TIFF lying header", f"{name}, 65535 samples", "in.tif", patched(data, 277, 65535), "error")
        folder.add("TIFF lying header", f"{name}, compression 9999", "in.tif", patched(data, 259, 9999), "error")
        far = patched(data, 273, len(data) + 1000, kind=4, count=1)
        folder.add("TIFF lying header", f"{name}, data beyond the end", "in.tif", far)


def _cycles(folder: Folder) -> None:
    data = ome()
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        offsets = [page.offset for page in tif.pages]
    for name, source, target in (
        ("first on itself", 0, 0), ("last on first", -1, 0), ("second on itself", 1, 1), ("second on first", 1, 0),
    ):  # fmt: skip
        changed = bytearray(data)
        start = offsets[source]
        entries = struct.unpack_from("<H", data, start)[0]
        struct.pack_into("<I", changed, start + 2 + 12 * entries, offsets[target])
        folder.add("TIFF cyclic directories", name, "in.tif", bytes(changed))
    changed = bytearray(data)
    struct.pack_into("<I", changed, 4, 0)
    folder.add("TIFF cyclic directories", "no directory at all", "in.tif", bytes(changed))
    struct.pack_into("<I", changed, 4, 2)
    folder.add("TIFF cyclic directories", "directory in the header", "in.tif", bytes(changed))


def _endianness(folder: Folder) -> None:
    for name, data in bases().items():
        swapped = {b"II": b"MM", b"MM": b"II"}[data[:2]]
        folder.add("TIFF wrong endianness", f"{name}, order swapped", "in.tif", swapped + data[2:])
        magic = struct.unpack("<H" if data[:2] == b"II" else ">H", data[2:4])[0]
        both = swapped + struct.pack(">H" if data[:2] == b"II" else "<H", magic) + data[4:]
        folder.add("TIFF wrong endianness", f"{name}, order and version swapped", "in.tif", both)


_PIXELS = (
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="20" SizeY="24" SizeZ="{z}" SizeC="1" '
    'SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="{spacing}">{inner}</Pixels>'
)
_ROOT = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">{pixels}</Image></OME>'
_DATA = '<TiffData IFD="0" PlaneCount="4"/>'


def described(z="4", spacing="2.0", inner=_DATA, before="") -> str:
    """Return an OME-XML of the stack."""
    return before + _ROOT.format(pixels=_PIXELS.format(z=z, spacing=spacing, inner=inner))


def _with_description(text: str) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for number, plane in enumerate(stack()):
            description = text.encode() if number == 0 else None
            writer.write(plane, photometric="minisblack", description=description, metadata=None)
    return buffer.getvalue()


def _xml(folder: Folder) -> None:
    laughs = "".join(
        f'<!ENTITY l{i} "{"&l" + str(i - 1) + ";" if i else "ha"}{("&l" + str(i - 1) + ";") * 9 if i else ""}">'
        for i in range(10)
    )
    away = '<TiffData IFD="0"><UUID FileName="{}">urn:uuid:1</UUID></TiffData>'
    for name, text, expect in (
        ("sound", described(), "ok"),
        ("external entity", described(before='<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "either"),
        ("entity used", described(spacing="&x;", before='<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
         "either"),
        ("remote DTD", described(before='<!DOCTYPE o SYSTEM "http://192.0.2.1/o.dtd">'), "either"),
        ("a billion laughs", described(spacing="&l9;", before=f"<!DOCTYPE o [{laughs}]>"), "either"),
        ("cut off", described()[:-40], "either"),
        ("no element closed", "<OME>" * 5000, "either"),
        ("nested deeply", "<OME>" * 20000 + "</OME>" * 20000, "either"),
        ("another set's file missing", described(inner=away.format("gone.ome.tif")), "error"),
        ("file outside the folder", described(inner=away.format("../../../../etc/passwd")), "error"),
        ("file of an absolute name", described(inner=away.format("/etc/passwd")), "error"),
        ("a million sections", described(z="1000000"), "error"),
        ("sections are no number", described(z="four"), "error"),
        ("negative sections", described(z="-4"), "error"),
        ("spacing 0", described(spacing="0"), "error"),
        ("spacing negative", described(spacing="-2"), "ok"),
        ("spacing NaN", described(spacing="NaN"), "error"),
        ("spacing infinite", described(spacing="INF"), "error"),
        ("spacing 1e400", described(spacing="1e400"), "error"),
        ("spacing in words", described(spacing="two"), "error"),
        ("zero bytes inside", described().replace("Image:0", "Image\0"), "either"),
    ):  # fmt: skip
        folder.add("OME-XML", name, "in.ome.tif", _with_description(text), expect)


def _words(folder: Folder) -> None:
    """ImageJ's description is plain text that anybody can write."""

    def worded(**words: object) -> bytes:
        lines = {"images": 4, "slices": 4, "unit": "um", "spacing": 2.0, "loop": "false"} | words
        text = "ImageJ=1.53k\n" + "".join(f"{key}={value}\n" for key, value in lines.items() if value is not None)
        return _with_description(text)

    for name, words, expect in (
        ("sound", {}, "ok"),
        ("images a million million", {"images": 10**12, "slices": 10**12}, "error"),
        ("negative images", {"images": -4, "slices": -4}, "either"),
        ("slices is text", {"slices": "many"}, "either"),
        ("frames x slices too many", {"frames": 10**9}, "error"),
        ("channels 0", {"channels": 0}, "either"),
        ("spacing 0", {"spacing": 0}, "error"),
        ("spacing negative", {"spacing": -2.0}, "ok"),
        ("spacing nan", {"spacing": "nan"}, "error"),
        ("spacing inf", {"spacing": "inf"}, "error"),
        ("spacing 1e-320", {"spacing": "1e-320"}, "either"),
        ("spacing 1e308", {"spacing": "1e308"}, "either"),
        ("unit of a stranger", {"unit": "parsec" * 50}, "either"),
        ("unit escaped", {"unit": "\\u00B5m"}, "ok"),
        ("unit of controls", {"unit": "\x01\x02"}, "either"),
    ):  # fmt: skip
        folder.add("ImageJ description", name, "in.tif", worded(**words), expect)


def _flips(folder: Folder) -> None:
    rng = np.random.default_rng(5)
    for name, data in bases().items():
        for number in range(6):
            changed = np.frombuffer(data, np.uint8).copy()
            places = rng.integers(0, len(changed) if number < 3 else 300, 1 + 3 * number)
            changed[places] = rng.integers(0, 256, len(places))
            folder.add("TIFF bytes changed", f"{name}, {len(places)}", "in.tif", changed.tobytes(), "either")


def _bombs(folder: Folder) -> None:
    """Strips that expand to far more than they should."""
    bomb = deflated_zeros()
    for name, options in {"strip": {"rowsperstrip": 24}, "tile": {"tile": (32, 32)}}.items():
        data = ome(compression="zlib", **options)
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            offsets, counts = (324, 325) if name == "tile" else (273, 279)
            assert offsets in tif.pages[0].tags
        data += b"\0" * (len(data) % 2)
        changed = patched(data, offsets, len(data), kind=4, count=1)
        if name == "tile":
            changed = patched(changed, counts, len(bomb), kind=4, count=1)
        else:
            changed = patched(changed, counts, len(bomb), kind=4, count=1)
        folder.add("bombs", f"TIFF {name} of 200 MB", "in.tif", changed + bomb, "either")


def truth() -> tuple[int, ...]:
    return SHAPE


def special(folder: Folder) -> None:
    """Values that cannot be interpolated."""
    for what, value in {"NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf}.items():
        for format_name, suffix in (("TIFF", "in.tif"),):
            voxels = stack("float32")
            voxels[1, 2, 3] = value
            expect = "ok" if what == "NaN" else "error"

            def write(path: Path, voxels=voxels) -> None:
                tifffile.imwrite(path, voxels, imagej=True, metadata=_IMAGEJ)

            folder.add("NaN and Inf", f"{format_name}, one {what}", suffix, write)
            folder.add(
                "NaN and Inf", f"{format_name}, one {what}, --nan fill", suffix, write, expect.replace("ok", "either"),
                ("--nan", "fill"),
            )  # fmt: skip


def paths(folder: Folder, outside: Path) -> None:
    """Odd names, links, and things that are no files."""
    data = imagej()
    for name in (
        "with spaces .tif", "ünïcödé 漢字 🧠.tif", "two\nlines.tif", "-dash.tif", "100%s{0}.tif", "'quotes\".tif",
        "UPPER.TIF", "dots...tif", "tab\there.tif", "\u202eright to left.tif", "x" * 240 + ".tif",
    ):  # fmt: skip
        folder.add("odd names", repr(name[:40]), name, data, "ok")
    outside.mkdir(parents=True, exist_ok=True)
    (outside / "real.tif").write_bytes(data)
    (outside / "folder.tif").mkdir()
    for name, target, expect in (
        ("to a file outside", outside / "real.tif", "ok"), ("dangling", outside / "gone.tif", "error"),
        ("to itself", Path("in.tif"), "error"), ("to a folder", outside / "folder.tif", "error"),
        ("to /dev/zero", Path("/dev/zero"), "error"), ("to /dev/null", Path("/dev/null"), "error"),
        ("to /etc/passwd", Path("/etc/passwd"), "error"),
    ):  # fmt: skip
        folder.add("symlinks", name, "in.tif", lambda path, target=target: path.symlink_to(target), expect)
    for suffix in ("tif", "nii", "nii.gz", "btf"):
        folder.add("no files", f"a directory named x.{suffix}", f"x.{suffix}", lambda path: path.mkdir())
    for suffix in ("tif", "nii.gz"):
        folder.add("no files", f"a pipe named x.{suffix}", f"x.{suffix}", lambda path: os.mkfifo(path))
    folder.add("no files", "a file named x.zarr", "x.zarr", data)
    folder.add("no files", "a text with a wrong suffix", "x.tif.txt", data)

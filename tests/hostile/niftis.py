"""Damaged and odd NIfTI files."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
from cases import Folder, gzipped_zeros, stack


def nifti(dtype: str = "uint16", order: str = "<") -> bytes:
    """Return a sound NIfTI-1 file."""
    header = nibabel.Nifti1Header(endianness=order)
    voxels = stack(dtype).transpose()
    image = nibabel.Nifti1Image(voxels, np.diag([0.5, 0.5, 2.0, 1.0]), header)
    image.header.set_xyzt_units("mm")
    return image.to_bytes()


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def changed(kind: str, place: int, *values: float, data: bytes | None = None) -> bytes:
    """Write values over a header."""
    result = bytearray(data or nifti())
    struct.pack_into(f"<{len(values)}{kind}", result, place, *values)
    return bytes(result)


def add(folder: Folder) -> None:
    """Add all kinds of NIfTI files."""
    _truncated(folder)
    _sizes(folder)
    _geometry(folder)
    _bombs(folder)
    _order(folder)
    _extensions(folder)
    _values(folder)
    _flips(folder)


def _truncated(folder: Folder) -> None:
    for name, data in (("in.nii", nifti()), ("in.nii.gz", gz(nifti()))):
        size = len(data)
        for keep in sorted({0, 1, 3, 10, min(347, size - 2), min(352, size - 1), size // 2, size - 9, size - 1}):
            folder.add("NIfTI cut off", f"{name}, {keep} of {size} bytes", name, data[:keep])


def _sizes(folder: Folder) -> None:
    for name, data in (
        ("sizeof_hdr 0", changed("i", 0, 0)), ("sizeof_hdr 349", changed("i", 0, 349)),
        ("no magic", changed("B", 344, 0, 0, 0, 0)), ("magic of a pair", changed("B", 344, *b"ni1\0")),
        ("no axes", changed("h", 40, 0)), ("8 axes", changed("h", 40, 8)), ("-3 axes", changed("h", 40, -3)),
        ("x is 0", changed("h", 42, 0)), ("x is -20", changed("h", 42, -20)), ("z is 5", changed("h", 46, 5)),
        ("32767 cubed", changed("h", 42, 32767, 32767, 32767)),
        ("7 axes of 32767", changed("h", 40, 7, *[32767] * 7)),
        ("type 0", changed("h", 70, 0)), ("type 9999", changed("h", 70, 9999)), ("binary type", changed("h", 70, 1)),
        ("RGB", changed("h", 70, 128)), ("complex", changed("h", 70, 32)), ("float128", changed("h", 70, 1536)),
        ("float64 instead of uint16", changed("h", 70, 64)),
        ("voxels at -352", changed("f", 108, -352.0)), ("voxels at NaN", changed("f", 108, np.nan)),
        ("voxels at 1e30", changed("f", 108, 1e30)), ("voxels at 352.5", changed("f", 108, 352.5)),
        ("voxels at 2 GB", changed("f", 108, 2.0**31)),
    ):  # fmt: skip
        folder.add("NIfTI wrong sizes", name, "in.nii", data)


def _geometry(folder: Folder) -> None:
    no_form = changed("h", 252, 0, 0)  # only pixdim counts
    for name, data, expect in (
        ("z spacing 0", changed("f", 88, 0.0, data=no_form), "either"),
        ("z spacing negative", changed("f", 88, -2.0, data=no_form), "ok"),
        ("z spacing NaN", changed("f", 88, np.nan, data=no_form), "either"),
        ("z spacing infinite", changed("f", 88, np.inf, data=no_form), "either"),
        ("z spacing 1e-38", changed("f", 88, 1e-38, data=no_form), "either"),
        ("pixels 0", changed("f", 80, 0.0, 0.0, data=no_form), "either"),
        ("sform NaN", changed("f", 280, *[np.nan] * 12), "error"),
        ("sform zero", changed("f", 280, *[0.0] * 12), "error"),
        ("sform singular", changed("f", 280, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0), "error"),
        ("sform 1e38", changed("f", 280, 1e38, 0, 0, 0, 0, 1e38, 0, 0, 0, 0, 1e38, 0), "either"),
        ("quaternion of 9", changed("f", 256, 9.0, 9.0, 9.0, data=changed("h", 252, 1, 0)), "error"),
        ("form codes 77", changed("h", 252, 77, 77), "either"),
        ("scaling NaN", changed("f", 112, np.nan, np.nan), "either"),
        ("slope 1, intercept NaN", changed("f", 112, 1.0, np.nan), "error"),
        ("slope 1e38", changed("f", 112, 1e38, 1e38), "either"),
        ("slope infinite", changed("f", 112, np.inf, 0.0), "either"),
        ("units 255", changed("B", 123, 255), "either"),
    ):
        folder.add("zero and odd spacing", name, "in.nii", data, expect)


def _bombs(folder: Folder) -> None:
    zeros = gzipped_zeros()
    folder.add("bombs", "gz: 256 MB of zeros after the image", "in.nii.gz", gz(nifti()) + zeros, "either")
    huge = changed("h", 42, 2000, 2000, 60)
    folder.add("bombs", "gz: 480 MB stated, 256 MB there", "in.nii.gz", gz(huge) + zeros)
    folder.add("bombs", "gz in gz", "in.nii.gz", gz(gz(nifti())))
    folder.add("bombs", "gz: two members", "in.nii.gz", gz(nifti()[:500]) + gz(nifti()[500:]), "ok")
    folder.add("bombs", "gz: rubbish after the end", "in.nii.gz", gz(nifti()) + b"rubbish" * 9, "either")
    folder.add("bombs", "gz: wrong checksum", "in.nii.gz", gz(nifti())[:-8] + bytes(8))
    folder.add("bombs", "gz: header only", "in.nii.gz", gz(b"")[:10])


def _order(folder: Folder) -> None:
    folder.add("NIfTI endianness", "big-endian, sound", "in.nii", nifti(order=">"), "ok")
    swapped = bytearray(nifti())
    swapped[:4] = swapped[:4][::-1]
    folder.add("NIfTI endianness", "only the first field swapped", "in.nii", bytes(swapped))
    swapped = bytearray(nifti(order=">"))
    swapped[40:56] = np.frombuffer(bytes(swapped[40:56]), ">i2").astype("<i2").tobytes()
    folder.add("NIfTI endianness", "only the shape swapped", "in.nii", bytes(swapped))


def _extensions(folder: Folder) -> None:
    data = nifti()
    for name, size, code in (("size 0", 0, 6), ("size -16", -16, 6), ("size 2 GB", 2**31 - 16, 6), ("size 17", 17, 6)):
        block = struct.pack("<ii", size, code) + bytes(24)
        head = bytearray(data[:348]) + b"\1\0\0\0"
        struct.pack_into("<f", head, 108, 352.0 + len(block))
        folder.add("NIfTI extensions", name, "in.nii", bytes(head) + block + data[352:], "either")
    record = b"napari-depth-interp record: " + b"[" * 100_000
    block = struct.pack("<ii", (8 + len(record) + 15) // 16 * 16, 6) + record
    block += bytes(-len(block) % 16)
    head = bytearray(data[:348]) + b"\1\0\0\0"
    struct.pack_into("<f", head, 108, 352.0 + len(block))
    folder.add("NIfTI extensions", "history nested deeply", "in.nii", bytes(head) + block + data[352:], "ok")


def _values(folder: Folder) -> None:
    for what, value in {"NaN": np.nan, "Inf": np.inf, "1e200": 1e200}.items():
        voxels = stack("float64")
        voxels[2, 3, 4] = value
        data = bytearray(nifti("float64"))
        data[352 : 352 + voxels.nbytes] = voxels.tobytes()
        folder.add("NaN and Inf", f"NIfTI, one {what}", "in.nii", bytes(data))


def _flips(folder: Folder) -> None:
    rng = np.random.default_rng(6)
    for name, data in (("in.nii", nifti()), ("in.nii.gz", gz(nifti()))):
        for number in range(8):
            spoiled = np.frombuffer(data, np.uint8).copy()
            places = rng.integers(0, 352, 1 + 2 * number)
            spoiled[places % len(spoiled)] = rng.integers(0, 256, len(places))
            folder.add("NIfTI bytes changed", f"{name}, {len(places)}", name, spoiled.tobytes(), "either")

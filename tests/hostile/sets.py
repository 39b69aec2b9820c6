"""Images in several files, and files that tell their own place: OME-TIFF sets, companions, NDTiff."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import tifffile
from cases import Folder, stack
from tiffs import described

_TAG = 51123
_BINARY = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile="{}"/></OME>'


def add(folder: Folder) -> None:
    """Add sets of files and NDTiff."""
    _sets(folder)
    _lies(folder)
    _ndtiff(folder)
    _index(folder)


def _part(path: Path, number: int, xml: str = "") -> None:
    description = xml.encode() or None
    tifffile.imwrite(path, stack()[number], photometric="minisblack", description=description, metadata=None)


def _data(names: Sequence[str]) -> str:
    return "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )


_NAMES = ("in.ome.tif", "1.ome.tif", "2.ome.tif", "3.ome.tif")


def _of_files(names: Sequence[str] = _NAMES, change: Callable[[Path], object] | None = None) -> Callable[[Path], None]:
    """Return what writes a set that every file describes; ``change`` gets the third file."""

    def write(path: Path) -> None:
        for number, name in enumerate(_NAMES):
            _part(path.with_name(name), number, described(inner=_data(names)))
        if change is not None:
            change(path.with_name("2.ome.tif"))

    return write


def _companion(names: Sequence[str] = _NAMES, text: bytes | None = None) -> Callable[[Path], None]:
    """Return what writes a set that a companion describes."""

    def write(path: Path) -> None:
        for number, name in enumerate(_NAMES):
            _part(path.with_name(name), number, _BINARY.format(path.name))
        path.write_bytes(described(inner=_data(names)).encode() if text is None else text)

    return write


_ELSEWHERE = ("../../outside/real.tif", "/etc/passwd", "/dev/zero", "..\\x.tif", "gone.tif", "x" * 5000, "a\tb", ".")


def _sets(folder: Folder) -> None:
    kind = "OME-TIFF sets"
    folder.add(kind, "sound", "in.ome.tif", _of_files(), "ok")
    folder.add(kind, "sound companion", "in.companion.ome", _companion(), "ok")
    for name in _ELSEWHERE:
        names, alone = (*_NAMES[:2], name, _NAMES[3]), _BINARY.format(name)
        folder.add(kind, f"names {name[:30]}", "in.ome.tif", _of_files(names))
        folder.add(kind, f"companion names {name[:30]}", "in.companion.ome", _companion(names))
        folder.add(kind, f"described by {name[:30]}", "in.ome.tif", lambda path, xml=alone: _part(path, 0, xml))
    for name, change in {
        "a file cut off": lambda path: os.truncate(path, path.stat().st_size - 100),
        "an empty file": lambda path: os.truncate(path, 0),
        "a text": lambda path: path.write_text("no TIFF"),
        "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
        "a folder": lambda path: (path.unlink(), path.mkdir()),
        "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
        "a link to /dev/zero": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        "an image of another size": lambda path: tifffile.imwrite(path, stack()[:, :9, :9], metadata=None),
        "an image of another type": lambda path: tifffile.imwrite(path, stack("float32")[0], metadata=None),
    }.items():
        folder.add(kind, f"with {name}", "in.ome.tif", _of_files(change=change))
    sound = described(inner=_data(_NAMES))
    for name, text in {
        "empty": "", "cut off": sound[:-80], "with a DTD": f'<!DOCTYPE o SYSTEM "file:///etc/passwd">{sound}',
        "of a companion": _BINARY.format("in.companion.ome"), "without images": "<OME></OME>",
        "of itself": described(inner=_data(["in.companion.ome"])), "without names": described(),
    }.items():  # fmt: skip
        folder.add(kind, f"companion {name}", "in.companion.ome", _companion(text=text.encode()))
    folder.add(kind, "companion in UTF-16", "in.companion.ome", _companion(text=sound.encode("utf-16")))
    folder.add(kind, "companion of all bytes", "in.companion.ome", _companion(text=bytes(range(256)) * 9))


def _lies(folder: Folder) -> None:
    whole = '<TiffData IFD="0" PlaneCount="{}"/>'
    modulo = (
        '<StructuredAnnotations><XMLAnnotation ID="A" Namespace="x/modulo"><Value><Modulo><ModuloAlongZ Type="other" '
        'Start="0" End="{}" Step="{}"/></Modulo></Value></XMLAnnotation></StructuredAnnotations></OME>'
    )
    renamed = "".join(
        f'<TiffData IFD="0"><UUID FileName="1.ome.tif">urn:uuid:{n}</UUID></TiffData>' for n in range(20_000)
    )
    for name, xml in {
        "10^7 sections": described(z="10000000"), "10^12 sections": described(z="1000000000000"),
        "10^400 sections": described(z="1" + "0" * 400),
        "10^9 planes": described(inner=whole.format(10**9)), "-1 planes": described(inner=whole.format(-1)),
        "all planes a thousand times": described(inner="<TiffData/>" * 3000),
        "10^9 images, 10^9 sections": described(z="1000000000", inner=whole.format(10**9)),
        "10^12 steps along z": described().replace("</OME>", modulo.format("1e12", "1")),
        "steps of 1e-12": described().replace("</OME>", modulo.format("3", "1e-12")),
        "steps of 0": described().replace("</OME>", modulo.format("3", "0")),
        "steps of NaN": described().replace("</OME>", modulo.format("NaN", "1")),
        "a file under 20000 names": described(inner=renamed),
    }.items():  # fmt: skip

        def write(path: Path, xml: str = xml) -> None:
            _part(path.with_name("1.ome.tif"), 1)
            with tifffile.TiffWriter(path) as writer:
                for number, plane in enumerate(stack()):
                    text = xml.encode() if number == 0 else None
                    writer.write(plane, photometric="minisblack", description=text, metadata=None)

        folder.add("OME-XML that lies", name, "in.ome.tif", write)


def _place(z: int, **more: object) -> dict[str, object]:
    return {"Axes": {"z": z, "channel": "A", "time": 0}, "PixelSizeUm": 0.5, "ZPosition_um_Intended": 2.0 * z} | more


def _write(path: Path, records: Sequence[object]) -> None:
    with tifffile.TiffWriter(path) as writer:
        for number, record in enumerate(records):
            text = record if isinstance(record, bytes) else json.dumps(record).encode()
            writer.write(
                stack()[number % 4], photometric="minisblack", metadata=None, extratags=[(_TAG, 2, None, text, True)]
            )


def _ndtiff(folder: Folder) -> None:
    sound = [_place(z) for z in range(4)]
    huge = 10**18
    for name, records, expect in (
        ("sound", sound, "ok"),
        ("backwards", [{**_place(3 - z), "ZPosition_um_Intended": 2.0 * z} for z in range(4)], "either"),
        ("huge indices", [_place(z) | {"Axes": {"z": huge * z, "channel": "A"}} for z in range(4)], "ok"),
        (
            "each its own time",
            [_place(0) | {"Axes": {"z": z, "channel": str(z), "time": z}} for z in range(4)],
            "error",
        ),
        ("all at one place", [_place(0)] * 4, "error"),
        ("axes of lists", [{"Axes": {"z": [z]}} for z in range(4)], "error"),
        ("axes of truth values", [{"Axes": {"z": z > 1}} for z in range(4)], "error"),
        ("axes of no name", [{"Axes": {}} for z in range(4)], "error"),
        ("axes missing once", [*sound[:3], {}], "error"),
        ("a hundred axes", [{"Axes": {f"a{n}": z for n in range(100)}} for z in range(4)], "error"),
        ("positions of NaN", [_place(z, ZPosition_um_Intended=float("nan")) for z in range(4)], "error"),
        ("positions of words", [_place(z, ZPosition_um_Intended="up") for z in range(4)], "error"),
        ("pixels of -1", [_place(z, PixelSizeUm=-1) for z in range(4)], "ok"),
        ("nested deeply", [b'{"Axes": {"z": 0}, "a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", *sound[1:]], "error"),
        ("no JSON", [b'{"Axes": ', *sound[1:]], "error"),
    ):
        folder.add("NDTiff", name, "in.tif", lambda path, records=records: _write(path, records), expect)

    def cut(path: Path) -> None:
        _write(path, sound)
        os.truncate(path, path.stat().st_size // 2)

    folder.add("NDTiff", "cut off", "in.tif", cut)


def _entry(axes: object, name: str, offset: int, width: int = 20, height: int = 24) -> bytes:
    place, file = json.dumps(axes).encode(), name.encode()
    sizes = struct.pack("<IiiiiIii", offset, width, height, 1, 0, 0, 0, 0)
    return struct.pack("<I", len(place)) + place + struct.pack("<I", len(file)) + file + sizes


def _index(folder: Folder) -> None:
    def write(make: Callable[[list[int]], bytes]):
        def files(path: Path) -> None:
            _write(path, [_place(z) for z in range(4)])
            with tifffile.TiffFile(path) as tif:
                offsets = [page.dataoffsets[0] for page in tif.pages]
            path.with_name("NDTiff.index").write_bytes(make(offsets))

        return files

    def entries(offsets: Sequence[int], name: str = "in.tif", **sizes: int) -> bytes:
        return b"".join(_entry({"z": z}, "in.tif" if z else name, offset, **sizes) for z, offset in enumerate(offsets))

    cases: dict[str, tuple[Callable[[list[int]], bytes], str]] = {
        "sound": (entries, "ok"),
        "empty": (lambda _: b"", "ok"),
        "of other files": (lambda offsets: entries(offsets).replace(b"in.tif", b"no.tif"), "ok"),
        "cut off": (lambda offsets: entries(offsets)[:-20], "either"),
        "names a file outside": (lambda offsets: entries(offsets, "../../outside/real.tif"), "error"),
        "names /dev/zero": (lambda offsets: entries(offsets, "/dev/zero"), "error"),
        "names a missing file": (lambda offsets: entries(offsets, "gone.tif"), "error"),
        "places beyond the file": (lambda _: entries([2**32 - 1] * 4), "error"),
        "images of 2^31 pixels": (lambda offsets: entries(offsets, width=2**31 - 1, height=2**31 - 1), "error"),
        "text of 4 GB": (
            lambda offsets: struct.pack("<I", 2**32 - 1) + entries(offsets),
            "either",
        ),  # older tifffile refuses it
        "20000 entries": (lambda offsets: entries(offsets) + _entry({"z": 3}, "in.tif", offsets[3]) * 20_000, "ok"),
        "a grid of gaps": (
            lambda offsets: b"".join(
                _entry({"z": n, "channel": n, "time": n}, "in.tif", offsets[n % 4]) for n in range(3000)
            ),
            "error",
        ),
        "axes that are none": (lambda offsets: _entry([1, 2], "in.tif", offsets[0]), "error"),
    }
    for name, (make, expect) in cases.items():
        folder.add("NDTiff index", name, "in.tif", write(make), expect)

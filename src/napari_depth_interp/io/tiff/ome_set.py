"""The image that an OME-XML describes, and the files that hold it.

What an OME-XML says is checked against what the files hold before tifffile, which believes it, gets to see it: names
stay within the folder, numbers within what there is. tifffile is handed an XML of one image whose files are told by
their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree

import tifffile

from ...errors import InputError
from ..opening import choose_series
from .damage import check_structure, damaged
from .ome import children, named, parse

_COMPANIONS = (".ome", ".xml")
"""Suffixes of files that hold only the OME-XML of a set."""
_MANY = 1000
"""Entries of an XML that are always allowed."""


@dataclass(frozen=True)
class OmeSet:
    """One image of an OME-XML.

    Attributes
    ----------
    home, opened : Path
        The file that the XML stands in; the TIFF to open with it.
    root, image : Element
        The XML; its image that is read, or None where it has none with data.
    files : tuple of Path
        The TIFFs that hold the image, without repetition.
    names : tuple of str
        Of all images with data that the XML describes.
    notes : list of str
        Which of them was chosen, where there are several.
    """

    home: Path
    opened: Path
    root: ElementTree.Element
    image: ElementTree.Element | None
    files: tuple[Path, ...]
    names: tuple[str, ...]
    notes: list[str]

    @property
    def all_files(self) -> tuple[Path, ...]:
        """The files of the image and the one that describes them."""
        return tuple(dict.fromkeys((self.home, *self.files)))


def is_companion(path: Path) -> bool:
    """Return whether a name is that of an OME-XML beside the TIFF files it describes."""
    return path.name.lower().endswith(_COMPANIONS)


def find_set(path: Path, text: str, *, alone: bool = False, wanted: str | None = None) -> OmeSet | str:
    """Return the image that a file with an OME-XML belongs to, or in words why that is not believed.

    ``alone`` leaves an OME-XML that stands in another file out; ``wanted`` is the name or number of the image.

    Raises
    ------
    InputError
        If the XML names files that are missing or lie outside its folder, or a companion file cannot be read.
    """
    root = parse(text)
    if isinstance(root, str):
        if is_companion(path):
            raise InputError(f"'{path.name}' cannot be read: {root}; export the images again")
        return root
    only = next(children(root, "BinaryOnly"), None)
    if only is None:
        return _chosen(root, path, path, wanted)
    if alone:
        return "the OME-XML stands in another file"
    home = within(path.parent, only.get("MetadataFile", ""), path)
    there = xml_of(home)
    root = "it holds no OME-XML" if there is None else parse(there)
    if isinstance(root, str):
        raise InputError(f"the OME-XML of '{path.name}' should stand in '{home.name}': {root}; export the images again")
    return _chosen(root, home, path, wanted)


def within(folder: Path, name: str, path: Path) -> Path:
    """Return a file that ``path`` names, which has to be a regular file below its folder (or a link there).

    Raises
    ------
    InputError
        If it is not.
    """
    given = PureWindowsPath(name)  # takes both kinds of slashes
    if not given.parts or given.drive or given.root or ".." in given.parts:
        raise InputError(
            f"'{path.name}' names a file outside its folder ('{name[:100]}'), which is not opened; put all files "
            "of the set into one folder and name them without a path"
        )
    found = folder / name
    if not _exists(found):
        raise InputError(
            f"'{path.name}' is one of several files of a set and '{name[:100]}' is missing; "
            "put all files of the set into one folder"
        )
    if not found.is_file():
        raise InputError(f"'{name[:100]}', which '{path.name}' names, is no regular file; export the images again")
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long
        return False


def xml_of(path: Path) -> str | None:
    """Return the OME-XML in a TIFF or a companion file; None if there is none.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    if is_companion(path):
        try:
            return path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"'{path.name}' is no OME-XML in UTF-8; export the images again") from error
    check_structure(path)
    with tifffile.TiffFile(path) as tif:
        return tif.ome_metadata


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that tell images apart: with their numbers where some are the same."""
    same = len(set(names)) < len(names)
    return tuple(f"{name} {number}" if same else name for number, name in enumerate(names))


def _chosen(root: ElementTree.Element, home: Path, path: Path, wanted: str | None) -> OmeSet:
    """Choose an image by its name; without one the first with data in the file asked for, else the first with data."""
    alias = _alias(root, home)
    images = [(image, list(_names(image, alias, home))) for image in children(root, "Image")]
    images = [(image, files) for image, files in images if files]
    called = distinct([image.get("Name") or str(number) for number, (image, _) in enumerate(images)])
    image: ElementTree.Element | None = None
    names: list[str] = []
    notes: list[str] = []
    if images:
        place, notes = choose_series(home, called, wanted, "image series")
        own = next((number for number, (_, files) in enumerate(images) if path.name in files), 0)
        if wanted is None and own:
            place, notes = own, [f"{notes[0].partition(';')[0]}; '{called[own]}', which this file is of, was read"]
        image, names = images[place][0], list(dict.fromkeys(images[place][1]))
    files = tuple(home if name == home.name else within(home.parent, name, home) for name in names)
    opened = path if is_companion(home) else home
    if is_companion(opened):
        if not files:
            raise InputError(f"'{home.name}' describes no image in a TIFF file; export the images again")
        opened = files[0]
    elif files and is_companion(home) and opened.name not in names:
        if wanted is None:
            raise InputError(f"'{home.name}' does not describe '{path.name}', which names it; export the images again")
        opened = files[0]
    return OmeSet(home, opened, root, image, files, called, notes)


def _alias(root: ElementTree.Element, home: Path) -> Mapping[str, str]:
    """Return how the file of the XML is called in it, if otherwise than now: it may have been renamed."""
    given = {(each.get("FileName", ""), each.text or "") for each in named(root.iter(), "UUID")}
    names = {name for name, _ in given}
    if is_companion(home) or home.name in names:
        return {}
    own = {name for name, text in given if text == root.get("UUID") or name.lower() == home.name.lower()}
    if not own and len(names) == 1 and not any(_exists(home.parent / name) for name in names if _is_plain(name)):
        own = {name for name in names if _is_plain(name)}  # the only file there is
    return dict.fromkeys(own, home.name)


def _is_plain(name: str) -> bool:
    return bool(name) and PureWindowsPath(name).parts == (name,)


def _names(image: ElementTree.Element, alias: Mapping[str, str], home: Path) -> Iterator[str]:
    """Yield the file of each ``TiffData`` of an image; without one it is that of the XML."""
    for data in _data_of(image):
        uuid = next(children(data, "UUID"), None)
        if uuid is None and is_companion(home):
            raise damaged(home, "it does not name the files of its images")
        name = home.name if uuid is None else uuid.get("FileName", "")
        if uuid is not None and uuid.text and not name:
            raise damaged(home, "its OME-XML tells a file by its UUID only")
        name = alias.get(name, name)
        yield PurePosixPath(name).as_posix() if name else name  # ./a and a are one file


def _data_of(image: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return (data for pixels in children(image, "Pixels") for data in children(pixels, "TiffData"))


def believed_xml(found: OmeSet) -> str | None:
    """Return an XML of the chosen image for tifffile, checked against what the files hold; None without an image.

    Raises
    ------
    InputError
        If the XML tells of more than the files hold.
    """
    if found.image is None:
        return None
    pages = {path: check_structure(path) for path in found.files}
    with tifffile.TiffFile(found.opened) as tif:
        samples = max(1, int(tif.pages.first.samplesperpixel))
    _check_counts(found, sum(pages.values()), samples)
    _check_modulo(found)
    alias = _alias(found.root, found.home)
    for uuid in named(found.image.iter(), "UUID"):
        name = alias.get(uuid.get("FileName", ""), uuid.get("FileName", ""))
        uuid.set("FileName", os.path.relpath(found.home.parent / name, found.opened.parent))
        uuid.text = uuid.get("FileName")
    for other in list(children(found.root, "Image")):
        if other is not found.image:
            found.root.remove(other)
    found.root.set("UUID", os.path.relpath(found.opened, found.opened.parent))
    return ElementTree.tostring(found.root, "unicode")


def _check_counts(found: OmeSet, pages: int, samples: int) -> None:
    assert found.image is not None
    for pixels in children(found.image, "Pixels"):
        sizes = {axis: _count(pixels.get(f"Size{axis}"), f"Size{axis}", found) for axis in "ZCT"}
        channel = next(children(pixels, "Channel"), None)
        together = 1 if channel is None else _count(channel.get("SamplesPerPixel", "1"), "SamplesPerPixel", found)
        planes = sizes["Z"] * sizes["T"] * max(1, sizes["C"] // together)
        if planes > pages * samples:
            said = ", ".join(f"Size{axis} {size}" for axis, size in sizes.items())
            holds = "the file holds" if len(found.files) < 2 else f"its {len(found.files)} files hold"
            raise damaged(found.home, f"its OME-XML tells of {planes} images ({said}) but {holds} {pages}")
        told = 0
        for data in children(pixels, "TiffData"):
            count = data.get("PlaneCount", data.get("NumPlanes"))
            told += pages if count is None and "IFD" not in data.attrib else int(count or 1)
        if told > 4 * (planes + pages) + _MANY:
            raise damaged(found.home, f"its OME-XML gives the places of {told} images but there are {pages}")


def _count(text: str | None, name: str, found: OmeSet) -> int:
    if text is None or not text.strip().isdecimal() or len(text) > 18 or int(text) < 1:
        raise damaged(found.home, f"its OME-XML says {name}='{(text or '')[:50]}', which is no number of images")
    return int(text)


def _check_modulo(found: OmeSet) -> None:
    """Check the steps into which an axis is divided further: tifffile lists them."""
    assert found.image is not None
    pixels = next(children(found.image, "Pixels"))
    largest = max(_count(pixels.get(f"Size{axis}"), f"Size{axis}", found) for axis in "ZCT")
    for axis in "ZCT":
        for along in named(found.root.iter(), f"ModuloAlong{axis}"):
            if "Start" not in along.attrib:
                continue
            start, end, step = (float(along.get(key, "1")) for key in ("Start", "End", "Step"))
            if not (step and 0 <= (end - start) / step < largest):
                raise damaged(found.home, f"its OME-XML divides {axis} into more steps than it has")

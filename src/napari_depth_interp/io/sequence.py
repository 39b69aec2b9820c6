"""Two-dimensional images as the sections of a stack: a folder, or a pattern such as ``scan_z{z}_{c}.tif``.

In a pattern ``*`` and ``?`` stand for any letters, ``{z}`` for the number of a section, ``{t}`` for that of a time
point, ``{c}`` for the name of a channel. Without ``{z}`` the files are the sections in natural order: 2 before 10.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..stack import Dataset, Grid, Source
from ..stack.lazy import LazyVoxels, as_array
from .opening import UNSUSPICIOUS, check_sizes, damaged, decoding, refuse_axis

if TYPE_CHECKING:
    from . import SectionAxis

__all__ = ["holds_images", "read"]

_TIFF = (".tif", ".tiff")
_SUFFIXES = (*_TIFF, ".png", ".jpg", ".jpeg")
_MODES = {"1": "uint8", "L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32", "RGB": "uint8",
          "RGBA": "uint8"}  # fmt: skip
_LARGEST_SIDE = 2**17
_NAMED = 3
"""Entries that are no images, named in a warning."""


def holds_images(folder: Path) -> bool:
    """Return whether a folder holds at least two images that can be sections."""
    try:
        return sum(_is_image(each) for each in folder.iterdir()) > 1
    except OSError:
        return False


def read(
    path: Path, *, axis: SectionAxis = "auto", axes: str | None = None, lazy: bool = False, labels: bool = False
) -> Dataset:
    """Read a folder or a pattern of images of one size and type.

    Raises
    ------
    InputError
        If there are none, or they do not make a stack.
    """
    refuse_axis(axis, axes, "an image sequence")
    plan = _planned(path)
    first = _section(plan.files[0][0][0], labels=labels)
    channels = len(plan.channels) * first.voxels.shape[1]
    shape = (len(plan.files), channels, len(plan.files[0][0]), *first.voxels.shape[3:])
    sequence = _Sequence(plan, shape, first.voxels.dtype, labels)
    stored = sum(file.stat().st_size for time in plan.files for channel in time for file in channel)
    if not lazy:
        check_sizes(shape, first.voxels.dtype, path, max(stored, UNSUSPICIOUS // 4000))
    view = LazyVoxels(sequence)
    axes = "".join(["T" * (shape[0] > 1), "C" * (channels > 1), "ZYX"])
    names = plan.channels if first.voxels.shape[1] == 1 and channels > 1 else ()
    notes = [note for note in first.notes if "time points" not in note] + _words_on(plan.left_out) + _words_on_gap(plan)
    return Dataset(
        as_array(view) if lazy else np.asarray(view),
        Grid(None, first.grid.pixel_size, first.grid.unit),
        axes=axes,
        rgb=first.rgb and len(plan.channels) == 1,
        channel_names=first.channel_names if first.rgb and len(plan.channels) == 1 else names,
        source=Source(path, "image sequence"),
        notes=(
            *notes,
            f"{shape[2]} images are taken as sections (Z), from {plan.first} to {plan.last}",
        ),
    )


@dataclass(frozen=True)
class _Plan:
    """Files by time point, channel and section."""

    files: Sequence[Sequence[Sequence[Path]]]
    channels: tuple[str, ...]
    left_out: Sequence[Path]

    @property
    def first(self) -> str:
        return self.files[0][0][0].name

    @property
    def last(self) -> str:
        return self.files[0][0][-1].name


def _planned(path: Path) -> _Plan:
    if path.is_dir():
        there = _listed(path)
        files = _most_alike(each for each in there if _is_image(each))
        if not files:
            raise InputError(f"'{path}' holds no images; give a folder of TIFF, PNG or JPEG files")
        return _Plan([[sorted(files, key=_natural)]], ("",), [each for each in there if _is_no_file(each)])
    expression = _expression(path.name)
    matches = [(match.groupdict(), each) for each in _listed(path.parent) if (match := expression.fullmatch(each.name))]
    found = [(words, each) for words, each in matches if _is_image(each)]
    if not found:
        raise InputError(f"no TIFF, PNG or JPEG file matches '{path}'; check the pattern and the folder")
    return _in_order(found, path, [each for _, each in matches if _is_no_file(each)])


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise InputError(f"'{folder}' cannot be read: {error.strerror or error}") from error


def _in_order(found: list[tuple[dict[str, str], Path]], path: Path, left_out: Sequence[Path]) -> _Plan:
    times = sorted({words.get("t", "") for words, _ in found}, key=_key)
    channels = sorted({words.get("c", "") for words, _ in found}, key=_key)
    files = [
        [
            [
                file
                for _, file in sorted(
                    ((words, file) for words, file in found if (words.get("t", ""), words.get("c", "")) == (t, c)),
                    key=lambda each: (_key(each[0].get("z", "")), _natural(each[1])),
                )
            ]
            for c in channels
        ]
        for t in times
    ]
    counts = sorted({len(each) for time in files for each in time})
    if len(counts) > 1:
        raise InputError(
            f"the files of '{path.name}' do not make a stack: some channels or time points have {counts[0]} sections, "
            f"others {counts[-1]}"
        )
    return _Plan(files, tuple(channels), left_out)


def _expression(pattern: str) -> re.Pattern[str]:
    groups = {"*": ".*?", "?": ".", "{z}": r"(?P<z>\d+)", "{t}": r"(?P<t>\d+)", "{c}": r"(?P<c>.+?)"}
    pieces, seen = re.split(r"(\*|\?|\{[zct]\})", pattern, flags=re.IGNORECASE), set()
    words = []
    for piece in pieces:
        key = piece.lower()
        words.append(f"(?P={key[1]})" if key in seen and len(key) == 3 else groups.get(key, re.escape(piece)))
        seen.add(key)
    return re.compile("".join(words))


def _most_alike(files: Iterable[Path]) -> list[Path]:
    """Return the files of the suffix that most of them have: a preview in another format is no section."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        suffix = file.suffix.lower()
        groups.setdefault(".tif" if suffix in _TIFF else ".jpg" if suffix == ".jpeg" else suffix, []).append(file)
    return max(groups.values(), key=len, default=[])


def _is_image(path: Path) -> bool:
    return _is_called_so(path) and path.is_file()


def _is_no_file(path: Path) -> bool:
    """Return whether something is called like an image and is none: a broken link, a folder, a device."""
    return _is_called_so(path) and not path.is_file()


def _is_called_so(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _words_on_gap(plan: _Plan) -> list[str]:
    """Say where the numbers of the images skip: a section may be missing, and the spacing would be wrong."""
    names = [file.name for file in plan.files[0][0]]
    words = [re.split(r"(\d+)", name) for name in names]
    if len({len(each) for each in words}) > 1:
        return []
    differing = [i for i in range(len(words[0])) if len({each[i] for each in words}) > 1]
    if len(differing) != 1 or not differing[0] % 2:
        return []
    numbers = np.array([float(each[differing[0]]) for each in words])
    steps = np.diff(numbers)
    if not len(steps) or 2 * (steps == steps.min()).sum() < len(steps) or (steps == steps.min()).all():
        return []
    skips = np.flatnonzero(steps > steps.min())
    first = int(skips[0])
    return [
        f"the numbers of the images skip in {len(skips)} place{'s' if len(skips) > 1 else ''}, first from "
        f"'{names[first]}' to '{names[first + 1]}'; if sections are missing there, say how deep each one lies"
    ]


def _words_on(left_out: Sequence[Path]) -> list[str]:
    if not left_out:
        return []
    names = ", ".join(f"'{each.name}'" for each in sorted(left_out, key=_natural)[:_NAMED])
    more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
    return [f"{names}{more}: no regular file (a broken link, a folder or a device), left out of the sections"]


def _natural(path: Path) -> tuple[Any, ...]:
    return _key(path.name)


def _key(text: str) -> tuple[Any, ...]:
    """Return what sorts 2 before 10."""
    parts = re.split(r"(\d+)", text.lower())
    return tuple((1, int(each), "") if each.isdecimal() else (0, 0, each) for each in parts)


class _Sequence:
    """The files of a sequence as one array (t, c, z, y, x), read section by section."""

    def __init__(self, plan: _Plan, shape: tuple[int, ...], dtype: np.dtype[Any], labels: bool) -> None:
        self._plan, self.shape, self.dtype, self._labels = plan, shape, dtype, labels
        self.chunks = (1, 1, 1, *shape[3:])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        items = [*key] if isinstance(key, tuple) else [key]
        items += [slice(None)] * (5 - len(items))
        times, channels, sections = (
            range(size)[each] if isinstance(each, slice) else range(each, each + 1)
            for each, size in zip(items[:3], self.shape[:3], strict=True)
        )
        colours = self.shape[1] // len(self._plan.channels)
        blocks = [
            [[self._plane(t, c // colours, z, c % colours)[tuple(items[3:])] for z in sections] for c in channels]
            for t in times
        ]
        block = np.asarray(blocks)
        return block[tuple(slice(None) if isinstance(each, slice) else 0 for each in items[:3])]

    def _plane(self, time: int, channel: int, section: int, colour: int) -> NDArray[Any]:
        file = self._plan.files[time][channel][section]
        image = _section(file, labels=self._labels).voxels
        colours = self.shape[1] // len(self._plan.channels)
        if image.shape[1] != colours or image.shape[3:] != self.shape[3:] or image.dtype != self.dtype:
            raise InputError(
                f"'{file.name}' is an image of {_kind_of(image.shape, image.dtype)}, but '{self._plan.first}' has "
                f"{_kind_of((1, colours, *self.shape[2:]), self.dtype)}; they are no stack"
            )
        return np.asarray(image[0, colour, 0])


def _kind_of(shape: Sequence[int], dtype: np.dtype[Any]) -> str:
    return f"{shape[3]} x {shape[4]} pixels of {dtype}{f' in {shape[1]} channels' if shape[1] > 1 else ''}"


def _section(file: Path, *, labels: bool) -> Dataset:
    """Read one image (1, c, 1, y, x)."""
    if file.suffix.lower() in _TIFF:
        from .tiff import read as read_tiff

        found = read_tiff(file, axis="auto", axes=None, labels=labels)
        if found.voxels.shape[0] > 1 or found.voxels.shape[2] > 1:
            raise InputError(
                f"'{file.name}' holds {found.voxels.shape[2]} sections, {found.voxels.shape[0]} time points, but the "
                "images of a sequence are two-dimensional; give the file itself, or batch for a folder of stacks"
            )
        return found
    with decoding(file, "an image"):
        voxels = _picture(file, labels=labels)
    rgb = voxels.ndim == 3
    moved = np.moveaxis(voxels, 2, 0)[None, :, None] if rgb else voxels[None, None, None]
    made = Dataset(moved, Grid(None), axes="CZYX" if rgb else "ZYX")
    return replace(made, rgb=rgb, channel_names=("red", "green", "blue", "alpha")[: moved.shape[1]] if rgb else ())


def _picture(file: Path, *, labels: bool) -> NDArray[Any]:
    """Decode a PNG or JPEG file, once its size is known to be possible."""
    import imagecodecs
    from PIL import Image

    with Image.open(file) as image:
        mode, size = image.mode, image.size
    if mode not in _MODES and not (labels and mode == "P"):
        raise InputError(f"'{file.name}' is an image of the mode {mode}; grey values and RGB can be read: convert it")
    if max(size) > _LARGEST_SIDE:
        raise damaged(file, f"it claims to have {size[0]} x {size[1]} pixels")
    check_sizes((size[1], size[0], 8), "uint8", file)
    if mode in ("1", "P"):
        with Image.open(file) as image:
            return np.asarray(image, np.uint8)
    decode = imagecodecs.png_decode if file.suffix.lower() == ".png" else imagecodecs.jpeg_decode
    voxels = np.asarray(decode(file.read_bytes()))
    if voxels.ndim == 3 and voxels.shape[2] not in (3, 4):
        raise InputError(f"'{file.name}' has {voxels.shape[2]} values in a pixel; grey values and RGB can be read")
    return voxels

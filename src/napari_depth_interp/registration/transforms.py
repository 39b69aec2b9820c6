"""How each section is moved: applied, undone, kept in a file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError, OutputError, RequestError
from ..stack import Dataset
from ..stack.lazy import LazyVoxels, as_array, is_lazy
from ..system.memory import check_fits
from .config import Drift, Kind
from .moving import MovedVoxels, moved_section
from .pairs import turned

FORMAT = "depth-interp transforms"
VERSION = 1


class _Move(BaseModel):
    """One section in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    time: int = Field(ge=0)
    section: int = Field(ge=0)
    shift: tuple[float, float]
    degrees: float = 0.0
    judged: bool = True


class _File(BaseModel):
    """The file: what it is, of what it is, and every section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["depth-interp transforms"]
    version: Literal[1]
    kind: Kind
    drift: Drift
    inverse: bool = False
    times: int = Field(ge=1)
    sections: int = Field(ge=1)
    pixels: tuple[int, int]
    moves: list[_Move]


@dataclass(frozen=True, eq=False)
class Transforms:
    """For each section how far its content lies from where it belongs, in pixels.

    A pixel ``p`` of the aligned section shows what was recorded at ``R (p - c) + c + shift``, where ``R`` turns by
    ``angle`` about the centre ``c`` of the image.

    Attributes
    ----------
    kind : {"translation", "rigid"}
    pixels : (rows, columns)
        Size of the images that they are of.
    shifts : (T, Z, 2) array
        (y, x) in pixels.
    angles : (T, Z) array
        In radians, from x towards y.
    judged : (T, Z) bool array
        False where a section could not be judged; it has the identity.
    drift : {"keep", "remove"}
    inverse : bool
        They undo what was aligned.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_depth_interp.registration import Transforms
    >>> moves = Transforms.translations([(0, 0), (2, -3), (0, 0)], pixels=(64, 64))
    >>> moves.moved[0].tolist(), moves.margins
    ([False, True, False], (0, 2, 3, 0))
    >>> moves.inverted().shifts[0, 1].tolist()
    [-2.0, 3.0]
    """

    kind: Kind
    pixels: tuple[int, int]
    shifts: NDArray[np.float64]
    angles: NDArray[np.float64]
    judged: NDArray[np.bool_]
    drift: Drift = "keep"
    inverse: bool = False

    @classmethod
    def translations(cls, shifts: Any, pixels: tuple[int, int]) -> Transforms:
        """Return the transforms of one time point from (Z, 2) shifts (y, x)."""
        values = np.asarray(shifts, float)[None]
        still = np.zeros(values.shape[:2])
        return cls("translation", pixels, values, still, still == 0)

    @property
    def moved(self) -> NDArray[np.bool_]:
        """(T, Z) True where a section is moved at all."""
        return np.asarray((self.shifts != 0).any(axis=2) | (self.angles != 0))

    @property
    def moved_ever(self) -> NDArray[np.bool_]:
        """(Z,) True where a section is moved at any time point."""
        return np.asarray(np.any(self.moved, axis=0))

    @property
    def distances(self) -> NDArray[np.float64]:
        """(T, Z) by how many pixels the pixel of a section moves that moves farthest."""
        corners = np.array([[y, x] for y in (-0.5, 0.5) for x in (-0.5, 0.5)]) * (np.array(self.pixels) - 1)
        turns = np.stack([turned(a) - np.eye(2) for a in self.angles.ravel()]).reshape(*self.angles.shape, 2, 2)
        ways = np.einsum("tzij,kj->tzki", turns, corners) + self.shifts[:, :, None]
        return np.asarray(np.linalg.norm(ways, axis=3).max(axis=2))

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Rows at the top and the bottom and columns at the left and the right that some section did not record."""
        corners = np.array([[y, x] for y in (-0.5, 0.5) for x in (-0.5, 0.5)]) * (np.array(self.pixels) - 1)
        margins = np.zeros(4)
        for angle, shift in zip(self.angles.ravel(), self.shifts.reshape(-1, 2), strict=True):
            off = corners @ (turned(angle) - np.eye(2)).T + shift  # where each corner is read, beside where it stands
            top, left = off[:2, 0].min(), off[[0, 2], 1].min()
            bottom, right = off[2:, 0].max(), off[[1, 3], 1].max()
            margins = np.maximum(margins, [-top, bottom, -left, right])
        found = [math.ceil(each - 1e-9) for each in margins]
        return found[0], found[1], found[2], found[3]

    def without_small(self, smallest: float) -> Transforms:
        """Return the transforms with the identity where no pixel would move by ``smallest`` pixels."""
        stays = self.distances < smallest
        return replace(
            self, shifts=np.where(stays[..., None], 0.0, self.shifts), angles=np.where(stays, 0.0, self.angles)
        )

    def inverted(self) -> Transforms:
        """Return the transforms that bring aligned sections back to where they were recorded."""
        turns = np.stack([turned(-a) for a in self.angles.ravel()]).reshape(*self.angles.shape, 2, 2)
        back = -np.einsum("tzij,tzj->tzi", turns, self.shifts)
        return replace(self, shifts=back + 0.0, angles=-self.angles + 0.0, inverse=not self.inverse)

    def section(self, section: NDArray[Any], time: int, index: int, *, blend: bool = True) -> NDArray[Any]:
        """Return one section (Y, X) moved; the same array where it stays."""
        if not self.moved[time, index]:
            return section
        y, x = self.shifts[time, index]
        return moved_section(section, (float(y), float(x)), float(self.angles[time, index]), blend=blend)

    def apply(self, dataset: Dataset) -> Dataset:
        """Return the dataset with its sections moved; those that stay are the same, bit for bit.

        Voxels that are still in their file stay there, and are moved as they are read.

        Raises
        ------
        InputError
            If the dataset has other time points, sections or pixels.
        TooLargeError
            If the sections do not fit into the memory a second time.
        """
        self._check(dataset)
        blend, voxels = not dataset.holds_labels, dataset.voxels
        if not self.moved.any():
            return dataset
        if is_lazy(voxels):
            source = MovedVoxels(
                voxels,
                lambda section, t, k: self.section(section, t, k, blend=blend),
                lambda t, k: not self.moved[t, k],
            )
            return replace(dataset, voxels=as_array(LazyVoxels(source)))
        check_fits(voxels.nbytes, "the aligned sections")
        aligned = voxels.copy()
        for t, k in zip(*np.nonzero(self.moved), strict=True):
            for c in range(voxels.shape[1]):
                aligned[t, c, k] = self.section(voxels[t, c, k], int(t), int(k), blend=blend)
        return replace(dataset, voxels=aligned)

    def _check(self, dataset: Dataset) -> None:
        times, _, sections, *pixels = dataset.voxels.shape
        own, given = (*self.shifts.shape[:2], *self.pixels), (times, sections, *pixels)
        if own != given:
            raise InputError(
                "the transforms are of {} time points, {} sections and {} x {} pixels, but the image has {}, {} and "
                "{} x {}; take those that were made for it".format(*own, *given)
            )

    def as_json(self) -> dict[str, Any]:
        """Return what :meth:`save` writes: JSON-ready, with an entry for each section that moves or was not judged."""
        named = ~self.judged | self.moved
        moves = [
            {
                "time": int(t),
                "section": int(k),
                "shift": [float(each) for each in self.shifts[t, k]],
                "degrees": math.degrees(float(self.angles[t, k])),
                "judged": bool(self.judged[t, k]),
            }
            for t, k in zip(*np.nonzero(named), strict=True)
        ]
        return {
            "format": FORMAT, "version": VERSION, "kind": self.kind, "drift": self.drift, "inverse": self.inverse,
            "times": self.shifts.shape[0], "sections": self.shifts.shape[1], "pixels": list(self.pixels),
            "moves": moves,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Any) -> Transforms:
        """Return the transforms that :meth:`as_json` gave.

        Raises
        ------
        RequestError
            If it is anything else.
        """
        try:
            file = _File.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise RequestError(f"this holds no transforms of sections: {where}: {first['msg'].lower()}") from error
        shifts, angles = np.zeros((file.times, file.sections, 2)), np.zeros((file.times, file.sections))
        judged = np.ones(angles.shape, bool)
        for move in file.moves:
            if move.time >= file.times or move.section >= file.sections:
                raise RequestError(
                    f"the transforms name section {move.section} at time {move.time}, beyond the stack's"
                )
            shifts[move.time, move.section] = move.shift
            angles[move.time, move.section] = math.radians(move.degrees)
            judged[move.time, move.section] = move.judged
        return cls(file.kind, file.pixels, shifts, angles, judged, file.drift, file.inverse)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the transforms as JSON.

        Raises
        ------
        OutputError
            If the file exists, or cannot be written.
        """
        from ..io.files import replacing

        text = json.dumps(self.as_json(), indent=1, allow_nan=False)
        with replacing(Path(path), overwrite=overwrite) as temporary:
            try:
                temporary.write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise OutputError(f"'{path}' cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Transforms:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError, RequestError
            If the file cannot be read, or holds anything else.
        """
        try:
            value = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise InputError(f"the transforms '{path}' cannot be read: {reason}") from error
        return cls.from_json(value)

"""What a run gives, with its history; it can be used as an array, saved and opened again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import io
from ..errors import InputError
from ..registration import Transforms
from ..stack import Dataset

RECORD_KEY = "depth_interp"
"""Where the history stands in a dataset's record, a file's metadata and a layer's metadata."""

IN_FILE = "observed_in_file"
"""In files only: the indices of the observed sections in the order in which the file stores them."""


@dataclass(frozen=True, eq=False)
class Result:
    """The dense dataset and how it came about. It behaves as an array with the axes of the input.

    Attributes
    ----------
    dataset : Dataset
        Voxels (t, c, z, y, x) on the target grid; its record holds the history.
    uncertainty : (T, C, Z, Y, X) float32 array or None
        Expected absolute error per voxel, in the units of the input; 0 at observed sections, NaN where not known.
    warnings : tuple of str
        What the user should know, in plain words.
    seconds, peak_memory_mb : float or None
        Wall time, and the largest resident memory of the process during the run. None for a reopened result.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_depth_interp as ndi
    >>> sparse = np.arange(3 * 4 * 5, dtype="uint16").reshape(3, 4, 5)
    >>> dense = ndi.interpolate(sparse, method="linear", z_spacing="2um", factor=2)
    >>> dense
    Result(5 x 4 x 5 uint16, axes ZYX, sections 1 um apart, linear)
    >>> float(np.mean(dense)), dense[1].shape
    (29.5, (4, 5))
    >>> dense.spacing, dense.unit, dense.depths.tolist()
    (1.0, 'um', [0.0, 1.0, 2.0, 3.0, 4.0])
    >>> dense.metadata["method"], dense.is_observed.tolist()
    ('linear', [True, False, True, False, True])
    """

    dataset: Dataset
    uncertainty: NDArray[np.float32] | None = None
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    peak_memory_mb: float | None = None

    @property
    def axes(self) -> str:
        """The axes of the array, out of T, C, Z, Y, X and in this order: those that the input has.

        Of an RGB image the colours are last, under the name S: T, Z, Y, X, S.
        """
        there = "".join(axis for axis in "TCZYX" if axis in self.dataset.axes)
        return there.replace("C", "") + "S" if self.dataset.rgb else there

    @property
    def values(self) -> NDArray[Any]:
        """The voxels with the axes :attr:`axes`, as a view."""
        kept = tuple(slice(None) if axis in self.dataset.axes else 0 for axis in "TCZYX")
        values = np.asarray(self.dataset.voxels[kept])
        return np.moveaxis(values, "T" in self.dataset.axes, -1) if self.dataset.rgb else values

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of :attr:`axes`."""
        sizes = dict(zip("TSZYX" if self.dataset.rgb else "TCZYX", self.dataset.voxels.shape, strict=True))
        return tuple(sizes[axis] for axis in self.axes)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.dataset.voxels.dtype

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the voxels for numpy: ``np.asarray(result)``, ``np.mean(result)``, ``viewer.add_image(result)``."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        sizes = " x ".join(map(str, self.shape))
        distance = "" if self.spacing is None else f", sections {self.spacing:g} {self.unit or '(no unit)'} apart"
        return f"Result({sizes} {self.dtype}, axes {self.axes}{distance}, {self.record['method']})"

    @property
    def depths(self) -> NDArray[np.float64]:
        """(Z,) position of each section along z, in :attr:`unit`; decreasing where those of the input are."""
        stack = self.dataset.stack()
        return stack.grid.mirrored(stack.depths)

    @property
    def spacing(self) -> float | None:
        """Distance of neighbouring sections (the median, where it varies), in :attr:`unit`; None for one section."""
        return self.dataset.grid.spacing

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """(z, y, x) distance of neighbouring voxels, in :attr:`unit`; None where it is not known."""
        return self.spacing, *(self.dataset.grid.pixel_size or (None, None))

    @property
    def unit(self) -> str | None:
        """Unit of depths, spacing and voxel size; None if the input gives none."""
        return self.dataset.grid.unit

    @property
    def metadata(self) -> dict[str, Any]:
        """Axes, voxel size and the history (:attr:`record`) in one JSON-ready mapping."""
        return {"axes": self.axes, "voxel_size": list(self.voxel_size), **self.record}

    @property
    def record(self) -> Mapping[str, Any]:
        """The history: method, config, seed, versions, input signature, depths."""
        record: Mapping[str, Any] = self.dataset.record[RECORD_KEY]
        return record

    @property
    def expected_gain_db(self) -> float | None:
        """Mean over channels and time points of the gain over linear that the method expects, in dB."""
        gains = [each["expected_gain_db"] for each in self.record.get("findings", ())]
        known = [gain for gain in gains if gain is not None]
        return float(np.mean(known)) if known else None

    @property
    def is_observed(self) -> NDArray[np.bool_]:
        """(Z,) True where a section is an observed one, unchanged; False where it is new."""
        flags = np.zeros(self.dataset.voxels.shape[2], bool)
        flags[list(self.record["observed"])] = True
        return flags

    def with_scores(self, scores: Mapping[str, Any]) -> Result:
        """Return the result with scores on hidden sections in its history."""
        record = {RECORD_KEY: dict(self.record) | {"scores": dict(scores)}}
        return replace(self, dataset=replace(self.dataset, record=record))

    @property
    def is_enhanced(self) -> NDArray[np.bool_]:
        """(Z,) True where a section is an observed one that was enhanced: neither new nor as recorded."""
        flags = np.zeros(self.dataset.voxels.shape[2], bool)
        flags[list(self.record.get("enhanced", ()))] = True
        return flags

    @property
    def is_moved(self) -> NDArray[np.bool_]:
        """(Z,) True where a section is an observed one that was moved to align it: neither new nor as recorded."""
        flags = np.zeros(self.dataset.voxels.shape[2], bool)
        flags[list(self.record.get("moved", ()))] = True
        return flags

    @property
    def transforms(self) -> Transforms | None:
        """How the sections were aligned before; None if they were not."""
        kept = self.record.get("align")
        return None if kept is None else Transforms.from_json(kept)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the dense dataset with its history; the suffix chooses TIFF, NIfTI or OME-Zarr."""
        record = dict(self.record) | {IN_FILE: self._observed_in_file(path)}
        dataset = replace(self.dataset, record={RECORD_KEY: record})
        io.write(path, dataset, overwrite=overwrite, float_output=self.record["dtype"] == "float32")

    def _observed_in_file(self, path: str | PathLike[str]) -> list[int]:
        """Return the indices of the observed sections as stored: NIfTI and its like may count from the other end."""
        observed: list[int] = self.record["observed"]
        source = self.dataset.source
        if not io.is_placed(path) or source is None or not source.reversed_sections:
            return observed
        return [self.dataset.voxels.shape[2] - 1 - i for i in reversed(observed)]

    def save_uncertainty(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the expected absolute error as float32 on the same grid.

        Raises
        ------
        InputError
            If the method gave none.
        """
        if self.uncertainty is None:
            raise InputError(f"{self.record['method']} gives no uncertainty; there is nothing to save")
        io.write(path, replace(self.dataset, voxels=self.uncertainty), overwrite=overwrite, float_output=True)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Result:
        """Open a saved result with its history.

        Raises
        ------
        InputError
            If the file cannot be read, or was not written by :meth:`save`.
        """
        dataset = io.read(path)
        record = dataset.record.get(RECORD_KEY)
        if not isinstance(record, Mapping) or "observed" not in record:
            raise InputError(f"'{path}' holds no history of a depth interpolation; open it as an ordinary stack")
        if len(record.get("depths", ())) != dataset.voxels.shape[2]:
            raise InputError(
                f"the history in '{path}' is of {len(record.get('depths', ()))} sections, but the file has "
                f"{dataset.voxels.shape[2]}; it was changed since, open it as an ordinary stack"
            )
        own = {key: value for key, value in record.items() if key != IN_FILE}
        return cls(replace(dataset, record={RECORD_KEY: own}), warnings=tuple(record.get("warnings", ())))

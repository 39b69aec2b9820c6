"""NIfTI: what was observed stays where it was and as it was, whatever the orientation."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import itertools
import logging
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import psutil
import pytest
from nibabel.testing import data_path

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, MissingSpacingError, OutputError, RequestError, TooLargeError
from napari_depth_interp.io import nifti
from napari_depth_interp.stack import Dataset

MRI = Path(data_path) / "example4d.nii.gz"
RNG = np.random.default_rng(0)
ROTATION = nibabel.eulerangles.euler2mat(0.3, -0.2, 0.15)
FLIPS_AND_ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))


def save(path: Path, data: np.ndarray, affine: np.ndarray | None, kind=nibabel.Nifti1Image, **fields: Any) -> Path:
    """Write with nibabel; ``fields`` are set in the header, ``endianness`` chooses the byte order."""
    header = kind.header_class(endianness=fields.pop("endianness", "<"))
    header.set_data_dtype(data.dtype)
    image = kind(data, affine, header)
    if affine is not None:
        image.set_qform(affine, fields.pop("qform", 1))
        image.set_sform(affine, fields.pop("sform", 1))
    image.header.set_xyzt_units("mm", "sec")
    for name, value in fields.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def patch(path: Path, **fields: Any) -> Path:
    """Overwrite header fields in an existing file, in the raw bytes."""
    block = path.read_bytes()
    data = gzip.decompress(block) if path.suffix == ".gz" else block
    kind = nibabel.Nifti2Header if data[:2] == b"\x1c\x02" else nibabel.Nifti1Header
    size = kind.template_dtype.itemsize
    header = kind(data[:size], check=False)
    for name, value in fields.items():
        header[name] = value
    data = header.binaryblock + data[size:]
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def densified(dataset: Dataset, factor: int = 4) -> Dataset:
    """Put factor - 1 linear sections into each gap."""
    depths = dataset.grid.depths
    assert depths is not None
    count = len(depths)
    at = np.arange((count - 1) * factor + 1) / factor
    low = np.minimum(at.astype(int), count - 2)
    weight = (at - low)[:, None, None]
    values = dataset.voxels[:, :, low] * (1 - weight) + dataset.voxels[:, :, low + 1] * weight
    if dataset.voxels.dtype.kind in "iu":
        values = np.rint(values)
    grid = dataset.grid.with_depths(np.interp(at, np.arange(count), depths))
    return dataclasses.replace(dataset, voxels=values.astype(dataset.voxels.dtype), grid=grid)


def assert_same_world(before: Path, after: Path) -> None:
    """Every voxel of ``before`` is in ``after`` with its value, at its place, as plain nibabel tells."""
    old, new = nibabel.load(before), nibabel.load(after)
    old_data, new_data = np.asanyarray(old.dataobj), np.asanyarray(new.dataobj)
    indices = np.indices(old_data.shape[:3]).reshape(3, -1)
    for name in ("get_sform", "get_qform"):
        old_affine, code = getattr(old.header, name)(coded=True)
        new_affine, new_code = getattr(new.header, name)(coded=True)
        assert new_code == code
        if code:
            at = np.linalg.solve(new_affine, old_affine @ np.vstack([indices, np.ones(indices.shape[1])]))[:3]
            assert np.abs(at - np.rint(at)).max() < 1e-4 * max(new_data.shape), name
            found = new_data[tuple(np.rint(at).astype(int))]
            np.testing.assert_array_equal(found, old_data[tuple(indices)])


def affine_of(order: tuple[int, ...], flips: tuple[int, ...], sizes=(0.5, 0.75, 3.0)) -> np.ndarray:
    """Stored axis i runs along the world axis order[i]; the coarsest axis is stored at the place of 3.0."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for stored, (world, flip) in enumerate(zip(order, flips, strict=True)):
        affine[world, stored] = flip * sizes[stored]
    affine[:3, 3] = (-11.5, 7.25, 30)
    return affine


def round_trip(path: Path, factor: int = 4, folder: Path | None = None, **options: Any) -> tuple[Dataset, Path]:
    """Read, densify and write as ``out.nii`` (beside ``path``, unless there is a folder)."""
    dataset = io.read(path, **options)
    out = (folder or path.parent) / "out.nii"
    io.write(out, densified(dataset, factor), overwrite=True)
    return dataset, out


@pytest.fixture
def volume() -> np.ndarray:
    return RNG.integers(-500, 3000, (5, 6, 4)).astype(np.int16)


# Orientation


@pytest.mark.parametrize(("order", "flips"), FLIPS_AND_ORDERS)
def test_all_orientations(tmp_path: Path, volume: np.ndarray, order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    place = order.index(2) if flips[0] > 0 else 2  # the coarse axis: world z, or stored last
    sizes = np.insert([0.5, 0.75], place, 3.0)
    affine = affine_of(order, flips, tuple(sizes))
    path = save(tmp_path / "in.nii", volume, affine)
    dataset, out = round_trip(path)
    section = order[place]
    assert dataset.source is not None
    assert dataset.source.header.section_axis == section
    image = nibabel.load(out)
    expected = list(volume.shape)
    expected[place] = 4 * (expected[place] - 1) + 1
    assert image.shape == tuple(expected)
    sizes[place] = 0.75
    np.testing.assert_allclose(image.header.get_zooms(), sizes, rtol=1e-6)
    assert nibabel.aff2axcodes(image.affine) == nibabel.aff2axcodes(affine)
    assert image.get_data_dtype() == np.int16
    assert_same_world(path, out)


@pytest.mark.parametrize(
    ("axis", "order"), [("z", (2, 1, 0)), ("y", (1, 2, 0)), ("x", (0, 2, 1))], ids=["axial", "coronal", "sagittal"]
)
def test_axes_of_the_dataset_are_the_canonical_ones(tmp_path: Path, volume: np.ndarray, axis: str, order: Any) -> None:
    affine = affine_of((1, 2, 0), (-1, 1, -1), (2, 3, 5))
    path = save(tmp_path / "in.nii", volume, affine)
    canonical = nibabel.as_closest_canonical(nibabel.load(path))
    dataset = io.read(path, axis=axis)  # type: ignore[arg-type]
    np.testing.assert_array_equal(dataset.voxels[0, 0], np.asarray(canonical.dataobj).transpose(order))
    sizes, start = canonical.header.get_zooms(), canonical.affine[:3, 3]
    assert dataset.grid.spacing == pytest.approx(sizes[order[0]])
    assert dataset.grid.pixel_size == pytest.approx((sizes[order[1]], sizes[order[2]]))
    assert dataset.grid.depths[0] == pytest.approx(start[order[0]])
    assert dataset.grid.origin == pytest.approx((start[order[1]], start[order[2]]))
    assert dataset.grid.unit == "mm"
    assert dataset.axes == "ZYX"
    assert dataset.voxels.flags.c_contiguous


@pytest.mark.parametrize("axis", ["auto", "x", "y", "z"])
@pytest.mark.parametrize("mirror", [1, -1])
def test_oblique(tmp_path: Path, volume: np.ndarray, axis: Any, mirror: int) -> None:
    affine = nibabel.affines.from_matvec(ROTATION @ np.diag([0.5 * mirror, 0.75, 3]), [3, -4, 50])
    path = save(tmp_path / "in.nii", volume, affine)
    dataset, out = round_trip(path, axis=axis)
    assert_same_world(path, out)
    if axis == "auto":
        assert dataset.grid.depths is not None
        assert dataset.grid.depths[0] == pytest.approx(affine[2, 3] if mirror > 0 else (affine @ [4, 0, 0, 1])[2])
        expected = affine.copy()
        expected[:3, 2] /= 4
        np.testing.assert_allclose(nibabel.load(out).affine, expected, atol=1e-5)


def test_sheared_sform_beside_its_qform(tmp_path: Path, volume: np.ndarray) -> None:
    shear = np.array([[1, 0.2, 0.1], [0, 1, -0.15], [0, 0, 1]])
    affine = nibabel.affines.from_matvec(ROTATION @ shear @ np.diag([-0.5, 0.75, 3]), [3, -4, 50])
    path = save(tmp_path / "in.nii", volume, affine, qform=0)
    assert_same_world(path, round_trip(path)[1])
    # both set and different: scanner coordinates and a template's
    path = save(tmp_path / "both.nii", volume, affine, sform=4)
    assert not np.allclose(nibabel.load(path).get_qform(), nibabel.load(path).get_sform(), atol=0.01)
    assert_same_world(path, round_trip(path)[1])


@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (3, 4)])
def test_form_codes_are_kept(tmp_path: Path, volume: np.ndarray, codes: tuple[int, int]) -> None:
    affine = affine_of((0, 1, 2), (-1, -1, 1))
    path = save(tmp_path / "in.nii", volume, affine, qform=codes[0], sform=codes[1])
    out = round_trip(path)[1]
    header = nibabel.load(out).header
    assert (header["qform_code"], header["sform_code"]) == codes
    assert_same_world(path, out)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_no_form_at_all(tmp_path: Path, volume: np.ndarray, shift: float) -> None:
    path = save(tmp_path / "in.nii", volume, None)
    patch(path, sform_code=0, qform_code=0, pixdim=[1, 0.5, 0.75, 3, 1, 1, 1, 1])
    dataset = io.read(path)
    old = nibabel.as_closest_canonical(nibabel.load(path)).affine
    assert dataset.grid.depths[0] == pytest.approx(old[2, 3])
    fine = densified(dataset)
    io.write(tmp_path / "out.nii", dataclasses.replace(fine, grid=fine.grid.with_depths(fine.grid.depths + shift)))
    new = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_allclose(new.header.get_zooms(), [0.5, 0.75, 0.75])
    np.testing.assert_allclose(nibabel.as_closest_canonical(new).affine[:3, 3], old[:3, 3] + [0, 0, shift], atol=1e-5)
    assert bool(new.header["sform_code"]) == bool(shift)  # only needed where the centre has moved


def test_sections_that_begin_elsewhere_and_finer_pixels(tmp_path: Path, volume: np.ndarray) -> None:
    affine = nibabel.affines.from_matvec(ROTATION @ np.diag([-0.5, -0.75, 3]), [3, -4, 50])
    dataset = io.read(save(tmp_path / "in.nii", volume, affine))
    grid = dataset.grid
    fine = dataclasses.replace(
        grid,
        depths=grid.depths[0] - 1.0 + np.arange(12) * 1.0,  # three sections per projection, edges aligned
        pixel_size=(grid.pixel_size[0] / 2, grid.pixel_size[1] / 2),
        origin=(grid.origin[0] - grid.pixel_size[0] / 4, grid.origin[1] - grid.pixel_size[1] / 4),
    )
    voxels = dataset.voxels.repeat(3, 2).repeat(2, 3).repeat(2, 4)
    io.write(tmp_path / "out.nii", dataclasses.replace(dataset, voxels=voxels, grid=fine))
    new = nibabel.load(tmp_path / "out.nii")
    assert new.shape == (10, 12, 12)
    # old voxel i covers the new voxels 2 i and 2 i + 1 (3 i to 3 i + 2 along z)
    old_centre = np.array([[0, 0, 0, 1], [4, 5, 3, 1]]).T
    new_centre = np.array([[0.5, 0.5, 1, 1], [8.5, 10.5, 10, 1]]).T
    np.testing.assert_allclose(new.affine @ new_centre, affine @ old_centre, atol=1e-4)
    np.testing.assert_allclose(new.get_qform(), new.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(new.dataobj)[::2, ::2, ::3], volume)


@pytest.mark.parametrize(
    ("sizes", "shape", "axis"),
    [
        ((1, 1, 1), (5, 6, 4), 2),
        ((1, 1.005, 1), (5, 6, 4), 2),
        ((1, 1.02, 1), (5, 6, 4), 1),
        ((4, 1, 1), (5, 6, 4), 0),
        ((2, 2, 1), (5, 6, 1), 2),
        ((1, 2, 2), (1, 6, 4), 0),
    ],
)
def test_auto_axis(tmp_path: Path, sizes: Any, shape: Any, axis: int) -> None:
    path = save(tmp_path / "in.nii", np.ones(shape, np.uint8), np.diag([*sizes, 1]))
    dataset = io.read(path)
    assert dataset.source.header.section_axis == axis
    assert dataset.voxels.shape[2] == shape[axis]
    assert len(dataset.grid.depths) == shape[axis]


def test_one_section_and_two_dimensions(tmp_path: Path) -> None:
    image = RNG.random((5, 6)).astype(np.float32)
    path = save(tmp_path / "in.nii", image, np.diag([0.5, 0.5, 1, 1]))
    dataset = io.read(path)
    assert dataset.voxels.shape == (1, 1, 1, 6, 5)
    np.testing.assert_array_equal(dataset.voxels[0, 0, 0], image.T)
    io.write(tmp_path / "out.nii", dataset)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "out.nii").get_fdata()[..., 0], image)


# Numbers


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize("endianness", "<>")
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_types_and_byte_orders(tmp_path: Path, dtype: str, endianness: str, kind: Any) -> None:
    data = RNG.integers(0, 120, (4, 5, 3)).astype(dtype)
    affine = affine_of((0, 1, 2), (-1, 1, 1))
    path = save(tmp_path / "in.nii", data, affine, kind, endianness=endianness)
    dataset, out = round_trip(path, 1)
    assert dataset.voxels.dtype == np.dtype(dtype)
    assert dataset.voxels.dtype.isnative
    assert dataset.source.format == ("NIfTI-1" if kind is nibabel.Nifti1Image else "NIfTI-2")
    assert nibabel.load(out).get_data_dtype() == np.dtype(dtype).newbyteorder(endianness)
    assert type(nibabel.load(out)) is kind
    assert out.read_bytes()[-data.nbytes :] == path.read_bytes()[-data.nbytes :]
    assert_same_world(path, out)


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept", "real"),
    [
        ("u1", 0.1, -3.0, "f4"),
        ("i2", 0.0123, 17.5, "f4"),
        ("u2", -2.5, 0.0, "f4"),
        ("i2", 1.0, -1024.0, "f4"),
        ("u2", 1e-5, 1e6, "f8"),  # float32 could not tell neighbours apart
        ("i4", 0.3, 1.0, "f8"),
        ("f4", 2.0, 0.0, "f8"),
    ],
)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_scaled_numbers_come_back_exactly(
    tmp_path: Path, dtype: str, slope: float, intercept: float, real: str, kind: Any
) -> None:
    if dtype == "f4":
        raw = RNG.random((4, 5, 3)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        raw = RNG.integers(limits.min, limits.max, (4, 5, 3), endpoint=True).astype(dtype)
        raw.flat[:2] = limits.min, limits.max
    path = save(tmp_path / "in.nii", raw, np.diag([1, 1, 2, 1.0]), kind)
    patch(path, scl_slope=slope, scl_inter=intercept)
    dataset, out = round_trip(path)
    assert dataset.voxels.dtype == np.dtype(real)
    expected = nibabel.load(path).get_fdata().transpose(2, 1, 0)
    np.testing.assert_allclose(dataset.voxels[0, 0], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    new = nibabel.load(out)
    assert (new.dataobj.slope, new.dataobj.inter) == (
        nibabel.load(path).dataobj.slope,
        nibabel.load(path).dataobj.inter,
    )
    np.testing.assert_array_equal(new.dataobj.get_unscaled()[:, :, ::4], raw)


def scaled_file(tmp_path: Path) -> tuple[Path, Dataset]:
    raw = RNG.integers(0, 255, (4, 5, 3)).astype(np.uint8)
    path = patch(save(tmp_path / "in.nii", raw, np.diag([1, 1, 2, 1.0])), scl_slope=0.5, scl_inter=-10)
    return path, io.read(path)


def test_scaled_values_outside_the_type_are_clipped(tmp_path: Path) -> None:
    _, dataset = scaled_file(tmp_path)
    io.write(tmp_path / "out.nii", dataclasses.replace(dataset, voxels=dataset.voxels * 10 - 300))
    raw = nibabel.load(tmp_path / "out.nii").dataobj.get_unscaled().transpose(2, 1, 0)
    expected = np.clip((dataset.voxels[0, 0] * 10 - 290) / 0.5, 0, 255)
    np.testing.assert_array_equal(raw, expected)
    assert {0, 255} <= set(raw.ravel().tolist())


def test_float_output(tmp_path: Path) -> None:
    _, dataset = scaled_file(tmp_path)
    io.write(tmp_path / "out.nii", dataset, float_output=True)
    image = nibabel.load(tmp_path / "out.nii")
    assert image.get_data_dtype() == np.float32
    assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)
    np.testing.assert_array_equal(image.get_fdata().transpose(2, 1, 0), dataset.voxels[0, 0])


def test_nan_does_not_become_a_number(tmp_path: Path) -> None:
    _, dataset = scaled_file(tmp_path)
    dataset.voxels[0, 0, 1, 2, 3] = np.nan
    with pytest.raises(OutputError, match=r"NaN.*float32"):
        io.write(tmp_path / "out.nii", dataset)
    assert not (tmp_path / "out.nii").exists()
    io.write(tmp_path / "out.nii", dataset, float_output=True)
    assert np.isnan(nibabel.load(tmp_path / "out.nii").get_fdata()[3, 2, 1])


@pytest.mark.parametrize(("slope", "intercept"), [(0, 5), (np.nan, np.nan), (1, 0)])
def test_no_scaling(tmp_path: Path, volume: np.ndarray, slope: float, intercept: float) -> None:
    path = patch(save(tmp_path / "in.nii", volume, np.eye(4)), scl_slope=slope, scl_inter=intercept)
    assert io.read(path).voxels.dtype == np.int16


@pytest.mark.parametrize(("dtype", "stored"), [("f2", "f4"), ("u2", "u2")])
def test_types_that_nifti_lacks(tmp_path: Path, dtype: str, stored: str) -> None:
    dataset = Dataset.from_array(np.arange(24).reshape(2, 3, 4).astype(dtype), z_spacing=2, pixel_size=(1, 1))
    io.write(tmp_path / "out.nii", dataset)
    image = nibabel.load(tmp_path / "out.nii")
    assert image.get_data_dtype() == np.dtype(stored)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, np.arange(24).reshape(2, 3, 4))


# Time, channels, units


@pytest.mark.parametrize(("name", "seconds"), [("sec", 1.0), ("msec", 1e-3), ("usec", 1e-6)])
def test_time(tmp_path: Path, name: str, seconds: float) -> None:
    data = RNG.integers(0, 99, (4, 5, 3, 6)).astype(np.int16)
    path = save(tmp_path / "in.nii", data, affine_of((0, 2, 1), (1, -1, 1)))
    image = nibabel.load(path)
    units = nibabel.nifti1.unit_codes.code[name]
    patch(path, xyzt_units=2 | units, pixdim=[*image.header["pixdim"][:4], 1500, 1, 1, 1])
    dataset, out = round_trip(path)
    assert dataset.axes == "TZYX"
    assert dataset.voxels.shape == (6, 1, 3, 5, 4)
    assert dataset.time_step == pytest.approx(1500 * seconds)
    assert_same_world(path, out)
    assert nibabel.load(out).header.get_zooms()[3] == 1500
    assert nibabel.load(out).header.get_xyzt_units() == ("mm", name)
    io.write(out, dataclasses.replace(dataset, time_step=2.0), overwrite=True)
    assert io.read(out).time_step == pytest.approx(2.0)


def test_time_of_unknown_unit(tmp_path: Path) -> None:
    path = save(tmp_path / "in.nii", np.ones((4, 5, 3, 6), np.int16), np.eye(4))
    assert io.read(patch(path, xyzt_units=2)).time_step is None


@pytest.mark.parametrize("times", [1, 2])
def test_channels_are_a_vector(tmp_path: Path, times: int) -> None:
    data = RNG.integers(0, 99, (4, 5, 3, times, 3)).astype(np.int16)
    path = save(tmp_path / "in.nii", data, affine_of((0, 1, 2), (-1, -1, 1)), intent_code=1007)
    dataset, out = round_trip(path)
    assert dataset.axes == ("TCZYX" if times > 1 else "CZYX")
    assert dataset.voxels.shape == (times, 3, 3, 5, 4)
    assert_same_world(path, out)
    io.write(tmp_path / "one.nii", dataset.select_channel("1"))
    one = nibabel.load(tmp_path / "one.nii")
    assert one.header["intent_code"] == 0
    np.testing.assert_array_equal(one.get_fdata().reshape(data.shape[:4]), data[..., 1])


def test_trailing_axes_of_one_are_dropped(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii", volume[..., None, None, None], np.eye(4))
    assert nibabel.load(path).ndim == 6
    assert io.read(path).axes == "ZYX"


@pytest.mark.parametrize(("code", "unit"), [(1, "m"), (2, "mm"), (3, "um"), (0, None), (7, None)])
def test_units(tmp_path: Path, volume: np.ndarray, code: int, unit: str | None) -> None:
    path = patch(save(tmp_path / "in.nii", volume, np.diag([1, 1, 2, 1.0])), xyzt_units=code)
    dataset, out = round_trip(path)
    assert dataset.grid.unit == unit
    assert bool(dataset.notes) == (unit is None)
    assert nibabel.load(out).header["xyzt_units"] & 7 == code


@pytest.mark.parametrize(
    ("unit", "code", "factor"),
    [("nm", 3, 1e-3), ("um", 3, 1), ("mm", 2, 1), ("cm", 2, 10), ("m", 1, 1), ("inch", 2, 25.4), ("angstrom", 3, 1e-4)],
)
def test_units_of_other_formats(tmp_path: Path, unit: str, code: int, factor: float) -> None:
    array = RNG.integers(0, 99, (3, 4, 5)).astype(np.uint16)
    dataset = Dataset.from_array(array, depths=[10, 12, 14], pixel_size=(0.5, 0.25), unit=unit)
    dataset = dataclasses.replace(dataset, grid=dataclasses.replace(dataset.grid, origin=(7, -3)))
    io.write(tmp_path / "out.nii", dataset)
    image = nibabel.load(tmp_path / "out.nii")
    assert image.header["xyzt_units"] == code
    expected = np.diag([0.25 * factor, 0.5 * factor, 2 * factor, 1])
    expected[:3, 3] = np.array([-3, 7, 10]) * factor
    np.testing.assert_allclose(image.get_sform(), expected, rtol=1e-6)
    np.testing.assert_allclose(image.get_qform(), expected, rtol=1e-6)
    np.testing.assert_allclose(image.header.get_zooms(), np.diag(expected)[:3], rtol=1e-6)
    again = io.read(tmp_path / "out.nii", axis="z")
    np.testing.assert_array_equal(again.voxels[0, 0], array)
    assert again.grid.origin == pytest.approx((7 * factor, -3 * factor))


def test_unknown_unit_stays_unknown_or_becomes_the_given_one(tmp_path: Path, volume: np.ndarray) -> None:
    plain = Dataset.from_array(volume, z_spacing=2, pixel_size=(1, 1))
    io.write(tmp_path / "plain.nii", plain)
    assert nibabel.load(tmp_path / "plain.nii").header["xyzt_units"] == 0
    affine = affine_of((0, 1, 2), (-1, 1, 1))
    path = patch(save(tmp_path / "in.nii", volume, affine), xyzt_units=0)
    dataset = io.read(path).with_z_spacing(3000.0, "nm")
    io.write(tmp_path / "out.nii", dataset)
    image = nibabel.load(tmp_path / "out.nii")
    assert image.header.get_xyzt_units()[0] == "micron"
    expected = affine.copy() / 1000  # all lengths of the file are taken as nm
    expected[:3, 2] *= 1000
    np.testing.assert_allclose(image.affine[:3], expected[:3], rtol=1e-5)
    np.testing.assert_allclose(image.get_qform()[:3], expected[:3], rtol=1e-5)


def test_a_grid_in_another_unit_than_the_header(tmp_path: Path, volume: np.ndarray) -> None:
    affine = affine_of((0, 1, 2), (-1, 1, 1))
    dataset = io.read(save(tmp_path / "in.nii", volume, affine))
    grid = dataset.grid
    in_um = dataclasses.replace(
        grid,
        depths=grid.depths * 1000,
        pixel_size=(grid.pixel_size[0] * 1000, grid.pixel_size[1] * 1000),
        origin=(grid.origin[0] * 1000, grid.origin[1] * 1000),
        unit="um",
    )
    io.write(tmp_path / "out.nii", dataclasses.replace(dataset, grid=in_um))
    np.testing.assert_allclose(nibabel.load(tmp_path / "out.nii").affine, affine, rtol=1e-6)


def test_channels_and_times_of_other_formats(tmp_path: Path) -> None:
    array = RNG.integers(0, 99, (2, 3, 4, 5, 6)).astype(np.uint8)
    dataset = Dataset.from_array(array, z_spacing=2, pixel_size=(1, 1), unit="um", axes="TCZYX")
    io.write(tmp_path / "out.nii.gz", dataclasses.replace(dataset, time_step=0.5))
    image = nibabel.load(tmp_path / "out.nii.gz")
    assert image.shape == (6, 5, 4, 2, 3)
    assert image.header.get_intent()[0] == "vector"
    again = io.read(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(again.voxels, array)
    assert again.time_step == 0.5


# Header


def test_header_fields_and_extensions_are_kept(tmp_path: Path, volume: np.ndarray) -> None:
    fields = {"descrip": b"a scan", "db_name": b"db", "aux_file": b"aux", "intent_name": b"name", "toffset": 3.5}
    fields |= {"intent_code": 1001, "cal_min": -5, "cal_max": 900, "dim_info": 57}
    slices = {"slice_code": 3, "slice_start": 0, "slice_end": 3, "slice_duration": 0.1}
    path = save(tmp_path / "in.nii", volume, affine_of((0, 1, 2), (-1, -1, 1)), **fields, **slices)
    image = nibabel.load(path)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"a comment of others"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(40, bytes(range(1, 200))))
    image.to_filename(path)
    image = nibabel.load(patch(path, pixdim=[*image.header["pixdim"][:4], 2.5, 1, 1, 1]))
    dataset, out = round_trip(path)
    header = nibabel.load(out).header
    for name in fields:
        assert header[name] == image.header[name], name
    assert header["pixdim"][4] == 2.5  # the repetition time, although there is one time point
    assert [int(header[name]) for name in slices] == [0, 0, 0, 0]  # they told of other sections
    assert [e.content for e in header.extensions] == [e.content for e in image.header.extensions]
    io.write(out, dataset, overwrite=True)
    assert nibabel.load(out).header["slice_code"] == 3  # the same sections
    assert nibabel.load(out).header == nibabel.load(path).header


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_record(tmp_path: Path, volume: np.ndarray, name: str) -> None:
    path = save(tmp_path / "in.nii", volume, np.diag([1, 1, 2, 1.0]))
    dataset = io.read(path)
    assert dataset.record == {}
    record = {"method": "linear", "depths": [0.1, 1 / 3], "nested": {"µ": None, "yes": True}, "text": "x" * 70000}
    for _ in range(2):  # the second time the old record is replaced
        io.write(tmp_path / name, dataclasses.replace(dataset, record=record), overwrite=True)
        dataset = io.read(tmp_path / name)
        assert dataset.record == record
    assert len(nibabel.load(tmp_path / name).header.extensions) == 1
    np.testing.assert_array_equal(nibabel.load(tmp_path / name).get_fdata(), volume)
    io.write(tmp_path / name, dataclasses.replace(dataset, record={}), overwrite=True)
    assert nibabel.load(tmp_path / name).header.extensions == []


def test_damaged_record_is_ignored(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    io.write(path, dataclasses.replace(io.read(path), record={"method": "linear"}), overwrite=True)
    path.write_bytes(path.read_bytes().replace(b'"linear"', b'"linear '))
    assert io.read(path).record == {}


def test_nifti2_where_nifti1_is_too_small(tmp_path: Path) -> None:
    array = RNG.integers(0, 99, (2, 1, 32768)).astype(np.uint8)
    dataset = Dataset.from_array(array, z_spacing=2, pixel_size=(1, 0.5), unit="um")
    io.write(tmp_path / "out.nii", dataset)
    image = nibabel.load(tmp_path / "out.nii")
    assert isinstance(image, nibabel.Nifti2Image)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, array)
    np.testing.assert_allclose(image.affine, np.diag([0.5, 1, 2, 1]))


@pytest.mark.parametrize("axis", [(0.6, 0.8, 0), (1, 2, 3), (3, -1, 0.5), (0, 0, 1), (5, 1, 1)])
def test_growing_into_nifti2_keeps_the_header(tmp_path: Path, axis: tuple[float, float, float]) -> None:
    half_turn = nibabel.quaternions.quat2mat([0, *axis])  # here single precision makes quaternions too long or short
    affine = nibabel.affines.from_matvec(half_turn @ np.diag([-0.5, -0.5, 4.0]), [3, -4, 50])
    data = RNG.integers(0, 99, (2, 3, 5)).astype(np.int16)
    path = save(tmp_path / "in.nii", data, affine, descrip=b"a scan")
    out = round_trip(path, 8192, axis="auto")[1]
    image = nibabel.load(out)
    assert isinstance(image, nibabel.Nifti2Image)
    assert image.shape == (2, 3, 32769)
    assert image.header["descrip"] == b"a scan"
    ends = np.array([[0, 0, 0, 1], [1, 2, 4, 1]]).T
    new_ends = np.array([[0, 0, 0, 1], [1, 2, 32768, 1]]).T
    np.testing.assert_allclose(image.get_sform() @ new_ends, affine @ ends, atol=1e-5)
    np.testing.assert_allclose(image.get_qform() @ new_ends, affine @ ends, atol=1e-5)


def test_the_same_data_give_the_same_compressed_bytes(tmp_path: Path, volume: np.ndarray) -> None:
    dataset = io.read(save(tmp_path / "in.nii.gz", volume, np.eye(4)))
    io.write(tmp_path / "a.nii.gz", dataset)
    io.write(tmp_path / "b.nii.gz", dataset)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_compression_is_told_by_the_content(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii.gz", volume, np.eye(4)).rename(tmp_path / "really_gz.nii")
    np.testing.assert_array_equal(io.read(path).voxels[0, 0].T, volume)


# Missing spacing


@pytest.mark.parametrize("size", [0, np.nan, np.inf])
@pytest.mark.parametrize("forms", [(0, 0), (1, 0)])
def test_missing_spacing_is_asked_for(tmp_path: Path, volume: np.ndarray, size: float, forms: tuple[int, int]) -> None:
    affine = affine_of((0, 1, 2), (1, -1, -1))
    path = save(tmp_path / "in.nii", volume, affine)
    patch(path, qform_code=forms[0], sform_code=forms[1], pixdim=[1, 0.5, 0.75, size, 0, 0, 0, 0])
    dataset = io.read(path)
    assert dataset.grid.depths is None
    assert dataset.grid.pixel_size == pytest.approx((0.75, 0.5))
    with pytest.raises(MissingSpacingError):
        io.write(tmp_path / "out.nii", dataset)
    given = dataset.with_z_spacing(3.0)
    io.write(tmp_path / "out.nii", densified(given))
    image = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_allclose(image.header.get_zooms(), [0.5, 0.75, 0.75])
    if forms[0]:  # the section that is stored first has not moved, the others go the same way as before
        expected = affine.copy()
        expected[:3, 2] /= 4
        np.testing.assert_allclose(image.affine, expected, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, :, ::4], volume)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"pixdim": [1, 0.5, 0.75, 9, 0, 0, 0, 0]}, "voxels of 0.5 x 0.75 x 3 (taken), its pixdim 0.5 x 0.75 x 9"),
        ({"pixdim": [1, 1, 1, 1, 0, 0, 0, 0], "qform_code": 0}, ""),  # a writer that has set the sform only
        ({"pixdim": [1, 0.5, 0.75, -3, 0, 0, 0, 0]}, ""),
        ({"srow_y": [0, 0.75, 1, 0], "pixdim": [1, 0.5, 0.75, 10**0.5, 0, 0, 0, 0]}, "a tilted gantry"),
    ],
)  # fmt: skip
def test_a_header_that_contradicts_itself_is_said(
    tmp_path: Path, volume: np.ndarray, fields: dict[str, Any], words: str
) -> None:
    path = patch(save(tmp_path / "in.nii", volume, np.diag([0.5, 0.75, 3, 1])), **fields)
    dataset = io.read(path)
    assert [words in note for note in dataset.notes] == [True] * bool(words)
    assert dataset.grid.spacing == pytest.approx(np.hypot(3, fields.get("srow_y", [0, 0, 0])[2]))


def test_missing_pixel_size(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    patch(path, qform_code=0, sform_code=0, pixdim=[1, 0, 0, 3, 0, 0, 0, 0])
    dataset, out = round_trip(path)
    assert dataset.grid.pixel_size is None
    assert dataset.grid.spacing == 3
    assert any("pixels" in note for note in dataset.notes)
    written = nibabel.Nifti1Header(out.read_bytes()[:348], check=False)
    np.testing.assert_array_equal(written["pixdim"][1:4], [0, 0, 0.75])


def test_the_sform_tells_the_spacing_where_pixdim_does_not(tmp_path: Path, volume: np.ndarray) -> None:
    affine = affine_of((0, 1, 2), (-1, -1, 1))
    path = patch(save(tmp_path / "in.nii", volume, affine), pixdim=[1, 0, 0, 0, 0, 0, 0, 0])
    dataset, out = round_trip(path)
    assert dataset.grid.spacing == pytest.approx(3.0)
    expected = affine.copy()
    expected[:3, 2] /= 4
    image = nibabel.load(out)
    np.testing.assert_allclose(image.affine, expected)
    np.testing.assert_allclose(image.header.get_zooms(), [0.5, 0.75, 0.75])
    assert image.header["qform_code"] == 0


def test_negative_sizes_and_long_quaternions_are_repaired(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii", volume, affine_of((0, 1, 2), (-1, -1, 1)), sform=0)
    patch(path, pixdim=[0, -0.5, 0.75, 3, 0, 0, 0, 0], quatern_d=1.0001)
    dataset, out = round_trip(path)
    assert dataset.grid.pixel_size == pytest.approx((0.75, 0.5))
    assert nibabel.aff2axcodes(nibabel.load(out).affine) == ("L", "P", "S")


# Refusals


def refused(path: Path, error: type[Exception] = InputError) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error) as caught:
            io.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_truncated_anywhere(tmp_path: Path, suffix: str, kind: Any) -> None:
    data = RNG.integers(0, 30000, (6, 7, 5)).astype(np.int16)
    path = save(tmp_path / f"in{suffix}", data, np.eye(4), kind)
    whole = path.read_bytes()
    assert io.read(path).voxels.shape == (1, 1, 5, 7, 6)
    for length in {1, 2, 3, 4, 5, 10, 11, 347, 348, 350, 351, 352, 353, *range(1, len(whole), 13), len(whole) - 1}:
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(b"")
    refused(path)


def test_wrong_checksum_and_flipped_bits(tmp_path: Path) -> None:
    data = RNG.integers(0, 30000, (6, 7, 5)).astype(np.int16)
    path = save(tmp_path / "in.nii.gz", data, np.eye(4))
    whole = bytearray(path.read_bytes())
    for place in (-8, -5, len(whole) // 2, len(whole) - 20):
        damaged = whole.copy()
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        assert "damaged" in refused(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"subject,age\n1,33\n" * 40, "no NIfTI"), (b"\x00" * 400, "no NIfTI"), (b"\x1f\x8b" + b"x" * 400, "damaged")],
)
def test_other_files_with_the_suffix(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "in.nii"
    path.write_bytes(content)
    assert words in refused(path)
    (tmp_path / "in.nii.gz").write_bytes(gzip.compress(content))
    refused(tmp_path / "in.nii.gz")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizeof_hdr": 349}, "no NIfTI"),
        ({"magic": b"ni1"}, ".hdr/.img pair"),
        ({"magic": b""}, "Analyze"),
        ({"dim": [0, 5, 6, 4, 1, 1, 1, 1]}, "0 axes"),
        ({"dim": [8, 5, 6, 4, 1, 1, 1, 1]}, "8 axes"),
        ({"dim": [-3, 5, 6, 4, 1, 1, 1, 1]}, "-3 axes"),
        ({"dim": [3, 5, 0, 4, 1, 1, 1, 1]}, "(5, 0, 4)"),
        ({"dim": [3, 5, -6, 4, 1, 1, 1, 1]}, "(5, -6, 4)"),
        ({"dim": [3, -1, 1, 1, 1, 1, 1, 1]}, "(-1, 1, 1)"),
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "truncated"),
        ({"dim": [5, 32767, 32767, 32767, 32767, 32767, 1, 1], "intent_code": 1007}, "truncated"),
        ({"dim": [5, 5, 6, 2, 1, 2, 1, 1]}, "split it"),
        ({"dim": [5, 5, 6, 2, 1, 2, 1, 1], "intent_code": 1005}, "split it"),
        ({"dim": [6, 5, 6, 1, 1, 2, 2, 1], "intent_code": 1007}, "split it"),
        ({"vox_offset": 12}, "byte 12"),
        ({"vox_offset": -400}, "byte -400"),
        ({"vox_offset": np.nan}, "byte nan"),
        ({"vox_offset": np.inf}, "byte inf"),
        ({"vox_offset": 1e30}, "truncated"),
        ({"vox_offset": 400.5}, "byte 400.5"),
        ({"datatype": 0}, "data type"),
        ({"datatype": 1}, "data type"),
        ({"datatype": 77}, "data type 77"),
        ({"datatype": 128}, "RGB"),
        ({"datatype": 2304}, "RGB"),
        ({"datatype": 32}, "complex"),
        ({"datatype": 2048}, "complex"),
        ({"datatype": 1536}, "float128"),
        ({"scl_slope": 2, "scl_inter": np.inf}, "scl_inter"),
        ({"srow_x": [0, 0, 0, 1]}, "singular"),
        ({"srow_x": [0, 1, 0, 1], "srow_y": [0, 2, 0, 1]}, "singular"),
        ({"srow_x": [1, 0, np.nan, 1]}, "not finite"),
        ({"srow_x": [1, 0, 0, np.inf]}, "not finite"),
        ({"srow_x": [3e38, 3e38, 3e38, 3e38]}, "singular"),
        ({"sform_code": 0, "quatern_b": 1, "quatern_c": 1}, "orientation"),
        ({"sform_code": 0, "quatern_b": np.nan}, "orientation"),
    ],
)
def test_headers_that_lie(tmp_path: Path, volume: np.ndarray, fields: dict[str, Any], words: str) -> None:
    path = patch(save(tmp_path / "in.nii", volume, np.eye(4)), **fields)
    assert words in refused(path)


def test_real_rgb_and_complex_files(tmp_path: Path) -> None:
    rgb = np.zeros((3, 4, 2), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    assert "RGB" in refused(save(tmp_path / "rgb.nii", rgb, np.eye(4)))
    assert "complex" in refused(save(tmp_path / "complex.nii.gz", np.zeros((3, 4, 2), np.complex64), np.eye(4)))


def test_pairs(tmp_path: Path, volume: np.ndarray) -> None:
    nibabel.Nifti1Pair(volume, np.eye(4)).to_filename(tmp_path / "pair.img")
    assert "pair" in refused((tmp_path / "pair.hdr").rename(tmp_path / "pair.nii"))


@pytest.mark.parametrize("size", [-64, 0, 7, 2**30])
def test_damaged_extensions(tmp_path: Path, volume: np.ndarray, size: int) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    image = nibabel.load(path)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, b"some comment"))
    image.to_filename(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:352] + np.int32(size).tobytes() + whole[356:])
    assert "extensions" in refused(path)


@pytest.mark.parametrize(("dims", "words"), [((30000, 30000, 30000), "truncated"), ((2000, 200, 2), "too early")])
def test_lying_size_of_a_compressed_file(tmp_path: Path, volume: np.ndarray, dims: Any, words: str) -> None:
    path = save(tmp_path / "in.nii.gz", RNG.integers(0, 9999, (20, 20, 9)).astype(np.int16), np.eye(4))
    assert words in refused(patch(path, dim=[3, *dims, 1, 1, 1, 1]))


def test_no_more_is_unpacked_than_declared(tmp_path: Path, volume: np.ndarray, monkeypatch: Any) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    packed = tmp_path / "bomb.nii.gz"
    with gzip.open(packed, "wb") as file:
        file.write(path.read_bytes())
        for _ in range(64):
            file.write(bytes(1 << 20))
    unpacked = 0
    read = gzip.GzipFile.read

    def counting(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal unpacked
        block = read(self, size)
        unpacked += len(block)
        return block

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    np.testing.assert_array_equal(io.read(packed).voxels[0, 0].T, volume)
    assert 0 < unpacked < 100_000


def test_more_than_the_memory(tmp_path: Path, volume: np.ndarray, monkeypatch: Any) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=500))
    assert "GiB" in refused(path, TooLargeError)


def test_requests(tmp_path: Path, volume: np.ndarray) -> None:
    path = save(tmp_path / "in.nii", volume, np.eye(4))
    with pytest.raises(RequestError, match="TIFF"):
        io.read(path, axes="ZYX")
    with pytest.raises(RequestError, match="sagittal"):
        nifti.read(path, axis="w")  # type: ignore[arg-type]


def test_what_cannot_be_written(tmp_path: Path, volume: np.ndarray) -> None:
    uneven = Dataset.from_array(volume, depths=[0, 1, 2, 3, 5], pixel_size=(1, 1))
    with pytest.raises(OutputError, match=r"gaps go from 1 to 2.*TIFF"):
        io.write(tmp_path / "out.nii", uneven)
    with pytest.raises(OutputError, match=r"pixel size.*TIFF"):
        io.write(tmp_path / "out.nii", Dataset.from_array(volume, z_spacing=1))
    with pytest.raises(MissingSpacingError):
        io.write(tmp_path / "out.nii", Dataset.from_array(volume, pixel_size=(1, 1)))
    assert list(tmp_path.iterdir()) == []


# A real scan, and silence


def test_real_mri(tmp_path: Path) -> None:
    dataset, out = round_trip(MRI, folder=tmp_path)
    image, new = nibabel.load(MRI), nibabel.load(out)
    assert image.shape == (128, 96, 24, 2)
    assert dataset.voxels.shape == (2, 1, 24, 96, 128)
    assert dataset.grid.spacing == pytest.approx(2.2, rel=1e-5)
    assert dataset.grid.pixel_size == pytest.approx((2, 2), rel=1e-5)
    assert dataset.time_step == 2000
    assert new.shape == (128, 96, 93, 2)
    assert new.header["descrip"] == image.header["descrip"]
    assert [e.content for e in new.header.extensions] == [e.content for e in image.header.extensions]
    assert_same_world(MRI, out)
    unchanged = tmp_path / "same.nii"
    io.write(unchanged, dataset)
    np.testing.assert_array_equal(nibabel.load(unchanged).get_sform(), image.get_sform())
    np.testing.assert_array_equal(nibabel.load(unchanged).get_qform(), image.get_qform())
    io.write(tmp_path / "packed.nii.gz", dataset)
    assert gzip.decompress((tmp_path / "packed.nii.gz").read_bytes()) == unchanged.read_bytes()


def test_silence(tmp_path: Path, volume: np.ndarray, caplog: Any, capfd: Any) -> None:
    odd = patch(
        save(tmp_path / "odd.nii", volume, np.eye(4)), pixdim=[0, -1, 0, 2, 0, 0, 0, 0], bitpix=3, qform_code=77
    )
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG):
        warnings.simplefilter("error")
        for path in (MRI, odd):
            round_trip_path = tmp_path / "out.nii.gz"
            io.write(round_trip_path, io.read(path), overwrite=True)
    assert [each for each in caplog.records if not each.name.startswith("napari_depth_interp.")] == []
    assert capfd.readouterr() == ("", "")


def test_importing_the_package_does_not_import_nibabel() -> None:
    code = "import sys, napari_depth_interp.io; sys.exit('nibabel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, volume: np.ndarray, name: str, monkeypatch: Any) -> None:
    dataset = io.read(save(tmp_path / "in.nii", volume, np.eye(4)))
    before = (tmp_path / "in.nii").read_bytes()
    with pytest.raises(OutputError, match="exists"):
        io.write(tmp_path / "in.nii", dataset)
    with pytest.raises(TypeError):
        io.write(tmp_path / "in.nii", dataclasses.replace(dataset, record={"not JSON": object()}), overwrite=True)
    planes = iter(range(2))
    contiguous = np.ascontiguousarray

    def full_disk(*args: Any) -> np.ndarray:
        if next(planes, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return contiguous(*args)

    monkeypatch.setattr(np, "ascontiguousarray", full_disk)
    with pytest.raises(OutputError, match="disk full"):
        io.write(tmp_path / name, dataset)
    assert [p.name for p in tmp_path.iterdir()] == ["in.nii"]
    assert (tmp_path / "in.nii").read_bytes() == before


def test_depths_are_given_in_the_order_of_the_file(tmp_path):
    """A file stored from top to bottom is turned round on reading; the user's list follows the file."""
    voxels = np.arange(4, dtype=np.int16) * np.ones((3, 3, 1), np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, -2, 1])), tmp_path / "down.nii")
    dataset = io.read(tmp_path / "down.nii")
    np.testing.assert_array_equal(dataset.voxels[0, 0, :, 0, 0], [3, 2, 1, 0])
    uneven = dataset.with_depths([0, 1, 3, 7])  # 1 between the file's first two sections, our last two
    np.testing.assert_array_equal(np.diff(uneven.grid.depths), [4, 2, 1])

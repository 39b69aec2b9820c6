"""xarray and dask arrays in, the same out; results as arrays."""

import json
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import napari_depth_interp as ndi
from command_line import noise
from napari_depth_interp.errors import InputError, MissingSpacingError, RequestError
from quick import QUICK


@pytest.fixture
def voxels():
    return noise((5, 12, 14))


def labelled(values, dims=("z", "y", "x"), **coords):
    return xr.DataArray(values, dims=dims, coords=coords, name="cells", attrs={"stain": "DAPI"})


def along(dim, values, unit=None):
    return xr.DataArray(values, dims=dim, attrs={} if unit is None else {"units": unit, "long_name": dim})


class TestResultAsArray:
    @pytest.fixture
    def dense(self, voxels):
        return ndi.interpolate(voxels, z_spacing="2um", factor=4, method="linear")

    def test_numpy_takes_it(self, dense, voxels):
        array = np.asarray(dense)
        assert array.shape == dense.shape == (17, 12, 14)
        assert (array.dtype, dense.dtype, dense.ndim, len(dense)) == (np.uint16, np.uint16, 3, 17)
        assert np.shares_memory(array, dense.dataset.voxels)
        assert not np.shares_memory(np.array(dense, copy=True), array)
        assert np.asarray(dense, dtype=float).dtype == float
        np.testing.assert_array_equal(dense[::4], voxels)
        assert np.max(dense) == array.max()

    def test_what_is_known(self, dense):
        assert (dense.spacing, dense.voxel_size, dense.unit, dense.axes) == (0.5, (0.5, None, None), "um", "ZYX")
        np.testing.assert_allclose(dense.depths, np.arange(17) / 2)
        metadata = json.loads(json.dumps(dense.metadata))
        assert metadata["voxel_size"] == [0.5, None, None]
        assert metadata["method"] == "linear"
        assert metadata["observed"] == [0, 4, 8, 12, 16]
        assert repr(dense) == "Result(17 x 12 x 14 uint16, axes ZYX, sections 0.5 um apart, linear)"

    def test_axes_are_those_of_the_input(self, voxels):
        movie = ndi.Dataset.from_array(
            np.stack([voxels, voxels + 1]), axes="CZYX", z_spacing=1.0, pixel_size=(0.5, 0.25)
        )
        dense = ndi.interpolate(movie, factor=2, method="linear")
        assert (dense.axes, dense.shape, dense.voxel_size) == ("CZYX", (2, 9, 12, 14), (0.5, 0.5, 0.25))
        np.testing.assert_array_equal(dense[1, ::2], voxels + 1)
        one = ndi.interpolate(movie, factor=2, method="linear", channel="1")
        assert (one.axes, one.shape) == ("ZYX", (9, 12, 14))


class TestXarray:
    def test_coordinates_become_depths_and_come_back(self, voxels):
        coords = {
            "z": along("z", np.arange(5) * 2.0, "micrometer"),
            "y": along("y", 3 + np.arange(12) * 0.5),
            "x": along("x", np.arange(14) * 0.5),
        }
        image = labelled(voxels, **coords).assign_coords(day=4)
        dense = ndi.interpolate(image, factor=4, method="linear")
        assert isinstance(dense, xr.DataArray)
        assert (dense.dims, dense.name, dense.attrs["stain"], int(dense.day)) == (("z", "y", "x"), "cells", "DAPI", 4)
        np.testing.assert_allclose(dense.z, np.arange(17) / 2)
        assert dense.z.attrs == {"units": "micrometer", "long_name": "z"}
        np.testing.assert_array_equal(dense.y, image.y)
        np.testing.assert_array_equal(dense.is_observed, np.arange(17) % 4 == 0)
        np.testing.assert_array_equal(dense.sel(z=dense.is_observed), voxels)
        record = json.loads(dense.attrs["depth_interp"])
        assert (record["method"], record["unit"]) == ("linear", "um")
        reference = ndi.interpolate(voxels, z_spacing="2um", factor=4, method="linear")
        np.testing.assert_array_equal(dense, np.asarray(reference))

    def test_isotropic_knows_units_of_each_axis(self, voxels):
        coords = {
            "z": along("z", np.arange(5) * 0.002, "mm"),
            "y": along("y", np.arange(12) * 0.5, "um"),
            "x": along("x", -np.arange(14) * 0.5, "um"),
        }
        dense = ndi.interpolate(labelled(voxels, **coords), isotropic=True, method="linear")
        np.testing.assert_allclose(dense.z, np.arange(17) * 0.0005)

    @pytest.mark.parametrize("lazy", [False, True])
    def test_methods_that_enlarge_the_sections(self, voxels, lazy):
        coords = {
            "z": along("z", np.arange(5) * 2.0, "um"),
            "y": along("y", 3 + np.arange(12) * 0.5, "um"),
            "x": along("x", np.arange(14) * 0.5, "um"),
        }
        image = labelled(voxels, **coords).assign_coords(row=("y", np.arange(12)))
        dense = ndi.interpolate(image.chunk() if lazy else image, method="enlarge", factor=4)
        assert dense.compute().shape == dense.shape == (20, 48, 56)
        np.testing.assert_allclose(dense.y, 3 - 0.1875 + np.arange(48) * 0.125)
        np.testing.assert_allclose(dense.x.diff("x"), 0.125)
        assert "row" not in dense.coords

    @pytest.mark.parametrize("lazy", [False, True])
    def test_finer_coordinates_keep_their_own_unit_and_direction(self, voxels, lazy):
        coords = {
            "z": along("z", np.arange(5) * 2.0, "um"),
            "y": along("y", 5500 - np.arange(12) * 500.0, "nm"),
            "x": along("x", np.arange(14) * 0.5, "um"),
        }
        image = labelled(voxels, **coords)
        dense = ndi.interpolate(image.chunk() if lazy else image, method="enlarge", factor=4)
        np.testing.assert_allclose(dense.y, 5500 + 187.5 - np.arange(48) * 125.0)
        assert dense.y.attrs["units"] == "nm"

    def test_a_lazy_result_calls_no_enhanced_section_observed(self, voxels):
        settings = {"enhance": "srcnn", "enhance_parameters": QUICK["srcnn"], "z_spacing": "2um", "factor": 2}
        lazy = ndi.interpolate(labelled(voxels).chunk(), method="linear", **settings)
        assert not lazy.is_observed.any()

    def test_any_order_of_dimensions(self, voxels):
        values = np.stack([voxels, voxels // 2])
        image = labelled(values, ("channel", "Z", "y", "x"), channel=["a", "b"]).transpose("y", "x", "channel", "Z")
        dense = ndi.interpolate(image, z_spacing="2um", factor=2, method="linear")
        assert dense.dims == ("y", "x", "channel", "Z")
        np.testing.assert_array_equal(dense.transpose("channel", "Z", "y", "x")[:, ::2], values)
        one = ndi.interpolate(image, z_spacing="2um", factor=2, method="linear", channel="b")
        assert one.dims == ("y", "x", "Z")
        assert "channel" not in one.coords

    def test_uncertainty_is_a_coordinate(self, tissue):
        image = labelled(tissue.voxels[0, 0], z=along("z", tissue.grid.depths, "um"))
        settings = {"factor": 2, "preset": "fast", "parameters": {"candidates": "flow"}, "threads": 1}
        dense = ndi.interpolate(image, method="auto", **settings)
        assert dense.uncertainty.dims == dense.dims
        assert float(dense.uncertainty[::2].max()) == 0
        assert float(dense.uncertainty[1::2].mean()) > 0

    def test_writes_netcdf_attributes(self, voxels):
        """Attributes must be plain text and numbers for files."""
        dense = ndi.interpolate(labelled(voxels), z_spacing="2um", factor=2, method="linear")
        assert all(isinstance(value, str | int | float) for value in dense.attrs.values())

    def test_evaluate_takes_it(self, voxels):
        image = labelled(voxels, z=along("z", np.arange(5.0), "um"))
        ours = ndi.evaluate(image, "linear", keep_every=2)
        same = ndi.evaluate(voxels, "linear", keep_every=2, z_spacing="1um")
        assert ours.methods[0].sections == same.methods[0].sections

    @pytest.mark.parametrize(
        ("image", "kind", "words"),
        [
            (labelled(np.zeros((3, 4, 5)), ("a", "y", "x")), InputError, r"rename.*'z'"),
            (labelled(np.zeros((3, 4, 5)), ("t", "y", "x")), InputError, "z, y and x among them"),
            (labelled(np.zeros((3, 4, 5)), ("z", "depth", "x")), InputError, "not understood"),
            (labelled(np.zeros((3, 4, 5))), MissingSpacingError, "z_spacing='2um'"),
            (
                labelled(np.zeros((3, 4, 5)), z=[0, 1, 2.0], y=[0, 1, 3, 4.0], x=np.arange(5)),
                InputError,
                r"uneven \(1 to 2\).*drop_vars\('y'\)",
            ),
            (labelled(np.zeros((3, 4, 5)), z=[2, 0, 1.0]), InputError, "depths must increase"),
        ],
    )
    def test_what_is_not_understood(self, image, kind, words):
        with pytest.raises(kind, match=words):
            ndi.interpolate(image, factor=2, method="linear")


class TestDask:
    def test_is_computed_when_asked_for(self, voxels):
        read = threading.Event()

        def load(block):
            read.set()
            return block

        lazy_input = da.from_array(voxels, chunks=(2, 12, 7)).map_blocks(load, dtype=voxels.dtype)
        read.clear()
        dense = ndi.interpolate(lazy_input, z_spacing="2um", factor=4, method="linear")
        assert isinstance(dense, da.Array)
        assert (dense.shape, dense.dtype) == ((17, 12, 14), np.uint16)
        assert not read.is_set()
        reference = ndi.interpolate(voxels, z_spacing="2um", factor=4, method="linear")
        with dask.config.set(scheduler="threads"):
            np.testing.assert_array_equal(dense.compute(), np.asarray(reference))
        assert read.is_set()

    def test_inside_xarray(self, voxels):
        values = np.stack([voxels, voxels // 2], axis=-1)
        z = along("z", np.arange(5) * 2.0, "um")
        eager = labelled(values, ("z", "y", "x", "c"), z=z)
        dense = ndi.interpolate(eager.chunk(), factor=2, method="cubic", dtype="float32")
        assert isinstance(dense.data, da.Array)
        reference = ndi.interpolate(eager, factor=2, method="cubic", dtype="float32")
        xr.testing.assert_equal(dense.compute(), reference)
        assert dense.dtype == np.float32

    def test_mistakes_are_said_at_once(self, voxels):
        lazy = da.from_array(voxels)
        with pytest.raises(RequestError, match="no method"):
            ndi.interpolate(lazy, z_spacing="2um", factor=2, method="linar")
        with pytest.raises(MissingSpacingError):
            ndi.interpolate(lazy, factor=2, method="linear")

    def test_bad_voxels_are_said_when_computed(self):
        lazy = ndi.interpolate(da.full((3, 4, 4), np.nan), z_spacing="2um", factor=2, method="linear")
        with pytest.raises(InputError, match="NaN"):
            lazy.compute()


def test_neither_is_imported_for_numpy(voxels):
    import subprocess
    import sys

    from command_line import ENVIRONMENT

    code = (
        "import sys, numpy as np, napari_depth_interp as ndi; "
        "ndi.interpolate(np.ones((2, 3, 3)), z_spacing=1, factor=2, method='linear'); "
        "print([name for name in ('xarray', 'dask') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert done.stdout == "[]\n"

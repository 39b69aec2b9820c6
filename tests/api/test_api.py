"""The library in two calls."""

import doctest
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import napari_depth_interp as ndi
from command_line import ENVIRONMENT, noise, write_imagej
from napari_depth_interp.errors import DepthInterpError, MissingSpacingError, RequestError
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.progress import Cancelled


@pytest.fixture
def voxels():
    return noise((5, 12, 14))


@pytest.mark.parametrize(("module", "examples"), [("", 5), (".api", 15), (".run.result", 7)])
def test_examples_in_the_documentation_are_right(module, examples):
    found = doctest.testmod(import_module(f"napari_depth_interp{module}"))
    assert found.failed == 0
    assert found.attempted >= examples


def test_public_names():
    assert set(ndi.__all__) == set(dir(ndi))
    assert all(getattr(ndi, name) is not None for name in ndi.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = ndi.nothing


@pytest.mark.parametrize("first", ["evaluation.evaluate", "api", "demo"])
def test_evaluate_stays_the_function(first):
    """There is a submodule of the same name."""
    code = f"import napari_depth_interp.{first}, napari_depth_interp as ndi; print(ndi.evaluate.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert (done.stdout, done.stderr) == ("napari_depth_interp.api\n", "")


class TestInterpolate:
    def test_array_path_and_dataset_give_the_same(self, tmp_path, voxels):
        path = write_imagej(tmp_path / "in.tif", voxels)
        results = [
            ndi.interpolate(voxels, z_spacing="2um", factor=4, method="linear"),
            ndi.interpolate(path, factor=4, method="linear"),
            ndi.interpolate(str(path), factor=4, method="linear"),
            ndi.interpolate(ndi.read(path), spacing="500nm", method="linear"),
            ndi.interpolate(voxels.tolist(), depths=[0, 2, 4, 6, 8], factor=4, dtype="float32", method="linear"),
        ]
        for result in results:
            assert result.dataset.voxels.shape == (1, 1, 17, 12, 14)
            np.testing.assert_array_equal(result.dataset.voxels[0, 0, ::4], voxels)
            np.testing.assert_allclose(result.dataset.voxels, results[0].dataset.voxels, atol=0.5)
            np.testing.assert_allclose(result.dataset.grid.depths, np.arange(17) / 2)
        assert [result.dataset.grid.unit for result in results] == ["um"] * 4 + [None]
        assert results[0].dataset.voxels.dtype == np.uint16

    def test_the_input_stays_as_it_was(self, voxels):
        before = voxels.copy()
        voxels.flags.writeable = False
        ndi.interpolate(voxels, z_spacing="2um", factor=2, method="cubic")
        np.testing.assert_array_equal(voxels, before)

    def test_at_chosen_depths(self, voxels):
        result = ndi.interpolate(voxels.astype(float), z_spacing="2um", at=[1, 2, 6.5], method="linear")
        np.testing.assert_array_equal(result.is_observed, [False, True, False])
        dense = result.dataset.voxels[0, 0]
        np.testing.assert_allclose(dense[0], (voxels[0] + voxels[1].astype(float)) / 2)
        np.testing.assert_array_equal(dense[1], voxels[1])
        np.testing.assert_allclose(dense[2], 0.75 * voxels[3] + 0.25 * voxels[4])

    def test_beyond_the_ends_only_if_asked(self, voxels):
        with pytest.raises(RequestError, match="extrapolate=True"):
            ndi.interpolate(voxels, z_spacing="2um", at=[-1, 4], method="linear")
        result = ndi.interpolate(voxels, z_spacing="2um", at=[-1, 4, 99], extrapolate=True, method="linear")
        np.testing.assert_array_equal(result.dataset.voxels[0, 0], voxels[[0, 2, 4]])

    def test_depths_and_a_factor_exclude_each_other(self, voxels):
        with pytest.raises(RequestError, match="exclude"):
            ndi.interpolate(voxels, z_spacing="2um", at=[1], factor=2, method="linear")

    def test_save_and_load(self, tmp_path, voxels):
        from napari_depth_interp.run.result import Result

        result = ndi.interpolate(voxels, z_spacing="2um", factor=2, method="cubic", seed=4)
        result.save(tmp_path / "out.tif")
        again = Result.load(tmp_path / "out.tif")
        np.testing.assert_array_equal(again.dataset.voxels, result.dataset.voxels)
        assert again.record == result.record

    def test_progress_and_cancelling(self, voxels):
        seen = []
        ndi.interpolate(voxels, z_spacing="2um", factor=2, report=seen.append, method="linear")
        assert seen[-1].fraction == 1

        def cancel(_progress):
            raise Cancelled

        with pytest.raises(Cancelled):
            ndi.interpolate(voxels, z_spacing="2um", factor=2, report=cancel, method="linear")

    @pytest.mark.parametrize(
        ("settings", "kind", "words"),
        [
            ({"factor": 2}, MissingSpacingError, "z_spacing='2um' in Python"),
            ({"factor": 2, "z_spacing": "2um", "speed": 1}, RequestError, "'speed' is not known"),
            ({"factor": 1, "z_spacing": 2}, RequestError, "2 or more, got 1"),
        ],
    )
    def test_errors(self, voxels, settings, kind, words):
        with pytest.raises(kind, match=words) as caught:
            ndi.interpolate(voxels, **{"method": "linear", **settings})
        assert isinstance(caught.value, DepthInterpError)


class TestEvaluate:
    @pytest.mark.parametrize(
        ("options", "protocol", "indices"),
        [
            ({"keep_every": 2}, Protocol("keep_every", every=2), [1, 3]),
            ({"hold_out": [2]}, Protocol("hold_out", sections=(2,)), [2]),
            ({}, Protocol("leave_one_out"), [1, 2, 3]),
        ],
    )
    def test_protocols(self, voxels, options, protocol, indices):
        scores = ndi.evaluate(voxels, ["nearest", "linear"], z_spacing="2um", **options)
        assert scores.protocol == protocol
        assert [each.method for each in scores.methods] == ["nearest", "linear"]
        assert [section["index"] for section in scores.methods[0].sections] == indices

    def test_from_a_file_with_a_range(self, tmp_path, voxels):
        path = write_imagej(tmp_path / "in.tif", voxels)
        scores = ndi.evaluate(path, ["linear"], keep_every=2, data_range=(0, 400))
        assert scores.input == "in.tif"
        assert scores.data_range == ((0.0, 400.0),)
        guess = np.rint(voxels[0] / 2 + voxels[2] / 2)
        expected = 10 * np.log10(400**2 / np.mean((guess - voxels[1]) ** 2))
        assert scores.methods[0].sections[0]["psnr"] == pytest.approx(expected)

    def test_no_methods(self, voxels):
        with pytest.raises(RequestError, match="no methods"):
            ndi.evaluate(voxels, [], z_spacing="2um")


def test_evaluate_takes_one_name_and_refuses_two_protocols(voxels):
    dataset = ndi.Dataset.from_array(voxels, z_spacing=1.0)
    assert [each.method for each in ndi.evaluate(dataset, "nearest", keep_every=2).methods] == ["nearest"]
    with pytest.raises(RequestError, match="exclude each other"):
        ndi.evaluate(dataset, "nearest", keep_every=2, hold_out=[3])

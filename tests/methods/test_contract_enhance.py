"""What every method that enhances has to keep: the same grid in and out, and the rest of the contract."""

from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run import tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset
from quick import QUICK

EVERY_ENHANCER = pytest.mark.parametrize("name", [name for name in registry.names() if registry.get(name).enhances])


def request(dataset, name, **settings):
    settings = {"method": name, "preset": "fast", "threads": 1, "parameters": QUICK.get(name, {}), **settings}
    return resolve(dataset, make_settings(**settings))


def run(dataset, name, **settings):
    return execute(request(dataset, name, **settings))


@EVERY_ENHANCER
class TestOutput:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64"])
    def test_keeps_grid_dtype_and_intensity_units(self, tissue, name, dtype):
        high = 120 if np.dtype(dtype).itemsize == 1 else 3000
        voxels = (tissue.voxels / tissue.voxels.max() * high).astype(dtype)
        result = run(replace(tissue, voxels=voxels), name)
        assert result.dataset.voxels.shape == voxels.shape
        assert result.dataset.voxels.dtype == dtype
        np.testing.assert_array_equal(result.dataset.grid.depths, tissue.grid.depths)
        assert (result.dataset.grid.unit, result.dataset.grid.pixel_size) == ("um", (0.5, 0.5))
        assert abs(result.dataset.voxels.astype(float).mean() - voxels.astype(float).mean()) < 0.15 * high
        assert result.dataset.voxels.min() >= voxels.min()
        assert result.dataset.voxels.max() <= voxels.max()

    def test_says_that_no_section_is_as_recorded(self, tissue, name):
        result = run(tissue, name)
        assert not result.is_observed.any()
        assert result.record["observed"] == []
        assert any("none of them is as it was recorded" in warning for warning in result.warnings)
        assert not np.array_equal(result.dataset.voxels, tissue.voxels)

    def test_float_output_is_not_rounded(self, tissue, name):
        result, rounded = run(tissue, name, dtype="float32"), run(tissue, name)
        assert result.dataset.voxels.dtype == np.float32
        np.testing.assert_allclose(result.dataset.voxels, rounded.dataset.voxels, atol=0.51)

    def test_a_target_is_refused_in_words(self, tissue, name):
        for target in ({"factor": 2}, {"spacing": "1um"}, {"isotropic": True}):
            with pytest.raises(RequestError, match=f"makes no new ones.*--enhance {name}"):
                request(tissue, name, **target)
        with pytest.raises(RequestError, match="new depths cannot be asked of it"):
            resolve(tissue, make_settings(method=name), depths=[1.0])
        with pytest.raises(RequestError, match="enhances by itself"):
            request(tissue, name, enhance=name)


@EVERY_ENHANCER
class TestRepeatable:
    def test_same_seed_same_result(self, tissue, name):
        first, second = (run(tissue, name, seed=3).dataset.voxels for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_thread_count_does_not_matter_much(self, tissue, name):
        one, two = (run(tissue, name, threads=n, dtype="float32").dataset.voxels for n in (1, 2))
        np.testing.assert_allclose(one, two, atol=0.05 * float(np.ptp(tissue.voxels)))

    def test_tiled_equals_untiled(self, tissue, name, monkeypatch):
        whole = run(tissue, name, dtype="float32").dataset.voxels
        monkeypatch.setattr(tiling, "TILE_BYTES", 36 * 4 * 40)
        monkeypatch.setattr(tiling, "PORTION", 4)
        tiled = run(tissue, name, dtype="float32").dataset.voxels
        np.testing.assert_allclose(tiled, whole, atol=1e-4 * float(np.ptp(tissue.voxels)))


@EVERY_ENHANCER
class TestOddStacks:
    def test_one_image_without_spacing(self, name):
        image = np.random.default_rng(0).random((1, 30, 41)).astype(np.float32)
        result = run(Dataset.from_array(image), name)
        assert result.dataset.voxels.shape == (1, 1, 1, 30, 41)
        assert result.dataset.grid.depths is None

    @pytest.mark.parametrize("shape", [(3, 1, 1), (3, 5, 7), (4, 64, 3)])
    def test_small_images_stay_as_they_are_and_say_so(self, name, shape):
        voxels = np.random.default_rng(1).random(shape).astype(np.float32)
        result = run(Dataset.from_array(voxels, z_spacing=1.0), name)
        np.testing.assert_array_equal(result.dataset.voxels[0, 0], voxels)
        assert any("changed nothing" in warning for warning in result.warnings)

    def test_constant_stack(self, name):
        result = run(Dataset.from_array(np.full((4, 12, 12), 7, np.uint8), z_spacing=1.0), name)
        assert (result.dataset.voxels == 7).all()
        assert any("constant" in warning for warning in result.warnings)

    def test_uneven_depths_are_kept(self, tissue, name):
        depths = np.array([0, 1, 3, 6, 10, 11, 12, 16, 20.0])
        result = run(replace(tissue, grid=replace(tissue.grid, depths=depths)), name)
        np.testing.assert_array_equal(result.dataset.grid.depths, depths)

    def test_channels_and_time_points_stay_apart(self, tissue, name):
        volumes = [tissue.voxels[0, 0].astype(np.float32) * scale for scale in (1, 2, 3, 4)]
        voxels = np.stack(volumes).reshape(2, 2, *tissue.voxels.shape[2:])
        result = run(replace(tissue, voxels=voxels, axes="TCZYX", channel_names=("a", "b")), name).dataset
        assert (result.channel_names, result.axes, result.voxels.shape) == (("a", "b"), "TCZYX", voxels.shape)
        alone = run(replace(tissue, voxels=voxels[:1, 1:]), name).dataset.voxels[0, 0]
        np.testing.assert_array_equal(result.voxels[0, 1], alone)

    def test_nan_is_filled_for_the_computation_and_restored(self, tissue, name):
        voxels = tissue.voxels.astype(np.float32)
        voxels[0, 0, 3, 10:20, 10:20] = np.nan
        result = run(replace(tissue, voxels=voxels), name, nan="fill").dataset.voxels
        np.testing.assert_array_equal(np.isnan(result), np.isnan(voxels))

    def test_projections_stay_projections(self, tissue, name):
        result = run(replace(tissue, acquisition=Acquisition(3)), name).dataset
        assert result.acquisition == Acquisition(3)
        np.testing.assert_array_equal(result.grid.depths, tissue.grid.depths)

    def test_does_not_change_its_input(self, tissue, name):
        before = tissue.voxels.copy()  # the fixture is read-only, so writing would raise too
        run(tissue, name)
        np.testing.assert_array_equal(tissue.voxels, before)


@EVERY_ENHANCER
def test_cancel_stops_at_the_report_that_cancels(tissue, name):
    asked, seen = request(tissue, name), []
    execute(asked, seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    for stop_at in (1, len(seen) // 2, len(seen) - 2):
        calls = []

        def cancel(progress, calls=calls, stop_at=stop_at):
            calls.append(progress)
            if len(calls) >= stop_at:
                raise Cancelled

        with pytest.raises(Cancelled):
            execute(asked, cancel)
        assert len(calls) == stop_at

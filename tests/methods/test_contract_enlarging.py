"""What every method that makes all three axes finer has to keep, run over those of the registry."""

from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.holdout import POOLED
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run import tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid
from quick import quick

ENLARGING = [name for name in registry.names() if registry.get(name).enlarges > 1]
EVERY = pytest.mark.parametrize("name", ENLARGING)


@pytest.fixture(scope="module")
def coarse(tissue) -> Dataset:
    """Seven sections of 11 x 9 pixels: means of the simulated tissue."""
    voxels = tissue.voxels[:, :, 1:8].astype(np.float32)
    voxels = voxels[..., :33, :36].reshape(1, 1, 7, 11, 3, 9, 4).mean((4, 6)).round()
    grid = Grid(10.0 + 2.0 * np.arange(7), (1.5, 2.0), "um", origin=(4.0, 5.0))
    dataset = Dataset(voxels.astype(np.uint16), grid)
    dataset.voxels.flags.writeable = False
    return dataset


def request(dataset, name, *, at=None, report=None, **settings):
    settings = {"method": name, "threads": 1, "parameters": quick(name), **settings}
    return resolve(dataset, make_settings(**settings), depths=at)


def run(dataset, name, **settings):
    return execute(request(dataset, name, **settings))


def means(voxels, k=POOLED):
    *outer, z, y, x = voxels.shape
    blocks = np.asarray(voxels, np.float64).reshape(*outer, z // k, k, y // k, k, x // k, k)
    return blocks.mean((-5, -3, -1))


@EVERY
class TestOutput:
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float16", "float32", "float64"])
    def test_keeps_dtype_and_intensity_units(self, coarse, name, dtype):
        high = 120 if np.dtype(dtype).itemsize == 1 else 3000
        scaled = coarse.voxels / coarse.voxels.max() * high
        result = run(replace(coarse, voxels=scaled.astype(dtype)), name)
        assert result.dataset.voxels.shape == (1, 1, 28, 44, 36)
        assert result.dataset.voxels.dtype == dtype
        assert abs(result.dataset.voxels.astype(float).mean() - scaled.mean()) < 0.02 * high

    def test_averaging_the_result_gives_the_input(self, coarse, name):
        result = run(coarse, name, dtype="float32")
        tolerance = 1e-3 * float(np.ptp(coarse.voxels))
        np.testing.assert_allclose(means(result.dataset.voxels), coarse.voxels, atol=tolerance)

    def test_voxel_edges_are_aligned(self, coarse, name):
        grid = run(coarse, name).dataset.grid
        assert grid.pixel_size == pytest.approx((1.5 / 4, 2.0 / 4))
        np.testing.assert_allclose(np.diff(grid.depths), 0.5)
        first = np.array([grid.depths[0], *grid.origin])
        half = np.array([0.5, 1.5 / 4, 2.0 / 4]) / 2
        np.testing.assert_allclose(first - half, np.array([10.0, 4.0, 5.0]) - np.array([2.0, 1.5, 2.0]) / 2)

    def test_nothing_is_called_observed(self, coarse, name):
        result = run(coarse, name)
        assert not result.is_observed.any()
        assert result.dataset.voxels.shape == request(coarse, name).output_shape

    def test_does_not_change_its_input(self, coarse, name):
        before = coarse.voxels.copy()
        run(coarse, name)
        np.testing.assert_array_equal(coarse.voxels, before)

    def test_uncertainty_only_where_it_is_promised(self, coarse, name):
        result = run(coarse, name)
        assert (result.uncertainty is not None) == registry.get(name).gives_uncertainty
        if result.uncertainty is not None:
            assert result.uncertainty.shape == result.dataset.voxels.shape
            assert (result.uncertainty >= 0).all()

    @pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii.gz"])
    def test_a_file_holds_the_finer_grid(self, coarse, name, suffix, tmp_path):
        source = tmp_path / f"coarse{suffix}"
        io.write(source, coarse)
        result = run(io.read(source, axis="z"), name)
        result.save(tmp_path / f"fine{suffix}")
        again = io.read(tmp_path / f"fine{suffix}", axis="z")
        np.testing.assert_array_equal(again.voxels, result.dataset.voxels)
        np.testing.assert_allclose(again.grid.depths, result.dataset.grid.depths, atol=1e-5)
        np.testing.assert_allclose(again.grid.pixel_size, result.dataset.grid.pixel_size, rtol=1e-5)
        np.testing.assert_allclose(again.grid.origin, result.dataset.grid.origin, atol=1e-5)


@EVERY
class TestRepeatable:
    def test_same_seed_same_result(self, coarse, name):
        first, second = (run(coarse, name, seed=3).dataset.voxels for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_thread_count_does_not_matter(self, coarse, name):
        one, two = (run(coarse, name, threads=n, dtype="float32").dataset.voxels for n in (1, 2))
        np.testing.assert_allclose(one, two, atol=1e-4 * float(np.ptp(coarse.voxels)))

    def test_a_portion_of_sections_at_a_time_gives_the_same(self, coarse, name, monkeypatch):
        whole = run(coarse, name, dtype="float32").dataset.voxels
        monkeypatch.setattr(tiling, "WHOLE_BYTES", 9 * 4 * 11 * 40)
        parts = run(coarse, name, dtype="float32").dataset.voxels
        np.testing.assert_allclose(parts, whole, atol=1e-5 * float(np.ptp(coarse.voxels)))

    def test_some_depths_equal_all_at_once(self, coarse, name):
        whole = run(coarse, name, dtype="float32")
        chosen = whole.dataset.grid.depths[[3, 4, 17]].tolist()
        some = run(coarse, name, dtype="float32", at=chosen).dataset.voxels
        tolerance = 1e-4 * float(np.ptp(coarse.voxels))
        np.testing.assert_allclose(some, whole.dataset.voxels[:, :, [3, 4, 17]], atol=tolerance)


@EVERY
class TestOddStacks:
    @pytest.mark.parametrize("shape", [(2, 1, 1), (3, 5, 7), (4, 30, 3)])
    def test_small_images(self, name, shape):
        voxels = np.random.default_rng(1).random(shape).astype(np.float32)
        result = run(Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1, 1)), name).dataset.voxels[0, 0]
        assert result.shape == tuple(4 * size for size in shape)
        np.testing.assert_allclose(means(result), voxels, atol=1e-3)

    def test_constant_stack_stays_constant(self, name):
        result = run(Dataset.from_array(np.full((4, 6, 6), 7, np.uint8), z_spacing=1.0), name)
        assert result.dataset.voxels.shape == (1, 1, 16, 24, 24)
        assert (result.dataset.voxels == 7).all()
        assert name == "enlarge" or any("constant" in warning for warning in result.warnings)

    def test_channels_and_time_points_stay_apart(self, coarse, name):
        volumes = [coarse.voxels[0, 0].astype(np.float32) * scale for scale in (1, 2, 3, 4)]
        voxels = np.stack(volumes).reshape(2, 2, *coarse.voxels.shape[2:])
        dataset = replace(coarse, voxels=voxels, axes="TCZYX", channel_names=("a", "b"))
        result = run(dataset, name).dataset
        alone = run(replace(coarse, voxels=voxels[1:, 1:]), name).dataset.voxels[0, 0]
        np.testing.assert_allclose(result.voxels[1, 1], alone, atol=1e-3 * float(alone.max()))

    def test_nan_is_filled_for_the_computation_and_restored(self, coarse, name):
        voxels = coarse.voxels.astype(np.float32)
        voxels[0, 0, 3, 2:5, 3:6] = np.nan
        result = run(replace(coarse, voxels=voxels), name, nan="fill").dataset.voxels[0, 0]
        missing = np.zeros(result.shape, bool)
        missing[12:16, 8:20, 12:24] = True
        np.testing.assert_array_equal(np.isnan(result), missing)

    def test_without_pixel_size_lengths_are_counted_in_pixels_of_the_input(self, coarse, name):
        unknown = replace(coarse, grid=Grid(np.arange(7.0)))
        grid = run(unknown, name).dataset.grid
        assert grid.pixel_size == (0.25, 0.25)
        assert grid.origin == (-0.375, -0.375)

    def test_means_of_four_sections_are_what_it_takes(self, coarse, name):
        dataset = replace(coarse, acquisition=Acquisition(4))
        np.testing.assert_array_equal(run(dataset, name).dataset.voxels, run(coarse, name).dataset.voxels)
        with pytest.raises(RequestError, match="means 3"):
            request(replace(coarse, acquisition=Acquisition(3)), name)

    @pytest.mark.parametrize("target", [{"factor": 2}, {"spacing": "1um"}, {"isotropic": True}])
    def test_other_targets_are_refused(self, coarse, name, target):
        with pytest.raises(RequestError, match="all three axes 4 times finer, and nothing else"):
            request(coarse, name, **target)
        assert request(coarse, name, factor=4).output_shape == (1, 1, 28, 44, 36)

    def test_uneven_sections_are_refused(self, coarse, name):
        with pytest.raises(RequestError, match="evenly spaced"):
            request(replace(coarse, grid=Grid(np.array([0, 1, 2, 4, 5, 6, 7.0]))), name)


@EVERY
def test_cancel_stops_at_the_report_that_cancels(coarse, name):
    asked = request(coarse, name)
    seen = []
    execute(asked, seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    calls = []

    def cancel(progress):
        calls.append(progress)
        if len(calls) >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        execute(asked, cancel)
    assert len(calls) == 2

"""What every method of the registry has to keep, run over all of them."""

from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from napari_depth_interp.errors import RequestError
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run import tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset
from quick import QUICK, quick

MAKES_SECTIONS = [name for name in registry.names() if not registry.get(name).enhances]
"""test_contract_enhance.py has the others."""
ALONG_Z = [name for name in MAKES_SECTIONS if registry.get(name).enlarges == 1]
"""Those that keep the pixels as they are; test_contract_enlarging.py asks the others."""
EVERY_METHOD = pytest.mark.parametrize("name", MAKES_SECTIONS)
EVERY_ALONG_Z = pytest.mark.parametrize("name", ALONG_Z)


def trains(name):
    """Return whether the quick run of a method trains on the stack."""
    spec = registry.get(name)
    config = spec.config(**{**spec.presets.get("fast", {}), **quick(name)})
    return spec.trains_on_stack and spec.training_cost.steps(config) > 0


def run(dataset, name, *, at=None, **settings):
    settings = {"method": name, "preset": "fast", "threads": 1, "parameters": quick(name), **settings}
    if at is None and not {"factor", "spacing", "isotropic"} & settings.keys():
        settings["factor"] = 2
    return execute(resolve(dataset, make_settings(**settings), depths=at))


def frozen(result):
    """Return a result that several tests look at; none of them changes it."""
    result.dataset.voxels.flags.writeable = False
    return result


@pytest.fixture(scope="module")
def shared(tissue):
    """A function that returns the result of a run on the simulated tissue by factor 4, made once for all tests."""
    return cache(lambda name, **settings: frozen(run(tissue, name, factor=4, **settings)))


@pytest.fixture(scope="module")
def tiled(tissue):
    """A function that returns a result in float32, made once in small tiles on one thread, and what was reported."""

    def make(name):
        seen = []
        with in_small_tiles():
            settings = {"factor": 4, "dtype": "float32", "threads": 1, "parameters": quick(name)}
            request = resolve(tissue, make_settings(method=name, preset="fast", **settings))
            return request, frozen(execute(request, seen.append)), seen

    return cache(make)


@contextmanager
def in_small_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "TILE_BYTES", 36 * 4 * 40)
        patch.setattr(tiling, "WHOLE_BYTES", 36 * 4 * 40 * 20)
        patch.setattr(tiling, "MARGIN_BYTES", 2 * 36 * 4 * 40 * 20)
        yield


class NoDoubles(TorchFunctionMode):
    """Refuses double precision on the device, as Apple's MPS does."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        moved = any(isinstance(each, torch.device) for each in (*args, *(kwargs or {}).values()))
        is_double = isinstance(args[0] if args else None, torch.Tensor) and args[0].dtype == torch.double
        if function is torch.Tensor.double or (moved and is_double):
            raise TypeError("MPS has no float64")
        return function(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def without_doubles(tissue):
    """A function that returns the result of another such run, on a device that knows no double precision."""

    def make(name):
        factor = 4 if registry.get(name).enlarges == 1 and not registry.get(name).enhances else None
        settings = make_settings(method=name, preset="fast", threads=1, parameters=quick(name), factor=factor)
        with NoDoubles():
            return execute(resolve(tissue, settings))

    return cache(make)


@pytest.fixture(scope="module", autouse=True)
def untouched(tissue):
    """The values of the simulated tissue before any method has seen them."""
    return tissue.voxels.copy()


@pytest.fixture(scope="module", autouse=True)
def small_candidate():
    """Give what auto trains on the stack a network as small as it has when it is asked for itself."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in QUICK["section_sr"].items():
            patch.setitem(registry.get("section_sr").presets["fast"], key, value)
        yield


def smaller(dataset, sections=9):
    """Return the upper left part of the first images, where a method that trains does so in less time."""
    grid = replace(dataset.grid, depths=dataset.grid.depths[:sections])
    return replace(dataset, voxels=dataset.voxels[..., :sections, :24, :20].copy(), grid=grid)


@EVERY_ALONG_Z
class TestOutput:
    @pytest.mark.parametrize(
        "dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
    )
    def test_keeps_dtype_and_intensity_units(self, tissue, name, dtype):
        high = 120 if np.dtype(dtype).itemsize == 1 else 3000
        tissue = smaller(tissue, sections=4)
        scaled = tissue.voxels / tissue.voxels.max() * high
        dataset = replace(tissue, voxels=scaled.astype(dtype))
        result = run(dataset, name)
        assert result.dataset.voxels.shape == (1, 1, 7, 24, 20)
        assert result.dataset.voxels.dtype == dtype
        new = result.dataset.voxels[0, 0, ~result.is_observed].astype(float)
        assert abs(new.mean() - dataset.voxels.astype(float).mean()) < 0.1 * high
        assert new.min() > -0.3 * high
        assert new.max() < 1.3 * high

    def test_float_output_is_not_rounded(self, shared, name):
        result = shared(name, dtype="float32")
        assert result.dataset.voxels.dtype == np.float32
        rounded = shared(name)
        np.testing.assert_allclose(result.dataset.voxels, rounded.dataset.voxels, atol=0.51)

    def test_grid_of_the_result(self, shared, name):
        grid = shared(name).dataset.grid
        np.testing.assert_allclose(grid.depths, np.arange(33) * 0.5)
        assert (grid.unit, grid.pixel_size) == ("um", (0.5, 0.5))

    def test_observed_sections_come_back_unchanged(self, tissue, shared, name):
        result = shared(name)
        if registry.get(name).keeps_observed:
            np.testing.assert_array_equal(result.dataset.voxels[:, :, ::4], tissue.voxels)
            np.testing.assert_array_equal(np.flatnonzero(result.is_observed), np.arange(0, 33, 4))
        else:
            assert not result.is_observed.any()

    def test_does_not_change_its_input(self, tissue, shared, untouched, name):
        shared(name)  # the fixture is read-only, so writing would raise too
        np.testing.assert_array_equal(tissue.voxels, untouched)

    def test_new_section_lies_between_its_neighbours(self, name):
        """Between a dark and a bright half of a stack, the middle is not brighter than the bright half."""
        voxels = np.repeat([10.0, 10.0, 200.0, 200.0], 24 * 20).reshape(4, 24, 20)
        voxels += np.random.default_rng(0).normal(0, 1, voxels.shape)
        result = run(Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1, 1), unit="um"), name)
        assert 5 < result.dataset.voxels[0, 0, 3].mean() < 205

    def test_uncertainty_only_where_it_is_promised(self, shared, name):
        result = shared(name)
        assert (result.uncertainty is not None) == registry.get(name).gives_uncertainty
        if result.uncertainty is not None:
            assert result.uncertainty.shape == result.dataset.voxels.shape
            assert (result.uncertainty >= 0).all()


@EVERY_ALONG_Z
class TestRepeatable:
    def test_same_seed_same_result(self, tissue, shared, without_doubles, name):
        on_mps = "mps" in registry.get(name).devices
        again = without_doubles(name) if on_mps else run(tissue, name, factor=4)
        np.testing.assert_array_equal(shared(name).dataset.voxels, again.dataset.voxels)

    def test_thread_count_does_not_matter(self, tissue, shared, name):
        other = run(tissue, name, factor=4, threads=2, dtype="float32")
        one, two = (each.dataset.voxels for each in (shared(name, dtype="float32"), other))
        tolerance = 0.05 if trains(name) else 1e-4
        np.testing.assert_allclose(one, two, atol=tolerance * float(np.ptp(tissue.voxels)))

    def test_tiled_equals_untiled(self, tissue, shared, tiled, name):
        whole = shared(name, dtype="float32").dataset.voxels
        _, result, _ = tiled(name)
        np.testing.assert_allclose(result.dataset.voxels, whole, atol=1e-3 * float(np.ptp(tissue.voxels)))


@pytest.mark.parametrize("name", [name for name in ALONG_Z if not registry.get(name).sampled])
def test_one_by_one_equals_all_at_once(tissue, shared, name):
    """For all but random samples, where a sample of one section is not the sample of a stack."""
    all_at_once = shared(name, dtype="float32").dataset
    alone = run(tissue, name, at=[5.0], dtype="float32").dataset.voxels
    [same] = np.flatnonzero(np.isclose(all_at_once.grid.depths, 5.0))
    np.testing.assert_allclose(alone[0, 0, 0], all_at_once.voxels[0, 0, same], atol=1e-3 * float(np.ptp(tissue.voxels)))


@EVERY_ALONG_Z
class TestOddStacks:
    def test_two_sections(self, tissue, name):
        two = replace(tissue, voxels=tissue.voxels[:, :, :2], grid=replace(tissue.grid, depths=[0.0, 2.0]))
        assert run(two, name, factor=4).dataset.voxels.shape[2] == 5

    @pytest.mark.parametrize("shape", [(3, 1, 1), (3, 5, 7), (4, 64, 3)])
    def test_small_images(self, name, shape):
        voxels = np.random.default_rng(1).random(shape).astype(np.float32)
        result = run(Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1, 1)), name)
        assert result.dataset.voxels.shape[2:] == (2 * shape[0] - 1, *shape[1:])
        assert np.isfinite(result.dataset.voxels).all()

    def test_uneven_depths(self, tissue, name):
        depths = np.array([0, 1, 3, 6, 10, 11, 12, 16, 20.0])
        uneven = replace(tissue, grid=replace(tissue.grid, depths=depths))
        result = run(uneven, name, at=[0.0, 2.0, 3.0, 8.0, 18.0])
        if registry.get(name).keeps_observed:
            np.testing.assert_array_equal(result.dataset.voxels[0, 0, [0, 2]], tissue.voxels[0, 0, [0, 2]])
        # Half-way between two sections the result resembles both more than a section far away.
        middle = result.dataset.voxels[0, 0, 3].astype(float).ravel()
        neighbours, far = (tissue.voxels[0, 0, i].astype(float).ravel() for i in ([3, 4], 8))
        near = np.corrcoef(middle, neighbours.reshape(2, -1).mean(0))[0, 1]
        assert near > np.corrcoef(middle, far)[0, 1]

    def test_constant_stack_is_linear_with_a_warning(self, name):
        dataset = Dataset.from_array(np.full((4, 12, 12), 7, np.uint8), z_spacing=1.0, pixel_size=(1, 1))
        result = run(dataset, name)
        assert (result.dataset.voxels == 7).all()
        assert name == "linear" or any("constant" in warning for warning in result.warnings)

    def test_channels_and_time_points_stay_apart(self, tissue, name):
        tissue = smaller(tissue, sections=5)
        volumes = [tissue.voxels[0, 0].astype(np.float32) * scale for scale in (1, 2, 3, 4)]
        voxels = np.stack(volumes).reshape(2, 2, *tissue.voxels.shape[2:])
        dataset = replace(tissue, voxels=voxels, axes="TCZYX", channel_names=("a", "b"))
        result = run(dataset, name).dataset
        assert result.voxels.shape == (2, 2, 9, 24, 20)
        assert (result.channel_names, result.axes) == (("a", "b"), "TCZYX")
        alone = run(replace(tissue, voxels=voxels[1:, 1:]), name).dataset.voxels[0, 0]
        tolerance = 0.1 if trains(name) else 1e-2  # a later time point is refitted
        np.testing.assert_allclose(result.voxels[1, 1], alone, atol=tolerance * float(alone.max()))

    def test_nan_is_filled_for_the_computation_and_restored(self, tissue, name):
        voxels = tissue.voxels.astype(np.float32)
        voxels[0, 0, 3, 10:20, 10:20] = np.nan
        result = run(replace(tissue, voxels=voxels), name, nan="fill").dataset.voxels[0, 0]
        assert np.isnan(result[6, 10:20, 10:20]).all()
        assert not np.isnan(result[6, :10]).any()
        assert not np.isnan(result[[5, 7]]).any()  # the other neighbour is known there
        assert not np.isnan(result[[0, 4, 8]]).any()


def projected(tissue, n=3):
    means = tissue.voxels.astype(np.float32).reshape(1, 1, 3, 3, 40, 36).mean(axis=3)
    grid = replace(tissue.grid, depths=tissue.grid.depths.reshape(3, n).mean(axis=1))
    return replace(tissue, voxels=means, grid=grid, acquisition=Acquisition(n))


@EVERY_ALONG_Z
class TestProjections:
    def test_gives_n_sections_each_or_refuses_in_words(self, tissue, name):
        dataset = projected(tissue)
        if "projection" not in registry.get(name).acquisitions:
            with pytest.raises(RequestError, match="choose another method"):
                run(dataset, name, factor=3)
            return
        exact = {"noise": "keep"} if name == "microdiffusion" else {}  # by itself it leaves white noise out
        result = execute(resolve(dataset, make_settings(method=name, preset="fast", parameters=quick(name) | exact)))
        np.testing.assert_allclose(result.dataset.grid.depths, tissue.grid.depths)
        assert not result.is_observed.any()
        again = result.dataset.voxels.reshape(1, 1, 3, 3, 40, 36).mean(axis=3)
        np.testing.assert_allclose(again, dataset.voxels, atol=1e-3 * float(dataset.voxels.max()))


@pytest.mark.parametrize("name", [name for name in ALONG_Z if "projection" in registry.get(name).acquisitions])
class TestEmptyBackground:
    def test_projections_of_0_have_sections_of_0(self, tissue, name):
        dataset = projected(tissue)
        dataset.voxels[..., 1, :20, :] = 0
        exact = {"noise": "keep"} if name == "microdiffusion" else {}
        result = execute(resolve(dataset, make_settings(method=name, preset="fast", parameters=quick(name) | exact)))
        sections = result.dataset.voxels[0, 0].reshape(3, 3, 40, 36)
        assert (sections[1, :, :20] == 0).all()
        assert sections[[0, 2], :, :20].any(axis=(2, 3)).all()
        np.testing.assert_allclose(sections.mean(axis=1), dataset.voxels[0, 0], atol=1e-3 * float(dataset.voxels.max()))


@EVERY_ALONG_Z
class TestCancel:
    def test_stops_at_the_report_that_cancels(self, tiled, name):
        request, _, seen = tiled(name)
        fractions = [progress.fraction for progress in seen]
        assert len(fractions) >= 2
        assert fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(1.0)
        for stop_at in (1, len(seen) // 2):
            calls = []

            def cancel(progress, calls=calls, stop_at=stop_at):
                calls.append(progress)
                if len(calls) >= stop_at:
                    raise Cancelled

            with in_small_tiles(), pytest.raises(Cancelled):
                execute(request, cancel)
            assert len(calls) == stop_at


@pytest.mark.parametrize("name", [name for name in registry.names() if "mps" in registry.get(name).devices])
def test_what_runs_on_mps_needs_no_doubles_there(without_doubles, name):
    without_doubles(name)

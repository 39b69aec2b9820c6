"""What every method of the registry has to keep, run over all of them."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode

from napari_depth_interp.cli.options import parse_parameter
from napari_depth_interp.errors import RequestError
from napari_depth_interp.method import MethodConfig, Runtime, model_fields
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import Trainable
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run import estimate, tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset
from quick import quick

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
    threads = 1 if trains(name) else 2  # other tests run beside this one
    settings = {"method": name, "preset": "fast", "threads": threads, "parameters": quick(name), **settings}
    if at is None and not {"factor", "spacing", "isotropic"} & settings.keys():
        settings["factor"] = 2
    return execute(resolve(dataset, make_settings(**settings), depths=at))


_shared = {}


def shared(tissue, name, **settings):
    """Return the result of a run on the simulated tissue that several tests look at; none of them changes it."""
    key = name, tuple(sorted(settings.items()))
    if key not in _shared:
        _shared[key] = run(tissue, name, **settings)
        _shared[key].dataset.voxels.flags.writeable = False
    return _shared[key]


@EVERY_ALONG_Z
class TestOutput:
    @pytest.mark.parametrize(
        "dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
    )
    def test_keeps_dtype_and_intensity_units(self, tissue, name, dtype):
        high = 120 if np.dtype(dtype).itemsize == 1 else 3000
        scaled = tissue.voxels / tissue.voxels.max() * high
        dataset = replace(tissue, voxels=scaled.astype(dtype))
        result = run(dataset, name, factor=3)
        assert result.dataset.voxels.shape == (1, 1, 25, 40, 36)
        assert result.dataset.voxels.dtype == dtype
        new = result.dataset.voxels[0, 0, ~result.is_observed].astype(float)
        assert abs(new.mean() - dataset.voxels.astype(float).mean()) < 0.1 * high
        assert new.min() > -0.3 * high
        assert new.max() < 1.3 * high

    def test_float_output_is_not_rounded(self, tissue, name):
        result = shared(tissue, name, dtype="float32", factor=4)
        assert result.dataset.voxels.dtype == np.float32
        rounded = shared(tissue, name, factor=4)
        np.testing.assert_allclose(result.dataset.voxels, rounded.dataset.voxels, atol=0.51)

    def test_grid_of_the_result(self, tissue, name):
        grid = shared(tissue, name, factor=4).dataset.grid
        np.testing.assert_allclose(grid.depths, np.arange(33) * 0.5)
        assert (grid.unit, grid.pixel_size) == ("um", (0.5, 0.5))

    def test_observed_sections_come_back_unchanged(self, tissue, name):
        result = shared(tissue, name)
        if registry.get(name).keeps_observed:
            np.testing.assert_array_equal(result.dataset.voxels[:, :, ::2], tissue.voxels)
            np.testing.assert_array_equal(np.flatnonzero(result.is_observed), np.arange(0, 17, 2))
        else:
            assert not result.is_observed.any()

    def test_does_not_change_its_input(self, tissue, name):
        before = tissue.voxels.copy()  # the fixture is read-only, so writing would raise too
        run(tissue, name)
        np.testing.assert_array_equal(tissue.voxels, before)

    def test_new_section_lies_between_its_neighbours(self, name):
        """Between a dark and a bright half of a stack, the middle is not brighter than the bright half."""
        voxels = np.repeat([10.0, 10.0, 200.0, 200.0], 24 * 20).reshape(4, 24, 20)
        voxels += np.random.default_rng(0).normal(0, 1, voxels.shape)
        result = run(Dataset.from_array(voxels, z_spacing=1.0, pixel_size=(1, 1), unit="um"), name)
        assert 5 < result.dataset.voxels[0, 0, 3].mean() < 205

    def test_uncertainty_only_where_it_is_promised(self, tissue, name):
        result = shared(tissue, name)
        assert (result.uncertainty is not None) == registry.get(name).gives_uncertainty
        if result.uncertainty is not None:
            assert result.uncertainty.shape == result.dataset.voxels.shape
            assert (result.uncertainty >= 0).all()


@EVERY_ALONG_Z
class TestRepeatable:
    def test_same_seed_same_result(self, tissue, name):
        first, second = (each(tissue, name).dataset.voxels for each in (shared, run))
        np.testing.assert_array_equal(first, second)

    def test_thread_count_does_not_matter(self, tissue, name):
        one, two = (run(tissue, name, threads=n, dtype="float32").dataset.voxels for n in (1, 2))
        tolerance = 0.05 if trains(name) else 1e-4
        np.testing.assert_allclose(one, two, atol=tolerance * float(np.ptp(tissue.voxels)))

    def test_tiled_equals_untiled(self, tissue, name, monkeypatch):
        whole = shared(tissue, name, dtype="float32", factor=4).dataset.voxels
        monkeypatch.setattr(tiling, "TILE_BYTES", 36 * 4 * 40)
        monkeypatch.setattr(tiling, "WHOLE_BYTES", 36 * 4 * 40 * 20)
        tiled = run(tissue, name, dtype="float32", factor=4).dataset.voxels
        np.testing.assert_allclose(tiled, whole, atol=1e-3 * float(np.ptp(tissue.voxels)))


@pytest.mark.parametrize("name", [name for name in ALONG_Z if not registry.get(name).sampled])
def test_one_by_one_equals_all_at_once(tissue, name):
    """For all but random samples, where a sample of one section is not the sample of a stack."""
    all_at_once = run(tissue, name, at=[1.0, 5.0, 9.0], dtype="float32").dataset.voxels
    alone = run(tissue, name, at=[5.0], dtype="float32").dataset.voxels
    np.testing.assert_allclose(alone[0, 0, 0], all_at_once[0, 0, 1], atol=1e-3 * float(np.ptp(tissue.voxels)))


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
        volumes = [tissue.voxels[0, 0].astype(np.float32) * scale for scale in (1, 2, 3, 4)]
        voxels = np.stack(volumes).reshape(2, 2, *tissue.voxels.shape[2:])
        dataset = replace(tissue, voxels=voxels, axes="TCZYX", channel_names=("a", "b"))
        result = run(dataset, name).dataset
        assert result.voxels.shape == (2, 2, 17, 40, 36)
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
    def test_stops_at_the_report_that_cancels(self, tissue, name, monkeypatch):
        monkeypatch.setattr(tiling, "TILE_BYTES", 36 * 4 * 40)
        monkeypatch.setattr(tiling, "WHOLE_BYTES", 36 * 4 * 40 * 20)
        request = resolve(
            tissue, make_settings(method=name, preset="fast", factor=4, threads=1, parameters=quick(name))
        )
        seen = []
        execute(request, seen.append)
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

            with pytest.raises(Cancelled):
                execute(request, cancel)
            assert len(calls) == stop_at


@pytest.mark.parametrize("name", registry.names())
class TestConfig:
    def test_every_parameter_explains_itself(self, name):
        for parameter, field in registry.get(name).config.model_fields.items():
            assert field.title, parameter
            assert field.description, parameter
            assert len(field.description) > 30, parameter
            assert not field.is_required(), parameter

    def test_round_trips_through_json_and_the_command_line(self, name):
        spec = registry.get(name)
        for preset in [{}, *spec.presets.values()]:
            config = spec.config(**preset)
            assert spec.config.model_validate_json(config.model_dump_json()) == config
            words = [f"{key}={_as_word(value)}" for key, value in config.model_dump(mode="json").items()]
            assert spec.config(**dict(map(parse_parameter, words))) == config

    def test_is_frozen_and_refuses_unknown_parameters(self, name):
        assert issubclass(registry.get(name).config, MethodConfig)
        with pytest.raises(RequestError, match="no_such_parameter"):
            resolve_with(name, no_such_parameter=1)

    def test_says_what_to_do_without_a_model(self, name):
        if registry.get(name).needs_model:
            with pytest.raises(RequestError, match=f"depth-interp train {name} DATA_DIR"):
                resolve_with(name)
        else:
            resolve_with(name)

    def test_trainable_is_said_and_true(self, name):
        spec = registry.get(name)
        assert spec.makes_model == isinstance(spec.create(spec.config(), Runtime()), Trainable)
        for method in model_fields(spec).values():
            assert registry.get(method).makes_model

    def test_spec_is_complete(self, name):
        spec = registry.get(name)
        assert spec.name == name
        assert spec.summary.endswith(".")
        assert "\n" not in spec.summary
        assert spec.cost
        assert spec.acquisitions <= {"slice", "projection"}
        assert "cpu" in spec.devices


def _as_word(value):
    return value if isinstance(value, str) else json.dumps(value)


def resolve_with(name, **parameters):
    dataset = Dataset.from_array(np.eye(3)[:, None, :] + np.zeros((3, 4, 3)), z_spacing=1.0)
    plain = registry.get(name).enlarges == 1 and not registry.get(name).enhances
    factor = 2 if plain else None
    return resolve(dataset, make_settings(method=name, factor=factor, parameters=parameters))


class Counted:
    """Counts training steps, whoever's loop makes them: the most that one optimiser has made."""

    def __init__(self):
        self._steps = Counter()
        self._handle = register_optimizer_step_post_hook(lambda optimiser, *_: self._steps.update([id(optimiser)]))

    def most(self):
        """Return the most since the last time that somebody asked."""
        most, self._steps = max(self._steps.values(), default=0), Counter()
        return most

    def stop(self):
        self._handle.remove()


@pytest.fixture
def counted():
    counter = Counted()
    yield counter
    counter.stop()


def long_training(name):
    """Return parameters of a small network that would train for thousands of steps, or that has a model."""
    spec = registry.get(name)
    steps = [each for each in ("training_steps", "prior_training_steps") if each in spec.config.model_fields]
    return quick(name) | ({} if spec.needs_model else dict.fromkeys(steps, 3000))


@pytest.mark.parametrize("name", registry.names())
def test_an_estimate_never_trains_in_full(name, counted, monkeypatch):
    """No short run makes more steps than it is allowed (section_sr takes twice as many from random weights)."""
    spec, steps = registry.get(name), []
    real = estimate.execute

    def run(asked, *more):
        counted.most()
        try:
            return real(asked, *more)
        finally:
            steps.append(counted.most())

    monkeypatch.setattr(estimate, "execute", run)
    parameters = long_training(name)
    factor = None if spec.enhances or spec.enlarges > 1 else 2
    voxels = np.random.default_rng(0).random((6, 64, 64))
    dataset = Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5))
    settings = make_settings(method=name, threads=1, parameters=parameters, factor=factor)
    assert estimate.estimate_run(resolve(dataset, settings)).seconds > 0
    trains = spec.training_cost is not None and spec.training_cost.steps(spec.config(**parameters)) > 0
    assert trains == ("training_steps" in parameters)
    assert (max(steps) > 0) == trains
    assert max(steps) <= 2 * estimate._MORE


def test_listing_methods_imports_neither_torch_nor_qt():
    code = (
        "import sys; from napari_depth_interp.methods import registry; registry.specs();"
        "from napari_depth_interp.cli import main; main(['methods']); main(['--help']);"
        "heavy = {'torch', 'qtpy', 'PyQt6', 'PySide6', 'napari', 'scipy', 'matplotlib'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class NoDoubles(TorchFunctionMode):
    """Refuses double precision on the device, as Apple's MPS does."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        moved = any(isinstance(each, torch.device) for each in (*args, *(kwargs or {}).values()))
        is_double = isinstance(args[0] if args else None, torch.Tensor) and args[0].dtype == torch.double
        if function is torch.Tensor.double or (moved and is_double):
            raise TypeError("MPS has no float64")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name in registry.names() if "mps" in registry.get(name).devices])
def test_what_runs_on_mps_needs_no_doubles_there(tissue, name):
    factor = None if registry.get(name).enhances else 2
    settings = make_settings(method=name, preset="fast", threads=1, parameters=quick(name), factor=factor)
    with NoDoubles():
        execute(resolve(tissue, settings))

"""Estimates of time and memory, of a method whose costs are known."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from pydantic import Field

from command_line import run_json, succeed, write_imagej
from napari_depth_interp.errors import OutputError
from napari_depth_interp.method import (
    Enlarges,
    MethodConfig,
    MethodSpec,
    Sections,
    Tiling,
    TrainingCost,
    TrainingSpec,
    limit_training_steps,
    steps_without_model,
)
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled, Progress
from napari_depth_interp.run import estimate as estimate_module
from napari_depth_interp.run.estimate import (
    Estimate,
    _extrapolated,
    _Times,
    estimate_run,
    memory_needed,
)
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.run.tiling import largest_tile
from napari_depth_interp.stack import Dataset
from quick import QUICK

PER_STEP, PER_SEEN, PER_MADE = 2e-3, 4e-8, 1.2e-7
"""Seconds for a training step, a voxel that is looked at and a voxel that is made."""


class SleeperConfig(MethodConfig):
    training_steps: int = Field(300, title="Steps", description="How many steps the sleeper pretends to train.")


class Sleeper:
    """Takes a known time: what it costs does not depend on how busy the machine is."""

    def __init__(self, config, _runtime):
        self.steps = config.training_steps

    def prepare(self, stack, *, report):
        time.sleep(self.steps * PER_STEP + min(stack.voxels.size, 2_000_000) * PER_SEEN)

    def sections_at(self, stack, z, *, report):
        shape = (len(z), *stack.voxels.shape[1:])
        time.sleep(np.prod(shape) * PER_MADE)
        return Sections(np.zeros(shape, np.float32))


@pytest.fixture
def sleeper(monkeypatch):
    cost = TrainingCost(steps_without_model, limit_training_steps, looked_at=2_000_000, floats=4.0, megabytes=100.0)
    spec = MethodSpec(
        "sleeper", "Sleeper", "For tests.", SleeperConfig, Sleeper, "none", TrainingSpec(cost), tiling=Tiling(halo=8),
        gives_uncertainty=False,
    )  # fmt: skip
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: spec if name == "sleeper" else real(name))
    return spec


def stack(shape=(12, 600, 800), dtype="uint16"):
    voxels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    return Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")


def request(method="sleeper", dataset=None, **settings):
    return resolve(dataset or stack(), make_settings(method=method, factor=4, threads=1, **settings))


def test_within_a_factor_of_two(sleeper):
    """5.8 million voxels in, 21 million out, 300 steps."""
    asked = request()
    start = time.perf_counter()
    found = estimate_run(asked)
    taken = time.perf_counter() - start
    voxels, new = 12 * 600 * 800, 33 * 600 * 800
    expected = 300 * PER_STEP + 2_000_000 * PER_SEEN + new * PER_MADE
    assert found.seconds == pytest.approx(expected, rel=0.6)
    assert found.result_bytes == 45 * 600 * 800 * 2
    tile = (voxels + new) * 4 * 2  # one tile here, and what the method holds beside it
    assert tile + 1e8 < found.needed_bytes < 2 * (tile + 1e8)
    assert found.memory_bytes > found.needed_bytes
    assert not found.streamed
    assert taken < 1.5 * expected


def test_wide_images_whose_short_run_is_long(sleeper, monkeypatch):
    """Methods that need no preparation are measured on whole rows: the two crops must differ all the same.

    Half of the usual times, as there are many crops.
    """
    monkeypatch.setattr(estimate_module, "_LONG_ENOUGH", estimate_module._LONG_ENOUGH / 2)
    lazily = replace(sleeper, tiling=Tiling(halo=8, lazy=True), training=None)
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: lazily if name == "sleeper" else real(name))
    asked = request(dataset=stack((12, 75, 5000)), parameters={"training_steps": 150})
    found = estimate_run(asked)
    assert found.seconds == pytest.approx(150 * PER_STEP + 33 * 75 * 5000 * PER_MADE, rel=0.6)


class Grower(Sleeper):
    """Takes a known time and makes both axes of an image twice as long."""

    def sections_at(self, stack, z, *, report):
        enlarged = np.broadcast_to(np.float32(0), np.multiply(stack.voxels.shape, (1, 2, 2)))
        return super().sections_at(replace(stack, voxels=enlarged), z, report=report)


def test_the_finer_pixels_of_an_enlarged_stack_count(sleeper, monkeypatch):
    grower = replace(sleeper, create=Grower, kind=Enlarges(2), tiling=Tiling())
    monkeypatch.setattr(registry, "get", lambda _name: grower)
    settings = make_settings(method="sleeper", factor=2, parameters={"training_steps": 30})
    found = estimate_run(resolve(stack((12, 300, 400)), settings))
    assert found.seconds == pytest.approx(30 * PER_STEP + 24 * 600 * 800 * PER_MADE, rel=0.5)


def test_sections_that_are_enhanced_first_count(monkeypatch):
    """The crops have fewer sections than the stack."""
    monkeypatch.setattr(estimate_module, "_SECTIONS", 4)
    dataset = stack((6, 80, 80))
    enhanced = {"enhance": "srcnn", "enhance_parameters": QUICK["srcnn"]}
    alone, both = request("linear", dataset), request("linear", dataset, **enhanced)
    assert estimate_run(both).seconds > estimate_run(alone).seconds
    assert memory_needed(both) >= memory_needed(alone) + 6 * 80 * 80 * 4


def test_every_channel_and_time_point_counts(sleeper):
    one = stack((6, 100, 100))
    many = replace(one, voxels=np.concatenate([one.voxels] * 4, axis=1), axes="CZYX")
    alone, together = (estimate_run(request(dataset=each)).seconds for each in (one, many))
    assert together == pytest.approx(4 * alone, rel=0.6)


def test_streamed_results_take_no_memory_and_leave_nothing(sleeper, tmp_path):
    target = Target(tmp_path / "out.ome.zarr")
    found = estimate_run(request(dataset=stack((6, 300, 300))), target)
    assert found.streamed
    assert list(tmp_path.iterdir()) == []
    dataset = Dataset(np.broadcast_to(np.uint16(1), (1, 1, 100, 3000, 3000)), stack().grid.with_depths(np.arange(100)))
    held, streamed = (memory_needed(request("linear", dataset), each) for each in (None, target))
    assert held - streamed == pytest.approx(397 * 3000 * 3000 * 2, rel=0.1)


@pytest.mark.parametrize("method", ["linear", "cubic", "flow"])
def test_real_methods_are_estimated(method):
    """How well is for benchmarks/scale.py to say."""
    found = estimate_run(request(method, stack((8, 512, 512))))
    assert 0 < found.seconds < 3600
    assert found.needed_bytes > found.result_bytes == 29 * 512 * 512 * 2


def test_what_a_method_enlarges_counts():
    """Four times as many rows and columns are computed, and held."""
    asked = resolve(stack((6, 80, 100)), make_settings(method="enlarge", threads=1))
    out = 24 * 320 * 400
    parts = [_Times(seen=size, made=16 * 4 * size, steps=0, prepare=0.0, rest=1e-6 * 64 * size) for size in (100, 1000)]
    assert sum(_extrapolated(asked, 0, (parts[0], parts[1]), (parts[0], parts[0]))) == pytest.approx(1e-6 * out)
    assert largest_tile(asked) == 6 * 80 * 100 + out


def test_a_stack_that_is_enhanced_first_is_estimated_in_parts(sleeper, monkeypatch):
    """More sections than a short run looks at; each of the two methods by itself."""
    seen = []
    real = estimate_module.execute
    monkeypatch.setattr(
        estimate_module, "execute", lambda asked, *more: seen.append(asked.spec.name) or real(asked, *more)
    )
    parameters = {"training_steps": 10, "filters": 4, "mapped": 4, "batch": 1}
    asked = request(dataset=stack((60, 40, 40)), enhance="srcnn", enhance_parameters=parameters)
    found = estimate_run(asked)
    assert set(seen) == {"srcnn", "sleeper"}
    assert found.needed_bytes > memory_needed(replace(asked, enhance=None)) + 60 * 40 * 40 * 4 - 1


def test_it_can_be_cancelled(sleeper, tmp_path):
    def cancel(_progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        estimate_run(request(), Target(tmp_path / "a.zarr"), cancel)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_said_with_advice():
    found = Estimate(700.0, 9 * 10**9, 8 * 10**9, False, 9 * 10**9, 4 * 10**9)
    assert not found.fits
    first, second = found.describe()
    assert first.startswith("about 12 min, 9.0 GB of memory; the result has 8.0 GB, in memory")
    assert "it does not fit: 9.0 GB are needed and 4.0 GB are free; stream the result to .ome.zarr" in second
    streamed = replace(found, streamed=True)
    assert "stream the result" not in streamed.describe()[1]
    assert "smaller factor" in streamed.describe()[1]
    assert len(replace(found, free_bytes=10**10).describe()) == 1
    assert found.as_json()["fits"] is False


@pytest.mark.parametrize("name", ["auto", "msdsr_kplanes", "microdiffusion"])
def test_every_part_of_a_composite_is_limited(name):
    """With every preset, and in proportion."""
    spec = registry.get(name)
    for values in spec.presets.values():
        config = spec.config(**values)
        limited = spec.training_cost.limited(config, 40)
        longest = spec.training_cost.steps(config)
        assert longest > 200
        assert spec.training_cost.steps(limited) == 40
        for (part, whole), (_, short) in zip(config.parts(), limited.parts(), strict=True):
            if part.training_cost is not None:
                steps = part.training_cost.steps(whole)
                share = min(steps, max(10, steps * 40 / longest))
                assert part.training_cost.steps(short) == pytest.approx(share, abs=1), part.name


def test_what_takes_long_is_not_waited_for(sleeper, monkeypatch):
    waited = []

    class Reporting(Sleeper):
        def sections_at(self, stack, z, *, report):
            for done in range(100):
                time.sleep(0.01)
                waited.append(done)
                report(Progress((done + 1) / 100))
            return super().sections_at(stack, z, report=report)

    slow = replace(sleeper, create=Reporting)
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: slow if name == "sleeper" else real(name))
    monkeypatch.setattr(estimate_module, "_LONGEST", 0.2)
    found = estimate_run(request(dataset=stack((16, 96, 96)), parameters={"training_steps": 10}))
    assert max(waited) < 50
    assert found.seconds == pytest.approx(1.0, rel=0.6)


def test_the_command_line_estimates_and_writes_nothing(tmp_path):
    tif = write_imagej(tmp_path / "in.tif", stack((4, 40, 40)).voxels[0, 0])
    done = succeed("run", tif, tmp_path / "out.ome.zarr", "--factor", 3, "--estimate")
    assert done.stdout.startswith("about ")
    assert "streamed to the file" in done.stdout
    found = run_json("run", tif, tmp_path / "out.tif", "--factor", 3, "--estimate")
    assert json.dumps(found)
    assert found["result_bytes"] == 10 * 40 * 40 * 2
    assert found["fits"] is True
    assert {each.name for each in tmp_path.iterdir()} == {"in.tif"}


def test_a_target_that_cannot_be_written_is_told(tmp_path, sleeper):
    with pytest.raises(OutputError):
        estimate_run(request(dataset=stack((4, 40, 40))), Target(tmp_path / "missing" / "a.zarr"))


def test_the_short_runs_are_short(monkeypatch):
    """Of a large stack only parts are looked at."""
    seen = []
    real = estimate_module.execute
    monkeypatch.setattr(
        estimate_module, "execute", lambda asked, *more: seen.append(asked.dataset.voxels.size) or real(asked, *more)
    )
    dataset = Dataset(np.broadcast_to(np.arange(60, dtype=np.uint16)[:, None, None], (1, 1, 60, 2000, 2000)),
                      stack().grid.with_depths(np.arange(60)))  # fmt: skip
    estimate_run(request("linear", dataset))
    assert max(seen) < dataset.voxels.size / 3

"""What execute does once for all methods, seen through a method made to watch it."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp.errors import TooLargeError
from napari_depth_interp.method import Enhances, Findings, MethodConfig, MethodSpec, Sections, Tiling
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled, Progress
from napari_depth_interp.run import tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset
from napari_depth_interp.system import memory as resources


class BoxBlur:
    """Linear along z, then a mean over 5 rows: needs a halo of 2 rows, and gives an uncertainty."""

    def __init__(self):
        self.tiles, self.prepared = [], []

    def prepare(self, stack, *, report):
        self.prepared.append(stack.voxels.shape)

    def sections_at(self, stack, z, *, report):
        self.tiles.append((len(z), stack.voxels.shape[1]))
        report(Progress(0.5))
        linear = np.stack(
            [np.interp(z, stack.depths, column) for column in stack.voxels.reshape(len(stack.depths), -1).T]
        )
        values = linear.T.reshape(len(z), *stack.voxels.shape[1:])
        padded = np.pad(values, ((0, 0), (2, 2), (0, 0)), mode="edge")
        blurred = sum(padded[:, i : i + values.shape[1]] for i in range(5)) / 5
        return Sections(blurred, np.abs(blurred - values).astype(np.float32))


def spec_for(method, **fields):
    return MethodSpec("box", "Box", "For tests.", MethodConfig, lambda config, runtime: method, "none", None, **fields)


def request_for(monkeypatch, method, dataset, *, at=None, fields=None, **settings):
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: spec if name == "box" else real(name))
    spec = spec_for(method, **(fields or {}))
    return resolve(dataset, make_settings(**{"method": "box", "factor": None if at else 3, **settings}), depths=at)


@pytest.fixture
def noise():
    return Dataset.from_array(np.random.default_rng(0).random((6, 60, 7)), z_spacing=1.0, pixel_size=(1, 1))


class TestTiles:
    def test_halo_makes_tiled_equal_to_untiled(self, monkeypatch, noise):
        whole, tiled = BoxBlur(), BoxBlur()
        fields = {"tiling": Tiling(halo=2), "gives_uncertainty": True}
        expected = execute(request_for(monkeypatch, whole, noise, fields=fields))
        monkeypatch.setattr(tiling, "MARGIN_BYTES", 2 * 8 * 7 * 16 * 16)
        got = execute(request_for(monkeypatch, tiled, noise, fields=fields))
        assert len(whole.tiles) == 1
        assert len(tiled.tiles) > 4
        np.testing.assert_allclose(got.dataset.voxels, expected.dataset.voxels)
        np.testing.assert_allclose(got.uncertainty, expected.uncertainty)

    def test_without_the_halo_they_differ(self, monkeypatch, noise):
        expected = execute(request_for(monkeypatch, BoxBlur(), noise, fields={"tiling": Tiling(halo=0)}))
        monkeypatch.setattr(tiling, "TILE_BYTES", 8 * 7 * 16 * 16)
        got = execute(request_for(monkeypatch, BoxBlur(), noise, fields={"tiling": Tiling(halo=0)}))
        assert np.abs(got.dataset.voxels - expected.dataset.voxels).max() > 0.01

    def test_a_method_without_tiles_sees_whole_sections_in_portions(self, monkeypatch, noise):
        method = BoxBlur()
        monkeypatch.setattr(tiling, "WHOLE_BYTES", 8 * 7 * 60 * 10)
        execute(request_for(monkeypatch, method, noise))
        assert {rows for _, rows in method.tiles} == {60}
        assert len(method.tiles) > 1
        assert sum(count for count, _ in method.tiles) == 10

    def test_only_new_sections_are_asked_for(self, monkeypatch, noise):
        method = BoxBlur()
        execute(request_for(monkeypatch, method, noise))
        assert sum(count for count, _ in method.tiles) == 16 - 6

    def test_prepared_once_on_the_whole_stack(self, monkeypatch, noise):
        method = BoxBlur()
        monkeypatch.setattr(tiling, "MARGIN_BYTES", 2 * 8 * 7 * 16 * 16)
        execute(request_for(monkeypatch, method, noise, fields={"tiling": Tiling(halo=2)}))
        assert method.prepared == [(6, 60, 7)]

    def test_parallel_tiles_run_in_threads_and_cancel(self, monkeypatch, noise):
        names = set()

        class Watched(BoxBlur):
            def sections_at(self, stack, z, *, report):
                names.add(threading.current_thread().name)
                return super().sections_at(stack, z, report=report)

        monkeypatch.setattr(tiling, "MARGIN_BYTES", 2 * 8 * 7 * 16 * 32)
        fields = {"tiling": Tiling(halo=2, parallel=True)}
        execute(request_for(monkeypatch, Watched(), noise, fields=fields, threads=2))
        assert threading.main_thread().name not in names

        def cancel(progress):
            raise Cancelled

        before = threading.active_count()
        with pytest.raises(Cancelled):
            execute(request_for(monkeypatch, Watched(), noise, fields=fields, threads=2), cancel)
        assert threading.active_count() == before


class TestOutput:
    def test_uncertainty_is_zero_at_observed_sections(self, monkeypatch, noise):
        result = execute(request_for(monkeypatch, BoxBlur(), noise, fields={"gives_uncertainty": True}))
        assert (result.uncertainty[:, :, ::3] == 0).all()
        assert (result.uncertainty[:, :, 1] > 0).any()

    def test_a_method_may_change_observed_sections_if_it_says_so(self, monkeypatch, noise):
        result = execute(request_for(monkeypatch, BoxBlur(), noise, fields={"kind": Enhances()}, factor=None))
        assert np.abs(result.dataset.voxels - noise.voxels).max() > 0.01

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64"])
    def test_integers_are_rounded_and_clipped(self, monkeypatch, dtype):
        limits = np.iinfo(dtype)

        class TooFar(BoxBlur):
            def sections_at(self, stack, z, *, report):
                values = np.array([-1e30, 41.6, 1e30])
                return Sections(np.broadcast_to(values[:, None, None], (3, 2, 2)).copy())

        ramp = Dataset.from_array(np.arange(8).reshape(2, 2, 2).astype(dtype), z_spacing=4.0)
        result = execute(request_for(monkeypatch, TooFar(), ramp, at=[1.0, 2.0, 3.0])).dataset.voxels[0, 0, :, 0, 0]
        assert result[0] == limits.min
        assert result[1] == 42
        assert int(result[2]) >= int(limits.max) - 2048  # the largest float below a 64-bit limit
        assert result.dtype == dtype

    def test_repeats_the_notes_and_records_the_history(self, tissue):
        request = resolve(
            replace(tissue, notes=("the reader assumed something",)), make_settings(method="linear", factor=2, seed=5)
        )
        result = execute(request)
        assert "the reader assumed something" in result.warnings
        assert result.record["seed"] == 5
        assert result.record["method"] == "linear"
        assert result.record["observed"] == list(range(0, 17, 2))
        assert result.record["input"]["shape"] == [1, 1, 9, 40, 36]
        assert execute(request).record == result.record
        assert result.seconds > 0
        assert result.peak_memory_mb > 10


class TestNan:
    def test_whole_sections_of_nan_take_the_nearest_section(self):
        voxels = np.ones((4, 3, 3)) * np.array([1.0, 2, 3, 4])[:, None, None]
        voxels[1] = np.nan
        voxels[3, 0, 0] = np.nan
        result = execute(
            resolve(Dataset.from_array(voxels, z_spacing=1), make_settings(method="linear", factor=2, nan="fill"))
        )
        middle = result.dataset.voxels[0, 0, :, 1, 1]
        np.testing.assert_allclose(middle, [1, 1, np.nan, 2, 3, 3.5, 4])
        corner = result.dataset.voxels[0, 0, :, 0, 0]
        np.testing.assert_allclose(corner, [1, 1, np.nan, 2, 3, 3.5, np.nan])


class TestMemory:
    def test_a_result_that_does_not_fit_is_refused_before_it_is_made(self, monkeypatch, noise):
        request = resolve(noise, make_settings(method="linear", factor=2))
        monkeypatch.setattr(resources, "_free_memory", lambda: 10**8)
        with pytest.raises(TooLargeError, match=r"needs 300 MB of memory and 100 MB is free"):
            execute(request)


class TestTileMemory:
    """Tiles of all threads together stay within their budget, whatever the shape of the stack."""

    @pytest.mark.parametrize("shape", [(200, 128, 256), (400, 16, 512), (3, 600, 600), (40, 3, 2000)])
    @pytest.mark.parametrize("threads", [1, 2, 16])
    @pytest.mark.parametrize("budget", [2**18, 2**20, 2**24])
    def test_floats_in_memory_at_once(self, monkeypatch, shape, threads, budget):
        monkeypatch.setattr(tiling, "TILE_BYTES", budget)
        voxels = np.broadcast_to(np.arange(shape[0], dtype=np.uint16)[:, None, None], shape)
        request = resolve(
            Dataset.from_array(voxels, z_spacing=1.0), make_settings(method="linear", factor=3, threads=threads)
        )
        stack = request.dataset.stack()
        tiles = list(tiling.tiles(request, stack))
        workers = tiling.workers(request, tiles)
        one_row = 4 * max(tile.count_voxels() // (tile.rows.stop - tile.rows.start) for tile in tiles)
        used = workers * max(4 * tile.count_voxels() for tile in tiles)
        assert used <= max(budget, one_row)
        covered = sum(len(tile.targets) * (tile.rows.stop - tile.rows.start) for tile in tiles)
        assert covered == 2 * (shape[0] - 1) * shape[1]

    def test_a_tile_has_only_the_sections_it_needs(self, monkeypatch):
        voxels = np.broadcast_to(np.arange(500, dtype=np.uint16)[:, None, None], (500, 8, 8))
        request = resolve(Dataset.from_array(voxels, z_spacing=1.0), make_settings(method="linear", factor=4))
        stack = request.dataset.stack()
        tiles = list(tiling.tiles(request, stack))
        assert max(tile.sections.stop - tile.sections.start for tile in tiles) < 90
        result = execute(request).dataset.voxels[0, 0, :, 0, 0]
        np.testing.assert_array_equal(result, np.rint(np.arange(1997) / 4))


class Explaining(BoxBlur):
    """Says what it found out: the mean of the stack, as a gain."""

    def prepare(self, stack, *, report):
        super().prepare(stack, report=report)
        self.mean = float(stack.voxels.mean())

    def findings(self):
        return Findings(self.mean, 0.5, {"linear": 0.25, "box": 0.75}, {"box": 12.3}, (f"the mean is {self.mean:g}",))


class Learning(Explaining):
    """Knows how often it was taught, and gives that everywhere."""

    lessons = 0

    def prepare(self, stack, *, report):
        super().prepare(stack, report=report)
        self.lessons = 1

    def refit(self, stack, *, report):
        Explaining.prepare(self, stack, report=report)
        self.lessons += 1

    def sections_at(self, stack, z, *, report):
        return Sections(np.full((len(z), *stack.voxels.shape[1:]), float(self.lessons)))


def request_for_each(monkeypatch, make, dataset, **settings):
    """A request whose method is made anew for every stack, as real ones are."""
    spec = MethodSpec("box", "Box", "For tests.", MethodConfig, lambda config, runtime: make(), "none", None)
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: spec if name == "box" else real(name))
    return resolve(dataset, make_settings(method="box", factor=2, **settings))


def levels(*values):
    """Time points and channels (t, c) with these means, not constant."""
    ripple = np.tile([[-1.0, 1.0], [1.0, -1.0]], (4, 2, 2))
    voxels = np.array(values, float)[:, :, None, None, None] + ripple
    return Dataset.from_array(voxels, z_spacing=1.0, axes="TCZYX")


class TestFindings:
    def test_they_stand_in_the_record_and_their_warnings_among_the_warnings(self, monkeypatch):
        result = execute(request_for_each(monkeypatch, Explaining, levels([7])))
        assert result.record["findings"] == [
            {
                "time": 0,
                "channel": 0,
                "expected_gain_db": 7.0,
                "gain_std_db": 0.5,
                "shares": {"linear": 0.25, "box": 0.75},
            }
        ]
        assert result.warnings == ("the mean is 7",)
        assert result.record["warnings"] == ["the mean is 7"]
        assert result.expected_gain_db == 7

    def test_each_channel_and_time_point_is_named(self, monkeypatch):
        result = execute(request_for_each(monkeypatch, Explaining, levels([1, 2], [3, 8])))
        found = [(each["time"], each["channel"], each["expected_gain_db"]) for each in result.record["findings"]]
        assert found == [(0, 0, 1), (0, 1, 2), (1, 0, 3), (1, 1, 8)]
        assert result.warnings[2] == "time 2 of 2, channel 1 of 2: the mean is 3"
        assert result.expected_gain_db == 3.5

    def test_one_of_several_channels(self, monkeypatch):
        result = execute(request_for_each(monkeypatch, Explaining, levels([1, 2]), channel="1"))
        assert result.warnings == ("the mean is 2",)

    def test_methods_without_have_none(self, monkeypatch):
        result = execute(request_for_each(monkeypatch, BoxBlur, levels([7])))
        assert "findings" not in result.record
        assert result.expected_gain_db is None

    def test_a_constant_channel_has_none(self, monkeypatch):
        dataset = levels([1, 2])
        dataset.voxels[0, 0] = 5.0
        result = execute(request_for_each(monkeypatch, Explaining, dataset))
        assert [each["channel"] for each in result.record["findings"]] == [1]
        assert any("constant" in line for line in result.warnings)


class TestTimePoints:
    def middle(self, result):
        return result.dataset.voxels[:, :, 1, 0, 0].tolist()

    def test_what_was_learned_is_built_upon_channel_by_channel(self, monkeypatch):
        result = execute(request_for_each(monkeypatch, Learning, levels([1, 2], [3, 4], [5, 6])))
        assert self.middle(result) == [[1, 1], [2, 2], [3, 3]]
        assert [each["expected_gain_db"] for each in result.record["findings"]] == [1, 2, 3, 4, 5, 6]

    def test_other_methods_begin_anew(self, monkeypatch):
        methods = []

        def make():
            methods.append(BoxBlur())
            return methods[-1]

        execute(request_for_each(monkeypatch, make, levels([1], [2], [3])))
        assert [len(method.prepared) for method in methods] == [1, 1, 1]

    def test_a_constant_time_point_between_is_linear_and_forgotten(self, monkeypatch):
        dataset = levels([1], [2], [3])
        dataset.voxels[1] = 9.0
        assert self.middle(execute(request_for_each(monkeypatch, Learning, dataset))) == [[1], [9], [1]]

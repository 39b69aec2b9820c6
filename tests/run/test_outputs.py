"""Streamed results equal those made in memory, and a run that does not end leaves nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import OutputError, TooLargeError
from napari_depth_interp.method import Findings, MethodConfig, MethodSpec, Sections, Tiling
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import Cancelled, Progress
from napari_depth_interp.run import outputs, tiling
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.outputs import Target, choose_target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.result import Result
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid
from napari_depth_interp.stack.lazy import is_lazy

FORMATS = pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])


@pytest.fixture
def small_tiles(monkeypatch):
    """Many tiles in y and x, and along z."""
    monkeypatch.setattr(tiling, "TILE_BYTES", 2**17)
    monkeypatch.setattr(tiling, "WHOLE_BYTES", 2**17)
    monkeypatch.setattr(tiling, "MARGIN_BYTES", 2**20)
    monkeypatch.setattr(tiling, "PORTION", 8)


def waves(shape=(2, 2, 7, 70, 90), dtype="uint16", depths=None):
    indices = np.meshgrid(*map(np.arange, shape), indexing="ij")
    values = 1000 + 400 * np.sin(indices[2] + indices[3] / 9) + 300 * np.cos(indices[4] / 7 + indices[0] - indices[1])
    depths = np.array([0, 1, 2, 4, 7, 8, 9.0]) if depths is None else depths
    names, axes = ((), "ZYX") if shape[:2] == (1, 1) else (("a", "b"), "TCZYX")
    return Dataset(values.astype(dtype), Grid(depths, (0.5, 0.5), "um"), axes=axes, channel_names=names)


class Blur:
    """Linear along z, then the mean of 3 x 3 pixels; knows errors, findings and a warning."""

    def prepare(self, stack, *, report):
        self.mean = float(np.mean(stack.voxels))

    def sections_at(self, stack, z, *, report):
        flat = stack.voxels.reshape(len(stack.depths), -1)
        values = np.stack([np.interp(z, stack.depths, column) for column in flat.T], axis=1)
        values = np.pad(values.reshape(len(z), *stack.voxels.shape[1:]), ((0, 0), (1, 1), (1, 1)), mode="edge")
        _, height, width = values.shape
        moved = [values[:, i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
        report(Progress(1.0))
        return Sections(sum(moved) / 9, np.abs(moved[0] - moved[8]).astype(np.float32))

    def findings(self):
        return Findings(1.5, 0.5, {"blur": 1.0}, warnings=("it is only a test",))


@pytest.fixture
def blur(monkeypatch):
    spec = MethodSpec(
        "blur", "Blur", "For tests.", MethodConfig, lambda config, runtime: Blur(), "none", None, tiling=Tiling(halo=1),
        gives_uncertainty=True,
    )  # fmt: skip
    monkeypatch.setattr(registry, "get", lambda name, real=registry.get: spec if name == "blur" else real(name))
    return spec


def both(tmp_path, dataset, name, uncertainty=None, **settings):
    """Run in memory and into a file."""
    request = resolve(dataset, make_settings(**{"factor": 3, "threads": 2, **settings}))
    target = Target(tmp_path / name, uncertainty and tmp_path / uncertainty)
    return execute(request), execute(request, target=target)


@FORMATS
@pytest.mark.usefixtures("small_tiles")
class TestStreamedEqualsInMemory:
    @pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
    def test_channels_time_points_and_uneven_depths(self, tmp_path, name, method):
        expected, found = both(tmp_path, waves(), name, method=method)
        assert is_lazy(found.dataset.voxels)
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)
        assert found.record == expected.record
        assert found.warnings == expected.warnings
        np.testing.assert_array_equal(found.is_observed, expected.is_observed)

    def test_nan(self, tmp_path, name):
        dataset = waves(dtype="float32")
        dataset.voxels[0, 1, 2, 10:40, 20:60] = np.nan
        dataset.voxels[1, 0, 3] = np.nan
        expected, found = both(tmp_path, dataset, name, method="linear", nan="fill")
        assert np.isnan(expected.dataset.voxels).any()
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)

    @pytest.mark.parametrize("dtype", ["uint8", "int32", "float64"])
    def test_types_and_float_output(self, tmp_path, name, dtype):
        dataset = waves((1, 1, 7, 70, 90), "float64")
        dataset = replace(dataset, voxels=(dataset.voxels / 8).astype(dtype))
        expected, found = both(tmp_path, dataset, name, method="linear")
        assert found.dataset.voxels.dtype == dtype
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)
        expected, found = both(tmp_path, dataset, f"float-{name}", method="linear", dtype="float32")
        assert found.dataset.voxels.dtype == np.float32
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)

    def test_projections(self, tmp_path, name):
        dataset = replace(waves((1, 1, 7, 70, 90), depths=np.arange(7) * 3.0), acquisition=Acquisition(3))
        expected, found = both(tmp_path, dataset, name, method="linear", factor=None)
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)

    def test_uncertainty_findings_and_warnings(self, tmp_path, name, blur):
        expected, found = both(tmp_path, waves(), name, uncertainty=f"error-{name}", method="blur")
        np.testing.assert_allclose(np.asarray(found.dataset.voxels), expected.dataset.voxels, atol=1)
        np.testing.assert_allclose(np.asarray(found.uncertainty), expected.uncertainty, rtol=1e-5)
        assert found.record == expected.record
        assert found.expected_gain_db == 1.5
        assert "time 2 of 2, channel 1 of 2: it is only a test" in found.warnings

    def test_a_lazy_input_gives_the_same(self, tmp_path, name):
        dataset = waves()
        io.write(tmp_path / f"in-{name}", dataset)
        lazy = io.read(tmp_path / f"in-{name}", lazy=True)
        expected = execute(resolve(dataset, make_settings(method="cubic", factor=3)))
        found = execute(resolve(lazy, make_settings(method="cubic", factor=3)), target=Target(tmp_path / name))
        np.testing.assert_array_equal(np.asarray(found.dataset.voxels), expected.dataset.voxels)
        same = ("shape", "dtype", "sha256", "depths")
        assert {key: found.record["input"][key] for key in same} == {k: expected.record["input"][k] for k in same}

    def test_the_file_is_a_result_that_can_be_opened(self, tmp_path, name):
        expected, _ = both(tmp_path, waves(), name, method="linear")
        opened = Result.load(tmp_path / name)
        np.testing.assert_array_equal(opened.dataset.voxels, expected.dataset.voxels)
        assert opened.record == expected.record

    def test_more_may_be_said_in_its_history(self, tmp_path, name):
        request = resolve(waves(), make_settings(method="linear", factor=2))
        execute(request, target=Target(tmp_path / name, history={"scores": {"psnr": 30.5}}))
        assert Result.load(tmp_path / name).record["scores"] == {"psnr": 30.5}


@FORMATS
@pytest.mark.usefixtures("small_tiles")
def test_cancelled_anywhere_nothing_is_left(tmp_path, name):
    request = resolve(waves((1, 1, 7, 300, 600)), make_settings(method="linear", factor=3, threads=1))
    seen = []
    execute(request, seen.append, Target(tmp_path / name))
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    for stop_at in (1, len(seen) // 2, len(seen)):
        calls = []

        def cancel(progress, calls=calls, stop_at=stop_at):
            calls.append(progress)
            if len(calls) >= stop_at:
                raise Cancelled

        with pytest.raises(Cancelled):
            execute(request, cancel, Target(tmp_path / f"again-{name}"))
    assert {each.name for each in tmp_path.iterdir()} == {name}


class TestTarget:
    def request(self, method="linear", **settings):
        return resolve(waves(), make_settings(method=method, factor=2, **settings))

    def test_zarr_always_tiff_if_large_nifti_never(self, monkeypatch):
        request = self.request()
        chosen = [choose_target(request, Path(name)) for name in ("a.ome.zarr", "a.tif", "a.nii")]
        assert [target is not None for target in chosen] == [True, False, False]
        monkeypatch.setattr(outputs, "STREAMED_BYTES", 10**5)
        chosen = [choose_target(request, Path(name)) for name in ("a.ome.zarr", "a.tif", "a.nii")]
        assert [target is not None for target in chosen] == [True, True, False]
        monkeypatch.undo()
        assert choose_target(request, Path("a.tif"), streamed_from=10**5) is not None

    def test_both_files_have_to_be_streamed(self, blur):
        with pytest.raises(OutputError, match=r"'b\.nii' cannot be written in parts"):
            choose_target(self.request("blur"), Path("a.zarr"), Path("b.nii"))

    def test_a_full_disk_is_told_before_the_work(self, tmp_path, monkeypatch):
        usage = outputs.check_disk.__globals__["shutil"].disk_usage(tmp_path)
        monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(TooLargeError, match=r"of the disk is free; free some space"):
            execute(self.request(), target=Target(tmp_path / "a.zarr"))
        assert list(tmp_path.iterdir()) == []

    def test_no_uncertainty_no_file_of_it(self, tmp_path):
        with pytest.raises(OutputError, match="linear gives no uncertainty"):
            execute(self.request(), target=Target(tmp_path / "a.zarr", tmp_path / "b.zarr"))

    def test_existing_files_are_kept(self, tmp_path):
        execute(self.request(), target=Target(tmp_path / "a.zarr"))
        with pytest.raises(OutputError, match="exists already"):
            execute(self.request(), target=Target(tmp_path / "a.zarr"))
        execute(self.request(), target=Target(tmp_path / "a.zarr", overwrite=True))


class TestTiles:
    """In y and x, where whole rows are too much or the file is made of chunks."""

    def tiles(self, shape, method="linear", chunk_grid=None, budget=2**22, monkeypatch=None):
        voxels = np.broadcast_to(np.arange(shape[0], dtype=np.uint16)[:, None, None], shape)
        request = resolve(Dataset.from_array(voxels, z_spacing=1.0), make_settings(method=method, factor=2, threads=1))
        monkeypatch.setattr(tiling, "TILE_BYTES", budget)
        monkeypatch.setattr(tiling, "MARGIN_BYTES", 16 * budget)
        return request, list(tiling.tiles(request, request.dataset.stack(), chunk_grid))

    @pytest.mark.parametrize("chunk_grid", [None, (8, 256, 256)])
    @pytest.mark.parametrize("method", ["linear", "flow"])
    @pytest.mark.parametrize("shape", [(5, 700, 900), (20, 40, 5000), (90, 300, 300)])
    def test_they_cover_everything_once(self, monkeypatch, shape, method, chunk_grid):
        request, tiles = self.tiles(shape, method, chunk_grid, monkeypatch=monkeypatch)
        covered = np.zeros((len(request.depths), *shape[1:]), np.uint8)
        for tile in tiles:
            covered[tile.span, tile.rows, tile.columns] += 1
            for kept, padded, inside in zip((tile.rows, tile.columns), tile.padded, tile.inside, strict=True):
                assert padded.start + inside.start == kept.start
                assert padded.start + inside.stop == kept.stop
        assert (covered == 1).all()

    def test_blocks_are_whole_chunks(self, monkeypatch):
        _, tiles = self.tiles((30, 1000, 3000), chunk_grid=(8, 256, 256), monkeypatch=monkeypatch)
        assert len(tiles) > 10
        for tile in tiles:
            assert all(part.start % 256 == 0 for part in (tile.rows, tile.columns))
            assert tile.span.start % 8 == 0

    def test_margins_do_not_take_most_of_the_work(self, monkeypatch):
        """Of a wide image, whole rows with margins above and below would compute everything several times."""
        request, tiles = self.tiles((3, 3000, 9000), "flow", budget=2**25, monkeypatch=monkeypatch)
        assert max(tile.columns.stop - tile.columns.start for tile in tiles) < 9000
        assert tiling.share_of_margins(request) < 1.5

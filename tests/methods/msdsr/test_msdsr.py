"""The whole method on a small stack."""

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.msdsr import MSDSR, MsdsrConfig, validate
from napari_depth_interp.methods.msdsr import method as msdsr_method
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import Cancelled, silent
from napari_depth_interp.stack import Grid, Stack

SMALL = {"channels": 8, "levels": 2, "batch": 4}


def tissue(shape=(17, 32, 32), seed=0):
    """Smooth tissue, alike along all three axes, at 1 um per voxel."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5, mode="wrap")
    return (100 * (1 + field / field.std())).astype(np.float32)


DENSE = tissue()


def stack(voxels, spacing):
    return Stack(voxels, Grid(np.arange(len(voxels)) * float(spacing), (1.0, 1.0), "um"))


SPARSE = stack(DENSE[::4], 4)
BETWEEN = [z for z in range(17) if z % 4]


def prepared(**config):
    method = MSDSR.create(MsdsrConfig(**SMALL, **config), Runtime())
    method.prepare(SPARSE)
    return method


@pytest.fixture(scope="module")
def trained():
    return prepared(training_steps=160, steps=2)


@pytest.fixture(scope="module")
def little():
    """The section at 2 um after little training with the usual options."""
    return prepared(training_steps=10, steps=2).sections_at(SPARSE, [2.0]).values


def error(values):
    return float(np.sqrt(np.mean((values - DENSE[BETWEEN]) ** 2)))


def test_it_restores_better_than_linear_interpolation(trained):
    share = np.array([z % 4 for z in BETWEEN])[:, None, None] / 4
    below = DENSE[[z - z % 4 for z in BETWEEN]]
    above = DENSE[[z - z % 4 + 4 for z in BETWEEN]]
    found = trained.sections_at(SPARSE, [float(z) for z in BETWEEN])
    assert error(found.values) < 0.97 * error(below + share * (above - below))


def test_observed_sections_are_put_back_and_have_no_spread(trained):
    found = trained.sections_at(SPARSE, [0.0, 8.0])
    np.testing.assert_allclose(found.values, DENSE[[0, 8]], atol=1e-3)
    np.testing.assert_allclose(found.uncertainty, 0, atol=1e-3)


def test_the_spread_of_samples_is_the_uncertainty(trained):
    found = trained.sections_at(SPARSE, [2.0])
    assert found.uncertainty.shape == (1, 32, 32)
    assert 0 < found.uncertainty.mean() < 100


def test_pixels_that_are_not_square_are_told_apart():
    voxels = np.zeros((3, 8, 8), np.float32)
    assert msdsr_method._gaps(Stack(voxels, Grid(np.arange(3) * 4.0, (0.5, 1.0), "um"))) == (8.0, 4.0)
    assert msdsr_method._gaps(Stack(voxels, Grid(np.arange(3) * 4.0, (4.0, 1.0), "um"))) == (2.0, 4.0)
    assert msdsr_method._gaps(Stack(voxels, Grid(np.arange(3) * 4.0))) == (4.0, 4.0)  # four where nothing is known


def test_one_sample_has_no_spread():
    method = prepared(training_steps=10, samples=1, steps=1)
    assert np.isnan(method.sections_at(SPARSE, [2.0]).uncertainty).all()


def test_depths_between_the_drawn_rows_are_interpolated(trained):
    low, middle, high = trained.sections_at(SPARSE, [1.0, 1.5, 2.0]).values
    np.testing.assert_allclose(middle, (low + high) / 2, atol=1e-3)


@pytest.mark.parametrize(
    "config",
    [
        {"prediction": "noise", "zero_snr": False, "guide": "none", "masks": "random", "coupled": False, "eta": 1.0},
        {"guide": "shown", "shared_noise": True},
        {"offset_noise": 0.1, "zero_snr": False, "adjusted_offset": True},
        {"rows": 2},
    ],
)
def test_every_option_runs_and_changes_the_result(little, config):
    found = prepared(training_steps=10, steps=2, **config).sections_at(SPARSE, [2.0]).values
    assert np.isfinite(found).all()
    assert not np.array_equal(found, little)


def test_cancel_stops_drawing(trained):
    def cancel(progress):
        if progress.fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        trained.sections_at(stack(DENSE[::4] + 1, 4), [2.0], report=cancel)


def test_a_result_in_portions_is_drawn_once(trained, monkeypatch):
    """Each portion comes as a stack of its own."""
    drawn, real = [], msdsr_method.draw
    monkeypatch.setattr(msdsr_method, "draw", lambda *given: drawn.append(given) or real(*given))
    seen = stack(DENSE[::4] + 2, 4)
    for z in (2.0, 6.0):
        trained.sections_at(seen.crop(slice(0, 5), slice(None)), [z])
    assert len(drawn) == 2  # samples
    trained.sections_at(seen.crop(slice(0, 4), slice(None)), [2.0])
    assert len(drawn) == 4


def test_tiny_images_give_linear_interpolation_and_say_so():
    tiny = stack(DENSE[::4, :8, :8], 4)
    method = MSDSR.create(MsdsrConfig(**SMALL), Runtime())
    method.prepare(tiny)
    np.testing.assert_allclose(
        method.sections_at(tiny, [2.0]).values[0], (DENSE[0, :8, :8] + DENSE[4, :8, :8]) / 2, atol=1e-2
    )
    assert "linear interpolation" in method.findings().warnings[0]


def test_one_training_serves_other_ways_of_drawing(trained):
    again = trained.drawing(steps=2).sections_at(SPARSE, [2.0]).values
    more = trained.drawing(steps=3).sections_at(SPARSE, [2.0]).values
    np.testing.assert_array_equal(again, trained.sections_at(SPARSE, [2.0]).values)
    assert not np.array_equal(again, more)


class TestTrainingOnStacks:
    @pytest.fixture(autouse=True)
    def _few_validations(self, monkeypatch):
        monkeypatch.setattr(validate, "_LOOKS", 4)

    def train(self, folder, *, training_steps=12, resume=False, report=silent, sections=17):
        files = [folder / "a.tif", folder / "b.tif"]
        for path in files:
            path.write_bytes(path.name.encode())
        stacks = tuple(stack(tissue((sections, 24, 24), seed), 1) for seed in (1, 2))
        method = MSDSR.create(MsdsrConfig(**SMALL, training_steps=training_steps, rows=4), Runtime())
        method.train(TrainingData(stacks, tuple(files)), folder / "model", resume=resume, report=report)

    def test_a_model_folder_is_written_and_used(self, tmp_path):
        self.train(tmp_path)
        model = model_folder.load(tmp_path / "model", "msdsr")
        assert model.record["steps"] == 12
        assert [each["file"] for each in model.record["data"]] == ["a.tif", "b.tif"]
        assert sorted(each.name for each in (tmp_path / "model").iterdir()) == [
            "config.json", "model.safetensors", "training.json",
        ]  # fmt: skip
        method = MSDSR.create(MsdsrConfig(model=tmp_path / "model", steps=2), Runtime())
        method.prepare(SPARSE)
        assert np.isfinite(method.sections_at(SPARSE, [2.0]).values).all()

    def test_resumed_equals_uninterrupted(self, tmp_path):
        self.train(tmp_path, training_steps=20)
        whole = model_folder.load(tmp_path / "model", "msdsr").tensors

        def stop(progress):
            if progress.fraction >= 0.5:
                raise Cancelled

        with pytest.raises(Cancelled):
            self.train(tmp_path, training_steps=20, report=stop)
        seen = []
        self.train(tmp_path, training_steps=20, resume=True, report=lambda progress: seen.append(progress.fraction))
        assert seen[0] > 0.4
        again = model_folder.load(tmp_path / "model", "msdsr").tensors
        assert all(torch.equal(whole[name], again[name]) for name in whole)

    def test_thin_stacks_are_refused_by_name(self, tmp_path):
        with pytest.raises(RequestError, match=r"a\.tif, b\.tif: training needs stacks of 5 sections"):
            self.train(tmp_path, sections=4)

    def test_a_missing_model_is_said(self, tmp_path):
        method = MSDSR.create(MsdsrConfig(model=tmp_path / "none"), Runtime())
        with pytest.raises(WeightsError, match="holds no model"):
            method.prepare(SPARSE)

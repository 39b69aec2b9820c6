"""The networks at work: they learn, with clean images and without, and say what they cannot do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_depth_interp.errors import WeightsError
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import Cancelled, silent
from napari_depth_interp.stack import Grid, Stack

SMALL = {"filters": 16, "mapped": 8, "batch": 8, "learning_rate": 3e-3}


def clean(seed, sections=3):
    """Smooth images of about 0 to 1."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(sections, 48, 56)), (2, 3, 3), mode="wrap")
    return (0.5 + 0.15 * field / field.std()).astype(np.float32)


def noisy(image, seed=9):
    return (image + np.random.default_rng(seed).normal(0, 0.15, image.shape)).astype(np.float32)


def stack(voxels):
    return Stack(voxels, Grid(np.arange(len(voxels), dtype=float)))


def psnr(image, truth):
    return -10 * np.log10(np.mean((image - truth) ** 2))


def made(name="srcnn", **config):
    spec = registry.get(name)
    given = {key: value for key, value in {**SMALL, **config}.items() if key in spec.config.model_fields}
    return spec.create(spec.config(**given), Runtime())


def enhanced(method, voxels):
    method.prepare(stack(voxels), report=silent)
    return method.sections_at(stack(voxels), list(range(len(voxels))), report=silent).values


@pytest.mark.parametrize("targets", ["blind", "neighbours"])
def test_it_learns_from_noisy_sections_alone(targets):
    truth = clean(1)
    seen = noisy(truth)
    found = enhanced(made(targets=targets, training_steps=250), seen)
    assert psnr(found, truth) > psnr(seen, truth) + 3


def test_sigmoid_output_as_published_learns_too():
    truth = clean(1)
    seen = noisy(truth)
    found = enhanced(made(output="sigmoid", targets="neighbours", training_steps=150), seen)
    assert psnr(found, truth) > psnr(seen, truth) + 1


def test_a_single_section_is_learned_from_hidden_pixels_and_said():
    method = made(targets="neighbours", training_steps=10)
    enhanced(method, noisy(clean(1, 1)))
    assert "one section only" in method.findings().warnings[0]


def test_another_time_point_is_learned_faster():
    method, steps = made(training_steps=40), []
    method.prepare(stack(noisy(clean(1))), report=silent)
    method.refit(stack(noisy(clean(2))), report=lambda progress: steps.append(progress.training))
    assert steps[0].steps == 10


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """A folder with a model of ``srcnn`` that has hardly been trained; not to be changed."""
    folder = tmp_path_factory.mktemp("little")
    data = TestTrainingOnPairs().data(folder / "data")
    made(training_steps=10).train(data, folder / "model", resume=False)
    return folder / "model"


class TestTrainingOnPairs:
    def data(self, folder, count=4, *, pairs=True):
        folder.mkdir(exist_ok=True)
        files, targets = [folder / f"{i}.tif" for i in range(count)], [folder / f"{i}-clean.tif" for i in range(count)]
        for path in (*files, *targets):
            path.write_bytes(path.name.encode())
        truth = [clean(seed) for seed in range(count)]
        stacks = tuple(stack(1000 * noisy(each, seed)) for seed, each in enumerate(truth))
        if not pairs:
            return TrainingData(stacks, tuple(files))
        wanted = tuple(stack(1000 * each) for each in truth)
        return TrainingData(stacks, tuple(files), targets=wanted, target_files=tuple(targets))

    @pytest.mark.parametrize(("name", "steps", "gain"), [("srcnn", 300, 3), ("cae", 250, 1)])
    def test_a_model_enhances_a_stack_it_has_not_seen(self, tmp_path, name, steps, gain):
        made(name, training_steps=steps).train(self.data(tmp_path / "data"), tmp_path / "model", resume=False)
        truth = 200 * clean(77)
        seen = 200 * noisy(clean(77), 78)
        found = enhanced(made(name, model=tmp_path / "model"), seen)
        assert psnr(found / 200, truth / 200) > psnr(seen / 200, truth / 200) + gain
        assert model_folder.load(tmp_path / "model", name).record["steps"] == steps
        assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
            "config.json", "model.safetensors", "training.json",
        ]  # fmt: skip

    def test_pairs_are_held_back_and_the_best_weights_kept(self, tmp_path):
        points = []
        made(training_steps=60).train(
            self.data(tmp_path / "data"), tmp_path / "model", resume=False,
            report=lambda progress: points.append(progress.training),
        )  # fmt: skip
        looks = [point for point in points if point.scores]
        assert len(looks) == 10
        assert looks[0].picture.shape == (3, 48, 56)
        record = model_folder.load(tmp_path / "model", "srcnn").record
        assert [each["step"] for each in record["validation"]] == [point.step for point in looks]
        assert [each["file"] for each in record["data"]][:2] == ["0.tif", "1.tif"]

    def test_two_pairs_are_too_few_to_hold_one_back(self, tmp_path):
        made(training_steps=10).train(self.data(tmp_path / "data", 2), tmp_path / "model", resume=False)
        assert model_folder.load(tmp_path / "model", "srcnn").record["validation"] == []

    def test_resumed_equals_uninterrupted(self, tmp_path):
        data = self.data(tmp_path / "data")
        made(training_steps=30).train(data, tmp_path / "whole", resume=False)

        def stop(progress):
            if progress.fraction >= 0.5:
                raise Cancelled

        with pytest.raises(Cancelled):
            made(training_steps=30).train(data, tmp_path / "model", resume=False, report=stop)
        seen = []
        made(training_steps=30).train(
            data, tmp_path / "model", resume=True, report=lambda progress: seen.append(progress.fraction)
        )
        assert seen[0] > 0.5
        whole, again = (model_folder.load(tmp_path / name, "srcnn").tensors for name in ("whole", "model"))
        assert all(torch.equal(whole[name], again[name]) for name in whole)

    def test_noisy_stacks_alone_give_a_model_as_well(self, tmp_path):
        made(training_steps=250).train(self.data(tmp_path / "data", pairs=False), tmp_path / "model", resume=False)
        truth = clean(77)
        found = enhanced(made(model=tmp_path / "model"), noisy(truth, 78))
        assert psnr(found, truth) > psnr(noisy(truth, 78), truth) + 3

    def test_a_model_of_the_other_network_is_refused(self, little):
        with pytest.raises(WeightsError, match="a model of the method 'srcnn', not of 'cae'"):
            enhanced(made("cae", model=little), noisy(clean(1)))
        with pytest.raises(WeightsError, match="holds no model"):
            enhanced(made(model=Path("nowhere")), noisy(clean(1)))

    @pytest.mark.parametrize(
        ("about", "words"),
        [
            ({"filters": 16, "mapped": 8}, "output is missing"),
            ({"filters": 0, "mapped": 8, "output": "residual"}, "filters: Input should be greater"),
            ({"filters": 4, "mapped": 8, "output": "residual"}, "do not fit the network that the model describes"),
        ],
    )
    def test_a_damaged_model_is_explained(self, little, tmp_path, about, words):
        shutil.copytree(little, tmp_path / "model")
        path = tmp_path / "model" / model_folder.CONFIG
        path.write_text(json.dumps(json.loads(path.read_text()) | {"config": about}))
        with pytest.raises(WeightsError, match=words):
            enhanced(made(model=tmp_path / "model"), noisy(clean(1)))

"""Training RRDB-GAN: it learns, resumes exactly, says how good it is; and what a run makes of models."""

import json
import shutil

import numpy as np
import pytest
import torch
from test_gan_parts import CPU, patches

from napari_depth_interp import io
from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.rrdb_gan import AlongZConfig, GanConfig
from napari_depth_interp.methods.rrdb_gan.forward import lattice_of
from napari_depth_interp.methods.rrdb_gan.lattice import Lattice
from napari_depth_interp.methods.rrdb_gan.objective import Objective
from napari_depth_interp.methods.rrdb_gan.train import Pair, volumes_of
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid, Stack
from quick import TINY, model_of


def blobs(seed, shape=(24, 32, 32)):
    """Balls with sharp edges, which cubic interpolation blurs."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    voxels = np.zeros(shape, np.float32)
    for centre in rng.random((14, 3)) * shape:
        voxels[(z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < 16] = 100
    return voxels


def data(folder, count=3, **more):
    folder.mkdir(exist_ok=True)
    stacks = [Stack(blobs(seed), Grid(np.arange(24.0), (1.0, 1.0), "um")) for seed in range(count)]
    files = [folder / f"{seed}.tif" for seed in range(count)]
    for path, stack in zip(files, stacks, strict=True):
        io.write(path, Dataset(stack.voxels[None, None], stack.grid), overwrite=True)
    return TrainingData(stacks, files, **more)


def learn(folder, found, *, name="rrdb_gan", report=lambda _: None, resume=False, **parameters):
    spec = registry.get(name)
    learner = spec.create(spec.config(**{**TINY, **parameters}), Runtime("cpu", 1, 0))
    learner.train(found, folder, resume=resume, report=report)
    return json.loads((folder / "config.json").read_text())["config"]


def weights(folder):
    from napari_depth_interp.models.weights import read

    return read(folder / "model.safetensors")


@pytest.mark.parametrize(("name", "epochs"), [("rrdb_gan", 16), ("rrdb_gan_z", 26)])
def test_it_learns(name, epochs, tmp_path):
    seen = []
    about = learn(
        tmp_path / "model", data(tmp_path / "data"), name=name, report=lambda each: seen.append(each.training),
        objective="faithful", ssim_weight=0.0, epochs=epochs, patches_per_volume=8, features=8, growth=4,
        learning_rate=3e-3, schedule="cosine", validate_every=epochs // 2, weight_average=0.9, precision="float32",
    )  # fmt: skip
    scores = [each.scores["psnr"] for each in seen if each.scores]
    assert len(scores) == 2
    assert about["gain_db"] > 0.2
    assert about["error_per_std"] > 0
    assert next(each for each in seen if each.scores).picture.shape[0] == 3
    record = json.loads((tmp_path / "model" / "training.json").read_text())
    assert [each["psnr"] for each in record["validation"]] == scores
    assert len(record["data"]) == 3


def test_starts_from_a_model(tmp_path):
    found = data(tmp_path / "data", 2)
    first = model_of("rrdb_gan")
    own = {"epochs": 1, "learning_rate": 1e-12, "weight_average": 0.0, "validation_share": 0.0}
    learn(tmp_path / "second", found, start_from=first, **own)
    before, after = weights(first), weights(tmp_path / "second")
    for key in before:
        torch.testing.assert_close(before[key], after[key], atol=1e-6, rtol=0)
    with pytest.raises(RequestError, match="blocks 1 instead of 2"):
        learn(tmp_path / "third", found, start_from=first, blocks=2)


@pytest.mark.parametrize("kind", ["adversarial", "faithful"])
def test_resumes_exactly(kind, tmp_path):
    own = {"epochs": 4, "patches_per_volume": 4, "objective": "published" if kind == "adversarial" else "faithful"}
    found = data(tmp_path / "data")
    learn(tmp_path / "whole", found, **own)

    def stop(progress):
        if progress.training.step == 7:
            raise Cancelled

    with pytest.raises(Cancelled):
        learn(tmp_path / "parts", found, report=stop, **own)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    steps = []
    learn(tmp_path / "parts", found, resume=True, report=lambda each: steps.append(each.training.step), **own)
    assert steps[0] == 8
    assert sorted(each.name for each in (tmp_path / "parts").iterdir()) == [
        "config.json", "model.safetensors", "training.json",
    ]  # fmt: skip
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


@pytest.mark.parametrize(
    "own",
    [
        {"generator": "residual", "tail": "staged", "base": "none", "scale": "truth", "back_projection": False},
        {"perceptual": "random", "slice_size": 16, "slice_choice": "important", "slices_at_end": 1},
        {"precision": "float32", "channels_last": False, "fresh_patches": True, "validation_share": 0.0, "clip": 0.0},
        {"dimensions": 2, "adversary": "relativistic", "perceptual": "random", "slice_size": 16},
    ],
    ids=["published form", "features", "plain", "section by section"],
)
def test_every_choice_trains_and_runs(own, tmp_path):
    about = learn(tmp_path / "model", data(tmp_path / "data", 2), objective="published", **own)
    assert (about["gain_db"] is None) == ("validation_share" in own)
    dataset = Dataset(blobs(9, (5, 12, 12))[None, None, :, 3:9, 3:8], Grid(np.arange(5.0)))
    parameters = {"model": tmp_path / "model", "back_projection": own.get("back_projection", True)}
    result = execute(resolve(dataset, make_settings(method="rrdb_gan", parameters=parameters, threads=1)))
    assert result.dataset.voxels.shape == (1, 1, 20, 24, 20)
    assert np.isfinite(result.dataset.voxels).all()
    assert any("fine detail may be invented" in line for line in result.warnings)


def test_two_dimensions_do_not_add_sections():
    with pytest.raises(ValueError, match=r"dimensions=2 learns nothing along z, which factor asks for"):
        AlongZConfig(dimensions=2)


def test_a_model_from_before_dimensions_could_be_chosen_is_one_of_three(tmp_path):
    shutil.copytree(model_of("rrdb_gan"), tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    about = json.loads(file.read_text())
    del about["config"]["dimensions"]
    file.write_text(json.dumps(about))
    dataset = Dataset(blobs(9, (5, 12, 12))[None, None, :, 3:9, 3:8], Grid(np.arange(5.0)))
    settings = make_settings(method="rrdb_gan", parameters={"model": tmp_path / "model"}, threads=1)
    assert execute(resolve(dataset, settings)).dataset.voxels.shape == (1, 1, 20, 24, 20)
    learn(tmp_path / "further", data(tmp_path / "data", 2), start_from=tmp_path / "model")
    with pytest.raises(RequestError, match="dimensions 3 instead of 2"):
        learn(tmp_path / "other", data(tmp_path / "data", 2), start_from=tmp_path / "model", dimensions=2)


class TestRates:
    def rates(self, **config):
        chosen = GanConfig(**{**TINY, "patches_per_volume": 4, "batch": 3, "epochs": 200, **config})
        source = patches(Lattice((4, 4, 4)))
        pair = Pair("rrdb_gan", lattice_of(chosen), chosen, Objective(chosen, CPU), source, (), CPU)
        judge, make = pair.optimizer_steps()
        assert source.steps == 4
        return [[part.rate(4 * epoch) for epoch in (0, 69, 70, 140, 199)] for part in (judge, make)]

    def test_the_generators_is_halved_every_70_epochs_and_the_discriminators_stays(self):
        judge, make = self.rates(objective="published")
        assert make == [1.0, 1.0, 0.5, 0.25, 0.25]
        assert judge == [1.0] * 5

    def test_cosine(self):
        _, make = self.rates(objective="published", schedule="cosine")
        assert make[1] > make[2] > make[3] > make[4]
        assert make[4] < 0.05


class TestDivision:
    def config(self, **own):
        return GanConfig(**{**TINY, **own})

    def test_volumes_are_divided_by_file(self, tmp_path):
        found = data(tmp_path / "data", 5)
        two_channels = TrainingData([*found.stacks, found.stacks[0]], [*found.files, found.files[0]])
        for share, kept in ((0.1, 1), (0.4, 2), (0.0, 0)):
            learning, looked_at, _ = volumes_of(
                two_channels, Lattice((4, 4, 4)), self.config(validation_share=share), 0
            )
            assert len(learning) + len(looked_at) == 6
            assert len(looked_at) in (kept, kept + (kept > 0))

    def test_of_a_single_volume_the_last_sections_are_kept(self, tmp_path):
        found = data(tmp_path / "data", 1)
        single = TrainingData([Stack(blobs(0, (36, 20, 20)), Grid(np.arange(36.0)))], found.files)
        [learning], [kept], _ = volumes_of(single, Lattice((4, 4, 4)), self.config(validation_share=0.2), 0)
        assert (len(learning.coarse), len(kept.coarse)) == (5, 4)
        assert (len(learning.fine), len(kept.fine)) == (20, 16)
        [learning], [kept], _ = volumes_of(
            single, Lattice((4, 1, 1), means=False), self.config(validation_share=0.2), 0
        )
        assert (len(learning.fine), len(kept.fine)) == (17, 13)

    def test_classes_and_recorded_inputs(self, tmp_path):
        found = data(tmp_path / "data", 2)
        inputs = [Stack(stack.voxels[::4, ::4, ::4], Grid(np.arange(6.0))) for stack in found.stacks]
        listed = TrainingData(found.stacks, found.files, inputs=[inputs[0], None], classes=["b", "a"])
        learning, _, classes = volumes_of(
            listed, Lattice((4, 4, 4)), self.config(validation_share=0.0, scale="truth"), 0
        )
        assert classes == ("a", "b")
        assert [each.kind for each in learning] == [1, 0]
        np.testing.assert_allclose(learning[0].coarse * 100, inputs[0].voxels, rtol=1e-5)
        assert learning[1].coarse.shape == (6, 8, 8)
        about = learn(tmp_path / "model", listed, objective="published")
        assert about["classes"] == ["a", "b"]


class TestModels:
    def coarse(self):
        return Dataset(blobs(9, (6, 10, 9))[None, None], Grid(np.arange(6.0), (1.0, 1.0), "um"))

    def made(self, **parameters):
        asked = resolve(self.coarse(), make_settings(method="rrdb_gan", parameters=parameters, threads=1))
        return execute(asked)

    def test_an_ensemble_is_the_mean_of_its_models_with_their_spread(self, tmp_path):
        first = model_of("rrdb_gan")
        second = tmp_path / "other"
        learn(second, data(tmp_path / "data", 2), epochs=6)
        one, two = (self.made(model=each, flips=1) for each in (first, second))
        both = self.made(model=first, ensemble=f" {second},", flips=1)
        mean = (one.dataset.voxels + two.dataset.voxels) / 2
        np.testing.assert_allclose(both.dataset.voxels, mean, atol=1e-2)
        assert np.isnan(one.uncertainty).all()
        assert np.isfinite(both.uncertainty).all()
        assert both.uncertainty.max() > 0

    def test_models_of_other_kinds_do_not_mix(self, tmp_path):
        other = tmp_path / "other"
        learn(other, data(tmp_path / "data", 2), scale="maximum")
        with pytest.raises(RequestError, match="trained for another"):
            self.made(model=model_of("rrdb_gan"), ensemble=str(other))

    def test_a_damaged_model_is_explained(self, tmp_path):
        shutil.copytree(model_of("rrdb_gan"), tmp_path / "model")
        path = tmp_path / "model" / "config.json"
        sound = json.loads(path.read_text())
        for change, words in (
            ({"blocks": 3}, "do not fit the network that the model describes"),
            ({"features": -1}, "features: Input should be greater"),
            ({"base": None}, "base"),
        ):
            path.write_text(json.dumps(sound | {"config": sound["config"] | change}))
            with pytest.raises(WeightsError, match=words):
                self.made(model=tmp_path / "model")

    def test_preparing_again_loads_each_model_once(self):
        method = registry.get("rrdb_gan").create(GanConfig(model=model_of("rrdb_gan"), flips=1), Runtime("cpu", 1, 0))
        stack = self.coarse().stack()
        found = []
        for _ in range(2):
            method.prepare(stack)
            found.append(method.sections_at(stack, [1.0]))
        np.testing.assert_array_equal(found[0].values, found[1].values)
        assert np.isnan(found[1].uncertainty).all()

    def test_small_tiles_give_what_one_tile_gives(self):
        whole, tiled = (self.made(model=model_of("rrdb_gan"), tile=tile).dataset.voxels for tile in (64, 4))
        np.testing.assert_allclose(tiled, whole, atol=1e-3 * 100)

    def test_a_model_worse_than_interpolation_says_so(self, tmp_path):
        folder = tmp_path / "worse"
        shutil.copytree(model_of("rrdb_gan"), folder)
        about = json.loads((folder / "config.json").read_text())
        about["config"]["gain_db"] = -1.25
        (folder / "config.json").write_text(json.dumps(about))
        assert any("1.25 dB worse than cubic interpolation" in line for line in self.made(model=folder).warnings)

    def test_the_protocol_sr4_scores_it_beside_the_baselines(self):
        dense = Dataset(blobs(5)[None, None], Grid(np.arange(24.0), (1.0, 1.0), "um"))
        methods = [
            "linear", "enlarge:kind=linear:back_projection=false", "enlarge", f"rrdb_gan:model={model_of('rrdb_gan')}",
        ]  # fmt: skip
        scores = evaluate(dense, methods, Protocol("sr4"))
        flat, trilinear, cubic, learned = (each.volume["psnr"] for each in scores.methods)
        assert cubic > flat
        assert cubic > trilinear + 1
        assert abs(learned - cubic) < 1  # two epochs of nothing
        assert scores.methods[3].volume["ssim_3d"] > 0.3
        assert scores.methods[3].uncertainty is not None
        with pytest.raises(RequestError, match="--protocol sr4"):
            evaluate(dense, ["linear", "enlarge"], Protocol("keep_every", every=2))

"""The published recipe piece by piece, and what a model keeps for its runs."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from test_gan_parts import CPU
from test_gan_training import blobs, data, learn

from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.rrdb_gan import GanConfig
from napari_depth_interp.methods.rrdb_gan.forward import finished, lattice_of
from napari_depth_interp.methods.rrdb_gan.generator import Generator, ResidualBlock, Rrdb
from napari_depth_interp.methods.rrdb_gan.lattice import Lattice
from napari_depth_interp.methods.rrdb_gan.losses import ssim
from napari_depth_interp.methods.rrdb_gan.objective import Objective, shares_of
from napari_depth_interp.methods.rrdb_gan.pairs import Patches, make_volume
from napari_depth_interp.methods.rrdb_gan.train import Pair
from napari_depth_interp.models import card as model_card
from napari_depth_interp.models import library
from napari_depth_interp.nn.loop import Step
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid

LATTICE = Lattice((4, 4, 4))
SMALL = {"features": 4, "growth": 2, "blocks": 1, "perceptual": "random", "slice_size": 16}
"""What makes the published recipe small enough for a test."""


def published(**own):
    return GanConfig(**{**registry.get("rrdb_gan").presets["published"], **own})


class TestPublished:
    def test_the_network(self):
        config = published()
        with torch.device("meta"):
            network = Generator.of(config.model_dump(), (4, 4, 4))
        assert [type(each) for each in network.trunk[:-1]] == [Rrdb] * 10
        assert [each.out_channels for each in network.stages] == [512, 512]
        assert network.first.out_channels == 64
        assert network.trunk[0].blocks[0].convolutions[0].out_channels == 32
        assert lattice_of(config) == LATTICE

    def test_the_volume_itself_comes_out_of_the_network(self):
        blocks, coarse = torch.randn(1, 1, 16, 16, 16), torch.rand(1, 1, 4, 4, 4)
        assert torch.equal(finished(blocks, coarse, LATTICE, published()), blocks)

    def test_both_volumes_are_divided_by_the_maximum_of_the_truth(self):
        fine = blobs(0) + 20
        found = make_volume(fine, None, LATTICE, published(), 0)
        np.testing.assert_allclose(found.fine, fine / fine.max(), rtol=1e-6)
        np.testing.assert_allclose(found.coarse, LATTICE.coarsen(found.fine[None, None])[0, 0], rtol=1e-5)

    def test_the_losses(self):
        config = published(**SMALL)
        shares = shares_of(published())
        assert (shares.mse, shares.ssim, shares.adversarial, shares.perceptual) == (1.0, 1.0, 0.001, 0.2)
        objective = Objective(config, CPU)
        assert [objective.planes(done) for done in (0.0, 1.0)] == [10, 10]
        made, real = torch.rand(1, 1, 12, 12, 12), torch.rand(1, 1, 12, 12, 12)
        torch.manual_seed(0)
        whole = objective(made, real)
        torch.manual_seed(0)
        planes = objective._perceptual(made, real, 10)
        torch.testing.assert_close(whole, (made - real).square().mean() + 1 - ssim(made, real) + 0.2 * planes)
        assert (config.slice_choice, published().perceptual, published().slice_size) == ("random", "vgg", 224)

    def test_patches_are_cut_once_and_not_turned(self):
        volume = make_volume(np.random.default_rng(0).random((96, 136, 136)), None, LATTICE, published(), 0)
        patches = Patches([volume] * 4, LATTICE, published(), 0, CPU)
        assert patches.patch == (20, 30, 30)
        assert patches.steps == 4 * 8 // 16
        seen = set()
        for number in range(2 * patches.steps):
            batch = patches.draw(Step(number, np.random.default_rng(number)))
            assert batch.coarse.shape == (16, 1, 20, 30, 30)
            assert batch.fine.shape == (16, 1, 80, 120, 120)
            torch.testing.assert_close(LATTICE.coarsen(batch.fine), batch.coarse, atol=1e-5, rtol=0)
            seen |= {each.numpy().tobytes() for each in batch.coarse}
        assert len(seen) <= 4 * 8

    def test_the_optimisers(self):
        config = published(**SMALL)
        volume = make_volume(blobs(0, (96, 136, 136)), None, LATTICE, config, 0)
        patches = Patches([volume] * 2, LATTICE, config, 0, CPU)
        pair = Pair("rrdb_gan", LATTICE, config, Objective(config, CPU), patches, (), CPU)
        judge, make = pair.optimizer_steps()
        for part in (judge, make):
            [adam] = part.optimisers
            assert type(adam) is torch.optim.Adam
            assert (adam.defaults["lr"], adam.defaults["betas"]) == (2e-4, (0.9, 0.99))
        epochs = [0, 69, 70, 139, 140, 199]
        assert [make.rate(each * patches.steps) for each in epochs] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
        assert [judge.rate(each * patches.steps) for each in epochs] == [1.0] * 6

    def test_the_last_weights_are_kept_as_they_are(self):
        config = published()
        assert (config.epochs, config.weight_average, config.clip or math.inf) == (200, 0.0, math.inf)
        assert (config.validation_share, config.patience, config.blur, config.noise) == (0.0, 0, 0.0, 0.0)

    def test_along_z_there_is_none(self):
        assert "published" not in registry.get("rrdb_gan_z").presets


class TestPredecessor:
    """3D-SRCGAN: plain residual blocks, and MSE, SSIM or both beside the adversarial loss."""

    @pytest.mark.parametrize(("mse", "likeness"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
    def test_its_losses(self, mse, likeness):
        config = published(
            **SMALL | {"generator": "residual", "perceptual_weight": 0.0}, mse_weight=mse, ssim_weight=likeness
        )
        assert shares_of(config).adversarial == 0.001
        made, real = torch.rand(1, 1, 12, 12, 12), torch.rand(1, 1, 12, 12, 12)
        wanted = mse * (made - real).square().mean() + likeness * (1 - ssim(made, real))
        torch.testing.assert_close(Objective(config, CPU)(made, real), wanted)
        network = Generator.of(config.model_dump(), (4, 4, 4))
        assert [type(each) for each in network.trunk[:-1]] == [ResidualBlock]


COARSE = Dataset(blobs(9, (6, 10, 9))[None, None], Grid(np.arange(6.0), (1.0, 1.0), "um"))


def made(folder, **parameters):
    settings = make_settings(method="rrdb_gan", parameters={"model": folder, **parameters}, threads=1)
    return execute(resolve(COARSE, settings))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("published")
    preset = registry.get("rrdb_gan").presets["published"]
    kept = ("base", "scale", "objective", "flips", "back_projection", "precision", "weight_average", "augment")
    learn(home / "model", data(home / "data", 2), **{name: preset[name] for name in kept} | SMALL)
    return home / "model"


class TestOfTheRun:
    def test_a_model_keeps_it(self, folder):
        about = json.loads((folder / "config.json").read_text())["config"]
        assert about["run"] == {"flips": 1, "back_projection": False, "precision": "auto"}

    def test_a_model_says_so_in_words(self, folder, monkeypatch):
        monkeypatch.setenv("DEPTH_INTERP_MODELS", str(folder.parent))
        said = dict(model_card.describe(library.get("model")))
        assert said["run"] == "flips=1, back_projection=False, precision=auto"
        assert "flips" not in said["network"]

    def test_a_run_takes_it_and_the_history_says_so(self, folder):
        plain, given = made(folder), made(folder, flips=1, back_projection=False)
        np.testing.assert_array_equal(plain.dataset.voxels, given.dataset.voxels)
        config = plain.dataset.record["depth_interp"]["config"]
        assert (config["flips"], config["back_projection"]) == (1, False)
        assert np.isnan(plain.uncertainty).all()

    def test_what_is_given_wins(self, folder):
        found = made(folder, flips=2, back_projection=True)
        config = found.dataset.record["depth_interp"]["config"]
        assert (config["flips"], config["back_projection"]) == (2, True)
        means = found.dataset.voxels[0, 0].reshape(6, 4, 10, 4, 9, 4).mean((1, 3, 5))
        np.testing.assert_allclose(means, COARSE.voxels[0, 0], atol=1e-2)
        assert np.isfinite(found.uncertainty).all()

    def test_without_a_request_too(self, folder):
        method = registry.get("rrdb_gan").create(GanConfig(model=folder), Runtime("cpu", 1, 0))
        method.prepare(COARSE.stack())
        values = method.sections_at(COARSE.stack(), [1.125]).values
        np.testing.assert_allclose(values[0], made(folder).dataset.voxels[0, 0, 6], atol=1e-4)

    def test_a_damaged_one_is_named(self, folder, tmp_path):
        shutil.copytree(folder, tmp_path / "model")
        path = tmp_path / "model" / "config.json"
        about = json.loads(path.read_text())
        about["config"]["run"]["flips"] = 90
        path.write_text(json.dumps(about))
        with pytest.raises(WeightsError, match=r"does not fit \(flips: .*less than or equal to 8"):
            made(tmp_path / "model")

    def test_the_maximum_of_the_truth_can_be_given(self, folder, tmp_path):
        plain, known = made(folder), made(folder, truth_maximum=float(COARSE.voxels.max()))
        np.testing.assert_array_equal(plain.dataset.voxels, known.dataset.voxels)
        other = made(folder, truth_maximum=1.46 * float(COARSE.voxels.max()))
        assert np.abs(other.dataset.voxels - plain.dataset.voxels).max() > 0
        learn(tmp_path / "model", data(tmp_path / "data", 2), epochs=1)
        with pytest.raises(RequestError, match=r"truth_maximum=5 .* scale=truth, and this one has scale=range"):
            made(tmp_path / "model", truth_maximum=5)

"""The preset published of both networks, piece by piece."""

import copy
import json

import numpy as np
import pytest
import torch
from test_enhancer import clean, enhanced, noisy, stack

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.enhancement.fit import fit, validation_images
from napari_depth_interp.methods.enhancement.networks import SINCE, Cae, Srcnn
from napari_depth_interp.methods.enhancement.pairs import Pair, supervised
from napari_depth_interp.methods.enhancement.patches import Patches
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.progress import silent

CPU = torch.device("cpu")
BOTH = pytest.mark.parametrize("name", ["srcnn", "cae"])
NETWORKS = {"srcnn": Srcnn, "cae": Cae}


def published(name, **own):
    spec = registry.get(name)
    return spec.config(**{**spec.presets["published"], **own})


def network(name, **own):
    torch.manual_seed(0)
    return NETWORKS[name].from_model(published(name, **own).model_dump())


def pairs(count, size=48):
    truth = [torch.from_numpy(clean(seed, 1)[0, :size, :size]) for seed in range(count)]
    return [Pair(torch.from_numpy(noisy(each.numpy(), seed)), each) for seed, each in enumerate(truth)]


def test_srcnn_has_its_three_layers():
    layers = [each for each in network("srcnn").modules() if isinstance(each, torch.nn.Conv2d)]
    assert [(each.kernel_size, each.out_channels) for each in layers] == [((9, 9), 64), ((1, 1), 32), ((5, 5), 1)]


def test_the_auto_encoder_halves_three_times_down_to_a_code():
    made = network("cae")
    assert [(each.stride, each.out_channels) for each in made.down] == [((2, 2), 32), ((2, 2), 64), ((2, 2), 128)]
    assert made.encode.out_channels == 32


class TestTied:
    def test_there_are_no_weights_for_the_way_back(self):
        made = network("cae")
        there = sum(each.numel() for layer in (*made.down, made.encode) for each in layer.parameters())
        assert sum(each.numel() for each in made.parameters()) == there + 1

    def test_the_way_back_is_the_way_there_transposed(self):
        made = network("cae", filters=4, levels=1, code=3)
        for each in made.parameters():
            if each.ndim == 1:
                torch.nn.init.zeros_(each)
        torch.nn.init.ones_(made.encode.weight)
        torch.nn.init.uniform_(made.down[0].weight)  # nothing is negative, so that no ReLU cuts anything off
        images, codes = torch.rand(1, 1, 12, 10), torch.rand(1, 3, 6, 5)
        there, back = made.encode(made.down[0](images)), made._tied_back(codes)
        torch.testing.assert_close((there * codes).sum(), (images * back).sum())

    @torch.no_grad()
    def test_biases_are_those_of_the_level_that_is_led_to(self):
        made = network("cae", filters=4, levels=2, code=3)
        for each in made.parameters():
            torch.nn.init.zeros_(each)
        made.last_bias.fill_(-1.0)
        made.down[0].bias.fill_(2.0)
        made.down[0].weight[:, :, 1, 1] = 1.0  # the middle of the kernel: every second pixel of the way back
        found = made._tied_back(torch.rand(1, 3, 2, 2))[0, 0]
        torch.testing.assert_close(found[::2, ::2], torch.full((4, 4), 4 * 2.0 - 1.0))
        torch.testing.assert_close(found[1::2], torch.full((4, 8), -1.0))

    @pytest.mark.parametrize("size", [(41, 41), (30, 27), (8, 9)])
    def test_output_padding_gives_the_size_back(self, size):
        assert network("cae")(torch.rand(2, 1, *size)).shape == (2, 1, *size)

    def test_free_weights_are_the_default(self):
        assert registry.get("cae").config().tied is False


@BOTH
class TestTraining:
    def test_constant_adam_on_the_squared_error_and_nothing_else(self, name):
        config = published(name, batch=4)
        patches = Patches(pairs(2), config, 0, hide=None)
        start = network(name)
        found = fit(copy.deepcopy(start), patches, config, 0, silent, training_steps=3).network
        adam = torch.optim.Adam(start.parameters(), lr=2e-4)
        for number in range(3):
            rng = np.random.default_rng((0, number, 0))
            rng.integers(2**62)  # torch's seed
            batch = patches.draw(rng)
            adam.zero_grad()
            torch.nn.functional.mse_loss(start(batch.seen), batch.wanted).backward()
            adam.step()
        for wanted, each in zip(start.parameters(), found.parameters(), strict=True):
            torch.testing.assert_close(each, wanted, rtol=1e-4, atol=1e-6)

    def test_the_network_sees_mean_0_and_standard_deviation_1_and_gives_0_to_1(self, name):
        made, images = network(name), [5 + 3 * torch.rand(20, 30), torch.rand(9, 9)]
        made.measure(images)
        pixels = torch.cat([made.seen(each).flatten() for each in images])
        assert (float(pixels.mean()), float(pixels.std())) == pytest.approx((0.0, 1.0), abs=1e-4)
        found = made(100 * torch.randn(1, 1, 16, 16)).detach()
        assert 0 <= float(found.min()) <= float(found.max()) <= 1

    def test_zeros_lie_beyond_the_edges(self, name):
        modes = {each.padding_mode for each in network(name).modules() if isinstance(each, torch.nn.Conv2d)}
        assert modes == {"zeros"}

    def test_patches(self, name):
        config = published(name)
        assert (config.crop, config.crops, config.patch, config.stride) == (227, 20, 41, 14)

    def test_six_pairs_are_learned_from_and_two_looked_at_in_ten_images(self, name, tmp_path):
        stacks = [stack(noisy(clean(seed, 1), seed)) for seed in range(8)]
        wanted = [stack(clean(seed, 1)) for seed in range(8)]
        files = [tmp_path / f"{seed}.tif" for seed in range(8)]
        data = TrainingData(stacks, files, targets=wanted, target_files=files)
        config = published(name)
        learned, held = supervised(data, config.validation_share, 0, CPU)
        assert (len(learned), len(held)) == (6, 2)
        ten = validation_images(held, config)
        assert len(ten) == 10
        assert len({each.seen.contiguous().numpy().tobytes() for each in ten}) == 10
        assert {tuple(each.seen.shape) for each in ten} == {(48, 56), (56, 48)}
        assert len(validation_images(held, config.model_copy(update={"validation_variants": False}))) == 2


@BOTH
class TestModels:
    def learn(self, name, folder, **own):
        spec = registry.get(name)
        small = {"filters": 8, "batch": 4, "training_steps": 20} | own
        data = TrainingData(
            [stack(noisy(clean(1, 1)))], [folder / "a.tif"], targets=[stack(clean(1, 1))],
            target_files=[folder / "a.tif"], signatures=["a", "b"],
        )  # fmt: skip
        spec.create(spec.config(**small), Runtime()).train(data, folder / "model", resume=False)
        return folder / "model"

    def made(self, name, folder, **own):
        spec = registry.get(name)
        return enhanced(spec.create(spec.config(model=folder, **own), Runtime()), noisy(clean(5)))

    def test_nothing_of_the_recipe_belongs_to_the_run(self, name, tmp_path):
        recipe = registry.get(name).presets["published"]
        own = {"filters": 8, "batch": 4, "training_steps": 20}
        folder = self.learn(name, tmp_path, **{**recipe, **own})
        assert "mean" in model_folder.load(folder, name).tensors
        plain, given = self.made(name, folder), self.made(name, folder, **recipe)
        np.testing.assert_array_equal(plain, given)

    def test_models_from_before_these_choices_are_what_they_were(self, name, tmp_path):
        folder = self.learn(name, tmp_path)
        before = self.made(name, folder)
        path = folder / model_folder.CONFIG
        about = json.loads(path.read_text())
        about["config"] = {key: each for key, each in about["config"].items() if key not in {*SINCE, "tied"}}
        path.write_text(json.dumps(about))
        np.testing.assert_array_equal(self.made(name, folder), before)

"""Network, examples and sampling one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.microdiffusion import MicroDiffusionConfig, sample
from napari_depth_interp.methods.microdiffusion.examples import TrainingExample, batched, coarser, means
from napari_depth_interp.methods.microdiffusion.fit import Noise, blended, loss_of, trust_in
from napari_depth_interp.methods.microdiffusion.network import SectionNet
from napari_depth_interp.nn.chunks import Chunks
from napari_depth_interp.numerics.back_projection import Floor
from napari_depth_interp.stack import Acquisition, Grid, Stack


def config(**values):
    return MicroDiffusionConfig(**{"channels": 8, "levels": 2, **values})


def network(**values):
    torch.manual_seed(0)
    net = SectionNet(config(**values), 0)
    torch.nn.init.normal_(net.exit.weight, std=0.1)
    return net.eval()


def asked(net, noisy, seen, **changed):
    values = {
        "step": torch.full((len(noisy),), 0.5),
        "place": torch.zeros(len(noisy), 2),
        "known": torch.ones(len(noisy)),
    }
    values |= changed
    with torch.no_grad():
        return net(noisy, values["step"], seen, values["place"], values["known"])


NOISY, SEEN = torch.randn(2, 20, 22, generator=torch.Generator().manual_seed(1)), torch.randn(2, 2, 20, 22)


class TestNetwork:
    def test_odd_sizes_come_back(self):
        assert asked(network(levels=3), NOISY[:, :17, :19], SEEN[:, :, :17, :19]).shape == (2, 17, 19)

    @pytest.mark.parametrize("how", ["added", "attention"])
    def test_image_and_depth_matter_unless_dropped(self, how):
        net = network(condition=how)
        usual = asked(net, NOISY, SEEN)
        assert not torch.allclose(usual, asked(net, NOISY, SEEN + 1))
        assert not torch.allclose(usual, asked(net, NOISY, SEEN, place=torch.ones(2, 2) / 3))
        dropped = torch.zeros(2)
        torch.testing.assert_close(asked(net, NOISY, SEEN, known=dropped), asked(net, NOISY, SEEN + 1, known=dropped))

    def test_no_condition_at_all(self):
        net = network(condition="none")
        torch.testing.assert_close(asked(net, NOISY, SEEN), asked(net, NOISY, SEEN + 1))

    def test_the_condition_is_added_at_every_block(self):
        added = [name for name, _ in network(levels=3).named_modules() if name.endswith(".condition")]
        assert len(added) == 3 + 1 + 3

    def test_a_global_code_tells_every_place_the_same(self):
        net, seen = network(image_code="global"), SEEN.clone()
        [first, *_] = net._image_features(seen)
        assert first.shape == (2, 8, 20, 22)
        torch.testing.assert_close(first, first[:, :, :1, :1].expand_as(first))
        seen[:, :, :5] += 1
        assert not torch.allclose(asked(net, NOISY, SEEN), asked(net, NOISY, seen))

    def test_self_attention_reaches_across_the_section(self):
        changed = NOISY.clone()
        changed[:, 0, 0] += 5
        near, far = network(levels=1), network(levels=1, self_attention=True)
        beyond = slice(near.halo + 1, None)
        noisy, seen = (each.repeat(*[1] * (each.ndim - 2), 2, 2) for each in (changed, SEEN))
        plain = NOISY.repeat(1, 2, 2)
        plain[:, 20:, 22:] = noisy[:, 20:, 22:] = NOISY
        corners = [(asked(net, plain, seen) - asked(net, noisy, seen))[:, beyond, beyond] for net in (near, far)]
        assert float(corners[0].abs().max()) == 0
        assert float(corners[1].abs().max()) > 0

    def test_the_depth_has_as_many_numbers_as_the_paper(self):
        assert network(frequencies=128).position[0].in_features == 512


class TestTiles:
    def test_tiles_with_a_margin_give_what_the_whole_gives(self, monkeypatch):
        net, scene = network(), scene_of(size=(72, 40))
        state = torch.randn(len(scene.z), 72, 40)
        options = config()
        whole = sample.predicted(net, options, scene, state, 500, Chunks(16), lambda _: None)
        monkeypatch.setattr(sample, "_TILE", 16)
        tiled = sample.predicted(net, options, scene, state, 500, Chunks(16), lambda _: None)
        torch.testing.assert_close(tiled, whole, atol=2e-2, rtol=0)  # bfloat16 where the processor has it


def stack_of(count=5, n=6, size=(16, 18)):
    voxels = np.random.default_rng(0).random((count, *size)).astype(np.float32)
    return Stack(voxels, Grid(np.arange(count) * float(n), (1.0, 1.0), "um"), Acquisition(n))


def scaled(values):
    return torch.from_numpy(np.asarray(values, np.float32))


def constant_prior(stack, z):
    return np.broadcast_to(np.asarray(z, np.float32)[:, None, None], (len(z), *stack.voxels.shape[1:])).copy()


def scene_of(count=3, n=4, size=(16, 18)):
    stack = stack_of(count, n, size)
    z = stack.fine_depths().ravel()
    owner = np.repeat(np.arange(count), n)
    return sample.Scene(
        scaled(stack.voxels), np.arange(count * n).reshape(count, n), owner, torch.zeros(count * n, *size),
        torch.zeros(count * n, 2), stack.depths, z,
    )  # fmt: skip


class TestScene:
    def test_matched_sections_average_to_the_images(self):
        scene = scene_of()
        found = scene.matched(torch.randn(12, 16, 18))
        torch.testing.assert_close(found.view(3, 4, 16, 18).mean(1), scene.images, atol=1e-5, rtol=0)

    def test_finished_sections_are_not_below_the_floor(self):
        scene = scene_of()
        scene.images[1, :8] = -1.0
        found = replace(scene, floor=Floor(-1.0)).finished(torch.randn(12, 16, 18)).view(3, 4, 16, 18)
        assert float(found.min()) == -1
        assert (found[1, :, :8] == -1).all()
        assert (found[[0, 2], :, :8] > -1).any(1).all()
        torch.testing.assert_close(found.mean(1), scene.images, atol=1e-5, rtol=0)

    def test_sections_of_one_image_share_their_noise(self, monkeypatch):
        """The network first sees the same noise for all sections of a projection, and other noise for the next."""
        seen = []

        def predicted(_net, _config, _scene, state, *_rest):
            seen.append(state.clone())
            return torch.zeros_like(state)

        monkeypatch.setattr(sample, "predicted", predicted)
        sample.draw(network(), config(steps=2, eta=1.0), scene_of(), lambda _: None)
        assert len(seen) == 2
        first = seen[0].view(3, 4, 16, 18)
        torch.testing.assert_close(first[:, :1].expand_as(first), first)
        assert not torch.allclose(first[0], first[1])

    def test_guidance_exaggerates_what_the_condition_changes(self):
        net, scene = network(), scene_of()
        state = torch.randn(12, 16, 18)

        def ask(weight, known=None):
            return sample.predicted(net, config(guidance=weight), scene, state, 500, Chunks(16), lambda _: None)

        plain, once, twice = ask(0.0), ask(1.0), ask(2.0)
        torch.testing.assert_close(twice - plain, 2 * (once - plain), atol=5e-2, rtol=0)
        assert not torch.allclose(once, plain, atol=1e-3)


class TestExamples:
    def test_means_know_only_the_mean(self):
        stack = stack_of()
        prior = np.arange(30, dtype=np.float32)[:, None, None] + np.zeros((30, 16, 18), np.float32)
        examples = means(stack, prior, scaled)
        assert [example.mean_only for example in examples] == [True] * 5
        assert examples[2].clean[:, 0, 0].tolist() == [12, 13, 14, 15, 16, 17]
        np.testing.assert_array_equal(examples[2].target[0], stack.voxels[2])
        place = examples[2].place
        np.testing.assert_allclose(place[:, 1], np.linspace(-5 / 6, 5 / 6, 6), rtol=1e-6)
        assert float(examples[0].place[0, 0]) == -1
        assert float(examples[4].place[5, 0]) == 1

    def test_the_projection_is_made_noisy_where_algorithm_1_says_so(self):
        stack = stack_of()
        prior = np.zeros((30, 16, 18), np.float32)
        example = means(stack, prior, scaled, each=True, noised="projection")[1]
        np.testing.assert_array_equal(example.clean, np.repeat(stack.voxels[1:2], 6, axis=0))
        np.testing.assert_array_equal(example.target, example.clean)
        np.testing.assert_array_equal(example.prior, np.zeros((6, 16, 18)))

    def test_without_a_prior_the_projection_stands_for_its_sections(self):
        example = means(stack_of(), None, scaled)[1]
        np.testing.assert_array_equal(example.clean, np.repeat(stack_of().voxels[1:2], 6, axis=0))

    def test_coarser_projections_never_show_the_network_what_it_has_to_find(self):
        stack = stack_of()
        examples = coarser(stack, constant_prior, scaled)
        assert sum(len(example.target) for example in examples) == 8  # pairs 01 23 and 12 34
        first = examples[0]
        np.testing.assert_allclose(first.seen, stack.voxels[:2].mean(axis=0), rtol=1e-6)
        np.testing.assert_array_equal(first.target, stack.voxels[:2])
        np.testing.assert_allclose(first.prior[:, 0, 0], stack.depths[:2])  # the mean over each one's sections
        np.testing.assert_allclose(first.place[:, 1], [-0.5, 0.5])

    def test_of_slices_every_second_one_is_left_out(self):
        stack = stack_of(5, 1)
        examples = coarser(stack, constant_prior, scaled)
        found = sorted(float(depth) for example in examples for depth in example.prior[:, 0, 0])
        assert found == [1.0, 2.0, 3.0]
        assert all(not np.array_equal(example.seen, example.target[0]) for example in examples)

    def test_windows_keep_everything_in_register(self):
        image = torch.arange(20 * 24.0).view(20, 24)
        example = TrainingExample(
            image, image[None] + 1000, image[None] + 2000, torch.zeros(1, 2), image[None] + 3000, 0, mean_only=False
        )
        rows = slice(0, 14)
        for each in batched([example], np.random.default_rng(0), 20, 8, rows):
            assert each.seen.shape == (8, 8)
            for other, offset in ((each.clean, 1000), (each.prior, 2000), (each.target, 3000)):
                torch.testing.assert_close(other[0] - offset, each.seen)
            assert float(each.seen.max()) < 14 * 24  # rows kept for the self-check are never trained on


class TestTraining:
    def example(self, target, prior, *, mean_only=False):
        return TrainingExample(
            torch.zeros(16, 16), prior.clone(), prior, torch.zeros(len(prior), 2), target, 0, mean_only=mean_only
        )

    def test_training_sees_the_blend_that_sampling_sees(self):
        options = config(gamma=0.25)
        state, prior = torch.randn(2, 4, 4), torch.randn(2, 4, 4)
        torch.testing.assert_close(blended(state, prior, options), 0.25 * prior + 0.75 * state)
        torch.testing.assert_close(blended(state, prior, config(prior_use="condition")), state)

    def test_noise_grows_to_the_end(self):
        noise = Noise.of(config(), torch.device("cpu"))
        ones, none = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
        assert float(noise.added(ones, 0, none).mean()) > 0.99
        assert float(noise.added(ones, 999, none).abs().max()) < 1e-3

    def test_the_loss_on_the_mean_does_not_care_how_sections_differ(self):
        """Sections that average to the projection cost nothing, though each of them differs from it."""
        prior = torch.stack([torch.full((16, 16), value) for value in (-0.5, 0.5)])
        net = SectionNet(config(draws="residual"), 0)  # it predicts 0: the prior
        options, noise = config(draws="residual"), Noise.of(config(), torch.device("cpu"))
        rng = np.random.default_rng(0)
        matching = self.example(torch.zeros(1, 16, 16), prior, mean_only=True)
        assert float(loss_of(net, noise, [matching], options, rng).detach()) == 0
        each = self.example(torch.zeros(2, 16, 16), prior)
        assert float(loss_of(net, noise, [each], options, rng).detach()) == pytest.approx(0.25)

    def test_trust_is_the_share_that_fits(self):
        """A network that always adds 0.2 is trusted fully where 0.3 is right, by half where 0.1 is, and not below 0."""

        class Always(torch.nn.Module):
            gain = torch.ones(())

            def forward(self, noisy, *_):
                return torch.full_like(noisy, 0.2)

        prior = torch.zeros(2, 16, 16)
        trusts = [
            trust_in(Always(), [self.example(torch.full((2, 16, 16), right), prior)], config())
            for right in (0.3, 0.1, -0.1)
        ]
        np.testing.assert_allclose(trusts, [1.0, 0.5, 0.0], atol=1e-6)

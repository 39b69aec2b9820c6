"""The parts of RRDB-GAN: lattice, networks, losses, patches, tiles."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.methods.rrdb_gan import AlongZConfig, GanConfig
from napari_depth_interp.methods.rrdb_gan.discriminator import Discriminator
from napari_depth_interp.methods.rrdb_gan.generator import SCALE, DenseBlock, Generator, Rrdb, shuffled, stages
from napari_depth_interp.methods.rrdb_gan.lattice import Lattice
from napari_depth_interp.methods.rrdb_gan.losses import deceives, judges, relativistic, ssim
from napari_depth_interp.methods.rrdb_gan.objective import Objective, announcements, shares_of
from napari_depth_interp.methods.rrdb_gan.pairs import Patches, Volume, limits, make_volume
from napari_depth_interp.methods.rrdb_gan.perceptual import Perceptual, Vgg, spectrum
from napari_depth_interp.methods.rrdb_gan.self_ensemble import views
from napari_depth_interp.methods.rrdb_gan.tiles import TiledVolume, core_for, spans
from napari_depth_interp.nn.loop import Step

EVERY_AXIS, ALONG_Z = Lattice((4, 4, 4)), Lattice((3, 1, 1), means=False)
BOTH = pytest.mark.parametrize("lattice", [EVERY_AXIS, ALONG_Z], ids=["every axis", "along z"])
CPU = torch.device("cpu")


def volume(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((1, 1, *shape)).astype(np.float32))


def generator(kind="rrdb", tail="staged", factors=(4, 4, 4), quiet=False):
    torch.manual_seed(1)
    return Generator(kind, 6, 3, 2, tail, factors, quiet)


class TestLattice:
    @BOTH
    def test_the_base_coarsens_to_what_it_was_made_of(self, lattice):
        coarse = volume(5, 4, 3)
        torch.testing.assert_close(lattice.coarsen(lattice.crop(lattice.base(coarse))), coarse, atol=1e-5, rtol=0)

    @BOTH
    def test_consistent_additions_coarsen_to_nothing_and_stay_what_they_are(self, lattice):
        blocks = volume(*(factor * 5 for factor in lattice.factors))
        once = lattice.consistent(blocks)
        assert lattice.coarsen(once).abs().max() < 1e-5
        torch.testing.assert_close(lattice.consistent(once), once, atol=1e-5, rtol=0)

    @BOTH
    def test_sizes(self, lattice):
        fine = lattice.fine_size((5, 4, 3))
        assert fine == ((20, 16, 12) if lattice.means else (13, 4, 3))
        assert lattice.coarse_size(fine) == (5, 4, 3)
        assert lattice.crop(lattice.base(volume(5, 4, 3))).shape[2:] == fine

    def test_some_sections_of_the_base_are_those_of_the_whole(self):
        coarse = volume(6, 4, 3)
        torch.testing.assert_close(EVERY_AXIS.base(coarse, slice(2, 4)), EVERY_AXIS.base(coarse)[:, :, 8:16])

    def test_sections_as_they_are_can_be_refined_along_z_only(self):
        with pytest.raises(ValueError, match="along z only"):
            Lattice((4, 4, 4), means=False)

    @BOTH
    @pytest.mark.parametrize("number", range(8))
    def test_views_can_be_undone_and_do_not_change_the_lattice(self, lattice, number):
        view = views(lattice, 8)[number]
        coarse = volume(5, 4, 3)
        torch.testing.assert_close(view.undo(view.do(coarse)), coarse)
        torch.testing.assert_close(view.undo(lattice.base(view.do(coarse))), lattice.base(coarse), atol=1e-5, rtol=0)

    @BOTH
    def test_there_are_eight_views(self, lattice):
        seen = {view.do(volume(4, 5, 5)).contiguous().numpy().tobytes() for view in views(lattice, 8)}
        assert len(seen) == 8


class TestGenerator:
    @pytest.mark.parametrize("kind", ["rrdb", "residual"])
    @pytest.mark.parametrize("tail", ["staged", "direct"])
    @pytest.mark.parametrize("factors", [(4, 4, 4), (6, 1, 1)])
    def test_sizes(self, kind, tail, factors):
        found = generator(kind, tail, factors)(volume(4, 5, 3))
        assert found.shape == (1, 1, *(k * n for k, n in zip(factors, (4, 5, 3), strict=True)))
        assert found.dtype == torch.float32

    def test_a_quiet_one_begins_with_nothing(self):
        assert generator(quiet=True)(volume(4, 4, 4)).abs().max() == 0
        assert generator()(volume(4, 4, 4)).abs().max() > 0

    def test_blocks_are_what_the_equations_say(self):
        block, features = DenseBlock(4, 2), torch.randn(1, 4, 3, 3, 3)
        known = features
        for convolution in block.convolutions[:-1]:
            known = torch.cat([known, torch.nn.functional.leaky_relu(convolution(known), 0.2)], 1)
        torch.testing.assert_close(block(features), SCALE * block.convolutions[-1](known) + features)
        whole = Rrdb(4, 2)
        one, two, three = whole.blocks
        torch.testing.assert_close(whole(features), SCALE * three(two(one(features))) + features)
        assert SCALE == 0.2

    def test_the_published_one_has_its_layers(self):
        with torch.device("meta"):
            network = Generator("rrdb", 64, 32, 10, "staged", (4, 4, 4), quiet=False)
        convolutions = [each for each in network.modules() if isinstance(each, torch.nn.Conv3d)]
        assert len(convolutions) == 1 + 10 * 3 * 5 + 1 + 2 + 1
        assert [each.out_channels for each in network.stages] == [8 * 64, 8 * 64]
        assert not [each for each in network.modules() if isinstance(each, torch.nn.BatchNorm3d)]

    @pytest.mark.parametrize("kind", ["rrdb", "residual"])
    @pytest.mark.parametrize("tail", ["staged", "direct"])
    def test_in_two_dimensions_each_section_is_enlarged_by_itself(self, kind, tail):
        torch.manual_seed(1)
        network, coarse = Generator(kind, 6, 3, 2, tail, (4, 4, 4), False, dimensions=2), volume(5, 6, 7)
        whole = network(coarse)
        assert whole.shape == (1, 1, 20, 24, 28)
        alone = torch.cat([network(coarse[:, :, i : i + 1])[:, :, :1] for i in range(5)], 2)
        between = torch.nn.functional.interpolate(alone, scale_factor=(4, 1, 1), mode="trilinear")
        torch.testing.assert_close(whole, between, atol=1e-5, rtol=0)

    def test_voxel_shuffle_puts_channels_in_their_places(self):
        features = torch.arange(8.0).view(1, 8, 1, 1, 1)
        torch.testing.assert_close(shuffled(features, (2, 2, 2))[0, 0], torch.arange(8.0).view(2, 2, 2))
        pixels = torch.randn(2, 12, 1, 3, 5)
        torch.testing.assert_close(
            shuffled(pixels, (1, 2, 2))[:, :, 0], torch.nn.functional.pixel_shuffle(pixels[:, :, 0], 2)
        )

    def test_stages(self):
        assert stages((4, 4, 4)) == [(2, 2, 2), (2, 2, 2)]
        assert stages((6, 1, 1)) == [(2, 1, 1), (3, 1, 1)]
        assert stages((5, 1, 1)) == [(5, 1, 1)]


class TestDiscriminator:
    def test_one_logit_each_and_classes_matter(self):
        judge = Discriminator(4, 10)
        assert judge.convolutions[0].in_channels == 11
        seen = volume(16, 16, 12).repeat(2, 1, 1, 1, 1)
        logits = judge(seen, torch.tensor([0, 3]))
        assert logits.shape == (2,)
        assert logits[0] != logits[1]

    def test_in_two_dimensions_the_order_of_sections_does_not_matter(self):
        seen, kinds = volume(6, 16, 16), torch.zeros(1, dtype=torch.long)
        for dimensions in (2, 3):
            torch.manual_seed(2)
            judge = Discriminator(4, 0, dimensions)
            with torch.no_grad():
                apart = (judge(seen, kinds) - judge(seen[:, :, [3, 0, 5, 1, 4, 2]], kinds)).abs()
            assert (float(apart) < 1e-6) == (dimensions == 2)

    @pytest.mark.parametrize("size", [4, 13, 24])
    def test_half_precision_gives_numbers_at_any_size(self, size):
        judge, seen = Discriminator(8, 0), torch.rand(2, 1, size, size, size, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(seen, torch.zeros(2, dtype=torch.long))
        assert logits.dtype == torch.float32
        logits.sum().backward()
        assert seen.grad.isfinite().all()
        assert all(each.grad.isfinite().all() for each in judge.parameters())


class TestLosses:
    def test_structural_similarity_is_monais(self):
        from monai.losses import SSIMLoss

        made, real = volume(16, 14, 13).repeat(2, 1, 1, 1, 1), volume(16, 14, 13, seed=1).repeat(2, 1, 1, 1, 1)
        real = 0.7 * made + 0.3 * real
        wanted = 1 - SSIMLoss(spatial_dims=3, data_range=1.0)(made, real)
        assert float(ssim(made, real)) == pytest.approx(float(wanted), abs=2e-4)
        assert float(ssim(real, real)) == pytest.approx(1.0)

    def test_small_volumes_have_a_structural_similarity(self):
        assert float(ssim(volume(3, 5, 20), volume(3, 5, 20))) == pytest.approx(1.0)

    def test_adversarial_losses(self):
        logits = torch.tensor([0.3, -1.2])
        log = torch.nn.functional.logsigmoid
        assert float(deceives(logits)) == pytest.approx(float(-log(logits).mean()))
        real = torch.tensor([0.8, 2.0])
        wanted = -(0.99 * log(real) + 0.01 * log(-real)).mean() - log(-logits).mean()
        assert float(judges(real, logits)) == pytest.approx(float(wanted))

    def test_a_relativistic_discriminator_compares_with_the_others(self):
        log = torch.nn.functional.logsigmoid
        real, made = torch.tensor([0.8, 2.0]), torch.tensor([0.3, -1.2])
        more, less = real - made.mean(), made - real.mean()
        wanted = (-(0.99 * log(more) + 0.01 * log(-more)).mean() - log(-less).mean()) / 2
        assert float(relativistic(real, made)) == pytest.approx(float(wanted))
        assert float(relativistic(real + 5, made + 5)) == pytest.approx(float(wanted)), "only differences count"

    def test_published_weights(self):
        shares = shares_of(GanConfig(objective="published", perceptual="vgg"))
        assert (shares.mse, shares.ssim, shares.perceptual, shares.adversarial) == (1.0, 1.0, 0.2, 0.001)
        careful = shares_of(GanConfig(objective="conservative", perceptual="vgg"))
        assert 0 < careful.adversarial < shares.adversarial
        assert 0 < careful.perceptual < shares.perceptual
        faithful = shares_of(GanConfig(objective="faithful"))
        assert faithful.perceptual == faithful.adversarial == 0
        assert shares_of(GanConfig(objective="published", slices=0)).perceptual == 0
        with pytest.raises(RequestError, match="have weight 0"):
            shares_of(GanConfig(objective="faithful", mse_weight=0, ssim_weight=0))

    @pytest.mark.parametrize(("mse", "likeness"), [(1, 0), (0, 1), (1, 1)])
    def test_each_part_counts_with_its_weight(self, mse, likeness):
        made, real = volume(12, 12, 12), volume(12, 12, 12, seed=1)
        objective = Objective(GanConfig(objective="faithful", mse_weight=mse, ssim_weight=likeness), CPU)
        wanted = mse * (made - real).square().mean() + likeness * (1 - ssim(made, real))
        torch.testing.assert_close(objective(made, real), wanted)

    def test_the_number_of_planes_follows_its_schedule(self):
        objective = Objective(GanConfig(slices=2, slices_at_end=12, objective="published"), CPU)
        assert [objective.planes(done) for done in (0.0, 0.5, 1.0)] == [2, 7, 12]


class Recorder:
    """Features that remember what they were given."""

    def __init__(self):
        self.seen = []

    def __call__(self, images):
        self.seen.append(images)
        return images


class TestPerceptual:
    def test_planes_of_all_directions_with_their_neighbours(self):
        made, features = volume(4, 5, 6), Recorder()
        Perceptual(features, important=False)(made, made, 100)
        shapes = [tuple(each.shape) for each in features.seen]
        assert shapes == [(4, 3, 5, 6)] * 2 + [(5, 3, 4, 6)] * 2 + [(6, 3, 4, 5)] * 2
        whole = made[0, 0]
        torch.testing.assert_close(features.seen[0][2], whole[1:4])
        torch.testing.assert_close(features.seen[0][0], whole[[0, 0, 1]])  # the end is held
        torch.testing.assert_close(features.seen[4][5], whole[:, :, [4, 5, 5]].permute(2, 0, 1))

    def test_planes_of_one_direction_where_sections_are_looked_at_alone(self):
        made, features = volume(4, 5, 6), Recorder()
        Perceptual(features, important=False, axes=(2,))(made, made, 100)
        assert [tuple(each.shape) for each in features.seen] == [(4, 3, 5, 6)] * 2

    def test_all_planes_give_the_mean_over_planes_and_directions(self):
        made, real = volume(4, 5, 6), volume(4, 5, 6, seed=1)
        found = Perceptual(lambda images: images[:, 1], important=False)(made, real, 100)
        torch.testing.assert_close(found, (made - real).square().mean())

    @pytest.mark.parametrize("important", [False, True])
    def test_some_planes_give_the_same_mean_in_the_long_run(self, important):
        made, real = volume(6, 6, 6), volume(6, 6, 6, seed=1)
        real[:, :, 2] += 2.0
        loss = Perceptual(lambda images: images[:, 1], important=important)
        torch.manual_seed(0)
        found = torch.stack([loss(made, real, 3) for _ in range(400)])
        assert float(found.mean()) == pytest.approx(float((made - real).square().mean()), rel=0.05)

    def test_important_planes_are_drawn_more_often(self):
        made, real = volume(8, 6, 6), volume(8, 6, 6)
        real[:, :, 5] += 3.0
        chosen, _ = Perceptual(spectrum, important=True)._chosen(made, real, 2, 4)
        assert (chosen == 5).sum() >= 3

    def test_the_spectrum_is_monais(self):
        from monai.losses import JukeboxLoss

        made, real = volume(6, 10, 12), volume(6, 10, 12, seed=1)
        planes = [each[0, 0][:, None] for each in (made, real)]
        wanted = JukeboxLoss(spatial_dims=2)(*planes)
        found = (spectrum(planes[0]) - spectrum(planes[1])).square()
        full = JukeboxLoss(spatial_dims=2, reduction="none")(*planes)  # all frequencies; ours are one half of them
        assert float(found.mean()) == pytest.approx(float(wanted), rel=0.2)
        torch.testing.assert_close(full[..., : found.shape[-1]], found, atol=1e-4, rtol=1e-3)

    def test_vgg_is_frozen_and_sees_images_of_its_size(self):
        network = Vgg(32, None)
        images = torch.rand(2, 3, 20, 24, requires_grad=True)
        found = network(images)
        assert found.shape == (2, 256, 8, 8)
        found.sum().backward()
        assert images.grad.abs().sum() > 0
        assert not any(each.requires_grad for each in network.parameters())
        torch.testing.assert_close(found, Vgg(32, None)(images))  # random, but always the same

    def test_weights_given_as_a_file_are_used(self, tmp_path):
        from safetensors.torch import save_file

        other = {
            f"features.{name}": torch.randn_like(each) / 30 for name, each in Vgg(32, None).layers.state_dict().items()
        }
        save_file(other, tmp_path / "vgg.safetensors")
        config = GanConfig(
            perceptual="vgg", vgg_weights=tmp_path / "vgg.safetensors", slice_size=32, objective="published"
        )
        made, real = volume(8, 8, 8), volume(8, 8, 8, seed=1)
        losses = []
        for each in (config, config.model_copy(update={"perceptual": "random"})):
            losses.append(float(Objective(each, CPU)(made, real)))
        assert losses[0] != losses[1]
        save_file({"features.0.weight": torch.zeros(2)}, tmp_path / "bad.safetensors")
        with pytest.raises(WeightsError, match="not the weights of VGG16"):
            Objective(config.model_copy(update={"vgg_weights": tmp_path / "bad.safetensors"}), CPU)

    def test_nothing_is_downloaded_unless_allowed(self, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        config = GanConfig(perceptual="vgg", objective="published")
        with pytest.raises(WeightsError, match=r"vgg_weights=FILE.*vgg_download=true.*perceptual=spectrum"):
            Objective(config, CPU)
        [line] = announcements(config.model_copy(update={"vgg_download": True}))
        assert "553 MB" in line
        [line] = announcements(GanConfig(perceptual="spectrum"))
        assert "not VGG" in line
        assert announcements(GanConfig(objective="faithful")) == ()


class TestVolumes:
    def test_published_scale_divides_by_the_maximum_of_the_truth(self):
        fine = volume(8, 8, 8)[0, 0].numpy() * 500 + 20
        found = make_volume(fine, None, EVERY_AXIS, GanConfig(scale="truth"), 0)
        assert float(found.fine.max()) == pytest.approx(1.0)
        torch.testing.assert_close(found.coarse, EVERY_AXIS.coarsen(found.fine[None, None])[0, 0])

    def test_other_scales_know_the_input_only(self):
        fine = volume(8, 8, 8)[0, 0].numpy() * 500 - 100
        found = make_volume(fine, None, EVERY_AXIS, GanConfig(), 0)
        assert (float(found.coarse.min()), float(found.coarse.max())) == pytest.approx((0.0, 1.0))
        found = make_volume(fine, None, EVERY_AXIS, GanConfig(scale="maximum"), 0)
        assert float(found.coarse.max()) == pytest.approx(1.0)
        assert limits(np.full(3, 7.0), None, "range") == (7.0, 1.0)

    def test_blur_and_noise(self):
        fine = volume(16, 16, 16)[0, 0].numpy()
        plain, blurred, noisy = (
            make_volume(fine, None, EVERY_AXIS, GanConfig(scale="maximum", **own), 0).coarse.std()
            for own in ({}, {"blur": 2.0}, {"noise": 0.5})
        )
        assert blurred < plain < noisy

    def test_recorded_pairs_must_fit(self):
        fine = volume(8, 8, 12)[0, 0].numpy()
        given = make_volume(fine, fine[::4, ::4, ::4], EVERY_AXIS, GanConfig(), 0)
        assert given.coarse.shape == (2, 2, 3)
        with pytest.raises(RequestError, match="do not fit"):
            make_volume(fine, fine[::2, ::4, ::4], EVERY_AXIS, GanConfig(), 0)


def patches(lattice, *, seed=0, processes=1, **config):
    settings = {"patch": 4, "patch_z": 4, "batch": 3, "patches_per_volume": 4, "augment": False, **config}
    chosen = (GanConfig if lattice.means else AlongZConfig)(**settings)
    made = []
    for kind in (0, 1, 2):
        fine = volume(*lattice.fine_size((7, 6, 5)), seed=kind)
        made.append(Volume(lattice.coarsen(fine)[0, 0], fine[0, 0], kind))
    return Patches(made, lattice, chosen, seed, CPU, processes)


def step(number, seed=0, process=0, processes=1):
    return Step(number, np.random.default_rng((seed, number, process)), process, processes)


class TestPatches:
    @BOTH
    @pytest.mark.parametrize("augment", [False, True])
    @pytest.mark.parametrize("fresh", [False, True])
    def test_coarse_and_fine_patches_show_the_same(self, lattice, augment, fresh):
        source = patches(lattice, augment=augment, fresh_patches=fresh)
        for number in range(4):
            batch = source.draw(step(number))
            assert batch.coarse.shape == (3, 1, 4, 4, 4)
            torch.testing.assert_close(lattice.coarsen(batch.fine), batch.coarse, atol=1e-6, rtol=0)

    def test_an_epoch_sees_every_patch_once(self):
        source = patches(EVERY_AXIS)
        assert source.steps == 4
        seen = [each.numpy().tobytes() for number in range(4) for each in source.draw(step(number)).coarse]
        again = [each.numpy().tobytes() for number in range(4, 8) for each in source.draw(step(number)).coarse]
        assert sorted(seen) == sorted(again)
        assert seen != again

    def test_processes_share_an_epoch(self):
        alone = patches(EVERY_AXIS)
        source = patches(EVERY_AXIS, processes=2)
        assert source.steps == 2
        shared = [
            each.numpy().tobytes()
            for number in range(2)
            for process in range(2)
            for each in source.draw(step(number, process=process, processes=2)).coarse
        ]
        whole = [each.numpy().tobytes() for number in range(4) for each in alone.draw(step(number)).coarse]
        assert sorted(shared) == sorted(whole)

    def test_classes_go_with_their_volumes(self):
        kinds = torch.cat([patches(EVERY_AXIS).draw(step(number)).kinds for number in range(4)])
        assert sorted(kinds.tolist()) == [0] * 4 + [1] * 4 + [2] * 4

    def test_small_volumes_make_small_patches_or_are_refused(self):
        assert patches(EVERY_AXIS, patch=30, patch_z=20).patch == (7, 6, 5)
        small = Volume(volume(3, 9, 9)[0, 0], volume(12, 36, 36)[0, 0])
        with pytest.raises(RequestError, match="3 x 9 x 9 coarse voxels"):
            Patches([small], EVERY_AXIS, GanConfig(), 0, CPU)


class TestTiles:
    def test_weights_of_the_tiles_of_an_axis_sum_to_one(self):
        for length, core in ((50, 16), (17, 4), (5, 16), (33, 32)):
            total = np.zeros(length)
            for span in spans(length, core, 8):
                total[span.used] += span.weights()
            np.testing.assert_allclose(total, 1)

    @pytest.mark.parametrize("kind", ["rrdb", "residual"])
    def test_no_seams(self, kind):
        network = generator(kind, "direct").eval()
        coarse = volume(13, 6, 26)[0, 0].numpy()

        @torch.no_grad()
        def blocks(tile):
            return network(tile)[0]

        whole = blocks(torch.from_numpy(coarse)[None, None]).numpy()
        tiled = TiledVolume(blocks, coarse, (4, 4, 4), (8, 8, 8))
        assert len(spans(26, 8, 8)) > 2
        found = tiled.sections(0, 13, lambda: None)
        assert np.abs(found - whole).max() < 1e-3 * np.ptp(whole)
        np.testing.assert_array_equal(tiled.sections(9, 12, lambda: None), found[:, 36:48])

    def test_what_coarsens_to_zero_does_so_after_blending(self):
        def blocks(tile):
            return EVERY_AXIS.consistent(generator()(tile).detach())[0]

        tiled = TiledVolume(blocks, volume(8, 4, 8)[0, 0].numpy(), (4, 4, 4), (4, 4, 4), overlap=4)
        found = torch.from_numpy(tiled.sections(0, 8, lambda: None))
        assert found.abs().max() > 1e-3
        assert EVERY_AXIS.coarsen(found[None]).abs().max() < 1e-5

    @pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
    def test_smaller_tiles_where_memory_does_not_suffice(self, kind):
        sizes = []

        def blocks(tile):
            sizes.append(tile.numel())
            if tile.numel() > 12**3:
                raise kind("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
            return tile[0].repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3)

        coarse = volume(16, 16, 16)[0, 0].numpy()
        tiled = TiledVolume(blocks, coarse, (2, 2, 2), (32, 32, 32), overlap=2)
        found = tiled.sections(0, 16, lambda: None)
        np.testing.assert_allclose(found[0], coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2), rtol=1e-6)
        assert tiled.core == (8, 8, 8)
        assert max(sizes) == 16**3

    def test_other_errors_are_not_hidden(self):
        def blocks(tile):
            raise RuntimeError("sizes do not fit")

        with pytest.raises(RuntimeError, match="sizes do not fit"):
            TiledVolume(blocks, volume(4, 4, 4)[0, 0].numpy(), (2, 2, 2), (8, 8, 8)).sections(0, 4, lambda: None)

    def test_tiles_follow_the_free_memory(self):
        shape = (60, 400, 400)
        sizes = [core_for(free, 60_000, shape, (4, 4, 4), 1) for free in (1e9, 8e9, 1e12)]
        assert sizes == sorted(sizes)
        assert sizes[-1] == (64, 64, 64)
        assert math.prod(min(n, c + 16) for n, c in zip(shape, sizes[1], strict=True)) * 60_000 <= 4e9

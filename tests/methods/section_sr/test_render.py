"""Rendering: where new sections lie, and what the network adds there."""

import numpy as np
import torch
from test_network import random_net

from napari_depth_interp.methods.section_sr.network import BASES, interpolate
from napari_depth_interp.methods.section_sr.render import PLAIN, TURNED, Targets, corrections

DEPTHS = np.array([0.0, 2.0, 5.0, 6.0])


def added(network, planes, targets, flips=PLAIN):
    """All corrections (P, K, X)."""
    return np.concatenate([found for _, found in corrections(network, planes, targets, flips=flips, each_chunk=print)])


class TestTargets:
    def test_sections_between_uneven_ones(self):
        targets = Targets.at(DEPTHS, [1.0, 2.0, 4.5, 5.25], pixel=0.5, scale=1.0)
        assert targets.gap_of.tolist() == [0, 1, 1, 2]
        np.testing.assert_allclose(targets.share, [0.5, 0, 2.5 / 3, 0.25])
        np.testing.assert_allclose(targets.gaps, [4, 6, 2])

    def test_the_scale_stretches_the_gaps_only(self):
        plain, stretched = (Targets.at(DEPTHS, [1.0], 0.5, scale) for scale in (1.0, 1.5))
        np.testing.assert_allclose(stretched.gaps, 1.5 * plain.gaps)
        assert stretched.share == plain.share

    def test_beyond_the_ends_the_ends_are_held(self):
        targets = Targets.at(DEPTHS, [-3.0, 0.0, 6.0, 99.0], 1.0, 1.0)
        assert targets.gap_of.tolist() == [0, 0, 2, 2]
        assert targets.share.tolist() == [0, 0, 1, 1]


class TestCorrections:
    planes = torch.from_numpy(np.random.default_rng(0).random((5, 4, 9)).astype(np.float32))

    def test_observed_and_held_sections_get_none(self):
        targets = Targets.at(DEPTHS, [-1.0, 0.0, 2.0, 5.0, 6.0, 7.0], 1.0, 1.0)
        assert np.abs(added(random_net(), self.planes, targets, flips=TURNED)).max() == 0

    def test_even_sections_get_what_the_network_says(self):
        network = random_net()
        targets = Targets.at(np.arange(4) * 3.0, [0.75, 6.0, 8.25], 1.0, 1.0)
        rows = self.planes[:, None]
        with torch.no_grad():
            whole = interpolate(rows, network(rows, 3.0), torch.tensor([0.25, 0.75]))
            plain = interpolate(rows, torch.zeros(5, BASES, 3, 9), torch.tensor([0.25, 0.75]))
        expected = (whole - plain).numpy()
        found = added(network, self.planes, targets)
        scale = np.abs(found).max()
        np.testing.assert_allclose(found[:, 0], expected[:, 0, 0], atol=0.02 * scale)
        np.testing.assert_allclose(found[:, 1], 0, atol=1e-6)
        np.testing.assert_allclose(found[:, 2], expected[:, 1, 2], atol=0.02 * scale)

    def test_in_uneven_stacks_every_gap_is_told_its_own_width(self):
        network = random_net()
        uneven = Targets.at(DEPTHS, [1.0, 3.5, 5.5], 1.0, 1.0)
        for number, gap in enumerate((2.0, 3.0, 1.0)):
            even = Targets.at(np.arange(4) * gap, [(number + 0.5) * gap], 1.0, 1.0)
            one, same = added(network, self.planes, uneven)[:, number], added(network, self.planes, even)[:, 0]
            np.testing.assert_allclose(one, same, atol=0.02 * np.abs(same).max())

    def test_planes_turned_by_half_give_turned_corrections(self):
        network, depths = random_net(), np.arange(4) * 3.0
        z = np.array([1.0, 4.0, 8.5])
        plain = added(network, self.planes, Targets.at(depths, z, 1.0, 1.0), flips=TURNED)
        turned = added(network, self.planes.flip((1, 2)), Targets.at(depths, 9 - z, 1.0, 1.0), flips=TURNED)
        np.testing.assert_allclose(turned, plain[:, :, ::-1], atol=0.02 * np.abs(plain).max())

    def test_planes_come_in_order_and_each_once(self, monkeypatch):
        from napari_depth_interp.methods.section_sr import render

        network, targets, done = random_net(), Targets.at(DEPTHS, [1.0, 4.0], 1.0, 1.0), []
        whole = added(network, self.planes, targets)
        monkeypatch.setattr(render, "_CHUNK_BYTES", 2 * 4 * 6 * 4 * 9)  # two planes
        parts = list(corrections(network, self.planes, targets, flips=PLAIN, each_chunk=done.append))
        assert [(where.start, where.stop) for where, _ in parts] == [(0, 2), (2, 4), (4, 5)]
        np.testing.assert_allclose(
            np.concatenate([found for _, found in parts]), whole, atol=1e-3 * np.abs(whole).max()
        )
        assert done == [0.4, 0.8, 1.0]

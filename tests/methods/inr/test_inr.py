"""Implicit representations of projections and of slices."""

import numpy as np
import pytest
import torch

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.inr import INR, InrConfig
from napari_depth_interp.methods.inr.fields import Factorised
from napari_depth_interp.methods.inr.method import _network, neighbour_weights
from napari_depth_interp.stack import Acquisition, Grid, Stack

MLP = {
    "field": "mlp",
    "learning_rate": 3e-3,
    "frequencies": 16,
    "width": 32,
    "layers": 2,
    "rays": 256,
    "bandwidth": 1.0,
}
SIREN = {
    "field": "siren",
    "learning_rate": 3e-3,
    "width": 32,
    "layers": 2,
    "rays": 128,
    "omega": 5.0,
    "training_steps": 200,
}
HASH = {"field": "hash", "levels": 3, "table": 12, "finest": 8, "rays": 128, "training_steps": 150}


def truth(sections=30, size=16):
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in (sections, size, size)), indexing="ij")
    return 100 + 50 * np.sin(z / 5 + x / 4) + 30 * np.cos(y / 3 - z / 6)


def projected(voxels, n=6):
    means = voxels.reshape(-1, n, *voxels.shape[1:]).mean(axis=1)
    depths = np.arange(len(voxels)).reshape(-1, n).mean(axis=1)
    return Stack(means.astype(np.float32), Grid(depths, (1.0, 1.0), "um"), Acquisition(n))


DENSE = truth()
STACK = projected(DENSE)


def prepared(stack=STACK, **config):
    method = INR.create(InrConfig(**config), Runtime())
    method.prepare(stack)
    return method


def rmse(values):
    return float(np.sqrt(np.mean((values - DENSE) ** 2)))


def mean_field():
    """The best that knows nothing of depth within a projection."""
    return rmse(np.repeat(STACK.voxels, 6, axis=0))


@pytest.mark.parametrize("config", [{"features": 4, "training_steps": 150}, MLP | {"training_steps": 400}, SIREN, HASH])
def test_it_finds_depth_within_projections(config):
    found = prepared(**config).sections_at(STACK, np.arange(30.0).tolist()).values
    assert rmse(found) < 0.6 * mean_field()
    np.testing.assert_allclose(found.reshape(5, 6, 16, 16).mean(axis=1), STACK.voxels, atol=1e-3 * 200)


def test_uncorrected_the_field_stands_alone():
    alone, corrected = (
        prepared(features=2, training_steps=10, correct=each).sections_at(STACK, [10.0]).values
        for each in (False, True)
    )
    assert not np.allclose(alone, corrected, atol=0.5)


class TestNeighbours:
    def test_the_printed_weights_are_those_of_the_paper(self):
        """Equation 3 at n = 6: nearly flat and off centre."""
        np.testing.assert_allclose(
            neighbour_weights("published", 6), [0.165, 0.172, 0.174, 0.172, 0.165, 0.154], atol=6e-4
        )

    def test_the_default_is_near_the_code_s_and_centred(self):
        weights = neighbour_weights("gaussian", 6)
        np.testing.assert_allclose(weights, [0.05, 0.15, 0.3, 0.3, 0.15, 0.05], atol=0.02)
        np.testing.assert_allclose(weights, weights[::-1])
        assert weights.sum() == pytest.approx(1)

    def test_averaging_smooths_along_z(self):
        found = {
            kind: prepared(features=4, training_steps=50, averaging=kind, correct=False)
            .sections_at(STACK, np.arange(30.0).tolist())
            .values
            for kind in ("none", "gaussian", "published", "uniform")
        }
        rough = {kind: float(np.abs(np.diff(values, 2, axis=0)[6:-6]).mean()) for kind, values in found.items()}
        assert rough["uniform"] < rough["gaussian"] < rough["none"]
        assert not np.array_equal(found["published"], found["uniform"])


class TestFields:
    images = torch.from_numpy(STACK.voxels / 200).float()
    cells = torch.linspace(-1, 1, 30)
    fine = cells.view(5, 6)

    def field(self, kind):
        own = {"mlp": MLP, "siren": SIREN, "hash": HASH}.get(kind, {})
        config = InrConfig(features=5, **own)
        if kind == "factorised":
            return Factorised(self.images, self.fine.mean(1), self.cells, config)
        return _network(self.images, config, 0)

    def test_the_factorised_field_starts_at_linear_interpolation(self):
        with torch.no_grad():
            found = self.field("factorised").sections(self.fine.mean(1))
        np.testing.assert_allclose(found, self.images, atol=0.02)  # the middle of six cells is between two of them

    @pytest.mark.parametrize("kind", ["factorised", "mlp", "siren", "hash"])
    def test_the_loss_is_that_of_the_mean_of_sections(self, kind):
        """All are zero where sections average to the images, whatever the sections are (eq. 2)."""
        field = self.field(kind)
        field._smoothness = 0.0
        with torch.no_grad():
            images = field.sections(self.cells).view(5, 6, 16, 16).mean(1)
            assert float(field.loss(images, self.fine, np.random.default_rng(0))) < 1e-8
            assert float(field.loss(images + 0.1, self.fine, np.random.default_rng(0))) == pytest.approx(1.0, rel=1e-3)

    @pytest.mark.parametrize("kind", ["factorised", "mlp", "siren", "hash"])
    def test_gradients_reach_the_field(self, kind):
        field = self.field(kind)
        field.sections(self.cells[:2]).sum().backward()
        assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in field.parameters())


def test_the_field_can_be_had_by_others():
    method = prepared(features=2, training_steps=10)
    module, scaling = method.field()
    found = scaling.undo(module(torch.from_numpy(module.places(np.array([4.0])))).detach().numpy())
    np.testing.assert_allclose(found.mean(), DENSE[4].mean(), rtol=0.2)


def test_other_images_are_fitted_anew():
    method = prepared(features=4, training_steps=30)
    other = projected(DENSE[::-1].copy())
    again = prepared(other, features=4, training_steps=30)
    np.testing.assert_allclose(
        method.sections_at(other, [3.0]).values, again.sections_at(other, [3.0]).values, rtol=1e-4
    )

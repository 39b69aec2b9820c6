"""Section super-resolution on projections."""

import numpy as np
import pytest
from blobs import blobs

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.stack import Acquisition, Grid, Stack


def prepared(stack, *, method="section_sr", **parameters):
    spec = registry.get(method)
    made = spec.create(spec.config(**parameters), Runtime())
    made.prepare(stack)
    return made


def sections(stack, z, **options):
    """Sections of a method prepared on the stack itself."""
    return prepared(stack, **options).sections_at(stack, z).values


@pytest.fixture(scope="module")
def projected():
    truth = blobs((42, 48, 48), sigma=4.0)
    means = truth.reshape(7, 6, 48, 48).mean(axis=1)
    return Stack(means, Grid(6.0 * np.arange(7) + 2.5, (1.0, 1.0), "um"), Acquisition(6)), truth


@pytest.fixture(scope="module")
def found(projected):
    return sections(projected[0], np.arange(42.0).tolist(), training_steps=100, channels=8, blocks=1)


class TestProjections:
    """Images that are means of six sections: training rows are averaged alike."""

    def test_it_finds_sections_better_than_back_projected_cubic(self, projected, found):
        cubic = sections(projected[0], np.arange(42.0).tolist(), method="cubic")
        errors = [float(np.sqrt(np.mean((values - projected[1]) ** 2))) for values in (found, cubic)]
        assert errors[0] < 0.96 * errors[1]

    def test_averages_are_the_projections(self, projected, found):
        np.testing.assert_allclose(found.reshape(7, 6, 48, 48).mean(axis=1), projected[0].voxels, atol=1e-2)

    def test_any_depth_also_in_the_outer_halves(self, projected, found):
        method = prepared(projected[0], training_steps=10, channels=4, blocks=1, batch=2)
        assert np.isfinite(method.sections_at(projected[0], [0.0, 0.7, 20.3, 41.0]).values).all()

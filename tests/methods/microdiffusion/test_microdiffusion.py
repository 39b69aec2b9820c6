"""The whole method on small projections."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.microdiffusion import MICRODIFFUSION, MicroDiffusionConfig
from napari_depth_interp.methods.microdiffusion import method as microdiffusion_method
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.stack import Acquisition, Grid, Stack

SMALL = {
    "prior": "cubic", "training_steps": 10, "channels": 8, "levels": 2, "batch": 2, "window": 16, "samples": 2,
    "steps": 2,
}  # fmt: skip


def tissue(shape=(30, 24, 24), seed=0):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.5, mode="wrap")
    return (100 * (2 + field / field.std())).astype(np.float32)


def projected(voxels, n=6):
    means = voxels.reshape(-1, n, *voxels.shape[1:]).mean(axis=1)
    depths = np.arange(len(voxels), dtype=float).reshape(-1, n).mean(axis=1)
    return Stack(means, Grid(depths, (1.0, 1.0), "um"), Acquisition(n))


DENSE = tissue()
STACK = projected(DENSE)
FINE = STACK.fine_depths().ravel().tolist()


def prepared(stack=STACK, seed=0, **config):
    method = MICRODIFFUSION.create(MicroDiffusionConfig(**{**SMALL, **config}), Runtime(seed=seed))
    method.prepare(stack)
    return method


def prior_of(name, **config):
    spec = registry.get(name)
    method = spec.create(spec.config(**config), Runtime())
    method.prepare(STACK)
    return method.sections_at(STACK, FINE).values


def averaged(values):
    return values.reshape(-1, 6, *values.shape[1:]).mean(axis=1)


@pytest.fixture(scope="module")
def usual():
    return prepared()


def test_averages_of_each_sample_and_of_their_mean_are_the_projections(usual):
    for method in (usual, prepared(samples=1)):
        np.testing.assert_allclose(averaged(method.sections_at(STACK, FINE).values), STACK.voxels, atol=0.3)


def test_the_mean_is_never_far_from_a_good_prior(usual):
    """Trained for a moment it knows nothing; the self-check leaves what does not help out."""
    cubic = prior_of("cubic")
    found = usual.sections_at(STACK, FINE).values
    errors = [float(np.sqrt(np.mean((values - DENSE) ** 2))) for values in (found, cubic)]
    assert errors[0] < 1.05 * errors[1]


def test_samples_differ_and_their_std_is_the_uncertainty(usual):
    found = usual.sections_at(STACK, FINE)
    assert found.uncertainty.shape == found.values.shape
    assert (found.uncertainty > 0).mean() > 0.99
    alone = prepared(samples=1).sections_at(STACK, FINE)
    assert np.isnan(alone.uncertainty).all()
    assert not np.allclose(alone.values, prepared(samples=1, seed=1).sections_at(STACK, FINE).values, atol=0.1)


def test_white_noise_of_projections_is_left_out_and_it_says_so():
    clean = projected(np.maximum(tissue((30, 64, 64)) - 250, 0))
    noise = np.random.default_rng(1).normal(0, 2, clean.voxels.shape).astype(np.float32)
    stack = replace(clean, voxels=clean.voxels + noise)
    quiet, exact = prepared(stack, samples=1), prepared(stack, samples=1, noise="keep")
    away = {
        method: [
            float(np.sqrt(np.mean((averaged(method.sections_at(stack, FINE).values) - voxels) ** 2)))
            for voxels in (stack.voxels, clean.voxels)
        ]
        for method in (quiet, exact)
    }
    assert away[exact][0] < 0.3
    assert 0 < away[quiet][0] <= 2.5 * 2.3
    assert away[quiet][1] < 0.8 * away[exact][1]
    assert "noise=keep leaves it in" in quiet.findings().warnings[-1]
    assert not exact.findings().warnings


def test_without_correction_averages_are_off():
    free = prepared(correct=False, samples=1, draws="image").sections_at(STACK, FINE).values
    assert np.abs(averaged(free) - STACK.voxels).max() > 5


@pytest.mark.parametrize("prior", ["linear", "cubic", "none"])
def test_without_diffusion_it_is_the_prior(prior):
    found = prepared(prior=prior, diffusion=False).sections_at(STACK, FINE).values
    np.testing.assert_allclose(found, prior_of("linear" if prior == "none" else prior), rtol=1e-5)


OPTIONS = [
    {"prior": "none", "draws": "image", "learn": "mean"},
    {"prior": "linear"},
    {"prior": "inr", "prior_training_steps": 10},
    {"prior": "inr", "prior_training_steps": 10, "prior_training": "trainable", "learn": "mean"},
    {"prior": "inr", "prior_training": "joint", "learn": "mean"},
    {"draws": "image"},
    {"prior_use": "blend", "gamma": 0.5},
    {"prior_use": "condition"},
    {"condition": "attention"},
    {"condition": "none"},
    {"positions": "sincos"},
    {"learn": "mean"},
    {"learn": "coarser"},
    {"learn": "projection"},
    {"learn": "mean", "noised": "projection"},
    {"learn": "mean", "rate_falls": False},
    {"image_code": "global"},
    {"self_attention": True},
    {"frequencies": 128},
    {"prior_options": "kind=spline"},
    {"guidance": 1.0},
    {"uncondition": 0.9},
    {"eta": 1.0},
    {"zero_snr": False},
    {"gamma": 0.9},
]


@pytest.fixture(scope="module")
def plain():
    return prepared(samples=1).sections_at(STACK, FINE).values


@pytest.mark.parametrize("config", OPTIONS, ids=str)
def test_every_option_runs_and_changes_the_samples(plain, config):
    found = prepared(samples=1, **config).sections_at(STACK, FINE).values
    assert np.isfinite(found).all()
    assert not np.array_equal(found, plain)
    np.testing.assert_allclose(averaged(found), STACK.voxels, atol=0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValidationError, match="needs prior=inr"):
        MicroDiffusionConfig(prior="cubic", prior_training="joint")
    with pytest.raises(ValidationError, match=r"prior_options=kind=odd does not fit cubic: kind: "):
        MicroDiffusionConfig(prior="cubic", prior_options="kind=odd")
    with pytest.raises(ValidationError, match="prior_options holds 'spline'; write KEY=VALUE"):
        MicroDiffusionConfig(prior="cubic", prior_options="spline")
    with pytest.raises(ValidationError, match="effort=published needs prior=inr: auto has no such preset"):
        MicroDiffusionConfig(prior="auto", effort="published")
    with pytest.raises(ValidationError, match="prior=none has no parameters"):
        MicroDiffusionConfig(prior="none", prior_options="kind=spline")


def test_the_prior_takes_its_own_parameters():
    options = "field=mlp, averaging=published, correct=false, learning_rate=0.001"
    spec, found = MicroDiffusionConfig(prior="inr", effort="fast", prior_options=options).prior_of("inr")
    assert found == spec.config(
        **spec.presets["fast"] | {"field": "mlp", "averaging": "published", "correct": False, "learning_rate": 1e-3}
    )


@pytest.mark.parametrize("n", [2, 5])
def test_any_n_and_any_depth(n):
    stack = projected(tissue((20, 18, 21)), n)
    found = prepared(stack).sections_at(stack, [0.0, 3.3, 3.7, 19.0]).values
    assert found.shape == (4, 18, 21)
    assert np.isfinite(found).all()


def test_slices_come_back_and_what_lies_between_is_drawn():
    stack = Stack(DENSE[::4], Grid(np.arange(0, 30, 4.0), (1.0, 1.0), "um"))
    method = prepared(stack)
    found = method.sections_at(stack, [0.0, 4.0, 6.0])
    np.testing.assert_allclose(found.values[:2], DENSE[[0, 4]], atol=0.5)
    np.testing.assert_allclose(found.uncertainty[:2], 0, atol=0.5)
    assert found.uncertainty[2].mean() > 0


def test_tiny_images_are_the_prior_and_it_says_so():
    stack = Stack(STACK.voxels[:, :8, :8], STACK.grid, STACK.acquisition)
    method = prepared(stack, prior="none")
    assert np.isfinite(method.sections_at(stack, FINE).values).all()
    assert "too small" in method.findings().warnings[-1]


def test_cancel_stops_drawing(usual):
    def cancel(progress):
        if progress.fraction > 0:
            raise Cancelled

    other = Stack(STACK.voxels + 1, STACK.grid, STACK.acquisition)
    with pytest.raises(Cancelled):
        usual.sections_at(other, FINE, report=cancel)


def test_a_result_in_portions_is_drawn_once(usual, monkeypatch):
    """Each portion comes as a stack of its own."""
    drawn, real = [], microdiffusion_method.draw
    monkeypatch.setattr(microdiffusion_method, "draw", lambda *given: drawn.append(given) or real(*given))
    other = Stack(STACK.voxels + 2, STACK.grid, STACK.acquisition)
    for z in (2.0, 6.0):
        usual.sections_at(other.crop(slice(0, 5), slice(None)), [z])
    assert len(drawn) == 2  # samples

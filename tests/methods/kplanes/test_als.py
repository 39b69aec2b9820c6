import numpy as np
import pytest
import torch

from napari_depth_interp.methods.kplanes.als import Observed, Penalties, conjugate_gradients, split_sections, sweep
from napari_depth_interp.methods.kplanes.field import Lerp, Sampling, add_up, render


def sampling(z, y, x, knots):
    cpu = torch.device("cpu")
    return Sampling(*(Lerp.of(np.asarray(at, float), k, cpu) for at, k in zip((z, y, x), knots, strict=True)))


def problem(features, *, sections=6, coarse=False):
    """Smooth images that need many features, on knots at their own pixels."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(sections, 12, 10)).cumsum(0).cumsum(1).astype(np.float32)
    images = torch.from_numpy((images - images.mean()) / images.std())
    knots = [np.arange(n, dtype=float) for n in images.shape]
    observed = [Observed(images, sampling(*knots, knots))]
    if coarse:
        small = images[1:2].reshape(1, 6, 2, 5, 2).mean(axis=(2, 4))
        rows, columns = (2 * (np.arange(n) + 0.5) - 0.5 for n in (6, 5))
        observed.append(Observed(small, sampling([1.0], rows, columns, knots)))
    return split_sections(images, features), observed


def objective(planes, observed, penalties):
    total = sum(float((render(planes, one.at, add_up) - one.images).square().sum()) for one in observed)
    bends = sum(float(plane.diff(n=2, dim=0).square().sum()) for plane in (planes.yz, planes.zx))
    return total + penalties.smoothness * bends


def test_singular_vectors_are_the_best_planes_that_do_not_change_along_x():
    planes, [one] = problem(3)
    flat = one.images.reshape(6, -1).numpy()
    left, sizes, right = np.linalg.svd(flat, full_matrices=False)
    wanted = (left[:, :3] * sizes[:3]) @ right[:3]
    np.testing.assert_allclose(render(planes, one.at, add_up).reshape(6, -1), wanted, atol=1e-3)


@pytest.mark.parametrize("coarse", [False, True])
def test_sweeps_come_closer_than_singular_vectors(coarse):
    planes, observed = problem(3, coarse=coarse)
    penalties = Penalties(tv=0.0, smoothness=0.0)
    errors = [objective(planes, observed, penalties)]
    for _ in range(4):
        sweep(planes, observed, penalties, lambda: None)
        errors.append(objective(planes, observed, penalties))
    assert errors[1] < 0.8 * errors[0]
    assert errors == sorted(errors, reverse=True)


def test_as_many_features_as_sections_fit_exactly():
    planes, [one] = problem(6)
    sweep(planes, [one], Penalties(0.0, 0.0), lambda: None)
    torch.testing.assert_close(render(planes, one.at, add_up), one.images, atol=1e-3, rtol=0)


def test_penalties_make_planes_smoother():
    rough, smooth, even = (problem(8) for _ in range(3))
    for (planes, observed), penalties in (
        (rough, Penalties(0.0, 0.0)), (smooth, Penalties(0.0, 100.0)), (even, Penalties(100.0, 0.0)),
    ):  # fmt: skip
        for _ in range(3):
            sweep(planes, observed, penalties, lambda: None)
    bends = [
        float(planes.yz.diff(n=2, dim=0).square().sum() / planes.yz.square().sum()) for planes, _ in (rough, smooth)
    ]
    steps = [float(planes.xy.diff(dim=1).square().sum() / planes.xy.square().sum()) for planes, _ in (rough, even)]
    assert bends[1] < 0.5 * bends[0]
    assert steps[1] < 0.5 * steps[0]


def test_conjugate_gradients_solve_a_system():
    torch.manual_seed(0)
    root = torch.randn(10, 10, dtype=torch.float64)
    matrix, wanted = root @ root.T + torch.eye(10), torch.randn(10, dtype=torch.float64)
    found = conjugate_gradients(lambda x: matrix @ x, wanted, torch.zeros(10, dtype=torch.float64))
    torch.testing.assert_close(matrix @ found, wanted, atol=1e-3, rtol=1e-3)

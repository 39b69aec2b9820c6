"""What a stack sees of a volume, and the solving for it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_depth_interp.fusion.configs import LeastSquaresConfig
from napari_depth_interp.fusion.forward import operator
from napari_depth_interp.fusion.least_squares import solve
from napari_depth_interp.fusion.problem import Problem, average, blocks, simulated
from napari_depth_interp.fusion.views import Lattice, View, isotropic
from napari_depth_interp.stack.profile import Profile
from thick_stacks import affine_along, specimen, thick


@pytest.fixture(scope="module")
def view():
    return View(thick(2, noise=0.0), affine_along(2), Profile("box", 4.0), "axial")


@pytest.fixture(scope="module")
def problem(view):
    coronal = View(thick(1, noise=0.0), affine_along(1), Profile("box", 4.0), "coronal")
    scaled = [each.with_voxels(each.voxels / 1000) for each in (view, coronal)]
    return Problem.of(scaled, isotropic(view))


@pytest.mark.parametrize("kind", ["box", "gaussian"])
def test_a_ramp_is_seen_as_it_is_from_any_side(kind):
    """Every symmetric profile has the ramp's value at its centre, however the stack is turned."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix()
    turn[:3, 3] = 3, -2, 1
    view = View(np.zeros((4, 12, 12), np.float32), affine_along(2), Profile(kind, 4.0), motion=turn)
    lattice = Lattice((60, 60, 60), np.array([[0, 0, 1, -25], [0, 1, 0, -20], [1, 0, 0, -20], [0, 0, 0, 1.0]]))
    slope = np.array([0.5, -0.25, 2.0])  # per mm of the world
    z, y, x = np.indices(lattice.shape)
    ramp = np.tensordot(slope, np.stack([x - 25.0, y - 20.0, z - 20.0]), 1).astype(np.float32)
    seen = operator(view, lattice).sections(ramp)
    places = np.stack([*np.indices(view.voxels.shape).reshape(3, -1), np.ones(view.voxels.size)])
    assert np.isfinite(seen).all()
    assert np.allclose(seen.ravel(), slope @ (view.to_world @ places)[:3], atol=1e-3)


def test_a_box_is_the_mean_of_its_sections(view):
    wanted = specimen().reshape(8, 4, 32, 32).mean(axis=1)
    seen = operator(view, isotropic(view)).sections(specimen())
    assert np.abs(seen - wanted)[1:-1].max() < 0.05 * np.ptp(wanted)  # the samples lie between the voxels


def test_back_is_the_transpose(view):
    lattice, rng = isotropic(view), np.random.default_rng(0)
    seen = operator(view, lattice)
    volume = rng.random(lattice.shape).astype(np.float32)
    values = rng.random(len(seen.index)).astype(np.float32)
    assert np.vdot(seen.seen(volume), values) == pytest.approx(np.vdot(volume, seen.back(values, lattice.shape)), 1e-4)


def test_blocks_give_what_the_whole_gives(problem, monkeypatch):
    """A volume solved for block by block has no seams."""
    config, start = LeastSquaresConfig(rounds=2, steps=25), average(problem)
    whole, _ = solve(problem, config, start)
    seen = simulated(problem, 0, whole)
    monkeypatch.setattr("napari_depth_interp.fusion.problem._BLOCK", 20)
    apart = problem.on(problem.lattice)
    assert len(blocks(apart, 20)) == 8
    assert not apart.is_small
    parts, _ = solve(apart, config, start)
    assert np.sqrt(np.mean((parts - whole) ** 2)) < 0.05 * np.sqrt(np.mean((start - whole) ** 2))
    assert np.allclose(simulated(apart, 0, whole), seen, atol=1e-5)


def test_a_spoilt_section_counts_less(problem):
    spoilt = problem.views[0].voxels.copy()
    spoilt[3] += 0.4
    views = (problem.views[0].with_voxels(spoilt), problem.views[1])
    given = Problem.of(views, problem.lattice)
    good, _ = solve(problem, LeastSquaresConfig(), average(problem))
    robust, weighted = solve(given, LeastSquaresConfig(), average(given))
    plain, _ = solve(given, LeastSquaresConfig(robust=1000), average(given))
    shares = weighted.counts[0].mean(axis=(1, 2))
    assert shares[3] < 0.2
    assert (np.delete(shares, 3) > 0.7).all()
    assert np.square(robust - good).mean() < 0.5 * np.square(plain - good).mean()

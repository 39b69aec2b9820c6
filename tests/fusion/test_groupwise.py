"""Registering all stacks to each other: two looks at one motion are better than one."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.spatial.transform import Rotation

from napari_depth_interp.fusion.contrast import matched
from napari_depth_interp.fusion.groupwise import combined, register_groupwise
from napari_depth_interp.fusion.problem import Problem, average
from napari_depth_interp.fusion.refining import Fit, Frame, _told, distance, refine
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile
from thick_stacks import affine_along, thick


def moved_by(shift, turn):
    """Return a motion of the world (x, y, z) about the centre of the specimen."""
    found, centre = np.eye(4), np.full(3, 15.5)
    found[:3, :3] = Rotation.from_rotvec(np.radians(turn)).as_matrix()
    found[:3, 3] = centre - found[:3, :3] @ centre + shift
    return found


SWAP = np.eye(4)[[2, 1, 0, 3]]
MOTIONS = [np.eye(4), moved_by([0.6, -0.5, 0.4], [1.0, -1.4, 0.8]), moved_by([-0.5, 0.3, 0.6], [-0.9, 0.7, 1.2])]


@pytest.fixture(scope="module")
def views():
    """Fine texture, of which each stack shows another half."""
    rng = np.random.default_rng(3)
    texture = sum(gaussian_filter(rng.normal(size=(32,) * 3), sigma) * sigma**1.5 for sigma in (1, 2, 4))
    texture = (texture / texture.std() * 100 + 500).astype(np.float32)
    return [
        View(
            thick(axis, motion=SWAP @ motion @ SWAP, volume=texture) / 1000, affine_along(axis),
            Profile("box", 4.0), str(axis),
        )
        for axis, motion in zip((2, 1, 0), MOTIONS, strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def lattice(views):
    return isotropic(views[0])


def test_steps_lead_from_one_motion_to_another(lattice):
    for kind in ("rigid", "affine"):
        frame = Frame.of(lattice, kind)
        step = frame.step(MOTIONS[1], MOTIONS[2])
        assert step.shape == (frame.count,)
        assert np.allclose(frame.moved(MOTIONS[1], step), MOTIONS[2])


def test_brings_all_stacks_on_and_knows_how_well(views, lattice):
    found = register_groupwise(views, lattice, "rigid")
    assert np.array_equal(found[0].motion, np.eye(4))  # the reference stays
    assert np.isnan(found[0].known).all()
    for view, true, placed in list(zip(views, MOTIONS, found, strict=True))[1:]:
        off = distance(view, placed.motion, true)
        assert off < 0.15
        assert distance(view, np.eye(4), true) > 0.8
        assert 0.3 < placed.known.distance / off < 8


def test_the_first_stack_looks_as_well(views, lattice):
    """With the others where they belong, what it tells of them is as good as what they tell of it."""
    frame = Frame.of(lattice, "rigid")
    there = [view.moved(motion) for view, motion in zip(views, MOTIONS, strict=True)]
    comparable, _ = matched(there[:2], lattice)
    fits = []
    for number in (0, 1):
        others = Problem.of([comparable[1 - number]], lattice)
        fits.append(refine(comparable[number], others, average(others), frame))
    assert all(fit.information.any() for fit in fits)
    steps, (_, known) = combined(frame, comparable, fits)
    assert not steps[0].any()
    assert np.linalg.norm(steps[1]) < 0.4
    blind = Fit(fits[0].motion, np.zeros((6, 6)), np.zeros((6, 6)))
    (_, alone), _ = combined(frame, comparable, [blind, fits[1]])
    assert np.allclose(alone, frame.step(MOTIONS[1], fits[1].motion), atol=0.05)  # then only its own look counts
    assert 0 < known.distance < 1
    assert 0 < known.angle < 5


def test_what_lies_where_no_other_stack_reaches_does_not_count(views, lattice):
    """Volumes go on somehow there, and what is taken off as a change of the brightness must not be of that."""
    comparable, _ = matched([view.moved(motion) for view, motion in zip(views[:2], MOTIONS, strict=False)], lattice)
    cut = comparable[1].voxels.copy()
    cut[5:] = np.nan
    others = Problem.of([comparable[1].with_voxels(cut)], lattice)
    volume = average(others)
    far = ~binary_dilation(_told(others), iterations=4)
    assert 0.05 < far.mean() < 0.5
    frame = Frame.of(lattice, "rigid")
    as_it_is, otherwise = (
        refine(comparable[0], others, np.where(far, each, volume).astype(np.float32), frame).motion
        for each in (volume, 5.0)
    )
    assert distance(comparable[0], as_it_is, otherwise) < 1e-6


def test_what_nothing_tells_stays_where_it_is(views, lattice):
    frame = Frame.of(lattice, "rigid")
    blind = [Fit(view.motion, np.zeros((6, 6)), np.zeros((6, 6))) for view in views]
    steps, known = combined(frame, views, blind)
    assert not np.any(steps)
    assert np.isinf(known[1:]).all()  # distances and angles

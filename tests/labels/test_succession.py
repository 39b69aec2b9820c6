"""Objects that end where another one goes on: a small lumen in a larger one, a cell between others."""

import numpy as np

from label_stacks import dice
from napari_depth_interp.labels.gap import Gap
from napari_depth_interp.labels.methods import registry
from napari_depth_interp.labels.morph import end_in
from napari_depth_interp.labels.objects import things
from napari_depth_interp.labels.succession import Succession
from napari_depth_interp.method import Runtime

SHARES = np.array([0.25, 0.5, 0.75])
Y, X = np.mgrid[:64, :64]


def disc(radius, label, centre=(32, 32)):
    return np.where(np.hypot(Y - centre[0], X - centre[1]) < radius, label, 0).astype(np.int32)


def gap(below, above, width=8.0):
    return Gap(below, above, SHARES, width)


def filled(asked):
    spec = registry.get("shape")
    return spec.create(spec.config(), Runtime("cpu", 1, 0)).fill(asked).labels


BOTH = np.where(disc(8, 1) > 0, disc(8, 1), disc(24, 2))
"""A small object in a larger one, which on the next section is all there is."""


def test_it_is_as_large_as_if_it_ended_on_background():
    """Blended signed distances alone let the large one grow into the small one from the first section on."""
    before, alone = filled(gap(BOTH, disc(24, 2))), filled(gap(disc(8, 1), np.zeros((64, 64), np.int32)))
    assert dice(before[0] == 1, alone[0] == 1) > 0.85
    assert (before[0] == 1).sum() > 0.75 * (BOTH == 1).sum()


def test_what_goes_on_takes_its_place_without_a_hole():
    for asked, order in ((gap(BOTH, disc(24, 2)), (0, 1, 2)), (gap(disc(24, 2), BOTH), (2, 1, 0))):
        found = filled(asked)
        areas = [(found[section] == 1).sum() for section in order]
        assert areas[0] >= areas[1] >= areas[2] == 0
        assert all(dice(section > 0, disc(24, 1) > 0) > 0.97 for section in found)


def test_it_ends_sooner_than_before_nothing():
    [alone] = things(gap(disc(8, 1), np.zeros((64, 64), np.int32)), 6)
    asked = gap(BOTH, disc(24, 2))
    met = Succession.of(list(things(asked, 6)), asked)
    small = next(each for each in met.things if each.label == 1)
    assert small.replaced == 1
    assert end_in(small, asked) < end_in(alone, asked)


def test_what_ends_beside_others_changes_nothing():
    below = disc(8, 1, (16, 16)) + disc(10, 2, (44, 44))
    asked = gap(below, disc(10, 2, (44, 44)))
    met = Succession.of(list(things(asked, 6)), asked)
    assert not met.before
    assert [each.replaced for each in met.things] == [0, 0]

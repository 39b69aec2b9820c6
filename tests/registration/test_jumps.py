"""A section that alone is displaced is measured against its two neighbours."""

import numpy as np
import pytest

from napari_depth_interp.registration.jumps import jumps_of, off_line
from napari_depth_interp.registration.pairs import Motion

DEPTHS = np.arange(9.0)


def motions(places, likeness=0.9):
    """Motions between neighbours that lie at these places; over two sections they are wrong."""
    direct = {(i, i + 1): Motion(tuple(places[i + 1] - places[i]), 0.0, likeness) for i in range(len(places) - 1)}
    return direct | {(i, i + 2): Motion((5.0, -5.0), 0.0, 0.6) for i in range(len(places) - 2)}


def places(jump=(4.0, -3.0), slant=0.0, depths=DEPTHS):
    found = np.stack([slant * depths, np.zeros_like(depths)], axis=1)
    found[4] += jump
    return found


@pytest.mark.parametrize("slant", [0.0, 1.5])
@pytest.mark.parametrize("depths", [DEPTHS, np.array([0.0, 1, 2, 3, 6, 7, 8, 9, 10])])
def test_a_jump_is_found_beside_slant_and_uneven_depths(slant, depths):
    found = jumps_of(motions(places(slant=slant, depths=depths)), depths, 50.0)
    np.testing.assert_allclose(found[4], (4, -3, 0), atol=1e-9)
    assert np.isnan(np.delete(found, 4, axis=0)).all()


def test_nothing_is_said_where_sections_are_unlike_or_stay_or_all_move():
    assert np.isnan(off_line(motions(places(), likeness=0.4), DEPTHS)).all()
    assert np.isnan(jumps_of(motions(places((0.5, 0.0))), DEPTHS, 50.0)).all()
    step = np.where(DEPTHS >= 4, 6.0, 0.0)[:, None] * (1, 0)
    assert np.isnan(jumps_of(motions(step), DEPTHS, 50.0)).all()
    assert np.isnan(jumps_of({}, DEPTHS[:2], 50.0)).all()

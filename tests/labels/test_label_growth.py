"""The areas of objects on their way through a gap."""

import numpy as np
import pytest

from napari_depth_interp.labels.growth import end_of, ending_areas, passing_areas

SHARES = np.array([0.25, 0.5, 0.75])


def test_a_sphere_is_followed():
    radius, width = 20.0, 10.0
    at = lambda z: np.pi * max(radius**2 - z**2, 0.0)  # noqa: E731
    found = passing_areas((at(-5), at(5)), (at(-15), at(15)), (-1.0, 2.0), width, SHARES)
    np.testing.assert_allclose(found, [at(-2.5), at(0), at(2.5)], rtol=0.03)


def test_without_neighbours_the_area_goes_straight():
    np.testing.assert_allclose(passing_areas((100.0, 200.0), (None, None), (-1.0, 2.0), 8.0, SHARES), [125, 150, 175])


@pytest.mark.parametrize("beyond", [None, 0.0, 50.0, 200.0, 1000.0])
def test_what_ends_shrinks_to_nothing_at_its_end(beyond):
    end = end_of(200.0, beyond, 20.0)
    ways = np.array([0.0, end / 2, end * 0.999, min(1.0, end + 0.05)])
    areas = ending_areas(200.0, beyond, end, ways, 1.0)
    assert areas[0] == pytest.approx(200)
    assert areas[2] < 0.05 * 200
    assert areas[3] == 0
    assert 0.1 <= end <= 0.95


@pytest.mark.parametrize("beyond", [None, 0.0])
def test_what_is_on_one_section_only_is_kept_as_long_as_the_nearest_section_would_be(beyond):
    assert end_of(20.0, beyond, 80.0) == 0.5
    assert end_of(20.0, 400.0, 80.0) < 0.5


def test_shrinking_and_small_objects_end_sooner():
    assert end_of(200.0, 800.0, 20.0) < end_of(200.0, 200.0, 20.0)
    assert end_of(50.0, 50.0, 20.0) < end_of(500.0, 500.0, 20.0)

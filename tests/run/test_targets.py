"""Target depths: grids of all kinds, and the observed sections among them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_depth_interp.errors import InputError, RequestError
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.run.targets import match_observed
from napari_depth_interp.stack import Dataset, Grid, Source
from requested import asked, make


@given(st.integers(2, 30), st.integers(2, 12), st.floats(0.01, 50), st.floats(-1e4, 1e4))
def test_a_factor_gives_n_minus_one_times_k_plus_one_sections(n, factor, gap, first):
    depths = first + gap * np.arange(n)
    request = asked(make(depths), factor=factor)
    assert len(request.depths) == (n - 1) * factor + 1
    np.testing.assert_array_equal(request.depths[::factor], depths)  # to the last bit
    np.testing.assert_allclose(np.diff(request.depths), gap / factor, rtol=1e-6)
    assert request.observed[::factor].tolist() == list(range(n))
    assert (request.observed >= 0).sum() == n


def test_the_rounding_of_a_header_does_not_make_a_stack_uneven():
    depths = [0, 1.0, 2.0005, 3.0]
    request = asked(make(depths), factor=2)
    assert request.depths[::2].tolist() == depths
    assert request.notes == ()


def test_uneven_sections_give_a_regular_grid_of_the_median_gap():
    request = asked(make([0, 2, 4, 10, 12.5]), factor=2)  # gaps 2 2 6 2.5: median 2.25
    np.testing.assert_allclose(request.depths, np.arange(12) * 1.125)
    assert request.observed.tolist() == [0] + [-1] * 11
    assert request.notes == (
        "the sections are unevenly spaced; the result is regular, 1.125 um apart",
        "4 of 5 observed sections are not at a target depth and are left out",
    )
    assert asked(make([0, 2, 4, 10], unit=None), factor=2).notes[0].endswith("1 apart")


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ("0.5um", 10 + 0.5 * np.arange(13)),
        ("500nm", 10 + 0.5 * np.arange(13)),
        ("0.002 mm", [10, 12, 14, 16]),
        ("4", [10, 14]),
        ("5", [10, 15]),  # the last observed section is not reached
        ("6", [10, 16]),
    ],
)
def test_a_spacing_counts_from_the_first_section_up_to_the_last(spacing, expected):
    request = asked(make(), spacing=spacing)
    np.testing.assert_allclose(request.depths, expected, rtol=1e-12)
    hits = [int(np.flatnonzero(np.isclose([10, 12, 14, 16], z))[0]) if z % 2 == 0 else -1 for z in expected]
    assert request.observed.tolist() == hits


@given(st.integers(2, 200), st.integers(1, 40), st.sampled_from([0.1, 0.3, 0.7, 1 / 3, 1.1]), st.booleans())
def test_the_last_section_is_reached_in_spite_of_rounding(gaps, per_gap, step, in_float32):
    """0.1 um over 7.2 um makes 73 sections; a header's float32 spacing does not lose the last one."""
    spacing = step * per_gap
    stored = float(np.float32(spacing)) if in_float32 else spacing
    depths = 3.0 + stored * np.arange(gaps + 1)
    request = asked(make(depths), spacing=repr(step))
    assert len(request.depths) == gaps * per_gap + 1
    assert request.observed[::per_gap].tolist() == list(range(gaps + 1))
    assert (request.observed >= 0).sum() == gaps + 1


@given(st.floats(0.05, 3.0), st.floats(0.5, 20.0))
def test_a_spacing_never_reaches_beyond_the_last_section(step, length):
    if step <= length:
        request = asked(make([0.0, length]), spacing=repr(step))
        assert request.depths[-1] <= length + 1e-3 * step * 1.01
        assert request.depths[-1] + step > length
        assert request.depths[0] == 0


def test_isotropic_is_the_smaller_pixel_size():
    request = asked(make(), isotropic=True)
    np.testing.assert_allclose(request.depths, 10 + 0.4 * np.arange(16))


def test_projections_give_their_sections_and_the_factor_is_n():
    request = asked(make([10, 16, 22], n=6))
    assert len(request.depths) == 18
    assert request.depths[0] == pytest.approx(10 - 2.5)  # (n - 1) / 2 fine sections before the centre
    np.testing.assert_allclose(np.diff(request.depths), 1)
    np.testing.assert_allclose(request.depths.reshape(3, 6).mean(axis=1), [10, 16, 22])
    assert set(request.observed) == {-1}  # a projection is at no single depth
    assert len(asked(make([10, 16, 22]), acquisition="projection:3").depths) == 9
    assert set(asked(make([10, 16, 22], n=6), spacing="1um").observed) == {-1}


@pytest.mark.parametrize("target", [{"spacing": "1um"}, {"isotropic": True}])
def test_a_spacing_fills_the_whole_reach_of_projections_as_a_factor_does(target):
    data = replace(make([10, 16, 22], n=6), grid=Grid([10.0, 16.0, 22.0], (1.0, 1.0), "um"))
    np.testing.assert_allclose(asked(data, **target).depths, asked(data).depths)
    assert asked(data, spacing="2um").depths[[0, -1]].tolist() == [8, 24]


def test_uneven_projections_are_refused():
    with pytest.raises(RequestError, match=r"evenly spaced.*gaps from 2 to 6"):
        asked(make([0, 2, 8], n=2))


@pytest.mark.parametrize("factor", [2, 1000, 5000])
def test_each_observed_section_stands_once_however_dense_the_result(factor):
    request = asked(make([0, 1, 2]), factor=factor)
    assert np.flatnonzero(request.observed >= 0).tolist() == [0, factor, 2 * factor]


def test_matching_takes_the_nearest_within_a_thousandth_of_the_smallest_gap():
    data = make([0, 1, 5])
    matched = match_observed(data, np.array([-0.0005, 0.9985, 1.0005, 2.0, 4.9995, 5.0]))
    assert matched.tolist() == [0, -1, 1, -1, -1, 2]
    assert match_observed(data, np.array([5.0])).tolist() == [2]


# What the settings say about the input


def test_explicit_depths_are_taken_as_they_are():
    request = resolve(make(), make_settings(), depths=[10.5, 12.0, 15.9])
    assert request.depths.tolist() == [10.5, 12, 15.9]
    assert request.observed.tolist() == [-1, 1, -1]


@pytest.mark.parametrize("depths", [[9.0, 12.0], [10.0, 16.1], [0.0, 100.0]])
def test_extrapolation_is_refused_unless_asked_for(depths):
    with pytest.raises(RequestError, match=r"reach beyond the observed 10 to 16.*extrapolate=True"):
        resolve(make(), make_settings(), depths=depths)
    assert resolve(make(), make_settings(), depths=depths, extrapolate=True).depths.tolist() == depths


def test_explicit_depths_may_reach_over_half_a_projection():
    assert len(resolve(make(n=2), make_settings(), depths=[9.5, 16.5]).depths) == 2
    with pytest.raises(RequestError, match="reach beyond"):
        resolve(make(n=2), make_settings(), depths=[8.9, 16.5])


@pytest.mark.parametrize("depths", [[], [12, 11], [11, 11], [11, np.nan]])
def test_explicit_depths_that_make_no_sense_are_refused(depths):
    with pytest.raises(InputError, match="depths must"):
        resolve(make(), make_settings(), depths=depths)


def test_explicit_depths_and_a_factor_are_not_both_obeyed():
    with pytest.raises(RequestError, match="explicit depths and --factor exclude each other"):
        resolve(make(), make_settings(factor=2), depths=[11.0])


# The record


def test_coarser_sections_than_recorded_are_said_in_words():
    dataset = Dataset.from_array(np.arange(20.0).reshape(5, 2, 2), z_spacing=2.0, unit="um")
    request = resolve(dataset, make_settings(spacing="4um"))
    np.testing.assert_allclose(request.depths, [0, 4, 8])
    assert any("coarser than the stack's" in note for note in request.notes)


def test_a_target_that_brings_nothing_new_says_so():
    dataset = Dataset.from_array(np.arange(20.0).reshape(5, 2, 2), z_spacing=2.0, unit="um")
    notes = resolve(dataset, make_settings(spacing="2um")).notes
    assert notes == ("all target sections are observed ones; nothing new is made",)


def test_a_file_stored_from_top_to_bottom_keeps_its_own_first_section():
    """The reader turns the order round; a spacing that does not divide the stack starts at the file's first section."""
    dataset = Dataset.from_array(np.arange(20.0).reshape(5, 2, 2), z_spacing=2.0, unit="um")
    turned = replace(dataset, source=Source(None, "NIfTI-1", reversed_sections=True))
    np.testing.assert_allclose(resolve(turned, make_settings(spacing="3um")).depths, [2, 5, 8])
    np.testing.assert_allclose(resolve(dataset, make_settings(spacing="3um")).depths, [0, 3, 6])

"""What was asked for, resolved: grids, observed sections, every refusal."""

import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_depth_interp.errors import DeviceError, InputError, MissingSpacingError, RequestError
from napari_depth_interp.method import MethodConfig, MethodSpec
from napari_depth_interp.methods import registry
from napari_depth_interp.request import match_observed, resolve, signature
from napari_depth_interp.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Source


def make(depths=(10.0, 12.0, 14.0, 16.0), unit="um", pixel_size=(0.5, 0.4), dtype=np.uint8, n=1, voxels=None):
    depths = np.asarray(depths, float)
    if voxels is None:
        voxels = np.arange(len(depths) * 6).reshape(1, 1, -1, 2, 3).astype(dtype)
    return Dataset(voxels, Grid(depths, pixel_size, unit), Acquisition(n))


def asked(data, **settings):
    return resolve(data, make_settings(device="cpu", **settings))


# Grids


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


def test_the_result_keeps_everything_of_the_grid_but_the_depths():
    request = asked(make(), factor=2)
    assert (request.grid.unit, request.grid.pixel_size) == ("um", (0.5, 0.4))
    assert request.output_shape == (1, 1, 7, 2, 3)
    assert request.output_dtype == np.uint8
    assert asked(make(), factor=2, dtype="float32").output_dtype == np.float32


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


def test_spacing_depths_channel_and_acquisition_of_the_settings_are_applied():
    voxels = np.arange(36, dtype=np.uint8).reshape(1, 2, 3, 2, 3)
    data = Dataset(voxels, Grid(None, unit="um"), axes="CZYX")
    request = asked(data, factor=2, z_spacing="0.002mm", channel="1", acquisition="projection:2")
    assert request.dataset.grid.depths.tolist() == [0, 2, 4]
    assert request.dataset.acquisition == Acquisition(2)
    np.testing.assert_array_equal(request.dataset.voxels, voxels[:, 1:])
    assert asked(data, factor=2, depths=[0, 1, 2]).dataset.grid.depths.tolist() == [0, 1, 2]
    assert asked(data, factor=2, z_spacing=3, channel=0).dataset.grid.spacing == 3


# Refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "say how dense"),
        ({"factor": 0}, "2 or more, got 0"),
        ({"factor": 1}, "2 or more, got 1"),
        ({"factor": -3}, "2 or more, got -3"),
        ({"factor": 10**9}, r"makes 3e\+09 sections, more than 100000"),
        ({"factor": 4, "spacing": "1um"}, "--factor and --spacing exclude each other"),
        ({"factor": 4, "isotropic": True}, "--factor and --isotropic exclude"),
        ({"spacing": "1um", "isotropic": True}, "--spacing and --isotropic exclude"),
        ({"spacing": "7um"}, r"spacing of 7 is longer than the whole stack \(6\)"),
        ({"spacing": "0.01nm"}, "more than 100000"),
        ({"spacing": "1e-320nm"}, "more than 100000"),
        ({"spacing": "-1um"}, "is not a length"),
        ({"spacing": "2px"}, "unit 'px'"),
        ({"factor": 2, "z_spacing": "0"}, "is not a length"),
        ({"factor": 2, "z_spacing": "1um", "depths": [0, 1, 2, 3]}, "exclude each other"),
        ({"factor": 2, "acquisition": "projection:1"}, "acquisition 'projection:1' is not known"),
        ({"factor": 2, "channel": "1"}, "no channel '1'; choose 0 to 0"),
        ({"factor": 2, "method": "lanczos"}, "no method 'lanczos'; choose one of auto, nearest, linear, cubic"),
        (
            {"factor": 2, "method": "linear", "parameters": {"sharpness": 3}},
            "linear: 'sharpness' is not known; its parameters are: match",
        ),
        ({"factor": 2, "method": "nearest", "parameters": {"a": 3}}, "its parameters are: none"),
        ({"factor": 2, "method": "cubic", "parameters": {"kind": "b"}}, "cubic: kind: .*got 'b'"),
    ],
)
def test_options_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(RequestError, match=message) as caught:
        asked(make(), **settings)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ([0, 1, 2], "3 depths were given for 4 sections"),
        ([0, 1, 1, 2], "must increase"),
        ([3, 2, 1, 0], "must increase"),
        ([0, 1, float("nan"), 3], "finite"),
        ([], "must be a list of numbers"),
    ],
)
def test_depths_that_do_not_fit_are_refused(depths, message):
    with pytest.raises(InputError, match=message):
        asked(make(), factor=2, depths=depths)


def test_units_and_pixel_sizes_that_are_not_known_cannot_be_compared_with():
    with pytest.raises(RequestError, match="gives no unit, so '1um' cannot be compared"):
        asked(make(unit=None), spacing="1um")
    assert len(asked(make(unit=None), spacing="1").depths) == 7
    with pytest.raises(RequestError, match="no pixel size"):
        asked(make(pixel_size=None), isotropic=True)


def test_stacks_that_cannot_be_interpolated_are_refused():
    with pytest.raises(InputError, match=r"1 section, so .* give 2 or more sections along z$"):
        asked(make([0]), factor=2)
    with pytest.raises(InputError, match="along z, not 5 time points and 3 channels"):
        asked(Dataset(np.zeros((5, 3, 1, 2, 2)), Grid(np.zeros(1))), factor=2)
    with pytest.raises(MissingSpacingError):
        asked(Dataset(np.zeros((1, 1, 3, 2, 2)), Grid(None)), factor=2)


@pytest.mark.parametrize("nan", ["refuse", "fill"])
def test_infinite_and_all_nan_stacks_are_refused_whatever_is_filled(nan):
    voxels = np.zeros((1, 1, 4, 2, 3))
    voxels[0, 0, 1, 1, 2] = -np.inf
    with pytest.raises(InputError, match="infinite values"):
        asked(make(voxels=voxels), factor=2, nan=nan)
    with pytest.raises(InputError, match="every voxel of the stack is NaN"):
        asked(make(voxels=np.full((1, 1, 4, 2, 3), np.nan)), factor=2, nan=nan)


def test_nan_is_refused_unless_filled():
    voxels = np.zeros((1, 1, 4, 2, 3), np.float32)
    voxels[0, 0, 1, 1, :2] = np.nan
    with pytest.raises(InputError, match=r"2 of 24 voxels are NaN.*--nan fill"):
        asked(make(voxels=voxels), factor=2)
    assert asked(make(voxels=voxels), factor=2, nan="fill").fill_nan


def test_a_device_this_machine_lacks_is_refused():
    with pytest.raises(DeviceError, match="'cuda:999' is not there"):
        resolve(make(), make_settings(factor=2, device="cuda:999"))


def test_a_method_that_cannot_take_projections_is_refused(monkeypatch):
    spec = MethodSpec("s", "S", "", MethodConfig, lambda *_: None, "", acquisitions=frozenset({"slice"}))
    monkeypatch.setattr(registry, "get", lambda _name: spec)
    with pytest.raises(RequestError, match="s cannot work on a projection acquisition"):
        asked(make(n=2), method="s")
    assert asked(make(), method="s", factor=2).spec is spec


def test_presets_lie_under_the_parameters_given(monkeypatch):
    class Config(MethodConfig):
        steps: int = 10
        width: int = 1

    presets = {"fast": {"steps": 2, "width": 3}}
    spec = MethodSpec("s", "S", "", Config, lambda *_: None, "", presets=presets)
    monkeypatch.setattr(registry, "get", lambda _name: spec)
    assert asked(make(), method="s", factor=2).config == Config()
    assert asked(make(), method="s", factor=2, preset="fast").config == Config(steps=2, width=3)
    assert asked(make(), method="s", factor=2, preset="fast", parameters={"steps": 5}).config == Config(
        steps=5, width=3
    )


# Explicit depths


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


def test_the_record_is_json_and_equal_for_equal_runs():
    first, second = (asked(make(), factor=2, method="cubic").record() for _ in range(2))
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
    assert first["observed"] == [0, 2, 4, 6]
    assert first["depths"] == [10, 11, 12, 13, 14, 15, 16]
    assert first["input"]["depths"] == [10, 12, 14, 16]
    assert first["input"]["shape"] == [1, 1, 4, 2, 3]
    assert (first["method"], first["unit"], first["input"]["file"]) == ("cubic", "um", None)


def test_the_signature_is_of_the_values_not_of_their_layout():
    voxels = np.arange(120, dtype=np.uint16).reshape(1, 2, 3, 4, 5)
    plain = signature(voxels)
    assert signature(np.asfortranarray(voxels)) == plain
    assert signature(voxels.astype(">u2")) == plain
    changed = voxels.copy()
    changed[0, 1, 2, 3, 4] += 1
    assert signature(changed) != plain


def test_a_request_is_frozen():
    request = asked(make(), factor=2)
    with pytest.raises(FrozenInstanceError):
        request.config = None


def test_coarser_sections_than_recorded_are_said_in_words():
    dataset = Dataset.from_array(np.arange(20.0).reshape(5, 2, 2), z_spacing=2.0, unit="um")
    request = resolve(dataset, make_settings(spacing="4um"))
    np.testing.assert_allclose(request.depths, [0, 4, 8])
    assert any("coarser than the stack's" in note for note in request.notes)


def test_one_section_brings_up_what_the_reader_noticed():
    dataset = Dataset(
        np.zeros((7, 1, 1, 4, 4)), Grid(np.zeros(1)), axes="TZYX", notes=("7 time points may be sections",)
    )
    with pytest.raises(InputError, match=r"1 section, .*; 7 time points may be sections"):
        resolve(dataset, make_settings(factor=2))


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


def test_values_whose_squares_overflow_are_refused():
    dataset = Dataset.from_array(np.full((3, 2, 2), 1e200) * np.arange(3)[:, None, None], z_spacing=1.0)
    with pytest.raises(InputError, match=r"beyond 1e\+100"):
        resolve(dataset, make_settings(factor=2))


def test_a_unit_that_becomes_that_of_the_pixels_is_said():
    dataset = Dataset.from_array(np.zeros((3, 2, 2)), pixel_size=(0.5, 0.5))
    assert "pixel size without a unit" in dataset.with_z_spacing(2.0, "um").notes[0]
    assert dataset.with_z_spacing(2.0).notes == ()

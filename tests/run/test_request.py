"""What was asked for, resolved: every refusal, presets, records."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from napari_depth_interp.errors import DeviceError, InputError, MissingSpacingError, RequestError
from napari_depth_interp.method import MethodConfig, MethodSpec
from napari_depth_interp.methods import registry
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset, Grid
from napari_depth_interp.stack.lazy import signature
from requested import asked, make


def test_the_result_keeps_everything_of_the_grid_but_the_depths():
    request = asked(make(), factor=2)
    assert (request.grid.unit, request.grid.pixel_size) == ("um", (0.5, 0.4))
    assert request.output_shape == (1, 1, 7, 2, 3)
    assert request.output_dtype == np.uint8
    assert asked(make(), factor=2, dtype="float32").output_dtype == np.float32


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
        ({"spacing": "7um"}, r"spacing of 7 um is longer than the whole stack \(6 um\)"),
        ({"spacing": "0.01nm"}, "more than 100000"),
        ({"spacing": "1e-320nm"}, "more than 100000"),
        ({"spacing": "-1um"}, "is not a length"),
        ({"spacing": "2px"}, "unit 'px'"),
        ({"factor": 2, "z_spacing": "0"}, "is not a length"),
        ({"factor": 2, "z_spacing": "1um", "depths": [0, 1, 2, 3]}, "exclude each other"),
        ({"factor": 2, "acquisition": "projection:1"}, "acquisition 'projection:1' is not known"),
        ({"factor": 2, "channel": "1"}, "no channel '1'; choose 0 to 0"),
        (
            {"factor": 2, "method": "auto", "preset": "published"},
            "auto has no preset 'published': no paper has it; choose",
        ),
        ({"factor": 2, "method": "auto", "preset": "sharp"}, "auto has no preset 'sharp'; choose fast, balanced, best"),
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
        ([3, 1, 2, 0], "must increase"),
        ([0, 1, float("nan"), 3], "finite"),
        ([], "must be a list of numbers"),
    ],
)
def test_depths_that_do_not_fit_are_refused(depths, message):
    with pytest.raises(InputError, match=message):
        asked(make(), factor=2, depths=depths)


def test_units_and_pixel_sizes_that_are_not_known_cannot_be_compared_with():
    with pytest.raises(RequestError, match="have no unit, so '1um' cannot be compared"):
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
    spec = MethodSpec("s", "S", "", MethodConfig, lambda *_: None, "", None, acquisitions=frozenset({"slice"}))
    monkeypatch.setattr(registry, "get", lambda _name: spec)
    with pytest.raises(RequestError, match="s cannot work on a projection acquisition"):
        asked(make(n=2), method="s")
    assert asked(make(), method="s", factor=2).spec is spec


def test_presets_lie_under_the_parameters_given(monkeypatch):
    class Config(MethodConfig):
        steps: int = 10
        width: int = 1

    presets = {"fast": {"steps": 2, "width": 3}}
    spec = MethodSpec("s", "S", "", Config, lambda *_: None, "", None, presets=presets)
    monkeypatch.setattr(registry, "get", lambda _name: spec)
    assert asked(make(), method="s", factor=2).config == Config()
    assert asked(make(), method="s", factor=2, preset="fast").config == Config(steps=2, width=3)
    assert asked(make(), method="s", factor=2, preset="fast", parameters={"steps": 5}).config == Config(
        steps=5, width=3
    )


# Explicit depths


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


def test_one_section_brings_up_what_the_reader_noticed():
    dataset = Dataset(
        np.zeros((7, 1, 1, 4, 4)), Grid(np.zeros(1)), axes="TZYX", notes=("7 time points may be sections",)
    )
    with pytest.raises(InputError, match=r"1 section, .*; 7 time points may be sections"):
        resolve(dataset, make_settings(factor=2))


def test_values_whose_squares_overflow_are_refused():
    dataset = Dataset.from_array(np.full((3, 2, 2), 1e200) * np.arange(3)[:, None, None], z_spacing=1.0)
    with pytest.raises(InputError, match=r"beyond 1e\+100"):
        resolve(dataset, make_settings(factor=2))


def test_a_unit_that_becomes_that_of_the_pixels_is_said():
    dataset = Dataset.from_array(np.zeros((3, 2, 2)), pixel_size=(0.5, 0.5))
    assert "pixel size without a unit" in dataset.with_z_spacing(2.0, "um").notes[0]
    assert dataset.with_z_spacing(2.0).notes == ()

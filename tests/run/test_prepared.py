"""What was prepared gives the same result as a run, bit by bit, and is refused where it does not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import napari_depth_interp as ndi
from napari_depth_interp.errors import OutputError, RequestError, WeightsError
from napari_depth_interp.methods import registry
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.prepared import prepare, settings_with
from napari_depth_interp.run.prepared_file import load, save
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset
from quick import quick

SMALL = {"threads": 1, "preset": "fast", "dtype": "float32"}


def request(dataset, method, **settings):
    target = {} if registry.get(method).enhances else {"factor": 3}
    values = {**SMALL, **target, "method": method, "parameters": quick(method), **settings}
    return resolve(dataset, make_settings(**values))


@pytest.fixture(scope="module")
def small(tissue):
    """A part of the simulated tissue on which methods train in a moment."""
    return replace(tissue, voxels=tissue.voxels[..., :24, :20].copy())


@pytest.fixture(scope="module")
def mixed(small):
    """A run of auto, and what was prepared for it."""
    asked = request(small, "auto")
    return asked, execute(asked), prepare(asked)


@pytest.fixture(scope="module")
def flow_file(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("prepared") / "flow.safetensors"
    save(path, prepare(request(small, "flow")))
    return path


def through_a_file(known, folder):
    save(folder / "known.safetensors", known)
    return load(folder / "known.safetensors")


def test_a_mixture_is_preparing_and_rendering(mixed, tmp_path):
    asked, expected, known = mixed
    got = execute(asked, prepared=through_a_file(known, tmp_path))
    np.testing.assert_array_equal(got.dataset.voxels, expected.dataset.voxels)
    np.testing.assert_array_equal(got.uncertainty, expected.uncertainty)
    assert got.record == expected.record


_OF_OTHERS = ("msdsr_kplanes", "microdiffusion")


@pytest.mark.parametrize("method", ["section_sr", "flow", "cubic", "srcnn", "kplanes", "inr", *_OF_OTHERS])
def test_a_run_is_preparing_and_rendering(small, tmp_path, method):
    asked = request(small, method)
    expected = execute(asked)
    got = execute(asked, prepared=through_a_file(prepare(asked), tmp_path))
    np.testing.assert_array_equal(got.dataset.voxels, expected.dataset.voxels)
    assert got.record == expected.record
    assert got.warnings == expected.warnings


def test_every_channel_and_time_point_is_kept(small, tmp_path):
    """Time points are learned one after the other, each from the one before."""
    voxels = np.concatenate([np.concatenate([small.voxels, small.voxels[..., ::-1]], axis=1)] * 2)
    voxels[1] //= 2
    many = replace(small, voxels=voxels, axes="TCZYX")
    asked = request(many, "srcnn")
    known = through_a_file(prepare(asked), tmp_path)
    assert len(known.states) == 4
    np.testing.assert_array_equal(execute(asked, prepared=known).dataset.voxels, execute(asked).dataset.voxels)


def test_colours_that_share_a_motion(small):
    colours = np.concatenate([small.voxels, small.voxels // 2, small.voxels // 3], axis=1)
    asked = request(replace(small, voxels=colours, rgb=True, axes="ZYXC"), "flow")
    known = prepare(asked)
    assert list(known.states) == ["0:0,1,2"]
    np.testing.assert_array_equal(execute(asked, prepared=known).dataset.voxels, execute(asked).dataset.voxels)


def test_another_stack_of_its_kind_and_another_factor(small, flow_file):
    """From Python; the method and its parameters come from the file."""
    other = replace(small, voxels=small.voxels[..., ::-1, :-2].copy())
    result = ndi.interpolate(other, prepared=flow_file, factor=2)
    assert result.record["method"] == "flow"
    assert result.record["prepared"]["request"] == load(flow_file).request
    assert result.shape == (17, 24, 18)


def test_nothing_learned_is_lost_in_python(small, tmp_path):
    known = ndi.prepare(small, out=tmp_path / "known.safetensors", method="cubic", parameters={"kind": "spline"})
    assert settings_with(make_settings(), load(tmp_path / "known.safetensors")).parameters["kind"] == "spline"
    assert known.method == "cubic"
    with pytest.raises(OutputError, match="exists already"):
        ndi.prepare(small, out=tmp_path / "known.safetensors", method="cubic")


def turned(small):
    return replace(small, grid=replace(small.grid, depths=small.grid.depths * 1.5))


@pytest.mark.parametrize(
    ("method", "parameters", "change", "words"),
    [
        ("cubic", {}, None, "prepared for the method 'flow', not for 'cubic'"),
        ("flow", {"tolerance": 2.0}, None, "prepared with tolerance=5.0, and tolerance=2.0 is asked for"),
        ("flow", {}, turned, "prepared for sections 4 pixels apart, and those of this stack are 6 pixels apart"),
        ("flow", {}, lambda small: replace(small, voxels=np.repeat(small.voxels, 2, 1), axes="CZYX"), "channels 1 "),
    ],
)
def test_what_does_not_fit_is_refused(small, flow_file, method, parameters, change, words):
    dataset = small if change is None else change(small)
    with pytest.raises(RequestError, match=words):
        execute(request(dataset, method, parameters=parameters), prepared=load(flow_file))


def test_a_field_knows_its_own_stack_only(small):
    known = prepare(request(small, "kplanes"))
    other = replace(small, voxels=small.voxels[..., ::-1].copy())
    with pytest.raises(WeightsError, match="kplanes knows the stack that it was prepared on and no other one"):
        execute(request(other, "kplanes"), prepared=known)


def test_what_cannot_be_kept_is_said_before_the_training(small):
    asked = request(small, "section_sr")
    forgetful = replace(asked.spec, create=lambda config, runtime: object())
    with pytest.raises(RequestError, match="section_sr learns anew in every run"):
        prepare(replace(asked, spec=forgetful))


def damage(path, how):
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "another file":
        path.write_bytes(b"II*\x00" + bytes(5000))
    elif how == "no description":
        save_file({"a": np.zeros(3)}, path)
    else:
        about, arrays = described(path), load_file(path)
        if how == "changed weights":
            arrays = {name: each + 1 for name, each in arrays.items()}
        elif how == "newer":
            about["format"] = 99
        else:
            about["kind"]["channels"] = how
        save_file(arrays, path, metadata={"prepared": json.dumps(about)})


def described(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["prepared"])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut", "damaged or not written by depth-interp prepare"),
        ("another file", "damaged or not written"),
        ("no description", "not written by depth-interp prepare"),
        ("changed weights", "its arrays have changed"),
        ("newer", "written by a newer version"),
        (-1, "damaged or not written"),
    ],
)
def test_damaged_files_are_refused(small, tmp_path, how, words):
    path = tmp_path / "known.safetensors"
    save(path, prepare(request(small, "srcnn")))
    damage(path, how)
    with pytest.raises(WeightsError, match=words):
        load(path)


def test_weights_of_another_size_are_refused(small, tmp_path):
    asked = request(small, "srcnn")
    known = prepare(asked)
    larger = request(small, "srcnn", parameters={**quick("srcnn"), "filters": 16})
    with pytest.raises(WeightsError, match="has the shape"):
        execute(larger, prepared=replace(known, config=larger.config.model_dump(mode="json")))


def test_a_constant_stack_says_so_again():
    flat = Dataset.from_array(np.full((6, 20, 20), 7, np.uint8), z_spacing=2.0, pixel_size=(0.5, 0.5))
    asked = request(flat, "section_sr")
    got = execute(asked, prepared=prepare(asked))
    assert "the stack is constant (7), so section_sr was not used: linear" in got.warnings

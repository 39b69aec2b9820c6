"""Each setting is an option; options lie over a settings file; parameters of another method than the file's do not."""

import inspect

import pytest
import typer

from napari_depth_interp.cli.app import OF_EACH_METHOD, app
from napari_depth_interp.cli.options import collect_settings
from napari_depth_interp.cli.train import OF_A_RUN
from napari_depth_interp.run.settings import Settings, describe, make_settings, option_of, to_arguments

COMMANDS = typer.main.get_command(app).commands
EVERYTHING = {
    "method": "flow", "preset": "best", "parameters": {"winsize": "9"}, "enhance": "srcnn",
    "enhance_parameters": {"filters": "8"}, "factor": 3, "spacing": "2um", "isotropic": True,
    "acquisition": "projection:3", "axis": "y", "z_spacing": "1um", "depths": [0.0, 1.5, 4.0], "channel": "1",
    "dtype": "float32", "nan": "fill", "share_fit": "yes", "memory": "8GB", "device": "cpu", "threads": 2, "seed": 7,
    "crop": "1:5,:7", "times": "0:3", "exclude": "2,4-5", "align": "rigid", "shard": "64,1024,1024",
    "thickness": "3mm", "profile": "box",
}  # fmt: skip
"""A value for every setting."""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "method: cubic\nparameters: {kind: spline}\n"
        "enhance: srcnn\nenhance_parameters: {training_steps: 20, filters: 8}\n"
    )
    return path


def test_parameters_are_merged(file):
    found = collect_settings(
        file,
        {
            "parameters": ["match_projections=false"], "enhance_parameters": ["training_steps=30"],
            "method": None, "enhance": None,
        },
    )  # fmt: skip
    assert found.parameters == {"kind": "spline", "match_projections": "false"}
    assert found.enhance_parameters == {"training_steps": "30", "filters": 8}


@pytest.mark.parametrize(
    ("options", "parameters", "enhance_parameters"),
    [
        ({"method": "linear"}, {}, {"training_steps": 20, "filters": 8}),
        ({"method": "cubic"}, {"kind": "spline"}, {"training_steps": 20, "filters": 8}),
        ({"enhance": "cae"}, {"kind": "spline"}, {}),
        ({"enhance": "cae", "enhance_parameters": ["code=8"]}, {"kind": "spline"}, {"code": "8"}),
        ({"enhance": "srcnn"}, {"kind": "spline"}, {"training_steps": 20, "filters": 8}),
    ],
)
def test_another_method_begins_with_its_own_defaults(file, options, parameters, enhance_parameters):
    found = collect_settings(file, options)
    assert (found.parameters, found.enhance_parameters) == (parameters, enhance_parameters)


def test_nothing_given_is_the_defaults():
    found = collect_settings(None, {"factor": 4, "enhance_parameters": None, "isotropic": False})
    assert (found.factor, found.parameters, found.enhance_parameters) == (4, {}, {})


@pytest.mark.parametrize("name", Settings.model_fields)
@pytest.mark.parametrize(
    ("command", "left_out"),
    [("run", set()), ("batch", set()), ("evaluate", OF_EACH_METHOD), ("train", OF_A_RUN)],
)
def test_a_setting_is_an_option_of_every_command_that_does_not_leave_it_out(command, left_out, name):
    found = {each.name: each for each in COMMANDS[command].params if isinstance(each, typer.core.TyperOption)}
    if name in left_out:
        assert name not in found
        return
    assert set(option_of(name).flags) == set(found[name].opts)
    assert found[name].help.startswith(describe(name))


def test_every_setting_goes_through_the_command_line_and_back():
    assert EVERYTHING.keys() == Settings.model_fields.keys()
    for name, value in EVERYTHING.items():
        wanted = make_settings(**{name: value})
        context = COMMANDS["run"].make_context("run", ["in.tif", "out.tif", *to_arguments(wanted)])
        given = {key: each for key, each in context.params.items() if key in Settings.model_fields}
        assert collect_settings(None, given) == wanted


def test_a_command_keeps_its_own_parameters_beside_the_settings():
    signature = inspect.signature(COMMANDS["batch"].callback)
    assert {"source", "target", "recursive", "on_cancel", "seed", "json"} <= signature.parameters.keys()
    assert "settings" not in signature.parameters

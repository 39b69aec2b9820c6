"""Options lie over a settings file; parameters of another method than the file's are left out."""

import pytest

from napari_depth_interp.cli.options import collect_settings


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
        file, ["match_projections=false"], None, enhance_parameters={"training_steps": "30"}, method=None, enhance=None
    )
    assert found.parameters == {"kind": "spline", "match_projections": "false"}
    assert found.enhance_parameters == {"training_steps": "30", "filters": 8}


@pytest.mark.parametrize(
    ("options", "parameters", "enhance_parameters"),
    [
        ({"method": "linear"}, {}, {"training_steps": 20, "filters": 8}),
        ({"method": "cubic"}, {"kind": "spline"}, {"training_steps": 20, "filters": 8}),
        ({"enhance": "cae"}, {"kind": "spline"}, {}),
        ({"enhance": "cae", "enhance_parameters": {"code": "8"}}, {"kind": "spline"}, {"code": "8"}),
        ({"enhance": "srcnn"}, {"kind": "spline"}, {"training_steps": 20, "filters": 8}),
    ],
)
def test_another_method_begins_with_its_own_defaults(file, options, parameters, enhance_parameters):
    found = collect_settings(file, None, None, **options)
    assert (found.parameters, found.enhance_parameters) == (parameters, enhance_parameters)


def test_nothing_given_is_the_defaults():
    found = collect_settings(None, None, None, factor=4, enhance_parameters=None)
    assert (found.factor, found.parameters, found.enhance_parameters) == (4, {}, {})

"""What the config and the description of every method have to keep."""

import json
import subprocess
import sys

import numpy as np
import pytest

from napari_depth_interp.cli.options import parse_parameter
from napari_depth_interp.errors import RequestError
from napari_depth_interp.method import MethodConfig, Runtime, model_fields
from napari_depth_interp.methods import registry
from napari_depth_interp.nn.contract import Trainable
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset


@pytest.mark.parametrize("name", registry.names())
class TestConfig:
    def test_every_parameter_explains_itself(self, name):
        for parameter, field in registry.get(name).config.model_fields.items():
            assert field.title, parameter
            assert field.description, parameter
            assert len(field.description) > 30, parameter
            assert not field.is_required(), parameter

    def test_round_trips_through_json_and_the_command_line(self, name):
        spec = registry.get(name)
        for preset in [{}, *spec.presets.values()]:
            config = spec.config(**preset)
            assert spec.config.model_validate_json(config.model_dump_json()) == config
            words = [f"{key}={_as_word(value)}" for key, value in config.model_dump(mode="json").items()]
            assert spec.config(**dict(map(parse_parameter, words))) == config

    def test_is_frozen_and_refuses_unknown_parameters(self, name):
        assert issubclass(registry.get(name).config, MethodConfig)
        with pytest.raises(RequestError, match="no_such_parameter"):
            resolve_with(name, no_such_parameter=1)

    def test_says_what_to_do_without_a_model(self, name):
        if registry.get(name).needs_model:
            with pytest.raises(RequestError, match=f"depth-interp train {name} DATA_DIR"):
                resolve_with(name)
        else:
            resolve_with(name)

    def test_trainable_is_said_and_true(self, name):
        spec = registry.get(name)
        assert spec.makes_model == isinstance(spec.create(spec.config(), Runtime()), Trainable)
        for method in model_fields(spec).values():
            assert registry.get(method).makes_model

    def test_spec_is_complete(self, name):
        spec = registry.get(name)
        assert spec.name == name
        assert spec.summary.endswith(".")
        assert "\n" not in spec.summary
        assert spec.cost
        assert spec.acquisitions <= {"slice", "projection", "thick"}
        assert "cpu" in spec.devices


def _as_word(value):
    return value if isinstance(value, str) else json.dumps(value)


def resolve_with(name, **parameters):
    dataset = Dataset.from_array(np.eye(3)[:, None, :] + np.zeros((3, 4, 3)), z_spacing=1.0)
    plain = registry.get(name).enlarges == 1 and not registry.get(name).enhances
    factor = 2 if plain else None
    return resolve(dataset, make_settings(method=name, factor=factor, parameters=parameters))


def test_listing_methods_imports_neither_torch_nor_qt():
    code = (
        "import sys; from napari_depth_interp.methods import registry; registry.specs();"
        "from napari_depth_interp.cli import main; main(['methods']); main(['--help']);"
        "heavy = {'torch', 'qtpy', 'PyQt6', 'PySide6', 'napari', 'scipy', 'matplotlib'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

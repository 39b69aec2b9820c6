"""Settings: one model, YAML files, errors of one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_depth_interp.errors import OutputError, RequestError
from napari_depth_interp.run.settings import Settings, describe, load_settings, make_settings, save_settings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.yaml"


FULL = {
    "method": "cubic",
    "preset": "best",
    "parameters": {"kind": "spline", "rate": 1e-7, "steps": [1, 2], "on": True, "none": None},
    "spacing": "0.5µm",
    "acquisition": "projection:6",
    "axis": "x",
    "depths": [0.0, 1.5, 4.0],
    "channel": "DAPI",
    "dtype": "float32",
    "nan": "fill",
    "device": "cuda:1",
    "threads": 3,
    "seed": 7,
}


@pytest.mark.parametrize("values", [{}, FULL, {"factor": 4}, {"isotropic": True, "z_spacing": "2um"}])
def test_round_trip_through_yaml(path, values):
    settings = make_settings(**values)
    save_settings(path, settings)
    assert make_settings(**load_settings(path)) == settings


_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@given(
    st.builds(
        Settings,
        method=_TEXT,
        channel=st.none() | _TEXT,
        factor=st.none() | st.integers(),
        depths=st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
        parameters=st.dictionaries(_TEXT, _TEXT | st.integers() | st.booleans() | st.floats(-1e9, 1e9), max_size=3),
    )
)
def test_round_trip_of_any_values(tmp_path_factory, settings):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    save_settings(path, settings)
    assert make_settings(**load_settings(path)) == settings


def test_only_what_differs_from_the_defaults_is_written(path):
    save_settings(path, make_settings(factor=4, seed=0))
    assert path.read_text() == "factor: 4\n"


def test_only_what_the_file_says_is_read(path):
    path.write_text("factor: 4\nmethod: cubic\n")
    assert load_settings(path) == {"factor": 4, "method": "cubic"}


def test_numbers_without_a_unit_need_no_quotes(path):
    path.write_text("spacing: 2\nz_spacing: 0.5\nchannel: 0\n")
    settings = make_settings(**load_settings(path))
    assert (settings.spacing, settings.z_spacing, settings.channel) == ("2", "0.5", "0")


def test_saving_replaces_a_file_or_leaves_it_whole(path, tmp_path):
    path.write_text("old")
    save_settings(path, make_settings(factor=3))
    assert path.read_text() == "factor: 3\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match="does not exist"):
        save_settings(tmp_path / "no" / "s.yaml", make_settings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"factr": 4}, "'factr' is not known"),
        ({"a\nb": 4}, r"'a\\nb' is not known"),
        ({"factor": "many"}, "factor: input should be a valid integer.*got 'many'"),
        ({"factor": 2.5}, "factor: .*got 2.5"),
        (
            {"preset": "turbo"},
            "preset: input should be 'fast', 'balanced', 'best', 'sharp' or 'published', got 'turbo'",
        ),
        ({"axis": "w"}, "axis: .*got 'w'"),
        ({"dtype": "int8"}, "dtype: .*got 'int8'"),
        ({"nan": "maybe"}, "nan: .*got 'maybe'"),
        ({"threads": 0}, "threads: .*greater than or equal to 1, got 0"),
        ({"seed": -1}, "seed: .*got -1"),
        ({"depths": [0, "x"]}, r"depths\.1: .*got 'x'"),
        ({"depths": "x" * 500}, r"depths: .*\.\.\.$"),
        ({"parameters": [1]}, r"parameters: .*got \[1\]"),
        ({"factor": "x", "seed": "y"}, "factor: .*; seed: .*"),
    ],
)
def test_bad_values_give_one_line(values, message):
    with pytest.raises(RequestError, match=message) as caught:
        make_settings(**values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold 'name: value' lines"),
        ("- factor\n- 4\n", "must hold 'name: value' lines"),
        ("factor", "must hold 'name: value' lines"),
        ("factor: [", "cannot be read"),
        ("factor: 4\n\tmethod: x", "cannot be read"),
        ("depths: 2024-13-45", "cannot be read: month"),
        ("factor: !!int four", "cannot be read"),
        ("factor: !!bool four", "cannot be read"),
        ("? [1]\n: 2", "cannot be read"),
        ("a: &a [*a]", "'a' is not known"),
        ("[" * 5000, "cannot be read"),
        ("1: 2", "'1' is not known"),
        ("factor: four", "factor: "),
        ("factor: 4\x00", "cannot be read"),
    ],
)
def test_broken_files_give_one_line(path, text, message):
    path.write_text(text)
    with pytest.raises(RequestError, match=message) as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_binary_data_are_refused(path, tmp_path):
    with pytest.raises(RequestError, match=r"settings.yaml' cannot be read: No such file"):
        load_settings(path)
    with pytest.raises(RequestError, match="cannot be read"):
        load_settings(tmp_path)
    path.write_bytes(b"\xff\xfe\x00\xd8\x00")
    with pytest.raises(RequestError, match="cannot be read"):
        load_settings(path)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system"])
def test_python_tags_are_refused_and_not_executed(path, tag):
    proof = path.with_name("proof")
    path.write_text(f'factor: {tag} ["touch {proof}"]\n')
    with pytest.raises(RequestError, match="cannot be read"):
        load_settings(path)
    assert not proof.exists()


def test_settings_are_frozen_and_every_field_is_described():
    with pytest.raises(ValidationError):
        make_settings().factor = 3
    for name in Settings.model_fields:
        assert describe(name).endswith(".")

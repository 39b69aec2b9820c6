"""The settings of a run on labels: what is shared with images, what is understood, what is refused."""

import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.labels.settings import LabelSettings, make_label_settings, resolve_label_method
from napari_depth_interp.run.settings import Settings, StackSettings


def test_shared_settings_are_those_of_images():
    shared = set(StackSettings.model_fields) - {"method"}
    for model in (Settings, LabelSettings):
        for name in shared:
            assert model.model_fields[name].description == StackSettings.model_fields[name].description


def test_every_setting_says_what_it_does():
    assert all(len(field.description) >= 30 for field in LabelSettings.model_fields.values())


@pytest.mark.parametrize("given", [[0, 5, 10], (0, 5, 10), "0,5,10", range(0, 11, 5)])
def test_annotated_sections_may_be_a_list_or_a_text(given):
    assert make_label_settings(annotated=given).annotated == "0,5,10"


@pytest.mark.parametrize(("given", "labels"), [("3, 7", [3, 7]), (3, [3]), ([3, -7], [3, -7]), (None, None)])
def test_labels_may_be_a_list_a_number_or_a_text(given, labels):
    assert make_label_settings(labels=given).labels == labels


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"labels": [0]}, "0 is the background"),
        ({"labels": []}, "by their identifiers"),
        ({"labels": "three"}, "labels.0: input should be a valid integer"),
        ({"labels": 1.5}, "labels"),
        ({"colour": 1}, "'colour' is not known"),
        ({"threads": 0}, "threads: input should be greater than or equal to 1, got 0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(values, words):
    with pytest.raises(RequestError, match=words) as error:
        make_label_settings(**values)
    assert "\n" not in str(error.value)


def test_unknown_method_and_parameter():
    with pytest.raises(RequestError, match="no method 'linear' for labels; choose auto, nearest, shape"):
        resolve_label_method("linear", {})
    with pytest.raises(RequestError, match="shape: 'sigma' is not known; its parameters are: none"):
        resolve_label_method("shape", {"sigma": 1})

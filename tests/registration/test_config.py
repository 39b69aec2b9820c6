"""The parameters of aligning are told in one place."""

import pytest

from displaced_stacks import dataset, tissue_like
from napari_depth_interp.errors import RequestError
from napari_depth_interp.registration import AlignConfig, check_jitter, estimate
from napari_depth_interp.registration.config import make_config


def test_every_parameter_is_explained():
    for field in AlignConfig.model_fields.values():
        assert field.title
        assert len(field.description) >= 30


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "affine"}, r"kind.*got 'affine'"),
        ({"period": 2}, r"period.*got 2"),
        ({"smallest": -1}, r"smallest.*got -1"),
        ({"speed": 3}, "speed"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(values, words):
    with pytest.raises(RequestError, match=words) as problem:
        make_config(**values)
    assert "\n" not in str(problem.value)
    with pytest.raises(RequestError):
        estimate(dataset(tissue_like(3)), **values)


def test_a_check_takes_them_too():
    with pytest.raises(RequestError, match="period"):
        check_jitter(dataset(tissue_like(3)), period=1)

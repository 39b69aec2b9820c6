"""What a model keeps for its runs."""

from typing import Literal

import pytest
from pydantic import Field

from napari_depth_interp.errors import WeightsError
from napari_depth_interp.method import MethodConfig
from napari_depth_interp.nn.recipe import with_recipe


class Config(MethodConfig):
    views: int = Field(2, ge=1)
    kind: Literal["plain", "fine"] = "plain"


def test_what_was_given_wins_over_what_is_stored():
    found = with_recipe(Config(views=2), {"views": 8, "kind": "fine", "of a newer version": 1})
    assert (found.views, found.kind) == (2, "fine")
    assert with_recipe(found, {"kind": "plain"}) == found  # taken once, it stays


def test_nothing_stored_changes_nothing():
    assert with_recipe(Config(), {}) == Config()


def test_a_stored_value_that_does_not_fit_is_named():
    with pytest.raises(WeightsError, match=r"does not fit \(views: .*greater"):
        with_recipe(Config(), {"views": 0})

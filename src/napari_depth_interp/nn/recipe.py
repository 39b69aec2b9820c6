"""What belongs to a model's recipe when it is used: stored with it, followed unless overridden. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import ValidationError

from ..errors import WeightsError
from ..method import MethodConfig
from ..models import folder as model_folder
from ..models import names as model_names

RUN = "run"
"""Where a model's ``config.json`` holds it."""

Config = TypeVar("Config", bound=MethodConfig)


@runtime_checkable
class ReadsRecipe(Protocol):
    """Parameters of a method that uses another one's models, and names their recipe its own way."""

    def from_recipe(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a model's recipe means for these parameters."""


def with_recipe(config: Config, stored: Mapping[str, Any]) -> Config:
    """Return the parameters with the stored values wherever nobody gave one, neither by name nor by a preset.

    Parameters
    ----------
    config : MethodConfig
        ``model_fields_set`` says what was given.
    stored : mapping
        What is no parameter of the method is left out.

    Raises
    ------
    WeightsError
        If a stored value does not fit.
    """
    open_ones = set(type(config).model_fields) - config.model_fields_set
    taken = {name: value for name, value in stored.items() if name in open_ones}
    given = {name: getattr(config, name) for name in config.model_fields_set}
    try:
        checked = type(config)(**given, **taken)
    except ValidationError as error:
        reason = model_folder.first_of(error)
        raise WeightsError(
            f"how the model is to be used does not fit ({reason}); give those parameters, or another model"
        ) from error
    return config.model_copy(update={name: getattr(checked, name) for name in taken})


def completed(config: Config) -> Config:
    """Return the parameters with the recipe of the model that they name; as they are without one.

    A model that cannot be read says so when it is loaded.
    """
    model = getattr(config, "model", None)
    if not isinstance(model, Path):
        return config
    try:
        stored = model_folder.about(model_names.find(model)).config.get(RUN, {})
    except WeightsError:
        return config
    if not isinstance(stored, dict):
        raise WeightsError(f"'{model}' holds a damaged model ({RUN} is no JSON object); train it or copy it again")
    return with_recipe(config, config.from_recipe(stored) if isinstance(config, ReadsRecipe) else stored)

"""What of a recipe belongs to the run: stored with a trained model, and kept to by a run unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import ValidationError

from ..errors import WeightsError
from ..method import MethodConfig
from ..models.folder import recipe_of

Config = TypeVar("Config", bound=MethodConfig)


def with_recipe(config: Config, stored: Mapping[str, Any]) -> Config:
    """Return a config in which the fields that were not given take the stored values.

    Parameters
    ----------
    config : MethodConfig
        Its ``model_fields_set`` tells what was given.
    stored : mapping of name -> value
        As a model keeps them; names that the config does not know are passed over.

    Raises
    ------
    WeightsError
        If a stored value does not fit.
    """
    fields = type(config).model_fields
    taken = {name: each for name, each in stored.items() if name in fields and name not in config.model_fields_set}
    if not taken:
        return config
    given = {name: getattr(config, name) for name in config.model_fields_set}
    try:
        checked = type(config)(**{**given, **taken})
    except ValidationError as error:
        first = error.errors()[0]
        raise WeightsError(
            f"the model keeps a value for its runs that does not fit ({'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}); train it or copy it again"
        ) from error
    return config.model_copy(update={name: getattr(checked, name) for name in taken})


@runtime_checkable
class ReadsRecipe(Protocol):
    """Parameters of a method that uses another one's models, and names what is stored with them its own way."""

    def from_recipe(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what is stored with a model under the names of these parameters."""


def completed(config: Config) -> Config:
    """Return the config of a run: what was not given is as the model keeps it that the config names, if any."""
    model = getattr(config, "model", None)
    if not isinstance(model, Path):
        return config
    stored = recipe_of(model)
    return with_recipe(config, config.from_recipe(stored) if isinstance(config, ReadsRecipe) else stored)

"""What a user may choose where labels are filled in: the one model behind command line, library and window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from ..errors import RequestError
from ..method import MethodConfig
from ..run.settings import Option, StackSettings, checked, explain_validation
from .method import LabelMethodSpec
from .methods import registry


class LabelSettings(StackSettings):
    """Everything about filling in labels but the input, the image beside it and the output."""

    method: Annotated[str, Option("|".join(registry.SPECS))] = Field(
        "auto",
        description="Method that fills in the labels; auto leaves annotated sections out and takes what wins there.",
    )
    annotated: Annotated[str, Option("auto|all|A,B,C")] = Field(
        "auto",
        description="Which sections are annotated: auto takes those that hold any of the labels to fill; all; or their "
        "numbers, counted from 0, such as 0,5,10, where an empty one says that nothing is there.",
    )
    labels: Annotated[list[int] | None, Option("A,B", ("--label",))] = Field(
        None, description="Identifiers of the labels to fill, such as 3,7; all others stay. Default: all labels."
    )
    image_method: Annotated[str, Option("METHOD")] = Field(
        "linear",
        description="Method that makes an image dense which is as sparse as its labels, before it guides them.",
    )
    image_channel: Annotated[str | None, Option("CHANNEL")] = Field(
        None,
        description="Channel of the image that guides the labels, by name or index from 0. Default: the brightness of "
        "a colour image, the mean of other channels.",
    )

    @field_validator("annotated", mode="before")
    @classmethod
    def _one_text(cls, value: Any) -> Any:
        return value if isinstance(value, str | int) or not isinstance(value, Iterable) else ",".join(map(str, value))

    @field_validator("labels", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [word.strip() for word in value.split(",")]
        return [value] if isinstance(value, int) else value

    @field_validator("labels")
    @classmethod
    def _no_background(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and (not value or 0 in value):
            raise ValueError("name labels by their identifiers; 0 is the background and no label")
        return value


def make_label_settings(**values: Any) -> LabelSettings:
    """Build settings, turning what pydantic finds wrong into one line.

    Raises
    ------
    RequestError
        For an unknown setting or a value that does not fit.
    """
    return checked(LabelSettings, values)


def resolve_label_method(name: str, parameters: Mapping[str, Any]) -> tuple[LabelMethodSpec, MethodConfig]:
    """Return a method for labels and its config.

    Raises
    ------
    RequestError
        For an unknown method or parameter, or a value that does not fit.
    """
    spec = registry.get(name)
    try:
        return spec, spec.config(**parameters)
    except ValidationError as error:
        known = ", ".join(spec.config.model_fields) or "none"
        raise RequestError(f"{name}: {explain_validation(error)}; its parameters are: {known}") from error

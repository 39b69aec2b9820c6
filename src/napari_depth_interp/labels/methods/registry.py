"""The methods for labels, by name."""

from __future__ import annotations

from ...errors import RequestError
from ..method import LabelMethodSpec
from .nearest import NEAREST
from .shape import SHAPE

SPECS: dict[str, LabelMethodSpec] = {spec.name: spec for spec in (NEAREST, SHAPE)}


def get(name: str) -> LabelMethodSpec:
    """Return a method for labels.

    Raises
    ------
    RequestError
        If there is none of this name.
    """
    if name not in SPECS:
        raise RequestError(f"there is no method '{name}' for labels; choose {', '.join(SPECS)}")
    return SPECS[name]

"""The methods for labels, by name."""

from __future__ import annotations

from ...errors import RequestError
from ..method import LabelMethodSpec
from .auto import AUTO
from .flow import FLOW
from .learned import LEARNED
from .nearest import NEAREST
from .shape import SHAPE

SPECS: dict[str, LabelMethodSpec] = {spec.name: spec for spec in (AUTO, NEAREST, SHAPE, FLOW, LEARNED)}


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

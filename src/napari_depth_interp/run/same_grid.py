"""What a method that enhances needs of a stack: no spacing, no second section, no target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import RequestError
from ..method import MethodSpec
from .settings import Settings, chosen_targets

SAME_GRID: dict[str, Any] = {
    "factor": None,
    "spacing": None,
    "isotropic": False,
    "enhance": None,
    "enhance_parameters": {},
}
"""What settings say about the target where a method enhances."""


def check_same_grid(spec: MethodSpec, settings: Settings, depths: Sequence[float] | None) -> None:
    """Refuse a target: an enhanced stack has the sections of the input.

    Raises
    ------
    RequestError
    """
    given = chosen_targets(settings)
    if given or depths is not None:
        what = " and ".join(given) or "new depths"
        raise RequestError(
            f"{spec.name} enhances the sections that there are and makes no new ones, so {what} cannot be asked of it; "
            f"leave the target out, or let it work before another method: --method auto --enhance {spec.name}"
        )
    if settings.enhance is not None:
        raise RequestError(f"{spec.name} enhances by itself; leave --enhance {settings.enhance} out")


def check_enhancer(spec: MethodSpec) -> None:
    """Refuse to enhance with a method that makes new sections."""
    if not spec.enhances:
        raise RequestError(f"{spec.name} makes new sections and does not enhance; for --enhance choose srcnn or cae")


def changes_observed(spec: MethodSpec) -> str:
    """Return what a user has to know about an enhanced stack."""
    return f"the sections were enhanced by {spec.name}: none of them is as it was recorded"

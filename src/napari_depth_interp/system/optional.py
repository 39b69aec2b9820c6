"""Packages that only some commands need: each belongs to an extra, and names it when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..errors import DepthInterpError, MissingPackageError
from .inventory import DISTRIBUTION


def install_line(extra: str) -> str:
    """Return the line that installs an extra; double quotes serve in every shell."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def need(
    package: str,
    extra: str,
    purpose: str,
    error_type: type[DepthInterpError] = MissingPackageError,
    verb: str = "needs",
) -> Any:
    """Import what an extra brings; call it before any work is done.

    Parameters
    ----------
    package : str
        The module to import.
    extra : str
        The extra that brings it.
    purpose : str
        What needs it, as the subject of the sentence: ``a report``.
    error_type : type, optional
        What is raised if it is missing.
    verb : str, optional
        How the purpose is joined to the package.

    Raises
    ------
    DepthInterpError
        Of the type asked for; its one line says how the package is installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise error_type(
            f"{purpose} {verb} the package {package.partition('.')[0]}, which is not installed; install it with: "
            f"{install_line(extra)}"
        ) from error

"""The one list of methods. Other packages add theirs through the entry point group below."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ..errors import RequestError
from ..method import MethodSpec

ENTRY_POINT_GROUP = "napari_depth_interp.methods"
"""An entry point ``my_method = my_package.module:SPEC`` names a :class:`MethodSpec`."""

_BUILT_IN = {
    "auto": "auto:AUTO",
    "nearest": "classical:NEAREST",
    "linear": "classical:LINEAR",
    "cubic": "classical:CUBIC",
    "enlarge": "enlarge:ENLARGE",
    "flow": "flow:FLOW",
    "section_sr": "section_sr:SECTION_SR",
    "kplanes": "kplanes:KPLANES",
    "msdsr": "msdsr:MSDSR",
    "msdsr_kplanes": "msdsr_kplanes:MSDSR_KPLANES",
    "srcnn": "enhancement:SRCNN",
    "cae": "enhancement:CAE",
    "inr": "inr:INR",
    "microdiffusion": "microdiffusion:MICRODIFFUSION",
    "rrdb_gan": "rrdb_gan:RRDB_GAN",
    "rrdb_gan_z": "rrdb_gan:RRDB_GAN_Z",
}

_log = logging.getLogger(__name__)


def names() -> list[str]:
    """Return the names of all methods: our own in the order of the list, then other packages'."""
    return [*_BUILT_IN, *(name for name in _third_party() if name not in _BUILT_IN)]


def get(name: str) -> MethodSpec:
    """Return the spec of a method.

    Raises
    ------
    RequestError
        If no method has this name, or the package that brings it cannot be loaded.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name].split(":")
        spec: MethodSpec = getattr(import_module(f".{module}", __package__), attribute)
        return spec
    try:
        return _load(_third_party()[name])
    except KeyError:
        raise RequestError(f"there is no method '{name}'; choose one of {', '.join(names())}") from None


def method_and_preset(text: str) -> tuple[str, str]:
    """Return the parts of ``section_sr:fast``; the preset is empty where none is named."""
    method, _, preset = text.partition(":")
    return method, preset


def specs() -> list[MethodSpec]:
    """Return all specs. A third-party method that cannot be loaded is left out and logged."""
    found = []
    for name in names():
        try:
            found.append(get(name))
        except RequestError as error:
            _log.warning("%s", error)
    return found


@cache
def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load(point: EntryPoint) -> MethodSpec:
    try:
        spec = point.load()
    except Exception as error:  # another package's import may fail in any way
        raise RequestError(f"the method '{point.name}' ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(spec, MethodSpec) or spec.name != point.name:
        raise RequestError(f"the entry point '{point.name}' ({point.value}) does not name a MethodSpec of that name")
    return spec

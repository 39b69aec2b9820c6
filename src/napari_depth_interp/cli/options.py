"""The options of the commands, and how they become settings: help texts and defaults come from the settings model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError
from ..evaluation.holdout import Protocol
from ..run.settings import DEFAULT_METHOD, Settings, describe, load_settings, make_settings
from ..stack import Acquisition as Kind

_EXCLUSIVE = (("factor", "spacing", "isotropic"), ("depths", "z_spacing"))
"""Settings that answer the same question: an option replaces all that the settings file says about it."""


def setting(name: str, *flags: str, **extra: Any) -> Any:
    """Make the option of one setting: name, help text and default come from the settings model."""
    default = Settings.model_fields[name].default
    # In square brackets rich would take the default for a style.
    shown = "" if default is None or default is False else f" Default: {default}."
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(*(flags or (flag,)), help=describe(name) + shown, show_default=False, **extra)


FILE: dict[str, Any] = {"metavar": "FILE", "readable": False}
"""That a file cannot be read is said by whoever reads it, not by the parser of the options."""

Input = Annotated[
    Path, typer.Argument(metavar="IN", help="TIFF, NIfTI or OME-Zarr stack.", show_default=False, readable=False)
]
Preset = Annotated[str | None, setting("preset", metavar="fast|balanced|best")]
Acquisition = Annotated[str | None, setting("acquisition", metavar="slice|projection:N")]
Axis = Annotated[str | None, setting("axis", metavar="auto|x|y|z")]
ZSpacing = Annotated[str | None, setting("z_spacing", metavar="LENGTH")]
Depths = Annotated[
    str | None,
    typer.Option(
        "--depths", metavar="FILE|A,B,C", help=describe("depths") + " A list, or a file with one number per line."
    ),
]
Channel = Annotated[str | None, setting("channel")]
Parameters = Annotated[
    list[str] | None, typer.Option("-p", "--param", metavar="KEY=VALUE", help=describe("parameters") + " Repeatable.")
]
Enhance = Annotated[str | None, setting("enhance", metavar="METHOD")]
EnhanceParameters = Annotated[
    list[str] | None,
    typer.Option("--enhance-param", metavar="KEY=VALUE", help=describe("enhance_parameters") + " Repeatable."),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="YAML file of settings; options given here win over it.", **FILE),
]
Nan = Annotated[str | None, setting("nan", metavar="refuse|fill")]
Device = Annotated[str | None, setting("device")]
Threads = Annotated[int | None, setting("threads")]
Seed = Annotated[int | None, setting("seed")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]


def methods_option(default: str) -> Any:
    """Make the option that names several methods; its help text says which are taken without it."""
    return typer.Option(
        "--methods",
        metavar="A,B,C",
        help="Methods, separated by commas; with a preset or parameters as section_sr:fast, cubic:kind=spline; after "
        f"enhancement as linear:enhance=srcnn. Default: {default}.",
    )


def collect_settings(
    file: Path | None, parameters: Sequence[str] | None, depths: str | None, **options: Any
) -> Settings:
    """Lay the options over the settings file, and both over the defaults."""
    values: dict[str, Any] = dict(load_settings(file)) if file else {}
    given = {name: value for name, value in options.items() if value is not None}
    if depths is not None:
        given["depths"] = _read_depths(depths)
    for group in _EXCLUSIVE:
        if given.keys() & set(group):
            values = {name: value for name, value in values.items() if name not in group}
    for chooser, own, usual in (("method", "parameters", DEFAULT_METHOD), ("enhance", "enhance_parameters", None)):
        if given.get(chooser) not in (None, values.get(chooser, usual)):
            values.pop(own, None)  # they are the other method's
    given["parameters"] = parse_parameters(parameters) or {}
    for own in ("parameters", "enhance_parameters"):
        merged = {**(values.get(own) or {}), **(given.pop(own, None) or {})}
        if merged:
            given[own] = merged
    return make_settings(**values | given)


def parse_parameters(given: Sequence[str] | None) -> dict[str, Any] | None:
    """Read ``key=value`` options; None where there are none."""
    return dict(parse_parameter(item) for item in given) if given else None


def parse_parameter(text: str) -> tuple[str, Any]:
    """Read ``key=value``; a value in brackets, or null, is JSON."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RequestError(f"'-p {text}' is not key=value; write for example -p kind=spline")
    if value[:1] in ("[", "{") or value == "null":
        try:
            return name.strip(), json.loads(value)
        except ValueError as error:
            raise RequestError(f"'-p {text}': {value} is not valid JSON ({error})") from error
    return name.strip(), value


def _read_depths(given: str) -> list[float]:
    """Read a list such as ``0,1,3.5``, or a file with one number per line and ``#`` comments."""
    shown = given if len(given) <= 60 else f"{given[:57]}..."
    try:
        text = given if "," in given else Path(given).read_text(encoding="utf-8-sig")
        lines = [line.split("#")[0] for line in text.splitlines()]
        return [float(word) for line in lines for word in line.replace(",", " ").split()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(
            f"--depths '{shown}' must be numbers, or a file with one number per line: {reason}"
        ) from error


def protocol_of(
    keep_every: int | None, hold_out: str | None, leave_one_out: bool, reference: Path | None, protocol: str | None
) -> Protocol:
    """Return the one protocol that the options choose."""
    given = [value for value in (keep_every, hold_out, leave_one_out or None, reference, protocol) if value is not None]
    if len(given) != 1:
        raise RequestError(
            "choose one protocol: --keep-every K, --hold-out I,J, --leave-one-out, --reference FILE "
            f"or --protocol projection:N or sr4; got {len(given)}"
        )
    if keep_every is not None:
        return Protocol("keep_every", every=keep_every)
    if hold_out is not None:
        return Protocol("hold_out", sections=_indices(hold_out))
    if protocol is not None:
        if protocol == "sr4":
            return Protocol("sr4")
        if not protocol.startswith("projection:"):
            raise RequestError(
                f"the protocol '{protocol}' is not known; write projection:N, for example projection:6, or sr4"
            )
        return Protocol("projection", every=Kind.parse(protocol).n)
    return Protocol("reference" if reference is not None else "leave_one_out")


def _indices(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise RequestError(f"'{text}' is not a list of sections; write for example --hold-out 3,7,9") from None


def split(names: str | None) -> list[str]:
    """Return the names of a comma-separated list, each once; empty if the option was not given."""
    if names is None:
        return []
    found = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not found:
        raise RequestError(f"'{names}' names no method; write for example --methods linear,cubic")
    return found

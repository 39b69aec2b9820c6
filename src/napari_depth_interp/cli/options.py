"""The options of the commands, and how they become settings: help texts and defaults come from the settings model."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic_core import PydanticUndefined

from ..errors import RequestError
from ..evaluation.holdout import Protocol
from ..run.settings import DEFAULT_METHOD, Settings, StackSettings, checked, describe, load_settings, option_of
from ..stack import Acquisition as Kind

_EXCLUSIVE = (("factor", "spacing", "isotropic"), ("depths", "z_spacing"))
"""Settings that answer the same question: an option replaces all that the settings file says about it."""


_FILE = "settings_file"
"""Name of the parameter behind ``--settings``."""
FILE: dict[str, Any] = {"metavar": "FILE", "readable": False}
"""That a file cannot be read is said by whoever reads it, not by the parser of the options."""

Input = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="TIFF, NIfTI or OME-Zarr stack, a file of a microscope or scanner, or a folder of DICOM files or images. "
        "FILE::SERIES names one of several.",
        show_default=False,
        readable=False,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]

LpipsNet = Annotated[
    str | None,
    typer.Option(
        "--lpips",
        metavar="alex|vgg|squeeze",
        help="Also score LPIPS with this image network; its weights are loaded from the internet once.",
    ),
]
LpipsWeights = Annotated[
    Path | None,
    typer.Option("--lpips-weights", help="The network's weights as a file, to load nothing.", **FILE),
]


def methods_option(default: str) -> Any:
    """Make the option that names several methods; its help text says which are taken without it."""
    return typer.Option(
        "--methods",
        metavar="A,B,C",
        help="Methods, separated by commas; with a preset or parameters as section_sr:fast, cubic:kind=spline; after "
        f"enhancement as linear:enhance=srcnn, aligned as flow:align=translation. Default: {default}.",
    )


def takes_settings(
    model: type[StackSettings] = Settings,
    *,
    only: Collection[str] | None = None,
    leave_out: Collection[str] = (),
    file: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of the settings, and its parameter ``settings`` what they add up to.

    Parameters
    ----------
    model : type of StackSettings
        Which settings.
    only, leave_out : collection of str
        Names of settings that the command takes, or does not take. A new setting is an option of every command that
        does not leave it out.
    file : bool
        The command takes ``--settings FILE``, over which the options are laid.
    """
    names = [name for name in model.model_fields if name not in leave_out and (only is None or name in only)]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(**values: Any) -> None:
            given = {name: values.pop(name) for name in names}
            chosen = collect_settings(values.pop(_FILE, None), given, model)
            command(**values, settings=chosen)

        signature = inspect.signature(command, eval_str=True)
        own = list(signature.parameters.values())
        place = list(signature.parameters).index("settings")
        own[place : place + 1] = [*(_option(name, model) for name in names), *([_file_option()] if file else [])]
        called.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in own}
        return called

    return decorated


def _option(name: str, model: type[StackSettings]) -> inspect.Parameter:
    """Return the option of one setting: name, type, help text and default come from the settings model."""
    kind, _ = _typed(model.model_fields[name].annotation)
    return _keyword(name, Annotated[kind, setting_option(name, model)], False if kind is bool else None)


def setting_option(name: str, model: type[StackSettings]) -> Any:
    """Return how one setting is written and explained; what it is without the option is for the command to say."""
    field, about = model.model_fields[name], option_of(name, model)
    _, choices = _typed(field.annotation)
    # In square brackets rich would take the default for a style.
    said = any(field.default is each for each in (None, False, PydanticUndefined))
    shown = "" if said else f"Default: {field.default}."
    text = " ".join(filter(None, (describe(name, model), about.note, shown)))
    return typer.Option(*about.flags, metavar=about.metavar or choices, help=text, show_default=False)


def _typed(annotation: Any) -> tuple[Any, str | None]:
    """Return what the parser of the options reads for a setting of this type, and its choices, if it has any."""
    optional = [each for each in get_args(annotation) if each is not NoneType]
    plain = optional[0] if NoneType in get_args(annotation) and len(optional) == 1 else annotation
    if plain is bool:
        return bool, None
    if get_origin(plain) is dict:
        return list[str] | None, None
    choices = "|".join(get_args(plain)) if get_origin(plain) is Literal else None
    return (plain if plain in (int, float) else str) | None, choices


def _file_option() -> inspect.Parameter:
    option = typer.Option("--settings", help="YAML file of settings; options given here win over it.", **FILE)
    return _keyword(_FILE, Annotated[Path | None, option], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def collect_settings(
    file: Path | None, options: Mapping[str, Any], model: type[StackSettings] = Settings
) -> StackSettings:
    """Lay options, as the command line gives them, over the settings file, and both over the defaults."""
    values: dict[str, Any] = dict(load_settings(file)) if file else {}
    given = {name: _read(name, value) for name, value in options.items() if value is not None and value is not False}
    for group in _EXCLUSIVE:
        if given.keys() & set(group):
            values = {name: value for name, value in values.items() if name not in group}
    for chooser, own, usual in (("method", "parameters", DEFAULT_METHOD), ("enhance", "enhance_parameters", None)):
        if given.get(chooser) not in (None, values.get(chooser, usual)):
            values.pop(own, None)  # they are the other method's
    for own in ("parameters", "enhance_parameters"):
        merged = {**(values.get(own) or {}), **(given.pop(own, None) or {})}
        if merged:
            given[own] = merged
    return checked(model, values | given)


def _read(name: str, value: Any) -> Any:
    """Return the value of a setting from what stands on the command line."""
    if isinstance(value, list | tuple):
        return parse_parameters(value)
    return _read_depths(value) if name == "depths" else value


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

"""Tables of the reference pages, made from the code itself, so that they cannot go stale.

Methods and their parameters come from the registry, the command line from its parser, settings from their model,
scores from the catalogue of metrics, and what napari gets from the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import napari_depth_interp
import worth_page
import worth_tables
from napari_depth_interp.cli.app import app
from napari_depth_interp.damage.kinds import KINDS
from napari_depth_interp.damage.settings import RepairSettings
from napari_depth_interp.fusion.configs import CONFIGS as FUSE_CONFIGS
from napari_depth_interp.fusion.settings import FuseSettings
from napari_depth_interp.labels.methods import registry as label_registry
from napari_depth_interp.labels.settings import LabelSettings
from napari_depth_interp.method import MethodConfig, MethodSpec
from napari_depth_interp.methods import registry
from napari_depth_interp.metrics import CATALOGUE, PERCEPTUAL_METRICS, VOLUME_METRICS
from napari_depth_interp.metrics.labels import LABEL_METRICS, TOTAL_METRICS
from napari_depth_interp.metrics.objects import OBJECT_METRICS
from napari_depth_interp.run.settings import Settings

PROGRAM = "depth-interp"
METHODS = Path(__file__).parents[1] / "docs" / "reference" / "methods"
"""The pages about methods."""
_BEST = {"higher": "higher is better", "lower": "lower is better", "one": "1 is best", "zero": "0 is best"}


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())


def page_of(spec: MethodSpec, folder: Path) -> str:
    """Return the page about a method: its own, or that of the module which defines it."""
    parts = spec.config.__module__.split(".")
    module = parts[parts.index("methods") + 1] if "methods" in parts else parts[0]
    return next((f"{name}.md" for name in (spec.name, module) if (folder / f"{name}.md").is_file()), f"{spec.name}.md")


def specs_of_pages(folder: Path) -> dict[str, list[MethodSpec]]:
    """Return for each page about methods which ones it is about, in the order of the registry."""
    pages: dict[str, list[MethodSpec]] = {}
    for spec in registry.specs():
        pages.setdefault(page_of(spec, folder), []).append(spec)
    return pages


def methods_overview(folder: Path = METHODS) -> str:
    """Return the list of all methods, with links to their pages."""
    rows = [
        (f"[`{spec.name}`]({page_of(spec, folder)})", made_by(spec), spec.summary, training_of(spec), spec.cost)
        for spec in registry.specs()
    ]
    return table(["method", "makes", "what it does", "training data", "time"], rows)


def made_by(spec: MethodSpec) -> str:
    """Return in words what the result of a method is beside the input."""
    if spec.enhances:
        return "the same sections, cleaner"
    return "new sections" if spec.enlarges == 1 else f"{spec.enlarges}x along all axes"


def training_of(spec: MethodSpec) -> str:
    """Return in words what a method learns from."""
    if spec.needs_model:
        return "a trained model"
    optional = ", or a trained model" if spec.makes_model or "model" in spec.config.model_fields else ""
    return f"the stack itself{optional}" if spec.trains_on_stack else f"none{optional}"


def images_of(spec: MethodSpec) -> str:
    """Return in words what one image may be."""
    words = {"projection": "projections", "slice": "slices", "thick": "thick slices"}
    *first, last = (words[kind] for kind in sorted(spec.acquisitions))
    return f"{', '.join(first)} and {last}" if first else last


def facts(specs: Sequence[MethodSpec]) -> str:
    """Return what methods need and can."""
    named: list[tuple[str, Any]] = [
        ("makes", made_by),
        ("images", images_of),
        ("training data", training_of),
        ("observed sections", lambda spec: "come back unchanged" if spec.keeps_observed else "are changed, too"),
        ("uncertainty", lambda spec: "yes" if spec.gives_uncertainty else "no"),
        ("result", lambda spec: "a random sample, set by the seed" if spec.sampled else "one best estimate"),
        ("runs on", lambda spec: ", ".join(spec.devices)),
        ("time", lambda spec: spec.cost),
    ]
    rows = [(label, *(value(spec) for spec in specs)) for label, value in named]
    return table(["", *(f"`{spec.name}`" for spec in specs)], rows)


def parameters(specs: Sequence[MethodSpec]) -> str:
    """Return the section about the parameters of methods."""
    parts = [
        "## Parameters",
        "On the command line `-p name=value`, in Python `parameters={...}`, in napari *Parameters* of the method.",
    ]
    for spec in specs:
        parts += [f"### `{spec.name}`"] if len(specs) > 1 else []
        parts += [_presets(spec)] if spec.presets else []
        parts.append(config_table(spec.config) if spec.config.model_fields else "No parameters.")
    return "\n\n".join(parts)


def config_table(config: type[MethodConfig]) -> str:
    """Return the parameters of a method: name, default, allowed values, meaning."""
    rows = [
        (f"`{name}`", f"`{_value(field.default)}`", _allowed(field), f"**{field.title or name}.** {field.description}")
        for name, field in config.model_fields.items()
    ]
    return table(["name", "default", "allowed", "what it does"], rows)


def _presets(spec: MethodSpec) -> str:
    words = [
        f"`{name}`" + (": " + ", ".join(f"`{key}={_value(value)}`" for key, value in values.items()) if values else "")
        for name, values in spec.presets.items()
    ]
    return "Presets: " + "; ".join(words) + ". Parameters that are given win over the preset."


def _value(value: object) -> str:
    """Return a value as it is written on the command line."""
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(field: FieldInfo) -> str:
    """Return the type and the bounds of a parameter in words."""
    choices = _choices(field.annotation)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = {key: getattr(limit, key) for limit in field.metadata for key in _SIGNS if hasattr(limit, key)}
    signs = ", ".join(f"{_SIGNS[key]} {value:g}" for key, value in bounds.items() if value is not None)
    return " ".join(word for word in (_type_name(field.annotation), signs) if word)


_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]


def _type_name(annotation: Any) -> str:
    if annotation in _TYPES:
        return _TYPES[annotation]
    inner = [_type_name(each) for each in get_args(annotation) if each is not type(None)]
    optional = type(None) in get_args(annotation)
    return " or ".join(word for word in [*inner, "none" if optional else ""] if word) or str(annotation)


def command_line() -> str:
    """Return a section for each command: usage, what it does, arguments and options."""
    return "\n\n".join(part for words, command in commands() for part in _command(words, command))


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its words: ``depth-interp run``, ``depth-interp models list``."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        yield from ((f"{PROGRAM} {name} {each}", found) for each, found in inner.items())
        if not inner:
            yield f"{PROGRAM} {name}", command


def _command(words: str, command: Any) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([words, *(_placeholder(each) for each in arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"## {words}", command.help or "", f"```\n{usage}\n```"]
    if arguments:
        parts.append(
            table(["argument", "meaning"], [(f"`{_placeholder(each)}`", each.help or "") for each in arguments])
        )
    if options:
        parts.append(table(["option", "meaning"], [(_flags(each), each.help or "") for each in options]))
    return parts


def _placeholder(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _flags(option: Any) -> str:
    value = "" if option.is_flag else f" {_placeholder(option)}"
    return ", ".join(f"`{flag}{value}`" for flag in option.opts)


def settings() -> str:
    """Return the settings of a run: one table for options, settings files and ``interpolate``."""
    return _fields(Settings)


def label_settings() -> str:
    """Return the settings of a run on labels: one table for options and ``interpolate_labels``."""
    return _fields(LabelSettings)


def repair_settings() -> str:
    """Return the settings of a repair: one table for options, ``examine`` and ``repair``."""
    return _fields(RepairSettings)


def fuse_settings() -> str:
    """Return the settings of a fusion: one table for options and ``fuse``."""
    return _fields(FuseSettings)


def fuse_methods() -> str:
    """Return the parameters of the ways to fuse."""
    parts = [(name, kind) for name, kind in FUSE_CONFIGS.items() if kind.model_fields]
    return "\n\n".join(text for name, kind in parts for text in (f"Parameters of `{name}`:", config_table(kind)))


def damage_kinds() -> str:
    """Return the kinds of damage: what is found, what its score is, from where on it counts, what is done."""
    rows = [(f"`{kind.name}`", kind.title, kind.score, f"{kind.floor:g}", kind.remedy) for kind in KINDS.values()]
    return table(["kind", "what it is", "score", "least threshold", "what is done"], rows)


def label_methods() -> str:
    """Return the methods for labels with their parameters."""
    specs = label_registry.SPECS.values()
    rows = [(f"`{spec.name}`", spec.summary, "yes" if spec.needs_image else "no") for spec in specs]
    parts = [table(["method", "what it does", "needs an image"], rows)]
    for spec in specs:
        if spec.config.model_fields:
            parts += [f"Parameters of `{spec.name}`:", config_table(spec.config)]
    return "\n\n".join(parts)


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default is None or default == {} else f"`{_value(default)}`"
        rows.append((f"`{name}`", shown, field.description))
    return table(["setting", "default", "meaning"], rows)


def metrics() -> str:
    """Return all scores: name in CSV and JSON, heading, unit, direction, meaning."""
    rows = []
    for name, metric in CATALOGUE.items():
        kind = "LPIPS" if name in PERCEPTUAL_METRICS else "stack" if name in VOLUME_METRICS else "section"
        unit = "unit of the voxel size" if metric.unit == "length" else metric.unit
        rows.append((f"`{name}`", metric.heading, kind, unit, _BEST[metric.better], metric.help))
    return table(["name", "in tables", "of", "unit", "best", "meaning"], rows)


def label_metrics() -> str:
    """Return all scores of labels: of each label and their mean, and of all labels together."""
    rows = []
    for place, metrics in (("labels, mean", LABEL_METRICS), ("total", TOTAL_METRICS)):
        for name, metric in metrics.items():
            unit = "unit of the voxel size" if metric.unit == "length" else metric.unit
            rows.append((f"`{name}`", metric.heading, place, unit, _BEST[metric.better], metric.help))
    return table(["name", "in tables", "in", "unit", "best", "meaning"], rows)


def segmentation_verdicts() -> str:
    """Return whether filling helped segmenters in the benchmark of experts' labels."""
    return worth_tables.verdicts(worth_page.results("downstream")["summary"])


def recipes() -> str:
    """Return what filling did to tracing, rendering and registration."""
    found = worth_page.results("recipes")
    return worth_tables.recipe_table(found["summary"], found["every"])


def object_metrics() -> str:
    """Return all scores of a segmentation against labels."""
    rows = []
    for name, metric in OBJECT_METRICS.items():
        unit = "unit of the voxel size" if metric.unit == "length" else metric.unit
        rows.append((f"`{name}`", metric.heading, unit, _BEST[metric.better], metric.help))
    return table(["name", "in tables", "unit", "best", "meaning"], rows)


def manifest() -> str:
    """Return what the plugin adds to napari."""
    path = Path(napari_depth_interp.__file__).with_name("napari.yaml")
    found: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["contributions"]
    menus = [(place, each["command"]) for place, items in found["menus"].items() for each in items]
    titles = {each["id"]: each["title"] for each in found["commands"]}
    menus_of: dict[str, list[str]] = {}
    for place, command in menus:
        menus_of.setdefault(command, []).append(place.removeprefix("napari/").replace("/", " > ").capitalize())
    widgets = [
        (each["display_name"], ", ".join(["Plugins", *menus_of.get(each["command"], [])])) for each in found["widgets"]
    ]
    readers = [(titles[each["command"]], _codes(each["filename_patterns"])) for each in found["readers"]]
    writers = [(each["display_name"], _codes(each["filename_extensions"])) for each in found["writers"]]
    samples = [(f"`{each['key']}`", each["display_name"]) for each in found["sample_data"]]
    preferences = [
        (each["title"], f"`{each['default']}`", ", ".join(each.get("enum", [])), each["description"])
        for page in found["configurations"].values()
        for each in page["properties"].values()
    ]
    commands = [(f"`{each['id']}`", each["title"], f"`{each['python_name']}`") for each in found["commands"]]
    return "\n\n".join(
        [
            "## Widgets", table(["widget", "in the menus"], widgets),
            "## Readers", table(["reader", "files"], readers),
            "## Writers", table(["writer", "files"], writers),
            "## Samples", "In *File > Open Sample*.", table(["key", "sample"], samples),
            "## Preferences", table(["preference", "default", "choices", "meaning"], preferences),
            "## Commands", table(["command", "title", "Python name"], commands),
        ]
    )  # fmt: skip


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)

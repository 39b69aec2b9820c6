"""What a user may choose for a run: the one model behind command line, widget and settings files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import RequestError
from ..method import Preset
from ..stack.profile import ProfileKind
from ..stack.units import parse_length
from ..system.amounts import parse_size

DEFAULT_METHOD = "auto"
NO_THICKNESS, ESTIMATE = "none", "estimate"
"""The setting ``thickness`` of sections that are taken to be thin, and of those whose images are to tell."""
ShareFit = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class Option:
    """How a setting is written on the command line, where its name, type and description do not say it.

    Attributes
    ----------
    metavar : str or None
        What stands for its value in the help; None: its choices, or its type.
    flags : tuple of str
        Empty: ``--`` and its name.
    note : str
        What the help adds to the description.
    """

    metavar: str | None = None
    flags: tuple[str, ...] = ()
    note: str = ""


def _size(value: str | None) -> str | None:
    if value is not None:
        parse_size(value)
    return value


MemorySize = Annotated[str | None, Option("SIZE"), AfterValidator(_size)]
"""A size of memory in words, such as 8GB."""
_LENGTH = Option("LENGTH")
_REPEATABLE = "Repeatable."


class StackSettings(BaseModel):
    """What a run on a stack is told, be it of an image or of labels."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    method: str
    parameters: Annotated[dict[str, Any], Option("KEY=VALUE", ("-p", "--param"), _REPEATABLE)] = Field(
        default_factory=dict, description="Parameters of the method, over its preset."
    )
    factor: int | None = Field(
        None,
        description="How many times denser: n sections become (n - 1) * factor + 1. Default for projections of N "
        "sections: N.",
    )
    spacing: Annotated[str | None, _LENGTH] = Field(
        None, description="Wanted distance of the sections of the result, such as 2um, instead of a factor."
    )
    isotropic: bool = Field(
        False, description="Make the sections as close together as the pixels, instead of a factor."
    )
    axis: Literal["auto", "x", "y", "z"] = Field(
        "auto", description="Section axis of a NIfTI file; auto takes the one with the coarsest spacing."
    )
    z_spacing: Annotated[str | None, _LENGTH] = Field(
        None, description="Distance of the observed sections, such as 2um, if the file gives none or a wrong one."
    )
    depths: Annotated[list[float] | None, Option("FILE|A,B,C", note="A list, or a file with one number per line.")] = (
        Field(None, description="Depth of each observed section, in the unit of the file, for uneven stacks.")
    )
    threads: int | None = Field(None, ge=1, description="CPU threads to use. Default: all cores.")
    seed: int = Field(0, ge=0, description="Seed of everything random: the same seed gives the same result.")


class Settings(StackSettings):
    """Everything about a run but the input and the output.

    A settings file is this model as YAML; what a file leaves out has the default. Each field is an option of the
    commands that run methods, too.
    """

    method: str = Field(
        DEFAULT_METHOD, description="Method that makes the new sections; `depth-interp methods` lists them."
    )
    preset: Preset = Field(
        "balanced",
        description="Time against quality, for methods that have presets; sharp: for the eye, at a lower PSNR; "
        "published: as in the method's paper.",
    )
    enhance: Annotated[str | None, Option("METHOD")] = Field(
        None,
        description="Method that enhances the sections first, such as srcnn; no section of the result is then as it "
        "was recorded. Default: none.",
    )
    enhance_parameters: Annotated[dict[str, Any], Option("KEY=VALUE", ("--enhance-param",), _REPEATABLE)] = Field(
        default_factory=dict, description="Parameters of the enhancing method, over the same preset."
    )
    align: Literal["none", "translation", "rigid"] = Field(
        "none",
        title="Align sections",
        description="Bring sections that lie displaced against their neighbours back before interpolating: moved "
        "sideways (translation), or turned, too (rigid). Slow motion along z, which may be real, is left alone; the "
        "result shows the sections as they were moved.",
    )
    acquisition: Annotated[str | None, Option("slice|projection:N")] = Field(
        None,
        description="What one image is: one section (slice, the default), or the mean of N neighbouring ones (a "
        "projection).",
    )
    thickness: Annotated[str | None, Option("LENGTH|estimate|none")] = Field(
        None,
        description="How thick one section is, such as 3mm, below, equal to or above the distance of the sections: "
        "section_sr and auto then learn from rows as thick, and make sections as thick as those observed. estimate: as "
        "the images tell, from how sections and rows change with their distance. none: sections are thin, whatever the "
        "file says. Default: as the file says; if it says nothing thin, unless noisy neighbours share their noise.",
    )
    profile: ProfileKind | None = Field(
        None,
        title="Slice profile",
        description="How a thick section collects what lies above and below its centre: evenly over its thickness "
        "(box), or as a Gaussian whose full width at half maximum is the thickness (gaussian, the default).",
    )
    channel: str | None = Field(None, description="One channel by name or index from 0. Default: all channels.")
    crop: Annotated[str | None, Option("ROWS,COLUMNS")] = Field(
        None,
        description="Rows and columns to work on, such as 100:400,50:300, counted from 0 as the window shows them, "
        "their ends excluded; nothing before or after a colon: to the edge. Default: the whole image.",
    )
    times: Annotated[str | None, Option("FIRST:END")] = Field(
        None,
        description="Time points to work on, counted from 0, the end excluded: 0:3, or one: 2. Default: all.",
    )
    exclude: Annotated[str | None, Option("A,B-C")] = Field(
        None,
        description="Sections that are neither used nor kept, such as 12,40-41, counted from 0 as the window shows "
        "them, both ends of a range included; they are made anew like any other new one. Without a target nothing else "
        "is new. Default: none.",
    )
    share_fit: ShareFit = Field(
        "auto",
        description="Whether channels share what a method finds out. auto: red, green and blue of a colour image move "
        "alike in flow, and networks are trained for each. yes: one motion, network and mixture (flow, section_sr, "
        "auto) for all channels, from the brightness of a colour image or the mean of the channels: two to three times "
        "faster. no: each channel alone.",
    )
    dtype: Literal["keep", "float32"] = Field(
        "keep", title="Data type", description="Type of the result: keep the input's (rounded and clipped), or float32."
    )
    shard: Annotated[str | None, Option("Z,Y,X|none")] = Field(
        None,
        title="Voxels of a file",
        description="Voxels of one file of an OME-Zarr result: sections, rows and columns, such as 64,1024,1024; each "
        "file holds many chunks (of 8,256,256), and each is made at once. none: a file for each chunk. Default: none "
        "for results of up to 1 Gvoxel, 64,1024,1024 for larger ones, so that 10 TB take 10^5 files.",
    )
    nan: Literal["refuse", "fill"] = Field(
        "refuse",
        title="Missing values",
        description="Voxels that are not a number: refuse the stack, or fill them for the computation only.",
    )
    memory: MemorySize = Field(
        None,
        description="Memory that the process may take, such as 8GB: tiles, and what is learned from, are made as small "
        "as that needs. Default: what is free, and no more than helps.",
    )
    device: str = Field("auto", description="Where to compute: auto, cpu, cuda, cuda:N or mps.")

    @field_validator("thickness")
    @classmethod
    def _length(cls, value: str | None) -> str | None:
        if value not in (None, NO_THICKNESS, ESTIMATE):
            parse_length(value)
        return value

    @field_validator("exclude", mode="before")
    @classmethod
    def _one_text(cls, value: Any) -> Any:
        return value if isinstance(value, str | int) or not isinstance(value, Iterable) else ",".join(map(str, value))


_Model = TypeVar("_Model", bound=StackSettings)


def describe(name: str, model: type[StackSettings] = Settings) -> str:
    """Return the help text of one setting."""
    return model.model_fields[name].description or ""


def option_of(name: str, model: type[StackSettings] = Settings) -> Option:
    """Return how one setting is written on the command line."""
    found = next((each for each in model.model_fields[name].metadata if isinstance(each, Option)), Option())
    return found if found.flags else replace(found, flags=(f"--{name.replace('_', '-')}",))


def make_settings(**values: Any) -> Settings:
    """Build settings, turning what pydantic finds wrong into one line.

    Raises
    ------
    RequestError
        For an unknown setting or a value that does not fit.
    """
    return checked(Settings, values)


def checked(model: type[_Model], values: Mapping[str, Any]) -> _Model:
    """Build settings of any kind; errors as for :func:`make_settings`."""
    try:
        return model(**values)
    except ValidationError as error:
        raise RequestError(f"the settings do not fit: {explain_validation(error)}") from error


def explain_validation(error: ValidationError) -> str:
    """Return what pydantic found wrong as one line: name, problem, value got."""
    parts = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            parts.append(f"{name!r} is not known")
        elif not item["loc"]:  # values that exclude each other, which the message names
            parts.append(item["msg"].removeprefix("Value error, "))
        else:
            got = repr(item["input"])
            parts.append(
                f"{name}: {item['msg'][0].lower()}{item['msg'][1:]}, got {got if len(got) <= 80 else got[:77] + '...'}"
            )
    return "; ".join(parts)


def chosen_targets(settings: StackSettings) -> list[str]:
    """Return the options that say how dense the result is to be, as they are written on the command line."""
    given = {"factor": settings.factor, "spacing": settings.spacing, "isotropic": settings.isotropic or None}
    return [f"--{name}" for name, value in given.items() if value is not None]


def to_arguments(settings: StackSettings) -> list[str]:
    """Return the options of the command that takes these settings, such as ``depth-interp run``, that give them."""
    words: list[str] = []
    for name, value in settings.model_dump(exclude_defaults=True).items():
        flag = option_of(name, type(settings)).flags[0]
        if isinstance(value, dict):
            words += [word for key, given in value.items() for word in (flag, f"{key}={_as_word(given)}")]
        elif isinstance(value, list | tuple):
            words += [flag, ",".join(_as_word(each) for each in value)]
        else:
            words += [flag] if value is True else [flag, str(value)]
    return words


def _as_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load_settings(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a YAML settings file; checked, but only what the file says (so that options can be laid over it).

    Raises
    ------
    RequestError
        If the file is missing, no YAML, or holds unknown settings.
    """
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, RecursionError, yaml.YAMLError) as error:  # "!!int x" is a ValueError
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise RequestError(f"the settings file '{path}' cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise RequestError(f"the settings file '{path}' must hold 'name: value' lines, such as 'factor: 4'")
    if isinstance(values.get("times"), int):
        raise RequestError("write the time points in quotes, as in times: '1:3'; YAML takes 1:3 for a number")
    make_settings(**{str(key): value for key, value in values.items()})
    return values


def save_settings(path: str | PathLike[str], settings: Settings) -> None:
    """Write the settings that differ from the defaults as YAML; an existing file is replaced.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import yaml

    from ..io.files import replacing

    text = yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    with replacing(Path(path), overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""The command line. Each command: options -> settings -> the same functions that the library offers."""

from __future__ import annotations

import json as json_module
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from . import __version__
from .errors import DepthInterpError, RequestError
from .settings import DEFAULT_METHOD, Settings, describe, load_settings, make_settings

app = typer.Typer(
    name="depth-interp",
    help="Fill in the missing depth of microscopy and medical volumes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ClickError: Any = typer.BadParameter.__mro__[2]
"""The base of typer's usage errors, which typer itself does not name."""
_INTERRUPTED = 130
"""Exit status; some versions of typer return it for Ctrl-C, others raise Abort."""
_EXCLUSIVE = (("factor", "spacing", "isotropic"), ("depths", "z_spacing"))
"""Settings that answer the same question: an option replaces all that the settings file says about it."""


def _setting(name: str, *flags: str, **extra: Any) -> Any:
    """Make the option of one setting: name, help text and default come from the settings model."""
    default = Settings.model_fields[name].default
    shown = (
        "" if default is None or default is False else f" Default: {default}."
    )  # in [] it would be taken for a style
    flag = f"--{name.replace('_', '-')}"
    return typer.Option(*(flags or (flag,)), help=describe(name) + shown, show_default=False, **extra)


_FILE: dict[str, Any] = {"metavar": "FILE", "readable": False}
"""That a file cannot be read is said by whoever reads it, not by the parser of the options."""

Input = Annotated[Path, typer.Argument(metavar="IN", help="TIFF or NIfTI stack.", show_default=False, readable=False)]
Preset = Annotated[str | None, _setting("preset", metavar="fast|balanced|best")]
Acquisition = Annotated[str | None, _setting("acquisition", metavar="slice|projection:N")]
Axis = Annotated[str | None, _setting("axis", metavar="auto|x|y|z")]
ZSpacing = Annotated[str | None, _setting("z_spacing", metavar="LENGTH")]
Depths = Annotated[
    str | None,
    typer.Option(
        "--depths", metavar="FILE|A,B,C", help=describe("depths") + " A list, or a file with one number per line."
    ),
]
Channel = Annotated[str | None, _setting("channel")]
Parameters = Annotated[
    list[str] | None, typer.Option("-p", "--param", metavar="KEY=VALUE", help=describe("parameters") + " Repeatable.")
]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="YAML file of settings; options given here win over it.", **_FILE),
]
Nan = Annotated[str | None, _setting("nan", metavar="refuse|fill")]
Device = Annotated[str | None, _setting("device")]
Threads = Annotated[int | None, _setting("threads")]
Seed = Annotated[int | None, _setting("seed")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
Methods = Annotated[str | None, typer.Option("--methods", metavar="A,B,C", help="Methods, separated by commas.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def methods(json: Json = False, debug: Debug = False) -> None:
    """List the methods: what they do, when to use them, their parameters."""
    from .methods import registry

    specs = registry.specs()
    if json:
        _print_json({"methods": [_describe_spec(spec) for spec in specs]})
        return
    for spec in specs:
        typer.echo(f"{spec.name}: {spec.title}. {spec.summary}")
        typer.echo(f"    time: {spec.cost}; needs training data: {'yes' if spec.needs_training else 'no'}")
        for name, field in spec.config.model_fields.items():
            typer.echo(f"    -p {name}={field.default}: {field.description}")


@app.command()
def run(
    source: Input,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", readable=False)
    ],
    method: Annotated[str | None, _setting("method")] = None,
    preset: Preset = None,
    factor: Annotated[int | None, _setting("factor")] = None,
    spacing: Annotated[str | None, _setting("spacing", metavar="LENGTH")] = None,
    isotropic: Annotated[bool, _setting("isotropic")] = False,
    acquisition: Acquisition = None,
    axis: Axis = None,
    z_spacing: ZSpacing = None,
    depths: Depths = None,
    channel: Channel = None,
    parameters: Parameters = None,
    settings: SettingsFile = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Also write the expected absolute error per voxel.", **_FILE)
    ] = None,
    dtype: Annotated[str | None, _setting("dtype", metavar="keep|float32")] = None,
    nan: Nan = None,
    device: Device = None,
    threads: Threads = None,
    seed: Seed = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make a dense stack from a sparse one."""
    from . import io
    from .execute import execute
    from .progress import terminal_report
    from .request import resolve

    chosen = _settings(
        settings, parameters, depths, method=method, preset=preset, factor=factor, spacing=spacing,
        isotropic=isotropic or None, acquisition=acquisition, axis=axis, z_spacing=z_spacing, channel=channel,
        dtype=dtype, nan=nan, device=device, threads=threads, seed=seed,
    )  # fmt: skip
    _check_outputs([output] if uncertainty is None else [output, uncertainty], source, overwrite)
    request = resolve(io.read(source, axis=chosen.axis), chosen)
    if uncertainty is not None and not request.spec.gives_uncertainty:
        raise RequestError(
            f"{request.spec.name} gives no uncertainty; leave --uncertainty out, or choose another method"
        )
    io.check_format(output, request.dataset, request.grid, float_output=request.float_output)
    if uncertainty is not None:
        io.check_format(uncertainty, request.dataset, request.grid, float_output=True)
    with terminal_report(request.spec.name) as report:
        result = execute(request, report)
    result.save(output, overwrite=overwrite)
    if uncertainty is not None:
        result.save_uncertainty(uncertainty, overwrite=overwrite)
    if preset is not None and not request.spec.presets:
        result = replace(
            result, warnings=(*result.warnings, f"{request.spec.name} has no presets; --preset does nothing")
        )
    _warn(result.warnings)
    grid = result.dataset.grid
    summary = {
        "input": str(source), "output": str(output), "method": request.spec.name,
        "config": request.config.model_dump(mode="json"), "shape": list(result.dataset.shape),
        "spacing": grid.spacing, "unit": grid.unit, "seconds": result.seconds, "device": request.runtime.device,
        "seed": request.runtime.seed, "warnings": list(result.warnings), "expected_gain_db": None,
    }  # fmt: skip
    if json:
        _print_json(summary)
        return
    sizes = " x ".join(map(str, result.dataset.voxels.shape[2:]))
    typer.echo(
        f"{output}: {sizes} voxels (z, y, x), sections {grid.spacing:g} {grid.unit or '(no unit)'} apart, "
        f"{int(result.is_observed.sum())} observed and {int((~result.is_observed).sum())} new, "
        f"{request.spec.name}, {result.seconds:.1f} s"
    )


@app.command()
def evaluate(
    source: Input,
    methods: Methods = None,
    keep_every: Annotated[
        int | None, typer.Option(metavar="K", help="Keep every K-th section, hide the others.")
    ] = None,
    hold_out: Annotated[str | None, typer.Option(metavar="I,J", help="Hide these sections, counted from 0.")] = None,
    leave_one_out: Annotated[bool, typer.Option("--leave-one-out", help="Hide each inner section in turn.")] = False,
    reference: Annotated[Path | None, typer.Option(help="Dense truth of the same scene.", **_FILE)] = None,
    protocol: Annotated[
        str | None, typer.Option(metavar="projection:N", help="Average every N sections, hide them all.")
    ] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Full range of intensities. Default: percentiles 0.1 to 99.9 of the truth."),
    ] = None,
    preset: Preset = None,
    acquisition: Acquisition = None,
    axis: Axis = None,
    z_spacing: ZSpacing = None,
    depths: Depths = None,
    channel: Channel = None,
    nan: Nan = None,
    device: Device = None,
    threads: Threads = None,
    seed: Seed = None,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Score methods on sections of your own stack that they have not seen."""
    from . import io
    from .evaluate import evaluate as score
    from .progress import terminal_report

    chosen = _settings(
        None, None, depths, preset=preset, acquisition=acquisition, axis=axis, z_spacing=z_spacing, channel=channel,
        nan=nan, device=device, threads=threads, seed=seed,
    )  # fmt: skip
    names = _split(methods) or ["linear", "cubic"]
    how = _protocol(keep_every, hold_out, leave_one_out, reference, protocol)
    truth = None if reference is None else io.read(reference, axis=chosen.axis)
    dataset = io.read(source, axis=chosen.axis)
    with terminal_report("evaluate") as report:
        scores = score(dataset, names, how, chosen, reference=truth, data_range=data_range, report=report)
    if json:
        _print_json(scores.as_json())
        return
    _print_scores([(source.name, scores)])


@app.command()
def demo(
    methods: Methods = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo-output"),
    view: Annotated[bool, typer.Option("--view", help="Open the results in napari afterwards.")] = False,
    device: Device = None,
    threads: Threads = None,
    seed: Seed = None,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Hide sections of a real MRI and a simulated organoid, fill them, score them."""
    from .demo import run_demo
    from .progress import terminal_report

    chosen = _settings(None, None, None, preset="fast", device=device, threads=threads, seed=seed)
    with terminal_report("demo") as report:
        done = run_demo(out, _split(methods), chosen, report)
    if json:
        _print_json({"out": str(out), "stacks": {stack.name: scores.as_json() for stack, scores in done}})
    else:
        _print_scores([(stack.title, scores) for stack, scores in done])
        typer.echo(f"Dense stacks, scores.csv and figure.png are in {out}")
    if view:
        from .plugin.view import view_demo

        view_demo(out, [stack for stack, _ in done])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a file name may hold what the terminal cannot show
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = int(app(arguments, standalone_mode=False) or 0)
        return status if status != _INTERRUPTED else _interrupted(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except typer.Exit as error:
        return error.exit_code
    except _ClickError as error:
        return _fail(f"{error.format_message()} Try --help.", error.exit_code, arguments)
    except DepthInterpError as error:
        return _fail(str(error), error.exit_code, arguments)
    except OSError as error:
        return _fail(f"{_explain_os(error)}; check the disk and the permissions", 1, arguments)
    except MemoryError:
        return _fail("not enough memory; use a smaller factor or one --channel, or crop the stack", 1, arguments)
    except Exception as error:
        return _fail(f"unexpected {type(error).__name__}: {error}; please report it with --debug", 1, arguments)


def _interrupted(arguments: Sequence[str]) -> int:
    return _fail("interrupted; no file was left half-written", _INTERRUPTED, arguments)


def _explain_os(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"'{error.filename}': {reason}" if error.filename else reason


def _fail(message: str, status: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    line = " ".join(message.split())
    print(f"depth-interp: {line}", file=sys.stderr)
    if "--json" in arguments:
        _print_json({"error": line})
    return status


def _settings(file: Path | None, parameters: Sequence[str] | None, depths: str | None, **options: Any) -> Settings:
    """Lay the options over the settings file, and both over the defaults."""
    values: dict[str, Any] = dict(load_settings(file)) if file else {}
    given = {name: value for name, value in options.items() if value is not None}
    if depths is not None:
        given["depths"] = _read_depths(depths)
    for group in _EXCLUSIVE:
        if given.keys() & set(group):
            values = {name: value for name, value in values.items() if name not in group}
    if given.get("method") not in (None, values.get("method", DEFAULT_METHOD)):
        values.pop("parameters", None)  # they are the other method's
    values |= given
    if parameters:
        values["parameters"] = {**values.get("parameters", {}), **dict(_parse_parameter(item) for item in parameters)}
    return make_settings(**values)


def _parse_parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RequestError(f"'-p {text}' is not key=value; write for example -p kind=spline")
    if value[:1] in ("[", "{") or value == "null":
        try:
            return name.strip(), json_module.loads(value)
        except ValueError as error:
            raise RequestError(f"'-p {text}': {value} is not valid JSON ({error})") from error
    return name.strip(), value


def _read_depths(given: str) -> list[float]:
    """Read a list such as ``0,1,3.5``, or a file with one number per line and ``#`` comments."""
    path = Path(given)
    try:
        text = path.read_text(encoding="utf-8-sig") if "," not in given or path.exists() else given
        lines = [line.split("#")[0] for line in text.splitlines()]
        return [float(word) for line in lines for word in line.replace(",", " ").split()]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(
            f"--depths '{given}' must be numbers, or a file with one number per line: {reason}"
        ) from error


def _protocol(
    keep_every: int | None, hold_out: str | None, leave_one_out: bool, reference: Path | None, protocol: str | None
) -> Any:
    from .holdout import Protocol
    from .stack import Acquisition as Kind

    given = [value for value in (keep_every, hold_out, leave_one_out or None, reference, protocol) if value is not None]
    if len(given) != 1:
        raise RequestError(
            "choose one protocol: --keep-every K, --hold-out I,J, --leave-one-out, --reference FILE "
            f"or --protocol projection:N; got {len(given)}"
        )
    if keep_every is not None:
        return Protocol("keep_every", every=keep_every)
    if hold_out is not None:
        return Protocol("hold_out", sections=_indices(hold_out))
    if protocol is not None:
        if not protocol.startswith("projection:"):
            raise RequestError(f"the protocol '{protocol}' is not known; write projection:N, for example projection:6")
        return Protocol("projection", every=Kind.parse(protocol).n)
    return Protocol("reference" if reference is not None else "leave_one_out")


def _indices(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise RequestError(f"'{text}' is not a list of sections; write for example --hold-out 3,7,9") from None


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]


def _check_outputs(paths: Sequence[Path], source: Path, overwrite: bool) -> None:
    from . import io

    if len(paths) == 2 and paths[0].resolve() == paths[1].resolve():
        raise RequestError(f"'{paths[0]}' is given for the result and for the uncertainty; give two different names")
    for path in paths:
        if _same_file(path, source):
            raise RequestError(f"'{path}' is the input; give the output another name")
        if io.format_of(path) is None:
            raise RequestError(f"'{path}' has no known suffix; use one of {', '.join(io.SUFFIXES)}")
        io.check_output(path, overwrite=overwrite)


def _same_file(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:  # one is missing or may not be looked at: for the checks of reading and writing to say
        return False


def _print_scores(groups: Sequence[tuple[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from .report import describe_range, score_table, verdicts

    console = Console(width=None if sys.stdout.isatty() else 140)
    for title, scores in groups:
        heading = f"[bold]{escape(title)}[/bold]: {scores.protocol.describe()}"
        console.print(f"{heading}; data range {describe_range(scores)}; {scores.device}", highlight=False)
        console.print(score_table(scores))
        for line in verdicts(scores):
            console.print(line, highlight=False)
        _warn(dict.fromkeys(line for each in scores.methods for line in each.warnings))
    console.print(
        "Hidden sections only: mean over sections, or pooled over all of them; fg: Otsu foreground of the truth.",
        highlight=False,
    )


def _describe_spec(spec: Any) -> dict[str, Any]:
    fields = spec.config.model_json_schema().get("properties", {})
    return {
        "name": spec.name, "title": spec.title, "summary": spec.summary, "cost": spec.cost,
        "needs_training": spec.needs_training, "acquisitions": sorted(spec.acquisitions),
        "keeps_observed": spec.keeps_observed, "sampled": spec.sampled, "gives_uncertainty": spec.gives_uncertainty,
        "devices": list(spec.devices), "presets": {name: dict(values) for name, values in spec.presets.items()},
        "parameters": fields,
    }  # fmt: skip


def _warn(messages: Any) -> None:
    for message in messages:
        print(f"warning: {message}", file=sys.stderr)


def _print_json(value: dict[str, Any]) -> None:
    print(json_module.dumps(value, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main())

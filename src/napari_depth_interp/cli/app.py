"""The command line. Each command: options -> settings -> the same functions that the library offers."""

from __future__ import annotations

import logging
import shlex
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import RequestError
from ..labels.settings import LabelSettings
from ..run.settings import Settings
from ..system.amounts import elapsed, size_in_words
from ..system.logs import LEVELS, logging_to
from .align import align
from .batch import batch
from .bids import bids
from .doctor import doctor
from .files import check_outputs
from .fuse import fuse
from .label_scoring import LabelQuestion, evaluate_label_files, label_settings, labels_are_meant
from .labels import labels
from .models import app as models_app
from .options import (
    FILE,
    Debug,
    Input,
    Json,
    LpipsNet,
    LpipsWeights,
    Overwrite,
    methods_option,
    protocol_of,
    setting_option,
    split,
    takes_settings,
)
from .output import describe_result, describe_spec, print_estimate, print_json, print_scores, summarise, warn
from .prepare import prepare, with_prepared
from .repair import repair
from .signals import reporting
from .spread import DryRun, Resume, Scheduler, Workers, estimated, print_plan, spread_of
from .train import train

app = typer.Typer(
    name="depth-interp",
    help="Fill in the missing depth of microscopy and medical volumes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_log = logging.getLogger(__name__)

OF_EACH_METHOD = {
    "method", "parameters", "enhance", "enhance_parameters", "factor", "spacing", "isotropic", "dtype", "shard"
}  # fmt: skip
"""Settings that ``evaluate`` takes with each method, or that follow from the hidden sections."""


@dataclass(frozen=True)
class Call:
    """What all commands know of the call: its words, and what ends with it."""

    arguments: tuple[str, ...]
    ends: ExitStack


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    log_level: Annotated[
        str | None,
        typer.Option(
            envvar="DEPTH_INTERP_LOG_LEVEL", metavar="|".join(LEVELS),
            help="Log messages of this level and above. May also stand after the command.",
        ),
    ] = None,
    log_file: Annotated[
        Path | None,
        typer.Option(envvar="DEPTH_INTERP_LOG_FILE", help="File for the log, instead of standard error.", **FILE),
    ] = None,
) -> None:  # fmt: skip
    call: Call = context.obj
    call.ends.enter_context(logging_to(log_level, log_file))
    _log.info("version %s: depth-interp %s", __version__, shlex.join(call.arguments))
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def methods(json: Json = False, debug: Debug = False) -> None:
    """List the methods: what they do, when to use them, their parameters."""
    from ..methods import registry

    specs = registry.specs()
    if json:
        print_json({"methods": [describe_spec(spec) for spec in specs]})
        return
    for spec in specs:
        typer.echo(f"{spec.name}: {spec.title}. {spec.summary}")
        typer.echo(f"    time: {spec.cost}; needs training data: {'yes' if spec.needs_model else 'no'}")
        for name, field in spec.config.model_fields.items():
            typer.echo(f"    -p {name}={field.default}: {field.description}")


@app.command()
@takes_settings(file=True)
def run(
    source: Input,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", readable=False)
    ],
    *,
    settings: Settings,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Also write the expected absolute error per voxel.", **FILE)
    ] = None,
    prepared: Annotated[
        Path | None,
        typer.Option(help="What depth-interp prepare has learned, of this stack or of one of its kind.", **FILE),
    ] = None,
    overwrite: Overwrite = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say how much time and memory the run would take, and do not run.")
    ] = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make a dense stack from a sparse one."""
    from .. import io
    from ..run.execute import execute
    from ..run.outputs import choose_target
    from ..run.request import resolve

    outputs = {"result": output, "uncertainty": uncertainty}
    check_outputs(outputs, [source, prepared], overwrite=overwrite or resume)
    known, settings = with_prepared(prepared, settings)
    request = resolve(io.open_stack(source, axis=settings.axis), settings)
    if uncertainty is not None and not request.spec.gives_uncertainty:
        raise RequestError(
            f"{request.spec.name} gives no uncertainty; leave --uncertainty out, or choose another method"
        )
    io.check_format(output, request.dataset, request.grid, float_output=request.float_output)
    if uncertainty is not None:
        io.check_format(uncertainty, request.dataset, request.grid, float_output=True)
    spread = spread_of(workers, scheduler, source, settings)
    target = choose_target(request, output, uncertainty, overwrite=overwrite, resume=resume, spread=spread)
    if dry_run:
        print_plan(request, target, as_json=json)
        return
    if estimate:
        print_estimate(estimated(request, target), as_json=json)
        return
    runtime = request.runtime
    _log.info("%s %s on %s, %d threads", request.spec.name, request.config, runtime.device, runtime.threads)
    with reporting(request.spec.name) as report:
        result = execute(request, report, target, known)
    _log.info(
        "computed in %s, %s at most", elapsed(result.seconds or 0), size_in_words(1e6 * (result.peak_memory_mb or 0))
    )
    if target is None:
        result.save(output, overwrite=overwrite)
    if target is None and uncertainty is not None:
        result.save_uncertainty(uncertainty, overwrite=overwrite)
    if "preset" in settings.model_fields_set and not request.spec.presets:
        result = replace(
            result, warnings=(*result.warnings, f"{request.spec.name} has no presets; --preset does nothing")
        )
    warn(result.warnings)
    if json:
        print_json(summarise(source, output, request, result))
    else:
        typer.echo(describe_result(output, request, result))


@app.command()
@takes_settings(leave_out=OF_EACH_METHOD)
def evaluate(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Stacks, as for run.", show_default=False, readable=False),
    ],
    methods: Annotated[str | None, methods_option("linear,cubic")] = None,
    keep_every: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Keep every K-th section, hide the others. One protocol is needed: this, or one of the next four.",
        ),
    ] = None,
    hold_out: Annotated[str | None, typer.Option(metavar="I,J", help="Hide these sections, counted from 0.")] = None,
    leave_one_out: Annotated[bool, typer.Option("--leave-one-out", help="Hide each inner section in turn.")] = False,
    reference: Annotated[
        Path | None, typer.Option(help="Dense recording of the same scene, to compare the result with.", **FILE)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="projection:N|sr4",
            help="projection:N averages every N sections of a dense stack, sr4 blocks of 4 x 4 x 4 voxels; the methods "
            "get the averages and have to restore the stack.",
        ),
    ] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Full range of intensities. Default: percentiles 0.1 to 99.9 of the truth."),
    ] = None,
    lpips: LpipsNet = None,
    lpips_weights: LpipsWeights = None,
    as_labels: Annotated[
        bool | None,
        typer.Option(
            "--as-labels/--no-labels",
            help="The files hold labels: hide annotated sections and score methods for labels. Default: where files "
            "say so or look so.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Labels of the objects of the stack, drawn on all its sections: also segment what each method made, "
            "and the sparse stack, and compare.",
            **FILE,
        ),
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command that segments for --labels, such as 'python segment.py {in} {out}': TIFF in, TIFF of labels "
            "out. Default: Otsu and watershed.",
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="Image that the labels were drawn on, for methods that look at it.", **FILE)
    ] = None,
    annotated: Annotated[str | None, setting_option("annotated", LabelSettings)] = None,
    label: Annotated[str | None, setting_option("labels", LabelSettings)] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write an HTML report with figures, and all scores as CSV and JSON."),
    ] = None,
    overwrite: Overwrite = False,
    *,
    settings: Settings,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Score methods on sections of your own stacks that they have not seen."""
    from .scoring import Question, check_labels_file, evaluate_stacks, lpips_choice

    check_labels_file(labels)
    call: Call = context.obj
    names, hiding = split(methods), protocol_of(keep_every, hold_out, leave_one_out, reference, protocol)
    of_labels = {"image": image, "annotated": annotated, "labels": label}
    of_images = {
        "--reference": reference, "--protocol": protocol, "--data-range": data_range, "--lpips": lpips,
        "--lpips-weights": lpips_weights, "--labels": labels, "--segment": segment,
    }  # fmt: skip
    if labels_are_meant(as_labels, sources, settings, names, of_labels, of_images):
        chosen = label_settings(settings, {"annotated": annotated, "labels": label}, of_images)
        asked = LabelQuestion(names, hiding, chosen, image, report, overwrite)
        evaluate_label_files(sources, asked, call.arguments, as_json=json)
        return
    question = Question(
        names or ["linear", "cubic"], hiding, settings, reference, data_range, lpips_choice(lpips, lpips_weights),
        report, overwrite, labels, segment,
    )  # fmt: skip
    evaluate_stacks(sources, question, call.arguments, as_json=json)


@app.command()
@takes_settings(only=("device", "threads", "seed"))
def demo(
    methods: Annotated[
        str | None, methods_option("all that add sections, need no trained model and draw no random samples")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo-output"),
    view: Annotated[bool, typer.Option("--view", help="Open the results in napari afterwards.")] = False,
    lpips: LpipsNet = None,
    lpips_weights: LpipsWeights = None,
    *,
    settings: Settings,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Hide sections of a real MRI and of simulated tissue, fill them, score and segment them."""
    from ..demo import run_demo
    from .scoring import announce_lpips, lpips_choice, warn_without_lpips

    if view:
        from ..plugin.view import check_viewer, view_demo

        check_viewer()
    choice = lpips_choice(lpips, lpips_weights)
    announce_lpips(choice)
    with reporting("demo") as report:
        done = run_demo(out, split(methods), settings.model_copy(update={"preset": "fast"}), report, lpips=choice)
    warn_without_lpips([scores for _, scores in done])
    if json:
        print_json({"out": str(out), "stacks": {stack.name: scores.as_json() for stack, scores in done}})
    else:
        print_scores([(stack.title, scores) for stack, scores in done])
        typer.echo(
            f"Look at {out / 'report.html'} and segmentation.png beside it; dense stacks and scores.csv are there, too"
        )
    if view:
        view_demo(out, [stack for stack, _ in done])


@app.command()
@takes_settings(leave_out=("method", "preset", "parameters", "enhance", "enhance_parameters", "seed"))
def render(
    source: Input,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", readable=False)
    ],
    prepared: Annotated[Path, typer.Option(help="What depth-interp prepare has learned.", **FILE)],
    *,
    settings: Settings,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Also write the expected absolute error per voxel.", **FILE)
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
    json: Json = False,
) -> None:
    """Make a dense stack with what was prepared, without learning anything: the second half of run."""
    make: Any = run.__wrapped__  # type: ignore[attr-defined]  # run with its settings in one
    make(
        source, output, settings=settings, uncertainty=uncertainty, prepared=prepared, overwrite=overwrite, debug=debug,
        json=json,
    )  # fmt: skip


app.command()(prepare)
app.command()(align)
app.command()(labels)
app.command()(repair)
app.command()(fuse)
app.command()(batch)
app.command()(bids)
app.command()(train)
app.command()(doctor)
app.add_typer(models_app, name="models")

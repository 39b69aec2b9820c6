"""The demonstration: hide sections of a real MRI and of simulated tissue, fill them, score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from . import io
from .errors import OutputError
from .evaluation.evaluate import LpipsChoice, Scores, evaluate
from .evaluation.holdout import Protocol, Trial
from .methods import registry
from .progress import Report, part, silent
from .report import Montage, save_montages, write_csv
from .report.pictures import Pictures
from .run.result import Result
from .run.settings import Settings
from .simulate import simulate
from .stack import Dataset
from .system.optional import need


@dataclass(frozen=True, eq=False)
class DemoStack:
    """A dense stack with known truth, how it is thinned out, and the suffix its results are saved with."""

    name: str
    title: str
    dataset: Dataset
    keep_every: int
    suffix: str


def demo_stacks() -> list[DemoStack]:
    """Return the MRI that nibabel carries (first volume) and a simulated organoid."""
    return [
        DemoStack("mri", "MRI of a head (carried by nibabel)", example_mri(), 2, ".nii.gz"),
        DemoStack("organoid", "Simulated organoid", simulate("organoid").observed, 4, ".tif"),
    ]


def example_mri() -> Dataset:
    """Return the first volume of nibabel's ``example4d.nii.gz``: 24 sections of 96 x 128 pixels."""
    # Not nibabel.testing.data_path: importing it needs pytest.
    dataset = io.read(Path(str(files("nibabel"))) / "tests" / "data" / "example4d.nii.gz")
    return replace(dataset, voxels=dataset.voxels[:1], axes="ZYX", time_step=None)


def default_methods() -> list[str]:
    """Return the methods that add sections, need no trained model and draw no random samples, which take minutes."""
    usable = [spec for spec in registry.specs() if not (spec.needs_model or spec.sampled or spec.enhances)]
    return [spec.name for spec in usable if spec.enlarges == 1]


def run_demo(
    out: Path,
    methods: Sequence[str] | None = None,
    settings: Settings | None = None,
    report: Report = silent,
    *,
    lpips: LpipsChoice | None = None,
) -> list[tuple[DemoStack, Scores]]:
    """Write sparse and dense stacks, ``scores.csv`` and ``figure.png`` to the folder ``out``.

    Parameters
    ----------
    out : Path
        Made if missing; files of an earlier demonstration are replaced.
    methods : sequence of str, optional
        Default: all that need no trained model and draw no random samples.
    settings : Settings, optional
        Preset, device, threads and seed.
    report : callable
    lpips : LpipsChoice, optional
        Also score LPIPS.

    Returns
    -------
    list of (DemoStack, Scores)
    """
    need("matplotlib", "report", "the figure of the demonstration")
    methods = list(methods or default_methods())
    for name in methods:
        registry.get(name)  # an unknown one: before anything is made
    _make_folder(out)
    stacks = demo_stacks()
    done: list[tuple[DemoStack, Scores]] = []
    montages = []
    for i, stack in enumerate(stacks):
        inner = part(report, i / len(stacks), (i + 1) / len(stacks), stack.name)
        scores, montage = _run_stack(stack, out, methods, settings or Settings(preset="fast"), lpips, inner)
        done.append((stack, scores))
        montages.append(montage)
    write_csv(out / "scores.csv", [(stack.name, scores) for stack, scores in done], overwrite=True)
    save_montages(out / "figure.png", montages, overwrite=True)
    return done


def _run_stack(
    stack: DemoStack,
    out: Path,
    methods: Sequence[str],
    settings: Settings,
    lpips: LpipsChoice | None,
    report: Report,
) -> tuple[Scores, Montage]:
    truth = stack.dataset
    pictures = Pictures(truth, settings)

    def keep(method: str, trial: Trial, result: Result) -> None:
        pictures.keep(method, trial, result)
        dense = replace(result, dataset=replace(result.dataset, source=truth.source))
        dense.save(out / f"{stack.name}_{method}{stack.suffix}", overwrite=True)
        sparse = replace(trial.visible, source=truth.source)
        io.write(out / f"{stack.name}_sparse{stack.suffix}", sparse, overwrite=True)

    protocol = Protocol("keep_every", every=stack.keep_every)
    scores = evaluate(truth, methods, protocol, settings, lpips=lpips, report=report, on_result=keep)
    sections = pictures.montages(scores.data_range[0])[:-1]
    middle = sections[len(sections) // 2]
    return scores, replace(middle, title=f"{stack.title}: section {middle.index}, {scores.protocol.describe()}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder '{out}' cannot be made: {error.strerror}; choose another with --out") from error

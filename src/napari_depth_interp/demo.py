"""The demonstration: hide sections of a real MRI and of simulated tissue, fill them, score and segment them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path

from . import io
from .errors import OutputError
from .evaluation.downstream import RECORDED, SPARSE
from .evaluation.evaluate import BASELINE, ExpertLabels, LpipsChoice, Scores, evaluate
from .evaluation.holdout import Protocol, Trial
from .methods import registry
from .progress import Report, part, silent
from .report import Montage, save_montages
from .report.page import Chapter, write_report
from .report.pictures import Pictures
from .report.segmentation_figure import SegmentationPlanes
from .run.result import Result
from .run.settings import Settings
from .simulate import nuclei, simulate
from .stack import Dataset
from .system.devices import available_devices, default_threads
from .system.helper import one_by_one, with_helper
from .system.optional import need

_SEGMENTED = ("linear", "cubic", "flow", "auto")
"""Methods that fill the stack that is segmented, too: those that many would compare, so that it takes seconds."""
_SEGMENTER = "watershed"
_NUCLEI = (29, 64, 64)
"""Sections, rows and columns of the stack that is segmented."""
_ORGANOID = (53, 112, 112)
"""Large enough to show its cells; of every fourth section kept, none is left over."""


@dataclass(frozen=True, eq=False)
class DemoStack:
    """A dense stack with known truth, how it is thinned out, and the suffix its results are saved with.

    ``labels``: of its objects, where it is to be segmented, too.
    """

    name: str
    title: str
    dataset: Dataset
    keep_every: int
    suffix: str
    labels: Dataset | None = None

    def chosen(self, methods: Sequence[str]) -> list[str]:
        """Return which of the methods fill this stack."""
        few = [name for name in methods if name in _SEGMENTED]
        return few if self.labels is not None and few else list(methods)


def demo_stacks() -> list[DemoStack]:
    """Return the MRI that nibabel carries (first volume), a simulated organoid, and simulated nuclei with labels."""
    made, objects = nuclei(shape=_NUCLEI)
    labels = Dataset(objects[None, None], made.observed.grid)
    return [
        DemoStack("mri", "MRI of a head (carried by nibabel)", example_mri(), 2, ".nii.gz"),
        DemoStack("organoid", "Simulated organoid", simulate("organoid", shape=_ORGANOID).observed, 4, ".tif"),
        DemoStack("nuclei", "Simulated nuclei", made.observed, 4, ".tif", labels),
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
    """Write sparse and dense stacks, two figures, and a report with all scores to the folder ``out``.

    ``report.html`` is the page; ``figure.png`` shows a hidden section of each stack, ``segmentation.png`` what a
    segmenter finds in the stack that has labels: filled, as sparse as it was, and as it was recorded. Where methods
    train on the CPU and may use two threads, two processes share the stacks.

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
    stacks, settings = demo_stacks(), settings or Settings(preset="fast")
    threads = settings.threads or default_threads()
    takes_long = any(registry.get(name).trains_on_stack for name in methods)
    share = with_helper if takes_long and threads > 1 and _on_cpu(settings) else one_by_one
    if share is with_helper:  # small networks hardly gain from a second thread
        settings = settings.model_copy(update={"threads": threads // 2})
    made = share(partial(_run_stack, out=out, methods=methods, settings=settings, lpips=lpips), stacks, report)
    chapters = [chapter for chapter, _ in made]
    save_montages(out / "figure.png", [montage for _, montage in made], overwrite=True)
    write_report(out, chapters, "depth-interp demo", overwrite=True)
    return [(stack, chapter.scores) for stack, chapter in zip(stacks, chapters, strict=True)]


def _run_stack(
    stack: DemoStack,
    report: Report,
    *,
    out: Path,
    methods: Sequence[str],
    settings: Settings,
    lpips: LpipsChoice | None,
) -> tuple[Chapter, Montage]:
    report = part(report, 0.0, 1.0, stack.name)
    methods, truth = stack.chosen(methods), stack.dataset
    pictures, planes = Pictures(truth, settings), SegmentationPlanes(_SEGMENTER)
    labels = None if stack.labels is None else ExpertLabels(stack.labels, on_segmented=planes.keep)

    def keep(method: str, trial: Trial, result: Result) -> None:
        pictures.keep(method, trial, result)
        dense = replace(result, dataset=replace(result.dataset, source=truth.source))
        dense.save(out / f"{stack.name}_{method}{stack.suffix}", overwrite=True)
        sparse = replace(trial.visible, source=truth.source)
        io.write(out / f"{stack.name}_sparse{stack.suffix}", sparse, overwrite=True)

    protocol = Protocol("keep_every", every=stack.keep_every)
    scores = evaluate(truth, methods, protocol, settings, lpips=lpips, labels=labels, report=report, on_result=keep)
    if stack.labels is not None and scores.downstream is not None:
        best = next((name for name in ("auto", *methods[::-1]) if name in methods), BASELINE)
        shown = list(dict.fromkeys([SPARSE, BASELINE, best, RECORDED]))
        size = truth.grid.spacing or 1.0, (truth.grid.pixel_size or (1.0, 1.0))[1]
        drawn = stack.labels.voxels[0, 0]
        planes.save(out / "segmentation.png", drawn, scores.downstream, size[0] / size[1], shown, overwrite=True)
    sections = pictures.montages(scores.data_range[0])[:-1]
    middle = sections[len(sections) // 2]
    title = f"{stack.title}: section {middle.index}, {scores.protocol.describe()}"
    return Chapter(stack.name, scores, pictures), replace(middle, title=title)


def _on_cpu(settings: Settings) -> bool:
    return settings.device == "cpu" or (settings.device == "auto" and available_devices() == ["cpu"])


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder '{out}' cannot be made: {error.strerror}; choose another with --out") from error

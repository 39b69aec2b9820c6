"""What the dock does where the chosen layer holds labels: which boxes it shows, what it asks, what comes back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels

from ...errors import RequestError
from ...evaluation.label_trials import KINDS
from ...labels.settings import LabelSettings, make_label_settings
from ...run.result import RECORD_KEY
from ...system.amounts import duration
from ..layers.command_input import CommandInput
from ..layers.label_layers import with_history
from .label_box import LabelMethodsBox
from .label_panel import LabelScoresPanel
from .label_task import LabelOutcome, LabelQuestion, compare_labels_task, label_command_of, label_report_task

if TYPE_CHECKING:
    from .widget import CompareMethods

_SHARED = ("z_spacing", "depths")


class LabelMode:
    """Compares methods for labels in a dock; ``box`` and ``panel`` stand where those of grey images do."""

    def __init__(self, dock: CompareMethods) -> None:
        self._dock = dock
        self._layer: Labels | None = None
        self.box, self.panel = LabelMethodsBox(dock.viewer), LabelScoresPanel(dock.viewer)
        self.panel.report_wanted.connect(self.write_report)

    @property
    def is_on(self) -> bool:
        """Whether the chosen layer holds labels."""
        return isinstance(self._dock.stack.layer, Labels)

    def leave(self) -> None:
        """Let go of the viewer."""
        self.box.leave()

    def show_boxes(self) -> None:
        """Show the methods that fit the layer."""
        self.box.setVisible(self.is_on)
        for box in (self._dock.methods, self._dock.more):
            box.setVisible(not self.is_on)

    def settings(self) -> LabelSettings:
        """Return what holds for all methods.

        Raises
        ------
        RequestError
            If a part of the stack is chosen, or projections: labels have neither.
        """
        values = self._dock.stack.values()
        wrong = [name for name, value in values.items() if value is not None and name not in _SHARED]
        if wrong:
            raise RequestError(f"labels are compared whole and as they are drawn; leave '{wrong[0]}' as it was")
        return make_label_settings(**{name: values[name] for name in _SHARED if values.get(name) is not None})

    def check(self) -> None:
        """Raise a :class:`DepthInterpError` if the boxes ask for what cannot be; nothing is read for it."""
        self.settings()
        self.box.methods()
        if self._dock.protocol.protocol().kind not in KINDS:
            raise RequestError(
                "labels are compared by hiding annotated sections; choose a protocol that keeps one section in a few, "
                "hides chosen ones, or leaves one out"
            )

    def question(self) -> LabelQuestion:
        """Return what the boxes ask for; errors as :meth:`check`."""
        self.check()
        layer = self._dock.stack.layer
        assert isinstance(layer, Labels)
        dataset = with_history(layer)
        record, settings = dataset.record[RECORD_KEY], self.settings()
        if record["interpolated"]:  # what was filled in is no truth
            settings = settings.model_copy(update={"annotated": ",".join(map(str, record["annotated"]))})
        return LabelQuestion(
            replace(dataset, record={}),
            self.box.methods(),
            self._dock.protocol.protocol(),
            settings,
            self.box.image(),
        )

    def run(self) -> None:
        """Start a comparison."""
        self._layer = self._dock.stack.layer
        self._dock.start_job(partial(compare_labels_task, self.question()), "comparing", self._dock.labels_returned)

    def returned(self, outcome: LabelOutcome) -> None:
        """Show what came back."""
        assert self._layer is not None
        depths = outcome.question.dataset.grid.depths
        source = CommandInput.of(
            self._layer, None if depths is None else depths.tolist(), outcome.question.dataset.grid.unit
        )
        layer = self.box.layer
        image = None if layer is None else layer.source.path
        self._command = partial(label_command_of, outcome.question, source, image)
        self.panel.show_outcome(outcome, self._layer, self._command)
        self._dock.show_page(self.panel)
        seconds = sum(each.seconds for each in outcome.scores.methods)
        count = len(outcome.scores.methods)
        self._dock.bar.say(
            f"{count} method{'' if count == 1 else 's'} for labels compared, {duration(seconds)} of computing"
        )

    def write_report(self, folder: Path) -> None:
        """Write the HTML report of the comparison in view into a folder."""
        outcome = self.panel.outcome
        if self._dock.job is not None or outcome is None or self._layer is None:
            return
        task = partial(label_report_task, outcome, self._layer.name, folder, self._command(str(folder)))
        self._dock.start_job(task, "writing the report", self._dock.report_written)

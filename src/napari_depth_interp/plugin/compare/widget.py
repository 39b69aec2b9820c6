"""Puts the boxes together; the one place that starts and ends comparisons."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from ...errors import DepthInterpError
from ...evaluation.evaluate import Scores
from ...run.inputs import prepare_dataset, whole_image
from ...run.settings import Settings, make_settings
from ...system.amounts import duration
from ..boxes.more_box import MoreSettingsBox
from ..boxes.stack_box import StackBox
from ..boxes.stack_words import check_sections
from ..jobs.job_widget import JobWidget
from ..jobs.messages import for_window
from ..jobs.run_bar import RunBar
from ..layers import place
from ..preferences import preference
from .label_mode import LabelMode
from .label_task import LabelOutcome
from .methods_box import MethodsBox
from .protocol_box import ProtocolBox
from .results import Comparison
from .scores_panel import ScoresPanel
from .task import Question, ReportOrder, Scored, compare_task, report_task


class _Feed(QObject):
    """Brings each method's scores from the job's thread to the window's."""

    scored = Signal(object)

    def send(self, scored: Scored) -> None:
        """Send one; a method of its own, because a signal alone would not keep the object alive."""
        self.scored.emit(scored)


class CompareMethods(JobWidget):
    """Score methods on hidden sections of a stack, and look at what they made.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    advice = "take a slow method off the list, or use a crop of the stack"
    foreseen = (DepthInterpError, OSError)

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._running: Comparison | None = None
        self._data: Any = None
        self.stack = StackBox(napari_viewer, takes_labels=True)
        self.protocol = ProtocolBox(napari_viewer)
        self.methods = MethodsBox()
        self.more = MoreSettingsBox(("align",))
        self.bar = RunBar("Score these methods. The window stays usable meanwhile.", preview=False)
        self.scores = ScoresPanel(napari_viewer)
        self.labels = LabelMode(self)
        self.drops = self.stack
        boxes = (self.stack, self.protocol, self.methods, self.labels.box, self.more)
        self.lay_out(boxes, {"Scores": self.scores, "Labels": self.labels.panel})
        for box in boxes:
            box.changed.connect(self.bar.forget_problem)
            box.changed.connect(self._check)
        self.bar.run_clicked.connect(self.run)
        self.bar.cancel_clicked.connect(self.cancel)
        self.scores.report_wanted.connect(self.write_report)
        for panel in (self.scores, self.labels.panel):
            panel.said.connect(self._say)
        self._check()

    def settings(self) -> Settings:
        """Return what holds for all methods.

        Raises
        ------
        RequestError
            If a value does not fit.
        """
        return make_settings(device=preference("device"), **self.stack.values(), **self.more.values())

    def question(self) -> Question:
        """Return what the boxes ask for.

        Raises
        ------
        DepthInterpError
            If a value does not fit, or there is no usable layer.
        """
        return Question(
            self.stack.dataset(),
            self.methods.methods(),
            self.protocol.protocol(),
            self.settings(),
            self.protocol.reference(),
            self.protocol.data_range(),
            self.methods.lpips(),
        )

    # Running

    def run(self) -> None:
        """Start a comparison."""
        layer = self.stack.layer
        if self.job is not None:
            return
        if self.labels.is_on:
            self._run_labels()
            return
        try:
            question = self.question()
            dataset = prepare_dataset(question.dataset, question.settings)
            check_sections(dataset)
        except DepthInterpError as error:
            self._failed(error)
            return
        assert layer is not None
        if question.settings.z_spacing is not None:
            place(
                layer, prepare_dataset(question.dataset, whole_image(question.settings))
            )  # so that the results lie over it
        self._running, self._data = Comparison(question, layer, self.protocol.reference_layer), layer.data
        feed = _Feed()
        feed.scored.connect(self._scored)
        self.start_job(partial(compare_task, question, feed.send), "comparing", self._returned)

    def _run_labels(self) -> None:
        try:
            self.labels.run()
        except DepthInterpError as error:
            self._failed(error)

    def labels_returned(self, outcome: LabelOutcome) -> None:
        """Show a comparison of methods for labels, unless it was cancelled at the very end."""
        if self.job is None or self.job.abort_requested:
            self._cancelled()
            return
        self.labels.returned(outcome)

    def write_report(self, folder: Path) -> None:
        """Write the HTML report of the comparison in view into a folder."""
        comparison = self.scores.comparison
        if self.job is not None:
            self._say("wait until the run has ended, or cancel it; then write the report", True)
            return
        if comparison is None or comparison.scores is None:
            return
        scored = [comparison.scored[each.method] for each in comparison.scores.methods]
        command = comparison.command(str(folder))
        order = ReportOrder(comparison.question, scored, comparison.scores, comparison.title, folder, command)
        self.start_job(partial(report_task, order), "writing the report", self.report_written)

    def next_hidden(self) -> None:
        """Show the next hidden section."""
        self.scores.step_hidden(1)

    def previous_hidden(self) -> None:
        """Show the hidden section before."""
        self.scores.step_hidden(-1)

    def flicker(self) -> None:
        """Show truth and the chosen method by turns, or stop that."""
        self.scores.toggle_flicker()

    def _scored(self, scored: Scored) -> None:
        if self._running is None:
            return
        if self.scores.comparison is not self._running:
            self.scores.begin(self._running)
            self.show_page(self.scores)
        self.scores.add(scored)

    def _returned(self, scores: Scores) -> None:
        comparison = self._running
        if comparison is None or self.job is None or self.job.abort_requested:  # cancelled at the very end
            self._cancelled()
            return
        self.scores.complete(scores)
        notes = []
        if comparison.layer not in self.viewer.layers or comparison.layer.data is not self._data:
            notes.append("the input layer was changed or removed during the run; the scores belong to the old data")
            show_warning(notes[0])
        seconds = sum(each.seconds for each in scores.methods)
        self.bar.say("; ".join([f"{_count(len(scores.methods))} compared, {duration(seconds)} of computing", *notes]))

    def report_written(self, page: Path) -> None:
        """Say where the report is."""
        self.bar.say(f"the report is {page}")

    def _cancelled(self, *_: Any) -> None:
        done = 0 if self._running is None else len(self._running.scored)
        self.bar.say(f"cancelled; {_count(done)} done" if done else "cancelled; nothing was changed")

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._running, self._data = None, None
        self.methods.refresh()
        self._check()

    def _say(self, text: str, problem: bool) -> None:
        self.bar.say(text, problem=problem)

    def leave(self) -> None:
        """Let go of the viewer."""
        self.stack.leave()
        self.protocol.leave()
        self.scores.leave()
        self.labels.leave()

    # Checking what the boxes show

    def _check(self, *_: Any) -> None:
        layer = self.stack.layer
        self.bar.set_input("" if layer is None else layer.name)
        self.labels.show_boxes()
        if self.labels.is_on:
            self._check_labels()
            return
        try:
            check_sections(self.stack.described(make_settings(**self.stack.values())))
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error))  # the box above says it already
            return
        try:
            self.methods.methods()
            self.protocol.protocol()
            self.protocol.data_range()
            self.protocol.reference()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error), in_message=True)
        else:
            self.bar.set_ready(True)

    def _check_labels(self) -> None:
        try:
            self.stack.described(self.settings())
            self.labels.check()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error), in_message=True)
        else:
            self.bar.set_ready(True)


def _count(methods: int) -> str:
    return f"{methods} method{'' if methods == 1 else 's'}"

"""Puts the boxes together; the one place that starts and ends batches."""

from __future__ import annotations

import shlex
import time
from functools import partial
from typing import Any

import napari
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QApplication, QWidget

from ...batch import FileRecord, Plan, Processes, State, Stop, Summary
from ...batch.plan import Found, check_settings
from ...errors import DepthInterpError
from ...run.settings import Settings, to_arguments
from ...system.amounts import size_in_words
from ..boxes.compute_box import ComputeBox
from ..boxes.method_box import MethodBox
from ..boxes.more_box import MoreSettingsBox
from ..boxes.target_box import TargetBox
from ..jobs.messages import for_window
from ..jobs.run_bar import RunBar
from ..jobs.settings_widget import SettingsWidget
from .files_page import FilesPage
from .folders_box import FoldersBox
from .options_box import OptionsBox
from .search import FolderSearch
from .task import Order, batch_task

_OFTEN = 0.1
"""Seconds between two signals about one file at work."""


class _Feed(QObject):
    """Brings the changes of rows from the job's thread to the window's."""

    changed = Signal(object, float)

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[str, float]] = {}

    def send(self, row: FileRecord, fraction: float) -> None:
        """Send a change of state at once, progress now and then."""
        state, when = self._last.get(row.file, ("", 0.0))
        if state != row.state or time.monotonic() - when >= _OFTEN:
            self._last[row.file] = row.state, time.monotonic()
            self.changed.emit(row, fraction)


class BatchFolder(SettingsWidget):
    """Run one method on every file of a folder.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    subcommand = "batch"
    draws = False
    advice = "use a smaller factor, or fewer files at once"
    foreseen = (DepthInterpError, OSError)

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._order: Order | None = None
        self._feed: _Feed | None = None
        self.folders = FoldersBox()
        self.target = TargetBox()
        self.method = MethodBox()
        self.compute = ComputeBox()
        self.options = OptionsBox()
        self.bar = RunBar("Make the results of all files. The window stays usable meanwhile.", preview=False)
        self.files = FilesPage(napari_viewer)
        self._search = FolderSearch(self)
        self._list_later = False
        edited = (self.folders, self.target, self.method, self.compute)
        self.more = MoreSettingsBox.beside(edited)
        self.settings_boxes = (*edited, self.more)
        boxes = (*self.settings_boxes, self.options)
        self.drops = self.folders
        self.lay_out((*boxes, self.settings_buttons()), {"Files": self.files})
        self.show_first()
        for box in boxes:
            box.changed.connect(self.bar.forget_problem)
            box.changed.connect(self._check)
        self.folders.changed.connect(self._search.soon)
        self._search.due.connect(self._list_files)
        self._search.found.connect(self._found)
        self._search.failed.connect(self._not_found)
        self.bar.run_clicked.connect(self.run)
        self.bar.cancel_clicked.connect(self.cancel)
        self.files.copy_wanted.connect(self._copy)
        self._check()

    # Settings

    def set_settings(self, settings: Settings) -> None:
        """Show these settings, and say which of those that no box edits are not the usual ones.

        Raises
        ------
        RequestError
            If a value does not fit; nothing has changed then.
        """
        super().set_settings(settings)
        self.options.show_unedited(self._unedited)

    def show_first(self) -> None:
        """Show the settings of the last run, less an enhancement: its parameters have no box here."""
        super().show_first()
        self.set_settings(self.settings().model_copy(update={"enhance": None, "enhance_parameters": {}}))

    def plan(self) -> Plan:
        """Return what the boxes ask for.

        Raises
        ------
        DepthInterpError
            If a value does not fit.
        """
        scoring = self.compute.scoring()
        plan = Plan(
            settings=self.settings(), uncertainty=self.options.uncertainty(), **self.folders.choice(),
            keep_every=scoring.keep_every if scoring else None, data_range=scoring.data_range if scoring else None,
        )  # fmt: skip
        check_settings(plan, here=False)  # the devices are told by their box
        return plan

    def command(self) -> str:
        """Return the command line that does the same."""
        plan = self.plan()
        words = ["depth-interp", "batch", str(plan.source), str(plan.target)]
        flags = ("recursive", "uncertainty", "resume", "overwrite")
        words += [f"--{name}" for name in flags if getattr(plan, name)]
        words += [word for pattern in plan.patterns for word in ("--pattern", pattern)]
        if plan.keep_every is not None:
            words += ["--keep-every", str(plan.keep_every)]
        if plan.data_range is not None:
            words += ["--data-range", *(f"{value:g}" for value in plan.data_range)]
        if self.options.workers():
            words += ["--workers", str(self.options.workers())]
        return shlex.join([*words, *to_arguments(plan.settings)])

    def _copy(self, *_: Any) -> None:
        try:
            QApplication.clipboard().setText(self.command())
        except DepthInterpError as error:
            self.bar.say(for_window(error), problem=True)

    # Running

    def run(self) -> None:
        """Start a batch."""
        if self.job is not None:
            return
        try:
            order = Order(self.plan(), Processes(self.options.workers()), Stop())
        except DepthInterpError as error:
            self._failed(error)
            return
        self._order, self.files.plan = order, order.plan
        self.files.table.show_scores(order.plan.keep_every is not None)
        known = [] if self._search.busy else self.files.table.files.rows  # else those of the last folder
        self.files.table.files.begin([FileRecord(row.file) for row in known])
        self.show_page(self.files)
        self._feed = feed = _Feed()
        feed.changed.connect(self._changed)
        self.start_job(partial(batch_task, order, feed.send), "batch", self._returned)

    def cancel(self) -> None:
        """Stop: finish the file in work, or drop it, as chosen."""
        if self.job is None or self._order is None:
            return
        if self.options.finishes():
            self._order.stop.finish()
            self.bar.say("the files in work are being finished")
        else:
            self.job.quit()

    def leave(self) -> None:
        """Drop the file in work: the dock has been closed."""
        self._search.leave()
        if self.job is not None:
            self.job.quit()

    def _changed(self, row: FileRecord, fraction: float) -> None:
        self.files.table.files.update(row, fraction)

    def _returned(self, summary: Summary) -> None:
        self.files.show_end(summary.rows)
        failed = summary.count(State.FAILED)
        words = f"{'stopped: ' if summary.stopped else ''}{summary.describe()}; see {summary.table}"
        self.bar.say("; ".join([words, *summary.notes]), problem=failed > 0)
        if failed:
            show_warning(f"{failed} of {len(summary.rows)} files failed; the table says why")

    def _cancelled(self, *_: Any) -> None:
        rows = self.files.table.files.rows
        done = sum(row.state in (State.DONE, State.SKIPPED) for row in rows)
        self.bar.say(f"cancelled; {done} of {len(rows)} files are done, and 'Go on' makes the others")

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._order = None
        if self._list_later:
            self._list_later = False
            self._search.soon()
        self._check()

    # The folder that was chosen

    def _list_files(self) -> None:
        if self.job is not None:
            self._list_later = True
            return
        try:
            plan = Plan(settings=Settings(), **self.folders.choice())
        except DepthInterpError as error:
            self.folders.show_message(for_window(error))
            return
        self.folders.show_message("looking …")
        self.files.plan = plan
        self._search.list_files(plan)

    def _found(self, found: Found) -> None:
        if self.job is not None:
            return
        self.files.table.files.begin([FileRecord(each.name) for each in found.files])
        self.folders.show_message("<br>".join([_count(found), *found.notes]))

    def _not_found(self, error: Exception) -> None:
        self.files.table.files.begin([])
        self.folders.show_message(for_window(error), problem=True)

    # Checking what the boxes show

    def _check(self, *_: Any) -> None:
        spec = self.method.spec
        self.compute.show_method(spec)
        self.target.show_method(spec)
        self.target.setVisible(not spec.enhances)
        try:
            self.folders.choice()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error))  # the box of the folders says it, too
            return
        try:
            self.plan()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error), in_message=True)
        else:
            self.bar.set_ready(True)


def _count(found: Found) -> str:
    size, count = sum(each.size for each in found.files), len(found.files)
    return f"{count} file{'' if count == 1 else 's'}, {size_in_words(size)}"

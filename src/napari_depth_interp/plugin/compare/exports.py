"""Scores, plots and a report as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from ...errors import DepthInterpError
from ...io.files import replacing
from ...report.sheets import Group, sections_csv, summary_csv
from ..jobs.messages import for_window
from .results import Comparison

_AFTER = "Available when all methods have run to the end."


class Exports(QObject):
    """The entries of the menu Export. ``report_wanted`` brings the folder that the user chose for a report.

    Parameters
    ----------
    parent : QWidget
        Over which the dialogs open.
    save_plot : callable path -> None
        Writes the plot in view.
    """

    report_wanted = Signal(object)
    said = Signal(str, bool)

    def __init__(self, parent: QWidget, save_plot: Callable[[Path], None]) -> None:
        super().__init__(parent)
        self._parent, self._save_plot = parent, save_plot
        self.comparison: Comparison | None = None
        self._complete_only: list[QAction] = []

    def fill(self, menu: QMenu) -> None:
        """Add the entries to a menu."""
        menu.setToolTipsVisible(True)
        for text, slot, complete_only in (
            ("Scores of the methods (CSV)…", self.ask_summary, True),
            ("Scores of every section (CSV)…", self.ask_sections, True),
            ("Plot in view (PNG)…", self.ask_plot, False),
            ("Report (HTML) into a folder…", self.ask_report, True),
        ):
            action = QAction(text, menu)
            menu.addAction(action)
            action.triggered.connect(slot)
            if complete_only:
                self._complete_only.append(action)

    def offer(self, comparison: Comparison | None) -> None:
        """Offer files of this comparison; of what needs all scores say that they are not there yet."""
        self.comparison = comparison
        complete = comparison is not None and comparison.scores is not None
        for action in self._complete_only:
            action.setEnabled(complete)
            action.setToolTip("" if complete else _AFTER)

    def ask_summary(self, *_: object) -> None:
        """Ask for a file and write one row per method."""
        self._ask("Save the scores of the methods", "scores.csv", "CSV (*.csv)", self.save_summary)

    def ask_sections(self, *_: object) -> None:
        """Ask for a file and write one row per method and section."""
        self._ask("Save the scores of every section", "sections.csv", "CSV (*.csv)", self.save_sections)

    def ask_plot(self, *_: object) -> None:
        """Ask for a file and write the plot in view."""
        self._ask("Save the plot in view", "plot.png", "PNG (*.png)", self._save_plot)

    def ask_report(self, *_: object) -> None:
        """Ask for a folder for the report."""
        chosen = QFileDialog.getExistingDirectory(self._parent, "Folder for the report")
        if chosen:
            self.report_wanted.emit(Path(chosen))

    def save_summary(self, path: Path) -> None:
        """Write one row per method; an existing file is replaced, the dialog has asked."""
        self._write(path, summary_csv)

    def save_sections(self, path: Path) -> None:
        """Write one row per method and hidden section; an existing file is replaced, the dialog has asked."""
        self._write(path, sections_csv)

    def _write(self, path: Path, table: Callable[[Group], str]) -> None:
        comparison = self.comparison
        if comparison is not None and comparison.scores is not None:
            text = table([(comparison.title, comparison.scores)])
            with replacing(path, overwrite=True) as temporary:
                temporary.write_bytes(text.encode())

    def _ask(self, title: str, name: str, kind: str, save: Callable[[Path], None]) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self._parent, title, name, kind)
        if not chosen:
            return
        path = Path(chosen)
        path = path if path.suffix else path.with_suffix(Path(name).suffix)
        try:
            save(path)
        except (DepthInterpError, OSError) as error:
            self.said.emit(for_window(error), True)
        else:
            self.said.emit(f"saved in {path}", False)

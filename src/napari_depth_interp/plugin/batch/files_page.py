"""The tab with the files: the table, and what can be done with its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...batch import FileRecord, Plan, State
from ...batch.plan import outputs_of
from ...errors import DepthInterpError
from ..icons import set_icon
from ..jobs.messages import for_window
from ..layers.appearance import unique_name
from ..layers.viewer_parts import fit_to_view
from ..preferences import PLUGIN
from ..qt_helpers import say
from .files_table import FilesTable, remark


class FilesPage(QWidget):
    """Shows the files of a plan; ``copy_wanted`` is emitted when the command is to be copied."""

    copy_wanted = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.plan: Plan | None = None
        self.table = FilesTable()
        self.table.wanted.connect(self.open)
        self.table.picked.connect(self._describe)
        self._detail = QLabel()
        self._detail.setObjectName("summary")
        self._detail.setWordWrap(True)
        self._detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        open_button, copy = QPushButton("Open"), QPushButton("Copy as command")
        set_icon(copy, "copy_to_clipboard")
        open_button.setToolTip("Open the chosen file and its result.")
        copy.setToolTip("<qt>Copy the command line that does the same.</qt>")
        open_button.clicked.connect(self._open_chosen)
        copy.clicked.connect(lambda *_: self.copy_wanted.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self._detail)
        row = QHBoxLayout()
        row.addWidget(open_button)
        row.addStretch(1)
        row.addWidget(copy)
        layout.addLayout(row)

    def show_end(self, rows: Sequence[FileRecord]) -> None:
        """Show how all files ended, and why the first one failed, if one did."""
        self.table.files.begin(rows)
        failed = [place for place, row in enumerate(rows) if row.state == State.FAILED]
        if failed:
            self.table.selectRow(failed[0])
        self._describe()

    def open(self, row: FileRecord) -> None:
        """Open a file and, if it is there, its result, which comes into view."""
        if self.plan is None:
            return
        paths = [(self.plan.source / row.file, "")]
        if row.state in (State.DONE, State.SKIPPED):
            paths.append((outputs_of(self.plan, row.file)[0], " result"))
        opened: list[Layer] = []
        for path, what in paths:
            try:
                layers = self._viewer.open(str(path), plugin=PLUGIN)
            except (DepthInterpError, OSError) as error:
                show_warning(for_window(error))
                continue
            for layer in layers:
                if what:
                    layer.name = unique_name(self._viewer, f"{Path(row.file).name}{what}")
                self._viewer.layers.selection.active = layer
            opened += layers
        if opened:
            fit_to_view(self._viewer, opened)

    def _describe(self) -> None:
        """Say what there is to say about the chosen file: its column is narrow."""
        row = self.table.chosen()
        words = remark(row) if row is not None else ""
        text = f"{row.file}: {row.state}, {words}" if row is not None and words else ""
        say(self._detail, text, problem=row is not None and row.state == State.FAILED)

    def _open_chosen(self, *_: Any) -> None:
        row = self.table.chosen()
        if row is not None:
            self.open(row)

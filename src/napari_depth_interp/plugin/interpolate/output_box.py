"""Where the result goes, into memory or into a file, and what the run will take."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ... import io
from ...run.estimate import Estimate
from ...run.outputs import Target
from ...system.amounts import size_in_words
from ...system.memory import free_memory
from ..folding import Fold
from ..qt_helpers import say

LARGE_BYTES = 2 * 10**9
"""A result larger than this, or than half of the free memory, is streamed to a file."""
_FILES = "OME-Zarr (*.ome.zarr);;OME-TIFF (*.ome.tif *.btf)"


class OutputBox(QWidget):
    """Chooses a file for large results, and shows the estimate of time and memory."""

    changed = Signal()
    estimate_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._large = self._estimated = self._ticked_here = False
        self._to_file = QCheckBox("Stream to a file")
        self._to_file.setToolTip(
            "<qt>Write the result to an OME-Zarr or TIFF file tile by tile and open it from there, instead of holding "
            "it in memory. For results that are larger than the memory.</qt>"
        )
        self._path = QLineEdit()
        self._path.setPlaceholderText("for example result.ome.zarr")
        self._path.setToolTip("The file that is written: .ome.zarr, .ome.tif or .btf. It must not exist yet.")
        self._path.setAccessibleName("File for the result")
        self._browse = QPushButton("Choose…")
        self._browse.clicked.connect(self.ask)
        self._words = QLabel()
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._estimate = QPushButton("Estimate time and memory")
        self._estimate.setToolTip(
            "<qt>Run the method for some seconds on small parts of this stack, and say how long the whole run will "
            "take on this machine and how much memory.</qt>"
        )
        self._estimate.clicked.connect(self.estimate_clicked)
        row = QHBoxLayout()
        for widget in (self._path, self._browse):
            row.addWidget(widget)
        folded = QWidget()
        column = QVBoxLayout(folded)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._to_file)
        column.addLayout(row)
        column.addWidget(self._words)
        column.addWidget(self._estimate)
        self._fold = Fold("Time, memory and streaming", folded)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._fold)
        self._to_file.toggled.connect(self._changed)
        self._path.textChanged.connect(self._changed)
        self._changed()

    @property
    def needs_file(self) -> bool:
        """Whether a file has to be chosen before the run: the result is large, or is wanted in a file."""
        return (self._large or self._to_file.isChecked()) and not self._path.text().strip()

    def target(self) -> Target | None:
        """Return the file that the result is streamed to, or None for memory.

        Raises
        ------
        OutputError
            If the name is that of no such file, or the file exists.
        """
        if not self._to_file.isChecked() or not self._path.text().strip():
            return None
        path = Path(self._path.text().strip()).expanduser()
        io.check_stream(path)
        io.check_output(path, overwrite=False)
        return Target(path)

    def set_file(self, path: str) -> None:
        """Stream the next result to this file."""
        self._path.setText(path)
        self._to_file.setChecked(True)

    def clear_file(self) -> None:
        """Forget the file: it has been written."""
        self._path.clear()
        if not self._large:
            self._to_file.setChecked(False)

    def ask(self) -> bool:
        """Let the user choose a file; return whether one was chosen."""
        path, chosen = QFileDialog.getSaveFileName(self, "Stream the result to", "result.ome.zarr", _FILES)
        if not path:
            return False
        if io.format_of(path) is None:
            path += ".ome.zarr" if "Zarr" in chosen else ".ome.tif"
        self.set_file(path)
        return True

    def show_size(self, size: int) -> None:
        """Say so if a result of this size (bytes) has to go to a file."""
        self._large = size > min(LARGE_BYTES, free_memory() // 2)
        if self._large and not self._to_file.isChecked():
            self._to_file.setChecked(True)
            self._ticked_here = True
        elif not self._large and self._ticked_here:
            self._ticked_here = False
            self._to_file.setChecked(bool(self._path.text().strip()))
        self._to_file.setEnabled(not self._large)
        if self._large:
            self._fold.unfold()
        if self._large and not self._estimated:
            free = size_in_words(free_memory())
            limit = size_in_words(LARGE_BYTES)
            words = f"{size_in_words(size)} go to a file, as does all above {limit}"
            self._say(f"{words}, or above half of the {free} that are free")
        elif not self._estimated:
            self._say("")

    def forget_estimate(self, *_: object) -> None:
        """What was estimated no longer holds: something was changed."""
        self._estimated = False

    def show_estimate(self, estimate: Estimate) -> None:
        """Show what a run will take."""
        self._estimated = True
        self._say("\n".join(estimate.describe()), problem=not estimate.fits)

    def _say(self, text: str, *, problem: bool = False) -> None:
        say(self._words, text, problem=problem)
        self._words.setVisible(bool(text))

    def _changed(self, *_: object) -> None:
        self.forget_estimate()
        for widget in (self._path, self._browse):
            widget.setVisible(self._to_file.isChecked())
        file = Path(self._path.text().strip()).name
        self._fold.say(f"to {file or 'a file'}" if self._to_file.isChecked() else "")
        self.changed.emit()

"""Which methods take part, each with its preset; and LPIPS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import RequestError
from ...evaluation.evaluate import LPIPS_NETS, LpipsChoice
from ...methods import registry
from ...models.weights import BACKBONES
from ...run.settings import describe
from ...system.amounts import size_in_words
from ..boxes.method_choice import MethodChoice
from ..icons import set_icon
from ..qt_helpers import let_shrink, tab_after
from .columns import label

DEFAULT_METHODS = ("linear", "cubic", "flow", "auto:fast")
_ADDED = "section_sr:fast"
_WEIGHTS = "Weights (*.safetensors *.pth)"


class MethodRow(QWidget):
    """One contender: a method, and its preset where it has some."""

    changed = Signal()
    removed = Signal(object)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        method, preset = registry.method_and_preset(name)
        self._methods = MethodChoice(lambda spec: not spec.enhances)
        let_shrink(self._methods, 7)
        self._presets = QComboBox()
        self._presets.setToolTip(f"<qt>{describe('preset')}</qt>")
        let_shrink(self._presets, 6)
        policy = self._presets.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._presets.setSizePolicy(policy)
        self._methods.setAccessibleName("Method")
        self._presets.setAccessibleName("Preset")
        self._remove = QToolButton()
        set_icon(self._remove, "delete")
        self._remove.setToolTip("Take this method off the list.")
        self._remove.setAccessibleName("Remove")
        self._remove.clicked.connect(lambda *_: self.removed.emit(self))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._methods, 1)
        row.addWidget(self._presets)
        row.addWidget(self._remove)
        self._methods.currentIndexChanged.connect(self._method_chosen)
        self._presets.currentTextChanged.connect(lambda *_: self.changed.emit())
        self._methods.choose(method)
        self._method_chosen()
        if preset:
            self._presets.setCurrentText(preset)

    def name(self) -> str:
        """Return the method as the command line takes it: ``linear``, ``auto:fast``."""
        preset = self._presets.currentText()
        return f"{self._methods.currentData()}:{preset}" if preset else str(self._methods.currentData())

    def come_before(self, other: QWidget) -> None:
        """Let the Tab key go through this row just before another widget."""
        tab_after(other, self)
        QWidget.setTabOrder(self._remove, other)

    def _method_chosen(self, *_: Any) -> None:
        spec = registry.get(self._methods.currentData())
        wanted = self._presets.currentText() or "fast"
        self._methods.setToolTip(f"<qt>{spec.summary} Time: {spec.cost}.</qt>")
        self._presets.blockSignals(True)
        self._presets.clear()
        self._presets.addItems(list(spec.presets))
        self._presets.setCurrentIndex(max(0, self._presets.findText(wanted)))
        self._presets.blockSignals(False)
        self._presets.setVisible(bool(spec.presets))
        self.changed.emit()


class MethodsBox(QGroupBox):
    """Edits the list of methods, and whether LPIPS is scored."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Methods", parent)
        self._rows: list[MethodRow] = []
        self._column = QVBoxLayout()
        self._add = QPushButton("Add a method")
        self._add.setToolTip("Add one more method, or another preset of the same one.")
        self._add.clicked.connect(lambda *_: self.add(self._next()))
        layout = QVBoxLayout(self)
        layout.addLayout(self._column)
        layout.addWidget(self._add)
        layout.addLayout(self._build_lpips())
        for name in DEFAULT_METHODS:
            self.add(name)

    def methods(self) -> tuple[str, ...]:
        """Return the methods in their order.

        Raises
        ------
        RequestError
            If there are none, or one is listed twice.
        """
        names = [row.name() for row in self._rows]
        if not names:
            raise RequestError("there is no method to compare; add some")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise RequestError(f"{label(twice)} is listed twice; remove one, or choose another preset")
        return tuple(names)

    def _next(self) -> str:
        """Return a method that is not listed yet."""
        listed = {row.name() for row in self._rows}
        return next((name for name in (_ADDED, *DEFAULT_METHODS, "nearest") if name not in listed), _ADDED)

    def set_methods(self, names: Sequence[str]) -> None:
        """Show these methods."""
        for row in list(self._rows):
            self._remove(row)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Add a method to the list."""
        row = MethodRow(name)
        row.changed.connect(self._changed)
        row.removed.connect(self._remove)
        self._rows.append(row)
        self._column.addWidget(row)
        row.come_before(self._add)
        self.changed.emit()

    def lpips(self) -> LpipsChoice | None:
        """Return how LPIPS is scored, or None."""
        return LpipsChoice(self._net.currentText(), self._weights) if self._lpips.isChecked() else None

    def refresh(self) -> None:
        """Say where the weights of LPIPS come from: they may have been loaded meanwhile."""
        download = BACKBONES[self._net.currentText()]
        if self._weights is not None:
            where = f"weights: {self._weights.name}"
        elif download.stored.is_file():
            where = "weights are on this machine"
        else:
            where = f"downloads {size_in_words(download.size)} once"
        self._lpips.setText(f"LPIPS ({where})")
        self._lpips.setToolTip(
            f"<qt>Perceptual distance, from a network trained on photographs. Its weights come from {download.url}, "
            "or from a file.</qt>"
        )

    def _build_lpips(self) -> QVBoxLayout:
        self._weights: Path | None = None
        self._lpips = QCheckBox()
        self._lpips.setObjectName("lpips")
        self._net = QComboBox()
        self._net.addItems(LPIPS_NETS)
        self._net.setToolTip("The network that LPIPS is computed with; alex is the usual one.")
        self._net.setAccessibleName("Network of LPIPS")
        self._file = QPushButton("Weights file…")
        self._file.setToolTip("<qt>Use the network's weights from a file, to load nothing from the internet.</qt>")
        self._file.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout()
        row.addSpacing(20)
        row.addWidget(self._net)
        row.addWidget(self._file)
        row.addStretch(1)
        column = QVBoxLayout()
        column.addWidget(self._lpips)
        column.addLayout(row)
        self._lpips.toggled.connect(self._lpips_toggled)
        self._net.currentTextChanged.connect(self._net_chosen)
        self._file.clicked.connect(self._ask_weights)
        self._lpips_toggled()
        self.refresh()
        return column

    def _lpips_toggled(self, *_: Any) -> None:
        for widget in (self._net, self._file):
            widget.setVisible(self._lpips.isChecked())
        self.changed.emit()

    def _net_chosen(self, *_: Any) -> None:
        self._weights = None
        self.refresh()
        self.changed.emit()

    def _ask_weights(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Weights of the network", "", _WEIGHTS)
        if path:
            self._weights = Path(path)
            self.refresh()

    def _remove(self, row: MethodRow) -> None:
        self._rows.remove(row)
        self._column.removeWidget(row)
        row.hide()
        row.deleteLater()
        self.changed.emit()

    def _changed(self, *_: Any) -> None:
        self.changed.emit()

"""What is looked for: which kinds of damage, and how easily a section is called damaged."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGroupBox,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...damage.kinds import KINDS
from ...damage.settings import RepairSettings
from ...run.settings import describe
from ..folding import Fold
from ..icons import set_icon
from ..qt_helpers import growing_form, say, with_key

_FIND_TIP = "Look at every section beside its neighbours. Nothing is changed; the window stays usable meanwhile."


class FindBox(QGroupBox):
    """Edits what is looked for; ``find_clicked`` when it is to be looked for now."""

    changed = Signal()
    find_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Find", parent)
        self._find = QPushButton("&Find damaged sections")
        set_icon(self._find, "zoom")
        self._find.setToolTip(with_key(_FIND_TIP, "find_damage"))
        self._find.clicked.connect(lambda *_: self.find_clicked.emit())
        self._words = QLabel()
        self._words.setObjectName("summary")
        self._words.setWordWrap(True)
        self._kinds = {name: QCheckBox(kind.title) for name, kind in KINDS.items()}
        self._sensitivity = QDoubleSpinBox()
        self._fold = Fold("Kinds of damage, sensitivity", self._build_choices())
        layout = QVBoxLayout(self)
        for widget in (self._find, self._words, self._fold):
            layout.addWidget(widget)
        self.say("")

    def _build_choices(self) -> QWidget:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        for name, box in self._kinds.items():
            box.setChecked(True)
            box.setToolTip(f"<qt>Score: {KINDS[name].score}.</qt>")
            box.toggled.connect(self._edited)
            column.addWidget(box)
        form = growing_form()
        self._sensitivity.setRange(0.1, 10.0)
        self._sensitivity.setSingleStep(0.25)
        self._sensitivity.setValue(1.0)
        self._sensitivity.setToolTip(f"<qt>{describe('sensitivity', RepairSettings)}</qt>")
        self._sensitivity.valueChanged.connect(self._edited)
        form.addRow("Sensitivity", self._sensitivity)
        column.addLayout(form)
        return inner

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        chosen = [name for name, box in self._kinds.items() if box.isChecked()]
        kinds = () if len(chosen) == len(self._kinds) else tuple(chosen)
        return {"kinds": kinds, "sensitivity": self._sensitivity.value()}

    def set_ready(self, ready: bool) -> None:
        """Enable Find: there is a stack, nothing is running, and some kind is to be looked for."""
        self._find.setEnabled(ready and any(box.isChecked() for box in self._kinds.values()))

    def say(self, text: str) -> None:
        """Say what was found; always one line, so that nothing below it moves."""
        say(self._words, text or "Not looked through yet.")

    def _edited(self, *_: Any) -> None:
        values, words = self.values(), []
        if values["kinds"]:
            words.append(f"{len(values['kinds'])} of {len(self._kinds)} kinds")
        if values["sensitivity"] != 1.0:
            words.append(f"sensitivity {values['sensitivity']:g}")
        self._fold.say(", ".join(words))
        self.changed.emit()

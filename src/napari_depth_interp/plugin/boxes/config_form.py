"""A form from a pydantic model and back; knows no method.

Label, help text, bounds and default of each field come from the model, so they stand in one place.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ...errors import RequestError
from ...run.settings import explain_validation
from ..qt_helpers import growing_form

_INT_LIMIT = 2**31 - 1
_FLOAT_LIMIT = 1e12
_SIMPLE = (bool, int, float, str, Path)


@dataclass(frozen=True)
class Editor:
    """One field's widget and how its value is read and set; ``changed`` is a Qt signal."""

    widget: QWidget
    get: Callable[[], Any]
    set: Callable[[Any], None]
    changed: Any


class ConfigForm(QWidget):
    """Edits a frozen pydantic model.

    Parameters
    ----------
    config : BaseModel
        Shown first; its class gives fields and defaults.
    fields : collection of str, optional
        Those to show; the others keep the values of the config that was set.
    editors : callable -> mapping of field -> Editor
        For fields that need more than their type says.
    later : bool
        The fields are made by :meth:`build`, once somebody wants to see them.
    """

    changed = Signal()

    def __init__(
        self,
        config: BaseModel,
        parent: QWidget | None = None,
        *,
        fields: Collection[str] | None = None,
        editors: Callable[[], Mapping[str, Editor]] = dict,
        later: bool = False,
    ) -> None:
        super().__init__(parent)
        self._model = type(config)
        self._config = config  # all there is until the fields are made
        self._own = editors
        self._fields = tuple(name for name in self._model.model_fields if fields is None or name in fields)
        self._editors: dict[str, Editor] = {}
        if not later:
            self.build()

    def build(self) -> None:
        """Make the fields, unless they are there."""
        if self._editors:
            return
        own = self._own()
        layout = growing_form(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name in self._fields:
            field = self._model.model_fields[name]
            editor = own.get(name) or make_editor(field.annotation, field)
            title = field.title or name.replace("_", " ").capitalize()
            editor.widget.setToolTip(_wrapped(field.description or ""))
            for part in (editor.widget, *editor.widget.findChildren(QWidget)):
                part.setAccessibleName(part.accessibleName() or title)
            editor.set(getattr(self._config, name))
            editor.changed.connect(lambda *_: self.changed.emit())
            layout.addRow(title, editor.widget)
            layout.labelForField(editor.widget).setToolTip(_wrapped(field.description or ""))
            self._editors[name] = editor

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are shown."""
        return self._fields

    def config(self) -> BaseModel:
        """Return what the form shows."""
        kept = {name: getattr(self._config, name) for name in self._model.model_fields}
        return self._model(**(kept | {name: editor.get() for name, editor in self._editors.items()}))

    def changes(self, default: BaseModel, title: str) -> dict[str, Any]:
        """Return what differs from a default, as JSON has it.

        Raises
        ------
        RequestError
            If a value does not fit; ``title`` says of what.
        """
        usual = default.model_dump(mode="json")
        try:
            shown = self.config().model_dump(mode="json")
        except ValidationError as error:
            raise RequestError(f"{title}: {explain_validation(error)}") from error
        return {name: value for name, value in shown.items() if value != usual[name]}

    def set_config(self, config: BaseModel) -> None:
        """Show another config of the same class."""
        before, self._config = self._config, config
        for name, editor in self._editors.items():
            editor.set(getattr(config, name))
        if not self._editors and config != before:
            self.changed.emit()


def make_editor(annotation: Any, field: FieldInfo) -> Editor:
    """Return the editor for a type: bool, int, float, str, Path, Literal, or one of these or None.

    Raises
    ------
    TypeError
        For any other type; a method's config should use the simple ones.
    """
    inner = _optional(annotation)
    if inner is not None:
        return _optional_editor(make_editor(inner, field))
    if get_origin(annotation) is Literal:
        return _choice_editor([str(choice) for choice in get_args(annotation)])
    if annotation not in _SIMPLE:
        raise TypeError(f"no form for a field of type {annotation}")
    makers: dict[Any, Callable[[], Editor]] = {
        bool: _bool_editor,
        int: lambda: _int_editor(*_bounds(field, -_INT_LIMIT, _INT_LIMIT, beside=1)),
        float: lambda: _float_editor(field, *_bounds(field, -_FLOAT_LIMIT, _FLOAT_LIMIT)),
        str: _text_editor,
        Path: lambda: _path_editor(field),
    }
    return makers[annotation]()


def is_editable(annotation: Any) -> bool:
    """Return whether :func:`make_editor` has an editor for a type."""
    inner = _optional(annotation) or annotation
    return inner in _SIMPLE or get_origin(inner) is Literal


def _optional(annotation: Any) -> Any:
    """Return X for ``X | None``, None for anything else."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return None
    inner = [arg for arg in get_args(annotation) if arg is not type(None)]
    return inner[0] if len(inner) == 1 and len(get_args(annotation)) == 2 else None


def _bounds(field: FieldInfo, low: float, high: float, beside: float = 0.0) -> tuple[float, float]:
    """Return the closed range; ``beside`` is the distance of the first value that an open bound allows."""
    for limit in field.metadata:
        low = max(low, getattr(limit, "ge", low), getattr(limit, "gt", low - beside) + beside)
        high = min(high, getattr(limit, "le", high), getattr(limit, "lt", high + beside) - beside)
    return low, high


def _bool_editor() -> Editor:
    box = QCheckBox()
    return Editor(box, box.isChecked, box.setChecked, box.toggled)


def _choice_editor(choices: list[str]) -> Editor:
    box = QComboBox()
    box.addItems(choices)
    return Editor(box, box.currentText, box.setCurrentText, box.currentTextChanged)


def _int_editor(low: float, high: float) -> Editor:
    box = QSpinBox()
    box.setRange(int(low), int(high))
    return Editor(box, box.value, box.setValue, box.valueChanged)


def _float_editor(field: FieldInfo, low: float, high: float) -> Editor:
    box = QDoubleSpinBox()
    box.setDecimals(12)
    box.setRange(low, high)
    default = field.default if isinstance(field.default, float) and field.default else 1.0
    box.setSingleStep(10.0 ** math.floor(math.log10(abs(default)) - 0.5))
    fewest = max(2, *(_decimals(number) for number in (box.singleStep(), low, high)))  # Qt rounds the range, too
    exact: dict[float, float] = {}  # what the box shows -> what it was given, with all digits

    def show(value: float) -> None:
        box.setDecimals(max(fewest, _decimals(value)))
        box.setValue(value)
        exact.clear()
        exact[box.value()] = value

    show(box.value())  # a box that is not ticked shows what it begins with
    return Editor(box, lambda: exact.get(box.value(), box.value()), show, box.valueChanged)


def _decimals(value: float) -> int:
    """Return how many decimals show a number exactly as Python prints it."""
    digits = f"{value:.12f}".rstrip("0")
    return len(digits) - digits.index(".") - 1


def _text_editor() -> Editor:
    box = QLineEdit()
    return Editor(box, box.text, box.setText, box.textChanged)


def _path_editor(field: FieldInfo) -> Editor:
    """A folder, or a file where the field says which: ``json_schema_extra={"files": "Weights (*.pth)"}``."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    line, button = QLineEdit(), QPushButton("Browse…")
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    files = str(extra.get("files", ""))
    layout.addWidget(line)
    layout.addWidget(button)

    def browse() -> None:
        if files:
            chosen, _filter = QFileDialog.getOpenFileName(widget, "Choose a file", line.text(), files)
        else:
            chosen = QFileDialog.getExistingDirectory(widget, "Choose a folder", line.text())
        if chosen:
            line.setText(chosen)

    button.clicked.connect(browse)
    return Editor(widget, lambda: Path(line.text()), lambda path: line.setText(str(path)), line.textChanged)


def _optional_editor(inner: Editor) -> Editor:
    """A check box before the editor: unchecked means None."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    check = _OptionalCheck()
    layout.addWidget(check)
    layout.addWidget(inner.widget, 1)
    inner.widget.setEnabled(False)
    check.toggled.connect(inner.widget.setEnabled)
    check.toggled.connect(lambda *_: check.value_changed.emit())
    inner.changed.connect(lambda *_: check.value_changed.emit())

    def show(value: Any) -> None:
        check.setChecked(value is not None)
        if value is not None:
            inner.set(value)

    return Editor(widget, lambda: inner.get() if check.isChecked() else None, show, check.value_changed)


class _OptionalCheck(QCheckBox):
    value_changed = Signal()


def _wrapped(text: str) -> str:
    """Return rich text, which Qt breaks into lines."""
    return f"<qt>{text}</qt>" if text else ""

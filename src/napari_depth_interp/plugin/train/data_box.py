"""What is learned from: a folder of stacks, or open layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...errors import DepthInterpError, InputError
from ...method import MethodSpec
from ...run.settings import describe
from ...stack import Dataset
from ...training.reading import data_files
from ..jobs.messages import for_window
from ..layers import to_dataset
from ..layers.watch import LayerListWatch
from ..qt_helpers import growing_form, say

_FOLDER, _LAYERS = 0, 1
_WANTED = {False: "dense stacks", True: "noisy stacks"}
_NAMED = 3
"""Files that are named; of more their number is said."""


class DataBox(QGroupBox):
    """Chooses the data, and completes what files do not say."""

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, spec: MethodSpec, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._spec = viewer, spec
        self._ticked: set[Any] = set()
        self._build()
        self._layer_list = LayerListWatch(viewer, self._refresh)
        self._refresh()
        self._kind_chosen()

    def set_method(self, spec: MethodSpec) -> None:
        """Ask for what this method learns from."""
        if spec.name != self._spec.name:
            self._spec = spec
            self._changed()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._layer_list.leave()

    def folder(self) -> Path | None:
        """Return the folder; None if layers are learned from."""
        return Path(self._folder.text().strip()) if self._kind.currentIndex() == _FOLDER else None

    def layers(self) -> list[Image]:
        """Return the layers that are ticked, if layers are learned from."""
        if self._kind.currentIndex() == _FOLDER:
            return []
        return [layer for layer in self._viewer.layers if layer.unique_id in self._ticked]

    def datasets(self) -> dict[str, Dataset]:
        """Return the ticked layers as datasets by name.

        Raises
        ------
        InputError
            If a layer is no stack.
        """
        return {layer.name: to_dataset(layer) for layer in self.layers()}

    def z_spacing(self) -> str | None:
        """Return the spacing of stacks that do not say theirs."""
        return self._spacing.text().strip() or None

    def check(self) -> None:
        """Raise a :class:`DepthInterpError` if there is nothing to learn from."""
        folder = self.folder()
        if folder is None:
            if not self.layers():
                raise InputError("tick the layers to learn from")
            return
        if not self._folder.text().strip():
            raise InputError(f"choose a folder of {_WANTED[self._spec.enhances]}")
        data_files(self._spec, folder)

    def show_folder(self, folder: str) -> None:
        """Choose a folder."""
        self._kind.setCurrentIndex(_FOLDER)
        self._folder.setText(folder)

    def show_layers(self, names: tuple[str, ...]) -> None:
        """Tick layers by name.

        Raises
        ------
        InputError
            If one is not open.
        """
        known = {layer.name: layer.unique_id for layer in self._viewer.layers if isinstance(layer, Image)}
        missing = [name for name in names if name not in known]
        if missing:
            raise InputError(f"open the layers that the training learned from first: {', '.join(missing)}")
        self._kind.setCurrentIndex(_LAYERS)
        self._ticked = {known[name] for name in names}
        self._refresh()

    # Building

    def _build(self) -> None:
        self._kind = QComboBox()
        self._kind.addItems(["Folder", "Open layers"])
        self._kind.setToolTip("<qt>Where the stacks are. Every channel and time point counts as a stack.</qt>")
        self._folder = QLineEdit()
        self._folder.setToolTip(
            "<qt>A folder of dense stacks, or a CSV list of them with the columns <i>hr</i>, <i>lr</i> and "
            "<i>class</i>. Methods that enhance learn from noisy stacks, or from images of the same names in the "
            "folders <i>noisy</i> and <i>clean</i>.</qt>"
        )
        self._browse = QPushButton("Browse…")
        self._browse.clicked.connect(self._ask)
        self._folder_row = QWidget()
        row = QHBoxLayout(self._folder_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._folder, 1)
        row.addWidget(self._browse)
        self._list = QListWidget()
        self._list.setMaximumHeight(90)
        self._list.setToolTip("<qt>Tick the layers to learn from: stacks that are fine along z.</qt>")
        self._folder.setAccessibleName("Folder to learn from")
        self._list.setAccessibleName("Layers to learn from")
        self._info = QLabel()
        self._info.setObjectName("summary")
        self._info.setWordWrap(True)
        self._spacing = QLineEdit()
        self._spacing.setPlaceholderText("where a file has none")
        self._spacing.setToolTip(f"<qt>{describe('z_spacing')} Used only for stacks that have none.</qt>")
        form = growing_form()
        form.addRow("From", self._kind)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        for widget in (self._folder_row, self._list, self._info):
            layout.addWidget(widget)
        below = growing_form()
        below.addRow("Z spacing", self._spacing)
        layout.addLayout(below)
        self._kind.currentIndexChanged.connect(self._kind_chosen)
        self._folder.textChanged.connect(self._changed)
        self._spacing.textChanged.connect(self._changed)
        self._list.itemChanged.connect(self._item_changed)

    def _ask(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of dense stacks", self._folder.text())
        if chosen:
            self._folder.setText(chosen)

    # Following

    def _refresh(self) -> None:
        self._list.blockSignals(True)
        self._list.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not layer.rgb and layer.ndim in (3, 4):
                item = QListWidgetItem(layer.name)
                item.setData(Qt.ItemDataRole.UserRole, layer.unique_id)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                ticked = layer.unique_id in self._ticked
                item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
                self._list.addItem(item)
        self._list.blockSignals(False)
        self._changed()

    def _item_changed(self, item: QListWidgetItem) -> None:
        chosen = item.data(Qt.ItemDataRole.UserRole)
        if item.checkState() == Qt.CheckState.Checked:
            self._ticked.add(chosen)
        else:
            self._ticked.discard(chosen)
        self._changed()

    def _kind_chosen(self, *_: Any) -> None:
        folder = self._kind.currentIndex() == _FOLDER
        self._folder_row.setVisible(folder)
        self._list.setVisible(not folder)
        self._changed()

    def _changed(self, *_: Any) -> None:
        wanted = _WANTED[self._spec.enhances]
        self.setTitle(f"{wanted[0].upper()}{wanted[1:]} to learn from")
        self._folder.setPlaceholderText(f"folder of {wanted}")
        try:
            self.check()
        except DepthInterpError as error:
            text = for_window(error)
            given = bool(self.layers()) or (self.folder() is not None and bool(self._folder.text().strip()))
            say(self._info, text if given else f"{text[0].upper()}{text[1:]}.", problem=given)
        else:
            say(self._info, self._describe())
        self.changed.emit()

    def _describe(self) -> str:
        folder = self.folder()
        if folder is None:
            count = len(self.layers())
            return f"{count} layer{'' if count == 1 else 's'}"
        names = [path.name for path in data_files(self._spec, folder)]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"{len(names)} file{'' if len(names) == 1 else 's'}: {', '.join(names[:_NAMED])}{more}"

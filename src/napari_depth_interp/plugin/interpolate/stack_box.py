"""Which stack: the layer, what is known about it, and what the user has to add."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from ... import io
from ...errors import DepthInterpError
from ...request import prepare_dataset
from ...settings import Settings, describe
from ...stack import Dataset
from ..layers import adopt, to_dataset

PLUGIN = "napari-depth-interp"
_FILES = "Stacks (*.tif *.tiff *.btf *.nii *.nii.gz)"
_MISSING = "border: 2px solid #e0803a;"


class StackBox(QGroupBox):
    """Chooses the input layer and completes what its file does not say.

    ``changed`` is emitted when the stack or what is known about it changes.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Stack", parent)
        self._viewer = viewer
        self._dataset: Dataset | None = None
        self._problem = ""
        self._depths: list[float] | None = None
        self._watched: Layer | None = None
        self.setAcceptDrops(True)
        self._build()
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            event.connect(self._refresh_layers)
        self._refresh_layers()

    # What the other boxes ask for

    @property
    def layer(self) -> Layer | None:
        """The chosen layer, or None."""
        name = self._layers.currentText()
        return next((layer for layer in self._viewer.layers if layer.name == name), None)

    def dataset(self) -> Dataset:
        """Return the stack as the layer shows it, read anew.

        Raises
        ------
        DepthInterpError
            If there is no usable layer.
        """
        if self.layer is None:
            raise DepthInterpError("there is no image layer; open a stack, or drop one here")
        return to_dataset(self.layer)

    def described(self, settings: Settings) -> Dataset:
        """Return the last seen stack with what the settings add."""
        if self._dataset is None:
            raise DepthInterpError(self._problem or "open a stack, or drop one here")
        return prepare_dataset(self._dataset, settings)

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        n = self._count.value() if self._acquisition.currentText() == "projection" else 1
        return {
            "z_spacing": self._spacing.text().strip() or None if self._depths is None else None,
            "depths": self._depths,
            "acquisition": f"projection:{n}" if n > 1 else None,
        }

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        kind, _, n = (settings.acquisition or "slice").partition(":")
        self._acquisition.setCurrentText(kind)
        if n:
            self._count.setValue(int(n))
        self._spacing.setText(settings.z_spacing or "")
        self._depths = settings.depths
        self._describe()

    def open_files(self, paths: Sequence[str | Path]) -> None:
        """Open files with this plugin's readers, whatever other plugins offer, and choose the first."""
        try:
            layers = self._viewer.open([str(path) for path in paths], plugin=PLUGIN)
        except DepthInterpError as error:
            self._show_problem(str(error))
            return
        if layers:
            self._layers.setCurrentText(layers[0].name)

    # Building

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self._layers = QComboBox()
        self._layers.setToolTip("The image layer whose sections are the input.")
        self._layers.setMinimumContentsLength(12)
        self._layers.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._layers.currentTextChanged.connect(self._layer_chosen)
        open_button = QPushButton("Open…")
        open_button.setToolTip("Open a TIFF or NIfTI file with its spacing and units.")
        open_button.clicked.connect(self._ask_for_files)
        row = QHBoxLayout()
        row.addWidget(self._layers, 1)
        row.addWidget(open_button)
        layout.addLayout(row)
        self._info = QLabel()
        self._info.setWordWrap(True)
        self._info.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self._info)
        layout.addLayout(self._build_form())
        layout.addWidget(self._build_table())

    def _build_form(self) -> QFormLayout:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._spacing = QLineEdit()
        self._spacing.setToolTip(f"<qt>{describe('z_spacing')} Leave empty to keep the file's.</qt>")
        self._spacing.textChanged.connect(self._describe)
        form.addRow("z spacing", self._spacing)
        self._acquisition = QComboBox()
        self._acquisition.addItems(["slice", "projection"])
        self._acquisition.setToolTip(f"<qt>{describe('acquisition')}</qt>")
        self._count = QSpinBox()
        self._count.setRange(2, 1000)
        self._count.setValue(6)
        self._count.setPrefix("of ")
        self._count.setSuffix(" sections")
        self._count.setToolTip("How many sections one recorded image is the mean of.")
        row = QHBoxLayout()
        row.addWidget(self._acquisition)
        row.addWidget(self._count)
        self._acquisition.currentTextChanged.connect(self._describe)
        self._count.valueChanged.connect(self._describe)
        form.addRow("acquisition", row)
        return form

    def _build_table(self) -> QCollapsible:
        self._table = QTableWidget(0, 1)
        self._table.setHorizontalHeaderLabels(["depth"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.setMaximumHeight(150)
        self._table.setToolTip("Depth of each section. Type over a number where the sections are uneven.")
        self._table.itemChanged.connect(self._depth_edited)
        even = QPushButton("Back to the file's depths")
        even.clicked.connect(self._forget_depths)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        layout.addWidget(even)
        collapsible = QCollapsible("Section depths")
        collapsible.addWidget(inner)
        return collapsible

    # Dropping and opening files

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        if any(io.format_of(url.toLocalFile()) for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        paths = [url.toLocalFile() for url in event.mimeData().urls()]
        self.open_files([path for path in paths if io.format_of(path)])
        event.acceptProposedAction()

    def _ask_for_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open a stack", "", _FILES)
        if paths:
            self.open_files(paths)

    # Following the layers

    def _refresh_layers(self, _event: Any = None) -> None:
        chosen = self._layers.currentText()
        names = [layer.name for layer in self._viewer.layers]
        self._layers.blockSignals(True)
        self._layers.clear()
        self._layers.addItems(names)
        if chosen in names:
            self._layers.setCurrentText(chosen)
        self._layers.blockSignals(False)
        if self._layers.currentText() != chosen or not names:
            self._layer_chosen()

    def _layer_chosen(self, _name: str = "") -> None:
        self._depths = None
        self._watch(self.layer)
        self._read_layer()

    def _watch(self, layer: Layer | None) -> None:
        """Follow changes of the chosen layer, and of no other."""
        if self._watched is not None:
            for event in _events(self._watched):
                event.disconnect(self._read_layer)
        self._watched = layer
        if layer is not None:
            for event in _events(layer):
                event.connect(self._read_layer)

    def _read_layer(self, _event: Any = None) -> None:
        self._dataset, self._problem = None, ""
        if self.layer is not None:
            try:
                self._dataset = adopt(self.layer)
            except DepthInterpError as error:
                self._problem = str(error)
        self._describe()

    # Describing

    def _show_problem(self, text: str) -> None:
        self._info.setText(text)
        self._info.setStyleSheet("color: #e0803a;")

    def _describe(self, *_: Any) -> None:
        self._count.setVisible(self._acquisition.currentText() == "projection")
        try:
            dataset = self.described(Settings(**self.values()))
        except DepthInterpError as error:
            self._show_problem(str(error))
            missing = self._dataset is not None
        else:
            self._info.setStyleSheet("")
            self._info.setText(describe_stack(dataset))
            missing = dataset.grid.depths is None
            self._fill_table(dataset)
        self._spacing.setStyleSheet(_MISSING if missing else "")
        self._spacing.setPlaceholderText("needed: for example 2um" if missing else "as in the file")
        self.changed.emit()

    def _fill_table(self, dataset: Dataset) -> None:
        depths = [] if dataset.grid.depths is None else dataset.grid.depths.tolist()
        self._table.blockSignals(True)
        self._table.setRowCount(len(depths))
        self._table.setHorizontalHeaderLabels([f"depth ({dataset.grid.unit or 'no unit'})"])
        self._table.setVerticalHeaderLabels([str(i) for i in range(len(depths))])
        for i, depth in enumerate(depths):
            self._table.setItem(i, 0, QTableWidgetItem(f"{depth:.6g}"))
        self._table.blockSignals(False)

    def _depth_edited(self, _item: QTableWidgetItem) -> None:
        try:
            self._depths = [float(self._table.item(i, 0).text()) for i in range(self._table.rowCount())]
        except ValueError:
            self._show_problem("a depth must be a number")
            return
        self._describe()

    def _forget_depths(self) -> None:
        self._depths = None
        self._describe()


def _events(layer: Layer) -> tuple[Any, ...]:
    return layer.events.data, layer.events.scale, layer.events.units


def describe_stack(dataset: Dataset) -> str:
    """Return in one or two lines what a stack is."""
    times, channels, sections, rows, columns = dataset.voxels.shape
    grid = dataset.grid
    unit = grid.unit or "(no unit)"
    if grid.depths is None:
        spacing = "<b>z spacing unknown</b>"
    elif grid.is_even:
        spacing = f"{grid.spacing or 0:.4g} {unit} apart"
    else:
        gaps = np.diff(grid.depths)
        spacing = f"unevenly {gaps.min():.4g} to {gaps.max():.4g} {unit} apart"
    pixels = f" of {grid.pixel_size[0]:.4g} x {grid.pixel_size[1]:.4g} {unit}" if grid.pixel_size else ""
    extra = (f", {times} time points" if times > 1 else "") + (f", {channels} channels" if channels > 1 else "")
    lines = [
        f"{sections} sections along z, {spacing}; {rows} x {columns} pixels{pixels}, {dataset.voxels.dtype}{extra}"
    ]
    return "<br>".join([*lines, *(f"<i>{note}</i>" for note in dataset.notes)])

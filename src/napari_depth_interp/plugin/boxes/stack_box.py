"""Which stack: the layer, what is known about it, and what the user has to add."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ... import io
from ...errors import DepthInterpError
from ...run.exclusion import used_sections
from ...run.inputs import prepare_dataset
from ...run.settings import Settings, describe
from ...stack import Acquisition, Dataset, without_voxels
from ..folding import Fold
from ..jobs.messages import for_window
from ..layers import REAL_KEY, adopt, adopt_labels, to_dataset
from ..layers.channels import joined, name_of, same_file
from ..layers.watch import LayerListWatch, PlaceWatch
from ..qt_helpers import PROBLEM_COLOUR, growing_form, let_shrink, pin_button, say
from .channel_choice import ChannelChoice
from .depths_table import DepthsTable
from .opening import FILES, TIP, opened
from .part_choice import PartChoice
from .series_choice import SeriesChoice
from .stack_words import FEW, describe_stack, invitation

_MISSING = f"border: 2px solid {PROBLEM_COLOUR};"


class StackBox(QGroupBox):
    """Chooses the input layer and completes what its file does not say.

    It follows the image layer that is selected in the viewer, unless it is pinned; layers that the docks have made
    are not followed. ``changed`` is emitted when the stack or what is known about it changes.

    Parameters
    ----------
    viewer : napari.Viewer
    channels, takes_labels : bool
        Whether all channels of an image can be chosen at once; whether a Labels layer can be chosen, too.
    place_only : bool
        Only where the sections are can be said, and need not be: not what an image is, nor a part of it.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: napari.Viewer,
        parent: QWidget | None = None,
        *,
        channels: bool = False,
        takes_labels: bool = False,
        place_only: bool = False,
    ) -> None:
        super().__init__("Stack")
        self._viewer, self._takes_labels, self._place_only = viewer, takes_labels, place_only
        self._dataset: Dataset | None = None
        self._problem = ""
        self._depths: list[float] | None = None
        self._chosen: Layer | None = None
        self._watch = PlaceWatch(self._read_layer)
        self._channels = ChannelChoice(viewer) if channels else None
        self._entered: dict[Any, dict[str, Any]] = {}  # per layer, what the user has added
        self.setAcceptDrops(True)
        self._build()
        self._layer_list = LayerListWatch(viewer, self._refresh_layers)
        viewer.layers.selection.events.active.connect(self._follow_selection)
        self._refresh_layers()
        self._follow_selection()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._viewer.layers.selection.events.active.disconnect(self._follow_selection)
        self._layer_list.leave()
        self._part.leave()
        self._watch.follow([])

    # What the other boxes ask for

    @property
    def layer(self) -> Layer | None:
        """The chosen layer, or None."""
        chosen = self._layers.currentData()
        return next((layer for layer in self._viewer.layers if layer.unique_id == chosen), None)

    @property
    def layers(self) -> list[Layer]:
        """The layers to work on: the chosen one, or all channels of its image."""
        layer = self.layer
        if layer is None or self._channels is None:
            return [] if layer is None else [layer]
        return [each for each in self._channels.layers() if each in self._viewer.layers]

    @property
    def name(self) -> str:
        """What the layers to work on are called together; empty if there are none."""
        return name_of(self.layers) if self.layers else ""

    def dataset(self) -> Dataset:
        """Return the stack as the layers show it, read anew.

        Raises
        ------
        DepthInterpError
            If there is no usable layer.
        """
        if self.layer is None:
            raise DepthInterpError("there is no image layer; open a stack, or drop one here")
        self._part.check()
        return joined([to_dataset(each) for each in self.layers], self.layers)

    def described(self, settings: Settings) -> Dataset:
        """Return the last seen stack with what the settings add."""
        if self._dataset is None:
            raise DepthInterpError(self._problem or "open a stack, or drop one here")
        self._part.check()
        dataset = prepare_dataset(self._dataset, settings)
        used_sections(dataset, settings)  # raises if they cannot be excluded
        return dataset

    def values(self) -> dict[str, Any]:
        """Return the settings that this box edits."""
        return self._known() | self._part.values(self.layer)

    def _known(self) -> dict[str, Any]:
        n = self._count.value() if self._acquisition.currentData() == "projection" else 1
        return {
            "z_spacing": self._spacing.text().strip() or None if self._depths is None else None,
            "depths": self._depths,
            "acquisition": f"projection:{n}" if n > 1 else None,
        }

    def set_values(self, settings: Settings) -> None:
        """Show these settings."""
        self._show(settings)
        self._part.show_settings(settings)
        self._describe()

    def _show(self, settings: Settings) -> None:
        self._depths = settings.depths
        self._spacing.setText(settings.z_spacing or "")
        acquisition = Acquisition.parse(settings.acquisition or "slice")
        if acquisition.is_projection:
            self._count.setValue(acquisition.n)
        self._acquisition.setCurrentIndex(int(acquisition.is_projection))

    def open_files(self, paths: Sequence[str | Path]) -> None:
        """Open files with this plugin's readers, whatever other plugins offer, and choose the first."""
        layers, problems = opened(self._viewer, paths)
        if layers:
            self._viewer.layers.selection.active = layers[0]
            self._layers.setCurrentIndex(self._layers.findData(layers[0].unique_id))
        if problems:
            show_warning("; ".join(problems))
            self._show_problem("\n".join(problems))

    # Building

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        self._layers = QComboBox()
        self._layers.setToolTip("The image layer whose sections are the input.")
        self._layers.setAccessibleName("Layer")
        self._layers.setPlaceholderText("no stack chosen")
        let_shrink(self._layers, 6)
        self._layers.currentIndexChanged.connect(self._layer_chosen)
        self._pin = pin_button()
        self._pin.toggled.connect(self._follow_selection)
        open_button = QPushButton("Open…")
        open_button.setToolTip(TIP)
        menu = QMenu(open_button)
        menu.addAction("Files…", self._ask_for_files)
        menu.addAction("Folder (OME-Zarr, DICOM, images)…", self._ask_for_folder)
        open_button.setMenu(menu)
        row = QHBoxLayout()
        row.addWidget(self._layers, 1)
        row.addWidget(self._pin)
        row.addWidget(open_button)
        layout.addLayout(row)
        self._series = SeriesChoice(self)
        self._series.chosen.connect(lambda path: self.open_files([path]))
        layout.addWidget(self._series)
        if self._channels is not None:
            self._channels.changed.connect(self._channels_chosen)
            layout.addWidget(self._channels)
        self._info = QLabel()
        self._info.setObjectName("summary")
        self._info.setWordWrap(True)
        self._info.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(self._info)
        known = QWidget()
        column = QVBoxLayout(known)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._build_form())
        column.addWidget(self._build_table())
        self._fold = Fold("Spacing, depths" if self._place_only else "Spacing, depths, acquisition, part", known)
        layout.addWidget(self._fold)

    def _build_form(self) -> QFormLayout:
        form = growing_form()
        self._spacing = QLineEdit()
        self._spacing.setToolTip(f"<qt>{describe('z_spacing')} Leave empty to keep the file's.</qt>")
        self._spacing.textEdited.connect(self._forget_depths)
        self._spacing.textChanged.connect(self._describe)
        form.addRow("Z spacing", self._spacing)
        self._acquisition = QComboBox()
        for kind in ("slice", "projection"):
            self._acquisition.addItem(kind.capitalize(), kind)
        self._acquisition.setToolTip(f"<qt>{describe('acquisition')}</qt>")
        self._acquisition.setAccessibleName("Acquisition")
        self._count = QSpinBox()
        self._count.setAccessibleName("Sections in one image")
        self._count.setRange(2, 1000)
        self._count.setValue(6)
        self._count.setPrefix("of ")
        self._count.setSuffix(" sections")
        self._count.setToolTip("How many sections one recorded image is the mean of.")
        row = QHBoxLayout()
        row.addWidget(self._acquisition)
        row.addWidget(self._count)
        self._acquisition.currentIndexChanged.connect(self._describe)
        self._count.valueChanged.connect(self._describe)
        self._unused = QWidget(self)  # holds what this dock does not ask for
        self._unused.hide()
        more = growing_form(self._unused) if self._place_only else form
        more.addRow("Acquisition", row)
        self._part = PartChoice(self._viewer, more, self)
        self._part.changed.connect(self._describe)
        return form

    def _build_table(self) -> Fold:
        self._table = DepthsTable()
        self._table.edited.connect(self._depths_edited)
        self._table.problem.connect(self._show_problem)
        self._table.forget_clicked.connect(self._back_to_file)
        return Fold("Depth of each section", self._table, self._table.build)

    # Dropping and opening files

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        if any(io.kind_at(url.toLocalFile()) for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        paths = [url.toLocalFile() for url in event.mimeData().urls()]
        self.open_files([path for path in paths if io.kind_at(path)])
        event.acceptProposedAction()

    def _ask_for_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open a stack", "", FILES)
        if paths:
            self.open_files(paths)

    def _ask_for_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of OME-Zarr, DICOM or images")
        if path and io.kind_at(path) is None:
            self._show_problem(f"'{Path(path).name}' is no OME-Zarr folder (.zarr), and holds no DICOM files or images")
        elif path:
            self.open_files([path])

    # Following the layers

    def _follow_selection(self, _event: Any = None) -> None:
        """Take the selected image, unless this box is pinned or a dock has made that layer."""
        layer = self._viewer.layers.selection.active
        if self._pin.isChecked() or not isinstance(layer, Image) or REAL_KEY in layer.metadata:
            return
        place = self._layers.findData(layer.unique_id)
        if place >= 0:
            self._layers.setCurrentIndex(place)

    def _refresh_layers(self) -> None:
        chosen, name = self._layers.currentData(), self._layers.currentText()
        self._layers.blockSignals(True)
        self._layers.clear()
        for layer in self._viewer.layers:
            self._layers.addItem(layer.name, layer.unique_id)
        recorded = next((i for i, layer in enumerate(self._viewer.layers) if REAL_KEY not in layer.metadata), -1)
        place = self._layers.findData(chosen)
        self._layers.setCurrentIndex(place if place >= 0 else recorded)  # what a dock has made is taken if chosen only
        self._layers.blockSignals(False)
        if self._layers.currentData() != chosen or chosen is None:
            self._layer_chosen()
        elif self._find_channels():
            self._channels_chosen()
        elif self._layers.currentText() != name:
            self.changed.emit()

    def _find_channels(self) -> bool:
        """Look for the channels of the chosen layer; return whether other layers are worked on than before."""
        return self._channels is not None and self._channels.follow(self.layer)

    def _channels_chosen(self) -> None:
        self._watch.follow(self.layers)
        self._read_layer()

    def _layer_chosen(self, _index: int = 0) -> None:
        """Show another layer, with what the user has said about it before, not about the last one."""
        before, layer = self._chosen, self.layer
        if before is not None:
            self._entered[before.unique_id] = self._known() | self._part.typed()
        self._chosen = layer
        self._find_channels()
        self._series.follow(layer)
        self._watch.follow(self.layers)
        self._dataset = None
        if before is not None and layer is not None and not same_file(before, layer):
            entered = Settings(**self._entered.get(layer.unique_id, {}))
            self._show(entered)
            self._part.show_settings(entered, keep=True)
        self._read_layer()

    def _read_layer(self, _event: Any = None) -> None:
        self._dataset, self._problem = None, ""
        if self._find_channels():  # one of them was moved
            self._watch.follow(self.layers)
        layers = self.layers
        if layers:
            try:
                with self._watch.paused():  # they may be moved to where their file says
                    known = [self._adopted(each) for each in layers]
                several = len(known) > 1  # their voxels are put together for a run only
                self._dataset = joined([without_voxels(each) for each in known], layers) if several else known[0]
            except DepthInterpError as error:
                self._problem = for_window(error)
        self._describe()

    def _adopted(self, layer: Layer) -> Dataset:
        return adopt_labels(layer) if self._takes_labels and isinstance(layer, Labels) else adopt(layer)

    # Describing

    def _show_problem(self, text: str) -> None:
        say(self._info, text, problem=True)

    def _describe(self, *_: Any) -> None:
        self._count.setVisible(self._acquisition.currentData() == "projection")
        self._part.follow(self.layer, self._dataset)
        dataset = None
        try:
            dataset = self.described(Settings(**self.values()))
        except DepthInterpError as error:
            missing = self._dataset is not None
            if self.layer is None:
                say(self._info, invitation(self._layers.count() > 0))
            else:
                self._show_problem(for_window(error))
        else:
            few = dataset.voxels.shape[2] < 2
            say(self._info, describe_stack(dataset) + (FEW if few else ""), problem=few, rich=True)
            missing = dataset.grid.depths is None and not self._place_only
            self._table.fill(dataset)
        if missing:
            self._fold.unfold()  # what is asked for must be in view
        self._fold.say(self._what_is_set(dataset))
        self._spacing.setStyleSheet(_MISSING if missing else "")
        self._spacing.setPlaceholderText("needed: for example 2um" if missing else "as in the layer")
        self.changed.emit()

    def _what_is_set(self, dataset: Dataset | None) -> str:
        values = self._known()
        words = [f"z spacing {values['z_spacing']}"] if values["z_spacing"] else []
        words += ["own depths"] if values["depths"] else []
        words += [f"projections of {self._count.value()}"] if values["acquisition"] else []
        return ", ".join([*words, *self._part.words(dataset)])

    def _depths_edited(self, depths: list[float]) -> None:
        self._depths = depths
        self._describe()

    def _back_to_file(self, *_: Any) -> None:
        self._spacing.clear()
        self._forget_depths()

    def _forget_depths(self, *_: Any) -> None:
        self._depths = None
        self._describe()

"""Which labels are filled in, and the image that they were drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_warning
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ... import io
from ...errors import DepthInterpError, InputError
from ...run.result import RECORD_KEY
from ..jobs.messages import for_window
from ..layers import REAL_KEY
from ..layers.label_layers import to_label_layers
from ..layers.watch import LayerListWatch
from ..qt_helpers import growing_form, let_shrink, pin_button, say
from .labels_offer import LabelsOffer

PREVIEW_KEY = "depth_interp_preview"
"""True in the metadata of a layer that is looked at and not worked on."""

_FILES = "Label images (*.tif *.tiff *.btf *.nii *.nii.gz)"
_NONE = (
    "Open a label file, or select an image and add labels with the third button over napari's list of layers; draw on "
    "two sections or more."
)


class LayersBox(QGroupBox):
    """Chooses the Labels layer and the image layer beside it.

    It follows the Labels layer that is selected in the viewer, unless it is pinned. ``layer_changed`` is emitted when
    another one is chosen, ``changed`` when anything is.
    """

    changed = Signal()
    layer_changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__("Labels", parent)
        self._viewer = viewer
        self._chosen_images: dict[Any, Any] = {}  # per labels layer, what the user has chosen
        self._build()
        self._layer_list = LayerListWatch(viewer, self._refresh)
        viewer.layers.selection.events.active.connect(self._follow_selection)
        self._refresh()
        self._follow_selection()

    def leave(self) -> None:
        """Follow the viewer no longer."""
        self._viewer.layers.selection.events.active.disconnect(self._follow_selection)
        self._layer_list.leave()

    def _build(self) -> None:
        self._layers, self._images = QComboBox(), QComboBox()
        self._layers.setToolTip("The Labels layer whose annotated sections are the input.")
        self._layers.setAccessibleName("Labels layer")
        self._images.setToolTip(
            "<qt>The image that the labels were drawn on, with as many sections, rows and columns: some methods look "
            "at it. The one that fits is proposed.</qt>"
        )
        self._pin = pin_button()
        self._open = QPushButton("Open…")
        self._open.setToolTip("<qt>Open a TIFF or NIfTI file as labels. Files may be dropped on this dock, too.</qt>")
        self._offer = LabelsOffer(self._viewer)
        self._info = QLabel()
        self._info.setObjectName("summary")
        self._info.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self._layers, 1)
        row.addWidget(self._pin)
        row.addWidget(self._open)
        for box in (self._layers, self._images):
            let_shrink(box, 8)
        form = growing_form()
        form.addRow("Image", self._images)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self._info)
        layout.addWidget(self._offer)
        layout.addLayout(form)
        self._layers.currentIndexChanged.connect(self._layer_chosen)
        self._images.activated.connect(self._image_chosen)
        self._images.currentIndexChanged.connect(self.changed)
        self._pin.toggled.connect(self._follow_selection)
        self._open.clicked.connect(self._ask)

    # What is chosen

    @property
    def layer(self) -> Labels | None:
        """The chosen Labels layer, or None."""
        found = self._find(self._layers.currentData())
        return found if isinstance(found, Labels) else None

    @property
    def image(self) -> Image | None:
        """The chosen image layer, or None."""
        found = self._find(self._images.currentData())
        return found if isinstance(found, Image) else None

    def _find(self, identifier: Any) -> Layer | None:
        return next((layer for layer in self._viewer.layers if layer.unique_id == identifier), None)

    def usable(self) -> Labels:
        """Return the chosen layer.

        Raises
        ------
        InputError
            If there is none, or one that is not held in memory with the axes (z, y, x) or (t, z, y, x).
        """
        layer = self.layer
        if layer is None:
            raise InputError(_NONE)
        if layer.ndim not in (3, 4):
            raise InputError(f"'{layer.name}' has {layer.ndim} axes; choose labels with (z, y, x) or (t, z, y, x)")
        if layer.multiscale or not isinstance(layer.data, np.ndarray):
            raise InputError(f"'{layer.name}' is not held in memory; use the command depth-interp labels on its file")
        return layer

    def choose(self, layer: Labels) -> None:
        """Choose a layer."""
        self._layers.setCurrentIndex(self._layers.findData(layer.unique_id))

    def say(self, text: str, *, problem: bool = False, rich: bool = False) -> None:
        """Say what the layer is."""
        say(self._info, text, problem=problem, rich=rich)

    # Following the layers

    def _follow_selection(self, _event: Any = None) -> None:
        layer = self._viewer.layers.selection.active
        if not self._pin.isChecked() and isinstance(layer, Labels) and PREVIEW_KEY not in layer.metadata:
            self.choose(layer)
        self._offer.follow(self.layer)

    def _refresh(self) -> None:
        chosen = self._layers.currentData()
        self._layers.blockSignals(True)
        self._layers.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Labels) and PREVIEW_KEY not in layer.metadata:
                self._layers.addItem(layer.name, layer.unique_id)
        self._layers.setCurrentIndex(max(0, self._layers.findData(chosen)))
        self._layers.blockSignals(False)
        if self._layers.currentData() != chosen or chosen is None:
            self._layer_chosen()
        else:
            self._show_images()
            self.changed.emit()
        self._offer.follow(self.layer)

    def _layer_chosen(self, _index: int = 0) -> None:
        self._show_images()
        self.layer_changed.emit()
        self.changed.emit()

    def _show_images(self) -> None:
        """List the images that fit, and choose the one that was chosen for these labels, else the likeliest one."""
        layer = self.layer
        fitting = [] if layer is None else [each for each in self._viewer.layers if _fits(each, layer)]
        self._images.blockSignals(True)
        self._images.clear()
        self._images.addItem("None", None)
        for each in fitting:
            self._images.addItem(each.name, each.unique_id)
        likeliest = None if layer is None else _likeliest(fitting, layer)
        proposed = None if likeliest is None else likeliest.unique_id
        wanted = proposed if layer is None else self._chosen_images.get(layer.unique_id, proposed)
        place = self._images.findData(wanted)
        self._images.setCurrentIndex(place if place >= 0 else max(0, self._images.findData(proposed)))
        self._images.blockSignals(False)

    def _image_chosen(self, _index: int) -> None:
        if self.layer is not None:
            self._chosen_images[self.layer.unique_id] = self._images.currentData()

    # Files

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        if any(io.format_of(url.toLocalFile()) for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        paths = [url.toLocalFile() for url in event.mimeData().urls()]
        self.open_files([path for path in paths if io.format_of(path)])
        event.acceptProposedAction()

    def _ask(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Open labels", "", _FILES)
        if paths:
            self.open_files(paths)

    def open_files(self, paths: Sequence[str | Path]) -> None:
        """Open files as labels, whatever napari would make of them, and choose the last."""
        problems = []
        for path in map(Path, paths):
            try:
                made = to_label_layers(io.read(path, labels=True), path.name.split(".")[0])
            except (DepthInterpError, OSError) as error:
                problems.append(for_window(error))
                continue
            for data, kwargs, _ in made:
                self._viewer.add_layer(Labels(data, **kwargs))
        if problems:
            show_warning("; ".join(problems))
            self.say("\n".join(problems), problem=True)


def _shape(layer: Image | Labels) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape[: layer.ndim])


def _fits(image: Layer, labels: Labels) -> bool:
    """Whether an image has the sections, rows and columns of the labels, and one time point or theirs."""
    if not isinstance(image, Image) or image.ndim not in (3, 4) or REAL_KEY in image.metadata:
        return False
    if "annotated" in image.metadata.get(RECORD_KEY, {}):
        return False  # the confidence of labels
    own, other = _shape(labels), _shape(image)
    return own[-3:] == other[-3:] and (len(other) == 3 or other == own)


def _likeliest(fitting: Sequence[Layer], labels: Labels) -> Layer | None:
    """Return of the images that fit one that is shown and lies in the same place, the topmost."""

    def merits(image: Layer) -> tuple[bool, bool]:
        same = np.allclose(image.scale[-3:], labels.scale[-3:]) and np.allclose(
            image.translate[-3:], labels.translate[-3:]
        )
        return same, bool(image.visible)

    return max(reversed(fitting), key=merits, default=None)

"""Puts the boxes together; the one place that starts and ends runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QFileDialog, QWidget

from ...errors import DepthInterpError
from ...report import BASELINE
from ...run.estimate import Estimate
from ...run.inputs import prepare_dataset, whole_image
from ...run.request import resolve_method
from ...run.settings import Settings
from ...stack import Dataset
from ...system.amounts import duration
from ..boxes.compute_box import ComputeBox
from ..boxes.method_box import MethodBox
from ..boxes.more_box import MoreSettingsBox
from ..boxes.save_names import FILTERS, with_suffix
from ..boxes.stack_box import StackBox
from ..boxes.stack_words import check_sections
from ..boxes.target_box import TargetBox
from ..jobs.messages import for_window, name_fields
from ..jobs.run_bar import RunBar
from ..jobs.settings_widget import SettingsWidget
from ..layers import place
from ..layers.appearance import unique_name
from ..layers.channels import name_of
from ..layers.view_part import visible_part
from ..preferences import remember_folder, remember_settings, remembered_folder
from .enhance_box import EnhanceBox
from .output_box import OutputBox
from .results import Run, add_result
from .runs_panel import RunsPanel
from .save import save_order, save_task
from .spread import spread_target
from .task import Outcome, View, estimate_task, preview_task, run_task


@dataclass(frozen=True, eq=False)
class Input:
    """What a run works on: the layers, one per channel, their voxels as they were, what they are called together."""

    name: str = ""
    layers: Sequence[Layer] = ()
    data: Sequence[Any] = ()
    preview: bool = False

    def changed(self, viewer: napari.Viewer) -> bool:
        """Return whether a layer is gone or has other voxels."""
        both = zip(self.layers, self.data, strict=True)
        return any(layer not in viewer.layers or layer.data is not data for layer, data in both)


class DepthInterpolation(SettingsWidget):
    """Fill in the missing sections of a stack.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    wide = 425
    subcommand = "run"
    not_used = ("channel", "axis")
    advice = "use a smaller factor, one channel, or a crop of the stack"

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._input = Input()
        self._changed_since = False
        self._preview_layers: list[Layer] = []
        self._then: Callable[[], None] | None = None
        self.stack = StackBox(napari_viewer, channels=True)
        self.target = TargetBox()
        self.enhance = EnhanceBox()
        self.method = MethodBox()
        self.compute = ComputeBox(spread=True)
        self.output = OutputBox()
        self.bar = RunBar("Make the dense stack. The window stays usable meanwhile.", saves=True)
        self.runs = RunsPanel(napari_viewer)
        boxes = (self.stack, self.target, self.method, self.enhance, self.compute)  # the preset before what follows it
        self.more = MoreSettingsBox.beside(boxes, self.not_used)
        self.settings_boxes = (*boxes, self.more)
        self.drops = self.stack
        shown = (
            *(self.stack, self.target, self.method, self.compute, self.enhance, self.output, self.more),
            self.settings_buttons(),
        )
        self.lay_out(shown, {"Runs and scores": self.runs})
        self.show_first()
        for box in self.settings_boxes:
            box.changed.connect(self.bar.forget_problem)
            box.changed.connect(self._forget_estimate)
            box.changed.connect(self._check)
        self.output.changed.connect(self._check)
        self.output.estimate_clicked.connect(self.estimate)
        self.bar.run_clicked.connect(self.run)
        self.bar.preview_clicked.connect(self.preview)
        self.bar.cancel_clicked.connect(self.cancel)
        self.bar.save_clicked.connect(self.ask_save_result)
        self.runs.chosen_changed.connect(self.bar.set_saveable)
        self._check()

    # Settings

    def unused(self, settings: Settings) -> str:
        """Say that a file's channel and axis are chosen with the layer."""
        left_out = [name for name in self.not_used if getattr(settings, name) != getattr(Settings(), name)]
        return f"; not used here: {', '.join(left_out)} (choose the layer instead)" if left_out else ""

    def use_model(self, method: str, name: str) -> None:
        """Choose a method with one of its models, and keep the other settings."""
        same = method == self.method.spec.name
        kept = self.settings().parameters if same else {}
        self.set_settings(self.settings().model_copy(update={"method": method, "parameters": {**kept, "model": name}}))
        self._check()

    # Running

    def run(self) -> None:
        """Start a run on all sections."""
        if self.job is not None:
            return
        layers = self.stack.layers
        try:
            settings, scoring, dataset = self.settings(), self.compute.scoring(), self.stack.dataset()
            if self.output.needs_file and not self.output.ask():
                self.bar.say("the result is to be streamed to a file; choose one to run", problem=True)
                return
            target = spread_target(self.output.target(), self.compute.processes(), layers, dataset, settings)
        except DepthInterpError as error:
            self._failed(error)
            return
        try:
            remember_settings(settings)
        except (DepthInterpError, OSError) as error:  # a full or read-only home folder
            show_warning(f"the settings could not be remembered: {error}")
        self._place(dataset, settings)
        self._start(partial(run_task, dataset, settings, scoring, target), layers, "running", preview=False)

    def _place(self, dataset: Dataset, settings: Settings) -> None:
        """Put the layers where the settings say, so that the result lies over them."""
        if settings.z_spacing is not None:
            for layer in self.stack.layers:
                place(layer, prepare_dataset(dataset, whole_image(settings)))

    def estimate(self) -> None:
        """Measure on parts of the stack what a run will take, and show it."""
        if self.job is not None:
            return
        try:
            settings, dataset, target = self.settings(), self.stack.dataset(), self.output.target()
        except DepthInterpError as error:
            self._failed(error)
            return
        self._changed_since = False
        self.start_job(partial(estimate_task, dataset, settings, target), "estimating", self._estimated)

    def _forget_estimate(self, *_: object) -> None:
        self._changed_since = True
        self.output.forget_estimate()

    def _estimated(self, estimate: Estimate) -> None:
        if self._changed_since:
            self.bar.say("something was changed while this was estimated; estimate again")
            return
        self.output.show_estimate(estimate)
        self.bar.say(f"estimate: {estimate.describe()[0]}")

    def preview(self) -> None:
        """Fill the gap around the section in view, on the part of the image in view.

        Where the chosen method has to train first, linear interpolation is shown until it has.
        """
        layer, layers = self.stack.layer, self.stack.layers
        if self.job is not None:
            return
        try:
            settings, dataset = self.settings(), self.stack.dataset()
            section = section_in_view(self.viewer, layer)  # of the layer as it stands
            self._place(dataset, settings)
        except DepthInterpError as error:
            self._failed(error)
            return
        view = View(section, *visible_part(layer), time_in_view(self.viewer, layer))
        if self._trains(settings):
            self._then = partial(self._start_preview, dataset, settings, view, layers)
            settings = settings.model_copy(update={"method": BASELINE, "parameters": {}, "enhance": None})
        self._start_preview(dataset, settings, view, layers)

    @staticmethod
    def _trains(settings: Settings) -> bool:
        """Return whether a run trains on the stack before anything can be seen."""
        spec, config = resolve_method(settings.method, settings.preset, settings.parameters)
        cost = spec.training_cost
        return not spec.enhances and cost is not None and cost.steps(config) > 0

    def _start_preview(self, dataset: Dataset, settings: Settings, view: View, layers: list[Layer]) -> None:
        self._start(partial(preview_task, dataset, settings, view), layers, "preview", preview=True)

    def _start(self, function: Any, layers: list[Layer], what: str, *, preview: bool) -> None:
        self._input = Input(name_of(layers), layers, [layer.data for layer in layers], preview)
        self.start_job(function, what, self._returned)

    def _returned(self, outcome: Outcome) -> None:
        if self.job is None or self.job.abort_requested:  # cancelled while the result was on its way
            self._cancelled()
            return
        given, settings = self._input, outcome.settings
        if given.preview:
            self._remove_preview()
        words = [word for word in (settings.enhance, settings.method, "preview" if given.preview else None) if word]
        single = len(given.layers) == 1  # of several channels no layer is called as their run
        taken = [] if single else [run.name for run in self.runs.runs]
        name = unique_name(self.viewer, " ".join([given.name, *words]), taken)
        names = [name] if single else [" ".join([layer.name, *words]) for layer in given.layers]
        run = Run(name, outcome, names)
        run.remember_input(given.layers[0], alone=single)
        add_result(self.viewer, run, given.layers, over=given.preview or settings.crop is not None)
        if given.preview:
            self._preview_layers = run.layers
        notes = [name_fields(each) for each in outcome.result.warnings]
        if given.changed(self.viewer):
            notes.append("the input layer was changed or removed during the run; the result belongs to the old data")
        for note in notes:
            show_warning(note)
        self.bar.say("; ".join([f"{name}: done in {duration(outcome.result.seconds or 0)}", *notes]))
        if not given.preview:
            self.output.clear_file()
            self.runs.add(run)
            if outcome.held_out is not None:
                self.show_page(self.runs)

    def next_hidden(self) -> None:
        """Show the next hidden section of the chosen run."""
        self.runs.step_hidden(1)

    def previous_hidden(self) -> None:
        """Show the hidden section before."""
        self.runs.step_hidden(-1)

    # Saving

    def ask_save_result(self) -> None:
        """Ask where to save the chosen run."""
        run = self.runs.chosen
        if run is None or self.job is not None:
            return
        if run.outcome.target is not None:
            self.bar.say(f"the result is in {run.outcome.target.path} already")
            return
        start = remembered_folder() / f"{run.name}.tif"
        path, chosen = QFileDialog.getSaveFileName(self, "Save the result", str(start), FILTERS)
        if path:
            whole = with_suffix(path, chosen)
            self.save_result(whole, overwrite=whole == Path(path))  # the dialog has asked about the name it knows

    def save_result(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the chosen run, and its uncertainty beside it."""
        run = self.runs.chosen
        if run is None or self.job is not None:
            return
        try:
            order = save_order(self.viewer, run, path, overwrite=overwrite)
            remember_folder(path.parent)
        except DepthInterpError as error:
            self._failed(error)
            return
        except OSError as error:
            show_warning(f"the folder could not be remembered: {error}")
        self.start_job(partial(save_task, order), "saving", self._saved)

    def _saved(self, paths: Sequence[Path]) -> None:
        self.bar.say(f"saved: {', '.join(path.name for path in paths)} in {paths[0].parent}")

    def _remove_preview(self) -> None:
        """Take away the last preview: the next one takes its place."""
        for layer in self._preview_layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self._preview_layers = []

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._input = Input()
        self._check()
        then, self._then = self._then, None
        if then is not None:
            then()

    def _failed(self, error: Exception) -> None:
        self._then = None
        super()._failed(error)

    def _cancelled(self, *_: Any) -> None:
        self._then = None
        super()._cancelled()
        if self._input.preview and self._preview_layers:
            self.bar.say("cancelled; the last preview stays")

    def leave(self) -> None:
        """Let go of the viewer."""
        self._then = None
        self.stack.leave()
        self.runs.leave()

    # Checking what the boxes show

    def _check(self, *_: Any) -> None:
        spec = self.method.spec
        self.bar.set_input(self.stack.name)
        self.compute.show_method(spec)
        self.target.show_method(spec)
        self.enhance.follow_preset(self.method.preset)
        for box in (self.target, self.enhance):
            box.setVisible(not spec.enhances)
        try:
            settings = self.settings()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error), in_message=True)
            return
        try:
            dataset = self.stack.described(settings)
            if not spec.enhances:
                check_sections(dataset)
        except DepthInterpError as error:
            self.target.clear()
            self.bar.set_ready(False, for_window(error))
            return
        try:
            size = dataset.voxels.nbytes if spec.enhances else self.target.show_summary(dataset, settings)
            self.output.show_size(size)
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error))
        else:
            self.bar.set_ready(True)


def section_in_view(viewer: napari.Viewer, layer: Layer | None) -> float:
    """Return which section of a layer the slider shows, as an index that may lie between two sections."""
    if layer is None or viewer.dims.ndim < 3:
        return 0.0
    return _data_point(viewer, layer)[-3]


def time_in_view(viewer: napari.Viewer, layer: Layer | None) -> int:
    """Return which time point of a layer the slider shows; another layer's time may go further or finer."""
    if layer is None or layer.ndim < 4:
        return 0
    return int(np.clip(round(_data_point(viewer, layer)[-4]), 0, layer.data.shape[-4] - 1))


def _data_point(viewer: napari.Viewer, layer: Layer) -> list[float]:
    point = np.asarray(viewer.dims.point[-layer.ndim :])
    return [float(place) for place in layer.world_to_data(point)]

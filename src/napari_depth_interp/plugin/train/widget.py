"""Puts the boxes together; the one place that starts, pauses and ends trainings."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import napari
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QWidget

from ...errors import DepthInterpError, OutputError, RequestError
from ...models import library
from ...models import names as model_names
from ...models.card import best_of, verdict
from ...models.folder import about, check_folder
from ...progress import Progress
from ...run.settings import Settings, make_settings
from ...training import session
from ..boxes.compute_box import ComputeBox
from ..boxes.method_box import MethodBox
from ..boxes.model_choice import model_list
from ..jobs.job_widget import JobWidget
from ..jobs.messages import for_window
from ..preferences import PLUGIN, preference
from .data_box import DataBox
from .hidden_box import HiddenBox, hides, others
from .model_box import ModelBox
from .models_panel import ModelsPanel
from .picture import Picture
from .progress_panel import ProgressPanel
from .task import Control, TrainingJob, is_training, train_task
from .train_bar import TrainBar

_FIRST = "msdsr"
"""The method that is chosen first."""
_REDRAW = 0.25
"""Seconds between two redraws of the curves."""


class TrainModel(JobWidget):
    """Train a model on dense stacks, watch it learn, keep it.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    wide = 410
    advice = "use a smaller network or batch, fewer stacks, or crops of them"

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self.control = Control()
        self._running: TrainingJob | None = None
        self._picture: Picture | None = None
        self._drawn = 0.0
        self.method = MethodBox(offered=lambda spec: spec.makes_model, first=_FIRST, shown=others)
        self.data = DataBox(napari_viewer, self.method.spec)
        self.hidden = HiddenBox(self.method.spec, self.method.default())
        self.compute = ComputeBox(scoring=False)
        self.model = ModelBox()
        self.bar = TrainBar("Learn from these stacks. The window stays usable meanwhile.")
        self.curves = ProgressPanel(napari_viewer)
        self.models = ModelsPanel()
        boxes = (self.data, self.method, self.hidden, self.compute, self.model)
        self.lay_out(boxes, {"Progress": self.curves, "Models": self.models})
        self.compute.set_values(Settings(device=preference("device")))
        for box in boxes:
            box.changed.connect(self.bar.forget_problem)
            box.changed.connect(self._check)
        self.bar.run_clicked.connect(self.run)
        self.bar.pause_clicked.connect(self._pause)
        self.bar.stop_clicked.connect(self.stop_training)
        self.models.resume_wanted.connect(self.resume)
        self.models.use_wanted.connect(self.use)
        self.models.said.connect(self._say)
        self._check()
        self._remind()

    # What the boxes show

    def order(self) -> session.Order:
        """Return what the boxes ask for.

        Raises
        ------
        RequestError
            If a value does not fit.
        """
        values = self.method.values()
        own = {name: value for name, value in values["parameters"].items() if name not in hides(self.method.spec)}
        values["parameters"] = {**own, **self.hidden.values()}
        settings = make_settings(**values, **self.compute.values(), z_spacing=self.data.z_spacing())
        folder = self.data.folder()
        names = tuple(layer.name for layer in self.data.layers())
        return session.Order(
            settings=settings,
            folder=None if folder is None else str(folder.absolute()),
            layers=names,
            licence=self.model.licence(),
        )

    def show_order(self, order: session.Order, name: str) -> None:
        """Show what a training was asked for.

        Raises
        ------
        InputError
            If a layer that it learned from is not open.
        """
        if order.folder is None:
            self.data.show_layers(order.layers)
        else:
            self.data.show_folder(order.folder)
        self.method.set_values(order.settings)
        self._show_hidden()
        self.hidden.set_values(order.settings.parameters)
        self.compute.set_values(order.settings)
        self.model.set_name(name)
        self.model.set_licence(order.licence)

    # Training

    def run(self) -> None:
        """Start a training."""
        if self.job is not None:
            return
        try:
            self._check_free()
            self.data.check()
            job = TrainingJob(self.order(), self.data.datasets(), self._free_folder())
        except DepthInterpError as error:
            self._failed(error)
            return
        self._start(job, {})

    def resume(self, name: str) -> None:
        """Go on with an unfinished training."""
        if self.job is not None:
            return
        try:
            self._check_free()
            folder = model_names.folder_of(name)
            order = session.Order.load(folder)
            self.show_order(order, name)
            job = TrainingJob(order, self.data.datasets(), folder, resume=True)
        except DepthInterpError as error:
            self._failed(error)
            return
        self._start(job, session.history_of(folder))

    def use(self, method: str, name: str) -> None:
        """Choose a model in the dock that runs methods, which is opened if it is not there."""
        dock, runs = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
        runs.use_model(method, name)
        dock.show()
        dock.raise_()

    def stop_training(self) -> None:
        """End the training with the best weights so far; before the first step there are none."""
        if self.control.begun:
            self.control.stop()
        else:
            self.cancel()

    def _start(self, job: TrainingJob, history: dict[str, Any]) -> None:
        self._running, self.control = job, Control()
        if self._picture is not None:
            self._picture.leave()
        self._picture = Picture(self.viewer, f"{job.folder.name} validation")
        self.curves.begin(job.folder.name, history)
        self.show_page(self.curves)
        self.models.set_busy(job.folder.name)
        self.bar.begin(job.order.settings.device)
        self.start_job(partial(train_task, job, self.control), "starting", self._returned)
        assert self.job is not None
        self.job.progressed.connect(self._progressed)

    def _progressed(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.training is not None and (now - self._drawn > _REDRAW or progress.fraction >= 1):
            self._drawn = now
            self.show_points()

    def show_points(self) -> None:
        """Draw what the training has told since the last time."""
        points = self.control.take()
        self.curves.add(points)
        if points and not points[-1].is_validated:
            self.curves.say_unvalidated(self.control.why_unvalidated)
        looks = [point for point in points if point.picture is not None]
        if looks and self._picture is not None and self.curves.show_picture.isChecked():
            self._picture.show(looks[-1])

    def _returned(self, outcome: session.Outcome) -> None:
        self.show_points()
        self.model.forget()
        model_list().changed.emit()
        best = best_of(about(outcome.folder).record)
        words = [f"{outcome.folder.name}: trained for {outcome.steps} steps"]
        if outcome.steps < outcome.planned:
            words[0] += f" of {outcome.planned}"
        why = self.control.why_unvalidated
        words.append(verdict(best) if best else f"not validated: nothing was held back, for {why}")
        worse = best is not None and "worse than" in verdict(best)
        if worse:
            words.append("train longer, or do not use it")
        self.bar.say("; ".join(words), problem=worse)
        self.models.choose(outcome.folder.name)

    def _cancelled(self, *_: Any) -> None:
        kept = self._running is not None and (self._running.folder / library.CHECKPOINT).exists()
        self.bar.say("ended; Models > Resume goes on from here" if kept else "ended; nothing was learned yet")

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._running = None
        self.models.set_busy("")
        self._check()

    def _pause(self, paused: bool) -> None:
        (self.control.pause if paused else self.control.go_on)()

    def leave(self) -> None:
        """Let go of the viewer."""
        self.control.go_on()  # a pause would keep the training from ending
        self.data.leave()
        self.curves.leave()
        if self._picture is not None:
            self._picture.leave()

    # Checking

    def _check_free(self) -> None:
        if is_training():
            raise RequestError("another training is running in this napari; wait for it, or stop it first")

    def _free_folder(self) -> Any:
        name = self.model.name()
        folder = model_names.folder_of(name)
        if (folder / library.CHECKPOINT).exists():
            raise OutputError(f"'{name}' is an unfinished training; resume it under Models, or choose another name")
        try:
            check_folder(folder)
        except OutputError as error:
            raise OutputError(f"there is a model '{name}' already; choose another name") from error
        return folder

    def _check(self, *_: Any) -> None:
        spec = self.method.spec
        self.compute.show_device(spec)
        self._show_hidden()
        self.data.blockSignals(True)
        self.data.set_method(spec)
        self.data.blockSignals(False)
        if self.job is None:
            self.model.suggest(spec.name)
        try:
            self.order()
            if self.job is None:
                self._free_folder()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error), in_message=True)
            return
        try:
            self.data.check()
        except DepthInterpError as error:
            self.bar.set_ready(False, for_window(error))  # the box above says it already
        else:
            self.bar.set_ready(True)

    def _show_hidden(self) -> None:
        self.hidden.blockSignals(True)
        self.hidden.show_method(self.method.spec, self.method.default())
        self.hidden.blockSignals(False)

    def _remind(self) -> None:
        waiting = [each.name for each in library.entries() if each.state == "unfinished"]
        if waiting:
            self.bar.say(f"unfinished: {', '.join(waiting)}; Models > Resume goes on")

    def _say(self, text: str, problem: bool) -> None:
        self.bar.say(text, problem=problem)
        if problem:
            show_warning(text)

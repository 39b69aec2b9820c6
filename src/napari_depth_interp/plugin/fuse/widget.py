"""Puts the boxes together; the one place that starts and ends a fusion."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton, QWidget

from ... import io
from ...errors import DepthInterpError
from ...fusion.settings import FuseSettings, make_fuse_settings
from ...system.amounts import duration
from ..boxes.save_names import FILTERS, with_suffix
from ..icons import set_icon
from ..jobs.job_widget import JobWidget
from ..jobs.messages import for_window, name_fields
from ..jobs.run_bar import RunBar
from ..preferences import remember_folder, remembered_folder
from .options_box import OptionsBox
from .quality_page import QualityPage
from .results import Shown, add_fused, command_of, show_chessboard, show_overlay
from .stacks_box import StacksBox, affines_of
from .task import Fused, Order, fuse_task, save_task

_RUN_TIP = "Register the ticked stacks onto the first one and fuse them into a new layer; the stacks stay as they are."
_SAVE_TIP = "Write the volume, its uncertainty and coverage beside it, and the transforms as files of ITK."
_FEWEST = 2


class FuseStacks(JobWidget):
    """Fuse thick stacks of one specimen and look at how well they fit.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    advice = "ask for larger voxels, or close other layers"
    draws = False

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self.shown: Shown | None = None
        self._given: list[Layer] = []
        self.stacks = StacksBox(napari_viewer)
        self.options = OptionsBox()
        self.quality = QualityPage()
        self.bar = RunBar(_RUN_TIP, preview=False, saves=True, save_tip=_SAVE_TIP, invitation="&Fuse")
        self._copy = QPushButton("&Copy as command")
        set_icon(self._copy, "copy_to_clipboard")
        self._copy.setToolTip("Put the command line that does the same on the clipboard.")
        self.lay_out((self.stacks, self.options, self._copy), {"Quality": self.quality})
        self.stacks.changed.connect(self._refresh)
        self.options.changed.connect(self._refresh)
        self.quality.overlay_clicked.connect(self.show_overlay)
        self.quality.chessboard_clicked.connect(self.show_chessboard)
        self._copy.clicked.connect(self.copy_command)
        self.bar.run_clicked.connect(self.run)
        self.bar.cancel_clicked.connect(self.cancel)
        self.bar.save_clicked.connect(self.ask_save_result)
        self._refresh()

    def leave(self) -> None:
        """Let go of the viewer."""
        self.stacks.leave()

    def settings(self) -> FuseSettings:
        """Return what the boxes ask for.

        Raises
        ------
        DepthInterpError
            If a value does not fit.
        """
        return make_fuse_settings(**self.options.values())

    def order(self) -> Order:
        """Return what would be fused now.

        Raises
        ------
        DepthInterpError
            If it cannot be done.
        """
        layers = self.stacks.layers
        names = [layer.name for layer in layers]
        return Order(
            self.stacks.datasets(), names, affines_of(layers), self.settings(), self.options.scores,
            self.options.transforms,
        )  # fmt: skip

    def run(self) -> None:
        """Fuse the ticked stacks, off the GUI thread."""
        if self.job is not None:
            return
        try:
            order = self.order()
            order.request(trusted=True)  # raises if it cannot be done; the job looks at the voxels
        except DepthInterpError as error:
            self._failed(error)
            return
        self._given = self.stacks.layers
        self.start_job(partial(fuse_task, order), "fusing", self._returned)

    def _returned(self, fused: Fused) -> None:
        if self.job is None or self.job.abort_requested:
            self._cancelled()
            return
        reference = self._given[0] if self._given and self._given[0] in self.viewer.layers else None
        name = self._given[0].name if self._given else "stacks"
        self.shown = add_fused(self.viewer, fused, name, reference)
        result = fused.result
        self.quality.show_stacks(result.stacks, result.unit, [name_fields(each) for each in result.warnings])
        self.bar.say(f"{self.shown.name}: {len(result.stacks)} stacks fused in {duration(result.seconds or 0)}")
        self.bar.set_saveable(True)
        self.show_page(self.quality)

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._show_ready()  # why it failed stays on the bar

    def show_overlay(self, number: int) -> None:
        """Show a stack over the volume."""
        if (shown := self._still_there()) is not None:
            show_overlay(self.viewer, shown, number)

    def show_chessboard(self, number: int) -> None:
        """Show a stack and the volume in fields by turns."""
        if (shown := self._still_there()) is not None:
            show_chessboard(self.viewer, shown, number)

    def _still_there(self) -> Shown | None:
        if self.shown is None or self.shown.layer not in self.viewer.layers:
            self.bar.say("the layer of the fused volume was removed; fuse again", problem=True)
            return None
        return self.shown

    def copy_command(self) -> None:
        """Put the command line that fuses these stacks on the clipboard."""
        try:
            settings = self.settings()
        except DepthInterpError as error:
            self._failed(error)
            return
        layers = self.stacks.layers
        name = f"{layers[0].name} fused" if layers else "fused"
        paths = [layer.source.path for layer in layers]
        words = command_of(settings, paths, name, self.options.transforms, score=self.options.scores)
        QApplication.clipboard().setText(words)
        self.bar.say("the command is on the clipboard")

    def ask_save_result(self) -> None:
        """Ask where to save the fused volume."""
        if self.shown is None or self.job is not None:
            return
        start = remembered_folder() / f"{self.shown.name}.nii.gz"
        path, chosen = QFileDialog.getSaveFileName(self, "Save the fused volume", str(start), FILTERS)
        if path:
            whole = with_suffix(path, chosen)
            self.save_result(whole, overwrite=whole == Path(path))

    def save_result(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the fused volume and what belongs to it."""
        if self.shown is None or self.job is not None:
            return
        try:
            io.check_output(path, overwrite=overwrite)
            remember_folder(path.parent)
        except (DepthInterpError, OSError) as error:
            self._failed(error)
            return
        self.start_job(partial(save_task, path, self.shown.fused.result, overwrite), "saving", self._saved)

    def _saved(self, path: Path) -> None:
        self.bar.say(f"saved: {path.name} in {path.parent}, with its uncertainty, coverage and transforms")

    def _refresh(self, *_: Any) -> None:
        """Say what would be fused now; an earlier problem may be gone."""
        self.bar.forget_problem()
        self._show_ready()

    def _show_ready(self) -> None:
        """Say what would be fused now, and whether it can be."""
        layers, problem = self.stacks.layers, ""
        if len(layers) < _FEWEST:
            problem = f"Tick two or more stacks of one specimen; {len(layers) or 'none'} is ticked."
        else:
            try:
                request = self.order().request(trusted=True)
                sizes = " x ".join(map(str, request.lattice.shape))
                voxel = _length(request.lattice.voxel, request.unit)
                self.stacks.say(f"{len(layers)} stacks become {sizes} voxels of {voxel}")
                thick = [_length(view.profile.thickness, request.unit) for view in request.views]
                thickness = ", ".join(thick if len(set(thick)) > 1 else thick[:1])
                self.options.show_usual(thickness=thickness, spacing=voxel)
            except DepthInterpError as error:
                problem = for_window(error)
        if problem:
            self.stacks.say(problem, problem=len(layers) >= _FEWEST)
        self.bar.set_input(f"{len(layers)} stacks" if len(layers) >= _FEWEST else "")
        self.bar.set_ready(not problem, problem)


def _length(value: float, unit: str | None) -> str:
    return f"{value:.3g} {unit or ''}".rstrip()

"""Puts the boxes together; the one place that starts and ends fills."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.layers import Labels
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from ...errors import DepthInterpError
from ...labels.result import LabelResult
from ...stack import Grid
from ...system.amounts import duration
from ..boxes.save_names import FILTERS, with_suffix
from ..boxes.stack_words import describe_stack
from ..jobs.job_widget import JobWidget
from ..jobs.messages import for_window, name_fields
from ..jobs.run_bar import RunBar
from ..layers.hidden import go_to
from ..layers.section_watch import SectionWatch
from ..preferences import remember_folder, remembered_folder
from .fill_box import FillBox
from .gaps import is_complete
from .layers_box import LayersBox
from .method_box import LabelMethodBox
from .next_page import NextPage
from .order import Question, described, order_of, plan_of
from .preview_bar import PreviewBar
from .save import save_order
from .section_words import SectionWords
from .sections_box import SectionsBox, count
from .task import Advice, advise_task, fill_task, save_task
from .write import Plan, confidence_of, show_preview, write_here, write_new

_RUN_TIP = "Fill in the gaps whose annotated sections have changed. The window stays usable meanwhile."
_PREVIEW_TIP = "Fill the gap around the section in view, in a layer of its own that can be accepted or removed."
_SAVE_TIP = "Write the labels as TIFF, NIfTI or OME-Zarr, told which sections are annotated, and the confidence beside."
_STALE = "sections around the preview were changed since; preview again"
_NOTHING = "nothing to do: there is no gap between annotated sections, or none that has changed since it was filled"


class InterpolateLabels(JobWidget):
    """Fill labels in between annotated sections.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    wide = 410
    advice = "fill the gap around the view only, or close other layers"

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._plan: Plan | None = None
        self._preview: tuple[Plan, LabelResult, Labels] | None = None
        self._said: set[str] = set()
        self._time = 0
        self._grid: Grid | None = None
        self.layers = LayersBox(napari_viewer)
        self.fill = FillBox()
        self.method = LabelMethodBox()
        self.sections = SectionsBox()
        self.next = NextPage()
        self.watch = SectionWatch(napari_viewer, self)
        self.preview_bar = PreviewBar()
        self.bar = RunBar(_RUN_TIP, saves=True, preview_tip=_PREVIEW_TIP, save_tip=_SAVE_TIP)
        self._words = SectionWords(napari_viewer)
        self.drops = self.layers
        self.lay_out((self.layers, self.fill, self.method, self.sections), {"Annotate next": self.next})
        layout = self.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.insertWidget(1, self.preview_bar)
        self._connect()
        self._layer_changed()

    def _connect(self) -> None:
        for box in (self.layers, self.fill, self.method):
            box.changed.connect(self.bar.forget_problem)
            box.changed.connect(self._refresh)
        self.layers.layer_changed.connect(self._layer_changed)
        self.watch.changed.connect(self._refresh)
        self.sections.ticked.connect(self._ticked)
        self.sections.chosen.connect(self.go_to_section)
        self.next.chosen.connect(self.go_to_section)
        self.next.wanted.connect(self.advise)
        self.bar.run_clicked.connect(self.run)
        self.bar.preview_clicked.connect(self.preview)
        self.bar.cancel_clicked.connect(self.cancel)
        self.bar.save_clicked.connect(self.ask_save_result)
        self.preview_bar.accepted.connect(self.accept_preview)
        self.preview_bar.removed.connect(self.remove_preview)
        for event, slot in self._followed():
            event.connect(slot)

    def _followed(self) -> tuple[tuple[Any, Any], ...]:
        dims = self.viewer.dims.events
        moved = tuple((event, self._view_moved) for event in (dims.point, dims.ndisplay, dims.order))
        return (*moved, (self.viewer.layers.events.removed, self._layer_removed))

    def leave(self) -> None:
        """Let go of the viewer."""
        self.remove_preview()
        for event, slot in self._followed():
            event.disconnect(slot)
        self.layers.leave()
        self.fill.follow(None)
        self.watch.follow(None)
        self._words.clear()

    # Filling

    def question(self) -> Question:
        """Return what the boxes ask for, about the layer as it is now.

        Raises
        ------
        DepthInterpError
            If a value does not fit, or there is no usable layer.
        """
        layer = self.layers.usable()
        self.watch.finish()
        assert self.watch.sections is not None
        return Question(
            layer, self.watch.sections, self.watch.time, self.layers.image, self.fill.only(), self.method.values()
        )

    def run(self) -> None:
        """Fill in what the boxes say."""
        self._start(around=self.fill.around_view)

    def fill_around_view(self, layer: Labels | None = None) -> None:
        """Fill the gap around the view, of this layer, whatever the box says about gaps."""
        if layer is not None and layer is not self.layers.layer:
            self.layers.choose(layer)
        self._start(around=True)

    def preview(self) -> None:
        """Fill the gap around the view into a layer of its own."""
        self._start(around=True, preview=True)

    def _start(self, *, around: bool, preview: bool = False) -> None:
        if self.job is not None:
            return
        self.remove_preview()
        try:
            question = self.question()
            anew = preview or self.fill.into_new
            plan = plan_of(question, self.watch.section if around else None, anew=anew)
            if not plan.gaps:
                self.bar.say_failed(_NOTHING)
                return
            order = order_of(question, plan)
        except DepthInterpError as error:
            self._failed(error)
            return
        self._plan = plan
        what = "preview" if preview else f"filling {count(len(plan.gaps), 'gap')}"
        self.start_job(partial(fill_task, order), what, self._previewed if preview else self._returned)

    def _taken(self) -> Plan | None:
        """Return what was asked for, if it was not cancelled and its layer is as it was."""
        plan = self._plan
        if plan is None or self.job is None or self.job.abort_requested:  # cancelled at the very end
            self._cancelled()
            return None
        layer = plan.sections.layer
        if layer not in self.viewer.layers or layer.data is not plan.data:
            self.bar.say("the labels were replaced or removed during the run; nothing was written", problem=True)
            return None
        return plan

    def _returned(self, result: LabelResult) -> None:
        plan = self._taken()
        if plan is not None:
            self._write(plan, result)

    def _write(self, plan: Plan, result: LabelResult) -> None:
        notes: list[str] = []
        if self.fill.into_new:
            new = write_new(self.viewer, plan, result)
            self.fill.write_here()
            self.layers.choose(new)
            notes.append(f"written into the new layer '{new.name}', which is worked on from now on")
        else:
            left = plan.changed()
            write_here(plan, result, left)
            if left:
                notes.append(f"sections {', '.join(map(str, left))} were changed meanwhile and stay; run again")
        self.watch.look_anew()
        self.bar.say_start("; ".join([_done(plan, result), *notes, *self._new_warnings(result)]))

    def _previewed(self, result: LabelResult) -> None:
        plan = self._taken()
        if plan is None:
            return
        [gap] = plan.gaps
        self._preview = plan, result, show_preview(self.viewer, plan, result)
        self.preview_bar.offer(f"Preview: sections {gap.below + 1} to {gap.above - 1}")
        self.bar.say_start("; ".join([f"preview: {_done(plan, result)}", *self._new_warnings(result)]))

    def _new_warnings(self, result: LabelResult) -> list[str]:
        """Return what was not said about these labels before: they are filled many times."""
        new = [words for words in map(name_fields, result.warnings) if words not in self._said]
        self._said.update(new)
        return new

    def accept_preview(self) -> None:
        """Write the preview into the labels."""
        if self._preview is None:
            return
        plan, result, _ = self._preview
        self.remove_preview()
        if plan.sections.layer.data is not plan.data or plan.changed():
            self.bar.say(_STALE, problem=True)
            return
        self._write(plan, result)

    def remove_preview(self) -> None:
        """Take the preview away."""
        preview, self._preview = self._preview, None
        self.preview_bar.hide()
        if preview is not None and preview[2] in self.viewer.layers:
            self.viewer.layers.remove(preview[2])

    def _layer_removed(self, event: Any) -> None:
        if self._preview is not None and event.value in (self._preview[2], self._preview[0].sections.layer):
            self.remove_preview()

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._plan = None
        self._refresh()

    # Where to annotate next

    def advise(self) -> None:
        """Look for the sections to annotate next."""
        if self.job is not None:
            return
        try:
            question = self.question()
            plan = plan_of(question, None, anew=True)
            order = order_of(question, plan)
        except DepthInterpError as error:
            self._failed(error)
            return
        whole = all(is_complete(question.sections, plan.time, gap) for gap in plan.gaps)
        confidence = confidence_of(question.sections, plan.time) if whole else None
        self.start_job(partial(advise_task, order, confidence), "looking where to annotate next", self._advised)

    def _advised(self, advice: Advice) -> None:
        self.next.show_advice(advice, self._unit())
        self.show_page(self.next)
        self.bar.say(f"{count(len(advice.suggestions), 'section')} to annotate next, the best first")

    # Saving

    def ask_save_result(self) -> None:
        """Ask where to save the labels."""
        layer = self.layers.layer
        if layer is None or self.job is not None:
            return
        start = remembered_folder() / f"{layer.name}.tif"
        path, chosen = QFileDialog.getSaveFileName(self, "Save the labels", str(start), FILTERS)
        if path:
            whole = with_suffix(path, chosen)
            self.save_result(whole, overwrite=whole == Path(path))  # the dialog has asked about the name it knows

    def save_result(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the labels, and the confidence beside them."""
        if self.job is not None:
            return
        try:
            order = save_order(self.layers.usable(), path, overwrite=overwrite)
            remember_folder(path.parent)
        except DepthInterpError as error:
            self._failed(error)
            return
        except OSError as error:
            show_warning(f"the folder could not be remembered: {error}")
        self.start_job(partial(save_task, order), "saving", self._saved)

    def _saved(self, paths: Sequence[Path]) -> None:
        self.bar.say(f"saved: {', '.join(path.name for path in paths)} in {paths[0].parent}")

    # What is shown

    def go_to_section(self, section: int) -> None:
        """Show a section of the labels."""
        sections = self.watch.sections
        if sections is not None:
            point = [0.0] * sections.layer.ndim
            point[-3] = section
            go_to(self.viewer, float(sections.layer.data_to_world(point)[-3]))

    def _ticked(self, section: int, counts: bool) -> None:
        if self.watch.sections is not None:
            self.watch.sections.tick((self.watch.time, section), counts)
            self.bar.forget_problem()
            self._refresh()

    def _layer_changed(self) -> None:
        layer = self.layers.layer
        try:
            usable: Labels | None = self.layers.usable()
        except DepthInterpError:
            usable = None
        self.remove_preview()
        self.fill.follow(usable)
        self.watch.follow(usable)
        self.next.clear()
        self._said.clear()
        self._grid = None
        self.bar.set_input("" if layer is None else layer.name)
        self._refresh()

    def _refresh(self, *_: Any) -> None:
        """Show what is known of the sections, and whether there is anything to do."""
        sections, ready = self.watch.sections, False
        if sections is None:
            self._say_unusable()
        elif not self.watch.busy and self._describe(sections.layer):
            statuses = {z: sections.status((self.watch.time, z), self.fill.only()) for z in range(sections.count)}
            depths = [] if self._grid is None or self._grid.depths is None else self._grid.depths.tolist()
            self.sections.show_sections(statuses, depths, self._unit())
            ready = sum(status.counts for status in statuses.values()) > 1
            self.bar.set_ready(ready, "" if ready else "draw on two sections or more")
        self.next.set_ready(ready and self.job is None)
        self.bar.set_saveable(sections is not None)
        self._view_moved()

    def _describe(self, layer: Labels) -> bool:
        """Say what the labels are; return whether that is known."""
        try:
            dataset = described(layer, self.layers.image)
        except DepthInterpError as error:
            self.layers.say(for_window(error), problem=True)
            self.bar.set_ready(False, for_window(error))
            return False
        self._grid = dataset.grid
        self.layers.say(describe_stack(dataset), rich=True)
        return True

    def _say_unusable(self) -> None:
        self.sections.show_sections({}, [], "")
        try:
            self.layers.usable()
        except DepthInterpError as error:
            self.layers.say(for_window(error), problem=self.layers.layer is not None)
            self.bar.set_ready(False, for_window(error))

    def _view_moved(self, _event: Any = None) -> None:
        """Say what the section in view is."""
        sections, section = self.watch.sections, round(self.watch.section)
        if self.watch.time != self._time:
            self._time = self.watch.time
            self._refresh()
        self.watch.look_on()
        known = sections is not None and 0 <= section < sections.count and sections.knows((self.watch.time, section))
        dims = self.viewer.dims
        if sections is None or not known or dims.ndim - 3 in dims.displayed:  # in 3-D, and seen from the side
            self.sections.show_view(None, counts=False)
            self._words.clear()
            return
        status = sections.status((self.watch.time, section), self.fill.only())
        self.sections.show_view(section, counts=status.counts)
        if sections.layer.visible:
            self._words.write(section, status, self._place_of(section))
        else:
            self._words.clear()

    def _place_of(self, section: int) -> str:
        depths = None if self._grid is None else self._grid.depths
        return "" if depths is None else f", z = {depths[section]:.4g} {self._unit()}".rstrip()

    def _unit(self) -> str:
        return "" if self._grid is None else self._grid.unit or ""


def _done(plan: Plan, result: LabelResult) -> str:
    words = f"{count(len(plan.inner), 'section')} filled in {count(len(plan.gaps), 'gap')}"
    words += f" in {duration(result.seconds or 0)}"
    if result.expected_dice is not None:
        words += f"; expected Dice {result.expected_dice:.2f}"
    return words

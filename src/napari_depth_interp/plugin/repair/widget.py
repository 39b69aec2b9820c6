"""Puts the boxes together; the one place that starts and ends looking for damage and repairing it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import napari
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QApplication, QFileDialog, QWidget

from ...damage.execute import summary
from ...damage.request import RepairRequest, resolve_repair
from ...damage.result import RepairResult
from ...damage.settings import RepairSettings, make_repair_settings
from ...damage.table import write_table
from ...errors import DepthInterpError
from ...run.settings import Settings
from ...stack import Dataset
from ...stack.section_list import section_text
from ...system.amounts import duration
from ..boxes.method_box import MethodBox
from ..boxes.save_names import FILTERS, with_suffix
from ..boxes.stack_box import StackBox
from ..jobs.job_widget import JobWidget
from ..jobs.messages import for_window, name_fields
from ..jobs.run_bar import RunBar
from ..layers.hidden import depth_in_view, go_to, step
from ..preferences import preference, remember_folder, remembered_folder
from .find_box import FindBox
from .results import Given, Repaired, add_repaired, command_of, dataset_to_save
from .scores_page import ScoresPage
from .section_words import RepairWords, section_at
from .suspects_box import GAP, REPAIR, SuspectsBox
from .suspicion import Suspicion
from .task import Found, Order, find_task, repair_task, save_task, strip_of

_RUN_TIP = "Repair the sections for which 'Repair' is chosen, into a new layer. All others stay bit by bit as they are."
_SAVE_TIP = "Write the repaired stack as TIFF, NIfTI or OME-Zarr; its history names every section and the reason."
_NOTHING = "nothing is to be repaired; press Find damaged sections, add the section in view, or choose Repair for one"


class RepairSections(JobWidget):
    """Find damaged sections, look at them, and repair them.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    advice = "choose the method linear, or close other layers"

    def __init__(self, napari_viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self.suspicion = Suspicion()
        self.repaired: Repaired | None = None
        self._input: Given | None = None
        self._given: Given | None = None
        self.stack = StackBox(napari_viewer, channels=True, place_only=True)
        self.search = FindBox()
        self.suspects = SuspectsBox()
        self.method = MethodBox(offered=_makes_sections)
        self.scores = ScoresPage()
        self.bar = RunBar(_RUN_TIP, preview=False, saves=True, save_tip=_SAVE_TIP, invitation="&Repair")
        self._words = RepairWords(napari_viewer)
        self.drops = self.stack
        self.lay_out((self.stack, self.search, self.suspects, self.method), {"Scores along z": self.scores})
        self._connect()
        self._follow_theme()
        self._layers_chosen()

    def _connect(self) -> None:
        self.stack.changed.connect(self._layers_chosen)
        self.search.find_clicked.connect(self.find_damage)
        self.search.changed.connect(self._refresh)
        self.suspects.changed.connect(self._refresh)
        self.suspects.chosen.connect(self.go_to_section)
        self.suspects.add_clicked.connect(self.add_section_in_view)
        self.method.changed.connect(self._refresh)
        self.scores.depth_chosen.connect(self.go_to_depth)
        self.scores.export_clicked.connect(self.ask_save_table)
        self.scores.copy_clicked.connect(self.copy_command)
        self.bar.run_clicked.connect(self.run)
        self.bar.cancel_clicked.connect(self.cancel)
        self.bar.save_clicked.connect(self.ask_save_result)
        for event, slot in self._followed():
            event.connect(slot)

    def _followed(self) -> tuple[tuple[Any, Any], ...]:
        dims, layers = self.viewer.dims.events, self.viewer.layers.events
        moved = tuple((event, self._view_moved) for event in (dims.point, dims.ndisplay, dims.order))
        theme = (self.viewer.events.theme, self._follow_theme)
        return (*moved, theme, (layers.inserted, self._view_moved), (layers.removed, self._view_moved))

    def leave(self) -> None:
        """Let go of the viewer."""
        for event, slot in self._followed():
            event.disconnect(slot)
        self.stack.leave()
        self._words.clear()

    # What is asked for

    def settings(self) -> RepairSettings:
        """Return what the boxes ask for; the sections are those of the list.

        Raises
        ------
        DepthInterpError
            If a value does not fit.
        """
        place = self.stack.values()
        removed = self.suspects.those(GAP)
        touched = section_text([*self.suspects.those(REPAIR), *removed])
        return make_repair_settings(
            **self.method.values(),
            **self.search.values(),
            **{name: place[name] for name in ("z_spacing", "depths")},
            sections=touched or "auto",
            remove=section_text(removed) or None,
            gaps=self.suspects.gaps,
            align=self.suspects.align,
            device=preference("device"),
        )

    def planned(self) -> RepairRequest | None:
        """Return what would be done now, or None where nothing is chosen; no voxel is looked at.

        Raises
        ------
        DepthInterpError
            If it cannot be done.
        """
        settings, examination = self.settings(), self.suspicion.examination
        if settings.sections == "auto" or examination is None:
            return None
        return resolve_repair(self._described(), settings, examination=examination)

    def _described(self) -> Dataset:
        return self.stack.described(Settings(**self.stack.values()))

    def _taken(self) -> Given | None:
        """Return what the job worked on, unless it was cancelled at the very end."""
        if self._given is None or self.job is None or self.job.abort_requested:
            self._cancelled()
            return None
        return self._given

    # Finding

    def find_damage(self) -> None:
        """Look for damaged sections off the GUI thread."""
        if self.job is not None:
            return
        try:
            settings, dataset = self.settings(), self.stack.dataset()
        except DepthInterpError as error:
            self._failed(error)
            return
        self._given = self._now()
        self.start_job(partial(find_task, dataset, settings), "looking for damage", self._found)

    def _found(self, found: Found) -> None:
        given = self._taken()
        if given is None:
            return
        if given.changed(self.viewer) or list(given.layers) != self.stack.layers:
            self.bar.say("another layer was chosen, or this one was changed meanwhile; look again", problem=True)
            return
        self._input = given
        self.suspicion = self.suspicion.looked_through(found.examination, found.strips)
        self._show_suspects()
        grid = self._described().counted().grid
        depths = [] if grid.depths is None else grid.depths.tolist()
        self.scores.show_examination(found.examination, depths, grid.unit or "section")
        self.search.say(self.suspicion.sentence())
        self.bar.say("; ".join([self.suspicion.sentence(), *map(name_fields, found.examination.notes)]))
        self._refresh()

    def add_section_in_view(self) -> None:
        """List the section in view, so that it is made anew."""
        layer, depth = self.stack.layer, depth_in_view(self.viewer)
        if layer is None or depth is None:
            return
        try:
            dataset = self.stack.dataset()
        except DepthInterpError as error:
            self._failed(error)
            return
        index = section_at(layer, depth)
        self._input = self._input or self._now()
        self.suspicion = self.suspicion.with_section(index, strip_of(dataset, index))
        self._show_suspects()
        self.suspects.select(index)
        self._refresh()

    # Repairing

    def run(self) -> None:
        """Repair what is chosen, off the GUI thread."""
        if self.job is not None or not self.suspects.sections:
            return
        try:
            settings, dataset = self.settings(), self.stack.dataset()
            if settings.sections == "auto":
                self.bar.say(_NOTHING, problem=True)
                return
            order = Order(dataset, settings, self.suspicion.examination)
            self.planned()  # raises if it cannot be done
        except DepthInterpError as error:
            self._failed(error)
            return
        self._given = self._now()
        self.start_job(partial(repair_task, order), "repairing", self._returned)

    def _returned(self, result: RepairResult) -> None:
        given = self._taken()
        if given is None:
            return
        sources = [layer for layer in given.layers if layer in self.viewer.layers]
        self.repaired = add_repaired(self.viewer, result, given.name, sources)
        count = int(result.repaired.sum())
        words = [f"{count} section{'' if count == 1 else 's'} repaired in {duration(result.seconds or 0)}"]
        words += [name_fields(each) for each in result.warnings]
        if given.changed(self.viewer):
            words.append("the input layer was changed or removed during the repair; the result belongs to the old data")
        self.bar.say("; ".join([self.repaired.name, *words]))
        self.suspicion = self.suspicion.done(result.sections)
        self.bar.set_saveable(True)
        self._refresh()

    def _finished(self, *_: Any) -> None:
        super()._finished()
        self._given = None
        self._refresh()

    def _now(self) -> Given:
        return Given.of(self.stack.name, self.stack.layers)

    # Saving and copying

    def copy_command(self) -> None:
        """Put the command line that repairs these sections on the clipboard."""
        try:
            settings = self.settings()
        except DepthInterpError as error:
            self._failed(error)
            return
        path = None if self.stack.layer is None else self.stack.layer.source.path
        QApplication.clipboard().setText(command_of(settings, path, f"{self.stack.name} repaired"))
        self.bar.say("the command is on the clipboard")

    def ask_save_result(self) -> None:
        """Ask where to save the repaired stack."""
        if self.repaired is None or self.job is not None:
            return
        start = remembered_folder() / f"{self.repaired.name}.tif"
        path, chosen = QFileDialog.getSaveFileName(self, "Save the repaired stack", str(start), FILTERS)
        if path:
            whole = with_suffix(path, chosen)
            self.save_result(whole, overwrite=whole == Path(path))  # the dialog has asked about the name it knows

    def save_result(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the repaired stack with its history."""
        if self.repaired is None or self.job is not None:
            return
        try:
            dataset = dataset_to_save(self.viewer, self.repaired, path, overwrite=overwrite)
            remember_folder(path.parent)
        except (DepthInterpError, OSError) as error:
            self._failed(error)
            return
        self.start_job(partial(save_task, path, dataset), "saving", self._saved)

    def _saved(self, path: Path) -> None:
        self.bar.say(f"saved: {path.name} in {path.parent}")

    def ask_save_table(self) -> None:
        """Ask where to save the table of all sections."""
        start = remembered_folder() / f"{self.stack.name} sections.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", str(start), "CSV (*.csv)")
        if path:
            self.save_table(Path(path).with_suffix(".csv"), overwrite=True)

    def save_table(self, path: Path, *, overwrite: bool = False) -> None:
        """Write a row per section: what was found, what is or was done, all scores."""
        try:
            request = self.planned() or self.suspicion.nothing_chosen(self._described(), self.settings())
            entries = self.suspicion.entries or summary(list(request.steps))
            write_table(path, request, entries, overwrite=overwrite)
        except (DepthInterpError, OSError) as error:
            self._failed(error)
            return
        self.bar.say(f"saved: {path.name} in {path.parent}")

    # What is shown

    def go_to_section(self, section: int) -> None:
        """Show a section of the input."""
        layer = self.stack.layer
        if layer is not None:
            point = [0.0] * layer.ndim
            point[-3] = section
            go_to(self.viewer, float(layer.data_to_world(point)[-3]))

    def go_to_depth(self, depth: float) -> None:
        """Show the section nearest to a depth of the plot."""
        layer = self.stack.layer
        if layer is not None:
            known = self._described().grid.depths is not None
            self.go_to_section(section_at(layer, depth) if known else round(depth))

    def next_hidden(self) -> None:
        """Show the next suspected section."""
        step(self.viewer, self._suspected_depths(), 1)

    def previous_hidden(self) -> None:
        """Show the suspected section before."""
        step(self.viewer, self._suspected_depths(), -1)

    def _suspected_depths(self) -> list[float]:
        layer = self.stack.layer
        if layer is None:
            return []
        points = [[0.0] * (layer.ndim - 3) + [float(k), 0.0, 0.0] for k in self.suspects.sections]
        return [float(layer.data_to_world(point)[-3]) for point in points]

    def _layers_chosen(self) -> None:
        """Forget what was found on other layers, or other voxels."""
        if self._input is not None and self.job is None:
            same = list(self._input.layers) == self.stack.layers and not self._input.changed(self.viewer)
            if not same:
                self._input, self.suspicion = None, Suspicion()
                self._show_suspects()
                self.scores.clear()
                self.search.say("")
        self.bar.set_input(self.stack.name)
        self.bar.forget_problem()
        self._refresh()

    def _show_suspects(self) -> None:
        self.suspects.show_suspects(self.suspicion.suspects(), self.suspicion.strips)

    def _refresh(self, *_: Any) -> None:
        """Say what would be done now, and whether there is anything to do."""
        try:
            self._described()
            usable, why = True, ""
        except DepthInterpError as error:
            usable, why = False, for_window(error)
        request, problem = None, ""
        if usable:
            try:
                request = self.planned()
            except DepthInterpError as error:
                problem = for_window(error)
        self.suspects.describe(self.suspicion.suspects(request))
        repair, gap = (len(self.suspects.those(choice)) for choice in (REPAIR, GAP))
        summary = self.suspicion.summary(request, {"to repair": repair, "to leave out": gap})
        self.suspects.say(problem or summary, problem=bool(problem))
        some = bool(repair or gap)
        ready = usable and some and not problem
        self.bar.set_ready(ready, "" if ready else why or problem or _NOTHING)
        idle = usable and self.job is None
        self.search.set_ready(idle)
        self.suspects.set_ready(idle)
        self._view_moved()

    def _follow_theme(self, _event: Any = None) -> None:
        theme = get_theme(self.viewer.theme)
        self.scores.plot.set_colours(str(theme.background), str(theme.text))

    def _view_moved(self, _event: Any = None) -> None:
        """Say what the section in view is, and show it in list and plot."""
        layer, depth = self.stack.layer, depth_in_view(self.viewer)
        suspected = {index: each.short for index, each in self.suspicion.suspects().items()}
        self._words.write(layer, suspected)
        if layer is not None and depth is not None:
            self.suspects.select(section_at(layer, depth))
            self.scores.plot.move_cursor(depth)


def _makes_sections(spec: Any) -> bool:
    """Whether a method makes sections between others."""
    return not spec.enhances and spec.enlarges == 1 and bool(spec.keeps_observed)

"""The dock as a user drives it: annotate, fill, undo, correct, fill again, preview, save, reopen."""

from dataclasses import replace
from html import unescape

import dask.array
import numpy as np
import pytest
import tifffile
from controls import find, pick, press, read
from drive import said
from labelled import PLUGIN, disc, drawn, finish, open_dock, settled
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

import napari_depth_interp as ndi
from napari_depth_interp import io
from napari_depth_interp.labels.method import LabelFindings
from napari_depth_interp.labels.methods import registry
from napari_depth_interp.labels.methods.shape import ShapeConfig
from napari_depth_interp.labels.result import LabelResult
from napari_depth_interp.plugin.layers.marks import MARKS_KEY
from napari_depth_interp.run.result import RECORD_KEY
from napari_depth_interp.stack import Dataset, Grid


def sections_with_labels(layer):
    return np.flatnonzero(layer.data.any(axis=(-2, -1))).tolist()


def rows(dock):
    """Return the texts of the list of annotated sections, and which of them are ticked."""
    view = find(dock.sections, "Annotated sections")
    items = [view.item(i) for i in range(view.count())]
    return [item.text() for item in items], [item.checkState() == Qt.CheckState.Checked for item in items]


def run(qtbot, dock, button="run"):
    """Run, and return all of what is said: the message itself may show no more than its start."""
    press(dock.bar, button)
    finish(qtbot, dock)
    label = find(dock.bar, "message")
    return unescape(label.toolTip().removeprefix("<qt>").removesuffix("</qt>")) or label.text()


def paint(qtbot, dock, layer, section, mask, label=1):
    """Paint as the brush does, in one stroke."""
    with layer.block_history():
        for y, x in np.argwhere(mask)[::4]:
            layer.paint((section, int(y), int(x)), label)
    settled(qtbot, dock)


class TestSetUp:
    def test_says_what_is_missing(self, viewer, dock):
        assert "add labels" in read(dock.layers, "summary")
        assert not find(dock.bar, "run").isEnabled()
        viewer.add_labels(np.zeros((4, 4), int))
        assert "2 axes" in read(dock.layers, "summary")

    def test_needs_two_annotated_sections(self, qtbot, viewer, dock):
        viewer.add_labels(drawn(sections=(3,)))
        settled(qtbot, dock)
        assert "1 of 9 annotated" in read(dock.sections, "summary")
        assert "two sections" in find(dock.bar, "run").toolTip()
        assert not find(dock.bar, "run").isEnabled()

    def test_lists_the_annotated_sections(self, layer, dock):
        texts, ticks = rows(dock)
        assert texts[1] == "section 4, z = 8 um: annotated, 1 label"
        assert ticks == [True] * 3
        assert read(dock.sections, "summary") == "3 of 9 annotated, 0 interpolated, 2 gaps"

    def test_follows_the_selected_labels_unless_pinned(self, viewer, layer, dock):
        other = viewer.add_labels(drawn(), name="nuclei")
        assert dock.layers.layer == other
        press(dock.layers, "Pin")
        viewer.layers.selection.active = layer
        assert dock.layers.layer == other
        press(dock.layers, "Pin")
        assert dock.layers.layer == layer

    def test_proposes_the_image_that_lies_under_the_labels(self, viewer, layer, dock):
        viewer.add_image(np.zeros((9, 24, 24)), name="elsewhere")
        viewer.add_image(np.zeros((9, 24, 23)), name="too small")
        viewer.add_image(np.zeros((9, 24, 24)), name="mine", scale=(2, 0.5, 0.5), units=("um",) * 3)
        viewer.layers.selection.active = layer
        box = find(dock.layers, "Image")
        assert [box.itemText(i) for i in range(box.count())] == ["None", "elsewhere", "mine"]
        assert box.currentText() == "mine"
        pick(dock.layers, "Image", "None")
        box.activated.emit(0)  # as a click in the list does
        viewer.add_image(np.zeros((9, 24, 24)), name="one more")
        assert box.currentText() == "None"

    def test_an_image_that_is_not_in_memory_is_not_read_to_be_proposed(self, qtbot, viewer, layer, dock):
        read_blocks = []

        def block(block_info=None):
            read_blocks.append(block_info)
            return np.zeros((1, 24, 24))

        lazy = dask.array.map_blocks(block, chunks=((1,) * 9, (24,), (24,)), dtype=float, meta=np.zeros((0, 0, 0)))
        viewer.add_image(
            lazy, scale=(2, 0.5, 0.5), units=("um",) * 3, name="lazy", visible=False, contrast_limits=(0, 1)
        )
        viewer.layers.selection.active = layer
        paint(qtbot, dock, layer, 4, disc(radius=2))
        assert find(dock.layers, "Image").currentText() == "lazy"
        assert len(read_blocks) <= 1  # napari's own, of the section in view

    def test_uneven_depths_are_those_of_the_image(self, qtbot, viewer, dock, tmp_path):
        depths = np.array([0.0, 1, 2, 3, 4, 6, 8, 10, 12])
        io.write(tmp_path / "a.tif", Dataset(np.ones((1, 1, 9, 24, 24), "uint8"), Grid(depths, (1.0, 1.0), "um")))
        [image] = viewer.open(str(tmp_path / "a.tif"), plugin=PLUGIN)
        viewer.add_labels(drawn(), scale=image.scale, units=image.units)
        settled(qtbot, dock)
        assert rows(dock)[0][2] == "section 8, z = 12 um: annotated, 1 label"


class TestFilling:
    def test_fills_all_gaps_in_one_undo_step(self, qtbot, layer, dock):
        before = layer.data.copy()
        assert "6 sections filled in 2 gaps" in run(qtbot, dock)
        after = layer.data.copy()
        assert sections_with_labels(layer) == list(range(9))
        assert all(np.array_equal(after[z], before[z]) for z in (0, 4, 8))
        assert layer.metadata[RECORD_KEY]["annotated"] == [0, 4, 8]
        assert layer.metadata[RECORD_KEY]["interpolated"] == [1, 2, 3, 5, 6, 7]
        areas = (after == 1).sum((1, 2))
        assert (np.diff(areas) > 0).all()
        layer.undo()
        assert np.array_equal(layer.data, before)
        settled(qtbot, dock)
        assert "0 interpolated" in read(dock.sections, "summary")
        layer.redo()
        assert np.array_equal(layer.data, after)
        settled(qtbot, dock)
        assert "3 of 9 annotated, 6 interpolated" in read(dock.sections, "summary")

    def test_is_what_the_library_gives(self, qtbot, layer, dock):
        expected = ndi.interpolate_labels(
            Dataset.from_array(drawn(), z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um"), method="shape"
        )
        run(qtbot, dock)
        assert np.array_equal(layer.data, expected)

    def test_only_the_gap_around_the_view(self, qtbot, viewer, layer, dock):
        pick(dock.fill, "Gaps", "around")
        viewer.dims.set_point(0, 12)
        run(qtbot, dock)
        assert sections_with_labels(layer) == [0, 4, 5, 6, 7, 8]

    def test_only_the_selected_label(self, qtbot, viewer, layer, dock):
        layer.data[0, :3, :3] = layer.data[8, :3, :3] = 2
        layer.data[6, :5, :5] = 3  # of somebody's own, and in the way
        layer.refresh()  # as other plugins write
        settled(qtbot, dock)
        layer.selected_label = 2
        pick(dock.fill, "Labels", "selected")
        assert "section 0" in rows(dock)[0][0]
        run(qtbot, dock)
        assert np.flatnonzero((layer.data == 2).any((1, 2))).tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
        assert (layer.data[6, :5, :5] == 3).all()
        assert np.flatnonzero((layer.data == 1).any((1, 2))).tolist() == [0, 4, 8]

    def test_into_a_new_layer_which_is_worked_on_from_then_on(self, qtbot, viewer, layer, dock):
        pick(dock.fill, "Write into", "new")
        assert "new layer 'cells filled'" in run(qtbot, dock)
        assert np.array_equal(layer.data, drawn())
        new = dock.layers.layer
        assert (new.name, sections_with_labels(new)) == ("cells filled", list(range(9)))
        assert np.array_equal(new.scale, layer.scale)
        assert "6 interpolated" in read(dock.sections, "summary")
        assert not dock.fill.into_new

    def test_only_the_time_point_in_view(self, qtbot, viewer, dock):
        data = np.stack([np.zeros((9, 24, 24), "uint8"), drawn()])
        layer = viewer.add_labels(data)
        viewer.dims.set_point(0, 1)
        settled(qtbot, dock)
        run(qtbot, dock)
        assert layer.data[1].any((1, 2)).all()
        assert not layer.data[0].any()
        layer.undo()
        assert np.array_equal(layer.data, data)
        for time, annotated in ((0, 0), (1, 3)):
            viewer.dims.set_point(0, time)
            settled(qtbot, dock)
            assert f"{annotated} of 9 annotated" in read(dock.sections, "summary")

    def test_can_be_cancelled(self, qtbot, layer, dock, monkeypatch):
        press(dock.bar, "run")
        press(dock.bar, "run")  # it says Cancel now
        finish(qtbot, dock)
        assert np.array_equal(layer.data, drawn())
        assert "cancelled" in read(dock.bar, "message")

    def test_what_was_painted_meanwhile_stays(self, qtbot, layer, dock):
        press(dock.bar, "run")
        layer.paint((2, 20, 20), 5)
        finish(qtbot, dock)
        assert np.unique(layer.data[2]).tolist() == [0, 5]
        assert sections_with_labels(layer) == list(range(9))
        assert "sections 2 were changed meanwhile" in read(dock.bar, "message")

    def test_a_layer_that_was_removed_meanwhile(self, qtbot, viewer, layer, dock):
        press(dock.bar, "run")
        viewer.layers.remove(layer)
        finish(qtbot, dock)
        assert "nothing was written" in read(dock.bar, "message")


class Told:
    """Fills as shape does, and says what it has found out."""

    def __init__(self, config, runtime):
        self._shape = registry.get("shape").create(ShapeConfig(), runtime)
        self.prepare, self.fill = self._shape.prepare, self._shape.fill

    def findings(self):
        return LabelFindings(0.87, {"shape": 0.87}, ("objects move a lot",))


def test_what_the_method_expects_is_said_and_its_warnings_once(qtbot, monkeypatch, viewer):
    spec = replace(registry.get("shape"), name="told", title="Told", create=Told)
    monkeypatch.setitem(registry.SPECS, "told", spec)
    dock = open_dock(viewer)
    layer = viewer.add_labels(drawn())
    settled(qtbot, dock)
    pick(dock.method, "Method", "told")
    said_first = run(qtbot, dock)
    assert "expected Dice 0.87" in said_first
    assert "objects move a lot" in said_first
    paint(qtbot, dock, layer, 2, disc(radius=2))
    assert "objects move a lot" not in run(qtbot, dock)


def test_wide_gaps_are_warned_of(qtbot, viewer, dock):
    data = np.zeros((25, 32, 32), "uint8")
    for number, (first, y) in enumerate(((1, 4), (6, 14), (11, 24), (16, 4), (19, 14))):
        data[first : first + 4, y : y + 5, 3 * number : 3 * number + 5] = number + 1  # objects of 4 sections
    data[np.setdiff1d(np.arange(25), [0, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 20, 24])] = 0
    viewer.add_labels(data, scale=(1, 1, 1), units=("um",) * 3)
    settled(qtbot, dock)
    for z in (0, 5, 24):
        dock.sections.ticked.emit(z, True)
    message = run(qtbot, dock)
    assert message.startswith(read(dock.bar, "message").removesuffix(" …"))
    press(dock.next, "Where to annotate next")
    finish(qtbot, dock)
    assert "wider than typical objects are tall" in message
    assert "wider than typical objects are tall" in read(dock.next, "summary")


class TestCorrecting:
    def test_only_the_gaps_beside_change(self, qtbot, layer, dock):
        run(qtbot, dock)
        before = layer.data.copy()
        paint(qtbot, dock, layer, 2, disc(centre=(5, 5), radius=3))
        texts, ticks = rows(dock)
        assert texts[1] == "section 2, z = 4 um: corrected, 1 label"
        assert ticks[1]
        corrected = layer.data[2].copy()
        assert "2 sections filled in 2 gaps" in run(qtbot, dock)
        changed = np.flatnonzero((layer.data != before).any((1, 2))).tolist()
        assert changed == [1, 2, 3]
        assert np.array_equal(layer.data[2], corrected)

    def test_when_nothing_has_changed_nothing_is_done(self, qtbot, layer, dock):
        run(qtbot, dock)
        before = layer.data.copy()
        assert "nothing to do" in run(qtbot, dock)
        assert np.array_equal(layer.data, before)

    def test_another_method_fills_all_gaps_anew(self, qtbot, layer, dock):
        run(qtbot, dock)
        pick(dock.method, "Method", "nearest")
        assert "6 sections filled" in run(qtbot, dock)
        assert np.array_equal(layer.data[1], layer.data[0])
        layer.undo()
        settled(qtbot, dock)
        assert "6 interpolated" in read(dock.sections, "summary")

    def test_a_section_without_its_tick_is_neither_used_nor_emptied(self, qtbot, layer, dock):
        view = find(dock.sections, "Annotated sections")
        view.setCurrentRow(1)
        qtbot.keyClick(view, Qt.Key.Key_Space)
        assert rows(dock)[1] == [True, False, True]
        middle = layer.data[4].copy()
        run(qtbot, dock)
        assert (layer.data[4][middle > 0] == middle[middle > 0]).all()
        assert sections_with_labels(layer) == list(range(9))
        assert np.array_equal(dock.watch.sections.bare(0)[4], middle)

    def test_one_label_filled_anew_makes_no_section_annotated(self, qtbot, layer, dock):
        layer.data[0, :3, :3] = layer.data[8, :3, :3] = 2
        run(qtbot, dock)
        before = layer.data.copy()
        pick(dock.fill, "Labels", "selected")
        pick(dock.method, "Method", "nearest")
        run(qtbot, dock)
        assert not np.array_equal(layer.data, before)
        pick(dock.fill, "Labels", "all")
        assert "6 interpolated" in read(dock.sections, "summary")
        assert np.array_equal(layer.data == 2, before == 2)
        layer.undo()
        settled(qtbot, dock)
        assert "6 interpolated" in read(dock.sections, "summary")

    def test_an_empty_section_can_be_counted(self, qtbot, viewer, layer, dock):
        viewer.dims.set_point(0, 12)
        assert read(dock.sections, "count section") == "Count section 6 as annotated"
        press(dock.sections, "count section")
        assert rows(dock)[0][2] == "section 6, z = 12 um: annotated, empty"
        run(qtbot, dock)
        assert 6 not in sections_with_labels(layer)
        press(dock.sections, "count section")
        assert "section 6" not in "".join(rows(dock)[0])

    def test_an_interpolated_section_can_be_kept(self, qtbot, viewer, layer, dock):
        run(qtbot, dock)
        viewer.dims.set_point(0, 4)
        press(dock.sections, "count section")
        assert rows(dock)[0][1] == "section 2, z = 4 um: interpolated, kept, 1 label"
        kept = layer.data[2].copy()
        pick(dock.method, "Method", "nearest")
        run(qtbot, dock)
        assert np.array_equal(layer.data[2], kept)


class TestPreview:
    def test_is_a_layer_of_its_own_that_can_be_accepted(self, qtbot, viewer, layer, dock):
        viewer.dims.set_point(0, 12)
        assert run(qtbot, dock, "preview").startswith("preview: 3 sections")
        preview = viewer.layers["cells preview"]
        assert np.flatnonzero(preview.data.any((1, 2))).tolist() == [5, 6, 7]
        assert np.array_equal(layer.data, drawn())
        assert viewer.layers.selection.active == layer
        press(dock.preview_bar, "Accept preview")
        settled(qtbot, dock)
        assert sections_with_labels(layer) == [0, 4, 5, 6, 7, 8]
        assert "cells preview" not in viewer.layers
        layer.undo()
        assert np.array_equal(layer.data, drawn())

    def test_can_be_removed(self, qtbot, viewer, layer, dock):
        run(qtbot, dock, "preview")
        press(dock.preview_bar, "Remove preview")
        assert [each.name for each in viewer.layers] == ["cells"]
        assert dock.preview_bar.isHidden()

    def test_is_not_accepted_where_something_was_drawn_since(self, qtbot, viewer, layer, dock):
        viewer.dims.set_point(0, 4)
        run(qtbot, dock, "preview")
        paint(qtbot, dock, layer, 0, disc(centre=(4, 4), radius=2))
        after = layer.data.copy()
        press(dock.preview_bar, "Accept preview")
        assert np.array_equal(layer.data, after)
        assert "preview again" in read(dock.bar, "message")

    def test_goes_with_its_layer(self, qtbot, viewer, layer, dock):
        run(qtbot, dock, "preview")
        viewer.layers.remove(layer)
        assert len(viewer.layers) == 0
        assert dock.preview_bar.isHidden()


class TestWords:
    def test_tell_sections_apart_in_the_canvas(self, qtbot, viewer, layer, dock):
        run(qtbot, dock)
        overlay = viewer.canvas.overlays.text
        viewer.dims.set_point(0, 6)
        assert overlay.text.strip() == "labels: interpolated section 3, z = 6 um"
        viewer.dims.set_point(0, 8)
        assert overlay.text.strip() == "labels: annotated section 4, z = 8 um"
        layer.visible = False
        assert not overlay.visible
        layer.visible = True
        viewer.dims.ndisplay = 3
        assert not overlay.visible
        viewer.dims.ndisplay = 2
        settled(qtbot, dock)
        assert overlay.visible
        viewer.dims.order = (1, 0, 2)
        assert not overlay.visible
        viewer.dims.order = (0, 1, 2)


class TestNext:
    def test_lists_sections_and_goes_there(self, qtbot, viewer, layer, dock):
        press(dock.next, "Where to annotate next")
        finish(qtbot, dock)
        view = find(dock.next, "Sections to annotate next")
        assert view.count() == 2
        view.setCurrentRow(0)
        section = int(view.item(0).text().split(",")[0].split()[1])
        assert section not in (0, 4, 8)
        assert viewer.dims.point[0] == 2 * section


class TestSaving:
    @pytest.mark.parametrize("suffix", [".tif", ".nii.gz", ".ome.zarr"])
    def test_a_saved_file_knows_what_was_interpolated(self, qtbot, viewer, layer, dock, tmp_path, suffix):
        run(qtbot, dock)
        paint(qtbot, dock, layer, 6, disc(centre=(4, 4), radius=2), label=9)
        path = tmp_path / f"cells{suffix}"
        dock.save_result(path)
        finish(qtbot, dock)
        assert "saved: cells" in read(dock.bar, "message")
        result = LabelResult.load(path)
        assert np.flatnonzero(result.annotated).tolist() == [0, 4, 6, 8]
        assert np.flatnonzero(result.interpolated).tolist() == [1, 2, 3, 5, 7]
        assert np.array_equal(result.is_observed, result.annotated)
        assert np.array_equal(result, layer.data)
        assert result.dtype == np.uint8
        assert io.read(path).holds_labels == (suffix != ".tif")
        confidence = io.read(tmp_path / f"cells-confidence{suffix}").voxels[0, 0]
        assert (confidence[[0, 4, 6, 8]] == 1).all()
        assert confidence[2].min() < 1
        saved = layer.data.copy()
        viewer.layers.clear()
        assert isinstance(viewer.open(str(tmp_path / f"cells-confidence{suffix}"), plugin=PLUGIN)[0], Image)
        [again] = viewer.open(str(path), plugin=PLUGIN)
        settled(qtbot, dock)
        assert isinstance(again, Labels)
        assert read(dock.sections, "summary") == "4 of 9 annotated, 5 interpolated, 3 gaps"
        assert "2 sections filled in 2 gaps" in run(qtbot, dock)  # beside the corrected one
        assert np.flatnonzero((again.data != saved).any((1, 2))).tolist() == [5, 7]

    def test_what_is_painted_on_a_reopened_file_before_the_dock_is_open_is_a_correction(
        self, qtbot, viewer, layer, dock, tmp_path
    ):
        run(qtbot, dock)
        dock.save_result(tmp_path / "cells.tif")
        finish(qtbot, dock)
        viewer.window.remove_dock_widget("all")
        viewer.layers.clear()
        [again] = viewer.open(str(tmp_path / "cells.tif"), plugin=PLUGIN)
        again.paint((2, 3, 3), 1)
        other = open_dock(viewer)
        settled(qtbot, other)
        assert "section 2, z = 4 um: corrected, 1 label" in rows(other)[0]

    def test_napari_saves_labels_with_our_writer(self, qtbot, viewer, layer, dock, tmp_path):
        run(qtbot, dock)
        layer.save(str(tmp_path / "a.tif"), plugin=PLUGIN)
        assert np.flatnonzero(LabelResult.load(tmp_path / "a.tif").interpolated).tolist() == [1, 2, 3, 5, 6, 7]

    def test_nothing_is_replaced_unasked(self, qtbot, layer, dock, tmp_path):
        (tmp_path / "a.tif").write_bytes(b"mine")
        dock.save_result(tmp_path / "a.tif")
        assert "exists" in read(dock.bar, "message")
        assert (tmp_path / "a.tif").read_bytes() == b"mine"


class TestFiles:
    def test_a_label_file_of_another_program_is_opened_as_labels(self, qtbot, viewer, dock, tmp_path):
        data = drawn().astype("float32")
        path = tmp_path / "seg.nii.gz"
        io.write(path, Dataset(data[None, None], Grid(np.arange(9.0) * 2, (1.0, 1.0), "mm")))
        dock.layers.open_files([path])
        settled(qtbot, dock)
        layer = dock.layers.layer
        assert layer.name == "seg"
        assert layer.data.dtype.kind == "i"
        assert "3 of 9 annotated" in read(dock.sections, "summary")

    def test_a_nifti_file_that_says_that_it_holds_labels_is_opened_as_such(self, viewer, tmp_path):
        path, grid = tmp_path / "seg.nii", Grid(np.arange(9.0) * 2, (1.0, 1.0), "mm")
        io.write(path, Dataset(drawn()[None, None], grid, holds_labels=True))
        [layer] = viewer.open(str(path), plugin=PLUGIN)
        assert isinstance(layer, Labels)
        assert np.array_equal(layer.data, drawn())

    def test_a_palette_file_is_read_as_identifiers(self, qtbot, viewer, dock, tmp_path):
        colours = np.zeros((3, 256), "uint16")
        tifffile.imwrite(tmp_path / "seg.tif", drawn(), photometric="palette", colormap=colours)
        dock.layers.open_files([tmp_path / "seg.tif"])
        settled(qtbot, dock)
        assert np.array_equal(dock.layers.layer.data, drawn())

    def test_a_label_file_that_was_opened_as_an_image_is_offered(self, qtbot, viewer, dock, tmp_path):
        offer = find(dock.layers, "take_labels")
        io.write(tmp_path / "seg.tif", Dataset(drawn()[None, None], Grid(np.arange(9.0) * 2, (0.5, 0.5), "um")))
        grey = np.random.default_rng(0).integers(0, 255, (9, 24, 24), "uint8")
        viewer.add_image(grey, name="grey")
        assert not offer.isVisible()
        viewer.open(str(tmp_path / "seg.tif"), plugin=PLUGIN)
        viewer.add_image(grey, name="other")
        assert isinstance(viewer.layers["seg"], Image)
        assert offer.text() == "Use 'seg' as labels"
        qtbot.mouseClick(offer, Qt.MouseButton.LeftButton)
        settled(qtbot, dock)
        assert [each.name for each in viewer.layers] == ["grey", "seg", "other"]
        layer = dock.layers.layer
        assert isinstance(layer, Labels)
        assert layer.name == "seg"
        assert np.array_equal(layer.data, drawn())
        assert layer.scale.tolist() == [2, 0.5, 0.5]
        assert not offer.isVisible()
        run(qtbot, dock)
        assert sections_with_labels(layer) == list(range(9))

    def test_grey_values_are_refused(self, viewer, dock, tmp_path):
        path = tmp_path / "grey.tif"
        io.write(path, Dataset(np.full((1, 1, 3, 8, 8), 0.5, "float32"), Grid(np.arange(3.0), (1.0, 1.0), "um")))
        dock.layers.open_files([path])
        assert "whole numbers" in said("warning")[-1]
        assert len(viewer.layers) == 0


def test_the_other_docks_name_this_one(viewer, layer):
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Depth interpolation")
    assert "'Interpolate labels'" in read(widget.stack, "summary")


def test_leaves_nothing_behind(qtbot, viewer, layer, dock):
    run(qtbot, dock)
    run(qtbot, dock, "preview")
    viewer.window.remove_dock_widget("all")
    assert [each.name for each in viewer.layers] == ["cells"]
    assert not viewer.canvas.overlays.text.visible
    assert MARKS_KEY in layer.metadata
    assert not [each for each in viewer.layers if isinstance(each, Image)]

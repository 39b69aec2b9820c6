"""The widget before a run: which stack, which target, which method, and what is wrong."""

import subprocess
import sys
import threading
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from controls import enter, find, form_of, pick, press, read, shows
from drive import choose, finish, opened, run, said, sparse_tiff
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QTableWidget

from napari_depth_interp import io
from napari_depth_interp.methods import registry
from napari_depth_interp.methods.classical import CubicConfig
from napari_depth_interp.plugin.boxes import compute_box, method_box
from napari_depth_interp.simulate import simulate
from napari_depth_interp.system import devices

PLUGIN = "napari-depth-interp"


def is_marked(widget):
    return "border" in find(widget.stack, "Z spacing").styleSheet()


class TestOpening:
    def test_our_reader_is_used_and_the_stack_is_described(self, viewer, widget, tmp_path):
        layer = opened(widget, tmp_path / "a.tif")
        assert [each.name for each in viewer.layers] == ["a"]
        np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
        text = read(widget.stack, "summary")
        for words in ("7 sections along z", "2 um apart", "40 x 50 pixels of 0.5 x 0.5 um", "uint16"):
            assert words in text
        assert find(widget.bar, "run").isEnabled()
        assert find(widget.bar, "preview").isEnabled()
        assert not is_marked(widget)

    def test_a_drop(self, viewer, widget, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        (tmp_path / "notes.txt").write_text("no stack")
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(tmp_path / name)) for name in ("notes.txt", "a.tif")])
        left, no_key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        enter = QDragEnterEvent(QPointF(5, 5).toPoint(), Qt.DropAction.CopyAction, mime, left, no_key)
        enter.ignore()
        widget.stack.dragEnterEvent(enter)
        assert enter.isAccepted()
        drop = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, left, no_key)
        widget.stack.dropEvent(drop)
        assert drop.isAccepted()
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert widget.stack.layer.name == "a"

    def test_a_drop_of_other_files_is_left_to_others(self, widget):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile("/somewhere/picture.png")])
        event = QDragEnterEvent(
            QPointF(5, 5).toPoint(), Qt.DropAction.CopyAction, mime,
            Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        event.ignore()
        widget.stack.dragEnterEvent(event)
        assert not event.isAccepted()

    def test_the_open_button(self, widget, tmp_path, monkeypatch):
        sparse_tiff(tmp_path / "a.tif")
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(tmp_path / "a.tif")], ""))
        find(widget.stack, "Open…").menu().actions()[0].trigger()
        assert widget.stack.layer.name == "a"

    def test_an_ome_zarr_folder(self, widget, tmp_path, monkeypatch):
        io.write(tmp_path / "a.ome.zarr", simulate("organoid", shape=(5, 20, 20), voxel_size=(2, 1, 1)).observed)
        answers = [str(tmp_path), str(tmp_path / "a.ome.zarr")]
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
        folder = find(widget.stack, "Open…").menu().actions()[1]
        folder.trigger()
        assert "is no OME-Zarr folder" in read(widget.stack, "summary")
        folder.trigger()
        assert widget.stack.layer.name == "a"

    @pytest.mark.parametrize(("name", "words"), [("bad.tif", "not a TIFF file"), ("gone.tif", "does not exist")])
    def test_one_bad_file_does_not_keep_the_others_out(self, viewer, widget, tmp_path, name, words):
        (tmp_path / "bad.tif").write_bytes(b"garbage")
        sparse_tiff(tmp_path / "a.tif")
        widget.stack.open_files([tmp_path / name, tmp_path / "a.tif"])
        assert [layer.name for layer in viewer.layers] == ["a"]
        assert words in read(widget.stack, "summary")
        assert any(words in message for message in said("warning"))

    def test_a_file_dropped_on_the_canvas_is_read_again(self, viewer, widget, tmp_path):
        sparse_tiff(tmp_path / "a.tif")
        viewer.open(tmp_path / "a.tif", plugin="napari")
        assert "spacing and unit were read again from a.tif" in read(widget.stack, "summary")
        np.testing.assert_allclose(viewer.layers["a"].scale, (2.0, 0.5, 0.5))
        assert find(widget.bar, "run").isEnabled()


class TestStack:
    def test_nothing_is_open(self, widget):
        assert read(widget.stack, "summary") == "Open a stack, or drop one here."
        assert not find(widget.stack, "summary").styleSheet()  # an invitation is no problem
        assert not find(widget.bar, "run").isEnabled()
        widget.run()
        assert "no image layer" in read(widget.bar, "message")

    def test_what_a_dock_has_made_becomes_the_stack_only_by_choice(self, qtbot, viewer, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        run(qtbot, widget, factor=2)
        viewer.layers.remove("a")
        assert find(widget.stack, "Layer").currentIndex() == -1
        assert "choose a layer that a dock has made" in read(widget.stack, "summary")
        assert not find(widget.bar, "run").isEnabled()
        pick(widget.stack, "Layer", "a linear")
        assert read(widget.bar, "run") == "Run on a linear"
        run(qtbot, widget, factor=2)
        assert "a linear linear" in viewer.layers

    def test_labels_are_refused_with_a_hint(self, viewer, widget):
        viewer.add_labels(np.zeros((4, 5, 6), int), name="seg")
        assert "Labels layer" in read(widget.stack, "summary")
        assert "choose an Image layer" in read(widget.stack, "summary")
        assert not find(widget.bar, "run").isEnabled()

    def test_one_section(self, viewer, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        assert read(widget.target, "summary")
        viewer.add_image(np.zeros((1, 30, 30)), name="one", scale=(2, 1, 1), units="um")
        pick(widget.stack, "Layer", "one")
        assert "two or more are needed" in read(widget.stack, "summary")
        assert read(widget.target, "summary") == ""
        assert not find(widget.bar, "run").isEnabled()

    def test_missing_spacing(self, qtbot, viewer, widget, tmp_path):
        layer = opened(widget, tmp_path / "a.tif", spacing=None)
        assert is_marked(widget)
        assert "needed" in find(widget.stack, "Z spacing").placeholderText()
        assert "z spacing unknown" in read(widget.stack, "summary")
        assert not find(widget.bar, "run").isEnabled()
        qtbot.keyClicks(find(widget.stack, "Z spacing"), "2um")
        assert not is_marked(widget)
        assert find(widget.bar, "run").isEnabled()
        done = run(qtbot, widget)
        np.testing.assert_allclose(layer.scale, (2.0, 0.5, 0.5))
        np.testing.assert_allclose(done.layers[0].scale, (0.5, 0.5, 0.5))
        np.testing.assert_allclose(layer.extent.world, done.layers[0].extent.world, atol=0.8)
        assert viewer.layers.units is not None

    @pytest.mark.parametrize("text", ["2 parsecs", "-1um", "um"])
    def test_a_spacing_that_is_none(self, widget, tmp_path, text):
        opened(widget, tmp_path / "a.tif")
        enter(widget.stack, "Z spacing", text)
        assert not find(widget.bar, "run").isEnabled()
        assert find(widget.stack, "summary").styleSheet()
        enter(widget.stack, "Z spacing", "")
        assert find(widget.bar, "run").isEnabled()

    def test_what_was_typed_for_one_stack_does_not_change_another(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif", spacing=None)
        qtbot.keyClicks(find(widget.stack, "Z spacing"), "5um")
        pick(widget.stack, "Acquisition", "Projection")
        opened(widget, tmp_path / "b.tif")
        assert read(widget.stack, "Z spacing") == ""
        assert "2 um apart" in read(widget.stack, "summary")
        assert widget.settings().acquisition is None
        pick(widget.stack, "Layer", "a")
        assert read(widget.stack, "Z spacing") == "5um"
        assert widget.settings().acquisition == "projection:6"

    def test_depths_are_edited_one_by_one(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif", spacing=1 / 3)
        table = find(widget.stack, "Section depths", QTableWidget)
        assert table.rowCount() == 7
        table.item(1, 0).setText("0.5")
        expected = np.arange(7) / 3
        expected[1] = 0.5
        np.testing.assert_allclose(widget.settings().depths, expected, rtol=1e-9)
        assert "unevenly" in read(widget.stack, "summary")
        assert "unevenly spaced; the result is regular" in read(widget.target, "summary")
        table.item(1, 0).setText("9")
        assert "must increase" in read(widget.stack, "summary")
        assert not find(widget.bar, "run").isEnabled()
        table.item(1, 0).setText("0.4")
        assert find(widget.bar, "run").isEnabled()
        table.item(1, 0).setText("x")
        assert "a depth must be a number, got 'x'" in read(widget.stack, "summary")
        press(widget.stack, "Back to the file's depths")
        assert widget.settings().depths is None
        assert table.item(1, 0).text() == "0.333333"

    def test_a_typed_spacing_replaces_edited_depths(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        find(widget.stack, "Section depths", QTableWidget).item(1, 0).setText("2.5")
        qtbot.keyClicks(find(widget.stack, "Z spacing"), "3um")
        assert widget.settings().depths is None
        assert widget.settings().z_spacing == "3um"
        assert "3 um apart" in read(widget.stack, "summary")

    def test_back_to_the_file(self, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        enter(widget.stack, "Z spacing", "3um")
        button = find(widget.stack, "Back to the file's depths")
        button.click()
        assert widget.settings().z_spacing is None
        assert "2 um apart" in read(widget.stack, "summary")

    def test_depths_of_a_reversed_nifti_stay_at_their_section(self, widget, tmp_path):
        voxels = np.arange(9 * 8 * 5, dtype=np.int16).reshape(9, 8, 5)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, -4.0, 1.0])), tmp_path / "r.nii.gz")
        widget.stack.open_files([tmp_path / "r.nii.gz"])
        assert widget.stack.described(widget.settings()).source.reversed_sections
        before = widget.stack.described(widget.settings()).grid.depths
        find(widget.stack, "Section depths", QTableWidget).item(1, 0).setText(str(before[1] + 1))
        after = widget.stack.described(widget.settings()).grid.depths
        np.testing.assert_allclose(after - before, [0, 1, 0, 0, 0], atol=1e-9)

    def test_projections(self, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        assert not shows(widget.stack, "Sections in one image")
        pick(widget.stack, "Acquisition", "Projection")
        enter(widget.stack, "Sections in one image", 4)
        assert shows(widget.stack, "Sections in one image")
        assert widget.settings().acquisition == "projection:4"
        assert "7 → 28 sections" in read(widget.target, "summary")

    def test_follows_names_scales_and_removal(self, viewer, widget, tmp_path):
        layer = opened(widget, tmp_path / "a.tif")
        layer.name = "renamed"
        assert find(widget.stack, "Layer").currentText() == "renamed"
        assert widget.stack.layer is not None
        layer.scale = (4.0, 0.5, 0.5)
        assert "4 um apart" in read(widget.stack, "summary")
        viewer.layers.remove(layer)
        assert widget.stack.layer is None
        assert read(widget.target, "summary") == ""
        assert not find(widget.bar, "run").isEnabled()

    def test_new_layers_do_not_change_a_pinned_choice(self, viewer, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        press(widget.stack, "Pin")
        viewer.add_image(np.zeros((3, 4, 5)), name="0 first")
        viewer.layers.move(1, 0)
        assert widget.stack.layer.name == "a"


class TestTarget:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"factor": 4}, "7 → 25 sections, 0.5 um apart, 0.1 MB"),
            ({"factor": None, "spacing": "0.25um"}, "7 → 49 sections, 0.25 um apart, 0.2 MB"),
            ({"factor": None, "isotropic": True}, "7 → 25 sections, 0.5 um apart, 0.1 MB"),
        ],
    )
    def test_summary(self, widget, tmp_path, settings, words):
        opened(widget, tmp_path / "a.tif")
        choose(widget, **settings)
        assert words in read(widget.target, "summary")
        kind = find(widget.target, "Target").currentData()
        assert shows(widget.target, "Factor") == (kind == "factor")
        assert shows(widget.target, "Spacing") == (kind == "spacing")

    @pytest.mark.parametrize(
        ("spacing", "words"), [("", "is not a length"), ("1km", "unit 'km'"), ("50um", "longer than the whole stack")]
    )
    def test_what_is_wrong(self, widget, tmp_path, spacing, words):
        opened(widget, tmp_path / "a.tif")
        pick(widget.target, "Target", "Spacing")
        enter(widget.target, "Spacing", spacing)
        assert words in read(widget.target, "summary")
        assert not find(widget.bar, "run").isEnabled()
        enter(widget.target, "Spacing", "1um")
        assert find(widget.bar, "run").isEnabled()

    def test_isotropic_needs_a_pixel_size(self, viewer, widget):
        viewer.add_image(np.zeros((4, 5, 6)), scale=(3, 1, 1))
        pick(widget.target, "Target", "Isotropic")
        assert "no pixel size" in read(widget.target, "summary")


class TestMethod:
    def test_another_method_brings_its_own_form(self, widget):
        choose(widget, method="nearest")
        assert not shows(widget.method, "parameters")
        assert "Repeats the closest" in read(widget.method, "summary")
        choose(widget, method="cubic", parameters={"kind": "spline"})
        assert shows(widget.method, "parameters")
        assert widget.settings().parameters == {"kind": "spline"}
        press(widget.method, "Restore defaults")
        assert widget.settings().parameters == {}
        assert form_of(widget.method).config().kind == "catmull-rom"

    def test_the_preset_published_where_a_method_has_it(self, widget):
        pick(widget.method, "Method", "microdiffusion")
        pick(widget.method, "Preset", "published")
        assert form_of(widget.method).config().draws == "image"
        assert (widget.settings().preset, widget.settings().parameters) == ("published", {})
        pick(widget.method, "Method", "section_sr")
        assert find(widget.method, "Preset").currentText() == "balanced"

    def test_presets(self, slow, open_widget):
        widget = open_widget()
        choose(widget, method="cubic")
        assert not shows(widget.method, "Preset")
        choose(widget, method="slow")
        assert shows(widget.method, "Preset")
        assert form_of(widget.method).config().steps == 3
        pick(widget.method, "Preset", "best")
        assert form_of(widget.method).config().steps == 200
        assert widget.settings().parameters == {}
        choose(widget, method="linear")
        choose(widget, method="slow")
        assert widget.settings().preset == "best"
        assert form_of(widget.method).config().steps == 200

    def test_a_parameter_that_does_not_fit_is_told(self, widget, tmp_path, monkeypatch):
        opened(widget, tmp_path / "a.tif")
        choose(widget, method="cubic")
        form = form_of(widget.method)
        monkeypatch.setattr(form, "config", lambda: CubicConfig(kind="wrong"))  # the editors do not let one in
        form.changed.emit()
        assert not find(widget.bar, "run").isEnabled()
        assert "Cubic" in read(widget.bar, "message")
        monkeypatch.undo()
        form.changed.emit()
        assert find(widget.bar, "run").isEnabled()
        assert read(widget.bar, "message") == ""

    def test_devices_are_searched_off_the_gui_thread(self, qtbot, slow, open_widget, monkeypatch):
        threads = []

        def found(*_):
            threads.append(threading.current_thread())
            return ["cuda:0", "cpu"]

        monkeypatch.setattr(compute_box, "_find_devices", found)
        monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cpu"])
        gpu, get = replace(slow, devices=("cpu", "cuda")), registry.get
        monkeypatch.setattr(registry, "get", lambda name: gpu if name == "slow" else get(name))
        widget = open_widget()
        assert "computes on the CPU" in read(widget.compute, "device note")
        choose(widget, method="slow")
        assert "looking for a GPU" in read(widget.compute, "device note")
        qtbot.waitUntil(lambda: "computes on cuda:0" in read(widget.compute, "device note"), timeout=3000)
        assert find(widget.compute, "Device").findText("cuda:0") >= 0
        assert threading.main_thread() not in threads
        choose(widget, device="cpu")
        assert "slow on the CPU" in read(widget.compute, "device note")
        choose(widget, device="mps")
        assert "device 'mps' is not there" in read(widget.compute, "device note")


def test_the_method_offered_first_is_the_automatic_one(qtbot):
    box = method_box.MethodBox()
    qtbot.addWidget(box)
    assert box.spec.name == "auto"


def test_triton_stays_out_of_the_window_process():
    """Beside the LLVM of a software OpenGL driver, loading it ends the process."""
    code = "import napari_depth_interp.methods.section_sr.method; import torch._dynamo, sys;"
    code += "sys.exit(sys.modules['triton'] is not None)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


class TestEnlarging:
    """A method that makes all three axes finer."""

    def test_there_is_no_target_to_choose(self, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        widget.compute.set_scoring(2)
        choose(widget, method="enlarge", factor=3)
        text = read(widget.target, "summary")
        assert "7 → 28 sections of 160 x 200 pixels, 0.5 um apart, 1.8 MB" in text
        assert widget.settings().factor is None
        assert not find(widget.target, "Factor").isVisibleTo(widget.target)
        assert not find(widget.compute, "score").isEnabled()
        assert widget.compute.scoring() is None
        choose(widget, method="linear")
        assert find(widget.target, "Factor").isVisibleTo(widget.target)
        assert widget.settings().factor == 3
        assert widget.compute.scoring() is not None

    def test_the_result_lies_over_its_input(self, qtbot, viewer, widget, tmp_path):
        layer = opened(widget, tmp_path / "a.tif")
        done = run(qtbot, widget, method="enlarge")
        [made] = done.layers
        assert made.data.shape == (28, 160, 200)
        np.testing.assert_allclose(made.scale, (0.5, 0.125, 0.125))
        for side in (-0.5, 0.5):
            edges = [
                each.extent.world[int(side + 0.5)] + side * np.asarray(each.scale) for each in (made, layer)
            ]  # napari counts from voxel centres
            np.testing.assert_allclose(*edges, atol=1e-6)
        assert "--factor" not in done.command()

    def test_preview(self, qtbot, viewer, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        choose(widget, method="enlarge")
        viewer.dims.set_current_step(0, 2)
        widget.preview()
        finish(qtbot, widget)
        made = viewer.layers["a enlarge preview"]
        assert made.data.shape[0] == 4
        assert made.scale[0] == pytest.approx(0.5)

    def test_a_method_without_its_model_says_what_to_do(self, qtbot, widget, tmp_path):
        opened(widget, tmp_path / "a.tif")
        choose(widget, method="rrdb_gan")
        widget.run()
        finish(qtbot, widget)
        assert "needs a model" in read(widget.bar, "message")

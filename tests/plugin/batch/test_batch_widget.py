"""The widget "Batch folder" in the real viewer: list, run, table, open, stop."""

import shlex

import numpy as np
import pytest
import tifffile
from controls import enter, find, front_page, heading, pick, press, read, shows, tick
from drive import finish, said, sparse_tiff
from qtpy.QtCore import Qt, QThreadPool

import napari_depth_interp as ndi
from batches import fill, tree
from napari_depth_interp.cli import main
from napari_depth_interp.plugin.preferences import remember_settings
from napari_depth_interp.run.settings import load_settings, make_settings, save_settings

PLUGIN = "napari-depth-interp"


def cells(widget, column):
    model = widget.files.table.files
    return [model.data(model.index(row, column)) for row in range(model.rowCount())]


def run(qtbot, widget):
    assert find(widget.bar, "run").isEnabled(), find(widget.bar, "run").toolTip()
    press(widget.bar, "run")
    finish(qtbot, widget, timeout=60_000)


class TestFolders:
    def test_files_are_listed_as_they_are_chosen(self, qtbot, listed, source, target):
        assert cells(listed, 0) == ["a.tif", "b.tif", "sub/c.tif"]
        assert cells(listed, 1) == ["waiting"] * 3
        assert read(listed.folders, "summary").startswith("3 files, ")
        listed.folders.set_choice(source, target, patterns="b*; x*")
        qtbot.waitUntil(lambda: cells(listed, 0) == ["b.tif"], timeout=5000)
        assert read(listed.folders, "summary").startswith("1 file, ")

    def test_what_is_wrong_is_said(self, qtbot, listed, tmp_path, target, source):
        listed.folders.set_choice(tmp_path / "none", target)
        qtbot.waitUntil(lambda: "does not exist" in read(listed.folders, "summary"), timeout=5000)
        assert cells(listed, 0) == []
        listed.folders.set_choice(source, source)
        qtbot.waitUntil(lambda: "is the input folder" in read(listed.folders, "summary"), timeout=5000)
        for folders, missing in ((("", ""), "the folder with the stacks"), ((source, ""), "a folder for the results")):
            listed.folders.set_choice(*folders)
            assert not find(listed.bar, "run").isEnabled()
            assert missing in find(listed.bar, "run").toolTip()

    def test_settings_that_fit_no_file_disable_run(self, listed):
        tick(listed.options, "Also write the uncertainty")
        assert not find(listed.bar, "run").isEnabled()
        assert "linear gives no uncertainty" in read(listed.bar, "message")
        tick(listed.options, "Also write the uncertainty", False)
        assert find(listed.bar, "run").isEnabled()
        assert read(listed.bar, "message") == ""


class TestRun:
    def test_results_scores_and_table(self, qtbot, viewer, listed, source, target):
        (source / "b.tif").write_bytes(b"II*\0nothing")
        sparse_tiff(source / "a.tif")
        listed.compute.set_scoring(2)
        run(qtbot, listed)
        assert cells(listed, 1) == ["done", "failed", "done"]
        assert "is damaged" in cells(listed, 5)[1]
        assert read(listed.files, "summary").startswith("b.tif: failed, 'b.tif' is damaged")
        assert float(cells(listed, 3)[0]) == pytest.approx(
            ndi.evaluate(source / "a.tif", "linear", keep_every=2).methods[0].volume["psnr"], abs=0.01
        )
        assert not listed.files.table.isColumnHidden(3)
        assert "2 done, 1 failed; see " in read(listed.bar, "message")
        assert any("1 of 3 files failed" in text for text in said("warning"))
        assert set(tree(target)) == {"a.tif", "sub/c.tif"}
        assert front_page(listed) is listed.files
        assert (target / "summary.csv").exists()

    def test_go_on_skips_what_is_complete(self, qtbot, listed, target):
        run(qtbot, listed)
        (target / "a.tif").unlink()
        run(qtbot, listed)
        assert cells(listed, 1) == ["done", "skipped", "skipped"]
        assert cells(listed, 5)[1] == "complete already"
        pick(listed.folders, "Existing results", "Do not touch them")
        run(qtbot, listed)
        assert "holds results of an earlier batch" in read(listed.bar, "message")
        pick(listed.folders, "Existing results", "Make all anew")
        run(qtbot, listed)
        assert cells(listed, 1) == ["done"] * 3

    def test_double_click_opens_file_and_result(self, qtbot, viewer, listed, target):
        run(qtbot, listed)
        table = listed.files.table
        place = table.visualRect(table.files.index(2, 0)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=5000)
        sparse, dense = viewer.layers
        assert (sparse.name, dense.name) == ("c", "c.tif result")
        assert (len(sparse.data), len(dense.data)) == (4, 7)
        np.testing.assert_allclose(sparse.extent.world, dense.extent.world, atol=1.1)
        np.testing.assert_array_equal(dense.data, tifffile.imread(target / "sub" / "c.tif"))
        assert viewer.layers.selection.active.name == dense.name
        middle = dense.extent.world.mean(axis=0)
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle[-2:], atol=0.5)

    def test_a_file_without_result_opens_alone_and_a_damaged_one_says_why(self, qtbot, viewer, listed, source):
        listed.files.table.selectRow(0)
        press(listed.files, "Open")
        assert [layer.name for layer in viewer.layers] == ["a"]
        (source / "b.tif").write_bytes(b"")
        listed.files.table.selectRow(1)
        press(listed.files, "Open")
        assert len(viewer.layers) == 1
        assert any("is empty" in text for text in said("warning"))

    def test_the_command_does_the_same(self, qtbot, listed, target, tmp_path, source):
        listed.folders.set_choice(source, target, recursive=True, patterns="*.tif; !b*")
        qtbot.waitUntil(lambda: len(listed.files.table.files.rows) == 2, timeout=5000)
        run(qtbot, listed)
        words = shlex.split(listed.command())
        assert words[:4] == ["depth-interp", "batch", str(source), str(target)]
        words[3] = str(tmp_path / "again")
        assert main(words[1:]) == 0
        assert tree(tmp_path / "again") == tree(target)

    def test_before_the_folder_was_looked_through(self, qtbot, widget, source, target, tmp_path):
        fill(tmp_path / "other", ["old.tif"])
        widget.folders.set_choice(tmp_path / "other", target)
        qtbot.waitUntil(lambda: cells(widget, 0) == ["old.tif"], timeout=5000)
        widget.folders.set_choice(source, target)
        seen = []
        widget.files.table.files.rowsInserted.connect(lambda *_: seen.append(cells(widget, 0)))
        run(qtbot, widget)
        assert seen == [["a.tif"], ["a.tif", "b.tif"]]
        assert cells(widget, 1) == ["done"] * 2

    def test_a_folder_chosen_during_a_run_is_looked_through_after_it(self, qtbot, slow, listed, tmp_path, target):
        fill(tmp_path / "next", ["next.tif"])
        listed.set_settings(make_settings(method="slow", factor=2, parameters={"steps": 20}))
        press(listed.bar, "run")
        listed.folders.set_choice(tmp_path / "next", target)
        qtbot.wait(600)
        assert listed.job is not None
        finish(qtbot, listed, timeout=60_000)
        qtbot.waitUntil(lambda: cells(listed, 0) == ["next.tif"], timeout=5000)

    def test_a_method_that_enhances(self, qtbot, listed, source, target):
        quick = {"training_steps": 10, "filters": 4, "mapped": 4, "batch": 2}
        listed.compute.set_scoring(2)
        listed.set_settings(make_settings(method="srcnn", factor=2, parameters=quick, device="cpu", threads=1))
        assert listed.target.isHidden()
        run(qtbot, listed)
        assert cells(listed, 1) == ["done"] * 3
        assert ndi.read(target / "a.tif").voxels.shape == ndi.read(source / "a.tif").voxels.shape

    def test_a_method_that_makes_all_axes_finer(self, qtbot, listed, source, target):
        listed.set_settings(make_settings(method="enlarge", factor=2))
        assert not shows(listed.target, "Factor")
        run(qtbot, listed)
        assert cells(listed, 1) == ["done"] * 3
        before, after = (ndi.read(folder / "a.tif").voxels.shape for folder in (source, target))
        assert after[2:] == tuple(4 * size for size in before[2:])

    def test_several_at_once(self, qtbot, listed, target, tmp_path):
        run(qtbot, listed)
        before = tree(target)
        enter(listed.options, "Files at once", 2)
        listed.folders.target.setText(str(tmp_path / "other"))
        run(qtbot, listed)
        assert cells(listed, 1) == ["done"] * 3
        assert tree(tmp_path / "other") == before


class TestStop:
    @pytest.fixture
    def slow_batch(self, qtbot, slow, listed):
        listed.set_settings(make_settings(method="slow", factor=2, parameters={"steps": 40}))
        press(listed.bar, "run")
        qtbot.waitUntil(lambda: cells(listed, 1)[0].startswith("running"), timeout=5000)
        return listed

    def test_cancel_drops_the_file_in_work(self, qtbot, slow_batch, target):
        press(slow_batch.bar, "run")
        finish(qtbot, slow_batch)
        assert cells(slow_batch, 1) == ["waiting"] * 3
        assert tree(target) == {}
        assert "cancelled; 0 of 3 files are done" in read(slow_batch.bar, "message")
        assert read(slow_batch.bar, "run") == "Run"

    def test_cancel_finishes_the_file_in_work(self, qtbot, slow_batch, target):
        pick(slow_batch.options, "Cancel", "Finish the file in work")
        progress = find(slow_batch.bar, "progress")
        qtbot.waitUntil(lambda: progress.value() > 0, timeout=10_000)  # it is said to run just before it begins
        press(slow_batch.bar, "run")
        assert read(slow_batch.bar, "run") == "Cancelling…"
        finish(qtbot, slow_batch)
        assert cells(slow_batch, 1) == ["done", "waiting", "waiting"]
        assert set(tree(target)) == {"a.tif"}
        assert "stopped: 1 done, 2 waiting" in read(slow_batch.bar, "message")

    def test_progress_and_time_left(self, qtbot, slow_batch):
        qtbot.waitUntil(lambda: " left" in read(slow_batch.bar, "message"), timeout=10_000)
        assert "of 3 files" in read(slow_batch.bar, "message")
        assert find(slow_batch.bar, "progress").value() > 0
        slow_batch.cancel()
        finish(qtbot, slow_batch)

    def test_the_dock_is_closed(self, qtbot, viewer, slow_batch, target):
        pick(slow_batch.options, "Cancel", "Finish the file in work")
        viewer.window.remove_dock_widget(slow_batch)
        assert QThreadPool.globalInstance().waitForDone(2000)
        qtbot.wait(50)
        assert tree(target) == {}

    def test_napari_is_closed(self, qtbot, slow, make_napari_viewer, source, target):
        viewer = make_napari_viewer(strict_qt="raise")
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch folder")
        widget.set_settings(make_settings(method="slow", factor=2, parameters={"steps": 200}))
        widget.folders.set_choice(source, target)
        press(widget.bar, "run")
        qtbot.waitUntil(lambda: (target / ".depth-interp-batch" / "run.json").exists(), timeout=5000)
        viewer.close()
        assert QThreadPool.globalInstance().waitForDone(2000)
        qtbot.wait(50)
        assert tree(target) == {}
        assert not (target / ".depth-interp-batch" / "work").exists()
        assert "waiting" in (target / "summary.csv").read_text()


class TestSettings:
    def test_a_settings_file_of_the_laboratory(self, qtbot, listed, tmp_path, target):
        text = "method: cubic\nfactor: 3\nz_spacing: 3um\nnan: fill\nseed: 4\nparameters: {kind: spline}\n"
        (tmp_path / "lab.yaml").write_text(text)
        listed.load_settings(str(tmp_path / "lab.yaml"))
        assert heading(listed.more) == "More settings: seed, missing values"
        listed.save_settings(str(tmp_path / "saved.yaml"))
        saved = load_settings(tmp_path / "saved.yaml")
        assert {name: saved[name] for name in ("method", "factor", "z_spacing", "nan", "seed")} == {
            "method": "cubic", "factor": 3, "z_spacing": "3um", "nan": "fill", "seed": 4,
        }  # fmt: skip
        run(qtbot, listed)
        assert ndi.read(target / "a.tif").grid.spacing == pytest.approx(1.0)

    def test_enhancement_that_a_settings_file_asks_for(self, listed, tmp_path):
        text = "method: linear\nfactor: 2\nenhance: srcnn\nenhance_parameters: {training_steps: 10}\n"
        (tmp_path / "lab.yaml").write_text(text)
        listed.load_settings(str(tmp_path / "lab.yaml"))
        assert heading(listed.more) == "More settings: enhance"
        assert "enhance_parameters" in read(listed.options, "summary")
        assert listed.settings().enhance_parameters == {"training_steps": 10}
        assert "--enhance srcnn --enhance-param training_steps=10" in listed.command()

    def test_an_enhancement_is_kept_from_a_file_and_not_from_the_last_run(self, viewer, listed, tmp_path):
        enhanced = make_settings(method="linear", factor=2, enhance="srcnn")
        save_settings(tmp_path / "s.yaml", enhanced)
        listed.load_settings(str(tmp_path / "s.yaml"))
        assert listed.settings().enhance == "srcnn"
        assert heading(listed.more) == "More settings: enhance"
        remember_settings(enhanced)
        viewer.window.remove_dock_widget(listed)
        _, again = viewer.window.add_plugin_dock_widget(PLUGIN, "Batch folder")
        assert again.settings().enhance is None

    def test_a_bad_acquisition_changes_nothing(self, listed, tmp_path):
        (tmp_path / "bad.yaml").write_text("factor: 2\nz_spacing: 9um\nacquisition: slices\n")
        before = listed.settings()
        listed.load_settings(str(tmp_path / "bad.yaml"))
        assert listed.settings() == before

    def test_a_bad_one_changes_nothing(self, listed, tmp_path):
        (tmp_path / "bad.yaml").write_text("facto: 3\n")
        before = listed.settings()
        listed.load_settings(str(tmp_path / "bad.yaml"))
        assert "'facto' is not known" in read(listed.bar, "message")
        assert listed.settings() == before

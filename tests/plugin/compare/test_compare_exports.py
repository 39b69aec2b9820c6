"""Files and the command line of a comparison: what is written can be read, what is copied can be run."""

import csv
import json
import shlex

import numpy as np
import pytest
from compared import TITLE, compare
from controls import enter, find, pick, press, read, tick
from drive import finish, sparse_tiff
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QApplication, QFileDialog

from command_line import run_json
from napari_depth_interp.evaluation.evaluate import LpipsChoice
from napari_depth_interp.evaluation.holdout import Protocol


@pytest.fixture
def own(finished):
    """A dock with a comparison of three methods; no test of those that ask for it changes that."""
    return finished("linear", "cubic", "nearest")


def save_as(monkeypatch, path):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))


def entry(widget, beginning):
    return next(
        action for action in find(widget.scores, "Export").menu().actions() if action.text().startswith(beginning)
    )


class TestFiles:
    def test_scores_of_the_methods(self, own, tmp_path, monkeypatch):
        widget, done = own.widget, own.comparison
        save_as(monkeypatch, tmp_path / "scores")  # without a suffix
        entry(widget, "Scores of the methods").trigger()
        with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["method"] for row in rows] == ["linear", "cubic", "nearest"]
        assert float(rows[1]["volume.psnr"]) == done.scores.of("cubic").volume["psnr"]
        assert "saved in" in read(widget.bar, "message")

    def test_scores_of_every_section(self, own, tmp_path, monkeypatch):
        widget, done = own.widget, own.comparison
        (tmp_path / "sections.csv").write_text("old")  # the dialog has asked whether to replace it
        save_as(monkeypatch, tmp_path / "sections.csv")
        entry(widget, "Scores of every section").trigger()
        with (tmp_path / "sections.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 3 * 4
        assert {row["stack"] for row in rows} == {"a"}
        found = [float(row["psnr"]) for row in rows if row["method"] == "cubic"]
        assert found == [row["psnr"] for row in done.scores.of("cubic").sections]

    def test_every_plot(self, own, tmp_path, monkeypatch):
        widget = own.widget
        for tab in range(4):
            find(widget.scores.plots, "plots").setCurrentIndex(tab)
            save_as(monkeypatch, tmp_path / f"plot{tab}.png")
            entry(widget, "Plot in view").trigger()
            image = QImage(str(tmp_path / f"plot{tab}.png"))
            assert image.width() == 1600, tab
            assert image.height() > 300, tab

    def test_nothing_is_written_when_the_dialog_is_left(self, own, tmp_path, monkeypatch):
        widget = own.widget
        save_as(monkeypatch, "")
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
        before = read(widget.bar, "message")
        for action in find(widget.scores, "Export").menu().actions():
            action.trigger()
        assert read(widget.bar, "message") == before
        assert widget.job is None

    def test_a_folder_that_is_not_there(self, own, tmp_path, monkeypatch):
        widget = own.widget
        for number, what in enumerate(("Scores of the methods", "Plot in view")):
            save_as(monkeypatch, tmp_path / f"gone{number}" / "file.png")
            entry(widget, what).trigger()
            assert f"gone{number}" in read(widget.bar, "message"), what
            assert "color" in find(widget.bar, "message").styleSheet(), what


class TestReport:
    @pytest.mark.parametrize(
        "protocol", [Protocol("keep_every", every=2), Protocol("leave_one_out"), Protocol("sr4")], ids=lambda p: p.kind
    )
    def test_a_page_with_the_same_scores(self, qtbot, widget, stack, tmp_path, monkeypatch, protocol):
        widget.protocol.set_protocol(protocol)
        done = compare(qtbot, widget)
        folder = tmp_path / "report"
        folder.mkdir()
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
        entry(widget, "Report").trigger()
        finish(qtbot, widget, 60_000)
        assert read(widget.bar, "message") == f"the report is {folder / 'report.html'}"
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "depth-interp evaluate" in page
        assert page.count("data:image/png") > 4
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        assert scores["methods"][1]["volume"]["psnr"] == done.scores.of("cubic").volume["psnr"]
        entry(widget, "Report").trigger()  # there is one already
        finish(qtbot, widget)
        assert "exists" in read(widget.bar, "message")

    def test_is_what_the_command_line_writes(self, qtbot, own, tmp_path):
        widget, done = own.widget, own.comparison
        widget.write_report(tmp_path / "window")
        finish(qtbot, widget, 60_000)
        command = shlex.split(done.command(str(tmp_path / "line")))
        assert command[0] == "depth-interp"
        run_json(*command[1:])
        own, other = (
            json.loads((tmp_path / place / "scores.json").read_text(encoding="utf-8")) for place in ("window", "line")
        )
        for each in (own, other):
            for method in each["methods"]:
                for timed in ("seconds", "peak_memory_mb"):
                    method.pop(timed)
        assert own["methods"] == other["methods"]


class TestCommand:
    def test_of_the_window(self, own):
        widget, done = own.widget, own.comparison
        press(widget.scores, "Copy as command")
        text = QApplication.clipboard().text()
        assert text == f"depth-interp evaluate {own.path} --methods linear,cubic,nearest --keep-every 2"
        found = run_json(*shlex.split(text)[1:])
        assert [each["volume"]["psnr"] for each in found["methods"]] == [
            each.volume["psnr"] for each in done.scores.methods
        ]

    def test_of_sections_that_are_aligned_first(self, qtbot, widget, stack):
        pick(widget.more, "Align sections", "translation")
        aligned = compare(qtbot, widget, "linear")
        assert aligned.question.settings.align == "translation"
        press(widget.scores, "Copy as command")
        assert QApplication.clipboard().text().endswith(" --align translation")

    @pytest.mark.parametrize(
        ("protocol", "words"),
        [
            (Protocol("hold_out", sections=(3, 5)), "--hold-out 3,5"),
            (Protocol("leave_one_out"), "--leave-one-out"),
            (Protocol("projection", every=2), "--protocol projection:2"),
            (Protocol("sr4"), "--protocol sr4"),
        ],
    )
    def test_of_every_protocol(self, qtbot, widget, stack, protocol, words):
        widget.protocol.set_protocol(protocol)
        enter(widget.protocol, "Data range", "-1 40000.5")
        done = compare(qtbot, widget, "linear")
        assert words in done.command()
        assert "--data-range -1 40000.5" in done.command()
        found = run_json(*shlex.split(done.command())[1:])
        assert found["methods"][0]["volume"]["mse"] == done.scores.methods[0].volume["mse"]

    def test_of_a_reference_a_channel_and_a_changed_scale(self, qtbot, viewer, tmp_path):
        _, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", TITLE)
        sparse_tiff(tmp_path / "dense.tif", sections=9, spacing=1.5)
        sparse_tiff(tmp_path / "sparse.tif", sections=5)
        widget.stack.open_files([tmp_path / "dense.tif", tmp_path / "sparse.tif"])
        pick(widget.stack, "Layer", "sparse")
        viewer.layers["sparse"].scale = (3, 0.5, 0.5)
        widget.protocol.set_protocol(Protocol("reference"))
        pick(widget.protocol, "Reference layer", "dense")
        done = compare(qtbot, widget, "linear", "cubic")
        assert f"--reference {tmp_path / 'dense.tif'}" in done.command()
        assert "--z-spacing 3.0um" in done.command()
        found = run_json(*shlex.split(done.command())[1:])
        assert found["methods"][1]["volume"]["psnr"] == done.scores.methods[1].volume["psnr"]

    def test_of_lpips(self, widget, stack, tmp_path, monkeypatch):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "vgg.pth"), ""))
        tick(widget.methods, "lpips")
        pick(widget.methods, "Network of LPIPS", "vgg")
        press(widget.methods, "Weights file…")
        question = widget.question()
        assert question.lpips == LpipsChoice("vgg", tmp_path / "vgg.pth")
        assert question.needs_torch()

    def test_of_a_layer_without_a_file(self, qtbot, viewer, widget):
        viewer.add_image(np.random.default_rng(0).random((7, 20, 20)), name="x", scale=(2, 1, 1), units="um")
        assert compare(qtbot, widget).command().startswith("depth-interp evaluate INPUT.tif")

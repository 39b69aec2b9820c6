"""Real trainings in the real viewer: curves move; pause, stop, close, resume; the model is found and used."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from controls import entries, find, form_of, front_page, graph, parameter, pick, press, read, type_over
from drive import choose, finish, run, sparse_tiff
from qtpy.QtCore import QThreadPool

from napari_depth_interp import io
from napari_depth_interp.methods.msdsr import validate
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.models import library
from napari_depth_interp.plugin.train import TrainModel
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.training import session
from napari_depth_interp.training.reading import read_folder

LENGTH = 600
"""Training steps: some seconds, and a validation every 10 of them."""
LONG = 60_000
"""Milliseconds that a training of some seconds may take where other tests run beside it."""


@pytest.fixture(autouse=True)
def _looks(monkeypatch):
    """A validation every 10 of ``LENGTH`` steps."""
    monkeypatch.setattr(validate, "_LOOKS", LENGTH // 10)


def reaches(qtbot, widget, *, validations=0, steps=0):
    qtbot.waitUntil(
        lambda: len(widget.curves.validations) >= validations and len(widget.curves.losses) >= steps, timeout=LONG
    )


def drawn(plot):
    """Return the x values of each curve that a plot shows."""
    return [item.getData()[0] for item in graph(plot).listDataItems()]


class TestWatching:
    @pytest.fixture
    def training(self, qtbot, trainer_widget, begin):
        """A widget in the middle of a training."""
        begin(trainer_widget, training_steps=LENGTH)
        reaches(qtbot, trainer_widget, validations=1)
        yield trainer_widget
        trainer_widget.cancel()
        finish(qtbot, trainer_widget)

    def test_curves_and_picture_move(self, qtbot, viewer, training):
        steps, validations = len(drawn(training.curves.loss)[0]), len(training.curves.validations)
        layer = viewer.layers["mine validation"]
        before = layer.data.copy()
        assert layer.metadata["panels"] == ["linear interpolation", "drawn now", "truth"]
        reaches(qtbot, training, validations=validations + 1)
        assert drawn(training.curves.loss)[0][-1] > steps
        network, linear = drawn(training.curves.validation)
        assert len(network) == len(linear) == len(training.curves.validations) > validations
        assert layer in viewer.layers
        assert not np.array_equal(layer.data, before)
        words = viewer.canvas.overlays.text
        assert (layer.visible, words.visible) == (True, True)
        step = training.curves.validations[-1]["step"]
        assert words.text.startswith(f"validation, step {step:.0f}\nXZ plane ")
        assert "of the first held-back part" in words.text
        assert words.text.strip().endswith(": linear interpolation, drawn now, truth")
        layer.visible = False
        assert not words.visible
        qtbot.waitUntil(lambda: "left, memory" in read(training.bar, "message"), timeout=LONG)
        assert f"of {LENGTH}, loss" in read(training.bar, "message")
        assert front_page(training) is training.curves

    def test_a_picture_that_was_removed_stays_away(self, qtbot, viewer, training):
        viewer.layers.remove("mine validation")
        reaches(qtbot, training, validations=len(training.curves.validations) + 1)
        assert len(viewer.layers) == 0

    def test_pause_waits_and_goes_on(self, qtbot, training):
        press(training.bar, "pause")
        assert read(training.bar, "pause") == "Go on"
        qtbot.waitUntil(lambda: read(training.bar, "message").startswith("paused"), timeout=LONG)
        qtbot.wait(300)
        training.show_points()
        steps = len(training.curves.losses)
        qtbot.wait(500)
        training.show_points()
        assert len(training.curves.losses) == steps
        assert training.job is not None
        press(training.bar, "pause")
        reaches(qtbot, training, steps=steps + 10)

    def test_a_second_training_is_not_started(self, qtbot, viewer, training, begin):
        assert not find(training.bar, "run").isEnabled()
        training.run()
        other = TrainModel(viewer)
        qtbot.addWidget(other)
        begin(other, name="other")
        assert other.job is None
        assert "another training is running" in read(other.bar, "message")
        assert [each.name for each in library.entries()] == ["mine"]
        other.leave()


def test_stop_keeps_the_best_and_the_model_is_found_and_used(qtbot, viewer, open_widget, open_trainer, begin, tmp_path):
    interpolation = open_widget()
    choose(interpolation, method="msdsr", parameters={})
    choice = parameter(interpolation.method, "model")
    assert entries(choice, "Model") == ["None"]
    widget = open_trainer()
    begin(widget, training_steps=LENGTH)
    reaches(qtbot, widget, validations=2)
    press(widget.bar, "stop")
    finish(qtbot, widget, LONG)
    record = model_folder.about(library.get("mine").folder).record
    assert 0 < record["steps"] < record["planned_steps"] == LENGTH
    assert f"mine: trained for {record['steps']} steps of {LENGTH}" in read(widget.bar, "message")
    best = max(record["validation"], key=lambda look: look["psnr"])
    assert f"PSNR {best['psnr']:.4g}" in read(widget.bar, "message")
    assert widget.models.chosen.name == "mine"
    assert widget.model.name() == "msdsr 1"
    assert entries(choice, "Model") == ["None", "mine"]
    sparse_tiff(tmp_path / "sparse.tif", sections=4)
    interpolation.stack.open_files([tmp_path / "sparse.tif"])
    pick(choice, "Model", "mine")
    settings = interpolation.settings()
    assert settings.parameters == {"model": "mine"}
    done = run(qtbot, interpolation, parameters={"model": "mine", "steps": 1, "samples": 1}, factor=2)
    assert done.outcome.result.record["config"]["model"] == "mine"
    assert done.layers[0].data.shape[0] == 7


def test_it_says_at_once_why_nothing_is_held_back(qtbot, trainer_widget, begin, dense):
    """Two small stacks: the share makes no whole file, and a part would leave too little to learn from."""
    z, y, x = np.indices((9, 16, 14))
    for name in ("a", "b"):
        voxels = (100 + 20 * np.sin(z / 2 + y / 3) + x).astype(np.float32)
        io.write(
            dense / f"{name}.tif", Dataset(voxels[None, None], Grid(np.arange(9.0), (1.0, 1.0), "um")), overwrite=True
        )
    begin(trainer_widget, training_steps=40, validation_share=0.1)
    qtbot.waitUntil(lambda: len(trainer_widget.curves.losses) > 0, timeout=LONG)
    why = "0.1 of 2 files makes no whole file, and they are too small for a part to be cut off"
    assert why in find(trainer_widget.curves, "summary").text()
    finish(qtbot, trainer_widget, LONG)
    assert f"not validated: nothing was held back, for {why}" in read(trainer_widget.bar, "message")


class TestClosing:
    def uninterrupted(self, folder, dense, tmp_path):
        order = session.Order.load(folder)
        training = session.prepare(order, tmp_path / "whole")
        session.train(training, read_folder(dense, order.settings), lambda _: None)
        return model_folder.load(tmp_path / "whole", "msdsr").tensors

    def test_the_dock_leaves_what_resume_continues_exactly(
        self, qtbot, viewer, open_trainer, begin, dense, models_home, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(validate, "_LOOKS", 4)
        widget = open_trainer()
        begin(widget, training_steps=40)
        reaches(qtbot, widget, steps=1)
        press(widget.bar, "pause")  # closing ends a paused training, too
        viewer.window.remove_dock_widget(widget)
        assert QThreadPool.globalInstance().waitForDone(LONG)
        qtbot.wait(50)
        folder = models_home / "mine"
        assert sorted(each.name for each in folder.iterdir()) == [library.CHECKPOINT, library.ORDER]
        seen = len(session.history_of(folder)["losses"])
        assert 1 <= seen < 40
        expected = self.uninterrupted(folder, dense, tmp_path)
        again = open_trainer()
        assert "unfinished: mine; Models > Resume goes on" in read(again.bar, "message")
        again.models.choose("mine")
        press(again.models, "Resume")
        assert len(again.curves.losses) >= seen
        assert again.order().settings.parameters["training_steps"] == 40
        finish(qtbot, again, LONG)
        found = model_folder.load(folder, "msdsr")
        assert all(torch.equal(found.tensors[name], each) for name, each in expected.items())
        assert len(again.curves.losses) == found.record["steps"] == 40

    def test_the_window_of_a_program_of_its_own_too(self, models_home, dense, tmp_path):
        environment = os.environ | {
            "NAPARI_CONFIG": str(tmp_path / "napari" / "settings.yaml"),
            "XDG_CONFIG_HOME": str(tmp_path),
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(dense)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert len(session.history_of(models_home / "mine")["losses"]) >= int(done.stdout.split()[-1])
        assert session.Order.load(models_home / "mine").folder == str(dense)


SCRIPT = """
import sys
import napari
from qtpy.QtCore import QTimer
from napari_depth_interp.run.settings import make_settings

viewer = napari.Viewer()
_, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Train a model")
widget.data.show_folder(sys.argv[1])
small = {"channels": 8, "levels": 1, "batch": 2, "training_steps": 100000}
widget.method.set_values(make_settings(method="msdsr", device="cpu", parameters=small))
widget.model.set_name("mine")
widget.run()

def look():
    if len(widget.curves.losses) >= 5:
        timer.stop()
        print(len(widget.curves.losses))
        viewer.window._qt_window.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(50)
napari.run()
"""


class TestSettingUp:
    def says(self, widget):
        return find(widget.bar, "run").toolTip()

    def test_it_says_what_is_missing(self, trainer_widget, dense, tmp_path):
        assert not find(trainer_widget.bar, "run").isEnabled()
        assert "choose a folder" in self.says(trainer_widget)
        trainer_widget.data.show_folder(str(tmp_path / "nowhere"))
        assert "is neither a folder nor a CSV list" in read(trainer_widget.data, "summary")
        (tmp_path / "empty").mkdir()
        trainer_widget.data.show_folder(str(tmp_path / "empty"))
        assert "holds no stack" in self.says(trainer_widget)
        trainer_widget.data.show_folder(str(dense))
        assert read(trainer_widget.data, "summary") == "2 files: a.tif, b.tif"
        assert find(trainer_widget.bar, "run").isEnabled()
        trainer_widget.model.set_name("a/b")
        assert "cannot be the name of a model" in read(trainer_widget.bar, "message")

    def test_only_methods_that_learn_are_offered(self, trainer_widget):
        box = find(trainer_widget.method, "Method")
        assert "msdsr" in {box.itemData(i) for i in range(box.count())}
        assert not {"linear", "auto"} & {box.itemData(i) for i in range(box.count())}
        assert "model" not in form_of(trainer_widget.method).fields

    def test_each_method_asks_for_what_it_learns_from(self, trainer_widget, dense, tmp_path):
        trainer_widget.data.show_folder(str(dense))
        assert trainer_widget.data.title() == "Dense stacks to learn from"
        pick(trainer_widget.method, "Method", "srcnn")
        assert trainer_widget.data.title() == "Noisy stacks to learn from"
        for name in ("noisy", "clean"):
            (tmp_path / "pairs" / name).mkdir(parents=True)
            (tmp_path / "pairs" / name / "a.tif").write_bytes((dense / "a.tif").read_bytes())
        trainer_widget.data.show_folder(str(tmp_path / "pairs"))
        assert read(trainer_widget.data, "summary") == "1 file: a.tif"
        assert find(trainer_widget.bar, "run").isEnabled()
        (tmp_path / "list.csv").write_text("hr\ndense/a.tif\n")
        trainer_widget.data.show_folder(str(tmp_path / "list.csv"))
        assert read(trainer_widget.data, "summary") == "1 file: list.csv"

    def test_what_is_hidden_is_asked_apart_from_the_rest(self, trainer_widget):
        pick(trainer_widget.method, "Method", "msdsr")
        hidden = form_of(trainer_widget.hidden).fields
        assert set(hidden) == {"rows", "masks", "fewest_observed", "most_observed", "validation_share"}
        assert not set(hidden) & set(form_of(trainer_widget.method).fields)
        type_over(parameter(trainer_widget.hidden, "validation_share"), "0.25")
        type_over(parameter(trainer_widget.hidden, "rows"), "2")
        assert trainer_widget.order().settings.parameters == {"validation_share": 0.25, "rows": 2}

    def test_open_layers_are_learned_from(self, qtbot, viewer, trainer_widget, dense, models_home):
        for name in ("a.tif", "b.tif"):
            viewer.open(str(dense / name), plugin="napari-depth-interp")
        trainer_widget.data.show_layers(("b",))
        assert trainer_widget.order().layers == ("b",)
        viewer.layers["b"].name = "brain"
        assert trainer_widget.order().layers == ("brain",)
        trainer_widget.method.set_values(
            make_settings(method="msdsr", parameters={"training_steps": 10, "channels": 8, "levels": 1})
        )
        trainer_widget.model.set_name("from layers")
        trainer_widget.run()
        finish(qtbot, trainer_widget, LONG)
        record = model_folder.about(models_home / "from layers").record
        assert [each["file"] for each in record["data"]] == ["brain"]

    def test_trouble_in_the_data_is_shown_and_leaves_nothing(self, qtbot, trainer_widget, dense, begin, models_home):
        (dense / "c.tif").write_bytes(b"damaged")
        begin(trainer_widget)
        finish(qtbot, trainer_widget)
        assert "'c.tif' cannot be trained on" in read(trainer_widget.bar, "message")
        assert not models_home.exists() or list(models_home.iterdir()) == []

    def test_an_unfinished_training_is_not_overwritten(self, trainer_widget, dense, models_home):
        (models_home / "mine").mkdir(parents=True)
        (models_home / "mine" / library.CHECKPOINT).write_bytes(b"hours of work")
        trainer_widget.data.show_folder(str(dense))
        trainer_widget.model.set_name("mine")
        assert "is an unfinished training; resume it" in read(trainer_widget.bar, "message")
        trainer_widget.run()
        assert trainer_widget.job is None
        assert (models_home / "mine" / library.CHECKPOINT).read_bytes() == b"hours of work"
        trainer_widget.resume("mine")
        assert "is missing, so it is not known" in read(trainer_widget.bar, "message")


def test_the_widget_opens_quickly(open_trainer):
    open_trainer()
    started = time.monotonic()
    open_trainer()
    assert time.monotonic() - started < 2

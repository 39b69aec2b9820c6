"""The manager of models, and models that cannot be used."""

import pytest
from controls import column_texts, find, press, read, row_texts
from drive import choose, finish, said, sparse_tiff
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox

from napari_depth_interp.models import library
from small_models import make_model


@pytest.fixture
def panel(models_home, trainer_widget):
    make_model(models_home / "first")
    make_model(models_home / "second", licence="")
    trainer_widget.models.refresh()
    return trainer_widget.models


def rows(panel):
    return column_texts(find(panel, "Models"), 0)


def test_models_are_listed_and_described(panel, models_home):
    assert rows(panel) == ["first", "second"]
    assert row_texts(find(panel, "Models"), 0) == [
        "first",
        "msdsr",
        "PSNR 31",
        "0 kB",
        "ready",
    ]
    panel.choose("first")
    text = find(panel, "About the model").toPlainText()
    for words in ("1.00 dB above linear", "CC-BY-4.0", "a.tif", "3 steps of 5: stopped", str(models_home / "first")):
        assert words in text


def test_what_fits_the_chosen_one_is_offered(panel, models_home):
    (models_home / "waiting").mkdir()
    (models_home / "waiting" / library.CHECKPOINT).write_bytes(b"state")
    panel.refresh()
    panel.choose("waiting")
    assert find(panel, "Resume").isEnabled()
    assert not find(panel, "Export…").isEnabled()
    panel.choose("first")
    assert not find(panel, "Resume").isEnabled()
    assert find(panel, "Export…").isEnabled()
    panel.set_busy("first")
    assert not any(
        button.isEnabled() for button in (find(panel, "Rename…"), find(panel, "Remove…"), find(panel, "Export…"))
    )
    assert "in training" in find(panel, "Models").item(0, 4).text()


def test_rename_remove_export_import_by_their_buttons(panel, trainer_widget, models_home, tmp_path, monkeypatch):
    panel.choose("first")
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("brain", True))
    press(panel, "Rename…")
    assert rows(panel) == ["brain", "second"]
    assert panel.chosen.name == "brain"
    path = tmp_path / "brain.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    press(panel, "Export…")
    assert path.is_file()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    press(panel, "Remove…")
    assert rows(panel) == ["brain", "second"]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    press(panel, "Remove…")
    assert rows(panel) == ["second"]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("again", True))
    press(panel, "Import…")
    assert rows(panel) == ["again", "second"]
    assert read(trainer_widget.bar, "message") == "imported again"


def test_a_foreign_file_is_refused_in_words(panel, trainer_widget, tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    panel.import_model(tmp_path / "bad.zip", "bad")
    assert "is no exported model" in read(trainer_widget.bar, "message")
    panel.choose("first")
    panel.rename("second")
    assert "there is a model 'second'" in read(trainer_widget.bar, "message")
    assert rows(panel) == ["first", "second"]


@pytest.mark.parametrize(("how", "words"), [("changed", "is not what was saved"), ("foreign", "of the method 'srcnn'")])
def test_a_damaged_or_foreign_model_is_refused(qtbot, viewer, open_widget, models_home, tmp_path, how, words):
    folder = make_model(models_home / "bad", method="srcnn" if how == "foreign" else "msdsr")
    if how == "changed":
        weights = folder / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    widget = open_widget()
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    choose(widget, method="msdsr", parameters={"model": str(folder)})
    press(widget.bar, "run")
    finish(qtbot, widget)
    assert words in read(widget.bar, "message")
    assert any(words in message for message in said("warning"))
    assert [layer.name for layer in viewer.layers] == ["a"]


def test_use_this_model_chooses_it_where_it_is_run(panel, trainer_widget, viewer):
    panel.choose("first")
    press(panel, "Use this model")
    _, runs = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Depth interpolation")
    settings = runs.settings()
    assert (settings.method, settings.parameters) == ("msdsr", {"model": "first"})
    choose(runs, method="msdsr", parameters={"model": "second", "steps": 3})
    trainer_widget.use("msdsr", "first")
    assert runs.settings().parameters == {"model": "first", "steps": 3}

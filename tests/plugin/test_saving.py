"""Saving a run from the dock: kinds of files, what stands beside, the folder that is remembered."""

import numpy as np
import pytest
from controls import find, press, read
from drive import finish, run, sparse_tiff
from qtpy.QtWidgets import QFileDialog

from napari_depth_interp import io
from napari_depth_interp.plugin import preferences


@pytest.fixture
def done(qtbot, widget, tmp_path):
    """A finished run."""
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    return run(qtbot, widget, method="linear", factor=2)


@pytest.fixture
def answer(monkeypatch):
    """A function that sets what the user answers to the file dialog; it keeps what the dialog was asked."""
    asked = []

    def set_answer(path, chosen="TIFF (*.tif)"):
        def ask(_parent, _title, start, filters):
            asked.append((start, filters))
            return str(path), chosen

        monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
        return asked

    return set_answer


@pytest.mark.parametrize(
    ("name", "chosen", "written"),
    [
        ("out.tif", "TIFF (*.tif)", "out.tif"), ("out", "TIFF (*.tif)", "out.tif"),
        ("out", "NIfTI (*.nii.gz)", "out.nii.gz"), ("out", "OME-Zarr (*.ome.zarr)", "out.ome.zarr"),
    ],
)  # fmt: skip
def test_spacing_unit_and_history_are_kept(qtbot, widget, done, answer, tmp_path, name, chosen, written):
    answer(tmp_path / name, chosen)
    press(widget.bar, "save result")
    finish(qtbot, widget)
    assert read(widget.bar, "message") == f"saved: {written} in {tmp_path}"
    saved = io.read(tmp_path / written)
    np.testing.assert_array_equal(saved.voxels[0, 0], done.layers[0].data)
    assert (saved.grid.spacing, saved.grid.unit) == (1.0, "um")
    assert saved.record["depth_interp"]["method"] == "linear"


def test_the_uncertainty_stands_beside_it(qtbot, slow, open_widget, answer, tmp_path):
    widget = open_widget()
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    done = run(qtbot, widget, method="slow", preset="fast", factor=2)
    assert done.parts() == ("uncertainty",)
    answer(tmp_path / "out.tif")
    press(widget.bar, "save result")
    finish(qtbot, widget)
    uncertain = io.read(tmp_path / "out-uncertainty.tif")
    assert uncertain.voxels.dtype == np.float32
    np.testing.assert_array_equal(uncertain.voxels, done.outcome.result.uncertainty)


def test_the_folder_is_remembered(qtbot, widget, done, answer, tmp_path):
    asked = answer(tmp_path / "deep" / "out.tif")
    (tmp_path / "deep").mkdir()
    press(widget.bar, "save result")
    finish(qtbot, widget)
    press(widget.bar, "save result")
    assert asked[-1][0] == str(tmp_path / "deep" / "a linear.tif")
    assert preferences.remembered_folder() == tmp_path / "deep"
    finish(qtbot, widget)


def test_nothing_is_saved_before_a_run(widget):
    assert not find(widget.bar, "save result").isEnabled()


def test_a_result_that_was_removed_is_named(qtbot, viewer, widget, done, answer, tmp_path):
    viewer.layers.remove(done.layers[0])
    answer(tmp_path / "out.tif")
    press(widget.bar, "save result")
    assert "was removed; run again" in read(widget.bar, "message")
    assert not (tmp_path / "out.tif").exists()


def test_an_unknown_kind_loses_nothing(qtbot, widget, done, tmp_path):
    (tmp_path / "out.xyz").write_text("mine")
    widget.save_result(tmp_path / "out.xyz")
    finish(qtbot, widget)
    assert "out.xyz" in read(widget.bar, "message")
    assert (tmp_path / "out.xyz").read_text() == "mine"


def test_only_what_the_dialog_asked_about_is_replaced(qtbot, widget, done, answer, tmp_path):
    (tmp_path / "out.tif").write_text("mine")
    answer(tmp_path / "out")  # the suffix comes after the dialog
    press(widget.bar, "save result")
    assert "out.tif" in read(widget.bar, "message")
    assert (tmp_path / "out.tif").read_text() == "mine"
    answer(tmp_path / "out.tif")
    press(widget.bar, "save result")
    finish(qtbot, widget)
    assert io.read(tmp_path / "out.tif").voxels.shape[2] == 13


def test_an_uncertainty_of_another_run_is_not_replaced(qtbot, slow, open_widget, answer, tmp_path):
    widget = open_widget()
    sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    run(qtbot, widget, method="slow", preset="fast", factor=2)
    (tmp_path / "out-uncertainty.tif").write_text("mine")
    answer(tmp_path / "out.tif")
    press(widget.bar, "save result")
    assert "out-uncertainty.tif" in read(widget.bar, "message")
    assert (tmp_path / "out-uncertainty.tif").read_text() == "mine"
    assert not (tmp_path / "out.tif").exists()

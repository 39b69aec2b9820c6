"""Enhancing in the real viewer: alone, and before new sections are made."""

import numpy as np
import pytest
import tifffile
from controls import find, form_of, parameter, pick, press, read, type_over
from drive import choose, finish, run, said, sparse_tiff
from test_runs import repeat

QUICK = {"training_steps": 10, "filters": 4, "mapped": 4, "batch": 2}


@pytest.fixture
def stack(widget, tmp_path):
    """The voxels of an open stack of 7 sections."""
    voxels = sparse_tiff(tmp_path / "a.tif")
    widget.stack.open_files([tmp_path / "a.tif"])
    return voxels


def test_a_layer_becomes_an_enhanced_layer_on_the_same_grid(qtbot, viewer, widget, stack, tmp_path):
    done = run(qtbot, widget, method="srcnn", parameters=QUICK, seed=4, threads=1)
    layer = done.layers[0]
    assert (layer.name, layer.data.shape, layer.data.dtype) == ("a srcnn", stack.shape, np.uint16)
    np.testing.assert_allclose(layer.scale, viewer.layers["a"].scale)
    assert not np.array_equal(layer.data, stack)
    assert layer.metadata["depth_interp"]["observed"] == []
    assert any("none of them is as it was recorded" in each for each in said())
    np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)


def test_a_target_and_scores_are_offered_only_where_sections_are_made(widget, stack):
    widget.show()
    widget.compute.set_scoring(2)
    choose(widget, method="srcnn", parameters=QUICK)
    assert not widget.target.isVisibleTo(widget)
    assert not widget.enhance.isVisibleTo(widget)
    assert widget.compute.scoring() is None
    assert widget.settings().factor is None
    choose(widget, method="linear", parameters={})
    assert widget.target.isVisibleTo(widget)
    assert widget.enhance.isVisibleTo(widget)
    assert widget.compute.scoring() is not None
    assert widget.settings().factor == 4


def test_sections_are_enhanced_before_new_ones_are_made(qtbot, widget, stack, tmp_path):
    widget.compute.set_scoring(2)
    done = run(qtbot, widget, factor=2, enhance="srcnn", enhance_parameters=QUICK, preset="fast", threads=1)
    layer = done.layers[0]
    assert layer.name == "a srcnn linear"
    assert layer.data.shape == (13, 40, 50)
    assert not np.array_equal(layer.data[::2], stack)
    record = layer.metadata["depth_interp"]
    assert (record["enhance"]["method"], record["enhance"]["config"]["training_steps"]) == ("srcnn", 10)
    plain, enhanced = done.outcome.held_out.scores.methods
    assert (plain.method, enhanced.method) == ("linear", "linear:enhance=srcnn")
    assert plain.mean["psnr"] != enhanced.mean["psnr"]
    np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], layer.data)


def test_parameters_follow_the_preset_and_are_kept_in_settings(widget, stack, tmp_path):
    choose(widget, enhance="cae", preset="fast", method="section_sr")
    assert form_of(widget.enhance).config().training_steps == 500
    choose(widget, enhance_parameters={"code": 5})
    pick(widget.method, "Preset", "best")
    assert form_of(widget.enhance).config().training_steps == 10000
    type_over(parameter(widget.enhance, "code"), "7")
    widget.save_settings(str(tmp_path / "s.yaml"))
    choose(widget, enhance=None, enhance_parameters={})
    assert widget.settings().enhance is None
    widget.load_settings(str(tmp_path / "s.yaml"))
    assert (widget.settings().enhance, widget.settings().enhance_parameters) == ("cae", {"code": 7})


def test_one_image_can_be_enhanced_and_nothing_else(qtbot, widget, tmp_path):
    image = np.random.default_rng(0).integers(0, 200, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "scan.tif", image)
    widget.stack.open_files([tmp_path / "scan.tif"])
    assert not find(widget.bar, "run").isEnabled()
    assert "one section can only be enhanced" in read(widget.stack, "summary")
    done = run(qtbot, widget, method="srcnn", parameters=QUICK, threads=1)
    assert done.layers[0].data.shape == (1, 40, 50)
    np.testing.assert_array_equal(repeat(widget, tmp_path)[0, 0], done.layers[0].data)


def test_preview_enhances_the_part_in_view(qtbot, viewer, widget, stack):
    choose(widget, method="srcnn", parameters=QUICK)
    press(widget.bar, "preview")
    finish(qtbot, widget)
    assert viewer.layers["a srcnn preview"].data.shape[0] == 7

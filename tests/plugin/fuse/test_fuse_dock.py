"""The dock "Fuse stacks" as a user drives it: tick, fuse, look, save, copy."""

import shlex

import dask
import dask.array
import nibabel
import numpy as np
import pytest
from controls import column_texts, enter, find, pick, press, read, tick
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from napari_depth_interp.fusion.motion import save
from thick_stacks import affine_along, specimen, thick, write_nifti, write_stacks

PLUGIN = "napari-depth-interp"


@pytest.fixture
def dock(viewer):
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Fuse stacks")
    pick(dock.options, "Registration", "none")
    pick(dock.options, "Slice profile", "box")
    return dock


def finish(qtbot, dock):
    qtbot.waitUntil(lambda: dock.job is None, timeout=60_000)


def tick_stack(dock, name):
    """Tick a stack in the list with the space bar."""
    names = find(dock.stacks, "Stacks to fuse")
    (item,) = names.findItems(name, Qt.MatchFlag.MatchExactly)
    names.setCurrentItem(item)
    QTest.keyClick(names, Qt.Key.Key_Space)


def test_fuses_files_shows_how_they_fit_and_saves(qtbot, viewer, dock, tmp_path):
    assert not find(dock.bar, "run").isEnabled()
    assert "none is ticked" in read(dock.stacks, "stacks summary")
    paths = write_stacks(tmp_path, 2)
    viewer.open(paths, plugin=PLUGIN)  # each is ticked: its file says how it lies
    assert read(dock.stacks, "stacks summary") == "2 stacks become 32 x 32 x 32 voxels of 1 mm"
    press(dock.bar, "run")
    finish(qtbot, dock)
    fused = viewer.layers.selection.active
    assert fused.name == "axial fused"
    assert np.corrcoef(fused.data.ravel(), specimen().ravel())[0, 1] > 0.97
    assert [layer.name for layer in viewer.layers if layer.visible] == ["axial fused"]
    assert {"axial fused coverage", "axial fused uncertainty"} <= {layer.name for layer in viewer.layers}
    assert "2 stacks fused" in read(dock.bar, "message")
    table = find(dock.quality, "Quality of the stacks")
    assert column_texts(table, 0) == ["axial", "coronal"]
    assert column_texts(table, 1) == ["reference", "0.00 mm"]
    assert "held-out sections" in read(dock.quality, "quality")
    assert read(dock.bar, "message").startswith("axial fused: 2 stacks fused in ")  # what to beware of is on the page
    press(dock.quality, "Overlay")
    over = viewer.layers["axial fused with coronal"]
    assert over.data.shape == fused.data.shape
    assert over.colormap.name == "magenta"
    press(dock.quality, "Chessboard")
    assert np.allclose(viewer.layers["axial fused and coronal by turns"].scale, fused.scale)
    assert len(dock.stacks.layers) == 2  # what the dock made is no stack
    dock.save_result(tmp_path / "out.nii.gz")
    finish(qtbot, dock)
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj).T, fused.data)
    assert (tmp_path / "out-uncertainty.nii.gz").exists()
    assert list((tmp_path / "out-transforms").iterdir())
    press(dock, "Copy as command")
    words = shlex.split(QApplication.clipboard().text())
    assert words[:2] == ["depth-interp", "fuse"]
    assert words[2:4] == [str(path) for path in paths]
    assert words[-4:] == ["--registration", "none", "--profile", "box"]


def test_says_why_it_failed_until_something_is_changed(qtbot, viewer, dock, tmp_path):
    """Only the grey values tell that these are two contrasts: that comes out while it runs."""
    (axial,) = write_stacks(tmp_path, 1)
    negative = write_nifti(tmp_path / "negative.nii.gz", thick(1, volume=1000 - specimen()), affine_along(1))
    viewer.open([axial, negative], plugin=PLUGIN)
    press(dock.bar, "run")
    finish(qtbot, dock)
    assert "'negative' shows another contrast than 'axial'" in read(dock.bar, "message")
    assert "give 'Transforms'" in read(dock.bar, "message")  # the field, not the option
    enter(dock.options, "Voxel size", "2mm")
    assert "contrast" not in read(dock.bar, "message")
    viewer.layers.remove("negative")
    viewer.open(axial, plugin=PLUGIN)
    press(dock.bar, "run")  # the voxels are looked at by the job: it would hold the window
    finish(qtbot, dock)
    assert "holds the same sections as 'axial'" in read(dock.bar, "message")


def test_a_second_stain_is_refused_and_fused_where_that_is_wanted(qtbot, viewer, dock, tmp_path):
    (axial,) = write_stacks(tmp_path, 1)
    stain = gaussian_filter(np.random.default_rng(4).normal(size=specimen().shape), 2.0)
    both = thick(1, volume=specimen() + np.float32(200 / stain.std()) * stain)
    viewer.open([axial, write_nifti(tmp_path / "stain.nii.gz", both, affine_along(1))], plugin=PLUGIN)
    press(dock.bar, "run")
    finish(qtbot, dock)
    assert "'stain' shows another contrast than 'axial', or does not lie over it" in read(dock.bar, "message")
    assert "or fuse them as they are with 'Hold no sections out'" in read(dock.bar, "message")
    tick(dock.options, "Hold no sections out")
    press(dock.bar, "run")
    finish(qtbot, dock)
    assert viewer.layers.selection.active.name == "axial fused"


def test_nothing_is_read_to_say_what_would_be_fused(qtbot, viewer, dock):
    seen = []

    def noted(block):
        seen.append(block.shape)
        return block

    voxels = np.random.default_rng(0).integers(0, 200, (8, 16, 16)).astype(np.float32)
    with dask.config.set(scheduler="synchronous"):
        for name, array in (("a", voxels), ("b", 0.9 * voxels + np.float32(5))):
            lazy = dask.array.from_array(array).map_blocks(noted, dtype=np.float32, meta=array[:0])
            viewer.add_image(lazy, name=name, scale=(2, 1, 1), units=("mm",) * 3, contrast_limits=(0, 200))
        seen.clear()
        tick_stack(dock, "a")
        tick_stack(dock, "b")
        enter(dock.options, "Voxel size", "2mm")
        assert read(dock.stacks, "stacks summary") == "2 stacks become 8 x 8 x 8 voxels of 2 mm"
        assert not seen
        press(dock.bar, "run")
        finish(qtbot, dock)
        assert seen
        assert len(viewer.layers) > 2, read(dock.bar, "message")


def test_takes_transforms(qtbot, viewer, dock, tmp_path):
    folder, paths = tmp_path / "moves", write_stacks(tmp_path, 2)
    move = np.eye(4)
    move[0, 3] = 2.5
    save(folder, ["axial", "coronal"], [np.eye(4), move], "mm")
    viewer.open(paths, plugin=PLUGIN)
    enter(dock.options, "Transforms", tmp_path / "nowhere")
    assert "choose a folder that 'Save result' wrote" in read(dock.stacks, "stacks summary")
    assert not find(dock.bar, "run").isEnabled()
    enter(dock.options, "Transforms", folder)
    press(dock.bar, "run")
    finish(qtbot, dock)
    assert column_texts(find(dock.quality, "Quality of the stacks"), 1) == ["reference", "2.50 mm"]
    press(dock, "Copy as command")
    words = shlex.split(QApplication.clipboard().text())
    assert words[words.index("--transforms") + 1] == str(folder)


def test_takes_layers_where_they_lie_in_the_viewer_and_stops(qtbot, viewer, dock):
    """Arrays without a file: two stacks from the same side, one half a section higher."""
    between = specimen()[2:30].reshape(7, 4, 32, 32).mean(axis=1)
    how = {"scale": (4, 1, 1), "units": ("mm",) * 3}
    viewer.add_image(thick(2), name="top", translate=(1.5, 0, 0), **how)
    viewer.add_image(between, name="side", translate=(3.5, 0, 0), **how)
    for name in ("top", "side"):
        tick_stack(dock, name)
    assert read(dock.stacks, "stacks summary") == "2 stacks become 32 x 32 x 32 voxels of 1 mm"
    usual = [find(dock.options, name).placeholderText() for name in ("Thickness", "Voxel size")]
    assert usual == ["4 mm", "1 mm"]  # what is used where nothing is given
    enter(dock.options, "Voxel size", "2mm")
    assert read(dock.stacks, "stacks summary") == "2 stacks become 16 x 16 x 16 voxels of 2 mm"
    enter(dock.options, "Thickness", "4mm,4mm,4mm")
    assert read(dock.stacks, "stacks summary").startswith("'Thickness' 4mm,4mm,4mm gives 3 lengths")
    enter(dock.options, "Thickness", "thick")
    assert "is not a length" in read(dock.stacks, "stacks summary")
    assert not find(dock.bar, "run").isEnabled()
    enter(dock.options, "Thickness", "4mm")
    press(dock.bar, "run")
    press(dock.bar, "run")  # it says Cancel now
    finish(qtbot, dock)
    assert {layer.name for layer in viewer.layers} == {"top", "side"}
    assert "cancelled" in read(dock.bar, "message")

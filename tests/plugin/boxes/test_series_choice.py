"""Files of other formats in a dock: opened with their spacing, and the choice among several stacks of one file."""

import h5py
import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox

import microscope_files
from dicom_files import dicom_series
from napari_depth_interp import io
from napari_depth_interp.plugin.interpolate import DepthInterpolation
from napari_depth_interp.plugin.layers.command_input import CommandInput
from napari_depth_interp.stack import Dataset

VOXELS = np.random.default_rng(5).integers(0, 60000, (1, 1, 4, 20, 24), dtype=np.uint16)


@pytest.fixture
def widget(viewer):
    return DepthInterpolation(viewer)


def choice(widget):
    [found] = [each for each in widget.stack.findChildren(QComboBox) if each.accessibleName() == "Series"]
    return found


def test_another_series_is_opened(viewer, widget, tmp_path):
    path = microscope_files.lif(tmp_path / "a.lif", {"first": VOXELS, "second": VOXELS[:, :, :3]})
    widget.stack.open_files([path])
    assert [layer.name for layer in viewer.layers] == ["a"]
    assert not choice(widget).isHidden()
    assert [choice(widget).itemText(i) for i in range(2)] == ["first", "second"]
    assert choice(widget).currentIndex() == 0
    choice(widget).activated.emit(1)
    assert [layer.name for layer in viewer.layers] == ["a", "a 1"]
    assert widget.stack.dataset().voxels.shape == (1, 1, 3, 20, 24)
    assert choice(widget).currentText() == "second"
    assert widget.stack.layer.source.path == f"{path}::1"  # what a run's command line is made from
    assert widget.stack.dataset().grid.spacing == pytest.approx(0.5)


def hdf5(path):
    with h5py.File(path, "w") as file:
        for name, voxels in (("label", VOXELS[0, 0, :3]), ("raw", VOXELS[0, 0])):
            file[name] = voxels
            file[name].attrs["element_size_um"] = [2.0, 0.5, 0.5]
    return path


def dicom(path):
    dicom_series(path, [(0, 0, 3 * z) for z in range(3)])
    return dicom_series(path, [(0, 0, z) for z in range(4)], SeriesInstanceUID="1.2.4", SeriesDescription="Lung")


@pytest.mark.parametrize(
    ("write", "names", "spacings"),
    [(hdf5, ["/label", "/raw"], [2, 2]), (dicom, ["Body 3.0", "Lung"], [3, 1])],
)
@pytest.mark.parametrize("dropped", [False, True])
def test_where_one_has_to_be_chosen_the_first_is_opened(viewer, widget, tmp_path, write, names, spacings, dropped):
    path = write(tmp_path / "a.h5" if write is hdf5 else tmp_path / "a")
    if dropped and write is dicom:  # napari's manifest leaves HDF5 to others
        viewer.open(path, plugin="napari-depth-interp")
    else:
        widget.stack.open_files([path])
    assert widget.stack.dataset().voxels.shape[2] == 3
    assert widget.stack.dataset().grid.spacing == spacings[0]
    assert [choice(widget).itemText(i) for i in range(2)] == names
    assert CommandInput.of(widget.stack.layer, None, None).path == f"{path}::{names[0]}"
    choice(widget).activated.emit(1)
    assert widget.stack.dataset().voxels.shape[2] == 4
    assert widget.stack.dataset().grid.spacing == spacings[1]


def test_a_file_of_one_stack_has_no_choice(viewer, widget, tmp_path):
    widget.stack.open_files([microscope_files.ims(tmp_path / "a.ims", VOXELS)])
    assert widget.stack.layer.name == "a"
    assert choice(widget).parentWidget().isHidden()
    assert widget.stack.dataset().grid.spacing == pytest.approx(1.5)


def test_folders_and_scanners(viewer, widget, tmp_path):
    stack = Dataset.from_array(VOXELS[0, 0], z_spacing=2, pixel_size=(0.5, 0.5), unit="mm")
    io.write(tmp_path / "b.mha", stack)
    widget.stack.open_files([tmp_path / "b.mha"])
    assert widget.stack.dataset().grid.spacing == 2
    folder = tmp_path / "slices"
    folder.mkdir()
    for number, section in enumerate(VOXELS[0, 0]):
        io.write(folder / f"{number}.tif", Dataset.from_array(section[None]))
    widget.stack.open_files([folder])
    assert widget.stack.layer.name == "slices"
    assert widget.stack.dataset().voxels.shape[2] == 4

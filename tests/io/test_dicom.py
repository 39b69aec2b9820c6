"""DICOM is recognised by its content or its name, and the message names the tool that converts it."""

import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.io.dicom import folder_holds_dicom, is_dicom


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "patient" / "series 1"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"IM{number}").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    return folder


def test_by_content_or_name(series, tmp_path):
    assert is_dicom(series / "IM0")
    (tmp_path / "short.DCM").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"\0" * 200)
    assert is_dicom(tmp_path / "short.DCM")
    assert not is_dicom(tmp_path / "other")
    assert not is_dicom(tmp_path / "none")
    assert folder_holds_dicom(series)
    assert folder_holds_dicom(series.parent)
    assert not folder_holds_dicom(tmp_path / "none")


@pytest.mark.parametrize("what", ["folder", "parent", "file"])
def test_reading_names_the_tool_and_the_folder(series, what):
    path = {"folder": series, "parent": series.parent, "file": series / "IM1"}[what]
    with pytest.raises(InputError, match="dcm2niix -z y -o NIFTI_DIR") as caught:
        io.read(path)
    folder = series if what == "file" else path
    assert f"NIFTI_DIR '{folder}'" in str(caught.value)


def test_other_folders_are_told_as_before(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="is a folder, not an image file"):
        io.read(tmp_path)

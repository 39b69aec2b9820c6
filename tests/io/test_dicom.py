"""DICOM is recognised by its content or its name."""

from napari_depth_interp.io.dicom import folder_holds_dicom, is_dicom


def test_by_content_or_name(tmp_path):
    folder = tmp_path / "patient" / "series 1"
    folder.mkdir(parents=True)
    (folder / "IM0").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    assert is_dicom(folder / "IM0")
    (tmp_path / "short.DCM").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"\0" * 200)
    assert is_dicom(tmp_path / "short.DCM")
    assert not is_dicom(tmp_path / "other")
    assert not is_dicom(tmp_path / "none")
    assert folder_holds_dicom(folder)
    assert folder_holds_dicom(folder.parent)
    assert not folder_holds_dicom(tmp_path / "none")

"""What killed processes leave of files does not get into an image."""

import pytest

from napari_depth_interp.io.zarr.whole_files import put, remove_unfinished


def test_what_a_killed_process_was_at_is_removed_and_nothing_else(tmp_path):
    put(tmp_path, "0/c/0/1", b"whole")
    left = tmp_path / "0" / "c" / "0" / ".1.0123abcd.partial"
    left.write_bytes(b"ha")
    remove_unfinished(tmp_path)
    assert not left.exists()
    assert (tmp_path / "0" / "c" / "0" / "1").read_bytes() == b"whole"


def test_one_that_comes_late_finds_no_folder_and_makes_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "gone", "0/c/0/1", b"late")
    assert not (tmp_path / "gone").exists()

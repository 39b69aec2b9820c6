"""Either the whole file or nothing, and words instead of tracebacks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from napari_depth_interp.io.files import check_output, check_readable, replacing
from napari_depth_interp.stack import Dataset


def write(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)


def run(code: str, *arguments: object, limited: bool = False) -> str:
    """Run code in another process and return what it prints; ``limited`` takes root's extra rights away."""
    command = [sys.executable, "-c", "import sys\nfrom pathlib import Path\n" + code, *map(str, arguments)]
    if limited and os.geteuid() == 0:
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", "--inh-caps=-all", f"--bounding-set={rights}", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


TRY_TO_WRITE = """
from napari_depth_interp.errors import OutputError
from napari_depth_interp.io.files import check_output, replacing
try:
    with replacing(Path(sys.argv[1]), overwrite=True) as temporary:
        print(temporary.name)
        temporary.write_bytes(bytes(100_000))
except OutputError as error:
    print(error)
else:
    print("written")
"""


def test_the_file_appears_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    with replacing(path, overwrite=False) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.tif", ".tif"),
        ("a.b.nii", ".nii"),
        ("a.b.nii.gz", ".nii.gz"),
        ("a.b.ome.tif", ".ome.tif"),
        ("A.OME.TIFF", ".OME.TIFF"),
        ("v1.5.tif", ".tif"),
        ("a", ""),
    ],
)
def test_the_temporary_name_has_the_same_suffix(tmp_path: Path, name: str, suffix: str) -> None:
    with replacing(tmp_path / name, overwrite=False) as temporary:
        assert "".join(temporary.suffixes) == suffix
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_an_existing_file_is_refused_unless_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already.*--overwrite"):
        write(path, b"new")
    with pytest.raises(OutputError, match="exists already"):
        check_output(path, overwrite=False)
    assert path.read_bytes() == b"old"
    check_output(path, overwrite=True)
    write(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("linked", [True, False])
def test_of_two_runs_the_second_to_end_fails(tmp_path: Path, linked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both began while the name was free; also where the file system has no hard links."""

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "out.tif"
    words = "meanwhile another run has made it; choose another name, or add --overwrite"
    with pytest.raises(OutputError, match=words), replacing(path, overwrite=False) as slow:  # noqa: PT012
        write(path, b"fast")
        slow.write_bytes(b"slow")
    assert path.read_bytes() == b"fast"
    assert list(tmp_path.iterdir()) == [path]
    with replacing(path, overwrite=True) as slow:
        write(path, b"fast", overwrite=True)
        slow.write_bytes(b"slow")
    assert path.read_bytes() == b"slow"


def test_of_two_runs_that_make_a_folder_the_second_fails(tmp_path: Path) -> None:
    path = tmp_path / "out.ome.zarr"
    with pytest.raises(OutputError, match="meanwhile another"), replacing(path, overwrite=False) as slow:  # noqa: PT012
        with replacing(path, overwrite=False) as fast:
            (fast / "zarr.json").write_bytes(b"fast")
        (slow / "zarr.json").write_bytes(b"slow")
    assert (path / "zarr.json").read_bytes() == b"fast"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("address", ["https://example.org/a.tif", "s3://bucket/a.ome.zarr", "ftp://x/y/a.nii.gz"])
def test_an_address_is_told_from_a_missing_file(address: str) -> None:
    with pytest.raises(OutputError, match=f"'{address}' is a URL, not a file on this computer; give the name"):
        check_output(Path(address), overwrite=True)
    if not address.startswith("s3"):  # where OME-Zarr is read
        with pytest.raises(InputError, match=f"'{address}' is (a URL, not a file on this computer|on a server)"):
            io.read(address)


def test_a_drive_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        check_readable(Path("C:/none.tif"))
    (tmp_path / "odd:").mkdir()
    write(tmp_path / "odd:" / "a.tif", b"x")
    check_readable(tmp_path / "odd:" / "a.tif")


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_place_to_write(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    for path, words in [
        (tmp_path / "none" / "out.tif", "does not exist"),
        (tmp_path / "folder.tif", "is a folder"),
        (tmp_path / "file" / "out.tif", "does not exist"),
    ]:
        with pytest.raises(OutputError, match=words) as caught:
            write(path, b"new", overwrite=overwrite)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.tif"]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_a_failure_leaves_nothing(tmp_path: Path, existing: bool, error: type[BaseException]) -> None:
    path = tmp_path / "out.tif"
    if existing:
        path.write_bytes(b"old")
    expected = OutputError if error is OSError else error
    with pytest.raises(expected), replacing(path, overwrite=True) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise error("stop")
    assert list(tmp_path.iterdir()) == [path] * existing
    assert not existing or path.read_bytes() == b"old"


def test_a_failure_where_the_writer_removed_the_file_itself(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), replacing(tmp_path / "out.tif", overwrite=False) as temporary:  # noqa: PT012
        temporary.unlink()
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
def test_disk_full(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "out.tif"
    if existing:
        path.write_bytes(b"old")
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
    said = run(limit + TRY_TO_WRITE, path)
    assert f"'{path}' was not written: disk full" in said
    assert list(tmp_path.iterdir()) == [path] * existing
    assert not existing or path.read_bytes() == b"old"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "out.tif"
    said = run(f"import os\nos.umask({umask})\n{TRY_TO_WRITE}\nprint(oct(os.umask(0)))", path)
    assert said.split()[1:] == ["written", oct(umask)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old.tif").write_bytes(b"old")
    folder.chmod(0o555)
    try:
        for name in ("new.tif", "old.tif"):
            said = run(TRY_TO_WRITE, folder / name, limited=True)
            assert said.strip() == f"no permission to write into the folder '{folder}'; choose another one"
        assert [p.name for p in folder.iterdir()] == ["old.tif"]
    finally:
        folder.chmod(0o755)
    assert "written" in run(TRY_TO_WRITE, folder / "new.tif", limited=True)  # it was the folder, not the test


def test_folder_that_becomes_read_only_later(tmp_path: Path) -> None:
    code = TRY_TO_WRITE.replace(
        "temporary.write_bytes(bytes(100_000))", "raise PermissionError(13, 'Permission denied')"
    )
    assert (
        run(code, tmp_path / "out.tif").splitlines()[1]
        == f"'{tmp_path / 'out.tif'}' was not written: Permission denied"
    )
    assert list(tmp_path.iterdir()) == []


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        check_readable(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_readable(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    path.write_bytes(b"x")
    check_readable(path)
    (tmp_path / "link.tif").symlink_to(path)
    check_readable(tmp_path / "link.tif")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.ome.zarr", "a.tif"])
def test_a_link_chooses_the_format_by_its_own_name(tmp_path: Path, name: str) -> None:
    """As in a store whose files are called by their content."""
    written = Dataset.from_array(np.ones((3, 9, 8), np.uint8), z_spacing=2.0, pixel_size=(1.0, 1.0), unit="um")
    io.write(tmp_path / name, written)
    (tmp_path / name).rename(tmp_path / "content")
    (tmp_path / name).symlink_to(tmp_path / "content")
    io.write(tmp_path / name, written, overwrite=True)
    assert (tmp_path / name).is_symlink()
    assert io.read(tmp_path / name).shape == (3, 9, 8)
    if name == "a.nii.gz":
        assert (tmp_path / "content").read_bytes()[:2] == b"\x1f\x8b"
    assert len(list(tmp_path.iterdir())) == 2


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    (tmp_path / "dangling.tif").symlink_to(tmp_path / "nowhere")
    assert "empty (0 bytes)" in message(tmp_path / "empty.tif")
    assert "is a folder" in message(tmp_path)
    assert "there is no file" in message(tmp_path / "none.tif")
    assert "there is no file" in message(tmp_path / "dangling.tif")
    assert "cannot be read" in message(tmp_path / ("x" * 300))


def test_unreadable_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    path.write_bytes(b"x")
    path.chmod(0o000)
    code = """
from napari_depth_interp.errors import InputError
from napari_depth_interp.io.files import check_readable
try:
    check_readable(Path(sys.argv[1]))
except InputError as error:
    print(error)
"""
    assert run(code, path, limited=True).strip() == f"'{path}' cannot be read: Permission denied"
    path.chmod(0o400)
    assert run(code, path, limited=True) == ""


def test_the_name_is_free_again_after_a_race(tmp_path: Path, monkeypatch: Any) -> None:
    """A folder that appears under the final name while we write: an error in words, nothing left."""
    path = tmp_path / "out.tif"
    with pytest.raises(OutputError, match="was not written"), replacing(path, overwrite=False) as temporary:  # noqa: PT012
        temporary.write_bytes(b"new")
        path.mkdir()
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_the_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File name too long"):
        write(tmp_path / ("x" * 300 + ".tif"), b"new")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o000)
    try:
        assert "ermission" in run(TRY_TO_WRITE, folder / "out.tif", limited=True)
    finally:
        folder.chmod(0o755)
    assert list(folder.iterdir()) == []

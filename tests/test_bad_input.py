"""Every bad input through the real command line: status, one line that helps, nothing left behind."""

import gzip
import json
import os
import shutil
import sys

import nibabel
import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from command_line import MODULE, check_failure, depth_interp, fail, files, many, noise, run_json, succeed, write_imagej
from napari_depth_interp.errors import InputError

SHAPE = (4, 9, 10)


def stack(path, voxels=None, **options):
    return write_imagej(path, noise(SHAPE) if voxels is None else voxels, **options)


def spoiled(path, value, *, everywhere=False):
    voxels = noise(SHAPE, "float32")
    voxels[(...,) if everywhere else (1, 2, 3)] = value
    return stack(path, voxels)


def lab(path):
    tifffile.imwrite(path, noise((*SHAPE, 3), "uint8"), photometric="cielab")


def nifti(path, voxels):
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(), np.diag([1.0, 1, 3, 1])), path)


def cut(path, keep=0.6):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def truncated_tiff(path):
    stack(path)
    cut(path)


def truncated_tiled_tiff(path):
    tifffile.imwrite(path, noise((4, 64, 64)), tile=(32, 32), compression="zlib", photometric="minisblack")
    cut(path)


def truncated_gz(path):
    nifti(path, noise(SHAPE))
    cut(path)


def truncated_nifti(path):
    nifti(path, noise(SHAPE))
    cut(path)


def damaged_gz(path):
    nifti(path, noise((4, 50, 50)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def gz_of_text(path):
    path.write_bytes(gzip.compress(b"this is not an image\n" * 50))


FILES = {
    "CIELab": ("in.tif", lab, ["a colour image", "no RGB stack", "split it into channels", "(4, 9, 10, 3)"]),
    "one section": ("in.tif", lambda p: stack(p, noise((1, 9, 10))), ["1 section", "2 or more sections"]),
    "2-D": ("in.tif", lambda p: tifffile.imwrite(p, noise((9, 10))), ["1 section", "2 or more sections"]),
    "time only": (
        "in.tif",
        lambda p: stack(p, noise(SHAPE), axes="TYX", spacing=None),
        ["1 section", "not 4 time points"],
    ),
    "all NaN": ("in.tif", lambda p: spoiled(p, np.nan, everywhere=True), ["every voxel", "NaN"]),
    "some NaN": ("in.tif", lambda p: spoiled(p, np.nan), ["1 of 360 voxels are NaN", "--nan fill"]),
    "Inf": ("in.tif", lambda p: spoiled(p, np.inf), ["infinite", "replace"]),
    "complex": (
        "in.tif",
        lambda p: tifffile.imwrite(p, noise(SHAPE, "complex64"), photometric="minisblack"),
        ["complex", "magnitude"],
    ),
    "complex NIfTI": ("in.nii", lambda p: nifti(p, noise(SHAPE, "complex64")), ["complex", "magnitude"]),
    "bool": (
        "in.tif",
        lambda p: tifffile.imwrite(p, noise(SHAPE) > 99, photometric="minisblack"),
        ["bool", "convert the image"],
    ),
    "empty": ("in.tif", lambda p: p.touch(), ["is empty (0 bytes)", "again"]),
    "empty gz": ("in.nii.gz", lambda p: p.touch(), ["is empty (0 bytes)", "again"]),
    "truncated TIFF": ("in.tif", truncated_tiff, ["damaged", "cut off", "again"]),
    "truncated tiled TIFF": ("in.tif", truncated_tiled_tiff, ["damaged", "again"]),
    "truncated gz": ("in.nii.gz", truncated_gz, ["truncated", "again"]),
    "truncated NIfTI": ("in.nii", truncated_nifti, ["truncated", "again"]),
    "damaged gz": ("in.nii.gz", damaged_gz, ["damaged", "again"]),
    "gz of text": ("in.nii.gz", gz_of_text, ["no NIfTI image", "this"]),
    "text named .tif": ("in.tif", lambda p: p.write_text("no image\n"), ["not a TIFF file", "b'no image'"]),
    "NIfTI named .tif": ("in.tif", lambda p: p.write_bytes(b"\x5c\x01\0\0" * 99), ["not a TIFF file"]),
    "folder named .tif": ("in.tif", lambda p: p.mkdir(), ["is a folder", "the file inside it"]),
    "missing": ("in.tif", lambda p: None, ["there is no file", "check the name"]),
    "no suffix": ("in", lambda p: p.write_text("x"), ["no known suffix", ".nii.gz"]),
    "unknown suffix": ("in.png", lambda p: p.write_text("x"), ["'in.png' has no known suffix", ".tif"]),
    "no spacing": (
        "in.tif",
        lambda p: tifffile.imwrite(p, noise(SHAPE), photometric="minisblack"),
        ["how far apart", "--z-spacing 2um"],
    ),
}


@pytest.mark.parametrize(("name", "make", "words"), FILES.values(), ids=FILES)
def test_file(tmp_path, name, make, words):
    make(tmp_path / name)
    before = files(tmp_path)
    message = fail(1, "run", tmp_path / name, tmp_path / "out.tif", "--factor", 2)
    assert all(word in message for word in words), message
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["CIELab", "some NaN", "one section", "truncated gz", "no spacing"])
def test_evaluate_says_the_same(tmp_path, name):
    file, make, words = FILES[name]
    make(tmp_path / file)
    message = fail(1, "evaluate", tmp_path / file, "--keep-every", 2)
    assert all(word in message for word in words), message


OPTIONS = {
    "nothing asked for": ([], 2, ["--factor 4, --spacing 2um or --isotropic"]),
    "factor 1": (["--factor", "1"], 2, ["factor must be 2 or more, got 1"]),
    "factor 0": (["--factor", "0"], 2, ["factor must be 2 or more, got 0"]),
    "factor -3": (["--factor", "-3"], 2, ["factor must be 2 or more, got -3"]),
    "factor huge": (["--factor", "1000000"], 2, ["3,000,001 sections, more than 100000", "ask for fewer"]),
    "factor beyond 64 bits": (["--factor", "9" * 30], 2, ["more than 100000"]),
    "factor and spacing": (["--factor", "2", "--spacing", "1um"], 2, ["--factor and --spacing exclude each other"]),
    "spacing 0": (["--spacing", "0um"], 2, ["'0um' is not a length", "positive"]),
    "spacing negative": (["--spacing=-1um"], 2, ["'-1um' is not a length"]),
    "spacing in words": (["--spacing", "fine"], 2, ["'fine' is not a length", "such as 2um"]),
    "spacing unknown unit": (["--spacing", "2parsec"], 2, ["unit 'parsec'", "not known", "um, mm"]),
    "spacing too long": (["--spacing", "1mm"], 2, ["longer than the whole stack", "smaller"]),
    "spacing tiny": (["--spacing", "1e-9nm"], 2, ["more than 100000"]),
    "z spacing 0": (["--factor", "2", "--z-spacing", "0"], 2, ["'0' is not a length"]),
    "acquisition": (["--factor", "2", "--acquisition", "beam"], 2, ["'beam'", "slice, or projection:6"]),
    "projection of 1": (["--acquisition", "projection:1"], 2, ["projection:1", "not known"]),
    "axis": (["--factor", "2", "--axis", "w"], 2, ["axis", "'auto', 'x', 'y' or 'z'", "got 'w'"]),
    "axis of TIFF": (["--factor", "2", "--axis", "x"], 2, ["NIfTI only"]),
    "channel": (["--factor", "2", "--channel", "3"], 2, ["no channel '3'", "0 to 0"]),
    "dtype": (["--factor", "2", "--dtype", "int4"], 2, ["dtype", "got 'int4'"]),
    "nan": (["--factor", "2", "--nan", "zero"], 2, ["nan", "'refuse' or 'fill'"]),
    "method": (["--factor", "2", "--method", "magic"], 2, ["no method 'magic'", "nearest, linear, cubic"]),
    "preset": (
        ["--factor", "2", "--preset", "slow"],
        2,
        ["preset", "'fast', 'balanced', 'best', 'sharp' or 'published'"],
    ),
    "parameter": (["--factor", "2", "-p", "power=9"], 2, ["'power' is not known", "match_projections"]),
    "parameter value": (
        ["--factor", "2", "--method", "cubic", "-p", "kind=x"],
        2,
        ["kind", "'catmull-rom' or 'spline'", "got 'x'"],
    ),
    "parameter without value": (["--factor", "2", "-p", "kind"], 2, ["'-p kind' is not key=value"]),
    "parameter JSON": (["--factor", "2", "-p", "kind=[1"], 2, ["not valid JSON"]),
    "device": (["--factor", "2", "--device", "gpu"], 2, ["device 'gpu' is not known", "cuda"]),
    "cuda where there is none": (["--factor", "2", "--device", "cuda"], 1, ["device 'cuda' is not there", "cpu"]),
    "threads": (["--factor", "2", "--threads", "0"], 2, ["threads", "got 0"]),
    "seed": (["--factor", "2", "--seed", "-1"], 2, ["seed", "got -1"]),
}


@pytest.fixture
def tif(tmp_path):
    return stack(tmp_path / "in.tif")


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """All of ``OPTIONS`` run in one process: name -> (process, what its folder holds afterwards)."""
    folders = {name: tmp_path_factory.mktemp("option") for name in OPTIONS}
    commands = [
        ["run", stack(folders[name] / "in.tif"), folders[name] / "out.tif", "--method", "linear", *options]
        for name, (options, *_) in OPTIONS.items()
    ]
    return {name: (done, files(folders[name])) for name, done in zip(OPTIONS, many(commands), strict=True)}


@pytest.mark.parametrize("name", OPTIONS)
def test_option(refused, name):
    _, status, words = OPTIONS[name]
    done, left = refused[name]
    message = check_failure(done, status)
    assert all(word in message for word in words), message
    assert left == {"in.tif"}


DEPTHS = {
    "not increasing": ("0 2 2 3", ["depths must increase", "section 1 is at 2 and section 2 at 2"]),
    "neither way": ("3 1 2 0", ["depths must increase", "or decrease throughout"]),
    "too few": ("0 1", ["2 depths", "4 sections"]),
    "too many": ("0 1 2 3 4", ["5 depths", "4 sections"]),
    "NaN": ("0 1 nan 3", ["finite"]),
    "empty": ("", ["depths"]),
}


@pytest.mark.parametrize(("text", "words"), DEPTHS.values(), ids=DEPTHS)
def test_depths(tmp_path, tif, text, words):
    (tmp_path / "depths.txt").write_text(text)
    message = fail(1, "run", tif, tmp_path / "out.tif", "--factor", 2, "--depths", tmp_path / "depths.txt")
    assert all(word in message for word in words), message
    assert files(tmp_path) == {"in.tif", "depths.txt"}


def test_depths_files_that_are_none(tmp_path, tif):
    (tmp_path / "depths.txt").write_text("0\none\n2\n3\n")
    options = ["run", tif, tmp_path / "out.tif", "--method", "linear", "--factor", 2, "--depths"]
    assert "one number per line" in fail(2, *options, tmp_path / "depths.txt")
    assert "No such file" in fail(2, *options, tmp_path / "none.txt")


OUTPUTS = {
    "missing folder": ("missing/out.tif", 1, ["folder", "does not exist", "create it"]),
    "no suffix": ("out", 2, ["has no known suffix", ".nii.gz"]),
    "unknown suffix": ("out.png", 2, ["has no known suffix", ".nii.gz"]),
    "a folder": ("folder.tif", 1, ["is a folder"]),
    "below a file": ("in.tif/out.tif", 1, ["in.tif"]),
    "name too long": ("x" * 300 + ".tif", 1, ["name too long"]),
}


@pytest.mark.parametrize(("name", "status", "words"), OUTPUTS.values(), ids=OUTPUTS)
def test_output(tmp_path, tif, name, status, words):
    (tmp_path / "folder.tif").mkdir()
    message = fail(status, "run", tif, tmp_path / name, "--factor", 2)
    assert all(word.lower() in message.lower() for word in words), message
    assert "unexpected" not in message
    assert files(tmp_path) == {"in.tif", "folder.tif"}


class TestFormatThatCannotHoldTheResult:
    """Said before the work, not after."""

    def test_pixels_of_unknown_size(self, tmp_path):
        tifffile.imwrite(tmp_path / "in.tif", noise(SHAPE), photometric="minisblack")
        options = ["--factor", 2, "--z-spacing", "2um", "--method", "magic"]
        assert "no method 'magic'" in fail(2, "run", tmp_path / "in.tif", tmp_path / "out.nii", *options)
        message = fail(1, "run", tmp_path / "in.tif", tmp_path / "out.nii", *options[:-2])
        assert "NIfTI needs a pixel size" in message
        assert files(tmp_path) == {"in.tif"}

    def test_integers_beyond_32_bits(self, tmp_path):
        tifffile.imwrite(tmp_path / "in.tif", noise(SHAPE, "int64") * 10**12, photometric="minisblack")
        options = [
            "run",
            tmp_path / "in.tif",
            tmp_path / "out.tif",
            "--method",
            "linear",
            "--factor",
            2,
            "--z-spacing",
            "2um",
        ]
        assert "float32" in fail(1, *options)
        assert files(tmp_path) == {"in.tif"}
        succeed(*options, "--dtype", "float32")


def ordinary_user():
    """What stands before a command so that the rights of files count: as root they would not."""
    if os.geteuid() != 0:
        return ()
    return (shutil.which("setpriv"), "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def locked(tmp_path):
    """Change the mode of files and folders for a test; so that pytest can tidy up, all is undone."""
    changed = []

    def lock(path, mode):
        changed.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield lock
    for path, mode in reversed(changed):
        path.chmod(mode)


class TestNoPermission:
    @pytest.fixture
    def command(self):
        return (*ordinary_user(), *MODULE)

    def test_input(self, tmp_path, tif, locked, command):
        locked(tif, 0)
        message = fail(1, "run", tif, tmp_path / "out.tif", "--factor", 2, command=command)
        assert f"'{tif}' cannot be read: Permission denied" in message

    def test_folder_of_the_input(self, tmp_path, locked, command):
        (tmp_path / "closed").mkdir()
        tif = stack(tmp_path / "closed" / "in.tif")
        (tmp_path / "out.tif").touch()
        locked(tif.parent, 0)
        message = fail(1, "run", tif, tmp_path / "out.tif", "--factor", 2, "--overwrite", command=command)
        assert "cannot be read: Permission denied" in message

    @pytest.mark.parametrize("mode", [0o555, 0])
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_folder_of_the_output(self, tmp_path, tif, locked, command, mode, overwrite):
        folder = tmp_path / "closed"
        folder.mkdir()
        options = []
        if overwrite:
            (folder / "out.tif").write_bytes(b"precious")
            options = ["--overwrite"]
        locked(folder, mode)
        message = fail(1, "run", tif, folder / "out.tif", "--factor", 2, *options, command=command)
        assert "permission" in message.lower()
        assert "unexpected" not in message
        folder.chmod(0o755)
        assert files(folder) == ({"out.tif"} if overwrite else set())

    def test_settings_and_depths(self, tmp_path, tif, locked, command):
        (tmp_path / "file").write_text("factor: 2")
        locked(tmp_path / "file", 0)
        for option in ("--settings", "--depths"):
            message = fail(2, "run", tif, tmp_path / "out.tif", option, tmp_path / "file", command=command)
            assert "Permission denied" in message


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from napari_depth_interp.cli import main
sys.exit(main())
"""


class TestDiskFull:
    """A limit on the size of files stands in for it: the system answers a write in the same way."""

    @pytest.mark.parametrize("name", ["out.tif", "out.ome.tif", "out.nii", "out.nii.gz"])
    def test_nothing_is_left(self, tmp_path, tif, name):
        message = fail(1, "run", tif, tmp_path / name, "--factor", 50, command=[sys.executable, "-c", LIMITED])
        assert "disk full" in message
        assert "free some space" in message
        assert files(tmp_path) == {"in.tif"}

    def test_an_existing_output_survives(self, tmp_path, tif):
        out = tmp_path / "out.tif"
        out.write_bytes(b"precious")
        command = [sys.executable, "-c", LIMITED]
        assert "disk full" in fail(1, "run", tif, out, "--factor", 50, "--overwrite", command=command)
        assert out.read_bytes() == b"precious"
        assert files(tmp_path) == {"in.tif", "out.tif"}


def test_an_existing_output_survives_a_bad_input(tmp_path):
    truncated_tiff(tmp_path / "in.tif")
    (tmp_path / "out.tif").write_bytes(b"precious")
    fail(1, "run", tmp_path / "in.tif", tmp_path / "out.tif", "--factor", 2, "--overwrite")
    assert (tmp_path / "out.tif").read_bytes() == b"precious"


class TestConstantStack:
    @pytest.mark.parametrize(("method", "warns"), [("linear", False), ("nearest", True), ("cubic", True)])
    def test_stays_constant(self, tmp_path, method, warns):
        tif = stack(tmp_path / "in.tif", np.full(SHAPE, 7, "uint16"))
        summary = run_json("run", tif, tmp_path / "out.tif", "--factor", 3, "--method", method)
        dense = tifffile.imread(tmp_path / "out.tif")
        np.testing.assert_array_equal(dense, np.full((10, 9, 10), 7, "uint16"))
        assert [f"the stack is constant (7), so {method} was not used: linear"] * warns == summary["warnings"]

    def test_cannot_be_scored_without_a_range(self, tmp_path):
        tif = stack(tmp_path / "in.tif", np.full(SHAPE, 7, "uint16"))
        assert "constant (7)" in fail(2, "evaluate", tif, "--keep-every", 2)
        scores = run_json("evaluate", tif, "--keep-every", 2, "--data-range", 0, 10)
        assert scores["methods"][0]["mean"]["rmse"] == 0


def test_too_large_for_the_memory(tmp_path):
    tif = stack(tmp_path / "in.tif", np.zeros((2, 3000, 3000), "uint8"))
    message = fail(1, "run", tif, tmp_path / "out.tif", "--factor", 45000, "--dtype", "float32")
    assert "GB of the disk is free" in message, "a result too large for the memory is streamed"
    assert "smaller factor" in message
    assert files(tmp_path) == {"in.tif"}


def test_python_says_the_same(tmp_path):
    with pytest.raises(InputError, match="infinite values"):
        ndi.interpolate(spoiled(tmp_path / "in.tif", np.inf), factor=2)


def test_one_line_even_for_a_name_of_several(tmp_path):
    done = depth_interp("run", tmp_path / "two\nlines.tif", tmp_path / "out.tif", "--json")
    assert done.stderr.count("\n") == 1
    assert "two lines.tif" in json.loads(done.stdout)["error"]

"""``depth-interp batch`` in a subprocess: options, what it prints, exit codes."""

import json
import os

import numpy as np
import pytest
import SimpleITK
import tifffile

from batches import NAMES, fill
from command_line import check_failure, depth_interp, fail, many, run_json, succeed
from napari_depth_interp.batch.workspace import opened

LINEAR = ("--method", "linear", "--factor", 2)


@pytest.fixture
def source(tmp_path):
    return fill(tmp_path / "in", NAMES)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "out"


def test_words_and_json(source, target):
    done = succeed("batch", source, target, *LINEAR, "--recursive")
    *lines, last = done.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == list(NAMES)
    assert all(": done, 7 sections, " in line for line in lines)
    assert last.startswith("5 done; the table is ")
    assert done.stderr == ""
    summary = run_json("batch", source, target, *LINEAR, "--recursive", "--resume", "--keep-every", 2)
    assert list(summary) == [
        "input", "output", "summary", "log", "done", "skipped", "failed", "waiting", "files",
    ]  # fmt: skip
    assert (summary["done"], summary["skipped"]) == (5, 0), "scores were not wanted before"
    assert summary["files"][3]["file"] == "sub/d.tif"
    assert summary["files"][3]["rmse"] > 0


def test_failed_files_make_exit_status_1_and_one_line(source, target):
    (source / "b.tif").write_bytes(b"")
    done = depth_interp("batch", source, target, *LINEAR, "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr == f"depth-interp: {summary['error']}\n"
    assert summary["error"].startswith("1 of 3 files failed; the reasons are in ")
    assert (summary["done"], summary["failed"]) == (2, 1)
    words = depth_interp("batch", source, target, *LINEAR, "--resume")
    assert "b.tif: failed, '" in words.stdout
    assert words.stdout.splitlines()[-1].startswith("2 skipped, 1 failed; ")


def test_enhancement_before_interpolation(source, target):
    words = ("--enhance", "srcnn", "--enhance-param", "training_steps=10", "--enhance-param", "filters=2")
    (row,) = run_json("batch", source, target, *LINEAR, *words, "--pattern", "a.tif", "--threads", 1)["files"]
    assert (row["state"], row["sections"]) == ("done", 7)
    assert any("recorded" in each for each in row["warnings"])


def test_a_settings_file_and_options_as_run_takes_them(source, target, tmp_path):
    (tmp_path / "lab.yaml").write_text("method: cubic\nfactor: 4\nparameters: {kind: spline}\n")
    options = ["--settings", tmp_path / "lab.yaml", "--factor", 3, "--dtype", "float32", "--pattern", "[ab]*"]
    summary = run_json("batch", source, target, *options)
    assert [each["method"] for each in summary["files"]] == ["cubic", "cubic"]
    voxels = tifffile.imread(target / "a.tif")
    assert (voxels.shape[0], voxels.dtype) == (10, np.float32)
    succeed("run", source / "a.tif", tmp_path / "one.tif", "--settings", tmp_path / "lab.yaml", *options[2:6])
    assert (tmp_path / "one.tif").read_bytes() == (target / "a.tif").read_bytes()


def test_usage(source, target):
    cases = [
        (2, [source, target, *LINEAR, "--workers", 0], "1 or more, got 0"),
        (2, [source, target, *LINEAR, "--workers", 2, "--scheduler", "tcp://x:1"], "exclude each other"),
        (2, [source, target, *LINEAR, "--on-cancel", "never"], "discard or finish, got 'never'"),
        (2, [source, target, "--method", "linear"], "say how dense"),
        (2, [source, target, *LINEAR, "--uncertainty"], "linear gives no uncertainty"),
        (2, [source, source, *LINEAR], "is the input folder"),
        (1, [source / "none", target, *LINEAR], "does not exist"),
        (1, [source, target, *LINEAR, "--pattern", "x*"], "that matches x*"),
        (2, [source], "Missing argument 'OUT_DIR'"),
    ]
    processes = many(["batch", *options] for _, options, _ in cases)
    for done, (status, options, words) in zip(processes, cases, strict=True):
        assert words in check_failure(done, status), options
    assert not target.exists()


def test_a_second_batch_is_told_who_has_the_folder(source, target):
    with opened(target):
        message = fail(1, "batch", source, target, *LINEAR, "--resume")
        assert message.startswith(f"another batch (process {os.getpid()} on ")
        assert "choose another output folder" in message
    succeed("batch", source, target, *LINEAR, "--resume")


def test_folders_of_what_only_begins_as_dicom(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    (series / "IM1").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    out = tmp_path / "out.nii.gz"
    no_image = "holds no DICOM image"  # but what begins as one
    cases = [
        (["run", series, out, *LINEAR], no_image),
        (["run", series / "IM1", out, *LINEAR], no_image),
        (["evaluate", series, "--methods", "linear", "--keep-every", 2], no_image),
        (["batch", series, tmp_path / "out", *LINEAR], no_image),
        (["train", "msdsr", series, "--out", tmp_path / "model"], "holds no stack to train on"),
    ]
    for done, (_, words) in zip(many([case for case, _ in cases]), cases, strict=True):
        assert words in check_failure(done, 1)


def test_headers_with_voxels_beside_them_become_one_file(tmp_path, target):
    """``.mhd`` and ``.nhdr`` are read, and written as ``.mha`` and ``.nrrd``."""
    folder = tmp_path / "in"
    folder.mkdir()
    image = SimpleITK.GetImageFromArray(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    image.SetSpacing((1, 1, 4))
    for name in ("a.mhd", "b.nhdr"):
        SimpleITK.WriteImage(image, str(folder / name))
    succeed("batch", folder, target, *LINEAR)
    for name in ("a.mha", "b.nrrd"):
        assert SimpleITK.ReadImage(str(target / name)).GetSpacing() == (1, 1, 2)


def test_help_explains_every_option():
    text = " ".join(succeed("batch", "--help").stdout.replace("│", " ").split())
    for option in ("--recursive", "--pattern", "--resume", "--workers", "--scheduler", "--keep-every", "--on-cancel"):
        assert f"{option} " in text

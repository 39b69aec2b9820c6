"""Disks that are full or go away, in the middle of a batch."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batches import fill, plan, states, tree
from command_line import ENVIRONMENT, MODULE, run_json
from napari_depth_interp.batch import run_batch
from napari_depth_interp.batch.workspace import FOLDER
from napari_depth_interp.errors import OutputError
from napari_depth_interp.io import files


def test_a_full_disk_ends_the_batch_and_leaves_it_resumable(source, target, monkeypatch):
    """The system says so when data is flushed; the next file would fail for the same reason after as long a wait."""
    real = os.fsync
    room = 6

    def fsync(descriptor):
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OutputError, match=r"disk full .*free some space.*--resume to go on") as caught:
        run_batch(plan(source, target, recursive=True))
    assert "done" in str(caught.value)
    done = tree(target)
    assert 0 < len(done) < 5
    assert not (target / FOLDER / "work").exists()
    monkeypatch.setattr(files.os, "fsync", real)
    summary = run_batch(plan(source, target, recursive=True, resume=True))
    assert (summary.count("skipped"), summary.count("failed")) == (len(done), 0)
    assert {name: tree(target)[name] for name in done} == done


def test_a_limit_on_the_size_of_files_costs_the_large_ones_only(source, target):
    """A real limit, as ``ulimit -f`` and FAT32 set it."""
    fill(source, ["large.tif"], shape=(30, 200, 200))
    words = ["batch", source, target, "--method", "linear", "--factor", 2, "--threads", 1, "--json"]
    done = subprocess.run(
        [*MODULE, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("depth-interp: 1 of 4 files failed")
    assert set(tree(target)) == {"a.tif", "b.tif", "c.tif"}
    assert f"'{target}/large.tif' was not written: disk full" in (target / "summary.csv").read_text()
    assert run_json(*words[:-1], "--resume")["done"] == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_the_output_folder_is_removed(source, target, trouble, workers):
    """The batch ends, and does not make the folder anew."""
    from napari_depth_interp.batch import Processes

    def remove(row, fraction):
        if row.file == "b.tif" and fraction > 0:
            shutil.rmtree(target, ignore_errors=True)

    slow = plan(source, target, recursive=True, method="trouble", parameters={"steps": 40, "victim": 1001})
    with pytest.raises(OutputError, match=r"was removed during the batch.*--resume"):
        run_batch(slow, Processes(workers), on_change=remove)
    assert not target.exists()
    assert run_batch(plan(source, target, recursive=True, resume=True)).count("done") == 5


def test_a_folder_that_may_not_be_written_any_more(source, target):
    """What cannot be written fails, one file after the other, and the others are done."""
    summary = run_batch(plan(source, target, recursive=True))
    (target / "sub" / "d.tif").unlink()
    shutil.rmtree(target / "sub" / "deep")
    (target / "sub" / "deep").write_bytes(b"in the way")
    summary = run_batch(plan(source, target, recursive=True, resume=True))
    assert states(summary) == {
        "a.tif": "skipped", "b.tif": "skipped", "c.tif": "skipped", "sub/d.tif": "done", "sub/deep/e.tif": "failed",
    }  # fmt: skip


def test_a_log_on_a_full_disk_ends_nothing(source, target):
    if not Path("/dev/full").exists():  # only Linux has a disk that is always full
        assert sys.platform != "linux"
        return
    words = ["--log-file", "/dev/full", "batch", source, target, "--method", "linear", "--factor", 2]
    done = subprocess.run([*MODULE, *map(str, words)], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(tree(target)) == 3

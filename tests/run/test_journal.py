"""Runs into OME-Zarr that end at any moment, in any way, and are gone on with: the result has the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from blockwise import SETTINGS, dense, files_of, sparse
from command_line import ENVIRONMENT
from napari_depth_interp import io
from napari_depth_interp.errors import OutputError
from napari_depth_interp.io.zarr import ZarrSink
from napari_depth_interp.io.zarr.whole_files import put
from napari_depth_interp.progress import Cancelled, silent
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.journal import hidden, leftover
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return sparse(tmp_path_factory.mktemp("in"))


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out.ome.zarr"
    dense(source, output)
    return files_of(output)


class Stop:
    """A report that ends a run after so many calls."""

    def __init__(self, after, error=Cancelled):
        self.calls, self.after, self.error = 0, after, error

    def __call__(self, progress):
        self.calls += 1
        if self.calls == self.after:
            raise self.error


def test_the_files_are_those_of_the_whole(source, undisturbed, tmp_path):
    """Voxels are as without blocks, whatever the number of threads; each file holds many chunks."""
    request = resolve(io.open_stack(source), make_settings(**SETTINGS | {"threads": 3}))
    execute(request, target=Target(tmp_path / "out.ome.zarr"))
    assert files_of(tmp_path / "out.ome.zarr") == undisturbed
    found = io.read(tmp_path / "out.ome.zarr").voxels
    np.testing.assert_array_equal(found, execute(request).dataset.voxels)
    assert len(undisturbed) == 2 * (4 * 10 + 2 * 5) + 3  # two resolutions, and what describes them


def test_stopped_again_and_again(source, undisturbed, tmp_path):
    output = tmp_path / "out.ome.zarr"
    seen = []
    for after in (1, 25, 2, 40, 30):
        with pytest.raises(Cancelled):
            dense(source, output, Stop(after), resume=True)
        assert not output.exists()
        seen.append(len(leftover(output).done))
    assert seen == sorted(seen)
    assert seen[-1] > 60
    result = dense(source, output, resume=True)
    assert files_of(output) == undisturbed
    assert result.warnings[0] == f"went on with an unfinished run: {seen[-1]} of 100 blocks were there"
    assert {each.name for each in tmp_path.iterdir()} == {"out.ome.zarr"}
    again = dense(source, output, resume=True)
    assert again.warnings[0] == "the result is there already; nothing was made"


_KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from blockwise import dense
calls = 0
def report(progress):
    global calls
    calls += 1
    if calls == 50:
        os.kill(os.getpid(), signal.SIGKILL)
dense(Path({source!r}), Path({output!r}), report, resume=False)
"""


def test_killed_without_having_asked_for_it(source, undisturbed, tmp_path):
    """What a killed run leaves is found by the next one: gone on with, refused, or discarded if that is wanted."""
    output = tmp_path / "out.ome.zarr"
    code = _KILLED.format(tests=str(Path(__file__).parents[1]), source=str(source), output=str(output))
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=False)
    assert done.returncode == -signal.SIGKILL
    count = len(leftover(output).done)
    assert 20 < count < 100
    with pytest.raises(OutputError, match=rf"an unfinished run of .* is there, {count} of 100 blocks; add --resume "):
        dense(source, output)
    other = resolve(io.open_stack(source), make_settings(**SETTINGS | {"factor": 2}))
    with pytest.raises(OutputError, match=r"was another one \(depths: .*\); ask for the same, or add --overwrite"):
        execute(other, target=Target(output, resume=True))
    path = hidden(output) / "done"
    path.write_bytes(path.read_bytes() + b"11")  # a line that was torn
    dense(source, output, resume=True)
    assert files_of(output) == undisturbed
    assert {each.name for each in tmp_path.iterdir()} == {"out.ome.zarr"}


def test_an_input_whose_voxels_have_changed(tmp_path):
    """Its metadata are the same; a sample of the voxels tells."""
    source, output = sparse(tmp_path), tmp_path / "out.ome.zarr"
    before = io.read(source, lazy=True)

    def go_on(report=silent):
        request = resolve(io.read(source, lazy=True), make_settings(**SETTINGS))
        execute(request, report, Target(output, resume=True))

    with pytest.raises(Cancelled):
        go_on(Stop(30))
    changed = replace(before, voxels=np.asarray(before.voxels) // 2, source=None)
    shutil.rmtree(source)
    io.write(source, changed)
    with pytest.raises(OutputError, match=r"was another one \(input: "):
        go_on()


def test_discarded(source, undisturbed, tmp_path):
    output = tmp_path / "out.ome.zarr"
    with pytest.raises(Cancelled):
        dense(source, output, Stop(30), resume=True)
    result = dense(source, output, overwrite=True)
    assert result.warnings[0].startswith("discarded an unfinished run, ")
    assert files_of(output) == undisturbed


def test_killed_while_the_result_got_its_name(source, undisturbed, tmp_path):
    output = tmp_path / "out.ome.zarr"
    with pytest.raises(Cancelled):
        dense(source, output, Stop(10), resume=True)
    folder = hidden(output)
    about = json.loads((folder / "run.json").read_text())
    finished = tmp_path / "other.ome.zarr"
    dense(source, finished)
    finished.rename(output)
    (output / "0" / "c" / ".0.0123abcd.partial").write_bytes(b"what a killed worker was at")
    for image in folder.glob("image-*"):
        image.rename(tmp_path / "gone")
    (folder / "run.json").write_text(json.dumps(about | {"ending": True}))
    dense(source, output, resume=True)
    assert files_of(output) == undisturbed
    assert not folder.exists()


def test_two_runs_at_once(source, tmp_path):
    output = tmp_path / "out.ome.zarr"
    with pytest.raises(Cancelled):
        dense(source, output, Stop(10), resume=True)
    with (
        FileLock(hidden(output) / "lock"),
        pytest.raises(OutputError, match=rf"another run \(process {os.getpid()} on .* is at work on .*wait until"),
    ):
        dense(source, output, resume=True)


def test_a_writer_that_comes_late(source, undisturbed, tmp_path):
    """It writes the same bytes, or finds that the image is gone; it never brings a folder back."""
    output = tmp_path / "out.ome.zarr"
    late = []

    def report(progress):
        if not late and progress.fraction > 0.5:
            image = next(hidden(output).glob("image-*"))
            request = resolve(io.open_stack(source), make_settings(**SETTINGS))
            args = image, request.dense_template(), request.output_shape, request.output_dtype, request.file_shape
            sink = ZarrSink(*args, shared=True, again=True)
            block = sink._levels[0][0, 0, :8, :64, :]
            late.extend([sink, block])
            sink.write(0, 0, slice(0, 8), slice(0, 64), slice(0, 40), block)

    dense(source, output, report)
    assert files_of(output) == undisturbed
    sink, block = late
    with pytest.raises(FileNotFoundError):
        sink.write(0, 0, slice(0, 8), slice(0, 64), slice(0, 40), block)
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "never-there", "0/c/0", b"")
    assert {each.name for each in tmp_path.iterdir()} == {"out.ome.zarr"}

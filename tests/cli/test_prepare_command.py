"""``prepare`` and ``render``, ``run --prepared``, ``--memory``: what is written, and what is refused in one line."""

import numpy as np
import pytest

from command_line import fail, noise, run_json, succeed, write_imagej
from napari_depth_interp import io


@pytest.fixture
def stack(tmp_path):
    write_imagej(tmp_path / "a.tif", noise((8, 30, 28)))
    return tmp_path / "a.tif"


def test_preparing_and_rendering_give_what_a_run_gives(tmp_path, stack):
    known = tmp_path / "known.safetensors"
    method = ("--method", "flow", "-p", "tolerance=2")
    about = run_json("prepare", stack, known, *method)
    assert about["method"] == "flow"
    assert about["bytes"] == known.stat().st_size < 10_000
    succeed("render", stack, tmp_path / "rendered.tif", "--prepared", known, "--factor", 3)
    succeed("run", stack, tmp_path / "run.tif", *method, "--factor", 3, "--memory", "2GB")
    rendered, run = (io.read(tmp_path / name) for name in ("rendered.tif", "run.tif"))
    np.testing.assert_array_equal(rendered.voxels, run.voxels)
    assert rendered.record["depth_interp"] == run.record["depth_interp"]
    line = fail(2, "run", stack, tmp_path / "b.tif", "--factor", 3, "--method", "cubic", "--prepared", known)
    assert "this was prepared for the method 'flow', not for 'cubic'" in line
    assert "exists already" in fail(1, "prepare", stack, known, *method)


def test_what_is_no_prepared_file_or_no_memory_is_said(tmp_path, stack):
    out = tmp_path / "b.tif"
    assert "make one with depth-interp prepare" in fail(1, "render", stack, out, "--factor", 3, "--prepared", "none")
    assert "not written by depth-interp prepare" in fail(1, "render", stack, out, "--factor", 3, "--prepared", stack)
    assert "is no size of memory" in fail(2, "run", stack, out, "--factor", 3, "--memory", "much")
    line = fail(1, "run", stack, out, "--method", "linear", "--factor", 3, "--memory", "50MB")
    assert "linear on this stack needs" in line
    assert not out.exists()

"""``depth-interp fuse`` in processes of its own, on real files."""

import nibabel
import numpy as np
import pytest

from command_line import fail, files, run_json, succeed
from napari_depth_interp import io
from thick_stacks import specimen, write_stacks

QUICK = ("--profile", "box", "--threads", 1)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_stacks(tmp_path_factory.mktemp("stacks"), 2)


def test_fuses_two_files_and_says_how_well(paths, tmp_path):
    out, moves = tmp_path / "fused.nii.gz", tmp_path / "moves"
    extra = ["--uncertainty", tmp_path / "error.nii.gz", "--coverage", tmp_path / "seen.nii.gz"]
    done = succeed("fuse", *paths, out, *QUICK, *extra, "--save-transforms", moves, "--score")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("axial.nii.gz: the reference; correlation with the others 0.9")
    assert "within the noise" in lines[1]
    assert "held-out sections" in lines[2]
    assert "left out as a whole" in lines[3]
    assert lines[4].startswith("coronal.nii.gz: moved by 0.0")
    assert "32 x 32 x 32 voxels of 2 stacks, least_squares" in lines[-1]
    assert files(tmp_path) == {"fused.nii.gz", "error.nii.gz", "seen.nii.gz", "moves"}
    assert files(moves) == {"1_coronal.tfm"}
    image = nibabel.load(out)
    assert np.corrcoef(np.asarray(image.dataobj).T.ravel(), specimen().ravel())[0, 1] > 0.97
    history = io.read(out).record["depth_interp"]
    assert [each["name"] for each in history["stacks"]] == ["axial.nii.gz", "coronal.nii.gz"]
    again = run_json("fuse", *paths, tmp_path / "again.nii.gz", *QUICK, "--transforms", moves)
    assert again["stacks"][1]["motion"] == pytest.approx(np.array(history["stacks"][1]["motion"]), abs=1e-9)
    assert again["shape"] == [32, 32, 32]
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "again.nii.gz").dataobj), np.asarray(image.dataobj))


def test_refuses_in_one_line(paths, tmp_path):
    out = tmp_path / "fused.nii.gz"
    assert "name two or more stacks" in fail(2, "fuse", paths[0], out)
    assert "is the input" in fail(2, "fuse", *paths, paths[0])
    assert "learned from held-out sections" in fail(
        2, "fuse", *paths, out, "--unchecked", "--uncertainty", tmp_path / "error.nii.gz"
    )
    assert "does not fuse stacks" in fail(2, "fuse", *paths, out, "--method", "linear")
    assert files(tmp_path) == set()

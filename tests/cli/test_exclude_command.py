"""``--exclude`` and decreasing ``--depths``: what is written, where, and what is refused."""

import csv

import numpy as np

from command_line import fail, noise, run_json, succeed, write_imagej
from napari_depth_interp import interpolate, io

VOXELS = noise((9, 20, 30))


def test_excluded_sections_are_made_anew_and_stand_in_the_history(tmp_path):
    write_imagej(tmp_path / "a.tif", VOXELS)
    done = run_json("run", tmp_path / "a.tif", tmp_path / "out.tif", "--exclude", "2,5-6")
    found = io.read(tmp_path / "out.tif")
    expected = interpolate(tmp_path / "a.tif", method="linear", exclude="2,5-6")
    np.testing.assert_array_equal(found.voxels, expected.dataset.voxels)
    assert found.record["depth_interp"]["excluded"] == [2, 5, 6]
    assert found.record["depth_interp"]["observed"] == [0, 1, 3, 4, 7, 8]
    assert done["shape"] == [9, 20, 30]
    assert done["warnings"] == []


def test_a_settings_file_names_them(tmp_path):
    write_imagej(tmp_path / "a.tif", VOXELS)
    (tmp_path / "s.yaml").write_text("method: cubic\nexclude: 2,5-6\nfactor: 2\n")
    run_json("run", tmp_path / "a.tif", tmp_path / "out.tif", "--settings", tmp_path / "s.yaml")
    expected = interpolate(tmp_path / "a.tif", method="cubic", exclude="2,5-6", factor=2)
    np.testing.assert_array_equal(io.read(tmp_path / "out.tif").voxels, expected.dataset.voxels)


def test_a_batch_excludes_them_in_every_file(tmp_path):
    (tmp_path / "in").mkdir()
    write_imagej(tmp_path / "in" / "a.tif", VOXELS)
    write_imagej(tmp_path / "in" / "b.tif", VOXELS[:4])
    succeed("batch", tmp_path / "in", tmp_path / "out", "--method", "linear", "--exclude", "2")
    for name, voxels in {"a.tif": VOXELS, "b.tif": VOXELS[:4]}.items():
        expected = interpolate(voxels, method="linear", z_spacing=2, exclude="2")
        np.testing.assert_array_equal(io.read(tmp_path / "out" / name).voxels[0, 0], expected)
    message = fail(2, "batch", tmp_path / "in", tmp_path / "more", "--method", "linear", "--exclude", "x")
    assert "the sections 'x' cannot be read" in message


def test_scores_and_their_report_are_without_them(tmp_path):
    broken = VOXELS.copy()
    broken[[3, 4]] = 0
    write_imagej(tmp_path / "a.tif", broken)
    arguments = ("evaluate", tmp_path / "a.tif", "--methods", "linear", "--keep-every", 2, "--exclude", "3-4")
    scores = run_json(*arguments, "--report", tmp_path / "report")
    assert [row["index"] for row in scores["methods"][0]["sections"]] == [1, 5, 7]
    assert scores["settings"]["exclude"] == "3-4"
    with (tmp_path / "report" / "scores.csv").open(encoding="utf-8") as file:
        assert {row["index"] for row in csv.DictReader(file)} == {"1", "5", "7"}


def test_what_is_refused(tmp_path):
    write_imagej(tmp_path / "a.tif", VOXELS)
    run = ("run", tmp_path / "a.tif", tmp_path / "out.tif", "--factor", 2)
    assert "section 9 was named, but the stack has sections 0 to 8" in fail(2, *run, "--exclude", "4-9")
    assert "leaves 1 of 9 sections" in fail(2, *run, "--exclude", "0-7")
    assert "correct --exclude" not in fail(2, *run, "--exclude", "9-4")
    assert not (tmp_path / "out.tif").exists()


def test_decreasing_depths_keep_the_order_of_the_file(tmp_path):
    write_imagej(tmp_path / "a.tif", VOXELS)
    depths = (40, 38, 35, 30, 24, 20, 14, 12, 10)
    words = ("--depths", ",".join(map(str, depths)), "--spacing", "1um")
    done = run_json("run", tmp_path / "a.tif", tmp_path / "out.tif", *words)
    found = io.read(tmp_path / "out.tif")
    assert found.voxels.shape[2] == 31
    np.testing.assert_array_equal(found.voxels[0, 0, [40 - z for z in depths]], VOXELS)
    assert found.record["depth_interp"]["depths"] == [float(z) for z in range(40, 9, -1)]
    assert any("the depths decrease from section to section" in each for each in done["warnings"])

"""``depth-interp align`` on real files, and ``run --align``."""

import json

import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from command_line import fail, run_json, succeed, write_imagej
from displaced_stacks import tissue_like, with_moves

MOVES = {3: (3, -2), 7: (-2, 4)}
SOUND = tissue_like(10, dtype=np.uint8)


@pytest.fixture
def jittered(tmp_path):
    return write_imagej(tmp_path / "jittered.tif", with_moves(SOUND, MOVES), spacing=2.0, pixel=0.5)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "aligned.tif"


class TestAlign:
    def test_moves_sections_back(self, jittered, out):
        done = succeed("align", jittered, out)
        assert "2 of 10 sections moved (translation); at the edges up to " in done.stdout
        assert "slow motion along z was kept" in done.stderr
        found, before = tifffile.imread(out), tifffile.imread(jittered)
        still = [k for k in range(10) if k not in MOVES]
        np.testing.assert_array_equal(found[still], before[still])
        inner = (list(MOVES), slice(8, -8), slice(8, -8))
        off, was = (abs(each.astype(float) - SOUND)[inner].mean() for each in (found, before))
        assert off < 0.2 * was
        again = ndi.read(out)
        assert again.grid.spacing == 2.0
        assert [each["section"] for each in again.record["depth_interp"]["align"]["moves"]] == [3, 7]

    def test_json(self, jittered, out):
        found = run_json("align", jittered, out, "--kind", "rigid", "--smallest", 1)
        assert found["kind"] == "rigid"
        assert [each["section"] for each in found["moves"]] == [3, 7]
        np.testing.assert_allclose([each["shift"] for each in found["moves"]], list(MOVES.values()), atol=0.3)
        assert min(found["margins"]) >= 1

    def test_transforms_are_kept_undone_and_applied_to_labels(self, jittered, out, tmp_path):
        moves = tmp_path / "moves.json"
        succeed("align", jittered, out, "--transforms", moves)
        succeed("align", out, tmp_path / "back.tif", "--undo", moves)
        back, before = tifffile.imread(tmp_path / "back.tif"), tifffile.imread(jittered)
        assert abs(back.astype(int) - before)[:, 8:-8, 8:-8].max() <= 4
        assert json.loads(moves.read_text())["kind"] == "translation"
        other = write_imagej(tmp_path / "other.tif", before[:, ::-1].copy(), spacing=2.0, pixel=0.5)
        succeed("align", other, tmp_path / "moved.tif", "--apply", moves)
        assert not np.array_equal(tifffile.imread(tmp_path / "moved.tif")[3], before[3, ::-1])

    def test_streamed_to_zarr(self, jittered, out, tmp_path):
        succeed("align", jittered, out)
        succeed("align", jittered, tmp_path / "aligned.ome.zarr")
        np.testing.assert_array_equal(ndi.read(tmp_path / "aligned.ome.zarr").voxels, ndi.read(out).voxels)

    def test_removing_drift_says_what_it_does(self, tmp_path, out):
        slanted = write_imagej(tmp_path / "s.tif", tissue_like(10, slant=2.0, dtype=np.uint8), spacing=1.0, pixel=1.0)
        done = succeed("align", slanted, out, "--drift", "remove")
        assert "real slant and curvature are straightened" in done.stderr


class TestCheck:
    def test_names_displaced_sections(self, jittered, tmp_path):
        done = succeed("align", jittered, "--check")
        assert done.stdout.startswith("2 of 10 sections are displaced (3, 7), by up to 4.")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["jittered.tif"]

    def test_json(self, jittered):
        found = run_json("align", jittered, "--check")
        assert (found["is_there"], found["displaced"]) == (True, [3, 7])

    def test_a_sound_stack(self, tmp_path):
        sound = write_imagej(tmp_path / "sound.tif", SOUND, spacing=2.0, pixel=0.5)
        assert "leave the stack as it is" in succeed("align", sound, "--check").stdout


class TestRefused:
    @pytest.mark.parametrize(
        ("status", "options", "words"),
        [
            (2, [], "say where the aligned stack goes"),
            (2, ["out.tif", "--check"], "--check writes nothing"),
            (2, ["out.tif", "--apply", "a.json", "--undo", "b.json"], "exclude each other"),
            (2, ["out.tif", "--apply", "a.json", "--kind", "rigid"], "leave --kind out"),
            (2, ["out.tif", "--kind", "sideways"], "sideways"),
            (2, ["out.tif", "--period", "1"], "period"),
            (1, ["out.tif", "--apply", "none.json"], "none.json"),
            (2, ["out.xyz"], "no known suffix"),
        ],
    )
    def test_in_one_line(self, jittered, tmp_path, status, options, words):
        assert words in fail(status, "align", jittered, *options, cwd=tmp_path)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["jittered.tif"]

    def test_transforms_of_another_image(self, jittered, out, tmp_path):
        ndi.Transforms.translations([(1, 0)] * 4, (72, 72)).save(tmp_path / "moves.json")
        message = fail(1, "align", jittered, out, "--apply", tmp_path / "moves.json")
        assert "the transforms are of 1 time points, 4 sections" in message

    def test_an_existing_file_stays(self, jittered, out):
        out.write_bytes(b"mine")
        assert "exists" in fail(1, "align", jittered, out)
        assert out.read_bytes() == b"mine"


class TestRun:
    def test_run_aligns_first(self, jittered, out):
        done = succeed("run", jittered, out, "--factor", 2, "--align", "translation")
        assert "8 observed, 2 moved and 9 new" in done.stdout
        assert ndi.Result.load(out).is_moved.nonzero()[0].tolist() == [6, 14]

    def test_json_has_the_transforms(self, jittered, out):
        found = run_json("run", "--method", "linear", jittered, out, "--factor", 2, "--align", "rigid")
        assert found["align"]["kind"] == "rigid"

    def test_a_kind_that_is_not_known(self, jittered, out):
        assert "align" in fail(2, "run", jittered, out, "--factor", 2, "--align", "x")

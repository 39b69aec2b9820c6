"""``depth-interp repair`` on real files, read back by tifffile and nibabel."""

import csv

import nibabel
import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from command_line import depth_interp, fail, files, run_json, succeed, write_imagej
from damaged_stacks import damaged, rms, tissue
from napari_depth_interp.damage.kinds import KINDS

PLAIN = ("--method", "linear", "--threads", 1)
STACK, SOUND, TRUTH = damaged("missing", "partial", "shift")
KEYS = ["input", "output", "method", "count", "thresholds", "sections", "seed", "seconds", "warnings"]


@pytest.fixture
def broken(tmp_path):
    return write_imagej(tmp_path / "broken.tif", STACK, spacing=2.0, pixel=0.5)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.tif"


class TestRepair:
    def test_what_is_found_is_repaired_and_said(self, broken, out):
        done = succeed("repair", broken, out, *PLAIN)
        assert "section 5: interpolate (missing or constant: all pixels are 0" in done.stdout
        assert "3 of 24 sections repaired" in done.stdout
        made = tifffile.imread(out)
        others = np.setdiff1d(np.arange(24), list(TRUTH))
        assert (made[others] == STACK[others]).all()
        assert all(rms(made[k], SOUND[k]) < rms(STACK[k], SOUND[k]) for k in TRUTH)

    def test_aligned_afterwards(self, tmp_path, out):
        stack = STACK.copy()
        stack[15] = np.roll(SOUND[15], (3, -4), (0, 1))
        path = write_imagej(tmp_path / "jitter.tif", stack, spacing=2.0, pixel=0.5)
        done = succeed("repair", path, out, *PLAIN, "--kinds", "missing,partial", "--align", "translation")
        assert "2 of 24 sections repaired" in done.stdout
        assert "others were moved" in done.stdout
        inner = (slice(8, -8), slice(8, -8))
        assert rms(tifffile.imread(out)[15][inner], SOUND[15][inner]) < 0.5 * rms(stack[15][inner], SOUND[15][inner])

    def test_json(self, broken, out):
        said = run_json("repair", broken, out, *PLAIN)
        assert list(said) == KEYS
        assert {each["index"]: each["kind"] for each in said["sections"]} == TRUTH
        assert [each["action"] for each in said["sections"]] == ["interpolate", "fill", "correct"]
        assert all(each["score"] >= each["threshold"] for each in said["sections"])
        assert set(said["thresholds"]) == set(KINDS)

    def test_the_history_is_in_the_file(self, broken, out):
        succeed("repair", broken, out, *PLAIN)
        assert [each["index"] for each in ndi.RepairResult.load(out).sections] == list(TRUTH)

    def test_named_sections_and_kinds(self, broken, out):
        said = run_json("repair", broken, out, *PLAIN, "--sections", "5,20-21", "--kinds", "missing")
        assert [(each["index"], each["kind"]) for each in said["sections"]] == [
            (5, "missing"), (20, "named"), (21, "named"),
        ]  # fmt: skip
        assert [each["action"] for each in said["sections"]] == ["interpolate", "leave", "leave"]

    def test_only_looking_writes_nothing_but_the_table(self, tmp_path, broken):
        said = run_json("repair", broken, "--dry-run", "--csv", tmp_path / "found.csv")
        assert said["output"] is None
        assert [each["index"] for each in said["sections"]] == list(TRUTH)
        assert files(tmp_path) == {"broken.tif", "found.csv"}
        with (tmp_path / "found.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 24
        assert (rows[5]["kind"], rows[5]["action"], rows[6]["kind"]) == ("missing", "interpolate", "")
        assert float(rows[5]["depth"]) == 10.0
        assert float(rows[10]["partial"]) > 0.1

    def test_a_mask(self, tmp_path, out):
        sound = write_imagej(tmp_path / "sound.tif", SOUND, spacing=2.0, pixel=0.5)
        mask = np.zeros(SOUND.shape, "uint8")
        mask[8, 4:20, 4:20] = 255
        tifffile.imwrite(tmp_path / "mask.tif", mask)
        said = run_json("repair", sound, out, *PLAIN, "--mask", tmp_path / "mask.tif")
        assert [(each["index"], each["action"]) for each in said["sections"]] == [(8, "fill")]
        assert ((tifffile.imread(out) == SOUND) | (mask > 0)).all()

    def test_nifti_comes_back_as_it_was(self, tmp_path):
        stored = SOUND.astype("int16").transpose(2, 1, 0)[..., ::-1].copy()
        stored[..., 7] = 0
        affine = np.diag([1.0, 1.0, 3.0, 1.0])
        nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "in.nii.gz")
        said = run_json("repair", tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", *PLAIN, "--axis", "z")
        assert [each["index"] for each in said["sections"]] == [7]
        found = nibabel.load(tmp_path / "out.nii.gz")
        made = np.asanyarray(found.dataobj)
        assert (np.delete(made, 7, 2) == np.delete(stored, 7, 2)).all()
        assert (found.affine == affine).all()
        assert made[..., 7].min() > 0

    def test_removed_sections(self, broken, tmp_path):
        succeed("repair", broken, tmp_path / "out.ome.tif", *PLAIN, "--remove", "5")
        assert ndi.read(tmp_path / "out.ome.tif").grid.depths[4:6].tolist() == [8.0, 12.0]


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--sections", "99"], "section 99 was named"),
            (["--kinds", "mould"], "choose kinds out of missing"),
            (["--method", "srcnn"], "no sections between others"),
            (["--memory", "much"], "is no size of memory"),
        ],
    )
    def test_is_said_in_one_line(self, broken, out, options, words):
        assert words in fail(2, "repair", broken, out, *options)
        assert not out.exists()

    @pytest.mark.parametrize(("size", "words"), [("50MB", "to repair this stack takes"), ("255MB", "linear on this")])
    def test_too_little_memory(self, broken, out, size, words):
        assert words in fail(1, "repair", broken, out, *PLAIN, "--memory", size)
        assert not out.exists()

    def test_no_output(self, broken):
        assert "--dry-run" in fail(2, "repair", broken)

    def test_existing_files(self, tmp_path, broken, out):
        out.write_bytes(b"mine")
        assert "--overwrite" in fail(1, "repair", broken, out)
        (tmp_path / "found.csv").write_text("mine")
        assert "--overwrite" in fail(1, "repair", broken, "--dry-run", "--csv", tmp_path / "found.csv")
        assert out.read_bytes() == b"mine"

    def test_targets_are_no_options(self, broken, out):
        assert depth_interp("repair", broken, out, "--factor", 2).returncode == 2


def test_help_names_every_option():
    text = succeed("repair", "--help").stdout
    for option in ("--sections", "--kinds", "--gaps", "--remove", "--dry-run", "--csv", "--mask", "--memory", "--json"):
        assert option in text


def test_a_sound_stack(tmp_path, out):
    sound = write_imagej(tmp_path / "sound.tif", tissue(12), spacing=2.0, pixel=0.5)
    assert "0 of 12 sections repaired" in succeed("repair", sound, out, *PLAIN).stdout
    assert (tifffile.imread(out) == tifffile.imread(sound)).all()

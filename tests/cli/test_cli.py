"""The command line in a subprocess, on real files, read back by tifffile and nibabel."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from command_line import (
    ENVIRONMENT,
    MODULE,
    check_failure,
    depth_interp,
    fail,
    files,
    many,
    noise,
    run_json,
    started,
    succeed,
    write_imagej,
)
from napari_depth_interp.run.settings import Settings

RUN_KEYS = [
    "input", "output", "method", "config", "shape", "spacing", "thickness", "unit", "seconds", "device", "seed",
    "warnings", "expected_gain_db",
]  # fmt: skip


@pytest.fixture
def stack():
    return noise((5, 12, 14))


@pytest.fixture
def tif(tmp_path, stack):
    """5 sections, 2 um apart, pixels of 0.5 um."""
    return write_imagej(tmp_path / "in.tif", stack)


@pytest.fixture
def nii(tmp_path):
    """x, y, z = 14, 12, 5 voxels of 1 x 1 x 3 mm, z from -20 mm."""
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[:3, 3] = 5, 6, -20
    image = nibabel.Nifti1Image(noise((14, 12, 5), "int16"), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "in.nii.gz")
    return tmp_path / "in.nii.gz"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.tif"


def linear(voxels, positions):
    """Linear interpolation, written plainly: ``positions`` in units of sections; rounded as integers are."""
    below = np.minimum(np.floor(positions).astype(int), len(voxels) - 2)
    weight = (positions - below)[:, None, None]
    values = (1 - weight) * voxels[below] + weight * voxels[below + 1]
    return np.rint(values).astype(voxels.dtype) if voxels.dtype.kind in "iu" else values


def imagej(path):
    with tifffile.TiffFile(path) as file:
        return file.asarray(), file.imagej_metadata, file.pages[0].tags[282].value


class TestRun:
    def test_tiff_to_tiff(self, tif, out, stack):
        done = succeed("run", tif, out, "--factor", 4)
        voxels, metadata, resolution = imagej(out)
        assert voxels.dtype == np.uint16
        np.testing.assert_array_equal(voxels, linear(stack, np.arange(17) / 4))
        assert metadata["spacing"] == 0.5
        assert metadata["unit"] == "micron"
        assert resolution[0] / resolution[1] == 2
        assert done.stderr == ""
        assert done.stdout.count("\n") == 1
        assert "17 x 12 x 14" in done.stdout
        assert "5 observed and 12 new" in done.stdout

    def test_nifti_to_nifti(self, nii, tmp_path):
        done = succeed("run", nii, tmp_path / "out.nii.gz", "--factor", 3)
        before, after = nibabel.load(nii), nibabel.load(tmp_path / "out.nii.gz")
        assert after.shape == (14, 12, 13)
        assert after.get_data_dtype() == np.int16
        np.testing.assert_allclose(after.header.get_zooms(), (1, 1, 1))
        np.testing.assert_allclose(after.affine[:3, 3], (5, 6, -20))
        np.testing.assert_array_equal(np.asarray(after.dataobj)[..., ::3], np.asarray(before.dataobj))
        expected = linear(np.asarray(before.dataobj).transpose(2, 1, 0), np.arange(13) / 3)
        np.testing.assert_array_equal(np.asarray(after.dataobj).transpose(2, 1, 0), expected)
        assert done.stderr == ""

    def test_tiff_to_nifti(self, tif, tmp_path, stack):
        succeed("run", tif, tmp_path / "out.nii", "--factor", 2)
        image = nibabel.load(tmp_path / "out.nii")
        np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), linear(stack, np.arange(9) / 2))
        np.testing.assert_allclose(image.header.get_zooms(), (0.5, 0.5, 1))
        assert image.header.get_xyzt_units()[0] == "micron"

    def test_section_axis_of_nifti(self, tmp_path):
        image = nibabel.Nifti1Image(noise((4, 12, 14), "int16"), np.diag([5.0, 1, 1, 1]))
        nibabel.save(image, tmp_path / "sagittal.nii")
        for axis, shape in (("auto", (7, 12, 14)), ("x", (7, 12, 14)), ("z", (4, 12, 27))):
            succeed("run", tmp_path / "sagittal.nii", tmp_path / f"{axis}.nii", "--factor", 2, "--axis", axis)
            assert nibabel.load(tmp_path / f"{axis}.nii").shape == shape

    @pytest.mark.parametrize(("length", "sections"), [("1um", 9), ("0.001 mm", 9), ("500nm", 17), ("1", 9), ("3um", 3)])
    def test_spacing(self, tif, out, stack, length, sections):
        succeed("run", tif, out, "--spacing", length)
        voxels, metadata, _ = imagej(out)
        np.testing.assert_array_equal(voxels, linear(stack, np.arange(sections) * metadata["spacing"] / 2))
        assert len(voxels) == sections

    def test_isotropic(self, tif, out, stack):
        succeed("run", tif, out, "--isotropic")
        voxels, metadata, _ = imagej(out)
        assert metadata["spacing"] == 0.5
        np.testing.assert_array_equal(voxels, linear(stack, np.arange(17) / 4))

    def test_projections(self, tmp_path, out):
        fine = np.cumsum(noise((12, 8, 9), "float32"), axis=0)
        means = fine.reshape(4, 3, 8, 9).mean(axis=1)
        write_imagej(tmp_path / "means.tif", means, spacing=6.0)
        summary = run_json("run", tmp_path / "means.tif", out, "--acquisition", "projection:3")
        voxels, metadata, _ = imagej(out)
        assert summary["shape"] == [12, 8, 9]
        assert metadata["spacing"] == 2
        assert metadata["zorigin"] == 1, "the first section lies one fine section before the first mean"
        np.testing.assert_allclose(voxels.reshape(4, 3, 8, 9).mean(axis=1), means, rtol=1e-5)

    def test_z_spacing_where_the_file_has_none(self, tmp_path, out, stack):
        tifffile.imwrite(tmp_path / "plain.tif", stack, photometric="minisblack")
        assert "--z-spacing" in fail(1, "run", tmp_path / "plain.tif", out, "--factor", 2)
        summary = run_json("run", tmp_path / "plain.tif", out, "--factor", 2, "--z-spacing", "3um")
        assert (summary["spacing"], summary["unit"]) == (1.5, "um")

    def test_z_spacing_in_another_unit(self, tif, out):
        assert run_json("run", tif, out, "--factor", 2, "--z-spacing", "0.004mm")["spacing"] == 2

    @pytest.mark.parametrize("bom", ["", "\ufeff"])
    def test_depths_from_a_file(self, tif, out, stack, tmp_path, bom):
        (tmp_path / "depths.txt").write_text(f"{bom}0 # first\n2, 3\n\n7\n8\n", encoding="utf-8")
        done = succeed("run", tif, out, "--spacing", "1um", "--depths", tmp_path / "depths.txt")
        voxels = tifffile.imread(out)
        expected = linear(stack, np.interp(np.arange(9), [0, 2, 3, 7, 8], np.arange(5)))
        np.testing.assert_array_equal(voxels, expected)
        assert "5 observed and 4 new" in done.stdout

    def test_uneven_depths_with_a_factor_give_a_regular_grid_and_a_warning(self, tif, out, tmp_path):
        (tmp_path / "depths.txt").write_text("0\n2\n4\n7\n9\n")
        done = depth_interp("run", tif, out, "--factor", 2, "--depths", tmp_path / "depths.txt")
        assert done.returncode == 0
        assert done.stderr == "warning: the sections are unevenly spaced; the result is regular, 1 um apart\n"
        assert len(tifffile.imread(out)) == 10

    @pytest.mark.parametrize("channel", ["1", "actin"])
    def test_channel_by_index_and_by_name(self, tmp_path, out, channel):
        voxels = noise((5, 2, 12, 14))
        labels = ["nuclei", "actin"] * 5
        write_imagej(tmp_path / "two.tif", voxels, axes="ZCYX", Labels=labels)
        succeed("run", tmp_path / "two.tif", out, "--factor", 2, "--channel", channel)
        np.testing.assert_array_equal(tifffile.imread(out), linear(voxels[:, 1], np.arange(9) / 2))

    def test_all_channels_and_time_points(self, tmp_path, out):
        voxels = noise((2, 3, 2, 12, 14))
        write_imagej(tmp_path / "five.tif", voxels, axes="TZCYX")
        assert run_json("run", tmp_path / "five.tif", out, "--factor", 2)["shape"] == [2, 2, 5, 12, 14]
        dense = tifffile.imread(out)
        for t in range(2):
            for c in range(2):
                np.testing.assert_array_equal(dense[t, :, c], linear(voxels[t, :, c], np.arange(5) / 2))

    def test_dtype_float32_is_not_rounded(self, tif, out, stack):
        succeed("run", tif, out, "--factor", 4, "--dtype", "float32")
        voxels = tifffile.imread(out)
        assert voxels.dtype == np.float32
        np.testing.assert_allclose(voxels, linear(stack.astype(float), np.arange(17) / 4), rtol=1e-6)

    def test_nan_fill(self, tmp_path, out):
        voxels = noise((3, 12, 14), "float32")
        voxels[:, 5, 5] = np.nan
        write_imagej(tmp_path / "nan.tif", voxels)
        succeed("run", tmp_path / "nan.tif", out, "--factor", 2, "--nan", "fill")
        dense = tifffile.imread(out)
        expected = np.zeros(dense.shape, bool)
        expected[:, 5, 5] = True
        np.testing.assert_array_equal(np.isnan(dense), expected)
        np.testing.assert_array_equal(dense[::2], voxels)

    def test_parameters_have_their_types(self, tif, out):
        given = ["-p", "kind=spline", "--param", "overshoot=keep", "-p", "match_projections=false"]
        config = run_json("run", tif, out, "--factor", 2, "--method", "cubic", *given)["config"]
        assert config == {"kind": "spline", "overshoot": "keep", "match_projections": False}
        assert tifffile.imread(out).shape == (9, 12, 14)

    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("method", ["nearest", "cubic"])
    def test_same_voxels_as_the_python_interface(self, tif, out, method, threads):
        succeed("run", tif, out, "--method", method, "--factor", 3, "--threads", threads)
        expected = ndi.interpolate(tif, method=method, factor=3).dataset.voxels[0, 0]
        np.testing.assert_array_equal(tifffile.imread(out), expected)

    def test_seed_stands_in_the_record(self, tif, out):
        assert run_json("run", tif, out, "--factor", 2, "--seed", 7)["seed"] == 7
        assert ndi.read(out).record["depth_interp"]["seed"] == 7

    def test_json(self, tif, out):
        summary = run_json("run", tif, out, "--factor", 4, "--method", "nearest", "--seed", 3)
        assert list(summary) == RUN_KEYS
        assert summary.pop("seconds") > 0
        assert summary == {
            "input": str(tif), "output": str(out), "method": "nearest", "config": {}, "shape": [17, 12, 14],
            "spacing": 0.5, "thickness": None, "unit": "um", "device": "cpu", "seed": 3, "warnings": [],
            "expected_gain_db": None,
        }  # fmt: skip

    def test_warnings_stand_in_json_and_on_standard_error(self, tif, out):
        done = succeed("run", tif, out, "--factor", 2, "--preset", "fast", "--json")
        warning = "linear has no presets; --preset does nothing"
        assert json.loads(done.stdout)["warnings"] == [warning]
        assert done.stderr == f"warning: {warning}\n"

    def test_names_with_spaces_and_any_letters(self, tif, tmp_path):
        folder = tmp_path / "Gewebe μm – 組織"
        folder.mkdir()
        source, out = folder / "Stück 1 [a].tif", folder / "dicht 1.tif"
        tif.rename(source)
        assert str(out) in succeed("run", source, out, "--factor", 2).stdout
        assert run_json("evaluate", source, "--keep-every", 2)["input"] == source.name
        assert len(tifffile.imread(out)) == 9

    def test_a_name_that_cannot_be_shown(self, tif, tmp_path):
        name = os.fsdecode(b"caf\xe9.tif") if sys.platform == "linux" else "café.tif"  # others refuse such names
        done = succeed("run", tif, name, "--factor", 2, cwd=tmp_path)
        assert "caf" in done.stdout
        assert (tmp_path / name).exists()

    def test_a_name_that_begins_with_a_dash(self, tif, tmp_path):
        succeed("run", "--factor", 2, "--", tif, "-dense.tif", cwd=tmp_path)
        assert (tmp_path / "-dense.tif").exists()


class TestOutputs:
    def test_existing_output(self, tif, out, stack):
        out.write_bytes(b"precious")
        assert "add --overwrite" in fail(1, "run", tif, out, "--factor", 2)
        assert out.read_bytes() == b"precious"
        succeed("run", tif, out, "--factor", 2, "--overwrite")
        np.testing.assert_array_equal(tifffile.imread(out)[::2], stack)

    @pytest.mark.parametrize("link", [False, True])
    def test_the_input_is_never_overwritten(self, tif, tmp_path, link):
        before = tif.read_bytes()
        target = tif
        if link:
            target = tmp_path / "link.tif"
            target.symlink_to(tif)
        assert "is the input" in fail(2, "run", tif, target, "--factor", 2, "--overwrite")
        assert tif.read_bytes() == before

    def test_uncertainty_is_refused_before_the_work_by_methods_without(self, tif, out, tmp_path):
        message = fail(2, "run", tif, out, "--factor", 2, "--uncertainty", tmp_path / "error.tif")
        assert "linear gives no uncertainty" in message
        assert files(tmp_path) == {"in.tif"}

    def test_result_and_uncertainty_need_two_names(self, tif, out, tmp_path):
        message = fail(2, "run", tif, out, "--factor", 2, "--uncertainty", tmp_path / "." / "out.tif", "--overwrite")
        assert "two different names" in message
        assert files(tmp_path) == {"in.tif"}

    def test_new_files_have_the_rights_of_any_other(self, tif, out, tmp_path):
        (tmp_path / "other").touch()
        succeed("run", tif, out, "--factor", 2)
        assert out.stat().st_mode == (tmp_path / "other").stat().st_mode


class TestSettingsFile:
    def test_settings_come_from_the_file(self, tif, out, tmp_path):
        (tmp_path / "s.yaml").write_text("method: cubic\nfactor: 4\nseed: 5\nparameters:\n  kind: spline\n")
        summary = run_json("run", tif, out, "--settings", tmp_path / "s.yaml")
        assert summary["method"] == "cubic"
        assert summary["config"]["kind"] == "spline"
        assert summary["seed"] == 5
        assert summary["shape"][0] == 17

    def test_options_win(self, tif, out, tmp_path):
        (tmp_path / "s.yaml").write_text("method: cubic\nfactor: 4\nparameters: {kind: spline, overshoot: keep}\n")
        given = ["--factor", 2, "-p", "kind=catmull-rom"]
        summary = run_json("run", tif, out, "--settings", tmp_path / "s.yaml", *given)
        assert summary["config"] == {"kind": "catmull-rom", "overshoot": "keep", "match_projections": True}
        assert summary["shape"][0] == 9

    def test_one_target_replaces_another(self, tif, out, tmp_path):
        (tmp_path / "s.yaml").write_text("factor: 4\ndepths: [0, 1, 2, 3, 5]\n")
        given = ["--spacing", "1um", "--z-spacing", "3um"]
        assert run_json("run", tif, out, "--settings", tmp_path / "s.yaml", *given)["shape"][0] == 13

    def test_another_method_does_not_get_the_parameters_of_the_first(self, tif, out, tmp_path):
        (tmp_path / "s.yaml").write_text("method: cubic\nfactor: 2\nparameters: {kind: spline}\n")
        summary = run_json("run", tif, out, "--settings", tmp_path / "s.yaml", "--method", "linear")
        assert summary["config"] == {"match_projections": True}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("facto: 4", "'facto' is not known"),
            ("factor: [", "cannot be read"),
            ("- 4", "'name: value' lines"),
            ("", "'name: value' lines"),
            ("factor: much", "factor: input should be a valid integer"),
            ("parameters: 3", "parameters: input should be a valid dictionary"),
        ],
    )
    def test_bad_files(self, tif, out, tmp_path, text, words):
        (tmp_path / "s.yaml").write_text(text)
        assert words in fail(2, "run", tif, out, "--settings", tmp_path / "s.yaml")

    def test_missing_file(self, tif, out, tmp_path):
        assert "No such file" in fail(2, "run", tif, out, "--settings", tmp_path / "s.yaml")


class TestEvaluate:
    def test_json(self, tif, stack):
        scores = run_json("evaluate", tif, "--methods", "nearest,linear,cubic", "--keep-every", 2)
        assert list(scores) == ["input", "stack", "protocol", "data_range", "device", "settings", "lpips", "methods"]
        assert scores["input"] == "in.tif"
        assert scores["protocol"]["kind"] == "keep_every"
        assert scores["protocol"]["every"] == 2
        assert "measured at 2 times your gap" in scores["protocol"]["description"]
        np.testing.assert_allclose(scores["data_range"], np.percentile(stack, [0.1, 99.9]))
        assert scores["device"] == "cpu"
        assert [each["method"] for each in scores["methods"]] == ["nearest", "linear", "cubic"]
        for each in scores["methods"]:
            assert {"method", "config", "seconds", "peak_memory_mb", "mean", "volume", "sections"} <= set(each)
            assert {"psnr", "ssim", "rmse"} <= set(each["mean"])
            assert [(section["index"], section["z"]) for section in each["sections"]] == [(1, 2.0), (3, 6.0)]
            assert each["peak_memory_mb"] > 10

    def test_scores_are_right(self, tif, stack):
        method = run_json("evaluate", tif, "--methods", "linear", "--keep-every", 2)["methods"][0]
        for section in method["sections"]:
            k = section["index"]
            guess = np.rint(stack[k - 1] / 2 + stack[k + 1] / 2)
            assert section["rmse"] == pytest.approx(np.sqrt(np.mean((guess - stack[k]) ** 2)))

    @pytest.mark.parametrize(
        ("options", "kind", "indices"),
        [
            (["--keep-every", "4"], "keep_every", [1, 2, 3]),
            (["--hold-out", "1,3"], "hold_out", [1, 3]),
            (["--leave-one-out"], "leave_one_out", [1, 2, 3]),
            (["--protocol", "projection:2"], "projection", [0, 1, 2, 3]),
        ],
    )
    def test_protocols(self, tif, options, kind, indices):
        scores = run_json("evaluate", tif, "--methods", "linear", *options)
        assert scores["protocol"]["kind"] == kind
        assert [section["index"] for section in scores["methods"][0]["sections"]] == indices

    def test_reference(self, tif, tmp_path):
        dense = noise((9, 12, 14), seed=1)
        write_imagej(tmp_path / "dense.tif", dense, spacing=1.0)
        scores = run_json("evaluate", tif, "--methods", "linear", "--reference", tmp_path / "dense.tif")
        assert [section["index"] for section in scores["methods"][0]["sections"]] == [1, 3, 5, 7]
        np.testing.assert_allclose(scores["data_range"], np.percentile(dense, [0.1, 99.9]))

    def test_data_range_may_be_negative(self, tif):
        scores = run_json("evaluate", tif, "--keep-every", 2, "--data-range", -1000, 1000)
        assert scores["data_range"] == [-1000, 1000]
        assert [each["method"] for each in scores["methods"]] == ["linear", "cubic"]

    def test_table(self, tif):
        done = succeed("evaluate", tif, "--methods", "nearest,linear", "--keep-every", 2, "--data-range", 0, 200)
        heading, *lines = done.stdout.splitlines()
        assert heading.startswith("in.tif: one section in 2 kept")
        assert "data range 0 to 200" in heading
        scores = run_json("evaluate", tif, "--methods", "nearest,linear", "--keep-every", 2, "--data-range", 0, 200)
        for each in scores["methods"]:
            row = next(line for line in lines if line.startswith(f"│ {each['method']} "))
            cells = [cell.strip() for cell in row.strip("│").split("│")]
            numbers = [float(cell) for cell in cells[1:]]
            for score in ("psnr", "psnr_fg", "ssim", "rmse"):
                assert any(number == pytest.approx(each["mean"][score], rel=1e-3) for number in numbers), score
        assert all(len(line) <= 140 for line in lines)
        assert any(line.startswith("nearest is worse than linear interpolation on this stack, by ") for line in lines)
        assert not any(line.startswith("linear is worse") for line in lines)
        assert done.stderr == ""

    def test_hidden_sections_do_not_leak(self, tmp_path, stack):
        first = write_imagej(tmp_path / "a.tif", stack)
        stack[[1, 3]] = 65535
        second = write_imagej(tmp_path / "b.tif", stack)
        options = ["--methods", "linear", "--keep-every", 2, "--data-range", 0, 200]
        honest, changed = (run_json("evaluate", path, *options)["methods"][0]["sections"] for path in (first, second))
        guess = np.rint(stack[0] / 2 + stack[2] / 2)
        assert changed[0]["rmse"] == pytest.approx(np.sqrt(np.mean((guess - 65535) ** 2)))
        assert changed[0]["rmse"] > honest[0]["rmse"]

    def test_usage(self, tif):
        cases = [
            ([], "choose one protocol"),
            (["--keep-every", "2", "--leave-one-out"], "choose one protocol"),
            (["--keep-every", "1"], "must be 2 or more, got 1"),
            (["--keep-every", "9"], "choose 4 or less"),
            (["--hold-out", "0"], "between the first (0) and the last (4), got [0]"),
            (["--hold-out", "a"], "not a list of sections"),
            (["--protocol", "slice"], "protocol 'slice' is not known"),
            (["--protocol", "projection:5"], "at least 2n sections"),
            (["--keep-every", "2", "--methods", "linear,magic"], "no method 'magic'"),
            (["--keep-every", "2", "--data-range", "5", "5"], "low < high"),
            (["--keep-every", "2", "--acquisition", "projection:2"], "--reference FILE"),
        ]
        processes = many(["evaluate", tif, *options] for options, _ in cases)
        for done, (options, words) in zip(processes, cases, strict=True):
            assert words in check_failure(done, 2), options

    def test_missing_files(self, tif, tmp_path):
        assert "there is no file" in fail(1, "evaluate", tmp_path / "none.tif", "--leave-one-out")
        assert "there is no file" in fail(1, "evaluate", tif, "--reference", tmp_path / "none.tif")


class TestMethods:
    def test_list(self):
        text = succeed("methods").stdout
        for name in ("nearest", "linear", "cubic"):
            assert f"{name}: " in text
        assert "-p kind=catmull-rom" in text

    def test_json(self):
        listed = {each["name"]: each for each in run_json("methods")["methods"]}
        assert {"nearest", "linear", "cubic"} <= set(listed)
        assert listed["cubic"]["parameters"]["kind"]["enum"] == ["catmull-rom", "spline"]
        assert listed["cubic"]["parameters"]["kind"]["default"] == "catmull-rom"
        assert listed["linear"]["acquisitions"] == ["projection", "slice"]


OPTIONS = {
    "methods": ["--json", "--debug"],
    "run": [
        "--method", "--preset", "--factor", "--spacing", "--isotropic", "--acquisition", "--axis", "--z-spacing",
        "--depths", "--channel", "-p", "--settings", "--uncertainty", "--dtype", "--nan", "--device", "--threads",
        "--seed", "--overwrite", "--debug", "--json",
    ],
    "evaluate": [
        "--methods", "--keep-every", "--hold-out", "--leave-one-out", "--reference", "--protocol", "--data-range",
        "--preset", "--acquisition", "--axis", "--z-spacing", "--depths", "--channel", "--nan", "--device", "--threads",
        "--seed", "--debug", "--json",
    ],
    "demo": ["--methods", "--out", "--view", "--device", "--threads", "--seed", "--debug", "--json"],
}  # fmt: skip


class TestHelp:
    @pytest.mark.parametrize("command", OPTIONS)
    def test_every_option_is_explained(self, command):
        lines = succeed(command, "--help").stdout.splitlines()
        for option in OPTIONS[command]:
            line = next(line for line in lines if option in line.replace(",", " ").split())
            words = line.strip("│ ").split()
            assert len([word for word in words if word.isalpha() and word != option]) >= 2, line

    def test_defaults_are_shown(self):
        text = " ".join(succeed("run", "--help").stdout.replace("│", " ").split())
        for name in ("method", "preset", "axis", "dtype", "nan", "device", "seed"):
            default = Settings.model_fields[name].default
            described = " ".join((Settings.model_fields[name].description or "").split())
            assert f"{described} Default: {default}." in text

    def test_commands_and_version(self):
        text = succeed("--help").stdout
        assert all(f" {command} " in text for command in OPTIONS)
        assert succeed("--version").stdout == f"{ndi.__version__}\n"
        assert "Usage" in depth_interp().stdout

    def test_installed_script(self):
        script = Path(sys.executable).with_name("depth-interp")
        assert succeed("--version", command=[script]).stdout == f"{ndi.__version__}\n"
        assert depth_interp("run", command=[script]).returncode == 2


class TestFailures:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["dance"], "No such command 'dance'"),
            (["run"], "Missing argument 'IN'"),
            (["run", "in.tif"], "Missing argument 'OUT'"),
            (["run", "in.tif", "out.tif", "--fast"], "No such option.*--fast"),
            (["run", "in.tif", "out.tif", "--factor", "1.5"], "Invalid value for '--factor'"),
            (["run", "in.tif", "out.tif", "--factor"], "--factor"),
            (["evaluate", "in.tif", "--data-range", "3"], "--data-range"),
        ],
    )
    def test_usage(self, arguments, words):
        assert re.search(words, fail(2, *arguments))

    def test_standard_output_stays_empty_without_json(self, tmp_path):
        done = depth_interp("run", tmp_path / "none.tif", tmp_path / "out.tif")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("depth-interp: there is no file ")

    def test_debug_shows_the_traceback(self, tmp_path):
        done = depth_interp("run", tmp_path / "none.tif", tmp_path / "out.tif", "--debug")
        assert done.returncode == 1
        assert "Traceback (most recent call last)" in done.stderr
        assert "InputError" in done.stderr

    def test_a_reader_that_goes_away(self, tmp_path):
        with started(
            [*MODULE, "methods", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        ) as process:
            process.stdout.close()
            assert b"Traceback" not in process.stderr.read()


BIG = ("--factor", "8", "--threads", "1")


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """40 sections of 2000 x 2000: a few seconds of work."""
    path = tmp_path_factory.mktemp("big") / "big.tif"
    with path.open("wb") as file, tifffile.TiffWriter(file, imagej=True) as writer:
        section = np.tile(np.arange(250, dtype=np.uint8), (2000, 8))
        words = {"axes": "ZYX", "spacing": 2.0, "unit": "um"}
        writer.write((np.roll(section, k, 0) for k in range(40)), shape=(40, 2000, 2000), dtype="uint8", metadata=words)
    return path


def _hear_interrupts():
    """A shell that runs the tests in the background hands SIGINT down ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(arguments, when, **options):
    """Start the command line, interrupt it as soon as ``when`` holds, return (status, output, errors)."""
    with started(
        [*MODULE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        preexec_fn=_hear_interrupts,
    ) as process:  # fmt: skip
        while process.poll() is None and not when(process):
            time.sleep(0.005)
        assert process.poll() is None, "it had ended before it could be interrupted"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


def check_interrupted(status, output, errors):
    assert status == 130
    assert errors.startswith("depth-interp: interrupted")
    assert errors.count("\n") == 1
    assert json.loads(output) == {"error": errors.strip().removeprefix("depth-interp: ")}


class TestInterrupt:
    def test_while_it_computes(self, big, tmp_path):
        import psutil

        def busy(process):  # the input is 160 MB
            return psutil.Process(process.pid).memory_info().rss > 300e6

        check_interrupted(*interrupt(["run", big, tmp_path / "out.tif", "--method", "linear", *BIG, "--json"], busy))
        assert files(tmp_path) == set()

    @pytest.mark.parametrize("name", ["out.tif", "out.nii.gz"])
    def test_while_it_writes(self, tmp_path, name):
        source = write_imagej(tmp_path / "in.tif", noise((12, 1000, 1000), "uint8"))
        (tmp_path / name).write_bytes(b"precious")

        def writing(_process):
            return any(path.name.startswith(".depth-interp-") for path in tmp_path.iterdir())

        arguments = ["run", source, tmp_path / name, "--method", "linear", "--factor", 20, "--overwrite", "--json"]
        check_interrupted(*interrupt(arguments, writing))
        assert files(tmp_path) == {"in.tif", name}
        assert (tmp_path / name).read_bytes() == b"precious"


def test_depths_may_be_a_long_list(tmp_path):
    depths = np.cumsum(np.tile([1.0, 2.0, 1.25], 40)).tolist()
    source = write_imagej(tmp_path / "in.tif", noise((120, 4, 4)))
    text = ",".join(map(repr, depths))
    assert len(text) > 255  # longer than a file name may be
    succeed("run", source, tmp_path / "out.tif", "--depths", text, "--factor", "2")
    assert "must be numbers" in fail(2, "run", source, tmp_path / "o.tif", "--depths", "1,2,x", "--factor", "2")


def test_sigterm_leaves_nothing_half_written(tmp_path):
    """Schedulers end jobs with SIGTERM; the hidden temporary file must go."""
    write_imagej(tmp_path / "big.tif", np.random.default_rng(0).integers(0, 4000, (60, 700, 700), np.uint16))
    command = [*MODULE, "run", "big.tif", "out.nii.gz", "--method", "linear", "--factor", "4"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".depth-interp-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "it finished before it could be stopped"
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.tif"]


def test_an_output_that_is_a_link_keeps_the_link(tmp_path, tif):
    target = tmp_path / "elsewhere.tif"
    target.write_bytes(b"old")
    (tmp_path / "link.tif").symlink_to(target)
    succeed("run", tif, tmp_path / "link.tif", "--factor", "2", "--overwrite")
    assert (tmp_path / "link.tif").is_symlink()
    assert tifffile.imread(target).ndim == 3


def test_no_command_prints_the_help_and_nothing_else():
    done = depth_interp()
    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr
    assert "depth-interp: " not in done.stderr


class TestAuto:
    """The method that trains on the stack, explains itself and says how sure it is."""

    QUICK = ("--method", "auto", "-p", "training_steps=10", "--factor", 2, "--threads", 1)

    @pytest.fixture
    def waves(self, tmp_path):
        """7 sections of a smooth pattern, 2 um apart, pixels of 0.5 um."""
        z, y, x = np.indices((7, 20, 24))
        voxels = 500 + 300 * np.sin(z / 2 + x / 8) + 200 * np.cos(y / 6 - z / 3)
        return write_imagej(tmp_path / "waves.tif", voxels.astype(np.uint16))

    def test_json_has_the_expected_gain_and_the_uncertainty_its_file(self, waves, out, tmp_path):
        summary = run_json("run", waves, out, *self.QUICK, "--uncertainty", tmp_path / "error.tif")
        assert list(summary) == RUN_KEYS
        assert summary["config"]["training_steps"] == 10
        assert summary["expected_gain_db"] > 0
        error = tifffile.imread(tmp_path / "error.tif")
        assert error.dtype == np.float32
        assert error.shape == (13, 20, 24)
        assert (error[::2] == 0).all()
        assert (error[1::2] > 0).any()
        assert imagej(tmp_path / "error.tif")[1]["spacing"] == 1

    def test_words_say_what_it_found(self, waves, out):
        done = succeed("run", waves, out, *self.QUICK, "-p", "candidates=cubic")
        assert "6 new, auto" in done.stdout
        assert "expected gain over linear +" in done.stdout
        assert "mixed from" in done.stdout

    def test_few_sections_are_a_warning(self, tmp_path, out):
        write_imagej(tmp_path / "three.tif", noise((3, 12, 14)))
        summary = run_json("run", tmp_path / "three.tif", out, *self.QUICK, "-p", "candidates=cubic")
        assert summary["expected_gain_db"] is None
        assert any("3 sections" in line for line in summary["warnings"])

    def test_candidates_that_are_not_there(self, waves, out):
        message = fail(2, "run", waves, out, "--method", "auto", "--factor", 2, "-p", "candidates=cubic,magic")
        assert "'magic' cannot be a candidate" in message

    def test_evaluate_says_how_well_it_predicted(self, tmp_path):
        """Images too small to train on: the other candidates take a moment."""
        z, y, x = np.indices((9, 12, 14))
        voxels = 500 + 300 * np.sin(z / 3 + x / 8) + 20 * np.cos(y / 2 - z / 3)
        path = write_imagej(tmp_path / "small.tif", voxels.astype(np.uint16))
        options = ["evaluate", path, "--methods", "linear,auto", "--keep-every", 2, "--threads", 1]
        linear, auto = run_json(*options)["methods"]
        assert (linear["uncertainty"], linear["expected_gain_db"]) == (None, None)
        assert 0.3 < auto["uncertainty"]["coverage_90"] <= 1
        assert -1 <= auto["uncertainty"]["spearman"] <= 1
        assert isinstance(auto["expected_gain_db"], float)
        words = succeed(*options).stdout
        assert "auto: uncertainty against true error: rank correlation" in words
        assert f"auto had expected {auto['expected_gain_db']:+.2f} dB over linear" in words

"""The demonstration, run by the real command line."""

import csv
import json
from io import StringIO

import nibabel
import numpy as np
import pytest
import tifffile

from command_line import fail, files, succeed
from napari_depth_interp.demo import default_methods, demo_stacks
from napari_depth_interp.run.result import Result

METHODS = ["nearest", "linear"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A demonstration of two methods, run twice: folder and JSON of the first run, text of the second.

    The second one asks for LPIPS, too, whose weights cannot be had.
    """
    out = tmp_path_factory.mktemp("demo") / "new" / "results"
    first = succeed("demo", "--out", out, "--methods", ",".join(METHODS), "--json")
    assert first.stderr == ""
    names, table = files(out), (out / "scores.csv").read_text(encoding="utf-8")
    weights = out.parent / "w.pth"
    weights.write_text("no weights")
    options = ["--lpips", "alex", "--lpips-weights", weights]
    second = succeed("demo", "--out", out, "--methods", ",".join(METHODS), *options)
    [warning] = second.stderr.splitlines()
    assert f"LPIPS is n/a: '{weights}' holds something other than" in warning
    assert files(out) == names, "the second run replaces the files of the first"
    return out, json.loads(first.stdout), second.stdout, table


@pytest.fixture(scope="module")
def stacks():
    return {stack.name: stack for stack in demo_stacks()}


def test_files(done):
    out, *_ = done
    kinds = ["sparse", *METHODS]
    expected = {f"mri_{kind}.nii.gz" for kind in kinds} | {f"organoid_{kind}.tif" for kind in kinds}
    expected |= {"nuclei_sparse.tif", "nuclei_linear.tif", "figure.png", "segmentation.png", "report.html"}
    assert files(out) == expected | {"scores.csv", "summary.csv", "scores.json", "segmentations.csv"}


def test_table(done):
    out, scores, text, _ = done
    assert "MRI of a head" in text
    assert "Simulated organoid: one section in 4 kept, the others hidden: measured at 4 times your gap" in text
    assert "nearest is worse than linear interpolation on this stack" in text
    assert str(out) in text.replace("\n", "")
    for stack in scores["stacks"].values():
        for each in stack["methods"]:
            assert f"{each['mean']['ssim']:.4f}" in text


def test_json(done):
    out, scores, *_ = done
    assert list(scores) == ["out", "stacks"]
    assert scores["out"] == str(out)
    assert list(scores["stacks"]) == ["mri", "organoid", "nuclei"]
    for stack in (scores["stacks"][name] for name in ("mri", "organoid")):
        psnr = {each["method"]: each["mean"]["psnr"] for each in stack["methods"]}
        assert list(psnr) == METHODS
        assert psnr["linear"] > psnr["nearest"] > 10


def test_csv_holds_the_same_numbers(done):
    _, scores, _, table = done
    rows = list(csv.DictReader(StringIO(table)))
    expected = [
        {"stack": name, "method": each["method"]} | section
        for name, stack in scores["stacks"].items()
        for each in stack["methods"]
        for section in each["sections"]
    ]
    assert len(expected) > 20
    texts = [{key: "" if value is None else str(value) for key, value in row.items()} for row in expected]
    assert rows == texts


def test_nuclei_are_segmented_and_compared(done):
    out, scores, text, _ = done
    found = scores["stacks"]["nuclei"]["downstream"]
    rows = {row["method"]: row for row in found["rows"] if (row["segmenter"], row["grid"]) == ("watershed", "dense")}
    assert list(rows) == ["linear", "sparse stack", "recorded dense stack"]
    assert rows["recorded dense stack"]["f1"] > 0.9
    assert rows["linear"]["drawn"] == found["objects"] > 40
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "What it is worth: segmentations against labels" in page
    assert "Look through the sections" in page
    assert len(page) < 8e6
    assert "Segmenting (watershed): filling" in text


@pytest.mark.parametrize("name", ["figure.png", "segmentation.png"])
def test_figures_are_drawn(done, name):
    from matplotlib.image import imread

    image = imread(done[0] / name)
    assert image.shape[0] > 500
    assert image.shape[1] > 500
    grey = image[..., :3].mean(axis=2)
    assert grey.std() > 0.1
    assert len(np.unique(grey.round(2))) > 50


def test_dense_mri(done, stacks):
    out, *_ = done
    truth = stacks["mri"].dataset
    assert truth.grid.spacing is not None
    sparse, dense = (nibabel.load(out / f"mri_{kind}.nii.gz") for kind in ("sparse", "linear"))
    assert dense.shape == (128, 96, 23), "from the first kept section to the last"
    np.testing.assert_allclose(dense.header.get_zooms()[2], truth.grid.spacing, rtol=1e-6)
    np.testing.assert_allclose(sparse.header.get_zooms()[2], 2 * truth.grid.spacing, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(dense.dataobj)[..., ::2], np.asarray(sparse.dataobj))
    np.testing.assert_allclose(
        Result.load(out / "mri_linear.nii.gz").dataset.voxels[:, :, ::2], truth.voxels[:, :, :24:2]
    )


def test_dense_organoid(done, stacks):
    out, *_ = done
    truth = stacks["organoid"].dataset
    kept = truth.voxels[0, 0, ::4]
    np.testing.assert_array_equal(tifffile.imread(out / "organoid_sparse.tif"), kept)
    for method in METHODS:
        with tifffile.TiffFile(out / f"organoid_{method}.tif") as file:
            dense, metadata = file.asarray(), file.imagej_metadata
        assert len(dense) == 4 * (len(kept) - 1) + 1
        np.testing.assert_array_equal(dense[::4], kept)
        assert metadata["spacing"] == pytest.approx(truth.grid.spacing)
        assert Result.load(out / f"organoid_{method}.tif").is_observed.sum() == len(kept)


def test_lpips_is_part_of_the_table_when_it_is_asked_for(done):
    out, _, text, _ = done
    assert text.count("LPIPS: n/a, the weights of the network alex cannot be had") == 3, "below each table"
    with (out / "scores.csv").open(newline="", encoding="utf-8") as file:
        assert {row["lpips"] for row in csv.DictReader(file)} == {""}


def test_lpips_weights_need_a_network(tmp_path):
    options = ["--methods", "linear", "--lpips-weights", tmp_path / "w.safetensors"]
    assert "add --lpips alex, vgg or squeeze" in fail(2, "demo", "--out", tmp_path / "out", *options)
    assert files(tmp_path) == set()


def test_default_methods_need_no_training():
    assert {"nearest", "linear", "cubic"} <= set(default_methods())


def test_unknown_method_before_anything_is_made(tmp_path):
    assert "no method 'magic'" in fail(2, "demo", "--out", tmp_path / "out", "--methods", "linear,magic")
    assert files(tmp_path) == set()


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("precious")
    message = fail(1, "demo", "--out", tmp_path / "file" / "out", "--methods", "linear")
    assert "cannot be made" in message
    assert "--out" in message
    assert "cannot be made" in fail(1, "demo", "--out", tmp_path / "file", "--methods", "linear")
    assert (tmp_path / "file").read_text() == "precious"

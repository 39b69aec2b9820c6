"""``depth-interp evaluate`` on labels: asked for, or noticed; as the library; nothing of grey images mixed in."""

import csv
import json

import numpy as np
import pytest

import napari_depth_interp as ndi
from command_line import depth_interp, fail, noise, run_json, succeed, write_imagej
from label_stacks import cone, only

TRUTH = cone(9, 40, centre=(20, 18))
HIDE = ("--keep-every", 2, "--methods", "nearest,shape")
KEYS = ["input", "image", "stack", "protocol", "settings", "unseen", "warnings", "methods"]


@pytest.fixture
def labels(tmp_path):
    """9 annotated sections, 2 um apart; pixels of 1 um."""
    return write_imagej(tmp_path / "labels.tif", TRUTH, spacing=2.0, pixel=1.0)


def without_measurements(scores):
    for method in scores["methods"]:
        del method["seconds"], method["peak_memory_mb"]
    return scores


def test_the_command_scores_as_the_library_does(labels):
    found = run_json("evaluate", labels, "--as-labels", *HIDE)
    assert list(found) == KEYS
    own = ndi.evaluate_labels(labels, ["nearest", "shape"], keep_every=2).as_json()
    assert without_measurements(found) == json.loads(json.dumps(without_measurements(own)))
    assert [method["method"] for method in found["methods"]] == ["nearest", "shape"]
    assert found["stack"]["hidden"] == [1, 3, 5, 7]


def test_people_get_tables_and_words(labels):
    done = succeed("evaluate", labels, "--as-labels", *HIDE)
    for words in ("one annotated section in 2 kept", "Dice", "surface (µm)", "Best: shape, mean Dice", "nearest"):
        assert words in done.stdout
    assert "note" not in done.stderr


def test_a_label_image_is_noticed_and_said(labels):
    done = depth_interp("evaluate", labels, "--keep-every", 2, "--methods", "nearest,shape", "--json")
    assert "'labels.tif' holds labels, so methods for labels are scored; add --no-labels" in done.stderr
    assert {"nearest", "shape"} <= {method["method"] for method in json.loads(done.stdout)["methods"]}


def test_whoever_says_so_scores_labels_as_grey_values(labels):
    grey = run_json("evaluate", labels, "--keep-every", 2, "--no-labels")
    assert [method["method"] for method in grey["methods"]] == ["linear", "cubic"]
    named = run_json("evaluate", labels, "--keep-every", 2, "--methods", "nearest,linear")
    assert "psnr" in named["methods"][0]["mean"]


def test_grey_images_are_no_labels(tmp_path):
    image = write_imagej(tmp_path / "grey.tif", noise((5, 24, 24)))
    done = depth_interp("evaluate", image, "--keep-every", 2, "--json")
    assert "labels" not in done.stderr
    assert "psnr" in json.loads(done.stdout)["methods"][0]["mean"]


def test_annotated_sections_and_labels_are_chosen(tmp_path):
    both = np.where(np.roll(TRUTH, 18, axis=2) != 0, 9, 0).astype(np.uint16)
    both[TRUTH != 0] = 3
    path = write_imagej(tmp_path / "both.tif", both, spacing=2.0, pixel=1.0)
    found = run_json("evaluate", path, "--annotated", "0,2,4,6,8", "--label", "3", *HIDE)
    assert found["stack"]["annotated"] == [0, 2, 4, 6, 8]
    assert found["stack"]["hidden"] == [2, 6]
    assert [row["label"] for row in found["methods"][0]["labels"]] == [3]
    assert found["settings"] == {"annotated": "0,2,4,6,8", "labels": [3]}


def test_sparse_labels_lie_where_they_are_annotated(tmp_path):
    path = write_imagej(tmp_path / "sparse.tif", only(TRUTH, [0, 2, 4, 6, 8]), spacing=2.0, pixel=1.0)
    found = run_json("evaluate", path, "--as-labels", "--hold-out", "4", "--methods", "shape")
    assert found["stack"]["hidden"] == [4]
    assert "must be annotated" in fail(2, "evaluate", path, "--as-labels", "--hold-out", "3")


def test_an_image_goes_with_labels(labels, tmp_path):
    image = write_imagej(tmp_path / "image.tif", noise(TRUTH.shape), spacing=2.0, pixel=1.0)
    assert run_json("evaluate", labels, "--image", image, *HIDE)["image"] == "image.tif"
    other = write_imagej(tmp_path / "other.tif", noise((9, 12, 12)), spacing=2.0, pixel=1.0)
    assert "the image has 9 x 12 x 12 voxels" in fail(2, "evaluate", labels, "--image", other, *HIDE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--as-labels", "--lpips", "alex"), "--lpips goes with grey images"),
        (("--as-labels", "--data-range", 0, 1), "--data-range goes with grey images"),
        (("--as-labels", "--preset", "fast"), "--preset goes with grey images"),
        (("--no-labels", "--label", "3"), "--label goes with labels"),
        (("--as-labels", "--methods", "cubic"), "there is no method 'cubic' for labels"),
        (("--as-labels", "--annotated", "0,99"), "section 99 was named as annotated"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(labels, options, message):
    assert message in fail(2, "evaluate", labels, "--keep-every", 2, *options)


def test_an_image_belongs_to_one_file(labels, tmp_path):
    second = write_imagej(tmp_path / "second.tif", TRUTH, spacing=2.0, pixel=1.0)
    assert "--image belongs to one file" in fail(2, "evaluate", labels, second, "--image", labels, *HIDE)
    both = run_json("evaluate", labels, second, "--as-labels", *HIDE)
    assert list(both) == ["stacks", "summary"]
    assert both["summary"]["shape"]["dice"] == both["stacks"][0]["methods"][1]["mean"]["dice"]


def test_a_report_is_written_and_not_overwritten(labels, tmp_path):
    folder = tmp_path / "report"
    done = succeed("evaluate", labels, "--as-labels", *HIDE, "--report", folder)
    assert f"The report is {folder / 'report.html'}" in done.stdout
    assert {each.name for each in folder.iterdir()} == {
        "report.html", "labels.csv", "scores.csv", "summary.csv", "scores.json",
    }  # fmt: skip
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["stack"], row["method"]) for row in rows] == [("labels.tif", "nearest"), ("labels.tif", "shape")]
    (folder / "report.html").unlink()
    assert "labels.csv' exists" in fail(1, "evaluate", labels, "--as-labels", *HIDE, "--report", folder)
    succeed("evaluate", labels, "--as-labels", *HIDE, "--report", folder, "--overwrite")

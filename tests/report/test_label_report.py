"""The report on labels: its numbers are those of the files beside it, and its pictures show what is wrong."""

import csv
import json

import numpy as np
import pytest
from page_reader import at, full, picture, read_page

from napari_depth_interp.errors import OutputError
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.evaluation.labels import evaluate_labels, label_trials
from napari_depth_interp.labels.settings import LabelSettings
from napari_depth_interp.report.labels.outlines import ADDED, MISSED, SWAPPED, colours_of, errors, outlined, outlines
from napari_depth_interp.report.labels.page import LabelChapter, write_label_report
from napari_depth_interp.report.labels.pictures import LabelPictures
from napari_depth_interp.report.labels.terminal import label_table, score_table
from napari_depth_interp.stack import Dataset

NAME = 'my <labels> & "more".tif'
COMMAND = "depth-interp evaluate 'my <labels>.tif' --as-labels --keep-every 4"
METHODS = ["nearest", "shape"]


def balls(seed=0, shape=(25, 64, 64), count=10):
    rng = np.random.default_rng(seed)
    places = np.indices(shape).reshape(3, -1).T
    volume = np.zeros(len(places), np.uint16)
    for label in range(1, count + 1):
        centre, radius = rng.uniform(0, shape), rng.uniform(3, 9)
        volume[((places - centre) ** 2).sum(1) <= radius**2] = 10 * label
    return volume.reshape(shape)


def dataset(voxels):
    return Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")


def chapter(title, voxels, image=None, every=4):
    labels, protocol, settings = dataset(voxels), Protocol("keep_every", every=every), LabelSettings()
    image = None if image is None else dataset(image)
    pictures = LabelPictures(*label_trials(labels, protocol, settings, image))
    scores = evaluate_labels(labels, METHODS, protocol, settings, image=image, on_result=pictures.keep)
    return LabelChapter(title, scores, pictures)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    truth = balls()
    truth[5, :4, :4] = 999  # on one hidden section only
    image = truth * 3.0 + np.random.default_rng(0).normal(0, 30, truth.shape)
    folder = tmp_path_factory.mktemp("labels") / "new"
    made = chapter(NAME, truth, image.astype(np.float32))
    write_label_report(folder, [made], COMMAND)
    return folder, read_page(folder / "report.html"), made


def loaded(folder):
    return json.loads((folder / "scores.json").read_text(encoding="utf-8"))


def test_every_number_on_the_page_is_that_of_the_json(one):
    folder, page, _ = one
    methods = {method["method"]: method for method in loaded(folder)["methods"]}
    tables = {cell.table for cell in page.cells}
    assert {"headline", "words labels"} <= tables
    for cell in page.cells:
        method = methods[cell.row]
        if cell.score.startswith("labels."):
            _, label, name = cell.score.split(".")
            value = next(row for row in method["labels"] if row["label"] == int(label))[name]
        else:
            value = at(method, cell.score)
        assert cell.value == full(value), cell


def test_csv_files_hold_every_label_and_every_hidden_section(one):
    folder, _, made = one
    for name, held in (("labels.csv", "labels"), ("scores.csv", "sections")):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == sum(len(getattr(each, held)) for each in made.scores.methods)
        assert {row["stack"] for row in rows} == {NAME}
    first = made.scores.methods[0].labels[0]
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert (row["label"], float(row["dice"])) == (str(first["label"]), first["dice"])


def test_the_page_says_what_matters_and_stands_alone(one):
    _, page, _ = one
    assert NAME in page.text
    assert COMMAND in page.text
    assert "Best: shape" in page.text
    assert "label 999 is on hidden sections only" in page.text
    assert "one annotated section in 4 kept, the others hidden" in page.text
    assert "Surface distance 95 %" in page.text
    assert all(link.startswith("data:") for link in page.links)
    assert "script" not in page.tags
    assert all(image["alt"] for image in page.images)


def test_pictures_show_truth_results_and_errors(one):
    _, page, made = one
    sheets = made.pictures.sheets(made.scores)
    sections = [int(sheet.title.split()[2].rstrip(",")) for sheet in sheets[:-1]]
    assert sections == [6, 10, 18]  # each in the middle of its gap
    assert sheets[-1].title.startswith("XZ plane")
    shown = [image for image in page.images if "errors by shape" in image["alt"]]
    assert len(shown) == 4
    colours = {tuple(pixel) for pixel in np.asarray(picture(shown[0])).reshape(-1, 3)}
    assert MISSED in colours or ADDED in colours
    assert (255, 255, 255) in colours
    for sheet, index in zip(sheets, sections, strict=False):
        for method in sheet.methods:
            row = next(row for row in made.scores.of(method.method).sections if row["index"] == index)
            assert method.scores[0].value == repr(row["dice"])


def test_outlines_have_the_colour_of_their_label_and_lie_within_it():
    labels = np.zeros((40, 50), int)
    labels[5:15, 5:25], labels[15:30, 5:25] = 3, 10**12
    edge = outlines(labels)
    assert not edge[labels == 0].any()
    assert edge[14, 10]  # between two labels
    assert edge[15, 10]
    assert not edge[10, 15]
    colours = colours_of(labels)
    assert (colours[10, 10] != colours[20, 10]).any()
    assert (colours_of(labels[:12])[10, 10] == colours[10, 10]).all()
    drawn = outlined(None, labels)
    times = drawn.shape[0] // 40
    assert (drawn[5 * times, 10 * times] == colours[5, 10]).all()


def test_errors_are_told_apart():
    truth, result = np.zeros((2, 60, 60), int)
    truth[10:30, 10:30] = 1
    result[20:40, 10:30] = 1
    result[10:14, 10:30] = 2
    pixels = errors(None, truth, result)
    times = pixels.shape[0] // 60
    at_pixel = {name: tuple(pixels[row * times, 20 * times]) for name, row in
                {"missed": 17, "added": 35, "swapped": 12, "right": 25}.items()}  # fmt: skip
    assert (at_pixel["missed"], at_pixel["added"], at_pixel["swapped"]) == (MISSED, ADDED, SWAPPED)
    assert len(set(at_pixel["right"])) == 1  # grey


def test_leave_one_out_and_no_image_have_pictures_too():
    labels, protocol, settings = dataset(balls(1)), Protocol("leave_one_out"), LabelSettings()
    pictures = LabelPictures(*label_trials(labels, protocol, settings))
    scores = evaluate_labels(labels, ["nearest"], protocol, settings, on_result=pictures.keep)
    sheets = pictures.sheets(scores)
    assert len(sheets) == 4
    assert len(pictures.sheets(scores, most=1)) == 2


def test_several_files_are_told_apart_and_summed_up(tmp_path):
    chapters = [chapter("same.tif", balls(seed, (17, 40, 40), 5), every=2) for seed in range(2)]
    page = read_page(write_label_report(tmp_path, chapters, COMMAND))
    assert {cell.stack for cell in page.cells if cell.stack} == {"same.tif", "same.tif (2)"}
    mean = next(cell for cell in page.cells if cell.score == "summary.dice" and cell.column == "shape")
    assert float(mean.value) == pytest.approx(np.mean([each.scores.of("shape").mean["dice"] for each in chapters]))
    with pytest.raises(OutputError, match="exists"):
        write_label_report(tmp_path, chapters, COMMAND)


def test_labels_that_are_nowhere_hidden_make_a_page_without_a_dice(tmp_path):
    truth = np.zeros((5, 16, 16), np.uint8)
    truth[[0, 2, 4], 4:9, 4:9] = 1
    labels, protocol = dataset(truth), Protocol("keep_every", every=2)
    scores = evaluate_labels(labels, METHODS, protocol, LabelSettings(annotated="all"))
    assert scores.stack["labels"] == 0
    page = read_page(write_label_report(tmp_path, [LabelChapter("a", scores, None)], COMMAND))
    assert "No label is on a hidden section" in page.text
    assert score_table(scores).row_count == 2
    assert label_table(scores) is None

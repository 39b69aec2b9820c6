"""The HTML report: its numbers are those of the CSV and JSON files, and it stands alone."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_reader import at, full, picture, read_page

from command_line import fail, files, succeed, write_imagej
from napari_depth_interp.errors import OutputError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics import CATALOGUE
from napari_depth_interp.report import page as page_module
from napari_depth_interp.report.numbers import difference, number, p_value, seconds_in_digits, signed
from napari_depth_interp.report.page import Chapter, check_folder, write_report
from napari_depth_interp.report.pictures import Pictures
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import simulate

EVERY_4TH = Protocol("keep_every", every=4)
METHODS = ["nearest", "linear", "cubic", "flow"]
FILES = {"report.html", "scores.csv", "summary.csv", "scores.json"}
COMMAND = "depth-interp evaluate 'my <stack> & \"more\".tif' --keep-every 2"
NAME = 'my <stack> & "more".tif'


def stack(specimen="organoid", shape=(17, 48, 40), seed=0):
    return simulate(specimen, shape=shape, voxel_size=(2.0, 0.5, 0.5), seed=seed).observed


def chapter(title, dataset, methods=METHODS, protocol=EVERY_4TH, **options):
    pictures = Pictures(dataset, Settings())
    scores = evaluate(dataset, methods, protocol, Settings(threads=1), on_result=pictures.keep, **options)
    return Chapter(title, replace(scores, input=title), pictures)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A report of one stack: folder and page."""
    folder = tmp_path_factory.mktemp("report") / "new" / "one"
    path = write_report(folder, [chapter(NAME, stack())], COMMAND)
    assert path == folder / "report.html"
    return folder, read_page(path)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A report of six small stacks, two of which are called alike."""
    folder = tmp_path_factory.mktemp("reports")
    chapters = [
        chapter(
            f"{min(i, 4)}.tif", stack("organoid", (9, 24, 24), seed=i), ["linear", "cubic"], Protocol("leave_one_out")
        )
        for i in range(6)
    ]
    return folder, read_page(write_report(folder, chapters, "depth-interp evaluate *.tif --leave-one-out"))


def loaded(folder):
    return json.loads((folder / "scores.json").read_text(encoding="utf-8"))


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Numbers


def shown(score, value, table):
    """Return how a number is written in a table."""
    name = score.split(".")[-1]
    if score == "gain_over_linear_db" and table in ("headline", "gains"):
        return signed(value)
    writers = {"seconds": seconds_in_digits, "difference": difference, "p_value": p_value, "n": str, "stacks": str}
    if score == "peak_memory_mb":
        return f"{value:.0f}"
    return writers.get(name, number)(value)


def check_cells(cells, methods):
    by_name = {each["method"]: each for each in methods}
    for cell in cells:
        method = by_name[cell.row if cell.row in by_name else cell.column]
        value = at(method, cell.score, by_name.get("linear"))
        assert cell.value == full(value), cell
        text = cell.text.removeprefix("▾").removeprefix("± ").strip()
        if not cell.score.startswith("sections"):
            assert text.split(" ±")[0].strip() == shown(cell.score, value, cell.table), cell


def test_every_number_is_that_of_the_json(one):
    folder, page = one
    scores = loaded(folder)
    assert {cell.stack for cell in page.cells} == {NAME}
    check_cells(page.cells, scores["methods"])
    tables = {cell.table.split()[0] for cell in page.cells if cell.table}
    assert tables == {"headline", "words", "full"}


def test_nothing_of_the_json_is_missing(one):
    """The full table has every metric of every method, on all voxels and on the foreground."""
    folder, page = one
    table = {(cell.column, cell.score) for cell in page.cells if cell.table == "full"}
    for method in loaded(folder)["methods"]:
        for group in ("volume", "mean", "std"):
            for key in method[group]:
                if key.removesuffix("_fg") in CATALOGUE and method[group][key] is not None:
                    assert (method["method"], f"{group}.{key}") in table
    for metric in CATALOGUE.values():
        if metric.heading not in ("LPIPS", "LPIPS 3 planes"):
            assert metric.help in page.text
    sections = {(cell.row, cell.score) for cell in page.cells if cell.score.startswith("sections")}
    assert len(sections) == len(METHODS) * 3 * 2, "PSNR and SSIM of three pictured sections"


def test_the_headline_has_a_row_per_method_and_marks_what_is_worse(one):
    _, page = one
    headline = [cell for cell in page.cells if cell.table == "headline"]
    assert list(dict.fromkeys(cell.row for cell in headline)) == METHODS
    psnr = {cell.row: cell for cell in headline if cell.score == "volume.psnr"}
    for method, cell in psnr.items():
        assert ("worse" in cell.kind) == (float(cell.value) < float(psnr["linear"].value) - 0.005), method
    assert "worse" in psnr["nearest"].kind
    assert "worse than linear" in page.text
    assert "nearest is worse than linear interpolation on this stack, by " in page.text


def test_the_summary_csv_is_the_json(one):
    folder, _ = one
    methods = {each["method"]: each for each in loaded(folder)["methods"]}
    table = rows(folder / "summary.csv")
    assert [row["method"] for row in table] == METHODS
    for row in table:
        for path, text in row.items():
            if path in ("stack", "method"):
                continue
            if row["method"] == "linear" and path.startswith("against_linear"):
                assert text == ""
            else:
                assert text == full(at(methods[row["method"]], path, methods["linear"]))
    assert {row["stack"] for row in table} == {NAME}


def test_the_sections_csv_is_the_json(one):
    folder, _ = one
    expected = [
        {"stack": NAME, "method": each["method"]} | {key: full(value) for key, value in row.items()}
        for each in loaded(folder)["methods"]
        for row in each["sections"]
    ]
    assert rows(folder / "scores.csv") == expected
    assert len(expected) == 12 * len(METHODS)


def test_the_files(one):
    assert files(one[0]) == FILES


# The page stands alone


def test_the_page_loads_nothing(one, many):
    for folder, page in (one, many):
        assert page.tags & {"link", "iframe", "object", "embed", "base"} == set()
        assert all(link.startswith("data:image/png;base64,") for link in page.links)
        text = (folder / "report.html").read_text(encoding="utf-8")
        assert "@import" not in text
        assert "url(" not in text
        assert "://" not in text


def test_every_picture_is_one_and_is_described(one, many):
    for _, page in (one, many):
        for attrs in page.images:
            assert np.asarray(picture(attrs).convert("L")).std() > 1
            assert len(attrs["alt"]) > 10
    plots = [attrs["alt"] for attrs in one[1].images if "plot" in attrs["alt"]]
    assert len(plots) == 4
    methods = [attrs["alt"] for attrs in one[1].images if "absolute error" in attrs["alt"]]
    assert len(methods) == 4 * len(METHODS)


def test_names_are_escaped(one):
    folder, page = one
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<stack>" not in text
    assert f"Evaluation of {NAME}" in page.text
    assert COMMAND in page.text


def test_what_a_reader_has_to_know(one):
    _, page = one
    text = " ".join(page.text.split())
    for words in (
        "one section in 4 kept, the others hidden: measured at 4 times your gap",
        "17 × 48 × 40 voxels (z, y, x)", "2 × 0.5 × 0.5 µm (z, y, x)", "uint16", "preset = balanced", "threads = 1",
        "numpy", "scikit-image", "Hidden sections", "Neighbouring sections are alike",
        "hold the same numbers",
    ):  # fmt: skip
        assert words in text


# Several stacks


def test_several_stacks_have_a_summary(many):
    folder, page = many
    found = loaded(folder)
    assert len(found["stacks"]) == 6
    summary = [cell for cell in page.cells if cell.score.startswith("summary.")]
    for cell in summary:
        value = at(found["summary"][cell.row], cell.score.removeprefix("summary."))
        assert cell.value == full(value)
    assert {cell.row for cell in summary} == {"linear", "cubic"}
    gains = {cell.row: cell.value for cell in page.cells if cell.table == "gains"}
    for scores, name in zip(found["stacks"], gains, strict=True):
        by_name = {each["method"]: each for each in scores["methods"]}
        assert gains[name] == full(at(by_name["cubic"], "gain_over_linear_db", by_name["linear"]))
    assert "n = 6 stacks" in page.text


def test_stacks_called_alike_are_told_apart(many):
    folder, page = many
    names = [f"{i}.tif" for i in range(5)] + ["4.tif (2)"]
    assert list(dict.fromkeys(cell.stack for cell in page.cells if cell.stack)) == names
    assert list(dict.fromkeys(row["stack"] for row in rows(folder / "scores.csv"))) == names


def test_each_of_several_stacks_has_its_own_numbers(many):
    folder, page = many
    for name, scores in zip(
        dict.fromkeys(cell.stack for cell in page.cells if cell.stack), loaded(folder)["stacks"], strict=True
    ):
        check_cells([cell for cell in page.cells if cell.stack == name], scores["methods"])


# Odd cases


def test_a_report_without_linear_pictures_or_spread(tmp_path):
    scores = evaluate(stack(shape=(5, 24, 24)), ["cubic"], Protocol("hold_out", sections=(2,)))
    page = read_page(write_report(tmp_path, [Chapter("a", scores, None)], "x"))
    assert "Linear interpolation was not among the methods" in page.text
    assert "Pictures" not in page.text
    assert "None" not in page.text
    assert "nan" not in page.text.replace("nanometer", "")


def test_a_truth_of_one_section(tmp_path):
    dense = stack(shape=(5, 24, 24))
    one = replace(dense, voxels=dense.voxels[:, :, 1:2], grid=replace(dense.grid, depths=dense.grid.depths[1:2]))
    sparse = replace(dense, voxels=dense.voxels[:, :, ::2], grid=replace(dense.grid, depths=dense.grid.depths[::2]))
    scores = evaluate(sparse, ["linear"], Protocol("reference"), reference=one)
    page = read_page(write_report(tmp_path, [Chapter("a", scores, None)], "x"))
    assert "(y, x); z not known" in page.text


def test_an_exact_stack(tmp_path):
    ramp = np.broadcast_to(np.arange(9.0)[:, None, None], (9, 16, 16)) + np.arange(16.0)
    dataset = replace(stack(shape=(9, 16, 16)), voxels=ramp[None, None].astype(np.float32))
    page = read_page(write_report(tmp_path, [chapter("ramp", dataset, ["linear", "nearest"])], "x"))
    assert "Without any error on this stack: linear" in page.text
    assert "nearest is worse than linear interpolation, which is exact" in page.text


def test_uncertainty_is_judged(tmp_path):
    whole = chapter("a", stack(shape=(9, 24, 24)), ["linear", "cubic"])
    linear, cubic = whole.scores.methods
    narrow = replace(
        cubic, uncertainty={"spearman": 0.5, "coverage_90": 0.6}, expected_gain_db=1.0, warnings=("XY/Z!",)
    )
    wide = replace(narrow, method="wide", uncertainty={"spearman": None, "coverage_90": 0.99})
    scores = replace(whole.scores, methods=(linear, narrow, wide))
    text = read_page(write_report(tmp_path, [Chapter("a", scores, None)], "x")).text
    assert "cubic: uncertainty poorly calibrated, its 90 % interval holds 60 % of the voxels: errors are larger" in text
    assert "wide: uncertainty poorly calibrated, its 90 % interval holds 99 % of the voxels: errors are smaller" in text
    assert "cubic had expected +1.00 dB over linear; it was " in text
    assert "Warning (cubic, wide): XY/Z!" in text


def test_why_there_is_no_lpips(tmp_path):
    whole = chapter("a", stack(shape=(9, 24, 24)), ["linear", "cubic"])
    scores = replace(whole.scores, lpips={"net": "alex", "weights": None, "problem": "no <network>"})
    page = read_page(write_report(tmp_path, [Chapter("a", scores, None)], "x"))
    assert "LPIPS is not available: no <network>." in page.text
    assert [cell.text for cell in page.cells if cell.score == "mean.lpips" and cell.table == "headline"] == ["–", "–"]


# Writing


@pytest.fixture(scope="module")
def small():
    return [chapter("a", stack(shape=(5, 16, 16)), ["linear"], Protocol("keep_every", every=2))]


def test_an_existing_report_is_kept_unless_told(tmp_path, small):
    write_report(tmp_path, small, "first")
    with pytest.raises(OutputError, match=r"report.html' exists already; .*--overwrite"):
        write_report(tmp_path, small, "second")
    with pytest.raises(OutputError, match="exists already"):
        check_folder(tmp_path, overwrite=False)
    assert "first" in (tmp_path / "report.html").read_text()
    write_report(tmp_path, small, "second", overwrite=True)
    assert "second" in (tmp_path / "report.html").read_text()
    assert files(tmp_path) == FILES


def test_other_files_of_the_folder_stay(tmp_path, small):
    (tmp_path / "mine.txt").write_text("mine")
    write_report(tmp_path, small, "x")
    assert files(tmp_path) == FILES | {"mine.txt"}


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="is not a folder"):
            check_folder(folder, overwrite=True)
    (tmp_path / "scores.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_folder(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="cannot be made"):
        check_folder(tmp_path / ("x" * 300) / "y", overwrite=True)
    check_folder(tmp_path / "new" / "deep", overwrite=False)
    assert files(tmp_path) == {"file", "scores.csv"}, "checking makes nothing"


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module.os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"):
        check_folder(tmp_path / "new", overwrite=False)


def test_a_page_that_cannot_be_drawn_leaves_nothing(tmp_path, small, monkeypatch):
    def fail_to_draw(*_):
        raise RuntimeError("no ink")

    monkeypatch.setattr(page_module, "render", fail_to_draw)
    with pytest.raises(RuntimeError, match="no ink"):
        write_report(tmp_path / "new", small, "x")
    assert files(tmp_path) == set()


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_full_disk_leaves_the_old_report(tmp_path, small, monkeypatch, failing):
    write_report(tmp_path, small, "first")
    old = {name: (tmp_path / name).read_bytes() for name in FILES}
    written = Path.write_bytes
    count = iter(range(1, 100))

    def write(path, data):
        if next(count) == failing:
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OutputError, match="disk full"):
        write_report(tmp_path, small, "second", overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


# The command line


@pytest.fixture
def tif(tmp_path):
    return write_imagej(tmp_path / "a & b <c>.tif", stack(shape=(9, 24, 24)).voxels[0, 0])


def test_the_command_line_writes_it(tif, tmp_path):
    folder = tmp_path / "new" / "report"
    arguments = ("evaluate", tif, "--methods", "linear,cubic", "--keep-every", 2, "--report", folder)
    printed = json.loads(succeed(*arguments, "--json").stdout)
    assert printed == loaded(folder)
    page = read_page(folder / "report.html")
    check_cells(page.cells, printed["methods"])
    assert "Evaluation of a & b <c>.tif" in page.text
    assert f"depth-interp evaluate '{tif}' --methods linear,cubic --keep-every 2 --report {folder} --json" in page.text
    before = (folder / "report.html").read_bytes()
    assert "exists already" in fail(1, *arguments)
    assert (folder / "report.html").read_bytes() == before
    assert "report.html" in succeed(*arguments, "--overwrite").stdout.replace("\n", "")
    assert files(folder) == FILES


def test_a_failed_evaluation_writes_no_report(tif, tmp_path):
    assert "99" in fail(2, "evaluate", tif, "--keep-every", 99, "--report", tmp_path / "report")
    assert "is not a folder" in fail(1, "evaluate", tif, "--keep-every", 2, "--report", tif)
    assert files(tmp_path) == {tif.name}

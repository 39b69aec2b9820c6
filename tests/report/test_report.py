"""Scores as terminal table, words, CSV and figure."""

import csv
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from napari_depth_interp.errors import OutputError
from napari_depth_interp.evaluation.evaluate import MethodScores, Scores, evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics import CATALOGUE, SECTION_METRICS
from napari_depth_interp.report import (
    Montage,
    describe_finding,
    describe_range,
    describe_uncertainty,
    save_montages,
    score_table,
    verdicts,
    write_csv,
)
from napari_depth_interp.report.conclusions import conclusions
from napari_depth_interp.report.numbers import number
from napari_depth_interp.report.tables import headline
from napari_depth_interp.stack import Dataset, Grid

NAMES = [f"{name}{suffix}" for name in CATALOGUE for suffix in ("", "_fg")]
SECTION_NAMES = [f"{name}{suffix}" for name in SECTION_METRICS for suffix in ("", "_fg")]


def scored(method, *, seconds=1.0, memory=100.0, **mean):
    """Scores that are the same for the mean and for all sections together."""
    both = dict.fromkeys(NAMES) | mean
    return MethodScores(method, {}, seconds, memory, both, both, ())


def scores(*methods, ranges=((0.0, 1.0),)):
    return Scores("a.tif", Protocol("leave_one_out"), ranges, "cpu", methods)


def cells(table):
    """Return {heading: [cell of each method]}, markup kept."""
    return {str(column.header): [str(cell) for cell in column.cells] for column in table.columns}


def printed(table):
    stream = StringIO()
    Console(file=stream, width=200, no_color=True).print(table)
    return stream.getvalue()


@pytest.fixture(scope="module")
def real():
    voxels = np.random.default_rng(0).random((2, 2, 5, 12, 12))
    data = Dataset(voxels, Grid(np.arange(5.0)), axes="TCZYX")
    return evaluate(data, ["linear", "nearest"], Protocol("keep_every", every=2))


def test_the_best_of_each_column_is_bold_whatever_its_direction():
    table = cells(
        score_table(scores(scored("linear", psnr=30.0, rmse=2.0, ssim=0.9), scored("b", psnr=31.0, rmse=3.0, ssim=0.9)))
    )
    assert table["method"] == ["linear", "b"]
    assert table["PSNR (dB)\nmean"] == ["30.00", "[bold]31.00[/bold]"]
    assert table["RMSE\nmean"] == ["[bold]2.0000[/bold]", "3.0000"]
    assert table["SSIM\nmean"] == ["[bold]0.9000[/bold]"] * 2
    assert table["Dice\nmean"] == ["-", "-"]


def test_one_method_alone_is_not_the_best():
    assert cells(score_table(scores(scored("linear", psnr=30.0))))["PSNR (dB)\npooled"] == ["30.00"]


def test_what_has_no_psnr_because_it_is_exact_is_not_beaten():
    table = cells(score_table(scores(scored("linear", rmse=0.0), scored("b", psnr=5.0, rmse=1.0), scored("c", psnr=4))))
    assert table["PSNR (dB)\nmean"] == ["-", "5.0000", "4.0000"]


def test_the_table_prints_all_methods_with_time_and_memory():
    text = printed(score_table(scores(scored("linear", psnr=12345.6, seconds=1.234), scored("b", memory=1234.5))))
    assert "12346" in text
    assert "1.23" in text
    assert "1234" in text
    assert "None" not in text


def test_the_data_range_in_words():
    assert describe_range(scores(ranges=((0.0, 255.0),))) == "0 to 255"
    assert describe_range(scores(ranges=((-1000.0, 1000.0), (0.0, 0.5)))) == "-1000 to 1000, 0 to 0.5"


def test_worse_than_linear_is_said_in_words():
    lines = verdicts(scores(scored("deep", psnr=27.5), scored("linear", psnr=30.0), scored("cubic", psnr=31.0)))
    assert lines == ["deep is worse than linear interpolation on this stack, by 2.50 dB"]


@pytest.mark.parametrize(
    "methods",
    [
        [scored("cubic", psnr=1.0)],  # linear was not asked for
        [scored("linear", psnr=30.0), scored("same", psnr=29.996)],  # not worse by what is printed
        [scored("linear", psnr=30.0), scored("exact")],
        [scored("linear"), scored("exact too")],
    ],
)
def test_no_verdict_where_there_is_nothing_to_say(methods):
    assert verdicts(scores(*methods)) == []


def test_verdicts_are_about_all_sections_together():
    """A mean of PSNR is ruled by empty sections; the pooled one is not."""
    linear = replace(scored("linear", psnr=50.0), volume={"psnr": 23.5})
    better = replace(scored("better", psnr=49.0), volume={"psnr": 24.0})
    assert better.gain_over(linear) == pytest.approx(0.5)
    assert verdicts(scores(linear, better)) == []


def test_nothing_beats_an_exact_linear_interpolation():
    assert verdicts(scores(scored("linear", rmse=0.0), scored("deep", psnr=50.0))) == [
        "deep is worse than linear interpolation, which is exact on this stack"
    ]


# CSV


def test_the_csv_holds_the_numbers_of_the_json(real, tmp_path):
    path = tmp_path / "scores.csv"
    write_csv(path, [("a.tif", real), ("b, c.tif", real)])
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = [
        {"stack": stack, "method": each["method"], **row}
        for stack in ("a.tif", "b, c.tif")
        for each in real.as_json()["methods"]
        for row in each["sections"]
    ]
    assert len(rows) == len(shown) == 2 * 2 * 2 * 2 * 2
    assert list(rows[0]) == ["stack", "method", "index", "z", "gap_position", "time", "channel", *SECTION_NAMES]
    for row, expected in zip(rows, shown, strict=True):
        for name, value in expected.items():
            kind = type(value)
            assert (row[name] == "") if value is None else (kind(row[name]) == value)  # to the last digit


def test_a_score_that_does_not_exist_is_an_empty_cell(tmp_path):
    path = tmp_path / "scores.csv"
    method = replace(scored("linear"), sections=({"index": 1, "z": 2.0, "psnr": None},))
    write_csv(path, [("a", scores(method))])
    assert path.read_bytes() == b"stack,method,index,z,psnr\r\na,linear,1,2.0,\r\n"


def test_an_existing_csv_is_kept_unless_told(real, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write_csv(path, [("a", real)])
    assert path.read_text() == "mine"
    write_csv(path, [("a", real)], overwrite=True)
    assert path.read_text().startswith("stack,method")
    assert list(tmp_path.iterdir()) == [path]


# Figures


def montage(methods=("linear", "cubic"), shape=(20, 30), dtype=np.uint8, **kwargs):
    rng = np.random.default_rng(0)
    image = [rng.integers(0, 255, shape).astype(dtype) for _ in range(3 + len(methods))]
    return Montage(
        "organoid: section 4, µm [x]",
        ("below", image[0]),
        ("truth", image[1]),
        ("above", image[2]),
        dict(zip(methods, image[3:], strict=True)),
        (0.0, 255.0),
        **kwargs,
    )


def read_png(path):
    from matplotlib.image import imread

    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return imread(path)


def test_the_figure_is_a_png_of_reasonable_size(tmp_path):
    path = tmp_path / "figure.png"
    save_montages(path, [montage(), montage(("linear",), pixel_aspect=2.0)])
    height, width = read_png(path).shape[:2]
    assert 600 < height < 3000
    assert 600 < width < 3000
    assert 10_000 < path.stat().st_size < 3_000_000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "odd",
    [
        montage(dtype=np.float32),
        montage(shape=(1, 1)),
        replace(montage(("same",)), methods={"same": montage().truth[1]}),  # no error anywhere
        replace(montage(("holes",)), methods={"holes": np.full((20, 30), np.nan)}),
    ],
    ids=["float", "one-pixel", "exact", "nan"],
)
def test_odd_images_are_drawn(tmp_path, odd):
    path = tmp_path / "figure.png"
    save_montages(path, [odd])
    assert read_png(path).std() > 0


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        save_montages(path, [montage()])
    with pytest.raises(OutputError, match="does not exist"):
        save_montages(tmp_path / "no" / "figure.png", [montage()])
    broken = replace(montage(), methods={"linear": np.zeros((3, 3))})  # another shape than the truth
    with pytest.raises(ValueError, match="broadcast"):
        save_montages(path, [broken], overwrite=True)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


# What methods predicted


def predicted(method, *, spearman=None, coverage=None, gain=None):
    return replace(scored(method), uncertainty={"spearman": spearman, "coverage_90": coverage}, expected_gain_db=gain)


def test_uncertainty_in_words():
    assert describe_uncertainty(
        scores(scored("linear"), predicted("a", spearman=0.618, coverage=0.8765, gain=-0.25))
    ) == [
        "a: uncertainty against true error: rank correlation 0.62; the 90 % interval holds 88 % of the voxels",
        "a had expected -0.25 dB over linear",
    ]


def test_an_uncertainty_that_does_not_vary():
    (line,) = describe_uncertainty(scores(predicted("a", coverage=1.0)))
    assert "no correlation; the 90 % interval holds 100 %" in line


@pytest.mark.parametrize("method", [scored("linear"), predicted("a")])
def test_nothing_predicted_nothing_said(method):
    assert describe_uncertainty(scores(method)) == []


def finding(gain=None, std=None, **shares):
    return {"time": 0, "channel": 0, "expected_gain_db": gain, "gain_std_db": std, "shares": shares}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            finding(1.26, 0.52, linear=0.0, cubic=0.251, section_sr=0.749),
            "expected gain over linear +1.3 dB (90 % interval +0.4 to +2.1); mixed from cubic 25 %, section_sr 75 %",
        ),
        (finding(-0.3, linear=1.0), "expected gain over linear -0.3 dB; mixed from linear 100 %"),
        (finding(linear=1.0), "mixed from linear 100 %"),
        (finding(2.0, 0.1), "expected gain over linear +2.0 dB (90 % interval +1.8 to +2.2)"),
        (finding(), ""),
    ],
)
def test_findings_in_words(found, words):
    assert describe_finding(found) == words


# What the report says before its numbers


def told(*methods):
    return [(each.kind, each.text) for each in conclusions(scores(*methods))]


def with_test(method, p_value, difference=0.5, n=20, **mean):
    test = {"difference": difference, "p_value": p_value, "n": n}
    return replace(scored(method, **mean), against_linear={"psnr": test})


def test_the_best_method_is_named_with_its_gain_and_whether_that_may_be_chance():
    linear = scored("linear", psnr=30.0, rmse=2.0)
    (kind, text), (note, alike) = told(linear, with_test("b", 0.0004, psnr=31.25, rmse=1.0))
    assert kind == "good"
    assert text == (
        "Best: b, pooled PSNR 31.25 dB, 1.25 dB above linear interpolation. "
        "Section by section +0.50 dB on average, unlikely to be chance: p < 0.001, n = 20 sections."
    )
    assert (note, alike.split(",")[0]) == ("note", "Neighbouring sections are alike")
    kind, text = told(linear, with_test("b", 0.3, psnr=31.25, rmse=1.0))[0]
    assert (kind, "could be chance: p = 0.3" in text) == ("note", True)
    kind, text = told(linear, with_test("b", None, n=3, psnr=31.25, rmse=1.0))[0]
    assert (kind, "too few sections for a test, n = 3" in text) == ("note", True)


def test_linear_may_be_the_best():
    found = told(scored("linear", psnr=30.0, rmse=1.0), scored("b", psnr=29.0, rmse=2.0))
    assert found == [
        ("bad", "No method beats linear interpolation on this stack: 30.00 dB."),
        ("bad", "b is worse than linear interpolation on this stack, by 1.00 dB."),
    ]


def test_another_method_may_be_the_best_by_another_measure():
    a = scored("linear", psnr=30.0, psnr_fg=20.0, ssim=0.8, rmse=1.0)
    b = scored("b", psnr=31.0, psnr_fg=19.0, ssim=0.7, rmse=1.0)
    texts = [text for _, text in told(a, b)]
    assert "On the foreground linear is the best: 20.00 dB pooled PSNR (b: 19.00)." in texts
    assert "By mean SSIM linear is the best: 0.8000 (b: 0.7000)." in texts


def test_a_warning_is_told_once_for_all_methods():
    methods = [replace(scored(name, psnr=1.0, rmse=1.0), warnings=("XY differs from Z",)) for name in ("linear", "b")]
    assert ("bad", "Warning (all methods): XY differs from Z.") in told(*methods)


def test_what_is_the_same_for_all_is_not_the_best_of_them():
    table = headline(scores(scored("linear", psnr=30.0, ssim=0.5), scored("b", psnr=31.0, ssim=0.5)))
    cells = {cell.score: cell for cell in table.rows[1].cells}
    assert cells["volume.psnr"].best
    assert not cells["mean.ssim"].best
    assert not cells["volume.psnr"].worse


@pytest.mark.parametrize(
    ("name", "own", "worse"),
    [("volume.psnr", 29.0, True), ("volume.flicker", 1.5, False), ("volume.flicker", 0.2, True),
     ("volume.volume_bias", -0.3, True), ("volume.frc_xy", 2.0, True), ("volume.frc_xy", 1.0, False)],
)  # fmt: skip
def test_worse_than_linear_in_the_direction_of_each_score(name, own, worse):
    key = name.split(".")[1]
    linear = {"psnr": 30.0, "flicker": 0.4, "volume_bias": 0.2, "frc_xy": 1.5}
    table = headline(scores(scored("linear", **linear), scored("b", **(linear | {key: own}))))
    cells = {cell.score: cell for cell in table.rows[1].cells}
    assert cells[name].worse == worse


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.0000"), (0.00001234, "1.23e-05"), (0.0012, "0.001200"), (0.5, "0.5000"), (12.3456, "12.35"),
     (12345.6, "12346"), (1234567.0, "1.23e+06"), (-0.5, "-0.5000")],
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text

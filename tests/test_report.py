"""Scores as table, words, CSV and figure."""

import csv
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from napari_depth_interp.errors import OutputError
from napari_depth_interp.evaluate import MethodScores, Scores, evaluate
from napari_depth_interp.holdout import Protocol
from napari_depth_interp.metrics import METRICS
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
from napari_depth_interp.stack import Dataset, Grid

NAMES = [f"{name}{suffix}" for name in METRICS for suffix in ("", "_fg")]


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
    assert "1.235e+04" in text
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
    assert list(rows[0]) == ["stack", "method", "index", "z", "time", "channel", *NAMES]
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


# What methods foretold


def foretold(method, *, spearman=None, coverage=None, gain=None):
    return replace(scored(method), uncertainty={"spearman": spearman, "coverage_90": coverage}, expected_gain_db=gain)


def test_uncertainty_in_words():
    assert describe_uncertainty(
        scores(scored("linear"), foretold("a", spearman=0.618, coverage=0.8765, gain=-0.25))
    ) == [
        "a: uncertainty against true error: rank correlation 0.62; the 90 % interval holds 88 % of the voxels",
        "a had expected -0.25 dB over linear",
    ]


def test_an_uncertainty_that_does_not_vary():
    (line,) = describe_uncertainty(scores(foretold("a", coverage=1.0)))
    assert "no correlation; the 90 % interval holds 100 %" in line


@pytest.mark.parametrize("method", [scored("linear"), foretold("a")])
def test_nothing_foretold_nothing_said(method):
    assert describe_uncertainty(scores(method)) == []


def finding(gain=None, spread=None, **shares):
    return {"time": 0, "channel": 0, "expected_gain_db": gain, "gain_spread_db": spread, "shares": shares}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            finding(1.26, 0.52, linear=0.0, cubic=0.251, section_sr=0.749),
            "expected gain over linear +1.3 dB (give or take 0.5); mixed from cubic 25 %, section_sr 75 %",
        ),
        (finding(-0.3, linear=1.0), "expected gain over linear -0.3 dB; mixed from linear 100 %"),
        (finding(linear=1.0), "mixed from linear 100 %"),
        (finding(2.0, 0.1), "expected gain over linear +2.0 dB (give or take 0.1)"),
        (finding(), ""),
    ],
)
def test_findings_in_words(found, words):
    assert describe_finding(found) == words

"""The sections of a report looked through in headless Chromium: dragged, scrolled, chosen, and small enough."""

import numpy as np
import pytest

from chromium import opened
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.report import page as page_module
from napari_depth_interp.report.page import Chapter, write_report
from napari_depth_interp.report.pictures import Pictures
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.stack import Dataset, Grid


def chapter(voxels, methods=("nearest", "linear"), every=4):
    dataset = Dataset(voxels[None, None], Grid(2.0 * np.arange(len(voxels)), (1.0, 1.0), "um"))
    pictures = Pictures(dataset, Settings())
    protocol = Protocol("keep_every", every=every)
    scores = evaluate(dataset, methods, protocol, Settings(threads=1), data_range=(0, 255), on_result=pictures.keep)
    return Chapter("stack", scores, pictures)


def ramp():
    """Nine sections; section z is 20 z, brighter towards the right by one step a column."""
    return np.uint8(20 * np.arange(9)[:, None, None] + np.arange(40)[None, None] + np.zeros((9, 24, 40)))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("scrubber"), [chapter(ramp())], "depth-interp evaluate stack.tif")


@pytest.fixture(scope="module")
def page(report):
    with opened(report) as page:
        wait = "new Promise(done => { const look = () => document.querySelector('.scrubber').dataset.ready"
        page.value(f"{wait} ? done() : setTimeout(look, 20); look(); }})")
        yield page


def colours(page):
    """Return the canvas's own pixels (rows, columns)."""
    data = page.value(
        "(() => { const c = document.querySelector('.scrubber canvas');"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); })()"
    )
    return np.reshape(data, (24, 40, 4))[..., :3]


def set_section(page, number):
    page.value(
        f"(() => {{ const s = document.querySelector('.scrubber .section'); s.value = {number};"
        "s.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def choose(page, side, name):
    page.value(
        f"(() => {{ const s = document.querySelector('.scrubber select.{side}'); s.value = {name!r};"
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def test_dragging_moves_the_line_between_truth_and_method(page):
    set_section(page, 3)
    choose(page, "right", "nearest")
    left, top, width, height = page.box(".scrubber .stage")
    middle = top + height / 2
    for share in (0.25, 0.8):
        page.drag((left + 0.5 * width, middle), (left + share * width, middle))
        cut = round(share * 40)
        shown = colours(page)[..., 0]
        truth = ramp()[3]
        np.testing.assert_array_equal(shown[:, :cut], truth[:, :cut])
        np.testing.assert_array_equal(shown[:, cut:], ramp()[4][:, cut:], "nearest repeats the section above")
        screen = page.seen(".scrubber .stage")
        assert screen.shape[1] == pytest.approx(width, abs=1)
        yellow = (screen[..., 0] > 240) & (screen[..., 1] > 180) & (screen[..., 2] < 60)
        assert np.flatnonzero(yellow.any(0)).mean() == pytest.approx(share * width, abs=3)
    page.drag((left + 0.5 * width, middle), (left - 50, middle))
    np.testing.assert_array_equal(colours(page)[..., 0], ramp()[4], "dragged out of the picture: all of one side")


def test_the_section_slider_is_dragged_and_says_where_it_is(page):
    set_section(page, 0)
    left, top, width, height = page.box(".scrubber .section")
    page.drag((left + 8, top + height / 2), (left + width - 8, top + height / 2))
    assert page.value("document.querySelector('.scrubber .where').textContent") == "Section 8, z = 16 µm, kept"
    set_section(page, 2)
    words = page.value("document.querySelector('.scrubber .where').textContent")
    assert words.startswith("Section 2, z = 4 µm, hidden from the methods; nearest ")
    assert words.endswith("; linear exact")


def test_errors_are_made_on_the_page(page):
    set_section(page, 3)
    choose(page, "left", "error nearest")
    choose(page, "right", "error linear")
    left, top, width, height = page.box(".scrubber .stage")
    page.drag((left + 5, top + height / 2), (left + 0.5 * width, top + height / 2))
    shown = colours(page)
    assert shown[:, :20].reshape(-1, 3).std(0).max() == 0, "20 grey steps everywhere"
    assert shown[0, 0].sum() > 200
    assert shown[0, 30].sum() < 10, "no error is black"


def test_the_keyboard_moves_the_line(page):
    before = float(page.value("document.querySelector('.divider').getAttribute('aria-valuenow')"))
    page.value("document.querySelector('.divider').focus()")
    page.key("ArrowRight")
    page.key("ArrowRight")
    assert float(page.value("document.querySelector('.divider').getAttribute('aria-valuenow')")) == before + 4


def test_nothing_is_asked_for_and_nothing_goes_wrong(page):
    assert page.problems == []


def test_a_page_is_smaller_than_8_mb_and_a_stack_too_large_for_it_is_drawn_coarser(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (13, 64, 64), np.uint8)
    one = chapter(noise)
    whole = write_report(tmp_path / "a", [one], "x").stat().st_size
    assert whole < 8e6
    monkeypatch.setattr(page_module, "_SCRUBBED", 60_000)
    coarse = write_report(tmp_path / "b", [one], "x").read_text(encoding="utf-8")
    assert "Shown: one row and column in 2." in coarse
    monkeypatch.setattr(page_module, "_LARGEST", whole - 150_000)
    monkeypatch.setattr(page_module, "_SCRUBBED", 3_500_000)
    smaller = write_report(tmp_path / "c", [one], "x").read_text(encoding="utf-8")
    assert "Look through the sections" not in smaller
    assert len(smaller.encode()) < whole - 150_000

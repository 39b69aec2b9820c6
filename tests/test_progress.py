"""Progress: nesting of reports, and the bar on a terminal."""

import io
import sys

import pytest

from napari_depth_interp.errors import DepthInterpError
from napari_depth_interp.progress import Cancelled, Progress, TrainingPoint, part, terminal_report


@pytest.fixture
def seen():
    return []


def test_a_part_fills_its_share_of_the_whole(seen):
    inner = part(seen.append, 0.25, 0.75)
    for fraction in (0.0, 0.5, 1.0):
        inner(Progress(fraction, "fit"))
    assert [p.fraction for p in seen] == [0.25, 0.5, 0.75]
    assert {p.message for p in seen} == {"fit"}


def test_parts_nest_and_prefixes_add_up(seen):
    inner = part(part(seen.append, 0.5, 1.0, "linear"), 0.0, 0.5, "channel 1")
    inner(Progress(1.0, "row 3"))
    inner(Progress(0.0))
    assert seen == [Progress(0.75, "linear: channel 1: row 3"), Progress(0.5, "linear: channel 1")]


@pytest.mark.parametrize(("fraction", "expected"), [(-1.0, 0.2), (7.0, 0.4)])
def test_a_part_never_leaves_its_share(seen, fraction, expected):
    part(seen.append, 0.2, 0.4)(Progress(fraction))
    assert seen[0].fraction == pytest.approx(expected)


def test_cancelling_goes_through_every_part():
    def cancel(_progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        part(part(cancel, 0, 1), 0, 1)(Progress(0.5))


def test_cancelled_is_not_one_of_the_errors_that_are_caught_and_shown():
    assert not issubclass(Cancelled, DepthInterpError)


def test_progress_is_frozen():
    with pytest.raises(AttributeError):
        Progress(0.5).fraction = 1.0


def test_without_a_terminal_nothing_is_printed(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with terminal_report("linear") as report:
        report(Progress(0.5, "fit"))
        report(Progress(0.5, training=TrainingPoint(1, 20, 0.5)))
    assert stream.getvalue() == ""


def test_each_look_at_the_validation_data_is_a_line(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with terminal_report("train") as report:
        report(Progress(0.5, training=TrainingPoint(10, 20, 0.25, {"psnr": 31.5, "psnr_linear": 30.0})))
    assert stream.getvalue() == "step 10 of 20: loss 0.25; validation: psnr 31.5, psnr linear 30\n"


def test_on_a_terminal_a_bar_with_the_message_appears_on_standard_error(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with terminal_report("linear") as report:
        report(Progress(0.5, "tile 2"))
        report(Progress(1.0))
    assert "linear" in stream.getvalue()
    assert capsys.readouterr().out == ""

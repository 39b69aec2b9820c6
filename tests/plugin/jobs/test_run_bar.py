"""The message over the buttons: long ones do not push the buttons down."""

import pytest
from controls import find

from napari_depth_interp.plugin.jobs.run_bar import RunBar

LONG = "6 sections filled in 2 gaps in 1 s; expected Dice 0.87; 3 of 9 gaps are wider than <typical> objects are tall"


@pytest.fixture
def bar(qtbot):
    bar = RunBar("Run it.")
    qtbot.addWidget(bar)
    bar.resize(200, 100)
    bar.show()
    return bar


def test_the_start_of_a_long_message_takes_two_lines_and_the_tool_tip_has_it_whole(bar):
    bar.say_start(LONG)
    label = find(bar, "message")
    assert label.text().endswith(" …")
    assert LONG.startswith(label.text().removesuffix(" …"))
    lines = label.heightForWidth(label.width()) / label.fontMetrics().lineSpacing()
    assert lines < 3
    assert label.toolTip() == f"<qt>{LONG.replace('<', '&lt;').replace('>', '&gt;')}</qt>"


def test_a_wider_bar_shows_more(qtbot, bar):
    bar.say_start(LONG)
    label = find(bar, "message")
    narrow = label.text()
    bar.resize(330, 100)
    qtbot.waitUntil(lambda: label.text() != narrow)
    assert label.text().startswith(narrow.removesuffix(" …"))
    bar.resize(900, 100)
    qtbot.waitUntil(lambda: label.text() == LONG)


def test_the_next_message_is_shown_whole(bar):
    bar.say_start(LONG)
    bar.say(LONG, problem=True)
    label = find(bar, "message")
    assert (label.text(), label.toolTip()) == (LONG, "")

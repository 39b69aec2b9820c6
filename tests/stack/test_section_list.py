"""Section numbers as they are written: 12,40-41."""

import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.stack.section_list import parse_sections, section_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)),
        ("49", (49,)),
        ("12,40-41", (12, 40, 41)),
        (" 41 , 12, 40 - 41 ,12", (12, 40, 41)),
        ("3-3", (3,)),
        ("0-49", tuple(range(50))),
    ],
)
def test_what_is_written_is_what_is_meant(text, expected):
    assert parse_sections(text, 50) == expected
    assert parse_sections(section_text(expected), 50) == expected


@pytest.mark.parametrize("text", ["", " ", ",", "3,", "a", "3-", "-3", "5-3", "3:5", "1.5", "3--5", "1e3", "9" * 10])
def test_what_cannot_be_read_is_refused_in_one_line(text):
    with pytest.raises(RequestError, match=r"cannot be read; give their numbers, .* as --exclude") as caught:
        parse_sections(text, 50)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "named"), [("50", 50), ("3,40-60", 60), ("0-999999999", 999999999)])
def test_a_section_that_there_is_not_is_named(text, named):
    message = f"section {named} was named, but the stack has sections 0 to 49; correct --sections {text}"
    with pytest.raises(RequestError, match=message):
        parse_sections(text, 50, "--sections")


def test_a_long_list_is_shortened_in_the_message():
    with pytest.raises(RequestError) as caught:
        parse_sections("1," * 500, 50)
    assert len(str(caught.value)) < 250


def test_neighbours_are_written_as_a_range():
    assert section_text([41, 12, 40, 12]) == "12,40-41"
    assert section_text([]) == ""

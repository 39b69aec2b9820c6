"""Lengths with units."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_depth_interp.errors import RequestError
from napari_depth_interp.stack.units import convert, normalise_unit, parse_length

UNITS = ("nm", "um", "mm", "cm", "m", "inch", "angstrom")


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("um", "um"), ("µm", "um"), ("μm", "um"), ("\\u00B5m", "um"), ("\\xb5m", "um"), ("Micron", "um"),
        ("Micrometers", "um"), (" mm ", "mm"), ("MM", "mm"), ("millimetre", "mm"), ("nanometer", "nm"),
        ("m", "m"), ("metre", "m"), ("cm", "cm"), ("inches", "inch"), ("in", "inch"), ("Å", "angstrom"),
        ("\u212b", "angstrom"), ("um\x00", "um"),
    ],
)  # fmt: skip
def test_every_spelling_gives_one_name(written, unit):
    assert normalise_unit(written) == unit


@pytest.mark.parametrize("written", ["", "pixel", "voxel", "s", None, 0, "parsec", "u m"])
def test_what_is_no_length_unit_gives_none(written):
    assert normalise_unit(written) is None


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [(1, "mm", "um", 1000), (1000, "nm", "um", 1), (25.4, "mm", "inch", 1), (1, "m", "angstrom", 1e10),
     (0.1, "um", "nm", 100), (2.5, "um", "um", 2.5)],
)  # fmt: skip
def test_round_conversions_are_exact(value, unit, to, expected):
    assert convert(value, unit, to) == expected


@given(st.floats(1e-6, 1e6), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_conversion_and_back_is_the_identity(value, unit, to):
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2um", (2.0, "um")), ("0.5 mm", (0.5, "mm")), ("2", (2.0, None)), (" .5µm ", (0.5, "um")), ("2.", (2.0, None)),
     ("+1e-3 m", (1e-3, "m")), ("3E2nm", (300.0, "nm")), ("1in", (1.0, "inch"))],
)  # fmt: skip
def test_parse_length(text, expected):
    assert parse_length(text) == expected


@pytest.mark.parametrize("text", ["", "um", "0", "0um", "-2um", "nan", "inf", "1e400um", "1e-400um", "2 3um", "2;um 3"])
def test_text_that_is_no_length_is_refused(text):
    with pytest.raises(RequestError, match=re.escape(f"'{text}' is not a length")):
        parse_length(text)


def test_an_unknown_unit_names_the_known_ones():
    with pytest.raises(RequestError, match=r"unit 'px' in '2px' is not known; use one of nm, um, .*angstrom"):
        parse_length("2px")

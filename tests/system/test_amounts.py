"""Times and sizes are given in the unit that suits them."""

import pytest

from napari_depth_interp.system.amounts import duration, elapsed, size_in_words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.01, "0.1 s"), (3.21, "3.2 s"), (42, "42 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "0.1 s"), (3.21, "3.2 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (331, "5 min 31 s"), (7499, "2 h 05 min")],
)
def test_measured_time(seconds, words):
    assert elapsed(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (800, "1 kB"),
        (99_000, "99 kB"),
        (1.24e6, "1.2 MB"),
        (12e6, "12 MB"),
        (2.5e9, "2.5 GB"),
        (1.966e15, "1,966.0 TB"),
    ],
)
def test_size(count, words):
    assert size_in_words(count) == words

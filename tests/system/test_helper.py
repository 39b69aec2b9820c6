"""Work that another process takes half of."""

import os
import time

import pytest

from napari_depth_interp.progress import Cancelled, Progress, silent
from napari_depth_interp.system.helper import with_helper


def squared(number, report):
    """Return the square and the process that made it."""
    report(Progress(1.0, str(number)))
    return number**2, os.getpid()


def endless(number, report):
    """Work until told to stop; odd numbers fail at once."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    while True:
        report(Progress(0.5))
        time.sleep(0.01)


def test_every_second_piece_is_made_elsewhere_and_all_come_back_in_order():
    told = []
    made = with_helper(squared, [1, 2, 3, 4, 5], told.append)
    assert [number for number, _ in made] == [1, 4, 9, 16, 25]
    here, there = {process for _, process in made[::2]}, {process for _, process in made[1::2]}
    assert here == {os.getpid()}
    assert len(there) == 1
    assert there.isdisjoint(here)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert 0.6 <= fractions[-1] <= 1


def test_what_fails_there_ends_the_work_here():
    with pytest.raises(ValueError, match="1 is odd"):
        with_helper(endless, [0, 1], silent)


def test_who_cancels_here_stops_the_helper():
    def cancel(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        with_helper(endless, [0, 2], cancel)

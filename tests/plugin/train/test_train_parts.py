"""The small parts of the widget: time left, curves, picture, control."""

from itertools import pairwise

import numpy as np
import pytest

from napari_depth_interp.plugin.train.picture import arranged
from napari_depth_interp.plugin.train.progress_panel import averaged, smoothed
from napari_depth_interp.plugin.train.task import Control, Pace
from napari_depth_interp.progress import Cancelled, Progress, Stopped, TrainingPoint


def test_time_left_counts_no_pauses():
    pace = Pace()
    assert pace.left(100) is None
    for step in range(10):
        pace.note(step, step * 2.0)
    assert pace.left(19) == pytest.approx(20)
    pace.pause(18.0)
    pace.go_on(1018.0)
    pace.note(10, 1020.0)
    assert pace.left(20) == pytest.approx(20)


def test_long_curves_are_averaged_and_what_is_no_number_left_out():
    assert averaged([1.0, 2.0, 3.0], 10) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert averaged([1.0, 3.0, float("nan"), 5.0], 2) == [(1.5, 2.0), (3.5, 5.0)]
    assert len(averaged([0.0] * 100_001, 400)) <= 400


@pytest.mark.parametrize(("shape", "whole"), [((3, 4, 9), (16, 9)), ((3, 9, 4), (9, 16)), ((1, 5, 5), (5, 5))])
def test_panels_stand_so_that_they_fit(shape, whole):
    panels = np.arange(np.prod(shape), dtype=float).reshape(shape)
    image = arranged(panels)
    assert image.shape == whole
    np.testing.assert_array_equal(image[: shape[1], : shape[2]], panels[0])
    np.testing.assert_array_equal(image[-shape[1] :, -shape[2] :], panels[-1])


def test_stop_waits_for_a_step_and_cancel_reaches_a_pause():
    control, seen = Control(), []
    watched = control.watch(seen.append)
    control.stop()
    watched(Progress(0.0, "reading"))
    with pytest.raises(Stopped):
        watched(Progress(0.1, training=TrainingPoint(1, 10, 0.5)))
    assert [point.step for point in control.take()] == [1]
    assert control.take() == []

    def cancelled(progress):
        if len(asked) == 3:
            raise Cancelled
        asked.append(progress)

    asked = []
    paused = Control()
    paused.pause()
    with pytest.raises(Cancelled):
        paused.watch(cancelled)(Progress(0.1, training=TrainingPoint(1, 10, 0.5)))
    assert len(asked) == 3


def test_the_smoothed_loss_follows_the_loss():
    assert smoothed([(1.0, 2.0), (2.0, 2.0)]) == [(1.0, pytest.approx(2.0)), (2.0, pytest.approx(2.0))]
    noisy = [(float(x), 5.0 - x / 100 + (-1) ** x) for x in range(400)]
    calm = smoothed(noisy)
    assert abs(calm[-1][1] - (5.0 - 3.99)) < 0.15
    assert max(abs(b[1] - a[1]) for a, b in pairwise(calm[50:])) < 0.3
    assert smoothed([]) == []

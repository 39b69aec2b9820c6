"""What every learned method costs on a GPU besides arithmetic: copies, waiting, double precision; and full memory."""

from functools import cache

import numpy as np
import pytest
from counting_device import counting
from learned_work import DEVICE, PARAMETERS, work_of

from napari_depth_interp.methods import registry

EVERY = pytest.mark.parametrize("name", list(PARAMETERS))
TRAINED = [name for name in PARAMETERS if name != "auto"]
ROUNDED = {"section_sr": 1e-2}
"""Tolerances, of the range, where a CPU folds convolutions, so that steps on rounded gradients part ways."""


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """A function that returns the work of a method on a device, done once."""
    return cache(lambda name, device=DEVICE: work_of(name, device, tmp_path_factory.mktemp(f"model-{name}")))


LEFT = {"inr": 0.9, "rrdb_gan": 0.9, "rrdb_gan_z": 0.9}
"""Share of the memory that a method has needed and is left with; more where margins or planes are most of it."""


def test_none_is_forgotten():
    learned = {name for name in registry.names() if registry.get(name).training is not None}
    assert learned <= set(PARAMETERS)
    on_gpu = {name for name in registry.names() if "cuda" in registry.get(name).devices}
    assert on_gpu <= set(PARAMETERS)


@EVERY
def test_it_gives_what_the_cpu_gives(at_work, name):
    here, there = at_work(name, "cpu"), at_work(name)
    assert there.rendering.kernels > 0
    assert here.rendering.kernels == 0
    tolerance = ROUNDED.get(name, 2e-3) * float(np.ptp(here.stack.voxels))
    np.testing.assert_allclose(there.values, here.values, atol=tolerance)


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_waits_for_nothing(at_work, name):
    """The first steps bring tables to the device, which stay there; the loss of step 1 is read.

    A training that keeps a checkpoint copies all of it, at a tenth of the steps; here, where these are few, at half.
    """
    steps = at_work(name).steps[2:-1]
    if registry.get(name).needs_model:
        steps = [each for each in steps if each.to_host == 0]
    assert len(steps) >= 2
    assert max(each.to_device for each in steps) <= 2
    assert [each.to_host for each in steps] == [0] * len(steps)
    assert [each.syncs for each in steps] == [0] * len(steps)
    assert [each.doubles for each in steps] == [0] * len(steps)


@EVERY
def test_rendering_copies_each_chunk_once_and_waits_for_none_by_itself(at_work, name):
    work = at_work(name)
    assert max(each.to_host for each in work.chunks) <= (4 if name == "microdiffusion" else 2)
    assert max(each.to_device for each in work.chunks) <= 6
    assert work.rendering.doubles == 0
    assert work.rendering.syncs <= 3


@pytest.mark.parametrize("name", [name for name in TRAINED if name != "msdsr_kplanes"])
def test_full_memory_makes_smaller_chunks(at_work, name):
    """Of all but those that are made of others."""
    work = at_work(name)
    with counting() as counts:
        counts.largest = int(LEFT.get(name, 0.7) * work.biggest)
        again = work.again()
        assert counts.refused > 0
    tolerance = 1e-3 * float(np.ptp(work.stack.voxels))
    if not registry.get(name).sampled:
        np.testing.assert_allclose(again, work.values, atol=tolerance)
    assert np.isfinite(again).all()


def test_the_device_is_the_one_that_was_asked_for(at_work):
    assert str(next(at_work("inr").method.field()[0].parameters()).device) == DEVICE

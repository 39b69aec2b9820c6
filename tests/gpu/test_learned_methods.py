"""What every learned method costs on a GPU besides arithmetic: copies, waiting, double precision; and full memory."""

from functools import cache

import numpy as np
import pytest
import torch
from counting_device import counting
from learned_work import DEVICE, PARAMETERS, learner_of, work_of

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import registry
from napari_depth_interp.nn import batches
from napari_depth_interp.progress import silent

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


@pytest.mark.parametrize("name", [name for name in TRAINED if name != "msdsr_kplanes"])
def test_full_memory_makes_smaller_batches(at_work, tmp_path, monkeypatch, name):
    """Two attempts at the first step fail; from then on a quarter is drawn, and the training ends as any other."""
    stack = None if registry.get(name).needs_model else at_work(name).stack
    given, real, failures = [], batches.Batches.limited, iter([True, True])

    def limited(self, count):
        given.append((count, real(self, count)))
        return given[-1][1]

    def backward(loss, **options):
        if next(failures, False):
            raise torch.OutOfMemoryError("simulated")
        return torch.autograd.backward(loss, **options)

    monkeypatch.setattr(batches.Batches, "limited", limited)
    monkeypatch.setattr(torch.Tensor, "backward", backward)
    runtime = Runtime("cpu", 1, 0)
    if registry.get(name).needs_model:
        learner, data = learner_of(name, runtime, batch=4)
        learner.train(data, tmp_path, resume=False, report=silent)
    else:
        spec = registry.get(name)
        large = {"batch": 4} if "batch" in spec.config.model_fields else {}
        method = spec.create(spec.config(**{**spec.presets.get("fast", {}), **PARAMETERS[name], **large}), runtime)
        method.prepare(stack, report=silent)
    count = given[0][0]
    assert count >= 4
    assert {parts for asked, parts in given[-3:]} == {max(1, count // 4)}


def test_one_example_that_does_not_fit_is_an_error():
    shrinking = batches.Batches()

    def attempt():
        batches.at_once(6)
        raise torch.OutOfMemoryError("simulated")

    with pytest.raises(torch.OutOfMemoryError):
        shrinking.fit(attempt)
    assert shrinking.limited(6) == 1
    with pytest.raises(RuntimeError, match="of another kind"):
        shrinking.fit(lambda: (_ for _ in ()).throw(RuntimeError("of another kind")))


def test_the_device_is_the_one_that_was_asked_for(at_work):
    assert str(next(at_work("inr").method.field()[0].parameters()).device) == DEVICE

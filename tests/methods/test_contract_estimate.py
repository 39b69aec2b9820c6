"""No method trains in full when only an estimate is asked for."""

from collections import Counter

import numpy as np
import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from napari_depth_interp.methods import registry
from napari_depth_interp.run import estimate
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset
from quick import quick


class Counted:
    """Counts training steps, whoever's loop makes them: the most that one optimiser has made."""

    def __init__(self):
        self._steps = Counter()
        self._handle = register_optimizer_step_post_hook(lambda optimiser, *_: self._steps.update([id(optimiser)]))

    def most(self):
        """Return the most since the last time that somebody asked."""
        most, self._steps = max(self._steps.values(), default=0), Counter()
        return most

    def stop(self):
        self._handle.remove()


@pytest.fixture
def counted():
    counter = Counted()
    yield counter
    counter.stop()


def long_training(name):
    """Return parameters of a small network that would train for thousands of steps, or that has a model."""
    spec = registry.get(name)
    steps = [each for each in ("training_steps", "prior_training_steps") if each in spec.config.model_fields]
    return quick(name) | ({} if spec.needs_model else dict.fromkeys(steps, 3000))


@pytest.mark.parametrize("name", registry.names())
def test_an_estimate_never_trains_in_full(name, counted, monkeypatch):
    """No short run makes more steps than it is allowed (section_sr takes twice as many from random weights)."""
    spec, steps = registry.get(name), []
    real = estimate.execute

    def run(asked, *more):
        counted.most()
        try:
            return real(asked, *more)
        finally:
            steps.append(counted.most())

    monkeypatch.setattr(estimate, "execute", run)
    parameters = long_training(name)
    factor = None if spec.enhances or spec.enlarges > 1 else 2
    size = 64 if name == "msdsr_kplanes" else 48  # its planes learn from nothing smaller
    voxels = np.random.default_rng(0).random((6, size, size))
    dataset = Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5))
    settings = make_settings(method=name, threads=1, parameters=parameters, factor=factor)
    assert estimate.estimate_run(resolve(dataset, settings)).seconds > 0
    trains = spec.training_cost is not None and spec.training_cost.steps(spec.config(**parameters)) > 0
    assert trains == ("training_steps" in parameters)
    assert (max(steps) > 0) == trains
    assert max(steps) <= 2 * estimate._MORE

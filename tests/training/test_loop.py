"""The one loop: it learns, repeats itself, resumes exactly, stops when told."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import WeightsError
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.training.checkpoint import Checkpoint
from napari_depth_interp.training.loop import Plan, train

WANTED = torch.tensor([2.0, -1.0, 0.5])


def network():
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))


def loss(moving, rng):
    """A line in noise: numbers of numpy and, in the dropout, of torch."""
    inputs = torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))
    return (moving(inputs)[:, 0] - inputs @ WANTED).square().mean()


def optimisers(model):
    first, *rest = model.parameters()
    return [torch.optim.SGD([first], lr=0.05, momentum=0.9), torch.optim.AdamW(rest, lr=0.01)]


def trained(steps=60, *, checkpoint=None, each_step=lambda done: None, **plan):
    model = network()
    plan = Plan(60, warm_up=5, **plan)
    assert steps <= plan.steps

    def each(done):
        each_step(done)
        if round(done * plan.steps) == steps < plan.steps:
            raise Cancelled

    return train(model, optimisers(model), loss, plan, each_step=each, checkpoint=checkpoint)


def weights(model):
    return torch.cat([each.flatten() for each in model.state_dict().values()])


def test_it_learns():
    _, losses = trained()
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:5])


def test_same_seed_same_weights_and_another_seed_others():
    first, second, other = (trained(seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_the_weights_are_a_running_average():
    model = network()
    seen = []

    def each_step(_done):
        seen.append(weights(model).clone())

    plan = Plan(5, average=0.5)
    average, _ = train(model, optimisers(model), loss, plan, each_step=each_step)
    wanted = seen[0]
    for each in seen[1:]:
        wanted = 0.5 * wanted + 0.5 * each
    torch.testing.assert_close(weights(average), wanted)
    assert not average.training


def test_the_rate_warms_up_and_falls_by_half_a_cosine():
    plan = Plan(100, warm_up=10, final_rate=0.1)
    assert plan.rate(0) == pytest.approx(0.1)
    assert plan.rate(50) == pytest.approx(0.55)
    assert plan.rate(99) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 0.99)))


def test_gradients_are_clipped():
    model = torch.nn.Linear(1, 1, bias=False)
    start = float(model.weight.detach())
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    plan = Plan(1, warm_up=1, clip=0.25, average=0.0)
    train(model, [descent], lambda moving, rng: 1e6 * moving.weight.sum(), plan, each_step=lambda done: None)
    assert start - float(model.weight.detach()) == pytest.approx(0.25)


def test_cancel_stops_at_that_step():
    seen = []
    with pytest.raises(Cancelled):
        trained(7, each_step=seen.append)
    np.testing.assert_allclose(seen, np.arange(1, 8) / 60)


class TestResume:
    def test_goes_on_exactly(self, tmp_path):
        whole, losses = trained()
        checkpoint = Checkpoint(tmp_path, "data and parameters", every=10)
        with pytest.raises(Cancelled):
            trained(37, checkpoint=checkpoint)
        resumed = []
        again, all_losses = trained(checkpoint=checkpoint, each_step=resumed.append)
        assert resumed[0] == pytest.approx(31 / 60)
        assert all_losses == losses
        assert torch.equal(weights(again), weights(whole))

    def test_a_finished_training_is_not_repeated(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, "same", every=10)
        first, _ = trained(checkpoint=checkpoint)
        resumed = []
        again, _ = trained(checkpoint=checkpoint, each_step=resumed.append)
        assert resumed == []
        assert torch.equal(weights(again), weights(first))

    def test_another_training_is_refused(self, tmp_path):
        trained(checkpoint=Checkpoint(tmp_path, "this data"))
        with pytest.raises(WeightsError, match="belongs to a training on other data"):
            trained(checkpoint=Checkpoint(tmp_path, "other data"))

    def test_a_cut_file_is_refused(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, "same")
        trained(checkpoint=checkpoint)
        [file] = tmp_path.iterdir()
        file.write_bytes(file.read_bytes()[:-50])
        with pytest.raises(WeightsError, match="cannot be read"):
            trained(checkpoint=checkpoint)

    def test_leaves_only_the_checkpoint_and_removes_it(self, tmp_path):
        checkpoint = Checkpoint(tmp_path / "new", "same", every=25)
        with pytest.raises(Cancelled):
            trained(30, checkpoint=checkpoint)
        assert [each.name for each in (tmp_path / "new").iterdir()] == ["checkpoint.safetensors"]
        checkpoint.remove()
        assert list((tmp_path / "new").iterdir()) == []

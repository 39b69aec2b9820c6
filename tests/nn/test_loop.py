"""The one loop: it learns, repeats itself, resumes exactly, stops when told."""

import math

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.nn.checkpoint import Checkpoint
from napari_depth_interp.nn.loop import OptimizerStep, Plan, Validation, ValidationResult, train, train_alternating
from napari_depth_interp.progress import Cancelled, Stopped, silent

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


def trained(steps=60, *, checkpoint=None, validation=None, seen=None, ends=Cancelled, **plan):
    model = network()
    plan = Plan(60, warm_up=5, **plan)
    assert steps <= plan.steps

    def report(progress):
        if seen is not None:
            seen.append(progress)
        if progress.training.step == steps < plan.steps:
            raise ends

    return train(model, optimisers(model), loss, plan, report=report, checkpoint=checkpoint, validation=validation)


def weights(model):
    return torch.cat([each.flatten() for each in model.state_dict().values()])


def test_it_learns():
    losses = trained().history.losses
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:5])


def test_same_seed_same_weights_and_another_seed_others():
    first, second, other = (trained(seed=seed).network for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_the_weights_are_a_running_average():
    model = network()
    seen = []

    def report(_progress):
        seen.append(weights(model).clone())

    plan = Plan(5, average=0.5)
    average = train(model, optimisers(model), loss, plan, report=report).network
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
    train(model, [descent], lambda moving, rng: 1e6 * moving.weight.sum(), plan, report=silent)
    assert start - float(model.weight.detach()) == pytest.approx(0.25)


def test_cancel_stops_at_that_step():
    seen = []
    with pytest.raises(Cancelled):
        trained(7, seen=seen)
    np.testing.assert_allclose([each.fraction for each in seen], np.arange(1, 8) / 60)


def test_each_step_says_what_it_has_shown():
    seen = []
    losses = trained(seen=seen).history.losses
    assert [each.training.loss for each in seen] == losses
    assert [each.training.step for each in seen] == list(range(1, 61))


def test_stopped_keeps_what_was_learned():
    stopped = trained(20, ends=Stopped)
    assert len(stopped.history.losses) == 20
    assert torch.equal(weights(stopped.network), weights(trained(21, ends=Stopped).network)) is False


class TestValidation:
    def check(self, scores, **options):
        """A validation whose scores are given one after the other, and which remembers the weights."""
        given, looked = iter(scores), []

        def measure(moving):
            looked.append(weights(moving).clone())
            return ValidationResult({"psnr": next(given)}, np.zeros((2, 3)))

        return Validation(measure, **options), looked

    def test_the_best_weights_are_the_result(self):
        validation, looked = self.check([1.0, 3.0, 2.0, 2.5, 1.0, 2.9], every=10)
        seen = []
        result = trained(validation=validation, seen=seen)
        assert torch.equal(weights(result.network), looked[1])
        assert not torch.equal(looked[1], looked[2])
        assert [each["step"] for each in result.history.validation] == [10, 20, 30, 40, 50, 60]
        assert [each.training.step for each in seen if each.training.scores] == [10, 20, 30, 40, 50, 60]
        assert seen[9].training.picture.shape == (2, 3)

    def test_it_ends_when_nothing_becomes_better(self):
        validation, _ = self.check([1.0, 3.0, 2.0, 2.0, 9.0], every=10, patience=2)
        assert len(trained(validation=validation).history.losses) == 40

    def test_best_weights_outlive_an_interruption(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, "same", every=1000)
        first, looked = self.check([1.0, 3.0, 2.0], every=10)
        with pytest.raises(Cancelled):
            trained(37, checkpoint=checkpoint, validation=first)
        second, _ = self.check([2.5, 1.0, 2.9], every=10)
        result = trained(checkpoint=checkpoint, validation=second)
        assert torch.equal(weights(result.network), looked[1])
        assert [each["psnr"] for each in result.history.validation] == [1.0, 3.0, 2.0, 2.5, 1.0, 2.9]


class TestResume:
    def test_goes_on_exactly(self, tmp_path):
        whole = trained()
        checkpoint = Checkpoint(tmp_path, "data and parameters", every=10)
        with pytest.raises(Cancelled):
            trained(37, checkpoint=checkpoint)
        resumed = []
        again = trained(checkpoint=checkpoint, seen=resumed)
        assert resumed[0].training.step == 38, "a cancelled training has saved its last step"
        assert again.history == whole.history
        assert torch.equal(weights(again.network), weights(whole.network))

    def test_a_finished_training_is_not_repeated(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, "same", every=10)
        first = trained(checkpoint=checkpoint)
        resumed = []
        again = trained(checkpoint=checkpoint, seen=resumed)
        assert resumed == []
        assert torch.equal(weights(again.network), weights(first.network))

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


class TestTurns:
    """Two networks that move one after the other: one follows a moving mark, the other moves the mark."""

    def train(self, steps=40, *, checkpoint=None, average=0.0):
        torch.manual_seed(3)
        follower, mark = torch.nn.Linear(2, 1), torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Dropout(0.2))
        seen = []

        def move_mark(networks, step):
            seen.append(("mark", step.number, optimizer_steps[0].optimisers[0].param_groups[0]["lr"]))
            inputs = torch.from_numpy(step.rng.normal(size=(8, 2)).astype(np.float32))
            return (networks[1](inputs) - 1).square().mean()

        def follow(networks, step):
            seen.append(("follow", step.number, optimizer_steps[1].optimisers[0].param_groups[0]["lr"]))
            inputs = torch.from_numpy(step.rng.normal(size=(8, 2)).astype(np.float32))
            return (networks[0](inputs) - networks[1](inputs)).square().mean()

        optimizer_steps = [
            OptimizerStep(1, [torch.optim.Adam(mark.parameters(), lr=0.02)], move_mark, lambda step: 1.0),
            OptimizerStep(
                0, [torch.optim.SGD(follower.parameters(), lr=0.1)], follow, lambda step: 0.5 ** (step // 10)
            ),
        ]

        def report(progress):
            if progress.training.step == steps < 40:
                raise Cancelled

        plan = Plan(40, average=average, clip=math.inf)
        trained = train_alternating(follower, [mark], optimizer_steps, plan, report=report, checkpoint=checkpoint)
        return trained, mark, seen

    def test_each_has_its_turn_and_its_rate(self):
        trained, _, seen = self.train()
        assert [name for name, _, _ in seen[:4]] == ["mark", "follow", "mark", "follow"]
        assert {rate for name, _, rate in seen if name == "mark"} == {0.02}
        assert [rate for name, number, rate in seen if name == "follow" and number % 10 == 0] == pytest.approx(
            [0.1, 0.05, 0.025, 0.0125]
        )
        assert len(trained.history.losses) == 40
        assert trained.history.losses[-1] < trained.history.losses[0]

    def test_one_turn_leaves_the_other_network_as_it_is(self):
        torch.manual_seed(3)
        follower, mark = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        before = weights(mark).clone()
        part = OptimizerStep(
            0, [torch.optim.SGD(follower.parameters(), lr=0.1)],
            lambda networks, step: (networks[0](torch.ones(1, 2)) - networks[1](torch.ones(1, 2))).square().sum(),
        )  # fmt: skip
        train_alternating(follower, [mark], [part], Plan(5), report=silent)
        assert torch.equal(weights(mark), before)

    def test_all_networks_resume_exactly(self, tmp_path):
        whole, mark, _ = self.train(average=0.9)
        checkpoint = Checkpoint(tmp_path, "same", every=10)
        with pytest.raises(Cancelled):
            self.train(17, checkpoint=checkpoint, average=0.9)
        again, other_mark, seen = self.train(checkpoint=checkpoint, average=0.9)
        assert seen[0][1] == 17
        assert again.history == whole.history
        assert torch.equal(weights(again.network), weights(whole.network))
        assert torch.equal(weights(other_mark), weights(mark))


def test_a_training_that_goes_astray_ends_with_an_error():
    model = torch.nn.Linear(1, 1)
    with pytest.raises(RequestError, match="loss of step 1 is nan"):
        train(
            model, [torch.optim.SGD(model.parameters(), lr=0.1)],
            lambda moving, rng: moving.weight.sum() * math.nan, Plan(3), report=silent,
        )  # fmt: skip

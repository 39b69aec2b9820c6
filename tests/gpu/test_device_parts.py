"""The parts that keep a GPU from waiting, and the device that tells whether they do."""

import counting_device
import numpy as np
import pytest
import torch
from counting_device import COUNTS, counting

from napari_depth_interp.errors import RequestError
from napari_depth_interp.nn import loop
from napari_depth_interp.nn.checkpoint import Checkpoint
from napari_depth_interp.nn.chunks import Chunks, chunk_bytes
from napari_depth_interp.nn.loop import Plan, train
from napari_depth_interp.nn.runtime import half_precision
from napari_depth_interp.nn.windows import Window, Windows, cut_together
from napari_depth_interp.numerics.rows import all_rows_at, rows_at
from napari_depth_interp.progress import Stopped
from napari_depth_interp.system.transfer import fetched, sent

DEVICE = torch.device("privateuseone:0")
CPU = torch.device("cpu")
RNG = np.random.default_rng


@pytest.fixture(autouse=True)
def counts():
    with counting() as found:
        yield found


def waited(work):
    """Return how often the host waited, and the result."""
    before = COUNTS.copy()
    found = work()
    return COUNTS.since(before).syncs, found


class TestCountingDevice:
    def test_it_refuses_tensors_of_two_devices(self):
        with pytest.raises(RuntimeError, match="mixes tensors"):
            torch.ones(3, device=DEVICE) + torch.ones(3)
        assert (torch.ones(3, device=DEVICE) + torch.tensor(2.0)).cpu().tolist() == [3, 3, 3]

    @pytest.mark.parametrize(
        "work",
        [
            lambda x: x.sum().item(), lambda x: bool(x.max() > 0), lambda x: x[x > 1], lambda x: x.nonzero(),
            lambda x: x.cpu(), lambda x: x[torch.tensor([1, 0])], lambda x: torch.ones(2).to(DEVICE),
            lambda x: torch.tensor([1.0], device=DEVICE), lambda x: x[np.array([0, 2])],
        ],
    )  # fmt: skip
    def test_it_counts_what_waits(self, work):
        values = torch.arange(4.0).to(DEVICE)
        assert waited(lambda: work(values))[0] == 1

    def test_it_counts_nothing_where_nobody_waits(self):
        values = torch.arange(4.0).to(DEVICE, non_blocking=True)
        assert waited(lambda: torch.where(values > 1, values, 0).sum() * values[1:3].flip(0))[0] == 0

    def test_gradients_are_those_of_the_cpu(self):
        found = []
        for device in (CPU, DEVICE):
            torch.manual_seed(0)
            network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.SiLU(), torch.nn.Conv2d(3, 1, 3)).to(
                device
            )
            network(torch.ones(1, 1, 8, 8, device=device)).square().mean().backward()
            found.append(torch.cat([each.grad.flatten().cpu() for each in network.parameters()]))
        torch.testing.assert_close(*found)


class TestTransfer:
    def test_arrays_of_all_types_go_by_one_copy(self, counts):
        arrays = [np.arange(5), np.float32([[1.5], [2]]), np.array([True, False, True]), np.array([], np.float32)]
        there = sent(DEVICE, *arrays)
        assert (counts.to_device, counts.syncs) == (1, 0)
        for one, other, array in zip(there, sent(CPU, *arrays), arrays, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(one.cpu(), array)

    def test_results_are_fetched_while_the_next_one_is_computed(self, counts):
        order = []

        def results():
            for number in range(3):
                order.append(f"computed {number}")
                yield number, torch.full((2,), float(number), device=DEVICE)

        for number, values in fetched(results()):
            order.append(f"fetched {number}")
            assert values.tolist() == [number] * 2
        assert order == ["computed 0", "computed 1", "fetched 0", "computed 2", "fetched 1", "fetched 2"]
        assert (counts.to_host, counts.syncs) == (3, 0)


class TestWindows:
    def places(self, rng):
        """Windows of 4 x 3 out of two volumes, along any two axes, mirrored at random."""
        for number in range(24):
            axes = tuple(rng.permutation(3)[:2].tolist())
            flips = tuple(axis for axis in (0, 1) if rng.random() < 0.5)
            yield Window(number % 2, tuple(rng.integers(0, 2, 3).tolist()), axes, flips)

    def test_a_table_takes_what_slices_take(self, counts):
        sources = [torch.from_numpy(RNG(seed).random(shape)) for seed, shape in enumerate([(5, 6, 7), (8, 5, 5)])]
        places, size = list(self.places(RNG(0))), (4, 3)
        wanted = Windows(sources).cut(places, size)
        windows = Windows([each.to(DEVICE) for each in sources])
        before = counts.copy()
        [found, again], [number] = cut_together([(windows, places, size), (windows, places[:2], size)], np.array([7]))
        assert (counts.since(before).to_device, counts.since(before).syncs) == (1, 0)
        assert torch.equal(found.cpu(), wanted)
        assert torch.equal(again.cpu(), wanted[:2])
        assert number.item() == 7

    def test_a_slice_runs_along_the_axes_that_were_named(self):
        source = torch.arange(24).view(2, 3, 4)
        [found] = Windows([source]).cut([Window(0, (1, 0, 1), (2, 1), (0,))], (2, 3))
        assert torch.equal(found, source[1, 0:3, 1:3].T.flip(0))


@pytest.mark.parametrize("arrays", [(), (np.array([1.0, 2.0]),)])
def test_rows_of_several_groups_are_those_of_each(counts, arrays):
    images = torch.from_numpy(RNG(0).random((2, 9, 4)).astype(np.float32))
    groups = [np.array([0.0, 3.0, 8.0]), np.array([0.4, 7.9]), np.array([2 / 3 * 3, 4.0])]
    found, others = all_rows_at(images.to(DEVICE), groups, *arrays)
    assert counts.syncs == 1, "the images themselves"
    assert len(others) == len(arrays)
    for one, positions in zip(found, groups, strict=True):
        torch.testing.assert_close(one.cpu(), rows_at(images, positions))


class TestChunks:
    def test_what_is_too_much_is_halved_and_remembered(self, counts):
        counts.largest, sizes = 4 * 30, []

        def compute(some):
            sizes.append(some.stop - some.start)
            return torch.ones(10 * (some.stop - some.start), device=DEVICE)

        chunks = Chunks(8)
        assert [(some.start, some.stop) for some, _ in chunks.of(7, compute)] == [(0, 3), (3, 6), (6, 7)]
        assert sizes == [7, 3, 3, 1]
        assert chunks.size == 3

    def test_a_single_one_that_does_not_fit_is_an_error(self, counts):
        counts.largest = 8
        with pytest.raises(torch.OutOfMemoryError):
            list(Chunks(4).of(4, lambda some: torch.ones(5, device=DEVICE)))

    def test_other_errors_pass(self):
        with pytest.raises(RuntimeError, match="mixes"):
            list(Chunks(4).of(4, lambda some: torch.ones(5, device=DEVICE) + torch.ones(5)))

    def test_chunks_follow_the_free_memory_of_a_device(self, monkeypatch):
        assert chunk_bytes(CPU, 5) == 5
        sizes = []
        for free in (2**20, 2**34, 2**50):
            monkeypatch.setattr(counting_device._Module, "mem_get_info", lambda self, device, free=free: (free, free))
            sizes.append(chunk_bytes(DEVICE, 5))
        assert sizes[0] < sizes[1] < sizes[2] < 2**32


@pytest.mark.parametrize(
    ("native", "capability", "training", "wanted"),
    [
        (True, (9, 0), True, torch.bfloat16), (True, (9, 0), False, torch.bfloat16), (False, (7, 5), True, None),
        (False, (7, 5), False, torch.float16), (False, (6, 1), False, None),
    ],
)  # fmt: skip
def test_half_precision_is_what_the_device_has(monkeypatch, native, capability, training, wanted):
    monkeypatch.setattr(counting_device._Module, "is_bf16_supported", lambda self, including_emulation=True: native)
    monkeypatch.setattr(counting_device._Module, "get_device_capability", lambda self, device: capability)
    with torch.set_grad_enabled(training):
        context = half_precision(DEVICE)
    assert (context.fast_dtype if context._enabled else None) == wanted


class TestLoop:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        """Read losses more often, so that few steps show it."""
        assert loop.READ_EVERY == 50
        monkeypatch.setattr(loop, "READ_EVERY", 10)
        monkeypatch.setattr(loop, "READ_AFTER", 1e6)

    def train(self, device, steps=25, *, spoiled=None, stop=None, checkpoint=None):
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1).to(device)
        seen = []

        def loss(moving, rng):
            [inputs] = sent(device, rng.normal(size=(8, 3)).astype(np.float32))
            spoil = float("nan") if seen and len(seen) + 1 == spoiled else 1.0
            return spoil * (moving(inputs)[:, 0] - inputs.sum(1)).square().mean()

        def report(progress):
            seen.append((COUNTS.copy(), progress))
            if len(seen) == stop:
                raise Stopped

        descent = torch.optim.SGD(network.parameters(), lr=0.05)
        trained = train(network, [descent], loss, Plan(steps), report=report, checkpoint=checkpoint)
        return trained, seen

    def test_losses_are_read_now_and_then_and_none_is_lost(self):
        (here, _), (there, seen) = (self.train(device) for device in (CPU, DEVICE))
        np.testing.assert_allclose(there.history.losses, here.history.losses, rtol=1e-6)
        read = [number for number, (_, progress) in enumerate(seen, 1) if progress.training is not None]
        assert read == [1, 10, 20, 25]
        assert seen[-1][0].to_host == 4
        for one, other in zip(here.network.parameters(), there.network.parameters(), strict=True):
            torch.testing.assert_close(one, other.cpu())

    def test_a_loss_that_is_no_number_is_found_at_the_next_look(self, tmp_path):
        checkpoint = Checkpoint(tmp_path, "same", every=6)
        with pytest.raises(RequestError, match="loss of step 13 is nan"):
            self.train(DEVICE, spoiled=13, checkpoint=checkpoint)
        resumed, _ = self.train(DEVICE, checkpoint=checkpoint)
        assert np.isfinite(resumed.history.losses).all()

    def test_slow_steps_are_looked_at_one_by_one(self, monkeypatch):
        """So that a pause or a stop, which wait for a look, come soon."""
        monkeypatch.setattr(loop, "READ_AFTER", -1.0)
        _, seen = self.train(DEVICE, steps=4)
        assert all(progress.training is not None for _, progress in seen)

    def test_a_stop_between_two_looks_keeps_every_loss(self):
        trained, _ = self.train(DEVICE, stop=7)
        assert len(trained.history.losses) == 7
        assert np.isfinite(trained.history.losses).all()

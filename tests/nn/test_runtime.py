"""Threads and seeds of torch: held during a run, and left as they were."""

import pytest
import torch

from napari_depth_interp.method import Runtime
from napari_depth_interp.nn.runtime import half_precision, torch_on


@pytest.fixture(autouse=True)
def _restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_of_the_run_and_then_those_of_before():
    torch.set_num_threads(2)
    with torch_on(Runtime(threads=1)) as device:
        assert torch.get_num_threads() == 1
        assert device == torch.device("cpu")
    assert torch.get_num_threads() == 2


def test_the_seed_rules_inside_and_nothing_outside():
    torch.manual_seed(11)
    expected = torch.rand(4)
    torch.manual_seed(11)
    drawn = []
    for seed in (5, 5, 6):
        with torch_on(Runtime(seed=seed)):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.rand(4), expected)


def test_all_is_restored_after_an_error():
    torch.set_num_threads(2)
    state = torch.get_rng_state()

    def fail():
        with torch_on(Runtime(threads=1)):
            torch.rand(3)
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), state)


def test_runs_within_runs():
    """A composite holds torch, and so does each of its methods."""
    torch.set_num_threads(2)
    with torch_on(Runtime(seed=1, threads=1)):
        with torch_on(Runtime(seed=2, threads=2)):
            assert torch.get_num_threads() == 2
            torch.rand(100)
        assert torch.get_num_threads() == 1
        first = torch.rand(3)
    with torch_on(Runtime(seed=1)):
        assert torch.equal(torch.rand(3), first)


def test_half_precision_is_nearly_the_same_and_ends_with_its_block():
    generator = torch.Generator().manual_seed(0)
    image, weights = torch.randn(1, 8, 12, 12, generator=generator), torch.randn(8, 8, 3, 3, generator=generator)
    exact = torch.nn.functional.conv2d(image, weights)
    with half_precision(torch.device("cpu")):
        found = torch.nn.functional.conv2d(image, weights)
    assert found.dtype in (torch.bfloat16, torch.float32)
    torch.testing.assert_close(found.float(), exact, atol=0.1, rtol=0.02)
    assert torch.equal(torch.nn.functional.conv2d(image, weights), exact)


@pytest.mark.parametrize(
    ("taken", "wide", "native", "dtype"),
    [
        (False, False, False, torch.float32),
        (True, True, True, torch.bfloat16),
        (True, True, False, torch.float32),  # torch takes it and emulates it, at half the speed of single precision
        (True, False, False, torch.bfloat16),  # as ARM and later AVX2 have it
    ],
)
def test_half_precision_only_where_the_processor_has_it(monkeypatch, taken, wide, native, dtype):
    image, weights = torch.randn(1, 2, 4, 4), torch.randn(2, 2, 3, 3)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: taken)
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: wide)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    with half_precision(torch.device("cpu")):
        assert torch.nn.functional.conv2d(image, weights).dtype == dtype

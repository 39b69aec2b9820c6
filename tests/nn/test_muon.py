"""The optimiser Muon: what it makes of singular values, and that it moves as torch's own does."""

import pytest
import torch

from napari_depth_interp.nn.muon import Muon, orthogonal


def matrices(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 6, 6)])
def test_singular_vectors_stay_and_singular_values_become_about_one(shape):
    given = matrices(*shape)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    inner = left.mT @ orthogonal(given) @ right.mT
    values = torch.diagonal(inner, dim1=1, dim2=2)
    assert ((values > 0.6) & (values < 1.3)).all()
    assert torch.allclose(inner, torch.diag_embed(values), atol=1e-4)


def test_the_size_of_a_gradient_does_not_matter_and_none_is_none():
    given = matrices(1, 8, 20)
    assert torch.allclose(orthogonal(given), orthogonal(1e-3 * given), atol=1e-4)
    assert not orthogonal(torch.zeros(1, 8, 20)).any()


def test_it_moves_as_the_optimiser_of_torch():
    """That one rounds to three digits on the way."""
    starts = [matrices(12, 30), matrices(12, 30, seed=1), matrices(24, 6, seed=2)]
    ours, theirs = ([torch.nn.Parameter(each.clone()) for each in starts] for _ in range(2))
    optimisers = Muon(ours, lr=0.02), torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1)
    for number in range(3):
        for which, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            our.grad = matrices(*our.shape, seed=10 * number + which)
            their.grad = our.grad.clone()
        for each in optimisers:
            each.step()
    for start, our, their in zip(starts, ours, theirs, strict=True):
        moved = (their - start).norm()
        assert 0 < (our - their).norm() < 0.1 * moved


def test_a_matrix_without_a_gradient_stays():
    moving, standing = (torch.nn.Parameter(matrices(4, 9)) for _ in range(2))
    optimiser = Muon([moving, standing], lr=0.1)
    moving.grad = matrices(4, 9, seed=3)
    optimiser.step()
    assert torch.equal(standing, matrices(4, 9))
    assert not torch.equal(moving, standing)

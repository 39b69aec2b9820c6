import numpy as np
import pytest
import torch

from napari_depth_interp.methods.kplanes.field import Lerp, Mlp, Planes, Sampling, add_up, render

CPU = torch.device("cpu")


def lerp(positions, knots):
    return Lerp.of(np.asarray(positions, float), np.asarray(knots, float), CPU)


class TestLerp:
    def test_equals_numpy_on_uneven_knots_and_holds_the_ends(self):
        knots, positions = [0.0, 1.0, 4.0], [-1.0, 0.0, 0.25, 2.5, 4.0, 9.0]
        cells = torch.tensor([[1.0, 5.0], [2.0, -1.0], [8.0, 3.0]])
        found = lerp(positions, knots)(cells, 0)
        wanted = np.stack([np.interp(positions, knots, column) for column in cells.T.numpy()], 1)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)

    @pytest.mark.parametrize("dim", [0, 1])
    def test_back_is_the_transpose(self, dim):
        torch.manual_seed(0)
        axis = lerp(np.linspace(-0.3, 6.2, 11), np.arange(7))
        cells = torch.randn(7, 7, 2, dtype=torch.float64)
        values = torch.randn([11 if d == dim else 7 for d in (0, 1)] + [2], dtype=torch.float64)
        forward = (axis(cells, dim) * values).sum()
        assert float(forward) == pytest.approx(float((axis.back(values, dim) * cells).sum()))

    def test_positions_on_the_knots_cost_nothing(self):
        cells = torch.randn(5, 3)
        axis = lerp(np.arange(5), np.arange(5))
        assert axis(cells, 0) is cells
        assert axis.back(cells, 0) is cells


def by_hand(planes, z, y, x):
    """The product of three bilinear look-ups, eq. 14 to 16 of Ohashi 2025, for one voxel."""

    def look_up(plane, a, b):
        i, j = min(int(a), plane.shape[0] - 2), min(int(b), plane.shape[1] - 2)
        s, t = a - i, b - j
        return (
            (1 - s) * (1 - t) * plane[i, j] + s * (1 - t) * plane[i + 1, j]
            + (1 - s) * t * plane[i, j + 1] + s * t * plane[i + 1, j + 1]
        )  # fmt: skip

    return look_up(planes.xy, y, x) * look_up(planes.yz, z, y) * look_up(planes.zx, z, x)


def test_render_is_the_product_of_bilinear_look_ups():
    torch.manual_seed(1)
    planes = Planes(torch.randn(4, 5, 3), torch.randn(3, 4, 3), torch.randn(3, 5, 3))
    places = ([0.0, 0.4, 1.5, 2.0], [0.0, 0.5, 2.25, 3.0], [0.25, 1.0, 3.75])
    sampling = Sampling(*(lerp(at, np.arange(n)) for at, n in zip(places, (3, 4, 5), strict=True)))
    network = Mlp(3, 4, over_sum=False)
    for decoder in (add_up, network):
        found = render(planes, sampling, decoder)
        for k, z in enumerate(places[0]):
            for i, y in enumerate(places[1]):
                for j, x in enumerate(places[2]):
                    wanted = decoder(by_hand(planes, z, y, x)[None])[0].detach()
                    assert float(found[k, i, j]) == pytest.approx(float(wanted), abs=1e-5)


def test_decoder_over_the_sum_starts_as_the_sum():
    features = torch.randn(6, 8)
    assert torch.equal(Mlp(8, 16, over_sum=True)(features), features.sum(-1))

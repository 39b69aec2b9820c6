"""Networks of sines, and tables of features at several resolutions."""

import numpy as np
import pytest
import torch

from napari_depth_interp.methods.inr import InrConfig
from napari_depth_interp.methods.inr.hash_grid import HashGrid, level_cells
from napari_depth_interp.methods.inr.siren import Siren


def points(count):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1


class TestSiren:
    @pytest.fixture
    def siren(self):
        torch.manual_seed(0)
        return Siren((16, 16), 0.4, InrConfig(field="siren", width=256, layers=5))

    def test_what_sines_give_hardly_depends_on_their_depth(self, siren):
        """Variance 1/2 after the first; a sine of normal inputs of variance 2 s gives (1 - exp(-4 s)) / 2, which
        settles at 0.40. Sitzmann et al. 2020, section 3.2, call that about 1/2 throughout."""
        wanted = [0.5]
        for _ in range(4):
            wanted.append((1 - np.exp(-4 * wanted[-1])) / 2)
        with torch.no_grad():
            found = [float(each.var()) for each in siren.activations(points(4000))]
        assert found == pytest.approx(wanted, abs=0.03)

    def test_inputs_of_later_sines_are_about_normal(self, siren):
        with torch.no_grad():
            inside = 30 * siren.layers[2](siren.activations(points(4000))[1])
        spread = float(inside.std())
        assert spread == pytest.approx(1, abs=0.12)
        assert float((inside.abs() < spread).float().mean()) == pytest.approx(0.683, abs=0.03)

    def test_weights_begin_within_their_bounds(self, siren):
        bounds = [1 / 3] + [(6 / 256) ** 0.5 / 30] * 5
        for layer, bound in zip([*siren.layers, siren.last], bounds, strict=True):
            assert 0.95 * bound < float(layer.weight.detach().abs().max()) <= bound

    def test_the_first_layer_has_its_own_frequency(self):
        slopes = {}
        for omega in (3.0, 30.0):
            torch.manual_seed(0)
            field = Siren((16, 16), 0.0, InrConfig(field="siren", width=64, layers=1, omega=omega))
            at = points(500).requires_grad_()
            field.activations(at)[0].sum(-1).sum().backward()
            slopes[omega] = float(at.grad.std())
        assert slopes[30.0] > 3 * slopes[3.0]


class TestHashGrid:
    def grid(self, **changes):
        torch.manual_seed(0)
        field = HashGrid((16, 16), 0.4, InrConfig(field="hash", **{"levels": 4, "table": 10, "finest": 32, **changes}))
        for table in field.tables:
            torch.nn.init.normal_(table)
        return field

    def test_levels_grow_by_one_factor(self):
        assert level_cells(4, 32) == [4, 8, 16, 32]
        assert level_cells(1, 20) == [20]

    def test_corners_hold_their_entries(self):
        field = self.grid()
        for number, cells in enumerate(field.cells):
            corner = torch.randint(0, cells + 1, (50, 3))
            found = field.level(number, corner / cells * 2 - 1)
            torch.testing.assert_close(found, field.tables[number][field.entries(number, corner)], atol=1e-3, rtol=0)

    def test_between_corners_it_is_trilinear(self):
        """The middle of a cell is the mean of its eight corners."""
        field = self.grid()
        corners = torch.tensor([3, 1, 2]) + field.corners
        middle = (torch.tensor([[3.5, 1.5, 2.5]]) / field.cells[2]) * 2 - 1
        wanted = field.tables[2][field.entries(2, corners)].mean(0)
        torch.testing.assert_close(field.level(2, middle)[0], wanted, atol=1e-4, rtol=0)

    def test_it_is_continuous_across_cells(self):
        field = self.grid()
        line = torch.linspace(-1, 1, 20_001)[:, None] * torch.ones(3)
        with torch.no_grad():
            steps = field.features(line).diff(dim=0).abs()
        assert float(steps.max()) < 0.05  # neighbouring entries differ by about 1, 600 steps apart

    def test_small_levels_share_no_entry_and_large_ones_do(self):
        field = self.grid()
        for number, shared in ((0, False), (2, True)):
            along = field.cells[number] + 1
            every = torch.cartesian_prod(*[torch.arange(along)] * 3)
            used = np.unique(field.entries(number, every).numpy())
            assert (len(used) < along**3) == shared
            assert used.max() < len(field.tables[number]) <= 2**10
        assert len(used) > 0.9 * 2**10  # the hash spreads over the whole table

    def test_the_network_behind_is_that_of_the_paper(self):
        sizes = [(each.in_features, each.out_features) for each in self.grid().layers if hasattr(each, "in_features")]
        assert sizes == [(8, 64), (64, 64), (64, 1)]

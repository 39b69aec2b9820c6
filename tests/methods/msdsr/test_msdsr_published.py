"""The preset published, piece by piece: what it says, what training does with it, how it draws, what a model keeps."""

import json
import math

import numpy as np
import pytest
import torch

from napari_depth_interp.errors import RequestError, WeightsError
from napari_depth_interp.method import Runtime
from napari_depth_interp.methods.msdsr import MSDSR, MsdsrConfig
from napari_depth_interp.methods.msdsr import fit as msdsr_fit
from napari_depth_interp.methods.msdsr.diffusion import STEPS, Diffusion
from napari_depth_interp.methods.msdsr.network import PlaneNet, between
from napari_depth_interp.methods.msdsr.planes import FromStacks, masked
from napari_depth_interp.methods.msdsr.sample import draw
from napari_depth_interp.models import folder as model_folder
from napari_depth_interp.nn.contract import TrainingData
from napari_depth_interp.run.request import resolve_method
from napari_depth_interp.stack import Grid, Stack
from small_models import CONFIG, make_model

PUBLISHED = MsdsrConfig(**MSDSR.presets["published"])
SMALL = {**MSDSR.presets["published"], "channels": 8, "levels": 1, "training_steps": 10, "batch": 2}


def tissue(sections, spacing, seed=0):
    rng = np.random.default_rng(seed)
    return Stack(rng.normal(100, 20, (sections, 24, 20)).astype(np.float32), grid(sections, spacing))


def grid(sections, spacing):
    return Grid(np.arange(sections) * float(spacing), (1.0, 1.0), "um")


class Seen(PlaneNet):
    """A network that predicts no noise at all and remembers what it was shown."""

    def __init__(self):
        super().__init__(8, 1, "none")
        self.shown = []

    def forward(self, planes, mask, linear, step):
        self.shown.append((planes.clone(), mask.clone(), linear.clone(), step.clone()))
        return torch.zeros_like(planes)


def drawn(config):
    """Draw a volume (9, 10, 12), every 4th row observed; return it, the observed rows and what the network saw."""
    network, known, mask = Seen(), torch.rand(9, 10, 12), torch.zeros(9)
    mask[::4] = 1
    return draw(network, config, known, mask, (1, 2), lambda _: None), known[::4], network.shown


def test_the_schedule_is_cosine_and_keeps_some_image():
    alphas = Diffusion(PUBLISHED).sampler.alphas_cumprod
    middle = math.cos((0.5005 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert len(alphas) == STEPS == 1000
    assert float(alphas[500]) == pytest.approx(middle, rel=0.005)
    assert 0 < float(alphas[-1]) < 1e-8


def test_the_network_is_asked_for_the_noise_of_hidden_rows_with_an_absolute_loss(monkeypatch):
    """The input is eq. 11, the target the noise: nothing is known of linear interpolation, no offset is added."""
    noises, real = [], torch.randn_like
    monkeypatch.setattr(torch, "randn_like", lambda like: noises.append(real(like)) or noises[-1])
    network, rng = Seen(), np.random.default_rng(0)
    pieces = masked(torch.rand(4, 48, 48), PUBLISHED, 4, rng)
    loss = msdsr_fit.loss_of(network, Diffusion(PUBLISHED), pieces, PUBLISHED.loss)
    [(seen, _, _, step)], [noise] = network.shown, noises
    alpha = Diffusion(PUBLISHED).sampler.alphas_cumprod[step].view(-1, 1, 1)
    observed = pieces.mask[:, :, None] > 0
    wanted = torch.where(observed, pieces.planes, alpha.sqrt() * pieces.planes + (1 - alpha).sqrt() * noise)
    torch.testing.assert_close(seen, wanted)
    hidden = ~observed.expand_as(noise)
    torch.testing.assert_close(loss, noise[hidden].abs().mean())


def test_pieces_are_48_x_48_with_28_to_43_hidden_rows_at_random():
    volume = torch.arange(60.0)[:, None, None].expand(60, 70, 80)
    source = FromStacks([volume], 400, PUBLISHED.columns, PUBLISHED.piece_rows)
    pieces = masked(source.draw(np.random.default_rng(0)), PUBLISHED, 4, np.random.default_rng(1))
    assert pieces.planes.shape == (400, 48, 48)
    hidden = 48 - pieces.mask.sum(1)
    assert (hidden.min(), hidden.max()) == (28, 43)
    gaps = {int(gap) for each in pieces.mask for gap in np.diff(np.flatnonzero(each))}
    assert len(gaps) > 5


def test_the_network_sees_planes_and_mask_only():
    assert PlaneNet(8, 1, PUBLISHED.guide).unet.config.in_channels == 2


def test_it_draws_in_200_steps_with_fresh_noise_and_puts_the_observed_rows_back_at_every_one():
    torch.manual_seed(0)
    found, observed, shown = drawn(PUBLISHED)
    steps = [int(step[0]) for _, _, _, step in shown]
    assert len(steps) == 400  # XZ and YZ
    assert steps[::2] == steps[1::2] == list(range(996, 0, -5))
    for number, (planes, _, _, _) in enumerate(shown):
        across = planes.movedim(0, 1 + number % 2)
        torch.testing.assert_close(across[::4], observed)
    torch.testing.assert_close(found[::4], observed)
    torch.manual_seed(0)
    assert not torch.equal(found, drawn(PUBLISHED.model_copy(update={"eta": 0.0}))[0])


def test_both_directions_go_their_own_way_and_are_averaged_at_the_end():
    torch.manual_seed(0)
    found, _, shown = drawn(PUBLISHED)
    last = [shown[-2][0].movedim(0, 1), shown[-1][0].movedim(0, 2)]
    assert not torch.allclose(*last, atol=0.1)
    alpha = Diffusion(PUBLISHED).sampler.alphas_cumprod[1]
    clean = torch.stack(last).mean(0) / alpha.sqrt()  # no noise is predicted
    torch.testing.assert_close(found[1::4], clean[1::4])


def test_grey_values_are_drawn_not_what_linear_interpolation_misses():
    network = PlaneNet(8, 1, PUBLISHED.guide)
    planes = torch.rand(1, 5, 4)
    linear = between(planes, torch.tensor([[1.0, 0, 0, 0, 1]]))
    assert network.scaled(planes, linear) is planes


def test_one_sample_is_the_result_and_has_no_spread():
    method = MSDSR.create(MsdsrConfig(**{**SMALL, "steps": 3}), Runtime())
    sparse = tissue(4, 4)
    method.prepare(sparse)
    found = method.sections_at(sparse, [0.0, 2.0])
    np.testing.assert_allclose(found.values[0], sparse.voxels[0], atol=0.5)
    assert np.isfinite(found.values).all()
    assert np.isnan(found.uncertainty).all()


@pytest.mark.parametrize("method", ["msdsr", "msdsr_kplanes"])
def test_noise_where_no_image_is_left_is_refused_in_one_line(method):
    with pytest.raises(RequestError) as error:
        resolve_method(method, "fast", {"prediction": "noise"})
    said = str(error.value)
    assert said.startswith(f"{method}: prediction=noise and zero_snr=true exclude each other: ")
    assert "give zero_snr=false, or prediction=v" in said
    assert "\n" not in said


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model trained with the preset."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "a.tif").write_bytes(b"a")
    method = MSDSR.create(MsdsrConfig(**SMALL, validation_share=0.0), Runtime())
    method.train(TrainingData((tissue(17, 1),), (folder / "a.tif",)), folder / "model", resume=False)
    return folder / "model"


def test_a_model_keeps_its_schedule_and_how_it_is_drawn_from(model):
    kept = json.loads((model / "config.json").read_text())["config"]
    assert (kept["schedule"], kept["zero_snr"], kept["prediction"]) == ("cosine", False, "noise")
    assert kept["run"] == {
        "steps": 200, "eta": 1.0, "step_spacing": "leading", "samples": 1, "coupled": False, "shared_noise": False,
    }  # fmt: skip


def test_a_run_with_the_model_follows_its_recipe_unless_told_otherwise(model):
    sparse, steps = tissue(4, 4), []

    def drawn_with(**parameters):
        method = MSDSR.create(MsdsrConfig(model=model, **parameters), Runtime())
        method.prepare(sparse)
        return method.sections_at(sparse, [2.0]).values, steps.append(method._config)

    recipe = {name: MSDSR.presets["published"][name] for name in ("eta", "step_spacing", "samples", "coupled")}
    followed, _ = drawn_with(steps=5)
    spelt_out, _ = drawn_with(steps=5, **recipe)
    other, _ = drawn_with(steps=5, coupled=True)
    np.testing.assert_array_equal(followed, spelt_out)
    assert not np.array_equal(followed, other)
    assert steps[0].schedule == "cosine"


def test_a_model_from_before_schedules_could_be_chosen_has_that_of_stable_diffusion(tmp_path):
    torch.manual_seed(0)
    network = PlaneNet(8, 2, "residual")
    old = model_folder.Model("msdsr", CONFIG, network.state_dict(), {})
    assert "schedule" not in CONFIG
    model_folder.save(tmp_path / "old", old)
    method = MSDSR.create(MsdsrConfig(model=tmp_path / "old", schedule="cosine"), Runtime())
    method.prepare(tissue(4, 4))
    assert method._config.schedule == "scaled_linear"


def test_a_model_that_predicts_noise_where_no_image_is_left_is_refused(tmp_path):
    folder = make_model(tmp_path / "bad")
    described = json.loads((folder / "config.json").read_text())
    described["config"]["prediction"] = "noise"
    (folder / "config.json").write_text(json.dumps(described))
    method = MSDSR.create(MsdsrConfig(model=folder), Runtime())
    with pytest.raises(WeightsError, match="prediction=noise and zero_snr=true exclude each other"):
        method.prepare(tissue(4, 4))

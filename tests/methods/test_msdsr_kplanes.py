"""The hybrid: coarse sections are drawn, planes bring them to full resolution; outside the object linear."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import msdsr_kplanes, registry
from napari_depth_interp.methods.kplanes import KPLANES
from napari_depth_interp.methods.kplanes.field import Mlp
from napari_depth_interp.methods.msdsr import MSDSR
from napari_depth_interp.methods.msdsr_kplanes import MSDSR_KPLANES, MsdsrKPlanesConfig
from napari_depth_interp.nn.recipe import completed
from napari_depth_interp.stack import Grid, Stack
from small_models import make_model

DEPTHS = np.arange(5) * 4.0
BETWEEN = [2.0, 6.0, 10.0]


def object_on_black(size=72):
    """A ball of noise, off the centre, on a dim background."""
    z, y, x = np.meshgrid(DEPTHS, np.arange(size), np.arange(size), indexing="ij")
    inside = (z - 8) ** 2 + (y - 30) ** 2 + (x - 44) ** 2 < 15**2
    noise = np.random.default_rng(0).normal(0, 1, inside.shape)
    return (10 + noise + inside * (500 + 40 * noise)).astype(np.float32)


def stack(voxels):
    return Stack(voxels, Grid(DEPTHS[: len(voxels)], (1.0, 1.0), "um"))


def linear(seen, z):
    spec = registry.get("linear")
    method = spec.create(spec.config(), Runtime())
    method.prepare(seen, report=lambda _: None)
    return method.sections_at(seen, z, report=lambda _: None).values


def sections(seen, z=BETWEEN, **config):
    method = MSDSR_KPLANES.create(MsdsrKPlanesConfig(effort="fast", training_steps=10, **config), Runtime())
    method.prepare(seen, report=lambda _: None)
    return method.sections_at(seen, z, report=lambda _: None).values


def test_pixels_are_averaged_and_their_size_grows():
    seen = stack(np.arange(2 * 10 * 8, dtype=np.uint16).reshape(2, 10, 8))
    coarse = msdsr_kplanes._coarsened(seen, 4)
    assert coarse.voxels.shape == (2, 2, 2)
    assert coarse.voxels[0, 0, 0] == seen.voxels[0, :4, :4].mean()
    assert coarse.grid.pixel_size == (4.0, 4.0)


def test_the_square_lies_around_the_object_and_inside_the_image():
    voxels = object_on_black()
    rows, columns = msdsr_kplanes._around_object(voxels, 40)
    assert abs(rows.start - 10) <= 1
    assert abs(columns.start - 24) <= 1
    assert rows.stop - rows.start == columns.stop - columns.start == 40
    assert msdsr_kplanes._around_object(voxels, 0) == (slice(0, 72), slice(0, 72))
    assert msdsr_kplanes._around_object(voxels, 500) == (slice(0, 72), slice(0, 72))
    corner = np.zeros((3, 50, 50), np.float32)
    corner[:, :4, 46:] = 1
    assert msdsr_kplanes._around_object(corner, 20) == (slice(0, 20), slice(30, 50))


def test_outside_the_object_it_is_linear_interpolation():
    seen = stack(object_on_black())
    found, plain = sections(seen, crop=64), linear(seen, BETWEEN)
    rows, columns = msdsr_kplanes._around_object(seen.voxels, 64)
    outside = np.ones((72, 72), bool)
    outside[rows, columns] = False
    np.testing.assert_array_equal(found[:, outside], plain[:, outside])
    assert not np.array_equal(found, plain)


def test_the_background_is_removed_where_asked():
    seen = stack(object_on_black())
    kept, removed = (sections(seen, remove_background=each) for each in (False, True))
    dark = slice(60, 72)
    assert kept[:, dark, :10].mean() > 3
    assert abs(removed[:, dark, :10]).max() < 1e-3


def test_drawn_sections_change_what_the_planes_hold():
    seen = stack(object_on_black())
    one, three = (sections(seen, drawn=count) for count in (1, 3))
    assert not np.array_equal(one, three)
    np.testing.assert_allclose(sections(seen, z=[4.0]), seen.voxels[[1]], atol=0.5)


def test_images_too_small_for_coarse_ones_give_linear_interpolation():
    seen = stack(object_on_black()[:, :40, :40])
    np.testing.assert_array_equal(sections(seen), linear(seen, BETWEEN))
    method = MSDSR_KPLANES.create(MsdsrKPlanesConfig(), Runtime())
    method.prepare(seen, report=lambda _: None)
    assert "is linear interpolation here" in method.findings().warnings[0]


def test_without_a_pixel_size_coarse_pixels_grow_nevertheless():
    """Sections are taken to be four pixels apart then, which is one coarse pixel."""
    unknown = Stack(np.zeros((3, 16, 16), np.float32), Grid(np.arange(3) * 8.0))
    known = Stack(unknown.voxels, Grid(np.arange(3) * 8.0, (2.0, 2.0)))
    for seen in (unknown, known):
        coarse = msdsr_kplanes._coarsened(seen, 4)
        assert coarse.grid.pixel_size == (8.0, 8.0)
        assert coarse.grid.spacing / coarse.grid.pixel_size[0] == 1


class TestPublished:
    """Ohashi 2025, part by part."""

    config = MsdsrKPlanesConfig(**MSDSR_KPLANES.presets["published"])

    def test_the_diffusion_model(self):
        drawing = self.config.drawing()
        assert (drawing.prediction, drawing.schedule, drawing.zero_snr, drawing.guide) == (
            "noise",
            "cosine",
            False,
            "none",
        )
        assert (drawing.loss, drawing.masks, drawing.columns, drawing.piece_rows) == ("l2", "random", 64, 8)
        assert (drawing.steps, drawing.eta, drawing.step_spacing, drawing.samples) == (200, 1.0, "leading", 1)
        assert (drawing.coupled, drawing.shared_noise, drawing.offset_noise) == (False, False, 0.0)

    def test_one_section_is_drawn_in_each_gap_at_a_quarter_of_the_resolution(self):
        assert (self.config.coarser, self.config.drawn, self.config.drawing().rows) == (4, 1, 2)

    def test_the_planes(self):
        planes = self.config.planes()
        assert (planes.fit, planes.decoder, planes.features) == ("adam", "mlp", 32)
        assert planes.gradient_steps() >= 2000
        assert (planes.tv, planes.smoothness) == (0.001, 0.0)
        assert (planes.coarse, planes.correct) == ("mapped", False)

    def test_the_preparation(self):
        assert self.config.remove_background
        assert self.config.crop == 256

    def test_its_parts_are_run_as_it_says(self, monkeypatch):
        made, real_draw = [], MSDSR.create
        monkeypatch.setattr(
            msdsr_kplanes, "MSDSR", replace(MSDSR, create=lambda *given: made.append(given[0]) or real_draw(*given))
        )
        quick = {"training_steps": 10, "planes_training_steps": 30, "sampling_steps": 3, "channels": 8, "levels": 1}
        method = MSDSR_KPLANES.create(self.config.model_copy(update=quick), Runtime())
        seen = stack(object_on_black())
        method.prepare(seen)
        found = method.sections_at(seen, [2.0, 4.0]).values
        assert np.isfinite(found).all()
        assert (made[0].steps, made[0].eta, made[0].coupled, made[0].training_steps) == (3, 1.0, False, 10)
        field = method._planes._field
        assert isinstance(field.decoder, Mlp)
        assert len(field.planes.yz) == len(field.knots[0]) == 9  # observed and drawn sections


@pytest.mark.parametrize(
    ("option", "part", "name"),
    [
        ({"eta": 0.5}, "drawing", "eta"),
        ({"coupled": False}, "drawing", "coupled"),
        ({"samples": 3}, "drawing", "samples"),
        ({"schedule": "linear"}, "drawing", "schedule"),
        ({"loss": "l1"}, "drawing", "loss"),
        ({"fit": "adam"}, "planes", "fit"),
        ({"decoder": "mlp"}, "planes", "decoder"),
        ({"coarse": "mapped"}, "planes", "coarse"),
        ({"smoothness": 0.0}, "planes", "smoothness"),
        ({"correct": False}, "planes", "correct"),
        ({"cells_per_gap": 2}, "planes", "cells_per_gap"),
    ],
)
def test_options_reach_the_part_that_they_belong_to(option, part, name):
    found = getattr(getattr(MsdsrKPlanesConfig(**option), part)(), name)
    assert found == option[name] != getattr(getattr(MsdsrKPlanesConfig(), part)(), name)


@pytest.mark.parametrize("effort", ["fast", "balanced", "best"])
def test_what_is_not_set_is_as_the_parts_presets_say(effort):
    config = MsdsrKPlanesConfig(effort=effort)
    own = {"rows": 2, "steps": 1, "samples": 1}
    assert config.drawing() == MSDSR.config(**{**MSDSR.presets[effort], **own})
    own = {"features": 32, "tv": 0.0, "cells_per_gap": 1}
    assert config.planes() == KPLANES.config(**{**KPLANES.presets[effort], **own})


def test_options_that_exclude_each_other_are_refused_in_words():
    with pytest.raises(ValueError, match="prediction=noise and zero_snr=true exclude each other"):
        MsdsrKPlanesConfig(prediction="noise")


def test_a_model_brings_how_it_is_drawn_from_where_that_is_unusual(tmp_path):
    usual = {"steps": 4, "eta": 0.0, "step_spacing": "trailing", "samples": 2, "coupled": True, "shared_noise": False}
    unusual = {**usual, "steps": 200, "eta": 1.0, "step_spacing": "leading", "samples": 1, "coupled": False}
    for name, recipe in (("usual", usual), ("unusual", unusual)):
        folder = make_model(tmp_path / name)
        described = json.loads((folder / "config.json").read_text())
        described["config"]["run"] = recipe
        (folder / "config.json").write_text(json.dumps(described))
    plain = completed(MsdsrKPlanesConfig(model=tmp_path / "usual"))
    assert plain == MsdsrKPlanesConfig(model=tmp_path / "usual")
    found = completed(MsdsrKPlanesConfig(model=tmp_path / "unusual", coupled=True))
    assert (found.sampling_steps, found.eta, found.step_spacing, found.coupled) == (200, 1.0, "leading", True)
    assert found.drawing().steps == 200

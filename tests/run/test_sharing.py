"""Channels that share what a method learns: the colours of an image, and others where that is asked for."""

from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp import interpolate
from napari_depth_interp.method import Sections
from napari_depth_interp.methods import registry
from napari_depth_interp.progress import silent
from napari_depth_interp.run import execute as execution
from napari_depth_interp.run.estimate import memory_needed
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.run.sharing import Range, groups_of, guide_of
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.colours import luminance


@pytest.fixture(scope="module")
def tissue_rgb():
    """A stained section series: uint8, 7 sections of 40 x 36 pixels, darker where there is tissue."""
    grey = simulate("organoid", shape=(7, 40, 36), voxel_size=(2.0, 0.5, 0.5)).observed.voxels[0, 0].astype(float)
    stain = np.clip(grey / np.percentile(grey, 99.5), 0, 1)
    rgb = 240 * np.exp(-stain[..., None] * [0.9, 1.4, 0.4])
    return np.rint(rgb + np.random.default_rng(0).normal(0, 2, rgb.shape)).clip(0, 255).astype(np.uint8)


def dataset(rgb, **more):
    return Dataset.from_array(rgb, axes="ZYXS", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um", **more)


def run(data, method="flow", **settings):
    return interpolate(data, method=method, factor=2, threads=1, device="cpu", **settings)


def alone(rgb, c, method="flow", **settings):
    """One colour as a stack of its own."""
    grey = Dataset.from_array(rgb[..., c], z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")
    return np.asarray(run(grey, method, **settings))


@pytest.mark.parametrize("method", ["linear", "cubic", "nearest"])
def test_what_learns_nothing_gives_each_colour_as_if_it_were_alone(tissue_rgb, method):
    result = run(dataset(tissue_rgb), method)
    assert result.axes == "ZYXS"
    assert result.shape == np.asarray(result).shape == (13, 40, 36, 3)
    assert result.dtype == np.uint8
    for c in range(3):
        np.testing.assert_array_equal(np.asarray(result)[..., c], alone(tissue_rgb, c, method))
    assert "shared_fit" not in result.record


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("flow", {}), ("section_sr", {"training_steps": 10, "flips": False}), ("auto", {"training_steps": 10})],
)
def test_observed_sections_are_as_recorded(tissue_rgb, method, parameters):
    result = run(dataset(tissue_rgb), method, parameters=parameters, share_fit="yes")
    assert result.record["shared_fit"] == "luminance"
    np.testing.assert_array_equal(np.asarray(result)[::2], tissue_rgb)
    assert result.dtype == np.uint8
    if result.uncertainty is not None:
        assert np.isfinite(result.uncertainty).all()
        assert result.uncertainty[:, :, 1::2].min(axis=(2, 3, 4)).max() >= 0


def test_it_is_prepared_once_on_the_luminance(tissue_rgb, monkeypatch):
    seen, flow = [], registry.get("flow")

    class Watched:
        def __init__(self, config, runtime):
            self.inner = flow.create(config, runtime)

        def prepare(self, stack, *, report):
            seen.append(stack.voxels)
            self.inner.prepare(stack, report=report)

        def sections_at(self, stack, z, *, report):
            return self.inner.sections_at(stack, z, report=report)

        def sections_of(self, guide, channels, z, *, report):
            return self.inner.sections_of(guide, channels, z, report=report)

    request = resolve(dataset(tissue_rgb), Settings(method="flow", factor=2, threads=1))
    execution.execute(replace(request, spec=replace(flow, create=Watched)))
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], luminance(*np.moveaxis(tissue_rgb, -1, 0)))


def test_networks_are_trained_for_each_colour_unless_told_otherwise(tissue_rgb):
    request = resolve(dataset(tissue_rgb), Settings(method="section_sr", factor=2))
    assert [each.channels for each in groups_of(request)] == [(0,), (1,), (2,)]
    request = resolve(dataset(tissue_rgb), Settings(method="section_sr", factor=2, share_fit="yes"))
    assert [each.channels for each in groups_of(request)] == [(0, 1, 2)]


def test_no_makes_each_colour_alone(tissue_rgb):
    result = run(dataset(tissue_rgb), share_fit="no")
    assert "shared_fit" not in result.record
    for c in range(3):
        np.testing.assert_array_equal(np.asarray(result)[..., c], alone(tissue_rgb, c))


def test_a_grey_image_in_colours_moves_as_the_grey_image_does(tissue_rgb):
    grey = tissue_rgb[..., 1]
    made = np.asarray(run(dataset(np.stack([grey] * 3, axis=-1)))).astype(int)
    assert np.abs(made - alone(tissue_rgb, 1)[..., None].astype(int)).max() <= 1  # roundings of floats
    assert np.abs(made - np.asarray(run(dataset(np.stack([grey] * 3, axis=-1)), "linear"))).max() > 3


def test_separate_channels_share_only_if_they_are_told_to(tissue_rgb):
    channels = Dataset.from_array(tissue_rgb.transpose(0, 3, 1, 2), axes="ZCYX", z_spacing=2.0, unit="um")
    brighter = np.array([1, 50, 200], np.uint16)[:, None, None, None]
    channels = replace(channels, voxels=channels.voxels.astype(np.uint16) * brighter)
    apart, shared = run(channels), run(channels, share_fit="yes")
    assert "shared_fit" not in apart.record
    assert shared.record["shared_fit"] == "mean"
    assert apart.axes == shared.axes == "CZYX"
    observed = np.asarray(channels.voxels[0])
    np.testing.assert_array_equal(np.asarray(shared)[:, ::2], observed)
    for c in range(3):  # much alike, though their ranges differ 200-fold
        one, other = (np.asarray(each)[c].astype(float) for each in (apart, shared))
        assert 0 < np.abs(one - other).max() < 0.4 * np.ptp(observed[c])
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


def test_a_method_that_learns_nothing_says_so():
    channels = Dataset.from_array(np.random.default_rng(0).random((4, 2, 9, 9)), axes="ZCYX", z_spacing=1.0)
    result = run(channels, "linear", share_fit="yes")
    assert any("linear learns nothing that channels could share" in line for line in result.warnings)


@pytest.mark.parametrize("method", ["flow", "linear"])
@pytest.mark.parametrize("opacity", ["opaque", "ramp"])
def test_alpha_is_interpolated_linearly(tissue_rgb, method, opacity):
    alpha = np.full((7, 40, 36), 255, np.uint8)
    if opacity == "ramp":
        alpha -= np.arange(0, 70, 10, dtype=np.uint8)[:, None, None]
    result = run(dataset(np.concatenate([tissue_rgb, alpha[..., None]], axis=-1)), method)
    made = np.asarray(result)
    assert made.shape == (13, 40, 36, 4)
    np.testing.assert_array_equal(
        made[..., 3], np.interp(np.arange(13) / 2, np.arange(7), alpha[:, 0, 0])[:, None, None] * np.ones((1, 40, 36))
    )
    np.testing.assert_array_equal(made[..., :3], np.asarray(run(dataset(tissue_rgb), method)))
    assert not any("constant" in line for line in result.warnings)


def test_a_colour_that_is_constant_stays_so(tissue_rgb):
    flat = tissue_rgb.copy()
    flat[..., 2] = 17
    made = np.asarray(run(dataset(flat)))
    assert (made[..., 2] == 17).all()
    np.testing.assert_array_equal(made[::2], flat)


def test_voxels_that_are_no_number_stay_so_in_their_colour(tissue_rgb):
    floats = (tissue_rgb / 255).astype(np.float32)
    floats[2, 5, 6, 1] = np.nan
    made = np.asarray(run(dataset(floats), nan="fill"))
    assert np.isnan(made[4, 5, 6, 1])
    assert np.isfinite(made[..., 0]).all()
    assert np.isnan(made).sum() < 5


def test_time_points_one_after_the_other(tissue_rgb):
    movie = Dataset.from_array(np.stack([tissue_rgb, tissue_rgb[:, ::-1]]), axes="TZYXS", z_spacing=2.0)
    result = run(movie, "auto", parameters={"training_steps": 10}, share_fit="yes")
    assert result.axes == "TZYXS"
    assert [(each["time"], each["channel"]) for each in result.record["findings"]] == [(0, 0), (1, 0)]


def test_streamed_equals_held_in_memory(tissue_rgb, tmp_path):
    held = np.asarray(run(dataset(tissue_rgb)))
    for name in ("a.ome.zarr", "a.ome.tif"):
        streamed = run(dataset(tissue_rgb), out=tmp_path / name)
        np.testing.assert_array_equal(np.asarray(streamed), held)


def test_groups():
    rgba = Dataset.from_array(np.random.default_rng(0).random((4, 9, 9, 4)), axes="ZYXS", z_spacing=1.0)
    groups = groups_of(resolve(rgba, Settings(method="flow", factor=2)))
    assert [(each.channels, each.request.spec.name) for each in groups] == [((0, 1, 2), "flow"), ((3,), "linear")]
    groups = groups_of(resolve(rgba, Settings(method="flow", factor=2, share_fit="no")))
    assert [each.channels for each in groups] == [(0,), (1,), (2,), (3,)]


def test_a_candidate_that_learns_for_one_channel_only_makes_auto_do_so():
    auto = registry.get("auto")
    assert auto.can_share(auto.config())
    assert not auto.can_share(auto.config(candidates="flow,kplanes"))


def test_a_range_is_brought_there_and_back():
    low = Dataset.from_array(np.random.default_rng(0).random((3, 4, 5)) * 9 - 4, z_spacing=1.0).stack()
    high = replace(low, voxels=low.voxels * 100)
    guide = guide_of([low, high], rgb=False)
    for stack in (low, high):
        there = Range.of(stack.voxels, guide.voxels)
        alike = there.apply(stack)
        assert alike.voxels.min() == pytest.approx(guide.voxels.min())
        assert alike.voxels.max() == pytest.approx(guide.voxels.max())
        again = there.undo(Sections(alike.voxels, np.ones((3, 4, 5), np.float32)))
        np.testing.assert_allclose(again.values, stack.voxels, atol=1e-9 * np.abs(stack.voxels).max())
        spans = np.ptp(stack.voxels) / np.ptp(guide.voxels)
        np.testing.assert_allclose(again.uncertainty, spans, rtol=1e-5)


def test_one_channel_of_a_guided_method_is_what_it_makes_alone(tissue_rgb):
    spec = registry.get("flow")
    stack = dataset(tissue_rgb).grey().stack()
    method = spec.create(spec.config(), resolve(dataset(tissue_rgb), Settings(method="flow", factor=2)).runtime)
    method.prepare(stack, report=silent)
    [one] = method.sections_of(stack, [stack], [1.0, 3.0], report=silent)
    np.testing.assert_array_equal(one.values, method.sections_at(stack, [1.0, 3.0], report=silent).values)


def test_the_estimate_knows_that_colours_are_made_together(tissue_rgb):
    together, apart = (
        memory_needed(resolve(dataset(tissue_rgb), Settings(method="flow", factor=2, share_fit=share)))
        for share in ("auto", "no")
    )
    assert together > apart

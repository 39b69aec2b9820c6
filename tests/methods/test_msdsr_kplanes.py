"""The hybrid: coarse sections are drawn, planes bring them to full resolution; outside the object linear."""

import numpy as np

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import msdsr_kplanes, registry
from napari_depth_interp.methods.msdsr_kplanes import MSDSR_KPLANES, MsdsrKPlanesConfig
from napari_depth_interp.stack import Grid, Stack

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
    method = MSDSR_KPLANES.create(MsdsrKPlanesConfig(effort="fast", training_steps=20, **config), Runtime())
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

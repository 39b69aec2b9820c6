import numpy as np
import pytest

from napari_depth_interp.method import Runtime
from napari_depth_interp.methods import kplanes
from napari_depth_interp.methods.kplanes import KPLANES, KPlanesConfig
from napari_depth_interp.methods.kplanes.method import Images, fit
from napari_depth_interp.progress import Cancelled
from napari_depth_interp.stack import Grid, Stack

DEPTHS = np.arange(7) * 2.0


def tissue(depths, size=24):
    """Two blobs that move and grow along z, at any depths."""
    y, x = np.mgrid[:size, :size]
    z = np.asarray(depths, float)[:, None, None]
    blobs = np.exp(-((y - 8 - 0.4 * z) ** 2 + (x - 10) ** 2) / 20) + np.exp(
        -((y - 12) ** 2 + (x - 6 - 0.6 * z) ** 2) / 30
    )
    return (100 + 800 * blobs).astype(np.float32)


def stack(depths=DEPTHS):
    return Stack(tissue(depths), Grid(np.asarray(depths, float), (1.0, 1.0), "um"))


def prepared(**config):
    method = KPLANES.create(KPlanesConfig(**config), Runtime())
    method.prepare(stack())
    return method


def error(found, depths):
    return float(np.sqrt(np.mean((found - tissue(depths)) ** 2)))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"cells_per_gap": 1},
        {"cell": 2.0},
        {"features": 3},
        {"tv": 0.001},
        {"decoder": "mlp", "training_steps": 30},
        {"fit": "adam", "decoder": "mlp", "cells_per_gap": 1, "tv": 0.0001, "smoothness": 0.0, "training_steps": 800},
    ],
)
def test_every_way_to_fit_comes_near_linear_interpolation(config):
    between = DEPTHS[:-1] + 1
    found = prepared(**config).sections_at(stack(), between.tolist()).values
    sections = tissue(DEPTHS)
    linear = (sections[:-1] + sections[1:]) / 2
    assert error(found, between) < 1.5 * error(linear, between)


@pytest.mark.parametrize("features", [2, 16])
def test_corrected_at_the_sections_and_continuous_there(features):
    method = prepared(features=features)
    z = [4.0 - 1e-3, 4.0, 4.0 + 1e-3]
    found = method.sections_at(stack(), z).values
    np.testing.assert_allclose(found[1], tissue([4.0])[0], atol=1e-2)
    assert np.abs(np.diff(found, axis=0)).max() < 1.0


def test_without_correction_few_features_miss_the_sections():
    found = prepared(features=1, sweeps=0, correct=False).sections_at(stack(), [4.0]).values
    assert error(found, [4.0]) > 5


def test_progress_never_goes_back(monkeypatch):
    """A decoder network is trained even where no steps are asked for."""
    monkeypatch.setattr(kplanes, "_USUAL_STEPS", 40)
    seen = []
    method = KPLANES.create(KPlanesConfig(decoder="mlp", features=2), Runtime())
    method.prepare(stack(), report=lambda progress: seen.append(progress.fraction))
    assert len(seen) > 10
    assert seen == sorted(seen)


def test_depths_beyond_the_ends_hold_the_ends():
    found = prepared().sections_at(stack(), [-5.0, 99.0]).values
    np.testing.assert_allclose(found, tissue(DEPTHS[[0, -1]]), atol=1e-2)


def test_sections_left_out_are_not_remembered():
    """Automatic choice asks for sections that the planes were fitted on; they must not be handed back."""
    method, thinned = prepared(), stack(DEPTHS[::2])
    found = method.sections_at(thinned, DEPTHS[1::2].tolist()).values
    alone = KPLANES.create(KPlanesConfig(), Runtime())
    alone.prepare(thinned)
    np.testing.assert_array_equal(found, alone.sections_at(thinned, DEPTHS[1::2].tolist()).values)
    assert error(found, DEPTHS[1::2]) > 1


def test_neighbouring_sections_use_the_planes_of_the_whole_stack():
    method, whole = prepared(), stack()
    part = whole.crop(slice(2, 5), slice(None))
    found = method.sections_at(part, [5.0, 7.0]).values
    np.testing.assert_allclose(found, method.sections_at(whole, [5.0, 7.0]).values, atol=1e-3)


@pytest.mark.parametrize(
    ("coarse", "fit_by"),
    [
        ("every", {"sweeps": 4}),
        ("mapped", {"sweeps": 4}),
        ("every", {"fit": "adam", "features": 8, "training_steps": 500, "tv": 0.001}),
    ],
)
def test_a_coarse_image_between_sections_is_fused(coarse, fit_by):
    """Ohashi 2025: coarse images at depths that were not recorded at full resolution; here the middle is dark."""
    y, x = np.mgrid[:48, :48]
    blob = np.exp(-((y - 22.0) ** 2 + (x - 26.0) ** 2) / 200).astype(np.float32)
    depths = np.array([0.0, 2.0, 4.0, 6.0])
    fine = Images(np.stack([blob, blob, blob, blob]), depths)
    dark = Images(0.2 * blob.reshape(1, 12, 4, 12, 4).mean(axis=(2, 4)), np.array([3.0]), coarser=4.0)
    config = KPlanesConfig(coarse=coarse, cells_per_gap=1, **fit_by)
    alone, fused = (fit(images, config, Runtime()).at(np.array([3.0]), (48, 48)) for images in ([fine], [fine, dark]))
    missed = [np.abs(found[0] - 0.2 * blob).reshape(12, 4, 12, 4)[:, 1:3, :, 1:3].mean() for found in (fused, alone)]
    assert missed[0] < 0.5 * missed[1]  # at the centres of the coarse pixels


@pytest.mark.parametrize("config", [{"sweeps": 5}, {"fit": "adam"}])
def test_cancel_stops_the_fit(config):
    seen = []

    def report(progress):
        seen.append(progress.fraction)
        if len(seen) == 3:
            raise Cancelled

    method = KPLANES.create(KPlanesConfig(**config), Runtime())
    with pytest.raises(Cancelled):
        method.prepare(stack(), report=report)
    assert seen == sorted(seen)

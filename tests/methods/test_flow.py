"""Optical flow: what moves is moved; what is not understood stays as the fallback has it."""

import cv2
import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset


def moving_cells(depths, speed=3.0, size=96):
    """Soft discs that move ``speed`` pixels along x per unit of depth, 0 to 1000."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(10, size - 10, (14, 2))
    rows, columns = np.indices((size, size))
    sections = []
    for depth in depths:
        distance = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None] - speed * depth)
        sections.append((1000 / (1 + np.exp(distance - 6))).max(axis=0))
    return np.array(sections)


def run(voxels, at, *, depths=None, method="flow", **parameters):
    depths = np.arange(len(voxels), dtype=float) if depths is None else depths
    dataset = Dataset.from_array(voxels, depths=list(depths), pixel_size=(1, 1), unit="um")
    settings = make_settings(method=method, parameters=parameters, dtype="float32", threads=2)
    return execute(resolve(dataset, settings, depths=list(at))).dataset.voxels[0, 0]


def error(image, truth):
    return float(np.sqrt(np.mean((image - truth) ** 2)))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_moving_structures_are_moved_not_cross_faded(dtype):
    scale = 0.2 if dtype == "uint8" else 1.0
    voxels = (moving_cells([0, 1, 2]) * scale).astype(dtype)
    truth = moving_cells([0.5]) * scale
    flow, linear = run(voxels, [0.5]), run(voxels, [0.5], method="linear")
    assert error(flow, truth) < 0.35 * error(linear, truth)


def test_uneven_and_large_gaps():
    depths = [0.0, 1.0, 4.0]
    voxels = moving_cells(depths)
    for depth in (0.25, 1.75, 3.0):
        truth = moving_cells([depth])
        assert error(run(voxels, [depth], depths=depths), truth) < 0.6 * error(
            run(voxels, [depth], depths=depths, method="linear"), truth
        )


def test_observed_depths_and_beyond_hold_the_sections():
    voxels = moving_cells([0, 1, 2])
    dataset = Dataset.from_array(voxels, z_spacing=1.0)
    settings = make_settings(method="flow", dtype="float32")
    result = execute(resolve(dataset, settings, depths=[-1.0, 1.0, 3.5], extrapolate=True)).dataset.voxels[0, 0]
    np.testing.assert_allclose(result, voxels[[0, 1, 2]], atol=0.05)


def gain(dataset, **parameters):
    """Return the decibels over linear interpolation where one section in four is kept."""
    settings = make_settings(method="flow", parameters=parameters)
    linear, flow = evaluate(dataset, ["linear", "flow"], Protocol("keep_every", every=4), settings).methods
    return flow.gain_over(linear)


@pytest.fixture(scope="module")
def organoid():
    """A stack whose nuclei are mistaken for each other at large gaps, and what flow gains on it."""
    dataset = simulate("organoid", shape=(40, 128, 128)).observed
    return dataset, gain(dataset)


def test_noise_points_and_smooth_tissue_are_not_worse_than_linear(organoid):
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 20, (9, 64, 64))
    points[rng.integers(0, 9, 40), rng.integers(0, 64, 40), rng.integers(0, 64, 40)] = 3000
    stacks = {
        "noise": Dataset.from_array(rng.normal(500, 100, (9, 64, 64)), z_spacing=1.0),
        "sparse points": Dataset.from_array(points, z_spacing=1.0),
    }
    for name, dataset in stacks.items():
        assert gain(dataset) > -0.02, name
    assert organoid[1] > -0.02, "organoid"


def test_a_smooth_ramp_stays_one():
    ramp = np.linspace(0, 1000, 5)[:, None, None] + np.linspace(0, 500, 64)[None, :, None] + np.zeros((5, 64, 64))
    np.testing.assert_allclose(run(ramp, [0.5, 2.25]), run(ramp, [0.5, 2.25], method="linear"), atol=1.0)


@pytest.mark.parametrize(
    ("specimen", "shape", "least"),
    [("neuron", (64, 80, 80), 1.0), ("vessels", (48, 64, 64), 0.4), ("dendrites", (48, 64, 64), 0.4)],
)
def test_simulated_tissue_gains_over_linear(specimen, shape, least):
    assert gain(simulate(specimen, shape=shape).observed) > least


class TestParameters:
    """Each one changes the result in the way its help text says."""

    voxels = moving_cells([0, 1, 2]) + np.random.default_rng(2).normal(0, 30, (3, 96, 96))

    @pytest.mark.parametrize("fallback", ["linear", "cubic"])
    def test_little_tolerance_is_nearly_the_fallback(self, fallback):
        cautious, bold = (run(self.voxels, [0.5], tolerance=pixels, fallback=fallback) for pixels in (1e-3, 5.0))
        plain = run(self.voxels, [0.5], method=fallback)
        assert error(cautious, plain) < 0.05 * error(bold, plain)

    def test_the_self_check_holds_back_what_does_not_help(self, organoid):
        dataset, checked = organoid
        assert checked > gain(dataset, self_check=False) + 0.2

    @pytest.mark.parametrize("parameters", [{"smoothness": 400.0}, {"finest_scale": 2}, {"resampling": "linear"}])
    def test_others_matter(self, parameters):
        assert error(run(self.voxels, [0.5], **parameters), run(self.voxels, [0.5])) > 0.5

    def test_large_images_are_halved_unless_told_otherwise(self):
        large = np.tile(self.voxels, (1, 1, 6))  # 96 x 576 pixels
        automatic, fine, halved = (run(large, [0.5], finest_scale=scale) for scale in (None, 0, 1))
        np.testing.assert_array_equal(automatic, halved)
        assert error(fine, halved) > 0.5
        np.testing.assert_array_equal(run(self.voxels, [0.5]), run(self.voxels, [0.5], finest_scale=0))

    def test_cubic_resampling_is_sharper_than_linear(self):
        sharp, soft = (run(self.voxels, [0.5], resampling=how) for how in ("cubic", "linear"))
        assert np.abs(np.diff(sharp, axis=-1)).mean() > np.abs(np.diff(soft, axis=-1)).mean()


def test_projections_are_refused_in_words():
    dataset = Dataset.from_array(moving_cells([0, 1, 2]), z_spacing=1.0)
    with pytest.raises(RequestError, match="flow cannot work on a projection acquisition"):
        resolve(dataset, make_settings(method="flow", acquisition="projection:4"))


def test_opencv_gets_its_threads_back():
    before = cv2.getNumThreads()
    run(moving_cells([0, 1]), [0.5])
    assert cv2.getNumThreads() == before

"""The simulated tissue: physics against closed forms, anatomy against its definitions."""

import subprocess
import sys

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.simulate import FULL_BRIGHTNESS, SPECIMENS, Optics, organoid, simulate, vessels
from napari_depth_interp.simulate.canvas import Canvas, Tubes, draw_tubes
from napari_depth_interp.simulate.fibres import Habit, colonise, grow, murray_radii
from napari_depth_interp.simulate.optics import expose

NAMES = list(SPECIMENS)
PLAIN = Optics(psf_sigma=(0, 0), photons=None, background=0, attenuation=0)


@pytest.fixture(scope="module")
def default():
    """Every specimen at the default settings."""
    return {name: simulate(name) for name in NAMES}


def voxels(dataset):
    assert dataset.voxels.shape[:2] == (1, 1)
    return dataset.voxels[0, 0]


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def linear_psnr(volume, every):
    volume = volume.astype(float)
    low, high = np.percentile(volume, [0.1, 99.9])
    last = (len(volume) - 1) // every * every
    error = [
        np.mean(np.square(volume[z] - (1 - t) * volume[z - int(t * every)] - t * volume[z - int(t * every) + every]))
        for z in range(last)
        if (t := z % every / every)
    ]
    return 10 * np.log10((high - low) ** 2 / np.mean(error))


# --- the interface


@pytest.mark.parametrize("name", NAMES)
def test_grid_types_and_ranges(default, name):
    result = default[name]
    observed, truth = voxels(result.observed), voxels(result.truth)
    assert observed.shape == truth.shape == result.labels.shape == (64, 128, 128)
    assert (observed.dtype, truth.dtype, result.labels.dtype) == (np.uint16, np.float32, np.uint8)
    assert truth.min() > 0
    assert 0.4 * 4000 < truth.max() <= 4000
    for dataset in (result.observed, result.truth):
        assert dataset.grid.unit == "um"
        assert dataset.grid.pixel_size == (0.5, 0.5)
        np.testing.assert_allclose(dataset.grid.depths, np.arange(64.0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(9, 24, 24), (5, 16, 16), (1, 20, 12), (3, 1, 1)])
def test_tiny_volumes(name, shape):
    result = simulate(name, shape=shape, seed=1)
    assert voxels(result.observed).shape == shape
    assert np.isfinite(voxels(result.truth)).all()
    if min(shape) > 4:
        assert voxels(result.truth).std() > 100  # there is something to see
        assert result.labels.any()


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes_and_other_seed_other_specimen(name):
    first, again, other = (simulate(name, shape=(16, 48, 48), seed=seed) for seed in (4, 4, 5))
    for part in ("observed", "truth"):
        assert voxels(getattr(first, part)).tobytes() == voxels(getattr(again, part)).tobytes()
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)
    assert correlation(voxels(first.truth), voxels(other.truth)) < 0.8


@pytest.mark.parametrize("name", NAMES)
def test_optics_do_not_change_the_specimen(name):
    noisy, plain = (simulate(name, shape=(12, 40, 40), optics=optics) for optics in (Optics(photons=20), PLAIN))
    assert np.array_equal(noisy.labels, plain.labels)


@pytest.mark.parametrize("name", NAMES)
def test_units_describe_the_same_specimen(name):
    options = {"shape": (10, 32, 32), "seed": 2}
    micro = simulate(name, voxel_size=(1.0, 0.5, 0.5), unit="um", **options)
    milli = simulate(name, voxel_size=(1e-3, 0.5e-3, 0.5e-3), unit="mm", **options)
    assert milli.truth.grid.unit == "mm"
    assert milli.truth.grid.spacing == pytest.approx(1e-3)
    np.testing.assert_allclose(voxels(milli.truth), voxels(micro.truth), atol=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_finer_grid_shows_the_same_specimen(name):
    clean = Optics(photons=None)
    coarse = simulate(name, shape=(32, 64, 64), seed=3, optics=clean)
    fine = simulate(name, shape=(64, 128, 128), voxel_size=(0.5, 0.25, 0.25), seed=3, optics=clean)
    mean = voxels(fine.truth).reshape(32, 2, 64, 2, 64, 2).mean(axis=(1, 3, 5))
    assert correlation(voxels(coarse.truth), mean) > (0.96 if name == "dendrites" else 0.99)
    for axis in range(3):
        assert centroid(voxels(coarse.truth), axis) == pytest.approx(centroid(mean, axis), abs=0.1)  # no shift
    background = 0.02 * 4000
    assert voxels(coarse.truth).mean() - background == pytest.approx(mean.mean() - background, rel=0.08)


def centroid(image, axis):
    """Centre of the light along one axis, in voxels."""
    profile = (image.astype(float) - image.min()).sum(axis=tuple({0, 1, 2} - {axis}))
    return (profile * np.arange(len(profile))).sum() / profile.sum()


def test_dtypes_have_their_stated_scale():
    images = {dtype: simulate("neuron", shape=(8, 32, 32), optics=PLAIN, dtype=dtype) for dtype in FULL_BRIGHTNESS}
    unit = voxels(images["float32"].truth)
    assert 0.5 < unit.max() <= 1
    for dtype, result in images.items():
        assert voxels(result.observed).dtype == dtype
        np.testing.assert_allclose(voxels(result.truth), unit * FULL_BRIGHTNESS[dtype], rtol=1e-5)
        rounding = 1e-6 if dtype == "float32" else 0.5001
        np.testing.assert_allclose(voxels(result.observed), voxels(result.truth), atol=rounding)


def test_noise_saturates_instead_of_wrapping():
    result = vessels(shape=(8, 32, 32), dtype="uint8", optics=Optics(photons=3, background=0.6))
    observed, truth = voxels(result.observed).astype(int), voxels(result.truth)
    assert observed.max() == 255
    assert observed[truth > 200].mean() > 150  # wrapped values would drag this down


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"specimen": "brain"}, "'brain' is not known; choose one of: organoid, vessels, dendrites, neuron"),
        ({"shape": (0, 8, 8)}, "each 1 or more"),
        ({"shape": (8, 8)}, "three whole numbers"),
        ({"shape": (8, 8.5, 8)}, "three whole numbers"),
        ({"voxel_size": (1.0, -0.5, 0.5)}, "three positive numbers"),
        ({"voxel_size": (1.0, float("nan"), 0.5)}, "three positive numbers"),
        ({"unit": "pixel"}, "'pixel' is not a length"),
        ({"seed": -1}, "0 or more, got -1"),
        ({"dtype": "int64"}, "'int64' cannot be simulated; choose uint8, uint16, float32"),
        ({"dtype": "nonsense"}, "'nonsense' cannot be simulated"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(RequestError, match=message):
        simulate(**({"specimen": "neuron", "shape": (4, 8, 8)} | options))


@pytest.mark.parametrize(
    "options",
    [
        {"psf_sigma": (-1, 0)},
        {"psf_sigma": (1, float("inf"))},
        {"photons": 0},
        {"photons": float("nan")},
        {"background": 1.0},
        {"background": -0.1},
        {"attenuation": -0.1},
    ],
)
def test_bad_optics_are_refused(options):
    with pytest.raises(RequestError, match=next(iter(options))):
        Optics(**options)


def test_importing_it_needs_numpy_only():
    code = (
        "import sys, napari_depth_interp.simulate;"
        "print([m for m in ('scipy', 'torch', 'matplotlib', 'napari', 'skimage') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


# --- the optics


def test_noise_is_poisson(default):
    for result in default.values():
        truth = voxels(result.truth).astype(float)
        residual = voxels(result.observed) - truth
        gain = 4000 / Optics().photons  # counts per photon
        for low, high in ((0, 200), (200, 1200), (1200, 4000)):
            band = (truth >= low) & (truth < high)
            expected = gain * truth[band].mean() + 1 / 12
            assert residual[band].var() == pytest.approx(expected, rel=8 / np.sqrt(band.sum()) + 0.01)
            assert abs(residual[band].mean()) < 5 * np.sqrt(expected / band.sum())


def test_fewer_photons_are_noisier():
    def error(photons):
        result = vessels(shape=(8, 48, 48), optics=Optics(photons=photons))
        return np.mean(np.square(voxels(result.observed) - voxels(result.truth)))

    assert error(50) == pytest.approx(8 * error(400), rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_attenuation_follows_beer_lambert(name):
    options = {"shape": (20, 32, 32), "voxel_size": (1.5, 0.5, 0.5), "seed": 1}
    clear = voxels(simulate(name, optics=PLAIN, **options).truth)
    dimmed = Optics(psf_sigma=(0, 0), photons=None, background=0, attenuation=0.03)
    turbid = voxels(simulate(name, optics=dimmed, **options).truth)
    depth = (np.arange(20) + 0.5) * 1.5
    np.testing.assert_allclose(turbid, clear * np.exp(-0.03 * depth)[:, None, None], rtol=1e-4, atol=1e-20)


def test_background_fills_the_empty_part():
    clear = voxels(simulate("neuron", shape=(8, 32, 32), optics=PLAIN, dtype="float32").truth)
    raised = Optics(psf_sigma=(0, 0), photons=None, background=0.25, attenuation=0)
    lit = voxels(simulate("neuron", shape=(8, 32, 32), optics=raised, dtype="float32").truth)
    np.testing.assert_allclose(lit, 0.25 + 0.75 * clear, atol=1e-6)


@pytest.mark.parametrize(("axial", "lateral"), [(1.5, 0.4), (0.3, 0.1), (0, 0.6)])
def test_blur_keeps_the_light_and_adds_its_variance(axial, lateral):
    voxel = (1.0, 0.5, 0.5)
    bead = np.zeros((41, 41, 41), np.float32)
    bead[19:22, 20, 20] = 1
    before = bead.astype(float).copy()
    image = expose(bead, voxel, Optics((axial, lateral), None, 0, 0)).astype(float)
    assert image.sum() == pytest.approx(3, rel=1e-5)
    for axis, sigma in enumerate((axial, lateral, lateral)):
        gained = std(image, axis, voxel[axis]) - std(before, axis, voxel[axis])
        assert gained == pytest.approx(sigma**2, abs=1e-4)


def std(image, axis, step):
    """Variance of the light along one axis, um squared."""
    profile = image.sum(axis=tuple({0, 1, 2} - {axis}))
    place = np.arange(len(profile)) * step
    centre = (profile * place).sum() / profile.sum()
    return (profile * (place - centre) ** 2).sum() / profile.sum()


def test_blur_keeps_the_light_of_a_specimen():
    sharp = voxels(simulate("organoid", shape=(16, 48, 48), optics=PLAIN).truth)
    blurred = voxels(simulate("organoid", shape=(16, 48, 48), optics=Optics((1, 0.25), None, 0, 0)).truth)
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=1e-4)
    assert blurred.std() < 0.97 * sharp.std()


# --- the specimens


@pytest.mark.parametrize("name", NAMES)
def test_sections_are_related_but_linear_interpolation_fails(default, name):
    truth = voxels(default[name].truth)
    near, far = (np.mean([correlation(truth[z], truth[z + gap]) for z in range(20, 44)]) for gap in (1, 4))
    assert near > 0.8
    assert far < near - 0.15
    observed = voxels(default[name].observed)
    assert 22 < linear_psnr(observed, 4) < 33
    assert linear_psnr(observed, 2) > linear_psnr(observed, 4) + 3


@pytest.mark.parametrize("name", NAMES)
def test_labels_agree_with_brightness(name):
    result = simulate(name, shape=(48, 96, 96), optics=PLAIN, dtype="float32", seed=1)
    truth = voxels(result.truth)
    mean = [truth[result.labels == label].mean() for label in range(result.labels.max() + 1)]
    assert mean[0] < 0.02
    if name == "organoid":
        assert mean[2] > 2 * mean[1] > 6 * mean[3]  # nuclei, epithelium, lumen
        assert mean[3] > 0
    elif name == "vessels":
        assert mean[1] > mean[2] + 0.1 > 0.6  # wall, lumen
    else:
        assert min(mean[1:]) > 10 * mean[0]


def test_how_much_of_the_volume_is_filled(default):
    filled = {name: (result.labels > 0).mean() for name, result in default.items()}
    assert 0.1 < filled["organoid"] < 0.45
    assert 0.03 < filled["vessels"] < 0.2
    assert 0.005 < filled["dendrites"] < 0.04
    assert 0.001 < filled["neuron"] < 0.03


@pytest.mark.parametrize("name", ["vessels", "neuron"])
@pytest.mark.parametrize("seed", range(3))
def test_a_vessel_tree_and_a_neuron_are_each_in_one_piece(name, seed):
    from scipy.ndimage import label

    result = simulate(name, shape=(48, 96, 96), seed=seed)
    pieces, _ = label(result.labels > 0, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    assert sizes.max() > 0.97 * sizes.sum()


def test_organoid_encloses_its_lumen():
    labels = organoid(shape=(64, 96, 96), voxel_size=(1, 0.7, 0.7), seed=2).labels
    lumen = labels == 3
    assert lumen.sum() > 1000
    for axis in range(3):
        for step in (-1, 1):
            beside = np.roll(labels, step, axis)
            assert not (beside[lumen] == 0).any()


def test_age_grows_and_folds_the_organoid():
    labels = [organoid(age=age, seed=3, shape=(64, 80, 80), voxel_size=(1, 0.8, 0.8)).labels for age in (0, 0.5, 1)]
    volume = [float((a > 0).sum()) for a in labels]
    surface = [sum(np.count_nonzero(np.diff((a > 0).astype(np.int8), axis=i)) for i in range(3)) for a in labels]
    assert volume[0] < 0.8 * volume[1] < 0.8 * volume[2] * 1.1
    rough = [s / v ** (2 / 3) for s, v in zip(surface, volume, strict=True)]
    assert rough[0] < rough[2]  # a ball has the smallest surface for its volume


@pytest.mark.parametrize("age", [-0.1, 1.5, float("nan")])
def test_age_out_of_range_is_refused(age):
    with pytest.raises(RequestError, match="from 0 to 1"):
        organoid(age=age, shape=(4, 8, 8))


def test_age_is_an_option_of_the_organoid_only():
    with pytest.raises(TypeError, match="age"):
        vessels(age=0.5)


def test_a_wide_field_holds_several_organoids():
    from scipy.ndimage import label

    result = organoid(shape=(6, 120, 160), voxel_size=(4, 4, 4), seed=1)
    _, count = label(result.labels > 0)
    assert count >= 3


def test_vessel_radii_obey_murrays_law():
    points, parent = colonise(np.random.default_rng(0), np.array([60.0, 80.0, 80.0]))
    assert (parent[1:] < np.arange(1, len(parent))).all()
    assert np.linalg.norm(points[1:] - points[parent[1:]], axis=1) == pytest.approx(2.0)
    radius = murray_radii(parent, 2.0)
    children = [np.flatnonzero(parent == node) for node in range(len(parent))]
    assert sum(len(c) > 1 for c in children) > 10
    for node, below in enumerate(children):
        expected = np.cbrt(np.sum(radius[below] ** 3)) if len(below) else 2.0
        assert radius[node] == pytest.approx(expected)


def test_vessels_reach_all_parts_of_the_field():
    labels = vessels(seed=1).labels > 0
    for corner in np.ndindex(2, 2, 2):
        part = tuple(slice(n // 2 * c, n // 2 * (c + 1)) for n, c in zip(labels.shape, corner, strict=True))
        assert labels[part].mean() > 0.005


def test_dendrites_run_in_all_directions():
    habit = Habit(bend=0.05, branching=0.02, taper=0.004, thinnest=0.4, length=40.0)
    extent = np.full(3, 400.0)
    heading = np.random.default_rng(1).standard_normal((300, 3))
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    start, radius = np.full((300, 3), 200.0), np.full(300, 1.0)
    tubes = grow(np.random.default_rng(0), extent, start, heading, radius, habit)
    way = tubes.end - tubes.start
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2.0)
    np.testing.assert_allclose(np.square(way).mean(axis=0), 4 / 3, rtol=0.1)
    assert (tubes.end_radius <= tubes.start_radius + 1e-12).all()


def test_dendrites_branch_by_ralls_law():
    habit = Habit(bend=0.05, branching=0.03, taper=0.004, thinnest=0.4, length=60.0)
    start, heading = np.full((40, 3), 200.0), np.eye(3)[np.arange(40) % 3]
    tubes = grow(np.random.default_rng(0), np.full(3, 400.0), start, heading, np.full(40, 1.0), habit)
    pieces = {}
    for piece, foot in enumerate(map(tuple, tubes.start)):
        pieces.setdefault(foot, []).append(piece)
    forks = [
        (tubes.end_radius[i], tubes.start_radius[pieces[tip]])
        for i, tip in enumerate(map(tuple, tubes.end))
        if len(pieces.get(tip, ())) == 2
    ]
    assert len(forks) > 20
    for parent, children in forks:
        assert (children**1.5).sum() == pytest.approx(parent**1.5)


@pytest.mark.parametrize("radius", [0.15, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("voxel", [(0.5, 0.5, 0.5), (1.0, 0.5, 0.5)])
def test_a_tube_has_the_volume_of_a_cylinder(radius, voxel):
    canvas = Canvas(tuple(int(20 / v) for v in voxel), voxel)
    start, end = np.array([[7.3, -9.0, 6.1]]), np.array([[12.1, 31.0, 14.2]])
    size, one = np.array([radius]), np.ones(1)
    draw_tubes(canvas, Tubes(start, end, size, size, one), 1)
    inside = 20 * np.linalg.norm(end - start) / 40  # the part of the axis that is in the field, um
    volume = canvas.brightness.sum(dtype=float) * np.prod(voxel)
    assert volume == pytest.approx(np.pi * radius**2 * inside, rel=0.15)
    assert canvas.labels.any(axis=(0, 2)).all()  # no gap along the tube, however thin


def test_tubes_outside_the_field_draw_nothing():
    canvas = Canvas((4, 8, 8), (1.0, 0.5, 0.5))
    size = np.array([0.5])
    draw_tubes(canvas, Tubes(np.full((1, 3), -9.0), np.full((1, 3), -7.0), size, size, np.ones(1)), 1)
    assert not canvas.brightness.any()
    assert not canvas.labels.any()

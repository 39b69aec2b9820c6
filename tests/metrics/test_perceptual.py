"""LPIPS against the package of its authors, with backbones drawn at random: the same code runs on the real weights."""

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from backbones import drawn
from napari_depth_interp.errors import WeightsError
from napari_depth_interp.metrics import Comparison, VolumePair
from napari_depth_interp.metrics.perceptual import Lpips
from napari_depth_interp.models.weights import lpips_linear_weights

SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
KNOWN = {
    "alex": (0.0128849, 0.01288274, 0.00301708, 0.01209611, 0.01353354),
    "vgg": (0.0121480, 0.01214816, 0.00437148, 0.00500892, 0.01806272),
    "squeeze": (0.0156052, 0.01560507, 0.00524499, 0.04118872, 0.01193734),
}
"""By a network of our own, layer by layer: the mean; the mean, std, a corner and the middle of the map."""
RNG = np.random.default_rng(8)


def of_authors(net, backbone, *, spatial):
    """Return the package's LPIPS with this backbone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision in an old way
        import lpips

        model = lpips.LPIPS(net=net, pretrained=True, pnet_rand=True, spatial=spatial, verbose=False)
    kept = {name.removeprefix("features."): each for name, each in backbone.items()}
    for name, parameter in model.net.named_parameters():
        parameter.data.copy_(kept[name.split(".", 1)[1]])  # slice1.0.weight is the layer 0 of torchvision's
    return model


@pytest.fixture(scope="module", params=["alex", "vgg", "squeeze"])
def both(request):
    """The name of the network, ours, and the authors' as (mean, map)."""
    backbone = drawn(request.param)
    ours = Lpips(request.param, backbone, lpips_linear_weights(request.param))
    return request.param, ours, [of_authors(request.param, backbone, spatial=spatial) for spatial in (False, True)]


@pytest.fixture(scope="module")
def squeeze():
    return Lpips("squeeze", drawn("squeeze"), lpips_linear_weights("squeeze"))


def images(shape, scale=1.0):
    reference = gaussian_filter(RNG.random(shape), 1.5) * scale
    return reference, reference + RNG.normal(0, 0.05 * scale, shape)


def as_photograph(image, low, high):
    scaled = 2 * np.clip((image.astype(np.float32) - low) / (high - low), 0, 1) - 1
    return torch.from_numpy(scaled.astype(np.float32))[None, None].repeat(1, 3, 1, 1)


@pytest.mark.parametrize("shape", [(64, 64), (47, 70)])
def test_lpips_equals_the_package_of_its_authors(both, shape):
    _, ours, (mean, spatial) = both
    reference, test = images(shape, 300.0)
    pair = Comparison(reference, test, (100.0, 200.0), RNG.random(shape) < 0.3)
    tensors = [as_photograph(image, 100.0, 200.0) for image in (reference, test)]
    with torch.no_grad():
        expected, where = float(mean(*tensors)), spatial(*tensors)[0, 0].numpy()
    scores = ours.score_section(pair)
    assert expected > 0.01
    assert scores["lpips"] == pytest.approx(expected, abs=1e-5)
    assert scores["lpips_fg"] == pytest.approx(where[pair.foreground].mean(), abs=1e-5)
    np.testing.assert_allclose(ours.distance(reference, test, (100.0, 200.0)).where, where, atol=1e-5)


def test_lpips_is_what_an_independent_network_gave(both):
    net, ours, _ = both
    rng = np.random.default_rng(21)
    reference = gaussian_filter(rng.random((47, 70)), 1.5)
    found = ours.distance(reference, reference + rng.normal(0, 0.05, reference.shape), (0.2, 0.8))
    told = (found.mean, found.where.mean(), found.where.std(), found.where[0, 0], found.where[20, 50])
    assert told == pytest.approx(KNOWN[net], rel=1e-4)
    assert found.where.shape == (47, 70)


def test_identical_images_have_no_distance_and_the_order_does_not_matter(both):
    _, ours, _ = both
    reference, test = images((40, 40))
    assert ours.distance(reference, reference, (0, 1)).mean == 0
    there, back = ours.distance(reference, test, (0, 1)).mean, ours.distance(test, reference, (0, 1)).mean
    assert there == pytest.approx(back, rel=1e-5)


def test_the_smallest_images_that_each_network_takes(both):
    net, ours, _ = both
    size = SMALLEST[net]
    for shape, fits in [((size, size), True), ((size, size + 9), True), ((size - 1, 90), False), ((90, 9), False)]:
        reference, test = images(shape)
        pair = Comparison(reference, test, (0, 1), np.ones(shape, bool))
        scores = ours.score_section(pair)
        assert ours.fits(shape) is fits
        assert (scores["lpips"] is not None, scores["lpips_fg"] is not None) == (fits, fits)
    reference, test = images((size - 1, size - 1))
    with pytest.raises(RuntimeError):  # it is the network that does not take them
        ours.distance(reference, test, (0, 1))


def test_integers_and_values_outside_of_the_range(squeeze):
    reference, test = (image.round().astype(np.uint16) for image in images((32, 32), 5000.0))
    assert squeeze.distance(reference, test, (0, 5000)).mean == pytest.approx(
        squeeze.distance(reference / 5000, test / 5000, (0.0, 1.0)).mean, rel=1e-4
    )
    clipped = squeeze.distance(np.clip(reference, 2000, 3000), np.clip(test, 2000, 3000), (2000, 3000))
    assert squeeze.distance(reference, test, (2000, 3000)).mean == pytest.approx(clipped.mean)


def test_a_section_with_nan_or_without_foreground(squeeze):
    reference, test = images((32, 32))
    empty = np.zeros((32, 32), bool)
    scores = squeeze.score_section(Comparison(reference, test, (0, 1), empty))
    assert scores["lpips"] > 0
    assert scores["lpips_fg"] is None
    reference[3, 3] = np.nan
    assert squeeze.score_section(Comparison(reference, test, (0, 1), ~empty)) == {"lpips": None, "lpips_fg": None}


def planes_one_by_one(network, pair, most=10**9):
    """Return the mean distance over hidden sections and planes across, and over their foreground."""
    total, count, inside, voxels = 0.0, 0.0, 0.0, 0.0
    for axis in range(3):
        numbers = np.flatnonzero(pair.hidden) if axis == 0 else np.arange(pair.reference.shape[axis])
        used = numbers[np.unique(np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round().astype(int))]
        for number in used:
            planes = [np.take(each, number, axis) for each in (pair.reference, pair.test, pair.foreground)]
            found = network.distance(*planes[:2], pair.data_range)
            weight = len(numbers) / len(used)
            total, count = total + weight * found.mean, count + weight
            inside += weight * found.where[planes[2]].sum()
            voxels += weight * planes[2].sum()
    return total / count, inside / voxels


@pytest.mark.parametrize("most", [128, 5])
def test_planes_of_three_directions_are_averaged(squeeze, monkeypatch, most):
    monkeypatch.setattr("napari_depth_interp.metrics.perceptual._MOST_PLANES", most)
    reference, test = images((17, 18, 20))
    pair = VolumePair(reference, test, (0.0, 1.0), RNG.random(reference.shape) < 0.3, np.arange(17) % 4 > 0)
    mean, foreground = planes_one_by_one(squeeze, pair, most)
    scores = squeeze.score_volume(pair)
    assert scores["lpips_planes"] == pytest.approx(mean, rel=1e-5)
    assert scores["lpips_planes_fg"] == pytest.approx(foreground, rel=1e-5)


def test_stacks_that_have_no_planes_score(squeeze):
    nothing = {"lpips_planes": None, "lpips_planes_fg": None}
    reference, test = images((17, 17, 17))
    everywhere, hidden = np.ones(reference.shape, bool), np.ones(17, bool)
    thin = VolumePair(reference[:16], test[:16], (0, 1), everywhere[:16], hidden[:16])
    assert squeeze.score_volume(thin) == nothing
    holed = reference.copy()
    holed[0, 0, 0] = np.nan
    assert squeeze.score_volume(VolumePair(holed, test, (0, 1), everywhere, hidden)) == nothing
    known = squeeze.score_volume(VolumePair(reference, test, (0, 1), everywhere, ~hidden))
    assert known["lpips_planes"] > 0  # planes across it alone
    empty = squeeze.score_volume(VolumePair(reference, test, (0, 1), ~everywhere, hidden))
    assert empty["lpips_planes"] > 0
    assert empty["lpips_planes_fg"] is None


@pytest.mark.parametrize(("net", "other"), [("alex", "squeeze"), ("squeeze", "alex"), ("squeeze", None)])
def test_weights_of_another_network_are_refused(net, other):
    backbone = {} if other is None else drawn(other)
    with pytest.raises(WeightsError, match=f"not the weights of the image network '{net}'"):
        Lpips(net, backbone, lpips_linear_weights(net))


def test_half_precision_weights_and_those_of_the_classifier_are_taken(squeeze):
    reference, test = images((32, 32))
    halved = {name: each.half() for name, each in drawn("squeeze").items()} | {"classifier.1.weight": torch.ones(2)}
    found = Lpips("squeeze", halved, lpips_linear_weights("squeeze")).distance(reference, test, (0, 1))
    assert found.mean == pytest.approx(squeeze.distance(reference, test, (0, 1)).mean, rel=0.02)

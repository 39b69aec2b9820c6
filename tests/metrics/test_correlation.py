"""Fourier ring and shell correlation: rings against a loop over all frequencies, resolutions in closed forms."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_depth_interp.metrics import VolumePair
from napari_depth_interp.metrics.correlation import (
    THRESHOLD,
    frc_xy,
    frc_xz,
    frc_yz,
    fsc,
    resolution,
    ring_curve,
    shell_curve,
)

RNG = np.random.default_rng(6)


def compare(reference, test, voxel_size=(1.0, 1.0, 1.0), hidden=None, foreground=None):
    hidden = np.ones(len(reference), bool) if hidden is None else np.asarray(hidden, bool)
    foreground = np.ones(reference.shape, bool) if foreground is None else foreground
    return VolumePair(reference, test, (0.0, 1.0), foreground, hidden, voxel_size)


def filtered(image, sizes, keep):
    """Keep the frequencies (cycles per unit of length) for which ``keep(*axes)`` holds."""
    axes = np.meshgrid(*(np.fft.fftfreq(n, size) for n, size in zip(image.shape, sizes, strict=True)), indexing="ij")
    return np.fft.ifftn(np.where(keep(*axes), np.fft.fftn(image), 0)).real


def curve_by_a_loop(pairs, sizes, along_z):
    """Return the frequency and the correlation of each ring, summed frequency by frequency."""
    shape = pairs[0][0].shape
    step = max(1 / (n * size) for n, size in zip(shape, sizes, strict=True))
    finest = 1 / (2 * sizes[0]) if along_z else min(1 / (2 * size) for size in sizes)
    count = int(finest / step + 1e-9)
    sums = np.zeros((count, 3))
    window = np.ones(shape)
    for axis, n in enumerate(shape):
        values = np.sin(np.pi * (np.arange(n) + 1) / (n + 1)) ** 2
        window *= values.reshape([-1 if axis == other else 1 for other in range(len(shape))])
    for reference, test in pairs:
        a, b = (np.fft.fftn((image - image.mean()) * window) for image in (reference, test))
        for where in np.ndindex(shape):
            k = [(i - n if 2 * i >= n else i) / (n * s) for i, n, s in zip(where, shape, sizes, strict=True)]
            ring = round(float(np.sqrt(np.square(k).sum())) / step)
            steep = k[0] ** 2 >= np.square(k[1:]).sum()
            if 1 <= ring <= count and (steep or not along_z):
                product = a[where] * np.conj(b[where])
                sums[ring - 1] += product.real, abs(a[where]) ** 2, abs(b[where]) ** 2
    return step * np.arange(1, count + 1), sums[:, 0] / np.sqrt(sums[:, 1] * sums[:, 2])


def noisy(shape):
    reference = gaussian_filter(RNG.random(shape), 0.7)
    return reference, reference + RNG.normal(0, 0.1, shape)


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.5), (3.0, 1.7, 1.4)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rings_equal_a_loop_over_all_frequencies(voxel_size, axis):
    pair = compare(*noisy((9, 12, 10)), voxel_size, hidden=np.arange(9) % 3 > 0)
    used = [1, 2, 4, 5, 7, 8] if axis == 0 else range(pair.reference.shape[axis])
    planes = [(pair.reference.take(i, axis), pair.test.take(i, axis)) for i in used]
    sizes = [size for other, size in enumerate(voxel_size) if other != axis]
    frequencies, correlations = ring_curve(pair, axis, False)
    expected = curve_by_a_loop(planes, sizes, axis > 0)
    np.testing.assert_allclose(frequencies, expected[0])
    np.testing.assert_allclose(correlations, expected[1], atol=1e-5)


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.6)])
def test_shells_equal_a_loop_over_all_frequencies(voxel_size):
    pair = compare(*noisy((9, 10, 8)), voxel_size)
    frequencies, correlations = shell_curve(pair, False)
    expected = curve_by_a_loop([(pair.reference, pair.test)], voxel_size, False)
    np.testing.assert_allclose(frequencies, expected[0])
    np.testing.assert_allclose(correlations, expected[1], atol=1e-5)


@pytest.mark.parametrize("function", [frc_xy, frc_xz, frc_yz, fsc])
@pytest.mark.parametrize("foreground", [False, True])
def test_identical_stacks_have_the_finest_resolution(function, foreground):
    image = RNG.random((16, 20, 24))
    assert function(compare(image, image), foreground) == pytest.approx(2)  # two voxels


@pytest.mark.parametrize(
    ("function", "finest"), [(frc_xy, 2 * 0.5), (frc_xz, 2 * 3.0), (frc_yz, 2 * 3.0), (fsc, 2 * 3.0)]
)
def test_the_voxel_size_sets_the_finest_resolution(function, finest):
    image = RNG.random((16, 96, 96))  # 48 units along each axis
    assert function(compare(image, image, (3.0, 0.5, 0.5)), False) == pytest.approx(finest)


@pytest.mark.parametrize("cut", [0.1, 0.2, 0.35])
def test_a_band_limited_copy_has_its_cut_off_as_resolution(cut):
    image = RNG.normal(size=(10, 96, 96))
    copy = np.stack([filtered(each, (1, 1), lambda y, x: y**2 + x**2 <= cut**2) for each in image])
    # The window spreads every frequency over its neighbours, and 1/7 is reached late.
    assert cut - 1 / 96 < 1 / frc_xy(compare(image, copy), False) < cut + 2 / 96


@pytest.mark.parametrize("cut", [0.05, 0.1])
def test_a_copy_without_fine_detail_along_z_is_seen_in_planes_across_only(cut):
    """Sections 2 units apart; frequencies along z are lost from ``cut`` on, those of the sections are not."""
    image = RNG.normal(size=(48, 40, 44))
    copy = filtered(image, (2.0, 1.0, 1.0), lambda z, _y, _x: np.abs(z) <= cut)
    pair = compare(image, copy, (2.0, 1.0, 1.0))
    assert frc_xy(pair, False) == pytest.approx(2)
    for function in (frc_xz, frc_yz):
        # A ring reaches 45 degrees off z, where the frequency along z is 1 / sqrt(2) of its radius.
        assert cut - 2 / 88 < 1 / function(pair, False) < np.sqrt(2) * cut + 2 / 88
    band = filtered(image, (2.0, 1.0, 1.0), lambda z, y, x: z**2 + y**2 + x**2 <= cut**2)
    assert 1 / fsc(compare(image, band, (2.0, 1.0, 1.0)), False) == pytest.approx(cut, abs=2 / 40)


def test_white_noise_on_white_signal_correlates_as_their_powers_say():
    """<a b> / sqrt(<a a> <b b>) = 1 / sqrt(1 + noise power / signal power), in every ring."""
    signal = RNG.normal(size=(40, 64, 64))
    for ratio in (0.25, 1.0, 4.0):
        pair = compare(signal, signal + RNG.normal(0, np.sqrt(ratio), signal.shape))
        for curve in (ring_curve(pair, 0, False), shell_curve(pair, False)):
            np.testing.assert_allclose(curve[1][7:], 1 / np.sqrt(1 + ratio), atol=0.08)
    independent = compare(signal, RNG.normal(size=signal.shape))
    assert frc_xy(independent, False) == pytest.approx(64, rel=0.01)  # the first ring is below the threshold


def test_noise_that_drowns_the_fine_detail_gives_the_frequency_where_it_does():
    """Signal power s(k), noise power 1: the correlation is 1 / sqrt(1 + 1 / s), which is 1/7 at s = 1/48."""
    size, half = 128, 0.15
    y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    amplitude = np.exp(-(y**2 + x**2) / half**2)  # s = amplitude squared
    crossing = half * np.sqrt(np.log(48) / 2)
    white = RNG.normal(size=(40, size, size))
    signal = np.fft.ifft2(np.fft.fft2(white) * amplitude).real
    noise = RNG.normal(size=white.shape)
    assert 1 / frc_xy(compare(signal, signal + noise), False) == pytest.approx(crossing, rel=0.05)


def test_only_hidden_sections_count_in_xy():
    image = RNG.random((12, 24, 24))
    test = image.copy()
    test[::2] = RNG.random((6, 24, 24))
    odd = np.arange(12) % 2 > 0
    assert frc_xy(compare(image, test, hidden=odd), False) == pytest.approx(2)
    assert frc_xy(compare(image, test, hidden=~odd), False) > 4
    assert frc_xy(compare(image, test, hidden=np.zeros(12)), False) is None


def test_the_foreground_is_the_box_around_it():
    image = RNG.random((20, 32, 32))
    test = RNG.random((20, 32, 32))
    box = (slice(4, 16), slice(8, 24), slice(8, 24))
    test[box] = image[box]
    foreground = np.zeros(image.shape, bool)
    foreground[4, 8, 8] = foreground[15, 23, 23] = True
    pair = compare(image, test, foreground=foreground)
    for axis in range(3):
        np.testing.assert_allclose(ring_curve(pair, axis, True)[1], 1, atol=1e-5)
        assert ring_curve(pair, axis, False)[1].min() < 0.9
    np.testing.assert_allclose(shell_curve(pair, True)[1], 1, atol=1e-5)
    assert shell_curve(pair, False)[1].min() < 0.9
    one_voxel = np.zeros(image.shape, bool)
    one_voxel[10, 10, 10] = True
    assert frc_xy(compare(image, test, foreground=one_voxel), True) is None


@pytest.mark.parametrize(
    ("frequencies", "correlations", "frequency"),
    [
        ([0.1, 0.2, 0.3], [1.0, 0.9, 0.5], 0.3),  # stays above
        ([0.1, 0.2, 0.3], [0.1, 0.9, 0.5], 0.1),  # starts below
        ([0.1, 0.2, 0.3], [1.0, 3 / 7, -1 / 7], 0.25),  # half way down between two rings
        ([0.1, 0.2, 0.3], [2 / 7, 0.0, 1.0], 0.15),  # the first crossing
        ([0.1, 0.2, 0.3], [1.0, 1 / 7, 0.0], 0.2),  # touches it at a ring
    ],
)
def test_the_resolution_is_read_off_a_straight_line(frequencies, correlations, frequency):
    assert THRESHOLD == 1 / 7
    assert resolution(np.array(frequencies), np.array(correlations)) == pytest.approx(1 / frequency)


@pytest.mark.parametrize("function", [frc_xy, frc_xz, frc_yz, fsc])
def test_what_has_no_resolution(function):
    image = RNG.random((9, 12, 12))
    assert function(compare(image, image, None), False) is None  # no voxel size
    small = RNG.random((7, 7, 7))
    assert function(compare(small, small), False) is None
    holed = image.copy()
    holed[4, 5, 6] = np.nan
    for pair in (compare(holed, image), compare(image, holed)):
        assert function(pair, False) is None
    flat = np.full_like(image, 3.0)
    assert function(compare(flat, image), False) is None  # nothing to correlate with
    # A result without any structure knows nothing of the truth: the coarsest ring.
    assert function(compare(image, flat), False) >= 9


def test_a_stack_too_narrow_for_its_spacing_has_no_rings_along_z():
    """Planes 4 units wide, sections 3 apart: the first ring is finer than two sections."""
    image = RNG.random((9, 12, 10))
    pair = compare(image, image, (3.0, 0.4, 0.4))
    assert frc_xz(pair, False) is None
    assert frc_xy(pair, False) == pytest.approx(0.8, rel=0.3)


def test_many_planes_are_thinned_out_and_large_volumes_cut_around_the_centre():
    image = RNG.random((8, 8, 300))
    test = image.copy()
    test[:, :, :20] = RNG.random((8, 8, 20))  # outside of the central 256
    assert fsc(compare(image, test), False) == pytest.approx(2)
    assert frc_yz(compare(image, image), False) == pytest.approx(2)

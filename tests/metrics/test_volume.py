"""Scores of whole stacks: 3-D SSIM against three other implementations, changes along z by closed forms."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_depth_interp.metrics import VolumePair
from napari_depth_interp.metrics import volume as of_volume
from napari_depth_interp.metrics.volume import flicker_ratio, gradient_ratio, ssim_3d

RNG = np.random.default_rng(4)


def compare(reference, test, hidden=None, foreground=None, data_range=(0.0, 1.0)):
    hidden = np.ones(len(reference), bool) if hidden is None else np.asarray(hidden, bool)
    foreground = np.ones(reference.shape, bool) if foreground is None else foreground
    return VolumePair(reference, test, data_range, foreground, hidden)


def noisy(shape, scale=1.0, noise=0.1):
    reference = gaussian_filter(RNG.random(shape), 1) * scale
    return reference, reference + RNG.normal(0, noise * scale, shape)


def windows(volume):
    return sliding_window_view(volume.astype(float), (7, 7, 7))


def ssim_from_scratch(reference, test, peak):
    """Return the similarity in every window of 7 x 7 x 7 voxels, with sample covariances."""
    a, b = windows(reference), windows(test)
    axes = (-3, -2, -1)
    ma, mb = a.mean(axes), b.mean(axes)
    va, vb = a.var(axes, ddof=1), b.var(axes, ddof=1)
    covariance = ((a - ma[..., None, None, None]) * (b - mb[..., None, None, None])).sum(axes) / (343 - 1)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * ma * mb + c1) * (2 * covariance + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


@pytest.mark.parametrize("depth", [7, 12, 18, 19, 31, 43])
def test_ssim_3d_in_slabs_equals_scikit_image_on_the_whole_stack(depth):
    reference, test = noisy((depth, 11, 13), 200.0)
    _, full = structural_similarity(reference, test, data_range=150.0, win_size=7, full=True)
    pair = compare(reference, test, data_range=(50.0, 200.0))
    assert ssim_3d(pair, False) == pytest.approx(full[3:-3, 3:-3, 3:-3].mean(), abs=1e-9)


def test_ssim_3d_equals_an_implementation_from_scratch_and_the_slabs_do_not_matter(monkeypatch):
    reference, test = noisy((20, 10, 9))
    hidden = np.arange(20) % 3 > 0
    foreground = RNG.random(reference.shape) < 0.4
    pair = compare(reference, test, hidden, foreground)
    values = ssim_from_scratch(reference, test, 1.0)
    used = np.broadcast_to(hidden[3:-3, None, None], values.shape)
    inside = used & foreground[3:-3, 3:-3, 3:-3]
    for slab in (1, 5, 12, 100):
        monkeypatch.setattr(of_volume, "_SLAB", slab)
        assert ssim_3d(pair, False) == pytest.approx(values[used].mean(), abs=1e-9)
        assert ssim_3d(pair, True) == pytest.approx(values[inside].mean(), abs=1e-9)


def test_ssim_3d_is_that_of_torchmetrics_but_for_its_biased_covariance():
    """torchmetrics divides by 343 where scikit-image divides by 342: 0.3 % of variances that c2 does not hide."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    reference, test = noisy((12, 12, 12), noise=0.05)
    tensors = (torch.from_numpy(each)[None, None] for each in (test, reference))
    _, full = structural_similarity_index_measure(
        *tensors, gaussian_kernel=False, sigma=(1.5, 1.5, 1.5), kernel_size=(7, 7, 7), data_range=1.0,
        return_full_image=True,
    )  # fmt: skip
    theirs = float(full[..., 3:-3, 3:-3, 3:-3].mean())
    assert 0.3 < theirs < 0.95
    assert ssim_3d(compare(reference, test), False) == pytest.approx(theirs, abs=2e-3)


def test_only_hidden_sections_count_in_ssim_3d():
    reference, test = noisy((24, 9, 9))
    test[12:] = reference[12:]
    late = np.arange(24) >= 15  # windows around them lie in the exact half
    assert ssim_3d(compare(reference, test, late), False) == pytest.approx(1)
    assert ssim_3d(compare(reference, test, ~late), False) < 0.9
    assert ssim_3d(compare(reference, test, np.zeros(24)), False) is None
    ends = np.isin(np.arange(24), [0, 1, 2, 21, 22, 23])  # no whole window around them
    assert ssim_3d(compare(reference, test, ends), False) is None
    assert ssim_3d(compare(reference, test, foreground=np.zeros(reference.shape, bool)), True) is None


@pytest.mark.parametrize("shape", [(6, 20, 20), (20, 6, 20), (20, 20, 6), (1, 1, 1)])
def test_stacks_smaller_than_the_window_have_no_ssim_3d(shape):
    reference, test = RNG.random((2, *shape))
    assert ssim_3d(compare(reference, test), False) is None


def test_voxels_that_are_not_a_number_are_left_out_of_ssim_3d():
    reference, test = noisy((9, 12, 30), noise=0.3)
    holed = reference.copy()
    holed[:, :, 22:] = np.nan
    whole, left = compare(reference, test), np.zeros(reference.shape, bool)
    left[:, :, :19] = True  # windows of these columns end before column 22
    far = compare(holed, test, foreground=left)
    assert ssim_3d(far, True) == pytest.approx(ssim_3d(compare(reference, test, foreground=left), True))
    right = np.zeros(reference.shape, bool)
    right[:, :, 26:] = True
    assert ssim_3d(compare(holed, test, foreground=right), True) is None
    assert ssim_3d(compare(holed, test), False) < ssim_3d(whole, False) + 0.1  # not lifted by voxels set to 0 in both


# Changes along z


def along_z(curve, size=5):
    pattern = np.linspace(1, 2, size * size).reshape(size, size)
    return np.asarray(curve, float)[:, None, None] * pattern


def test_the_same_ramp_has_the_same_gradient_and_a_flatter_one_less():
    ramp = along_z(np.arange(9.0))
    assert gradient_ratio(compare(ramp, ramp), False) == 1
    assert gradient_ratio(compare(ramp, 0.25 * ramp + 7), False) == pytest.approx(0.25)
    assert gradient_ratio(compare(ramp, np.zeros_like(ramp)), False) == 0
    assert flicker_ratio(compare(ramp, 2 * ramp), False) is None  # the truth bends nowhere
    assert gradient_ratio(compare(np.ones_like(ramp), ramp), False) is None


@pytest.mark.parametrize("gap", [2, 4, 5])
def test_a_linearly_interpolated_sine(gap):
    """Chords rise as far as the curve does, but bend only at the sections that were kept."""
    period = 80
    z = np.arange(0, period // 4 + 1)  # a quarter of the period: the sine rises all the way
    truth = np.sin(2 * np.pi * z / period)
    chords = np.interp(z, z[::gap], truth[::gap])
    pair = compare(along_z(truth), along_z(chords), z % gap > 0)
    assert gradient_ratio(pair, False) == pytest.approx(1)
    bends = np.abs(np.diff(truth, 2))
    used = [i for i in range(len(bends)) if any((z[i : i + 3] % gap) > 0)]
    corners = np.abs(np.diff(chords, 2))
    assert flicker_ratio(pair, False) == pytest.approx(corners[used].sum() / bends[used].sum())


def test_peaks_that_are_cut_off_lower_the_gradient():
    """Sections of a sine at its zeros and peaks: every second one kept, all peaks are lost."""
    truth = along_z([0, 1, 0, -1, 0, 1, 0, -1, 0])
    flat = np.zeros_like(truth)
    pair = compare(truth, flat, np.arange(9) % 2 > 0)
    assert gradient_ratio(pair, False) == 0
    half = compare(truth, 0.5 * truth, np.arange(9) % 2 > 0)
    assert gradient_ratio(half, False) == pytest.approx(0.5)
    assert flicker_ratio(half, False) == pytest.approx(0.5)


def test_flicker_of_white_noise_grows_with_its_size():
    noise = RNG.normal(0, 1, (40, 20, 20))
    other = RNG.normal(0, 3, (40, 20, 20))
    pair = compare(noise, other)
    assert flicker_ratio(pair, False) == pytest.approx(3, rel=0.02)
    assert gradient_ratio(pair, False) == pytest.approx(3, rel=0.02)


def test_only_runs_with_a_hidden_section_and_only_the_foreground_count():
    truth = along_z(np.arange(8.0))
    test = truth.copy()
    test[5:] *= 4
    hidden = np.arange(8) == 1
    assert gradient_ratio(compare(truth, test, hidden), False) == 1
    assert gradient_ratio(compare(truth, test, np.zeros(8)), False) is None
    foreground = np.zeros(truth.shape, bool)
    foreground[:3] = True
    assert gradient_ratio(compare(truth, test, foreground=foreground), True) == 1
    assert gradient_ratio(compare(truth, test), False) > 2
    assert gradient_ratio(compare(truth, test, foreground=np.zeros(truth.shape, bool)), True) is None


def test_integers_do_not_wrap_and_nan_is_left_out():
    down = along_z([200, 100, 0]).round().astype(np.uint16)
    assert gradient_ratio(compare(down, down // 2), False) == pytest.approx(0.5, abs=0.01)
    truth = along_z(np.arange(4.0))
    holed = 2 * truth
    holed[1, 0] = np.nan
    assert gradient_ratio(compare(truth, holed), False) == pytest.approx(2)
    assert gradient_ratio(compare(truth, np.full_like(truth, np.nan)), False) is None


def test_the_box_holds_the_foreground():
    foreground = np.zeros((5, 6, 7), bool)
    pair = compare(np.zeros((5, 6, 7)), np.zeros((5, 6, 7)), foreground=foreground)
    assert pair.box == (slice(None),) * 3
    foreground[1, 2, 3] = foreground[3, 2, 6] = True
    assert compare(pair.reference, pair.test, foreground=foreground).box == (slice(1, 4), slice(2, 3), slice(3, 7))

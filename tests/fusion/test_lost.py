"""Lost sections: found by what the other stacks show, and of no consequence for the volume."""

import nibabel
import numpy as np
import pytest

from command_line import succeed
from napari_depth_interp.fusion.configs import LeastSquaresConfig
from napari_depth_interp.fusion.least_squares import solve
from napari_depth_interp.fusion.lost import empty_sections, lost_sections
from napari_depth_interp.fusion.problem import Problem
from napari_depth_interp.fusion.trial import better_without
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile
from thick_stacks import affine_along, specimen, thick, write_nifti, write_stacks

GONE = (3, 4, 5)
SPOILT = {
    "black": lambda section, _rng: 0 * section,
    "of read noise": lambda section, rng: 100 + 5 * rng.normal(size=section.shape),
    "dark": lambda section, _rng: 0.3 * section,
    "displaced": lambda section, _rng: np.roll(section, 8, 1),
    "noisy": lambda section, rng: section + 600 * rng.normal(size=section.shape),
}


def spoil(array, how, numbers=GONE):
    found, rng = array.copy(), np.random.default_rng(8)
    for number in numbers:
        found[number] = SPOILT[how](array[number], rng)
    return found.astype(np.float32)


def as_views(arrays, axes=(2, 1, 0)):
    return [
        View(each / 1000, affine_along(axis), Profile("box", 4.0), f"stack {axis}")
        for each, axis in zip(arrays, axes, strict=False)
    ]


def numbers(lost):
    return [np.flatnonzero(each).tolist() for each in lost]


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("count", [2, 3])
def test_neighbouring_sections_are_found(how, count):
    arrays = [thick(axis) for axis in (2, 1, 0)[:count]]
    arrays[1] = spoil(arrays[1], how)
    views = as_views(arrays)
    assert numbers(lost_sections(views, isotropic(views[0]))) == [[], list(GONE), []][:count]


@pytest.mark.parametrize("end", [0, 7])
def test_the_ends_of_a_stack_need_more(end):
    """The others have their rims there; what is lost altogether is found nevertheless."""
    for how in SPOILT:
        views = as_views([thick(2), spoil(thick(1), how, (end,))])
        assert numbers(lost_sections(views, isotropic(views[0]))) == [[], [end]]
    noise = 106 * np.random.default_rng(8).normal(size=thick(1)[0].shape).astype(np.float32)
    for number, found in ((4, [4]), (end, [])):
        noisy = thick(1).copy()
        noisy[number] += noise
        views = as_views([thick(2), noisy])
        assert numbers(lost_sections(views, isotropic(views[0]))) == [[], found]


def test_a_dark_section_is_found_where_less_is_to_be_seen_than_usual():
    faint = specimen().copy()
    faint[:, 16:20] = 400 + 0.6 * (faint[:, 16:20] - 400)
    coronal = thick(1, volume=faint)
    for second, found in ((coronal, []), (spoil(coronal, "dark", (4,)), [4])):
        views = as_views([thick(2, volume=faint), second])
        assert numbers(lost_sections(views, isotropic(views[0]))) == [[], found]


def test_nothing_is_lost_where_brightness_drifts():
    arrays = [thick(axis) for axis in (2, 1)]
    arrays[1] *= np.linspace(0.7, 1.3, len(arrays[1]), dtype=np.float32)[:, None, None]
    views = as_views(arrays)
    assert numbers(lost_sections(views, isotropic(views[0]))) == [[], []]


def test_found_in_both_stacks():
    views = as_views([spoil(thick(2), "displaced", (1, 6)), spoil(thick(1), "black")])
    assert numbers(lost_sections(views, isotropic(views[0]))) == [[1, 6], list(GONE)]


def test_the_end_of_a_specimen_is_not_lost():
    array = np.asarray(thick(2))
    array[[0, 1, 4, 7]] = 0
    array[5] = np.nan
    assert np.flatnonzero(empty_sections(as_views([array])[0])).tolist() == [4, 5]


def test_held_out_sections_tell_whether_it_is_better_without():
    """What is left out for nothing is missed; what is spoilt is not."""
    good, spoilt = [thick(2), thick(1)], [thick(2), spoil(thick(1), "displaced")]
    lost = (np.zeros(8, bool), np.isin(np.arange(8), GONE))
    views = [as_views(each) for each in (good, spoilt)]
    whole = [Problem.of(each, isotropic(each[0])) for each in views]

    def volume(problem, plain, _report):
        return solve(problem, LeastSquaresConfig(), plain)[0]

    assert not better_without(whole[0], lost, volume)
    assert better_without(whole[1], lost, volume)


def test_the_command_leaves_them_out_and_says_so(tmp_path):
    paths = write_stacks(tmp_path, 2)
    done = succeed("fuse", *paths, tmp_path / "good.nii.gz", "--profile", "box", "--threads", 1)
    assert "do not count" not in done.stderr
    write_nifti(paths[1], spoil(thick(1), "displaced"), affine_along(1))
    done = succeed("fuse", *paths, tmp_path / "spoilt.nii.gz", "--profile", "box", "--threads", 1)
    assert "'coronal.nii.gz': sections 3, 4, 5 of 8 (counted from 0) do not show what the other stacks" in done.stderr
    good, spoilt = (rms(nibabel.load(tmp_path / f"{name}.nii.gz")) for name in ("good", "spoilt"))
    alone = rms(np.repeat(thick(2), 4, axis=0))  # the stack of which nothing is lost, as it is
    assert good < spoilt < 0.8 * alone


def rms(found):
    values = found if isinstance(found, np.ndarray) else np.asarray(found.dataobj, float).T
    return float(np.sqrt(np.mean((values - specimen())[(slice(4, -4),) * 3] ** 2)))

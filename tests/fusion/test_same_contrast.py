"""One contrast or two: stacks that lie over each other, told apart by what noise and blur cannot explain."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from command_line import depth_interp, succeed
from napari_depth_interp.errors import RequestError
from napari_depth_interp.fusion.contrast import matched
from napari_depth_interp.fusion.same_contrast import check_same_contrast, likeness
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile
from thick_stacks import affine_along, specimen, thick, write_nifti, write_stacks


def shifted(voxels, axis=0):
    found = np.eye(4)
    found[axis, 3] = voxels
    return found


def with_noise(stack):
    """Return a stack of which a section was lost, and nobody noticed: its drift is then told wrongly."""
    found = stack.copy()
    found[3] = np.random.default_rng(6).normal(900, 100, found[3].shape)
    return found


def second_stain(strength):
    """Return the specimen with other structures in it as well."""
    other = gaussian_filter(np.random.default_rng(4).normal(size=specimen().shape), 2.0)
    return specimen() + np.float32(strength / other.std()) * other


def folded(level):
    """Return the specimen with grey values that fall again above a level."""
    return np.where(specimen() > level, 2 * level - specimen(), specimen())


ONE = {
    "the same": lambda: thick(1),
    "brighter": lambda: 2.5 * thick(1) + 300,
    "noisy": lambda: thick(1, noise=200),
    "drifting": lambda: thick(1) * np.linspace(0.7, 1.3, 8)[:, None, None],
    "gamma below one": lambda: thick(1, volume=1000 * (specimen() / 1000) ** 0.7),
    "gamma above one": lambda: thick(1, volume=1000 * (specimen() / 1000) ** 1.4),
    "with a section of noise alone": lambda: with_noise(thick(1)),
    "displaced by two voxels": lambda: thick(1, motion=shifted(2)),
    "displaced by a thickness": lambda: thick(1, motion=shifted(4, axis=1)),
    "with a lost section": lambda: np.where(np.arange(8)[:, None, None] == 4, np.nan, thick(1)),
}
ANOTHER = {"a second stain": lambda: thick(1, volume=second_stain(200)), "folded": lambda: thick(1, volume=folded(500))}


LATTICE = isotropic(View(thick(2), affine_along(2), Profile("box", 4.0)))


def matched_pair(second):
    first = thick(2, noise=200 if second is ONE["noisy"] else 5)
    views = [
        View(np.asarray(each, np.float32) / 1000, affine_along(axis), Profile("box", 4.0), name)
        for each, axis, name in ((first, 2, "first"), (second(), 1, "second"))
    ]
    return matched(views, LATTICE)


@pytest.mark.parametrize("how", ONE)
def test_one_contrast_is_taken_for_one(how):
    views = matched_pair(ONE[how])[0]
    check_same_contrast(views, LATTICE)
    assert likeness(*views[::-1], LATTICE).together > (0.9 if "alone" in how else 0.95)


@pytest.mark.parametrize("how", ANOTHER)
def test_another_contrast_is_refused(how):
    """Both correlate by more than 0.6 with the first stack."""
    views = matched_pair(ANOTHER[how])[0]
    with pytest.raises(RequestError, match=r"^'second' shows another contrast than 'first', .* correlate by 0\.[78]"):
        check_same_contrast(views, LATTICE)


def test_a_bent_relation_is_told_from_a_line():
    """Grey values that saturate; noise alone bends nothing."""
    bent = likeness(*matched_pair(lambda: thick(1, volume=np.clip(specimen(), None, 450)))[0][::-1], LATTICE)
    noisy = likeness(*matched_pair(ONE["noisy"])[0][::-1], LATTICE)
    assert bent.straight > 1.15 * bent.bent
    assert noisy.straight < 1.1 * noisy.bent


def test_the_command_refuses_and_can_be_told_to_go_on(tmp_path):
    (axial,) = write_stacks(tmp_path, 1)
    stain = write_nifti(tmp_path / "stain.nii.gz", ANOTHER["a second stain"](), affine_along(1))
    output = tmp_path / "out.nii.gz"
    words = ("fuse", axial, stain, output, "--profile", "box", "--registration", "none", "--threads", 1)
    refused = depth_interp(*words)
    assert refused.returncode == 2
    assert "'stain.nii.gz' shows another contrast than 'axial.nii.gz', or does not lie over it" in refused.stderr
    assert "--unchecked" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not output.exists()
    succeed(*words, "--unchecked")
    assert output.exists()

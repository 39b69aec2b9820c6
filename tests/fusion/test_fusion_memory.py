"""Memory of a fusion: refused before it begins where it does not fit, and no more than what was reckoned with."""

import json
import sys

import numpy as np
import pytest
from scipy.ndimage import zoom

from command_line import depth_interp
from napari_depth_interp import io
from napari_depth_interp.errors import TooLargeError
from napari_depth_interp.fusion.checks import check_memory, needed_memory
from napari_depth_interp.fusion.request import resolve_fusion
from napari_depth_interp.fusion.settings import make_fuse_settings
from napari_depth_interp.fusion.views import View, isotropic
from napari_depth_interp.stack.profile import Profile
from napari_depth_interp.system import memory
from thick_stacks import THICK, affine_along, specimen, thick, write_nifti

SIDE = 64


def test_what_does_not_fit_is_refused_and_what_just_fits_is_not(monkeypatch):
    views = [View(thick(axis), affine_along(axis), Profile("box", 4.0)) for axis in (2, 1)]
    needed = needed_memory(views, isotropic(views[0]))
    monkeypatch.setattr(memory, "_free_memory", lambda: needed - 1)
    with pytest.raises(TooLargeError, match=r"^fusing into 32 x 32 x 32 voxels needs .* is free; ask for larger voxel"):
        check_memory(views, isotropic(views[0]))
    monkeypatch.setattr(memory, "_free_memory", lambda: needed)
    check_memory(views, isotropic(views[0]))


def test_more_and_larger_stacks_are_reckoned_to_need_more():
    views = [View(thick(axis), affine_along(axis), Profile("box", 4.0)) for axis in (2, 1, 0)]
    both = needed_memory(views[:2], isotropic(views[0]))
    assert both < needed_memory(views, isotropic(views[0]))
    assert both < needed_memory(views[:2], isotropic(views[0], 0.5))


@pytest.mark.parametrize("count", [2, 3])
def test_a_process_of_its_own_stays_below_what_is_reckoned_with(tmp_path, count):
    volume = zoom(specimen(), SIDE / len(specimen()), order=1)
    paths = []
    for axis, along in ((2, 0), (1, 1), (0, 2))[:count]:
        means = np.moveaxis(volume, along, 0).reshape(SIDE // THICK, THICK, SIDE, SIDE).mean(axis=1)
        paths.append(write_nifti(tmp_path / f"{axis}.nii.gz", means, affine_along(axis)))
    request = resolve_fusion([io.read(path) for path in paths], make_fuse_settings(profile="box"))
    reckoned = needed_memory(request.views, request.lattice) / 1e6
    done = depth_interp(
        "fuse", *paths, tmp_path / "fused.nii.gz", "--profile", "box", "--threads", 1, "--json",
        command=(sys.executable, "-X", "utf8", "-m", "napari_depth_interp"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    peak = json.loads(done.stdout)["peak_memory_mb"]
    assert reckoned / 3 < peak < reckoned

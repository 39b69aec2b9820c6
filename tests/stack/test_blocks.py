import numpy as np

from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.blocks import MOST, SIZE, regions_of


def stack(shape=(70, 520, 1030), at=None):
    voxels = np.zeros(shape, np.uint8)
    if at is not None:
        voxels[:, at[0] : at[0] + 256, at[1] : at[1] + 256] = np.arange(256)[None, :, None]
    return Dataset.from_array(voxels, z_spacing=2.0).stack()


def test_they_do_not_overlap_and_are_drawn_by_the_seed():
    first, second, other = (regions_of(stack(), 2**25, seed) for seed in (0, 0, 1))
    assert first == second
    assert len(first) == len(other) == min(MOST, 2 * 2 * 4)
    covered = np.zeros((70, 520, 1030), np.uint8)
    for region in first:
        covered[region] += 1
        assert tuple(part.stop - part.start for part in region) == SIZE
    assert covered.max() == 1


def test_where_there_is_something_to_see_is_preferred():
    found = [regions_of(stack(at=(256, 512)), 2 * 2**21, seed) for seed in range(20)]
    hits = sum(region[1].start == 256 and region[2].start == 512 for regions in found for region in regions)
    assert hits > 15


def test_a_small_budget_makes_them_smaller():
    regions = regions_of(stack(), 2**20, 0)
    assert sum(np.prod([part.stop - part.start for part in region]) for region in regions) <= 2**20
    assert len(regions) > 1

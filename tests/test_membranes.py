"""The segmenter of the benchmarks for neurites: it learns membranes in one stack and finds neurites in another."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.segmentation import find_boundaries

import _cells
import _membranes
import downstream
from napari_depth_interp import io
from napari_depth_interp.metrics.objects import object_scores
from napari_depth_interp.stack import Dataset

SHAPE, VOXEL = (40, 56, 56), (0.5, 0.5, 0.5)


def dark_walls(seed):
    """Make cells with dark membranes: stack and labels."""
    stack, drawn = _cells.cells(SHAPE, VOXEL, seed)
    return replace(stack, voxels=stack.voxels.max() - stack.voxels), drawn


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_membranes, "_STEPS", 60)
        patch.setattr(_membranes, "_CROP", 48)
        stack, drawn = dark_walls(0)
        folder = tmp_path_factory.mktemp("network")
        made = _membranes.trained(folder, stack.voxels[0, 0], find_boundaries(drawn))
        patch.setattr(_membranes, "_train", None)
        again = _membranes.trained(folder, stack.voxels[0, 0], find_boundaries(drawn))
    kept = again.state_dict()
    assert all((value == kept[name]).all() for name, value in made.state_dict().items())
    return made


def found(stack, drawn, network):
    labels = _membranes.between_membranes(stack, network)
    return object_scores(drawn, labels, stack.grid.depths, stack.grid.pixel_size)


def test_cells_of_another_stack_are_found_and_of_its_sparse_sections_fewer(network, monkeypatch):
    monkeypatch.setattr(_membranes, "_WEAK", 0.5)  # a network that has learned so little is never sure
    stack, drawn = dark_walls(1)
    dense = found(stack, drawn, network)
    assert dense["f1"] > 0.6
    grid = replace(stack.grid, depths=stack.grid.depths[::4])
    sparse = Dataset(np.ascontiguousarray(stack.voxels[:, :, ::4]), grid)
    assert 0 < found(sparse, drawn[::4], network)["f1"] < dense["f1"]


def test_weak_membranes_within_a_cell_are_taken_away():
    pieces = np.repeat(np.arange(1, 5, dtype=np.int32), 8)[None, None] * np.ones((3, 12, 1), np.int32)
    chance = np.zeros(pieces.shape)
    chance[..., 15:17] = 1.0
    joined = _membranes._merged(pieces, chance)
    assert len(np.unique(joined)) == 2
    assert (joined[..., :16] == joined[0, 0, 0]).all()
    assert (joined[..., 16:] == joined[0, 0, -1]).all()


def test_a_stack_without_neurites_has_none(network):
    stack, _ = dark_walls(1)
    flat = replace(stack, voxels=np.full_like(stack.voxels, 7))
    assert _membranes.between_membranes(flat, network).max() <= 1


def test_only_neurites_are_asked_for_and_what_teaches_is_not_judged(tmp_path, network, monkeypatch):
    stack, drawn = dark_walls(2)
    for name, voxels in (("image", stack.voxels), ("labels", drawn[None, None])):
        io.write(tmp_path / f"{name}.tif", replace(stack, voxels=np.ascontiguousarray(voxels)))
    files = {"image": "image.tif", "labels": "labels.tif"}
    pairs = [{"name": "a", "membranes": True}, {"name": "b"}, {"name": "c", "teaches": True}]
    (tmp_path / "pairs.json").write_text(json.dumps([each | files for each in pairs]), encoding="utf-8")
    learned = []
    monkeypatch.setattr(_membranes, "trained", lambda folder, image, labels: learned.append(labels) or network)
    setting = downstream.Setting(None, downstream.taught(tmp_path / "pairs.json", tmp_path), {}, tmp_path, (), ())
    np.testing.assert_array_equal(learned, drawn[None])
    volumes = list(downstream.from_pairs(tmp_path / "pairs.json", (17, 48, 48), 4))
    asked = {each.name: list(downstream.segmenters_of(each, setting)) for each in volumes}
    assert asked == {"a": [*downstream.SEGMENTERS, "membranes"], "b": list(downstream.SEGMENTERS)}
    assert downstream.taught(None, tmp_path) is None

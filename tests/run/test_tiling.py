"""Tiles along z, the limit of the memory, and blocks that are learned from."""

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from napari_depth_interp.errors import RequestError, TooLargeError
from napari_depth_interp.methods.auto.method import Auto
from napari_depth_interp.run import memory, tiling
from napari_depth_interp.run.block_making import block_bytes, blocks_of, memory_for_blocks, region_of
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.memory import check_memory, memory_of
from napari_depth_interp.run.prepared import prepare
from napari_depth_interp.run.preparing import learn
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Acquisition, Dataset
from napari_depth_interp.stack.lazy import LazyVoxels, as_array
from quick import quick

CHUNKS = (8, 256, 256)


def request(dataset, method="auto", **settings):
    return resolve(dataset, make_settings(method=method, factor=4, threads=2, preset="fast", **settings))


def huge(*shape):
    voxels = np.broadcast_to(np.arange(shape[0], dtype=np.uint16)[:, None, None], shape)
    return Dataset.from_array(voxels, z_spacing=2.0, pixel_size=(0.5, 0.5))


@pytest.fixture
def deep():
    rng = np.random.default_rng(0)
    voxels = rng.normal(size=(40, 24, 22)).cumsum(axis=0).cumsum(axis=1) * 20 + 2000
    return Dataset.from_array(voxels.astype(np.uint16), z_spacing=2.0, pixel_size=(0.5, 0.5))


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("method", ["flow", "section_sr", "cubic"])
def test_tiles_along_z_give_what_the_whole_gives(monkeypatch, deep, method, uneven):
    if uneven:
        gaps = np.random.default_rng(1).uniform(1.0, 3.0, 40)
        deep = replace(deep, grid=replace(deep.grid, depths=gaps.cumsum()))
    asked = request(deep, method, dtype="float32", parameters=quick(method))
    whole = execute(asked).dataset.voxels
    monkeypatch.setattr(tiling, "MARGIN_BYTES", 2 * 24 * 22 * 4 * (110 if method == "flow" else 40))
    monkeypatch.setattr(tiling, "PORTION", 16)
    spans = {(job.span.start, job.span.stop) for job in tiling.tiles(asked, deep.stack())}
    assert len(spans) > 3
    np.testing.assert_allclose(execute(asked).dataset.voxels, whole, rtol=1e-5)


def test_a_mixture_gives_each_method_its_own_margin(deep):
    """What is kept of a tile is as in the whole, and a network does not see the margin that a motion needs."""
    voxels = np.tile(np.asarray(deep.voxels), (1, 1, 1, 4, 4))[:, :, :12]
    mixed = quick("auto") | {"candidates": "cubic,section_sr"}
    asked = request(Dataset.from_array(voxels[0, 0], z_spacing=2.0, pixel_size=(0.5, 0.5)), parameters=mixed)
    stack, place = asked.dataset.stack(), (slice(30, 60), slice(0, 40))
    method = learn(asked, [stack], memory_of(asked)).method
    assert isinstance(method, Auto)
    whole, network, seen = method.sections_at(stack, [3.0, 9.0]), method._candidates["section_sr"], []
    method._candidates["section_sr"] = Seeing(network, seen)
    part = method.keeping(place).sections_at(stack, [3.0, 9.0])
    assert seen == [(12, 30 + 2 * 19, 40 + 19)]  # 13 for the network, 6 to smooth its result
    np.testing.assert_allclose(part.values, whole.values[:, *place], rtol=1e-5)
    np.testing.assert_allclose(part.uncertainty, whole.uncertainty[:, *place], rtol=1e-3)


class Seeing:
    """A method that remembers of what size the stacks are that it sees."""

    def __init__(self, method, seen):
        self.method, self.seen = method, seen

    def sections_at(self, stack, z, *, report):
        self.seen.append(stack.voxels.shape)
        return self.method.sections_at(stack, z, report=report)


def test_a_projection_needs_more_sections(deep):
    slices = request(deep, "section_sr")
    means = replace(slices, dataset=replace(slices.dataset, acquisition=Acquisition(4)))
    assert slices.z_reach == 10
    assert means.z_reach == 17
    assert request(deep, "linear").z_reach == 0
    assert request(deep, "flow", parameters={"fallback": "cubic"}).z_reach == 1
    assert request(deep, "auto", parameters={"candidates": "kplanes"}).z_reach is None


@pytest.mark.parametrize("shape", [(2000, 2048, 2048), (40, 9000, 9000), (4000, 600, 600)])
@pytest.mark.parametrize("limit", ["4GB", "8GB"])
@pytest.mark.parametrize("method", ["auto", "flow", "section_sr", "linear"])
def test_hardly_more_is_computed_than_kept(monkeypatch, shape, limit, method):
    """Margins along y, x and z together."""
    monkeypatch.setattr(memory, "resident_memory", lambda: 500 * 10**6)  # as of a program that has just begun
    asked = request(huge(*shape), method, memory=limit)
    division = memory_of(asked)
    assert division.held + tiling.largest_tile(asked, CHUNKS, room=division.room) * division.bytes_per_voxel < (
        asked.memory
    )
    assert tiling.share_of_margins(asked, CHUNKS, division.room) <= (1.35 if limit == "4GB" else 1.2)
    check_memory(asked, division, CHUNKS)


@pytest.mark.parametrize("method", ["auto", "flow", "section_sr"])
def test_hardly_more_is_computed_than_kept_in_blocks(monkeypatch, method):
    monkeypatch.setattr(memory, "resident_memory", lambda: 500 * 10**6)
    asked = request(huge(500, 2048, 2048), method, memory="8GB")
    blocks = blocks_of(asked)
    middle = region_of(blocks[blocks.count(0) // 2], 1)
    division = memory_for_blocks(asked, block_bytes(asked, blocks[0], 1))
    assert tiling.share_of_margins(asked, None, division.room, middle) <= 1.25
    check_memory(asked, division, None, middle)


@pytest.mark.parametrize(("threads", "method"), [(1, "flow"), (16, "flow"), (16, "auto")])
def test_what_each_thread_holds_is_counted(monkeypatch, threads, method):
    """Motion takes many images for each thread: with more of them tiles have fewer pixels."""
    monkeypatch.setattr(memory, "resident_memory", lambda: 500 * 10**6)
    settings = make_settings(method=method, factor=4, threads=threads, memory="4GB")
    asked = resolve(huge(500, 2048, 2048), settings)
    division = memory_of(asked)
    pixels = max(math.prod(part.stop - part.start for part in each.padded) for each in _tiles(asked, division))
    assert division.held + pixels * threads * 290 < asked.memory  # bytes, measured
    check_memory(asked, division)


def _tiles(asked, division):
    return list(tiling.tiles(asked, asked.dataset.stack(), None, None, division.room))


@pytest.mark.parametrize("method", ["auto", "linear"])
def test_a_limit_that_is_too_small_is_refused_with_what_is_needed(method):
    asked = request(huge(30, 256, 256), method, memory="100MB")
    with pytest.raises(
        TooLargeError, match=rf"{method} on this stack needs .* of memory, and --memory gives it 100 MB"
    ):
        execute(asked)


@pytest.mark.parametrize(("already", "fits"), [(280, True), (490, False)])
def test_what_the_process_has_already_is_counted_exactly_where_a_run_is_refused(monkeypatch, already, fits):
    monkeypatch.setattr(memory, "resident_memory", lambda: already * 10**6)
    asked = request(huge(216, 1408, 1408), "linear", memory="500MB")
    with nullcontext() if fits else pytest.raises(TooLargeError, match=r"needs 5.. MB of memory"):
        check_memory(asked, memory_of(asked), CHUNKS)


@pytest.mark.parametrize("text", ["8", "8 parsecs", "-1GB", "1kB", "nanGB"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(RequestError, match="is no size of memory"):
        make_settings(memory=text)


class Counted:
    """Voxels in a file, of which it is counted how many are read."""

    def __init__(self, voxels):
        self.voxels, self.shape, self.dtype, self.read = voxels, voxels.shape, voxels.dtype, 0

    def __getitem__(self, key):
        block = self.voxels[key]
        self.read += block.size
        return block


@pytest.mark.parametrize("method", ["section_sr", "srcnn", "cubic"])
def test_large_stacks_stay_in_their_file_while_blocks_are_learned_from(monkeypatch, method):
    """Blocks where there is something to see; the result is as good as that of the whole."""
    rng = np.random.default_rng(0)
    voxels = np.zeros((1, 1, 16, 512, 640), np.uint16)
    voxels[..., 256:512, 256:512] = rng.normal(size=(16, 256, 256)).cumsum(0) * 50 + 3000
    source = Counted(voxels)
    grid = huge(16, 512, 640).grid
    dataset = Dataset(as_array(LazyVoxels(source)), grid)
    monkeypatch.setattr(memory, "LEARNED_FROM", 2**20)
    monkeypatch.setattr(memory, "DRAWN", 2**20)
    target = {} if method == "srcnn" else {"factor": 2}
    settings = make_settings(method=method, preset="fast", threads=1, parameters=quick(method), **target)
    known = prepare(resolve(dataset, settings))
    assert source.read < 0.6 * voxels.size
    bounds = known.state(0, (0,)).part("method").values["bounds"]
    assert bounds["of_all"] is False
    assert bounds["high"] > 3000

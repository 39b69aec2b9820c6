"""All channels of an image in one run of the dock: one row, a result per channel in its colours, one file."""

import shlex
from dataclasses import replace

import numpy as np
import pytest
from controls import column_texts, entries, find, pick, press, read, shows, tick
from drive import finish, run
from npe2 import DynamicPlugin
from qtpy.QtWidgets import QTableWidget

from command_line import depth_interp
from napari_depth_interp import io
from napari_depth_interp.stack import Dataset

PLUGIN = "napari-depth-interp"


@pytest.fixture
def stained(tmp_path):
    """A file of two channels, 2 x 0.5 x 0.5 um, that show different structures."""
    z, y, x = np.meshgrid(np.arange(7), np.arange(30), np.arange(40), indexing="ij")
    nuclei = 1200 + 800 * np.sin(0.6 * z + 0.3 * y + 0.1 * x)
    actin = 300 + 90 * np.cos(0.5 * z - 0.2 * y + 0.3 * x)
    voxels = np.stack([nuclei, actin], axis=1).astype(np.uint16)
    dataset = Dataset.from_array(voxels, axes="ZCYX", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")
    path = tmp_path / "stained.tif"
    io.write(path, replace(dataset, channel_names=("nuclei", "actin"), channel_colours=("00FFFF", "FF0000")))
    return path


@pytest.fixture
def channels(widget, stained):
    """The widget with the file opened."""
    widget.stack.open_files([stained])
    return widget


def names(viewer):
    return [layer.name for layer in viewer.layers]


class TestChoice:
    def test_all_are_meant_at_first(self, viewer, channels):
        assert entries(channels.stack, "Channels") == ["All 2 of stained", "Only stained nuclei"]
        assert read(channels.bar, "run") == "Run on stained"
        assert "2 channels" in read(channels.stack, "summary")
        viewer.layers.selection.active = viewer.layers["stained actin"]
        assert read(channels.bar, "run") == "Run on stained"

    def test_one_alone(self, qtbot, viewer, channels):
        pick(channels.stack, "Channels", "one")
        viewer.layers.selection.active = viewer.layers["stained actin"]
        assert read(channels.bar, "run") == "Run on stained actin"
        [result] = run(qtbot, channels, factor=2).layers
        assert (result.name, len(result.data)) == ("stained actin linear", 13)

    def test_is_not_asked_where_there_is_one_only(self, viewer, channels):
        assert shows(channels.stack, "Channels")
        viewer.layers.remove("stained actin")
        assert not shows(channels.stack, "Channels")
        assert read(channels.bar, "run") == "Run on stained nuclei"

    def test_a_file_opened_twice_is_two_images(self, viewer, channels, stained):
        channels.stack.open_files([stained])
        assert [layer.name for layer in channels.stack.layers] == ["stained nuclei [1]", "stained actin [1]"]

    def test_a_moved_channel_is_run_alone(self, viewer, channels):
        viewer.layers["stained actin"].scale = (3, 0.5, 0.5)
        assert read(channels.bar, "run") == "Run on stained nuclei"
        viewer.layers["stained actin"].scale = (2, 0.5, 0.5)
        viewer.layers.selection.active = viewer.layers["stained actin"]
        assert read(channels.bar, "run") == "Run on stained"

    def test_channels_that_another_plugin_opens(self, qtbot, viewer, widget):
        with DynamicPlugin("another") as plugin:

            @plugin.contribute.sample_data(key="cells")
            def cells():
                voxels = np.random.default_rng(0).random((4, 2, 9, 8))
                return [(voxels, {"channel_axis": 1, "name": ["membranes", "nuclei"], "scale": (2, 1, 1)})]

            viewer.open_sample("another", "cells")
        assert entries(widget.stack, "Channels")[0] == "All 2 of cells"
        done = run(qtbot, widget, factor=2)
        assert [layer.name for layer in done.layers] == ["membranes linear", "nuclei linear"]
        assert [layer.colormap.name for layer in done.layers] == ["magenta", "green"]


class TestRun:
    def test_gives_each_channel_its_result_and_one_row(self, qtbot, viewer, channels, stained):
        sources = [viewer.layers[f"stained {name}"] for name in ("nuclei", "actin")]
        sources[1].contrast_limits = (250, 380)
        done = run(qtbot, channels, factor=2)
        assert names(viewer) == ["stained nuclei", "stained actin", "stained nuclei linear", "stained actin linear"]
        assert column_texts(find(channels.runs, "Runs", QTableWidget), 0) == ["stained linear"]
        for source, result in zip(sources, done.layers, strict=True):
            np.testing.assert_array_equal(result.data[::2], source.data)
            assert (result.colormap.name, result.blending) == (source.colormap.name, "additive")
            assert tuple(result.contrast_limits) == tuple(source.contrast_limits)
            assert (source.visible, result.visible) == (False, True)  # lights of both would add up

    def test_is_removed_and_taken_back_as_one(self, qtbot, viewer, channels):
        done = run(qtbot, channels, factor=2)
        press(channels.runs, "Remove run")
        assert names(viewer) == ["stained nuclei", "stained actin"]
        assert all(layer.visible for layer in viewer.layers)
        press(channels.runs, "Undo remove")
        assert names(viewer)[2:] == ["stained nuclei linear", "stained actin linear"]
        assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
        viewer.layers.remove(done.layers[0])
        assert not done.freed
        viewer.layers.remove(done.layers[1])
        assert done.freed
        assert viewer.layers[0].visible

    def test_parts_are_shown_for_each_channel(self, qtbot, viewer, channels):
        channels.compute.set_scoring(2)
        done = run(qtbot, channels, factor=2)
        for part in ("Truth", "Error"):
            tick(channels.runs, part)
        truth = done.more["truth"]
        assert [layer.name for layer in truth] == ["stained nuclei linear truth", "stained actin linear truth"]
        assert [layer.blending for layer in truth] == ["translucent_no_depth", "additive"]
        assert [layer.colorbar.visible for layer in done.more["absolute error"]] == [True, False]
        tick(channels.runs, "Truth", on=False)
        assert not any(layer.visible for layer in done.more["truth"])

    def test_a_preview_covers_what_it_is_of(self, qtbot, viewer, channels):
        for _ in range(2):
            press(channels.bar, "preview")
            finish(qtbot, channels)
        previews = names(viewer)[2:]
        assert previews == ["stained nuclei linear preview", "stained actin linear preview"]
        assert [viewer.layers[name].blending for name in previews] == ["translucent_no_depth", "additive"]
        assert viewer.layers[0].visible

    def test_a_part_covers_what_it_is_of_and_the_rectangle(self, qtbot, viewer, channels):
        viewer.add_shapes([[0, 0], [0, 2], [2, 2], [2, 0]])
        pick(channels.stack, "Part", "A drawn rectangle")
        done = run(qtbot, channels, factor=2)
        assert [layer.blending for layer in done.layers] == ["translucent_no_depth", "additive"]
        assert viewer.layers[0].visible

    def test_shares_what_a_method_finds_out_if_told_to(self, qtbot, viewer, channels):
        alone = run(qtbot, channels, method="flow", factor=2)
        shared = run(qtbot, channels, method="flow", factor=2, share_fit="yes")
        assert [layer.name for layer in shared.layers] == ["stained nuclei flow #2", "stained actin flow #2"]
        both = zip(alone.layers, shared.layers, strict=True)
        assert any(not np.array_equal(one.data, other.data) for one, other in both)

    def test_z_spacing_typed_for_all(self, qtbot, viewer, channels):
        find(channels.stack, "Z spacing").setText("3um")
        done = run(qtbot, channels, factor=3)
        assert [tuple(layer.scale) for layer in viewer.layers] == [(3, 0.5, 0.5)] * 2 + [(1, 0.5, 0.5)] * 2
        assert len(done.layers) == 2


def test_the_file_and_the_command_hold_all_channels(qtbot, channels, stained, tmp_path):
    done = run(qtbot, channels, factor=2)
    channels.save_result(tmp_path / "dense.ome.tif")
    finish(qtbot, channels)
    saved = io.read(tmp_path / "dense.ome.tif")
    assert (saved.channel_names, saved.channel_colours) == (("nuclei", "actin"), ("00FFFF", "FF0000"))
    words = shlex.split(done.command())
    assert "--channel" not in words
    words[3] = str(tmp_path / "again.ome.tif")
    depth_interp(*words[1:])
    np.testing.assert_array_equal(io.read(words[3]).voxels, saved.voxels)

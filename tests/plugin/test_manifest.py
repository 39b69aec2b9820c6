"""The manifest: what napari finds, and that all of it can be imported."""

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_depth_interp

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-depth-interp")


def test_is_found_by_its_entry_point_and_valid(manifest):
    [point] = entry_points(group="napari.manifest", name="napari-depth-interp")
    assert point.value == "napari_depth_interp:napari.yaml"
    manifest.validate_imports()
    assert manifest.display_name == "Depth interpolation"


def test_the_top_level_file_is_the_packaged_one():
    top = ROOT / "napari.yaml"
    packaged = Path(napari_depth_interp.__file__).with_name("napari.yaml")
    assert top.is_symlink()
    assert top.read_bytes() == packaged.read_bytes()
    assert top.resolve() == packaged.resolve()


def test_every_command_can_be_imported(manifest):
    commands = manifest.contributions.commands
    assert len(commands) == len({command.id for command in commands}) >= 9
    for command in commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_every_contribution_names_a_command(manifest):
    found = manifest.contributions
    known = {command.id for command in found.commands}
    used = {each.command for each in [*found.readers, *found.writers, *found.widgets, *found.sample_data]}
    used |= {item.command for items in found.menus.values() for item in items}
    assert used == known


def test_what_is_contributed(manifest):
    found = manifest.contributions
    assert [widget.display_name for widget in found.widgets] == [
        "Depth interpolation", "Compare methods", "Train a model", "Batch folder", "Interpolate labels",
        "Repair sections", "Fuse stacks",
    ]  # fmt: skip
    assert [item.command for item in found.menus["napari/file/io_utilities"]] == ["napari-depth-interp.batch"]
    assert [item.command for item in found.menus["napari/layers/transform"]] == [
        "napari-depth-interp.interpolate", "napari-depth-interp.repair", "napari-depth-interp.fuse",
        "napari-depth-interp.train",
    ]  # fmt: skip
    assert [item.command for item in found.menus["napari/layers/measure"]] == ["napari-depth-interp.compare"]
    patterns = {pattern for reader in found.readers for pattern in reader.filename_patterns}
    own = {"*.tif", "*.tiff", "*.btf", "*.companion.ome", "*.nii", "*.nii.gz", "*.zarr"}
    scanners = {"*.nrrd", "*.nhdr", "*.mha", "*.mhd", "*.mgz", "*.mgh", "*.mnc", "*.hdr"}
    assert patterns == own | scanners  # files of microscopes have readers of their own in napari
    extensions = {extension for writer in found.writers for extension in writer.filename_extensions}
    assert extensions == {".tif", ".tiff", ".ome.tif", ".ome.tiff", ".nii", ".nii.gz", ".zarr"}
    assert {sample.key for sample in found.sample_data} == {"mri", "organoid", "vessels", "dendrites", "cells"}
    page = found.configurations["defaults"]
    assert set(page.properties) == {"device", "preset", "observed_colour", "new_colour", "error_colormap"}


@pytest.mark.parametrize(
    ("entry", "widget"),
    [
        ("Transform", "Depth interpolation"),
        ("Measure", "Compare methods"),
        ("Transform", "Train a model"),
        ("Annotate", "Interpolate labels"),
    ],
)
def test_the_widgets_open_from_the_layers_menu(viewer, entry, widget):
    menu = viewer.window.layers_menu
    inner = next(action.menu() for action in menu.actions() if action.text().replace("&", "") == entry)
    titles = [action.text() for action in inner.actions()]
    assert any(widget in title for title in titles), titles

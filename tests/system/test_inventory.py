"""What pip knows of this package."""

import re

from napari_depth_interp.system import inventory


def test_the_dependencies_are_those_of_the_package():
    found = {each.name: each for each in inventory.required()}
    assert {"numpy", "torch", "magicgui", "typer"} <= set(found)
    assert not {"pytest", "napari", "distributed", "matplotlib"} & set(found)
    numpy = found["numpy"]
    assert numpy.fits
    assert numpy.wanted == ">=2.0"
    assert re.match(r"\d+\.\d+", numpy.version)
    assert set(found) >= inventory.OF_THE_WINDOW


def test_the_extras_hold_what_they_add():
    found = inventory.extras(leave_out=["dev"])
    parts = {"cluster", "report", "microscopes", "scanners", "remote", "formats", "fusion"}
    assert {"all", "bioimageio", "test", "docs", "release"} | parts == set(found)
    named = {name: {each.name.lower() for each in packages} for name, packages in found.items()}
    held = named["cluster"] | named["report"] | named["formats"] | named["fusion"]
    assert named["all"] - {"napari", "pyqt6"} == held
    assert "numpy" not in {each.name for each in found["test"]}


def test_a_version_that_does_not_serve_is_told(monkeypatch):
    monkeypatch.setattr(inventory.metadata, "requires", lambda _: ["numpy>=9000", "no-such-package-here>=1", "typer"])
    assert [(each.name, each.fits) for each in inventory.required()] == [
        ("no-such-package-here", False), ("numpy", False), ("typer", True)
    ]  # fmt: skip


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert inventory.disk_of(tmp_path / "a" / "b") == tmp_path

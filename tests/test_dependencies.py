"""Everything that is imported is asked for: by the package, by an extra, or by the tests' own extra."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = {path.stem for folder in ("tests", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py")} | {"peers"}
BROUGHT_BY_NAPARI = {"napari", "app_model", "dask", "vispy"}
BROUGHT_ALONG = {"numcodecs", "ome_zarr_models", "pydantic_core"}  # by zarr, ome-zarr and pydantic
GIVEN_BY_THE_CALLER = {"dask", "xarray"}
OTHERWISE_NAMED = {
    "bioimageio": "bioimageio-spec", "cv2": "opencv-python-headless", "nrrd": "pynrrd", "PIL": "pillow",
    "skimage": "scikit-image", "yaml": "pyyaml",
}  # fmt: skip


def modules(path):
    """Return what a file imports anywhere in it."""
    found = re.findall(
        r"^ *(?:import|from) ([A-Za-z_]\w*)(?:\.[\w.]+)?(?: import| as|$| *#|,)", path.read_text("utf-8"), re.MULTILINE
    )
    return set(found) - set(sys.stdlib_module_names)


def asked_for(*extras):
    """Return the distributions that the package asks for, with these extras and those that they hold."""
    lines, found = list(PROJECT["dependencies"]), set()
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    for requirement in map(Requirement, lines):
        within = requirement.name == PROJECT["name"]
        found |= asked_for(*requirement.extras) if within else {requirement.name.lower().replace(".", "-")}
    return found


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("src", ("all", "bioimageio")), ("tests", ("all", "test")), ("scripts", ("all", "test", "docs"))],
)
def test_what_is_imported_is_asked_for(folder, extras):
    known, lacking = asked_for(*extras), []
    for path in (ROOT / folder).rglob("*.py"):
        given = GIVEN_BY_THE_CALLER | BROUGHT_ALONG | OWN | {"napari_depth_interp"}
        given |= BROUGHT_BY_NAPARI if folder != "src" or "plugin" in path.parts else set()
        for name in modules(path) - given:
            package = OTHERWISE_NAMED.get(name, name).lower().replace("_", "-")
            lacking += [] if package in known else [f"{path.relative_to(ROOT)} imports {name}"]
    assert not lacking


def test_an_installation_into_a_napari_leaves_it_and_its_qt_alone():
    assert not asked_for() & {"napari", "pyqt5", "pyqt6", "pyside2", "pyside6"}
    assert {
        "magicgui",
        "qtpy",
        "torch",
        "tifffile",
        "nibabel",
        "lpips",
        "scikit-image",
        "superqt",
        "npe2",
    } <= asked_for()

"""What is heavy is imported only by who needs it."""

import json
import subprocess
import sys

import pytest

from command_line import ENVIRONMENT

HEAVY = {"torch", "lpips", "napari", "npe2", "qtpy", "PyQt5", "PyQt6", "PySide6", "superqt", "magicgui", "vispy"}

COMMAND = """
import contextlib, io, json, sys
from napari_depth_interp.cli import main
with contextlib.redirect_stdout(io.StringIO()) as output:
    status = main(sys.argv[1:])
print(json.dumps([status, len(output.getvalue()), sorted(name.split(".")[0] for name in sys.modules)]))
"""


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    return json.loads(done.stdout)


def test_the_package_imports_nothing_heavy():
    code = "import json, sys, napari_depth_interp; print(json.dumps([n.split('.')[0] for n in sys.modules]))"
    loaded = set(python(code))
    assert "napari_depth_interp" in loaded
    assert not loaded & (HEAVY | {"numpy", "scipy", "pydantic", "typer"})


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["methods"], ["methods", "--json"], ["run", "--help"], ["doctor"]]
)
def test_the_command_line_imports_nothing_heavy(arguments):
    status, printed, loaded = python(COMMAND, *arguments)
    assert status == 0
    assert printed > 5
    assert not set(loaded) & HEAVY


def test_a_run_imports_neither_torch_nor_qt(tmp_path):
    from command_line import noise, write_imagej

    source = write_imagej(tmp_path / "in.tif", noise((3, 8, 8)))
    status, _, loaded = python(
        COMMAND, "run", str(source), str(tmp_path / "out.tif"), "--factor", "2", "--method", "linear"
    )
    assert status == 0
    assert not set(loaded) & HEAVY


def test_this_can_fail():
    """The names are looked for where they would be found."""
    status, _, loaded = python(COMMAND.replace("import contextlib", "import torch, qtpy, contextlib"), "--version")
    assert status == 0
    assert {"torch", "qtpy"} <= set(loaded)

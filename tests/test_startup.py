"""What is heavy is imported only by who needs it."""

import json
import subprocess
import sys

from command_line import ENVIRONMENT

HEAVY = {"torch", "lpips", "napari", "npe2", "qtpy", "PyQt5", "PyQt6", "PySide6", "superqt", "magicgui", "vispy"}

COMMAND = """
import contextlib, io, json, sys
from napari_depth_interp.cli import main
found = []
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = main(arguments)
    found.append([status, len(output.getvalue()), sorted(name.split(".")[0] for name in sys.modules)])
print(json.dumps(found))
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


LIGHT = [["--help"], ["--version"], ["methods"], ["methods", "--json"], ["run", "--help"], ["doctor"]]


def test_the_command_line_imports_nothing_heavy():
    """One after the other in one process: what one imports is there for all that follow."""
    for arguments, (status, printed, loaded) in zip(LIGHT, python(COMMAND, json.dumps(LIGHT)), strict=True):
        assert status == 0, arguments
        assert printed > 5, arguments
        assert not set(loaded) & HEAVY, arguments


def test_a_run_imports_neither_torch_nor_qt(tmp_path):
    from command_line import noise, write_imagej

    source = write_imagej(tmp_path / "in.tif", noise((3, 8, 8)))
    words = ["run", str(source), str(tmp_path / "out.tif"), "--factor", "2", "--method", "linear"]
    [(status, _, loaded)] = python(COMMAND, json.dumps([words]))
    assert status == 0
    assert not set(loaded) & HEAVY


def test_this_can_fail():
    """The names are looked for where they would be found."""
    code = COMMAND.replace("import contextlib", "import torch, qtpy, contextlib")
    [(status, _, loaded)] = python(code, json.dumps([["--version"]]))
    assert status == 0
    assert {"torch", "qtpy"} <= set(loaded)

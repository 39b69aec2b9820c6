"""The container recipe, as far as it can be checked without a container engine, and the CLI as it runs in one."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import tifffile

from command_line import MODULE, noise, write_imagej
from napari_depth_interp.models import names as model_names

ROOT = Path(__file__).parent.parent
RECIPE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BROWSER = (ROOT / "packaging" / "Dockerfile.browser").read_text(encoding="utf-8")


def ignored_but(name):
    """Whether .dockerignore, which ignores everything, makes an exception for a name."""
    return f"!{name}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("recipe", [RECIPE, BROWSER], ids=["command line", "browser"])
def test_what_is_copied_is_there_and_enough(recipe):
    copied = [word for line in re.findall(r"^COPY (.*)$", recipe, re.MULTILINE) for word in line.split()[:-1]]
    assert copied
    assert all((ROOT / name).exists() and ignored_but(name) for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "src"}
    assert needed <= set(copied)


def test_it_starts_the_command_line_with_what_that_knows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [entry] = re.findall(r'^ENTRYPOINT \["(.*)"\]$', RECIPE, re.MULTILINE)
    assert entry in project["scripts"]
    assert f"{model_names.VARIABLE}=/models" in RECIPE
    [image] = re.findall(r"^FROM python:(\S+)-slim$", RECIPE, re.MULTILINE)
    assert any(classifier.endswith(f":: {image}") for classifier in project["classifiers"])


def test_the_browser_gets_what_the_page_of_xpra_asks_for():
    """Debian's xpra only recommends them: without jQuery the page stays empty, without Pillow no browser is let in."""
    [installed] = re.findall(r"apt-get install -y --no-install-recommends(.*?)&&", BROWSER, re.DOTALL)
    assert {"xpra", "libjs-jquery", "python3-pil"} <= set(installed.split())


def test_the_command_line_needs_no_screen_no_home_and_little_environment(tmp_path):
    (tmp_path / "in").mkdir()
    write_imagej(tmp_path / "in" / "a.tif", noise((4, 8, 9)))
    bare = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT")}
    bare |= {"HOME": "/nonexistent", "DEPTH_INTERP_MODELS": "/nonexistent/models", "TMPDIR": str(tmp_path)}
    words = ["batch", "in", "out", "--method", "linear", "--factor", "2", "--workers", "1"]
    done = subprocess.run(
        [*MODULE, *words], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert tifffile.imread(tmp_path / "out" / "a.tif").shape == (7, 8, 9)

"""Wheel and sdist: complete, valid, and the wheel works without the repository."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from command_line import ENVIRONMENT, noise, write_imagej
from napari_depth_interp import __version__

ROOT = Path(__file__).parent.parent


def python(*words, **options):
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist, and the wheel out of the sdist, without network."""
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", folder, ROOT, env=ENVIRONMENT)
    return folder


def test_both_are_valid(built):
    names = sorted(path.name for path in built.iterdir())
    stem = f"napari_depth_interp-{__version__}"
    assert names == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    assert python("-m", "twine", "--no-color", "check", "--strict", *built.iterdir()).count("PASSED") == 2


def test_the_sdist_holds_what_developers_need(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {"tests/conftest.py", "docs/index.md", "examples/akima/pyproject.toml", "mkdocs.yml", "CITATION.cff"}
    assert needed <= names
    assert not any("/shared/" in name or name.endswith(".pyc") for name in names)


def test_the_wheel_works_without_the_repository(built, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)  # all that pip does with a pure wheel, but for scripts
    environment = ENVIRONMENT | {"PYTHONPATH": str(site)}
    code = "import napari_depth_interp; print(napari_depth_interp.__file__)"
    assert Path(python("-c", code, env=environment, cwd=tmp_path).strip()).is_relative_to(site)
    source = write_imagej(tmp_path / "in.tif", noise((4, 8, 8)))
    words = [
        "-m",
        "napari_depth_interp",
        "run",
        source,
        tmp_path / "out.tif",
        "--factor",
        3,
        "--method",
        "linear",
        "--json",
    ]
    assert json.loads(python(*words, env=environment, cwd=tmp_path))["shape"] == [10, 8, 8]
    report = ["-m", "napari_depth_interp", "evaluate", source, "--keep-every", 2, "--report", tmp_path / "report"]
    python(*report, env=environment, cwd=tmp_path)  # needs the template of the page
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    check = (
        "from npe2 import PluginManager; m = PluginManager(); m.discover(); print(m.get_manifest('{0}').display_name)"
    )
    found = python("-c", check.format("napari-depth-interp"), env=environment, cwd=tmp_path)
    assert found.strip().splitlines()[-1] == "Depth interpolation"
    (info,) = site.glob("*.dist-info")
    assert (info / "licenses" / "LICENSE").is_file()
    assert (site / "napari_depth_interp" / "py.typed").is_file()


def test_what_the_napari_hub_reads(built):
    """The hub shows PyPI's metadata, the README and the manifest."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        text = wheel.read(next(name for name in wheel.namelist() if name.endswith("METADATA"))).decode()
        manifest = yaml.safe_load(wheel.read("napari_depth_interp/napari.yaml"))
    assert "Classifier: Framework :: napari\n" in text
    assert "License-Expression: BSD-3-Clause\n" in text
    assert "Description-Content-Type: text/markdown\n" in text
    assert "Provides-Extra: all\n" in text
    assert manifest["display_name"] == "Depth interpolation"
    assert set(manifest["categories"]) == {"Image Processing", "Measurement", "IO"}


def test_the_citation_file():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["cff-version"], cited["title"], cited["version"]) == ("1.2.0", "napari-depth-interp", __version__)
    assert all({"title", "authors", "type"} <= set(each) for each in [cited, *cited["references"]])


def test_the_workflow_runs_the_same_make_test_everywhere():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    assert any(step.get("run", "").startswith("make test") for step in jobs["test"]["steps"])


@pytest.mark.parametrize("system", ["Darwin", "MINGW64_NT-10.0", "Linux"])
@pytest.mark.parametrize("uv", ["works", "fails"])
def test_bootstrap_asks_for_what_the_system_needs(tmp_path, system, uv):
    """With a stand-in for uname, apt, uv and Python: what would be called is written down."""
    log = tmp_path / "log"
    stand_ins = {
        "uname": f"echo {system}",
        "uv": f'echo "uv $*" >> {log}; {"exit 0" if uv == "works" else "exit 1"}',
        "apt-get": f'echo "apt-get $*" >> {log}',
        "dpkg-query": "echo missing",
        "id": "echo 0",
        "python9": f'echo "python $*" >> {log}; case "$*" in *venv*--clear*) mkdir -p .venv/bin .venv/Scripts; '
        'cp "$0" .venv/bin/python; cp "$0" .venv/Scripts/python;; esac',
    }
    for name, line in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "scripts").mkdir()
    for name in ("bootstrap.sh", "apt-packages.txt", "only-for-gpus.txt"):
        (tmp_path / "scripts" / name).write_text((ROOT / "scripts" / name).read_text())
    (tmp_path / "pyproject.toml").write_text("")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": "python9", "TORCH": "cpu"}
    command = ["bash", tmp_path / "scripts" / "bootstrap.sh", "test"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    called = log.read_text()
    assert ("apt-get install" in called) == (system == "Linux")
    assert ("-e .[all,test]" in called) == (uv == "fails"), "pip helps where uv cannot"
    assert "--only-binary :all: -r pyproject.toml --extra all --extra test" in called
    assert ("--torch-backend cpu" in called) == (system == "Linux"), "elsewhere the registry's torch is that one"
    assert ("--excludes scripts/only-for-gpus.txt" in called) == (system == "Linux" and uv == "fails")
    log.write_text("")
    subprocess.run([*command[:-1], "demo"], env=environment, capture_output=True, check=True)
    assert "pip install" not in log.read_text(), "what test installed is enough for demo"

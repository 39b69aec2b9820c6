"""The example under examples/ installs as a package of its own, and its method keeps the contract."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import ENVIRONMENT, noise, succeed, write_imagej

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the example without network into a folder, and return the environment that finds it."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", target, ROOT / "examples" / "akima"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    paths = [str(target), *ENVIRONMENT.get("PYTHONPATH", "").split(os.pathsep)]
    return ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def cli(installed, *words):
    return succeed(*words, environment=installed).stdout


def test_is_listed_with_its_parameters(installed):
    methods = {each["name"]: each for each in json.loads(cli(installed, "methods", "--json"))["methods"]}
    assert list(methods)[-1] == "akima"
    assert set(methods["akima"]["parameters"]) == {"variant", "strength"}


def test_runs_on_the_command_line(installed, tmp_path):
    z = np.arange(6)[:, None, None]
    source = write_imagej(tmp_path / "in.tif", np.broadcast_to(1000 + 300 * np.sin(z), (6, 8, 9)).astype("uint16"))
    out = tmp_path / "out.tif"
    done = json.loads(cli(installed, "run", source, out, "--factor", 2, "--method", "akima", "--json"))
    assert (done["method"], done["shape"]) == ("akima", [11, 8, 9])
    scores = json.loads(
        cli(installed, "evaluate", source, "--methods", "linear,akima,akima:strength=0", "--leave-one-out", "--json")
    )
    linear, akima, straight = (each["volume"]["psnr"] for each in scores["methods"])
    assert akima > linear + 1
    assert straight == pytest.approx(linear)


def test_is_exact_at_sections_and_keeps_a_ramp(installed, tmp_path):
    source = write_imagej(tmp_path / "in.tif", noise((5, 8, 9)))
    cli(installed, "run", source, tmp_path / "out.tif", "--factor", 4, "--method", "akima", "-p", "variant=akima")
    code = (
        "import sys, numpy as np, napari_depth_interp as ndi; "
        "a, b = (np.asarray(ndi.read(p).voxels[0, 0]) for p in sys.argv[1:]); print((a == b[::4]).all())"
    )
    words = [sys.executable, "-c", code, str(source), str(tmp_path / "out.tif")]
    assert subprocess.run(words, capture_output=True, text=True, env=installed, check=True).stdout == "True\n"


def test_keeps_what_every_method_has_to_keep(installed):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "akima", "--no-header"]
    files = sorted((ROOT / "tests" / "methods").glob("test_contract*.py"))
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, env=installed)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 25

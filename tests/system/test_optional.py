"""What an extra brings is asked for before any work is done, in one line that installs it."""

import os
import sys
from pathlib import Path

import pytest

from command_line import depth_interp, noise, write_imagej
from napari_depth_interp.errors import MissingPackageError, OutputError
from napari_depth_interp.system.optional import need

OWN = [sys.executable, "-m", "napari_depth_interp"]
"""A process that has imported nothing yet."""


@pytest.fixture
def without(tmp_path):
    """An environment in which packages cannot be imported, as if they were not there."""

    def made(*packages):
        for name in packages:
            (tmp_path / "gone" / name).mkdir(parents=True)
            (tmp_path / "gone" / name / "__init__.py").write_text(f"raise ModuleNotFoundError({name!r}, name={name!r})")
        source = Path(__file__).parents[2] / "src"
        return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "gone"), str(source)])}

    return made


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [(["evaluate", "a.tif", "--keep-every", "2", "--report", "page"], "matplotlib", "report"),
     (["demo", "--out", "made"], "matplotlib", "report"),
     (["batch", ".", "made", "--factor", "2", "--workers", "2"], "distributed", "cluster")],
)  # fmt: skip
def test_the_command_names_the_line(tmp_path, without, words, package, extra):
    write_imagej(tmp_path / "a.tif", noise((5, 8, 8)))
    done = depth_interp(*words, command=OWN, cwd=tmp_path, environment=without("distributed", "matplotlib"))
    line = f'the package {package}, which is not installed; install it with: pip install "napari-depth-interp[{extra}]"'
    assert done.returncode == 1
    assert line in " ".join(done.stderr.split())
    assert not (tmp_path / "made").exists()
    assert not (tmp_path / "page").exists()


def test_the_kind_of_error_is_that_of_the_caller(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"^a report needs the package matplotlib"):
        need("matplotlib", "report", "a report")
    with pytest.raises(OutputError, match="is drawn with the package matplotlib"):
        need("matplotlib.figure", "report", "it", OutputError, "is drawn with")
    assert need("json", "report", "nothing").loads("1") == 1

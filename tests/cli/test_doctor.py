"""``depth-interp doctor``: one screen, an exit status, and no way for a broken Qt to take it down."""

import sys
from pathlib import Path

import pytest

from command_line import depth_interp, run_json

NO_SCREEN = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": "", "QT_QPA_PLATFORM_PLUGIN_PATH": ""}
OFFSCREEN = {**NO_SCREEN, "QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture(scope="module")
def printed():
    return depth_interp("doctor", environment=OFFSCREEN)


def test_it_fits_one_screen_and_says_that_all_works(printed):
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    assert len(lines) <= 40
    paths = (sys.executable, "/models")
    assert all(len(line) <= 80 for line in lines if not any(path in line for path in paths))
    for words in (
        "python ",
        "packages ",
        "numpy ",
        "torch ",
        "cores",
        "memory",
        "OpenGL",
        "models ",
        "LPIPS",
        "run works",
    ):
        assert words in printed.stdout, words
    assert "\nrun works\nwindow opens" in printed.stdout


def test_json_says_the_same(models_home):
    (models_home / "left").mkdir(parents=True)
    (models_home / "left" / "config.json").write_text("{")
    environment = {**OFFSCREEN, "DEPTH_INTERP_MODELS": str(models_home)}
    found = run_json("doctor", environment=environment)
    assert found["run_works"]
    assert found["problems"] == []
    assert found["packages"]["numpy"]["fits"]
    assert found["devices"][-1]["device"] == "cpu"
    assert found["memory"]["total"] > found["memory"]["free"] > 1e8
    assert found["window"]["opens"]
    assert found["window"]["platform"] == "offscreen"
    assert found["weights"]["folder"] == str(models_home)
    assert sum(found["weights"]["models"].values()) == 1
    assert found["weights"]["free"] > 0
    assert set(found["weights"]["lpips"]) == {"alex", "vgg", "squeeze"}


def test_a_qt_that_aborts_is_reported_and_the_run_still_works():
    done = depth_interp("doctor", environment={**NO_SCREEN, "QT_QPA_PLATFORM": "nowhere"})
    assert done.returncode == 0, done.stderr
    assert "run works" in done.stdout
    assert "Qt does not start" in done.stdout
    assert "QT_QPA_PLATFORM=nowhere" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_no_qt_binding_is_reported_with_the_command_that_brings_one(tmp_path):
    (tmp_path / "qtpy.py").write_text("raise ImportError('no Qt here')")
    done = depth_interp("doctor", environment={**OFFSCREEN, "PYTHONPATH": _path(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "no Qt here" in done.stdout
    assert 'pip install "napari-depth-interp[all]"' in done.stdout


def test_what_a_run_needs_and_does_not_work_is_exit_status_1(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch is broken')")
    (tmp_path / "tifffile.py").write_text("raise ImportError('tifffile is broken')")
    done = depth_interp("doctor", environment={**OFFSCREEN, "PYTHONPATH": _path(tmp_path)})
    assert done.returncode == 1
    assert "torch does not work: ImportError: torch is broken" in done.stdout
    assert "tifffile is broken" in done.stdout
    assert "run works" not in done.stdout


if sys.platform == "linux":

    def test_no_screen_is_no_fault_of_the_run():
        found = run_json("doctor", environment=NO_SCREEN)
        assert found["run_works"]
        assert not found["window"]["opens"]
        assert found["window"]["problem"] == "no screen: DISPLAY is not set"

    def test_a_library_that_qt_lacks_is_named_with_its_package(tmp_path):
        """The real plugin for X11, changed to need a library that no system has."""
        from PyQt6.QtCore import QLibraryInfo

        real = Path(QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath))
        platforms = tmp_path / "plugins" / "platforms"
        platforms.mkdir(parents=True)
        (tmp_path / "lib").symlink_to(real.parent / "lib")
        code = (real / "platforms" / "libqxcb.so").read_bytes()
        assert b"libxcb-cursor.so.0" in code
        (platforms / "libqxcb.so").write_bytes(code.replace(b"libxcb-cursor.so.0", b"libxcb-nobody.so.0"))
        variables = {**NO_SCREEN, "DISPLAY": ":9876", "QT_QPA_PLATFORM_PLUGIN_PATH": str(platforms)}
        window = run_json("doctor", environment={**variables, "QT_API": "pyqt6"})["window"]
        assert window["missing"] == ["libxcb-nobody.so.0"]
        assert window["problem"] == "Qt lacks libxcb-nobody.so.0"
        assert "libxcb-nobody" in window["advice"]


def _path(folder):
    return f"{folder}:{Path(__file__).parents[2] / 'src'}" if sys.platform != "win32" else str(folder)

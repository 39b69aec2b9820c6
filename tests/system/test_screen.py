"""Names of Debian packages, and probes that crash, hang or print nonsense."""

import os

import pytest

from napari_depth_interp.system import probing
from napari_depth_interp.system.screen import apt_packages


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libxcb-cursor.so.0", "libxcb-cursor0"),
        ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
        ("libEGL.so.1", "libegl1"),
        ("libdbus-1.so.3", "libdbus-1-3"),
        ("libX11-xcb.so.1", "libx11-xcb1"),
        ("libglib-2.0.so.0", "libglib2.0-0"),
    ],
)
def test_the_package_of_a_library(library, package):
    assert apt_packages([library]) == [package]


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """Write a probe of these lines and ask it."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def asked(code, timeout=60.0):
        (tmp_path / "probe_of_test.py").write_text(
            f"from napari_depth_interp.system.probing import tell\ntell(first=1)\n{code}\n"
        )
        return probing.ask("probe_of_test", timeout)

    return asked


def test_a_probe_that_ends_well(probe):
    answer = probe("print('words of a library')\nprint(3)\ntell(second='µ')")
    assert answer.facts == {"first": 1, "second": "µ"}
    assert answer.problem is None


def test_a_probe_that_crashes_has_told_what_it_knew(probe):
    answer = probe("import os, sys; print('out of ideas', file=sys.stderr, flush=True); os.abort()")
    assert answer.facts == {"first": 1}
    assert "out of ideas" in answer.problem or "exit status" in answer.problem


def test_a_probe_that_hangs_is_ended(probe):
    answer = probe("import time; time.sleep(600)", timeout=3)
    assert answer.facts == {"first": 1}
    assert answer.problem == "no answer within 3 s"


def test_an_exception_is_the_last_line_of_its_traceback(probe):
    assert probe("1 / 0").problem == "ZeroDivisionError: division by zero"

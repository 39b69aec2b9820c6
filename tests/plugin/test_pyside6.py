"""The same widget with the other Qt binding, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_widget_works_with_pyside6(tmp_path):
    environment = os.environ | {
        "QT_API": "pyside6",
        "PYTEST_QT_API": "",
        "NAPARI_CONFIG": str(tmp_path / "napari" / "settings.yaml"),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("walk.py"), str(tmp_path), "PySide6"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all is well" in done.stdout

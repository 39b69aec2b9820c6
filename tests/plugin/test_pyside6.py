"""The same widget with the other Qt binding, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, threading, time
import napari
import numpy as np
import platformdirs
import qtpy
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

sys.path.insert(0, sys.argv[2])
from controls import press, read

assert qtpy.API_NAME == "PySide6" and "PyQt6" not in sys.modules
platformdirs.user_config_dir = lambda *args, **kwargs: sys.argv[1]
failures = []
sys.excepthook = lambda *error: failures.append(error)

def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, read(widget.bar, "message")
        QApplication.processEvents()
        time.sleep(0.01)

viewer = napari.Viewer()
[source] = viewer.open_sample("napari-depth-interp", "organoid")
_, widget = viewer.window.add_plugin_dock_widget("napari-depth-interp")
threads = []
plain = widget.runs.add
widget.runs.add = lambda run: (threads.append(threading.current_thread()), plain(run))
widget.compute.set_scoring(2)
for method in ("linear", "cubic"):
    widget.method.set_values(widget.settings().model_copy(update={"method": method}))
    press(widget.bar, "run")
    wait_until(lambda: widget.job is None)
assert threads == [threading.main_thread()] * 2, threads
result = viewer.layers[source.name + " linear"]
assert result.data.shape[0] == (source.data.shape[0] - 1) * 4 + 1
np.testing.assert_array_equal(result.data[::4], source.data)
np.testing.assert_allclose(result.scale, np.array(source.scale) / (4, 1, 1))
assert result.units == source.units and result.metadata["depth_interp"]["method"] == "linear"
assert viewer.layers.units is not None
viewer.dims.set_point(0, float(result.scale[0]))
assert "new section" in viewer.canvas.overlays.text.text
press(widget.bar, "preview")
wait_until(lambda: widget.job is None)
assert source.name + " cubic preview" in viewer.layers

from pathlib import Path
import napari_depth_interp as ndi
from napari_depth_interp.plugin.layers import to_dataset
from napari_depth_interp.run.settings import make_settings
folder = Path(sys.argv[1])
(folder / "in").mkdir()
ndi.write(folder / "in" / "a.tif", to_dataset(source))
_, batch = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Batch folder")
batch.set_settings(make_settings(method="linear", factor=2))
batch.folders.set_choice(folder / "in", folder / "out")
table = batch.files.table
wait_until(lambda: len(table.files.rows) == 1)
press(batch.bar, "run")
wait_until(lambda: batch.job is None)
assert [str(row.state) for row in table.files.rows] == ["done"], read(batch.bar, "message")
table.doubleClicked.emit(table.files.index(0, 0))
assert "a.tif result" in viewer.layers

_, filler = viewer.window.add_plugin_dock_widget("napari-depth-interp", "Interpolate labels")
drawn = np.zeros((5, 16, 16), np.uint8)
drawn[[0, 4], 4:9, 4:9] = 3
layer = viewer.add_labels(drawn)
wait_until(lambda: not filler.watch.busy)
filler.sections.ticked.emit(2, True)
filler.sections.ticked.emit(2, False)
press(filler.bar, "run")
wait_until(lambda: filler.job is None)
assert layer.data.any(axis=(1, 2)).all(), read(filler.bar, "message")
layer.undo()
assert layer.data.any(axis=(1, 2)).sum() == 2

press(widget.bar, "run")
viewer.close()
assert QThreadPool.globalInstance().waitForDone(5000)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    QApplication.processEvents()
assert not failures, failures
print("all is well")
"""


def test_the_widget_works_with_pyside6(tmp_path):
    environment = os.environ | {
        "QT_API": "pyside6",
        "PYTEST_QT_API": "",
        "NAPARI_CONFIG": str(tmp_path / "napari" / "settings.yaml"),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all is well" in done.stdout

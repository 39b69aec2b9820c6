"""A walk through the docks with what napari shows to everybody, in a process of its own: CONFIG_FOLDER BINDING.

It needs none of the fixtures, which know napari's insides, so it also runs with other releases of napari
(scripts/napari_versions.sh) and with another Qt binding (test_pyside6.py).
"""

import sys
import threading
import time
from pathlib import Path

import napari
import numpy as np
import platformdirs
import qtpy
from controls import press, read
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication

import napari_depth_interp as ndi
from napari_depth_interp.plugin.layers import to_dataset
from napari_depth_interp.plugin.layers.planes import Planes
from napari_depth_interp.plugin.layers.side_by_side import SideBySide
from napari_depth_interp.plugin.layers.viewer_parts import grid_of, text_of
from napari_depth_interp.run.settings import make_settings

OTHER = {"PySide6": "PyQt6", "PyQt6": "PySide6", "PyQt5": "PyQt6"}[sys.argv[2]]
assert sys.argv[2] == qtpy.API_NAME
assert OTHER not in sys.modules
platformdirs.user_config_dir = lambda *args, **kwargs: sys.argv[1]
failures = []


def failed(*error):
    """Keep what fails in an event, which ends nothing by itself, and say it."""
    failures.append(error)
    sys.__excepthook__(*error)


sys.excepthook = failed


def wait_until(true, seconds=120):
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
assert result.units == source.units
assert result.metadata["depth_interp"]["method"] == "linear"
assert viewer.layers.units is not None
viewer.dims.set_point(0, float(result.scale[0]))
assert "new section" in text_of(viewer).text
press(widget.bar, "preview")
wait_until(lambda: widget.job is None)
assert source.name + " cubic preview" in viewer.layers

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

for title in ("Compare methods", "Train a model", "Repair sections", "Fuse stacks"):
    viewer.window.add_plugin_dock_widget("napari-depth-interp", title)
side, planes = SideBySide(viewer), Planes(viewer)
side.show([source, result])
assert grid_of(viewer).enabled
assert not layer.visible
side.stop()
assert not grid_of(viewer).enabled
assert layer.visible
planes.show("XZ")
assert planes.now() == "XZ"
planes.leave()

press(widget.bar, "run")
viewer.close()
assert QThreadPool.globalInstance().waitForDone(5000)
end = time.monotonic() + 0.3
while time.monotonic() < end:
    QApplication.processEvents()
    time.sleep(0.01)
assert not failures, failures
print("all is well")

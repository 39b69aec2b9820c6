"""Voxels that a server or a disk holds back: the window stays alive, says what it waits for, and can cancel."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dask
import dask.array
import numpy as np
import pytest
from controls import press, read
from drive import choose, finish, run
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QProgressDialog, QPushButton

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset
from napari_depth_interp.system import waiting

PLUGIN = "napari-depth-interp"
VOXELS = np.random.default_rng(0).integers(0, 200, (5, 12, 13), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(waiting, "_SILENT", 0.3)
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def gate():
    """Lets voxels through once it is set, at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow_layer(viewer, gate):
    """A layer whose last section waits at the gate."""

    def section(block, block_info=None):
        first = block_info[0]["array-location"][0][0]
        assert first < len(VOXELS) - 1 or gate.wait(30)
        return block

    voxels = dask.array.from_array(VOXELS, chunks=(1, 12, 13)).map_blocks(section, dtype=np.uint8, meta=VOXELS[:0])
    return viewer.add_image(voxels, name="slow", scale=(2, 1, 1), units=("um",) * 3, contrast_limits=(0, 200))


def test_a_run_says_what_it_waits_for_and_is_cancelled(qtbot, viewer, widget, slow_layer, gate):
    begun = time.monotonic()
    assert "5 sections along z, 2 um apart" in read(widget.stack, "summary")  # nothing is read for that
    choose(widget, method="linear", factor=2)
    press(widget.bar, "run")
    assert time.monotonic() - begun < 10
    qtbot.waitUntil(lambda: "waiting for voxels to be read" in read(widget.bar, "message"), timeout=10_000)
    press(widget.bar, "run")
    finish(qtbot, widget)
    assert read(widget.bar, "message") == "cancelled; nothing was changed"
    assert not gate.is_set()
    assert [layer.name for layer in viewer.layers] == ["slow"]
    gate.set()
    done = run(qtbot, widget)
    np.testing.assert_array_equal(done.layers[0].data[::2], VOXELS)


@pytest.fixture
def server(tmp_path, gate):
    """The address of an image whose voxels wait at the gate."""
    io.write(tmp_path / "a.zarr", Dataset.from_array(VOXELS, z_spacing=2, pixel_size=(1, 1), unit="um"))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

        def do_GET(self):
            path = tmp_path / self.path.lstrip("/")
            if "/c/" in self.path:
                gate.wait(5)  # below the patience with a server
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if path.is_file() else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/a.zarr"
    gate.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.mark.parametrize("cancels", [True, False])
def test_opening_from_a_server_says_what_it_waits_for(viewer, server, gate, cancels):
    seen = []

    def look():
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, QProgressDialog) and dialog.isVisible() and "waiting" in dialog.labelText():
                seen.append(dialog.labelText())
                if cancels:
                    dialog.findChild(QPushButton).click()
                else:
                    gate.set()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(50)
    if cancels:
        with pytest.raises(InputError, match=r"opening a\.zarr was cancelled"):
            viewer.open(server, plugin=PLUGIN)
        assert not viewer.layers
        assert not gate.is_set()
    else:
        [layer] = viewer.open(server, plugin=PLUGIN)
        np.testing.assert_array_equal(layer.data, VOXELS)
    timer.stop()
    assert seen[0].startswith("opening a.zarr: waiting for 127.0.0.1:")
    assert seen[0].endswith(" s so far")

"""OME-Zarr on a server: the voxels of the folder, read chunk by chunk, and nothing but what was asked for."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from command_line import depth_interp
from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset
from napari_depth_interp.stack.lazy import is_lazy

VOXELS = np.random.default_rng(6).integers(0, 60000, (20, 300, 280), dtype=np.uint16)


@pytest.fixture
def server(tmp_path):
    """A server of a folder with an image; ``asked`` is what it was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            asked.append(self.path)

    made = Dataset.from_array(VOXELS, z_spacing=2, pixel_size=(0.5, 0.5), unit="um")
    io.write(tmp_path / "a.ome.zarr", made)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", asked
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_voxels_and_spacing(server):
    found = io.read(f"{server[0]}/a.ome.zarr")
    np.testing.assert_array_equal(found.voxels[0, 0], VOXELS)
    assert (found.grid.spacing, found.grid.pixel_size, found.grid.unit) == (2, (0.5, 0.5), "um")
    assert found.source.name == "a.ome.zarr"


def test_only_the_chunks_that_are_needed(server):
    url, asked = server
    found = io.read(f"{url}/a.ome.zarr", lazy=True)
    assert is_lazy(found.voxels)
    assert not any("/c/" in each for each in asked)
    np.testing.assert_array_equal(found.voxels[0, 0, 3], VOXELS[3])
    chunks = {each for each in asked if "/c/" in each}
    assert len(chunks) == 4
    assert all("/0/c/0/" in each for each in chunks)


def test_the_command_line(server, tmp_path):
    done = depth_interp("run", f"{server[0]}/a.ome.zarr", tmp_path / "b.ome.zarr", "--method", "linear", "--factor", 2)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(io.read(tmp_path / "b.ome.zarr").voxels[0, 0, ::2], VOXELS)


def test_what_is_not_there(server, tmp_path):
    with pytest.raises(InputError, match=r"'none.zarr' is a folder without zarr metadata"):
        io.read(f"{server[0]}/none.zarr")
    with pytest.raises(InputError, match=r"give an address that ends in \.zarr"):
        io.read(f"{server[0]}/a.tif")
    with pytest.raises(InputError, match=r"'a.zarr' cannot be reached"):
        io.read("http://127.0.0.1:9/a.zarr")
    io.write(tmp_path / "c.zarr", Dataset.from_array(VOXELS))
    next(each for each in (tmp_path / "c.zarr" / "0" / "c").rglob("0") if each.is_file()).write_bytes(b"rubbish")
    with pytest.raises(InputError, match="cannot be decoded"):
        io.read(f"{server[0]}/c.zarr")

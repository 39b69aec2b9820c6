"""Chunks of OME-Zarr from a real server: shards, buckets, and answers that are not as they should be."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import zarr
import zarr.codecs

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.stack import Dataset, Grid

GRID = Grid(np.arange(6) * 2.0, (0.5, 0.5), "um")


class _Server(ThreadingHTTPServer):
    """Gives the files of a folder, whole or in ranges, and remembers what it was asked for."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.asked, self.headers, self.ranges, self.status = folder, [], [], True, None
        self.address = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        path = self.server.folder / self.path.lstrip("/").partition("?")[0]
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        status = self.server.status or (200 if path.is_file() else 404)
        content = path.read_bytes() if status == 200 else b""
        found = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if self.server.ranges else None
        if found and status == 200:
            status, (first, last) = 206, found.groups()
            content = content[int(first) : int(last) + 1 if last else None] if first else content[-int(last) :]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes" if self.server.ranges else "none")
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "www").mkdir()
    found = _Server(tmp_path / "www")
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def written(folder, name="a.ome.zarr", **more):
    voxels = np.random.default_rng(0).integers(0, 60000, (2, 1, 6, 40, 50)).astype("uint16")
    dataset = Dataset(voxels, GRID, axes="TZYX", time_step=2.0, **more)
    io.write(folder / name, dataset)
    return dataset


def test_all_resolutions(server):
    written(server.folder)
    levels = io.read_levels(f"{server.address}/a.ome.zarr")
    local = io.read_levels(server.folder / "a.ome.zarr")
    assert [level.voxels.shape for level in levels] == [level.voxels.shape for level in local]


def test_a_bucket_is_read_without_a_login(server, monkeypatch):
    """From an S3 that is this server: the bucket is the first folder of the path."""
    (server.folder / "bucket").mkdir()
    given = written(server.folder / "bucket")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    dataset = io.read("s3://bucket/a.ome.zarr", lazy=True)
    np.testing.assert_array_equal(np.asarray(dataset.voxels), given.voxels)
    np.testing.assert_allclose(dataset.grid.depths, GRID.depths)
    assert not any("Authorization" in each for each in server.headers)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("codec", [zarr.codecs.ZstdCodec(), zarr.codecs.BloscCodec(), zarr.codecs.GzipCodec()])
def test_shards(server, whole, codec):
    voxels = np.arange(8 * 32 * 32, dtype="uint16").reshape(8, 32, 32)
    zarr.create_array(server.folder / "s.zarr", data=voxels, chunks=(1, 16, 16), shards=(4, 32, 32), compressors=codec)
    dataset = io.read(f"{server.address}/s.zarr", axes="ZYX", lazy=True)
    key = (0, 0, slice(0, 8), slice(None), slice(None)) if whole else (0, 0, 5, slice(0, 4), slice(20, 24))
    np.testing.assert_array_equal(dataset.voxels[key], voxels[key[2:]])


def test_a_server_that_gives_no_ranges_is_found_out(server):
    voxels = np.arange(8 * 32 * 32, dtype="uint16").reshape(8, 32, 32)
    zarr.create_array(server.folder / "s.zarr", data=voxels, chunks=(1, 16, 16), shards=(4, 32, 32))
    server.ranges = False
    dataset = io.read(f"{server.address}/s.zarr", axes="ZYX", lazy=True)
    with pytest.raises(InputError, match="cannot be decoded"):
        dataset.voxels[0, 0, 5, :4, 20:24]


def test_a_chunk_that_expands_beyond_its_size_is_refused(server):
    folder = server.folder / "bomb.zarr"
    zarr.create_array(folder, data=np.zeros((4, 8, 8), "uint8"), chunks=(4, 8, 8), compressors=zarr.codecs.GzipCodec())
    import gzip

    (chunk,) = [each for each in folder.rglob("*") if each.is_file() and each.name != "zarr.json"] or [None]
    target = chunk or folder / "c" / "0" / "0" / "0"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(bytes(50 * 2**20)))
    with pytest.raises(InputError, match="a chunk expands to"):
        io.read(f"{server.address}/bomb.zarr", axes="ZYX")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "without zarr metadata"),
        (403, "without zarr metadata"),
        (500, "cannot be reached"),
    ],
)
def test_what_the_server_answers_is_told(server, status, words):
    written(server.folder)
    server.status = status
    with pytest.raises(InputError, match=words) as caught:
        io.read(f"{server.address}/a.ome.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ends", [False, True])
def test_an_answer_without_end(tmp_path, monkeypatch, ends):
    """Of metadata or of a chunk: no more is taken than can be meant, nor is a silent server waited for."""

    class Endless(_Handler):
        def do_GET(self):
            if ends and "/c/" not in self.path:
                self._answer(body=True)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(10**12))
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(bytes(2**18))

    monkeypatch.setattr("napari_depth_interp.io.zarr.remote._LARGEST", 2**20)
    io.write(tmp_path / "a.zarr", Dataset.from_array(np.ones((6, 8, 9), np.uint8), z_spacing=1))
    httpd = _Server(tmp_path)
    httpd.RequestHandlerClass = Endless
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    try:
        with pytest.raises(InputError, match="the server gives more than the"):
            io.read(f"{httpd.address}/a.zarr")
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()

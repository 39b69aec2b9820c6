"""Servers that nobody vouches for: slow ones, endless ones, those that send elsewhere or change what they have said."""

import contextlib
import json
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numcodecs.pickles
import numpy as np
import pytest

from napari_depth_interp import io
from napari_depth_interp.errors import InputError
from napari_depth_interp.io.zarr import remote, servers
from napari_depth_interp.stack import Dataset

VOXELS = np.arange(6 * 8 * 9, dtype=np.uint8).reshape(6, 8, 9)


class Handler(BaseHTTPRequestHandler):
    """Answers as ``server.answer(handler)`` does."""

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        with contextlib.suppress(OSError):
            self.server.answer(self)

    def send(self, status, content=b"", **headers):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    def send_file(self):
        path = self.server.folder / self.path.lstrip("/")
        self.send(200 if path.is_file() else 404, path.read_bytes() if path.is_file() else b"")

    def trickle(self):
        """Send a byte now and then, without end."""
        self.send_response(200)
        self.send_header("Content-Length", str(10**9))
        self.end_headers()
        while not self.server.over.wait(0.05):
            self.wfile.write(b" ")


@pytest.fixture
def server(tmp_path):
    io.write(tmp_path / "a.zarr", Dataset.from_array(VOXELS, z_spacing=1))
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.folder, httpd.asked, httpd.over, httpd.answer = tmp_path, [], threading.Event(), Handler.send_file
    httpd.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield httpd
    httpd.over.set()
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(servers, "PATIENCE", 1)
    monkeypatch.setattr(remote, "PATIENCE", 1)


def refused(address, words, seconds=10):
    begun = time.monotonic()
    with pytest.raises(InputError, match=words) as caught:
        io.read(address)
    assert time.monotonic() - begun < seconds
    assert "\n" not in str(caught.value)


def test_no_file_of_metadata_is_asked_for_twice(server):
    np.testing.assert_array_equal(io.read(f"{server.address}/a.zarr").voxels[0, 0], VOXELS)
    said = [each for each in server.asked if each.endswith((".json", ".zarray", ".zattrs", ".zgroup"))]
    assert len(said) == len(set(said))


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "code was run")


@pytest.mark.parametrize("honest", range(1, 8))
def test_metadata_that_change_once_they_are_checked(server, monkeypatch, honest):
    """The second answer asks for pickle, of which some versions of numcodecs run what is in it."""
    monkeypatch.setattr(numcodecs.pickles.Pickle, "decode", lambda self, data, out=None: pickle.loads(data))  # noqa: S301
    sound = {"zarr_format": 2, "shape": [4, 8, 8], "chunks": [4, 8, 8], "dtype": "|u1", "compressor": None,
             "filters": None, "fill_value": 0, "order": "C"}  # fmt: skip
    changed = {**sound, "dtype": "|O", "filters": [{"id": "vlen-utf8"}, {"id": "pickle"}], "fill_value": None}
    told = server.folder / "told"

    def answer(handler):
        if handler.path.endswith(".zarray"):
            times = sum(each.endswith(".zarray") for each in server.asked)
            handler.send(200, json.dumps(sound if times <= honest else changed).encode())
        elif handler.path.endswith("0.0.0"):
            handler.send(200, pickle.dumps(Evil(told)))
        else:
            handler.send(404)

    server.answer = answer
    with pytest.raises(InputError, match="is damaged"):
        io.read(f"{server.address}/b.zarr", axes="ZYX")
    assert not told.exists()


def test_another_place_on_the_same_server(server):
    (server.folder / "a.zarr").rename(server.folder / "moved.zarr")

    def answer(handler):
        if "a.zarr" in handler.path:
            handler.send(302, Location=handler.path.replace("a.zarr", "moved.zarr"))
        else:
            handler.send_file()

    server.answer = answer
    np.testing.assert_array_equal(io.read(f"{server.address}/a.zarr").voxels[0, 0], VOXELS)


def test_another_server_is_not_asked(server):
    def answer(handler):
        if handler.headers["Host"].startswith("127"):
            handler.send(307, Location=f"http://localhost:{server.server_port}{handler.path}")
        else:
            handler.send_file()

    server.answer = answer
    refused(f"{server.address}/a.zarr", "the server sends on to http://localhost:[0-9]+; give the address there")
    assert len(server.asked) == 1


def test_metadata_that_trickle(server, hasty):
    server.answer = Handler.trickle
    refused(f"{server.address}/a.zarr", r"cannot be reached \(no whole answer within 1 s")


def test_nothing_that_comes_late_each_time(server, hasty):
    """Each answer is in time, but none is of use."""

    def answer(handler):
        time.sleep(0.4)
        handler.send(404)

    server.answer = answer
    refused(f"{server.address}/a.zarr", "no whole answer within 1 s")


def test_a_chunk_that_trickles(server, hasty):
    server.answer = lambda handler: handler.trickle() if "/c/" in handler.path else handler.send_file()
    refused(f"{server.address}/a.zarr", r"the server gave [0-9]+ bytes in 1 s and was left")


@pytest.fixture
def bucket(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (server.folder / "bucket").mkdir()
    (server.folder / "a.zarr").rename(server.folder / "bucket" / "a.zarr")
    return "s3://bucket/a.zarr"


def test_a_bucket_that_trickles(server, bucket, hasty):
    np.testing.assert_array_equal(io.read(bucket).voxels[0, 0], VOXELS)
    server.answer = lambda handler: handler.trickle() if "/c/" in handler.path else handler.send_file()
    refused(bucket, r"the server gave [0-9]+ bytes in 1 s and was left")
    server.answer = Handler.trickle
    refused(bucket, "no whole answer within 1 s")


def test_a_bucket_without_end(server, bucket, monkeypatch):
    monkeypatch.setattr(remote, "_LARGEST", 2**20)

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while not server.over.is_set():
            handler.wfile.write(bytes(2**18))

    server.answer = lambda handler: endless(handler) if "/c/" in handler.path else handler.send_file()
    refused(bucket, "the server gives more than the 1[0-9]* bytes that can be meant")
    server.answer = endless
    refused(bucket, "the server gives more than the 1048576 bytes that can be meant")

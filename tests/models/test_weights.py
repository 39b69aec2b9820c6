"""Weights: converted, kept, pinned by hash, and nothing but tensors; served by this machine, never the internet."""

import hashlib
import http.server
import os
import pickle
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from backbones import drawn
from napari_depth_interp.errors import WeightsError
from napari_depth_interp.models import weights
from napari_depth_interp.models.weights import (
    BACKBONES,
    Download,
    convert,
    fetch,
    lpips_backbone,
    lpips_linear_weights,
    read,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder that the weights are kept in, which is a temporary one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, **_: str(tmp_path / "cache" / name))
    return tmp_path / "cache" / "napari-depth-interp" / "weights"


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    convolution = torch.randn(3, 4, 2, 2, generator=generator).transpose(0, 1)  # not contiguous
    return {"features.0.weight": convolution, "features.0.bias": torch.ones(3), "classifier.1.weight": torch.ones(9)}


@pytest.fixture
def checkpoint(tmp_path, tensors):
    torch.save(tensors, tmp_path / "net.pth")
    return tmp_path / "net.pth"


@contextmanager
def serving(folder):
    """Serve a folder on this machine; yield the address and the list of what was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    assert "\x1b" not in message
    return message


# Conversion and reading


def test_conversion_keeps_the_convolutions_bit_for_bit_and_says_where_they_come_from(checkpoint, tensors, tmp_path):
    convert(checkpoint, tmp_path / "net.safetensors")
    found = read(tmp_path / "net.safetensors")
    assert set(found) == {"features.0.weight", "features.0.bias"}
    assert all(torch.equal(each, tensors[name]) for name, each in found.items())
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert sha256(checkpoint) in file.metadata()["source"]
    assert weights.sha256_of(checkpoint) == sha256(checkpoint)


def test_both_kinds_of_file_are_read(checkpoint, tensors, tmp_path):
    save_file({name: each.contiguous() for name, each in tensors.items()}, tmp_path / "net.safetensors")
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for path in (checkpoint, tmp_path / "net.safetensors", tmp_path / "old.pth"):
        found = read(path)
        assert set(found) == set(tensors)
        assert all(torch.equal(each, tensors[name]) for name, each in found.items())


class _Harmful:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["torch", "old torch", "pickle"])
def test_a_pickled_object_is_refused_and_never_run(tmp_path, how):
    bomb = {"features.0.weight": _Harmful(tmp_path / "harm")}
    path = tmp_path / "bomb.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save(bomb, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(WeightsError, match="something other than weights and was not opened") as error:
        read(path)
    assert "weights_only" not in one_line(error)
    assert str(path) in one_line(error)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pt"])
@pytest.mark.parametrize("kept", [0, 1, 0.1, 0.5, -1])
def test_truncated_files_are_refused(tmp_path, tensors, suffix, kept):
    path = tmp_path / f"net{suffix}"
    if suffix == ".safetensors":
        save_file({name: each.contiguous() for name, each in tensors.items()}, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=suffix == ".pth")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsError, match=r"cannot be read as weights|other than weights") as error:
        read(path)
    assert "give torchvision's .pth file, or a .safetensors file" in one_line(error)


@pytest.mark.parametrize("text", ["<html>404</html>", "hello, not found", "PK"])
def test_files_of_another_kind_are_refused(tmp_path, text):
    for name in ("net.pth", "net.safetensors"):
        (tmp_path / name).write_text(text)
        with pytest.raises(WeightsError, match=name) as error:
            read(tmp_path / name)
        one_line(error)


@pytest.mark.parametrize("content", [[1, 2], {"features.0.weight": torch.ones(2), "epoch": 3}, torch.ones(3)])
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no dictionary of tensors"):
        read(tmp_path / "net.pth")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(WeightsError, match="there is no file") as error:
            read(path)
        assert str(path) in one_line(error)


# Loading


def test_a_download_is_converted_kept_and_not_loaded_twice(checkpoint, tensors, cache, tmp_path, capfd):
    with serving(tmp_path) as (address, asked):
        download = Download("net", f"{address}/net.pth", sha256(checkpoint), checkpoint.stat().st_size)
        first = fetch(download)
        assert asked == ["/net.pth"]
        assert first == download.stored == cache / f"net-{sha256(checkpoint)[:16]}.safetensors"
        assert names(cache) == [first.name]  # the checkpoint itself is not kept
        assert torch.equal(read(first)["features.0.weight"], tensors["features.0.weight"])
        assert fetch(download) == first
        assert asked == ["/net.pth"]
    assert fetch(download) == first  # without any server
    assert capfd.readouterr() == ("", "")


def test_another_file_than_the_pinned_one_is_refused(checkpoint, cache, tmp_path):
    with serving(tmp_path) as (address, _):
        with pytest.raises(WeightsError, match="another file than the one that was pinned") as error:
            fetch(Download("net", f"{address}/net.pth", 64 * "0", 1))
        assert f"{address}/net.pth gives another file" in one_line(error)
        assert f"(SHA-256 {64 * '0'})" in one_line(error)
    assert names(cache) == []


def test_a_pinned_file_that_holds_more_than_weights_leaves_nothing(cache, tmp_path):
    torch.save({"features.0.weight": _Harmful(tmp_path / "harm")}, tmp_path / "bomb.pth")
    with serving(tmp_path) as (address, _), pytest.raises(WeightsError, match="other than weights"):
        fetch(Download("bomb", f"{address}/bomb.pth", sha256(tmp_path / "bomb.pth"), 1))
    assert names(cache) == []
    assert not (tmp_path / "harm").exists()


def test_offline_and_missing_files_are_said_in_one_line(cache, tmp_path):
    with serving(tmp_path) as (address, _), pytest.raises(WeightsError, match="the server answers 404") as error:
        fetch(Download("net", f"{address}/none.pth", 64 * "0", 1))
    assert f"{address}/none.pth cannot be loaded" in one_line(error)
    with pytest.raises(WeightsError, match=r"is this machine offline\?") as error:  # the server is gone
        fetch(Download("net", f"{address}/none.pth", 64 * "0", 1))
    assert f"{address}/none.pth cannot be loaded: ConnectionError" in one_line(error)
    assert names(cache) == []


def test_a_cache_folder_that_cannot_be_made_is_said(cache, checkpoint):
    cache.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="no weights can be kept in") as error:
        fetch(Download("net", "http://127.0.0.1:9/net.pth", 64 * "0", 1))
    assert str(cache) in one_line(error)


def test_it_is_announced_what_is_loaded_from_where():
    said = BACKBONES["alex"].announce()
    assert said == (
        "loading the weights of alexnet once, 244 MB, from https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
    )
    assert "553 MB" in BACKBONES["vgg"].announce()
    assert "5.0 MB" in BACKBONES["squeeze"].announce()


def test_every_download_is_pinned(cache):
    for download in BACKBONES.values():
        assert len(download.sha256) == 64
        assert int(download.sha256, 16) >= 0
        assert download.sha256[:8] in download.url  # torchvision's names hold the start of the hash
        assert download.stored.parent == cache


# LPIPS


def test_the_linear_weights_come_with_the_package():
    for net, layers in [("alex", 5), ("vgg", 5), ("squeeze", 7)]:
        found = lpips_linear_weights(net)
        assert set(found) == {f"lin{number}.model.1.weight" for number in range(layers)}
        assert all(each.min() >= 0 for each in found.values())


def test_a_given_backbone_is_taken_and_one_that_is_not_is_loaded(tmp_path, monkeypatch, cache):
    given = Path("mine.pth")
    assert lpips_backbone("squeeze", given) == given
    torch.save(drawn("squeeze"), tmp_path / "squeeze.pth")
    with serving(tmp_path) as (address, asked):
        download = Download("squeeze", f"{address}/squeeze.pth", sha256(tmp_path / "squeeze.pth"), 1)
        monkeypatch.setattr(weights, "BACKBONES", {"squeeze": download})
        assert lpips_backbone("squeeze", None).parent == cache
        assert asked == ["/squeeze.pth"]

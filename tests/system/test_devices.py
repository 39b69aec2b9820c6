"""Which device a run gets."""

import os
import subprocess
import sys

import pytest

from napari_depth_interp.errors import DeviceError, RequestError
from napari_depth_interp.system import devices
from napari_depth_interp.system.devices import available_devices, default_threads, resolve_device


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine with two CUDA devices: what cannot be had on most test machines."""
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cuda:1", "cpu"])


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(devices, "available_devices", lambda: ["cpu"])


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "", "cpu\n", "cpu:0", "mps:0"])
def test_what_is_no_device_name_is_refused(name):
    with pytest.raises(RequestError, match="use auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name, ("cpu", "cuda"))


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused_and_the_others_named(no_gpu, name):
    with pytest.raises(DeviceError, match=rf"device '{name}' is not there; use auto, or what this machine has: cpu$"):
        resolve_device(name, ("cpu", "cuda", "mps"))


def test_a_gpu_number_beyond_the_last_is_refused(two_gpus):
    with pytest.raises(DeviceError, match=r"'cuda:2' is not there; .* has: cpu, cuda:1, cuda:0"):
        resolve_device("cuda:2", ("cpu", "cuda"))


@pytest.mark.parametrize(
    ("name", "supported", "device"),
    [
        ("auto", ("cpu", "cuda"), "cuda:0"),
        ("auto", ("cpu",), "cpu"),
        ("auto", ("cpu", "mps"), "cpu"),
        ("cuda", ("cpu", "cuda"), "cuda:0"),
        ("cuda:1", ("cpu", "cuda"), "cuda:1"),
        ("cpu", ("cpu", "cuda"), "cpu"),
    ],
)
def test_the_device_chosen_where_there_are_gpus(two_gpus, name, supported, device):
    assert resolve_device(name, supported) == (device, None)


def test_a_method_without_gpu_code_runs_on_the_cpu_and_says_so(two_gpus):
    assert resolve_device("cuda", ("cpu",)) == ("cpu", "this method has no code for cuda; it runs on the CPU")


@pytest.mark.parametrize("supported", [("cpu", "cuda"), ("cuda",), ("mps",)])
def test_auto_falls_back_to_the_cpu(no_gpu, supported):
    assert resolve_device("auto", supported) == ("cpu", None)


def test_the_cpu_is_always_there_and_last():
    assert available_devices()[-1] == "cpu"


def test_torch_is_not_imported_where_no_gpu_can_be_used():
    code = (
        "import sys; from napari_depth_interp.system.devices import resolve_device as r;"
        "r('auto', ('cpu',)); r('cpu', ('cpu', 'cuda')); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_threads_are_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5, 7}, raising=False)
    assert default_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads() == 1


LOADING = """
import importlib.machinery, importlib.util, shutil, sys, threading
from pathlib import Path
from napari_depth_interp.system import devices

source = Path(importlib.util.find_spec("markupsafe._speedups").origin)

def load():
    for number in range(200):  # each copy is loaded anew
        copy = shutil.copy(source, f"{number}{source.name}")
        loader = importlib.machinery.ExtensionFileLoader("_speedups", copy)
        loader.create_module(importlib.util.spec_from_loader("_speedups", loader))

sys.setswitchinterval(1e-6)
thread = threading.Thread(target=load, daemon=True)
thread.start()
while thread.is_alive():
    devices._thread_pools.cache_clear()
    with devices.limited_threads(1):
        pass
"""


def test_threads_can_be_limited_while_another_one_imports(tmp_path):
    """As a run begins while the window still imports torch; with threadpoolctl before 3.7 both waited for ever."""
    subprocess.run([sys.executable, "-c", LOADING], cwd=tmp_path, check=True, timeout=60)

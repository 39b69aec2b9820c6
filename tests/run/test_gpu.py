"""One GPU per worker: processes that share a machine do not choose the same one while another is free."""

import subprocess
import sys

from napari_depth_interp.run.gpu import claim, with_own_gpu
from napari_depth_interp.run.settings import make_settings

CLAIM = (
    "import sys; from pathlib import Path; from napari_depth_interp.run.gpu import claim;"
    "print(claim(['gpu-a', 'gpu-b', 'gpu-c'], Path(sys.argv[1])), flush=True); sys.stdin.read()"
)


def start(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, int(process.stdout.readline())


def test_processes_spread_over_the_gpus_and_give_them_back(tmp_path):
    started = [start(tmp_path) for _ in range(4)]
    processes, chosen = zip(*started, strict=True)
    try:
        assert chosen == (0, 1, 2, 0), "the fourth shares the first"
        processes[1].kill()
        processes[1].communicate()
        assert claim(["gpu-a", "gpu-b", "gpu-c"], tmp_path) == 1
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_choice_of_the_user_stands():
    for device in ("cpu", "cuda:1"):
        settings = make_settings(method="section_sr", device=device)
        assert with_own_gpu(settings) is settings
    classical = make_settings(method="linear")
    assert with_own_gpu(classical) is classical

"""Runs on real Dask clusters: workers, the scheduler and the client are killed; the result has the same bits."""

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

import napari_depth_interp as ndi
from blockwise import OPTIONS, SETTINGS, dense, files_of, sparse
from command_line import ENVIRONMENT, MODULE, run_json
from napari_depth_interp import io
from napari_depth_interp.errors import DepthInterpError, OutputError, RequestError
from napari_depth_interp.run.journal import hidden, leftover
from napari_depth_interp.run.outputs import Spread
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.system.cluster import Processes

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}
BLOCKS = 100


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return sparse(tmp_path_factory.mktemp("in"))


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out.ome.zarr"
    dense(source, output)
    return files_of(output)


class Cluster:
    """A scheduler and workers, started as on a cluster by their own commands."""

    def __init__(self, workers=2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        module = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--no-dashboard"]
        self.scheduler = subprocess.Popen([*module, "--port", self.address.split(":")[-1]], **QUIET)
        module = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1"]
        self.nanny = subprocess.Popen(
            [*module, "--nworkers", str(workers), "--no-dashboard", "--death-timeout", "60"], **QUIET
        )

    @property
    def workers(self):
        """The processes that do the work; the one that started them replaces those that die."""
        return [each for each in psutil.Process(self.nanny.pid).children() if "spawn_main" in str(each.cmdline())]

    def close(self):
        for process in (self.nanny, self.scheduler):
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def cluster():
    made = Cluster()
    yield made
    made.close()


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def blocks_done(output):
    known = leftover(output)
    return 0 if known is None else len(known.done)


def on_cluster(source, output, address, **target):
    spread = Spread(Processes(scheduler=address), source, make_settings(**SETTINGS))
    return dense(source, output, spread=spread, **target)


class TestKilled:
    def test_workers_again_and_again(self, source, undisturbed, cluster, tmp_path):
        """Each time others make the blocks that they were at."""
        output, killed = tmp_path / "out.ome.zarr", []

        def kill():
            rng = random.Random(0)
            for at in (5, 50):
                wait_for(lambda at=at: blocks_done(output) >= at or output.exists())
                victims = wait_for(lambda: cluster.workers)
                victim = rng.choice(victims)
                killed.append(victim.pid)
                victim.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        on_cluster(source, output, cluster.address)
        thread.join()
        assert len(set(killed)) == 2
        assert files_of(output) == undisturbed
        assert {each.name for each in tmp_path.iterdir()} == {"out.ome.zarr"}

    def test_the_client(self, source, undisturbed, cluster, tmp_path):
        """Its workers go on for a moment; another client finds what is done."""
        output = tmp_path / "out.ome.zarr"
        words = [*MODULE, "run", source, output, *OPTIONS, "--scheduler", cluster.address]
        client = subprocess.Popen(list(map(str, words)), **QUIET)
        wait_for(lambda: blocks_done(output) > 10)
        client.kill()
        client.wait()
        assert not output.exists()
        result = on_cluster(source, output, cluster.address, resume=True)
        assert result.warnings[0].endswith(f"of {BLOCKS} blocks were there")
        assert files_of(output) == undisturbed

    def test_the_scheduler(self, source, undisturbed, tmp_path):
        """The run ends in one line, and is finished without it."""
        output, own = tmp_path / "out.ome.zarr", Cluster(1)

        def kill():
            wait_for(lambda: blocks_done(output) > 10)
            own.scheduler.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            with pytest.raises(DepthInterpError, match="connection to the scheduler was lost; start it again, then"):
                on_cluster(source, output, own.address)
            thread.join()
        finally:
            own.nanny.kill()
            own.close()
        assert 10 < blocks_done(output) < BLOCKS
        dense(source, output, resume=True)
        assert files_of(output) == undisturbed


def test_a_full_disk(tmp_path):
    """What was written before stays, and the run goes on when there is room."""
    voxels = np.zeros((1, 1, 3, 600, 300), np.uint8)
    voxels[..., 300:, :] = np.random.default_rng(0).integers(0, 255, (3, 300, 300))
    source = tmp_path / "in.ome.zarr"
    io.write(source, Dataset(voxels, Grid(np.arange(3.0), (1.0, 1.0), "um")))
    words = list(map(str, [*MODULE, "run", source, tmp_path / "out.ome.zarr", *OPTIONS[:-1], "8,256,256", "--resume"]))
    limit = 100_000  # bytes of one file: a block of noise has more
    done = subprocess.run(
        words, capture_output=True, text=True, env=ENVIRONMENT, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode != 0
    assert "disk full" in done.stderr
    assert blocks_done(tmp_path / "out.ome.zarr") > 0
    assert not list(hidden(tmp_path / "out.ome.zarr").rglob("*.partial"))
    wider = {**SETTINGS, "shard": "8,256,256"}
    ndi.interpolate(source, out=tmp_path / "out.ome.zarr", resume=True, **wider)
    ndi.interpolate(source, out=tmp_path / "whole.ome.zarr", **wider)
    assert files_of(tmp_path / "out.ome.zarr") == files_of(tmp_path / "whole.ome.zarr")


def test_learned_once_and_loaded_by_workers(tmp_path, cluster):
    """What the client has learned gives the same bits on workers, with uncertainty and at depths of one's own."""
    rng = np.random.default_rng(0)
    voxels = rng.random((8, 96, 96)).cumsum(1).cumsum(2).astype(np.float32)
    io.write(tmp_path / "in.ome.zarr", Dataset(voxels[None, None], Grid(np.arange(8) * 3.0, (1.0, 1.0), "um")))
    settings = {"method": "flow", "shard": "8,64,64", "device": "cpu", "at": [0.0, 1.0, 3.0, 7.5, 20.0]}
    alone = ndi.interpolate(tmp_path / "in.ome.zarr", out=tmp_path / "alone.ome.zarr", **settings)
    spread = ndi.interpolate(
        tmp_path / "in.ome.zarr", out=tmp_path / "spread.ome.zarr", scheduler=cluster.address, **settings
    )
    assert files_of(tmp_path / "spread.ome.zarr") == files_of(tmp_path / "alone.ome.zarr")
    assert spread.record == alone.record


def test_dry_run(source, tmp_path, cluster):
    words = ("run", source, tmp_path / "out.ome.zarr", *OPTIONS)
    plan = run_json(*words, "--dry-run", "--scheduler", cluster.address)
    assert (plan["blocks"], plan["finest"], plan["files"], plan["workers"]) == (BLOCKS, 80, 103, 2)
    assert plan["written_bytes"] == 2 * 2 * (25 * 600 * 40 + 13 * 300 * 20)
    assert [each.name for each in tmp_path.iterdir()] == []


def test_refused_in_one_line(source, tmp_path):
    both = {"workers": 2, "scheduler": "tcp://a:1", "out": tmp_path / "out.ome.zarr"}
    with pytest.raises(RequestError, match="exclude each other"):
        ndi.interpolate(source, **SETTINGS, **both)
    with pytest.raises(OutputError, match=r"several workers make results of blocks, and 'out\.tif' is none; write"):
        ndi.interpolate(source, **SETTINGS, workers=2, out=tmp_path / "out.tif")
    with pytest.raises(OutputError, match=r"--resume needs results of blocks, and 'out\.tif' is none"):
        ndi.interpolate(source, **SETTINGS, resume=True, out=tmp_path / "out.tif")
    with pytest.raises(RequestError, match="workers read the image themselves, and got ndarray; give the path"):
        ndi.interpolate(np.zeros((3, 4, 4)), z_spacing="1um", factor=2, out=tmp_path / "out.ome.zarr", workers=2)


def test_nothing_is_left():
    """No process of a cluster outlives its run."""
    alive = [each for each in psutil.Process(os.getpid()).children() if "spawn_main" in str(each.cmdline())]
    assert alive == []
    assert signal.getsignal(signal.SIGINT) is not None

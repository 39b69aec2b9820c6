"""``kill -9`` at any moment: what has its name is whole, and --resume gives what an undisturbed run gives."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from batches import NAMES, fill, tree
from command_line import ENVIRONMENT, MODULE, run_json, started

MOMENTS = 20


@pytest.fixture(scope="module")
def forker():
    """Run the command line in a fork of a process that has imported everything."""
    with started(
        [sys.executable, Path(__file__).with_name("forker.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT | {"OPENBLAS_NUM_THREADS": "1"},
    ) as process:  # fmt: skip

        def run(source, target, *options, **order):
            words = ["batch", source, target, *OPTIONS, *options]
            order |= {"arguments": [*map(str, words)], "watched": str(target)}
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


OPTIONS = ("--method", "linear", "--factor", 3, "--recursive", "--threads", 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("killed") / "in", NAMES, shape=(5, 100, 100))


@pytest.fixture(scope="module")
def undisturbed(forker, source):
    """The results of a run that nobody disturbs, its time and its operations on files."""
    target = source.parent / "whole"
    forker(source, target)
    shutil.rmtree(target)
    done = forker(source, target)
    assert (done["killed"], done["status"]) == (False, 0)
    return tree(target), done


def check(forker, source, target, undisturbed, order):
    """Kill a run, look at what is there, resume it."""
    expected, _ = undisturbed
    ended = forker(source, target, **order)
    if target.exists():
        for name, content in tree(target).items():
            assert content == expected[name], f"{name} is not whole"
    assert forker(source, target, "--resume")["status"] == 0
    assert tree(target) == expected
    assert not (target / ".depth-interp-batch" / "work").exists()
    assert not [path for path in target.rglob(".depth-interp-*") if path.name != ".depth-interp-batch"]
    return ended


def test_at_random_moments(forker, source, undisturbed, tmp_path):
    longest, moments, killed = undisturbed[1]["seconds"], random.Random(0), 0
    for n in range(5 * MOMENTS):
        ended = check(forker, source, tmp_path / str(n), undisturbed, {"after": moments.uniform(0, longest)})
        killed += ended["killed"]
        if not ended["killed"]:  # it was faster than the first run: the moment came too late
            longest = min(longest, ended["seconds"])
        if killed == MOMENTS:
            return
    pytest.fail(f"only {killed} runs could be killed")


def test_at_operations_on_files(forker, source, undisturbed, tmp_path):
    operations = undisturbed[1]["operations"]
    assert operations > 50
    chosen = sorted(random.Random(1).sample(range(1, operations + 1), MOMENTS))
    assert all(check(forker, source, tmp_path / str(at), undisturbed, {"at": at})["killed"] for at in chosen)


def test_while_old_results_are_replaced(forker, source, undisturbed, tmp_path):
    """The results of other settings stand whole until the new ones are."""
    old = tmp_path / "old"
    assert forker(source, old, "--dtype", "float32")["status"] == 0
    chosen = random.Random(2).sample(range(10, undisturbed[1]["operations"] // 2), 5)
    for at in chosen:
        target = tmp_path / f"kept{at}"
        shutil.copytree(old, target)
        before = tree(target)
        assert forker(source, target, "--resume", at=at)["killed"]
        for name, content in tree(target).items():
            assert content in (before[name], undisturbed[0][name]), f"{name} is neither the old nor the new result"
        assert forker(source, target, "--resume")["status"] == 0
        assert tree(target) == undisturbed[0]


def test_the_workers_of_a_killed_batch_end(source, trouble, tmp_path):
    """And what they were at is done by the next batch."""
    target = tmp_path / "out"
    words = ["batch", source, target, "--method", "trouble", "--factor", 2, "--workers", 1, "-p", "steps=400"]
    environment = ENVIRONMENT | {"PYTHONPATH": os.environ["PYTHONPATH"]}
    with started([*MODULE, *words], stdout=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 60
        while not any("begun on" in path.read_text() for path in target.glob("*.log")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert children
    assert psutil.wait_procs(children, timeout=15)[1] == []
    done = run_json("batch", source, target, "--method", "linear", "--factor", 2, "--resume")
    assert done["done"] == 3
    assert not (target / ".depth-interp-batch" / "work").exists()

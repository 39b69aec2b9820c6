"""benchmarks/gpu.py: what it says without a GPU, and its short version."""

import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    import gpu

    yield gpu
    for name in ("gpu", "_tools"):
        sys.modules.pop(name, None)


def test_without_a_gpu_it_says_so_in_one_line(benchmark, capsys):
    benchmark.main([])
    assert capsys.readouterr().out.splitlines() == [
        "There is no CUDA device here, so nothing was measured; --device cpu runs a short version."
    ]


def test_the_short_version_measures_on_the_cpu(benchmark, capsys):
    benchmark.main(["--device", "cpu", "--methods", "kplanes", "srcnn"])
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in table] == ["method", "---", "kplanes", "srcnn"]
    for line in table[2:]:
        cells = [each.strip() for each in line.split("|")[1:-1]]
        assert len(cells) == len(benchmark._COLUMNS)
        assert float(cells[1]) > 0
        assert float(cells[4]) > 0
        assert set(cells[5:]) == {"-"}


def test_all_methods_with_a_gpu_are_measured(benchmark):
    assert {"auto", "section_sr", "msdsr", "rrdb_gan", "cae"} <= set(benchmark.learned_methods())


def test_what_overlaps_is_counted_once(benchmark):
    assert benchmark.covered([(0, 2), (1, 3), (5, 6), (5.5, 5.8)]) == 4

"""benchmarks/margins.py: what it prints is what a run divides."""

import sys
from pathlib import Path

import pytest


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import margins

    yield margins
    for name in ("margins", "_tools"):
        sys.modules.pop(name, None)


def test_a_method_without_margins_along_z_is_told_what_its_tiles_cost(benchmark, monkeypatch, capsys):
    """Blocks of 1024 x 1024 with 64 pixels on the inner sides; one for each method that a mixture is made of."""
    words = ["--side", "2048", "--sections", "40", "--limits", "8GB", "--methods", "flow", "auto"]
    monkeypatch.setattr(sys, "argv", ["margins.py", *words])
    benchmark.main()
    flow, auto = (
        [each.strip() for each in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[-2:]
    )
    assert flow[:4] == ["8GB", "flow", "320 x 1024 x 1024", "157 x 1024 x 1024"]
    assert float(flow[6]) == pytest.approx((1024 + 64) ** 2 / 1024**2, abs=0.006)
    assert float(flow[4]) < 8
    assert len(auto[5].split()) == 3
    assert float(auto[6]) == pytest.approx(sum(map(float, auto[5].split())) / 3, abs=0.01)

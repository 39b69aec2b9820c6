"""Other programs are run in environments of their own; the page about them is what a script makes of their figures."""

import json
import re
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

import peers
import worth_page


@pytest.fixture
def folder(tmp_path):
    """An environment for scipy, which is that of these tests."""
    venv.create(tmp_path / "zoom", with_pip=False)
    inside = sysconfig.get_path("purelib", "venv", {"base": str(tmp_path / "zoom")})
    (Path(inside) / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return tmp_path


def test_a_peer_fills_in_a_process_of_its_own(folder):
    stack = np.arange(4, dtype=np.uint16)[:, None, None] * np.full((1, 5, 6), 30, np.uint16)
    found = peers.run("zoom", stack, peers.Job(factor=3, gap=3.0), folder)
    np.testing.assert_allclose(found.voxels[::3], stack, atol=1e-3)
    assert (np.diff(found.voxels[:, 0, 0]) > 0).all()
    assert found.cpu_seconds > 0
    assert found.version.startswith("scipy ")
    assert peers.installed(folder) == ["zoom"]


def test_a_peer_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(peers.PeerError, match=r"rife is not installed; run python benchmarks/make_peers.py rife"):
        peers.run("rife", np.zeros((2, 4, 4)), peers.Job(2, 2.0), tmp_path)


@pytest.mark.parametrize("name", peers.NAMES)
def test_every_adapter_says_where_its_program_comes_from(name):
    module = peers.adapter(name)
    for words in (module.TITLE, module.SOURCE, module.LICENCE, module.__doc__):
        assert words
    assert all(isinstance(each, str) for each in module.REQUIRES)
    assert callable(getattr(module, "fill", None) or module.fill_labels)


def test_no_figure_of_the_page_was_typed():
    text = worth_page.PAGE.read_text(encoding="utf-8")
    assert text == worth_page.page(), "run scripts/worth_page.py"
    drawn = re.findall(r"images/(worth-.*?\.png)", text)
    assert len(drawn) == len(worth_page.FIGURES)
    assert all((worth_page.IMAGES / name).exists() for name in drawn)


def test_simulated_images_stand_beside_the_real_ones_and_count_for_nothing(tmp_path, monkeypatch):
    kept = ("peers", "downstream")
    for name in kept:
        (tmp_path / f"{name}.json").write_bytes((worth_page.RESULTS / f"{name}.json").read_bytes())
    monkeypatch.setattr(worth_page, "RESULTS", tmp_path)
    before = worth_page.page()
    row = {"real": False, "every": 4, "segmenter": "otsu", "score": "f1", "images": 3, "difference": 0.25}
    rows = [row | {"contender": "sparse", "mean": 0.5}, row | {"contender": worth_page.OURS, "mean": 0.75}]
    found = {"machine": "somewhere", "summary": rows}
    (tmp_path / "downstream-simulated.json").write_text(json.dumps(found), encoding="utf-8")
    after = worth_page.page()
    assert "3 simulated images (somewhere)" in after
    assert "| **`auto:fast`** | 0.75 (+0.25) |" in after
    assert after.split("## So: fill, or not?")[1] == before.split("## So: fill, or not?")[1]

"""LPIPS in an evaluation: with given weights, and all else where they cannot be had."""

import json
import math

import numpy as np
import pytest
import torch
from making import EVERY_2, make
from safetensors.torch import save_file

from backbones import drawn
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import LpipsChoice, evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.metrics.perceptual import Lpips
from napari_depth_interp.models import weights
from napari_depth_interp.models.weights import Download, lpips_linear_weights

NOWHERE = "http://127.0.0.1:9/net.pth"


@pytest.fixture(scope="module")
def dense():
    return make(np.random.default_rng(3).random((1, 1, 19, 20, 24)))


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """The same weights in both kinds of file."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(drawn("squeeze"), folder / "squeeze.safetensors")
    torch.save(drawn("squeeze") | {"classifier.1.bias": torch.ones(3)}, folder / "squeeze.pth")
    return folder


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """All weights stand where nobody answers, and the cache is empty."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, **_: str(tmp_path / name))
    monkeypatch.setattr(weights, "BACKBONES", {"squeeze": Download("squeeze", NOWHERE, 64 * "0", 5_000_000)})


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.usefixtures("offline")
def test_given_weights_score_every_section_and_the_stack(dense, given, suffix):
    path = given / f"squeeze{suffix}"
    scores = evaluate(dense, ["linear", "nearest"], EVERY_2, lpips=LpipsChoice("squeeze", path), data_range=(0, 1))
    assert scores.lpips == {"net": "squeeze", "weights": weights.sha256_of(path), "problem": None}
    linear, nearest = scores.methods
    network = Lpips("squeeze", drawn("squeeze"), lpips_linear_weights("squeeze"))
    voxels = dense.voxels[0, 0]
    for row in linear.sections:
        z = row["index"]
        expected = network.distance(voxels[z], (voxels[z - 1] + voxels[z + 1]) / 2, (0, 1)).mean
        assert row["lpips"] == pytest.approx(expected, rel=1e-4)
    assert linear.mean["lpips"] == pytest.approx(np.mean([row["lpips"] for row in linear.sections]))
    assert linear.std["lpips_fg"] > 0
    assert 0 < linear.volume["lpips_planes"] != linear.volume["lpips_planes_fg"]
    assert nearest.against_linear["lpips"]["n"] == 9
    assert nearest.gap_curve[0]["lpips"] == pytest.approx(nearest.mean["lpips"])


@pytest.mark.usefixtures("offline")
def test_weights_that_cannot_be_had_leave_all_else(dense):
    plain = evaluate(dense, ["linear", "cubic"], EVERY_2)
    said = []
    scores = evaluate(dense, ["linear", "cubic"], EVERY_2, lpips=LpipsChoice("squeeze"), report=said.append)
    problem = scores.lpips["problem"]
    assert scores.lpips["weights"] is None
    assert f"{NOWHERE} cannot be loaded: ConnectionError; is this machine offline?" in problem
    assert f"Get {NOWHERE} on another machine and give it with --lpips-weights FILE" in problem
    assert "\n" not in problem
    assert said[0].message == f"loading the weights of squeeze once, 5.0 MB, from {NOWHERE}"
    for each, without in zip(scores.methods, plain.methods, strict=True):
        assert {name: value for name, value in each.mean.items() if "lpips" not in name} == without.mean
        assert (each.mean["lpips"], each.mean["lpips_fg"]) == (None, None)
        assert (each.volume["lpips_planes"], each.volume["lpips_planes_fg"]) == (None, None)
        assert all(row["lpips"] is None for row in each.sections)
    assert scores.methods[1].against_linear["lpips"] == {"difference": None, "p_value": None, "n": 0}
    shown = json.loads(json.dumps(scores.as_json(), allow_nan=False))
    assert shown["lpips"]["problem"] == problem
    assert shown["methods"][0]["mean"]["lpips"] is None


@pytest.mark.usefixtures("offline")
def test_a_file_that_cannot_be_used_leaves_all_else_too(dense, given, tmp_path):
    torch.save(drawn("alex"), tmp_path / "alex.pth")
    (tmp_path / "damaged.pth").write_bytes((given / "squeeze.pth").read_bytes()[:999])
    cases = [
        ("none.pth", "there is no file"),
        ("damaged.pth", "cannot be read"),
        ("alex.pth", "not the weights of"),
    ]
    for name, words in cases:
        scores = evaluate(dense, ["linear"], EVERY_2, lpips=LpipsChoice("squeeze", tmp_path / name))
        assert words in scores.lpips["problem"]
        assert math.isfinite(scores.methods[0].mean["psnr"])
        assert scores.methods[0].mean["lpips"] is None


def test_sections_that_are_too_small_have_no_lpips(given):
    small = make(np.random.default_rng(3).random((5, 12, 12)))
    scores = evaluate(small, ["linear"], EVERY_2, lpips=LpipsChoice("squeeze", given / "squeeze.pth"))
    assert scores.lpips["problem"] is None
    assert scores.methods[0].mean["lpips"] is None
    assert scores.methods[0].volume["lpips_planes"] is None


def test_lpips_of_sr4(given):
    data = make(np.random.default_rng(3).random((1, 2, 8, 22, 21)))
    scores = evaluate(data, ["linear"], Protocol("sr4"), lpips=LpipsChoice("squeeze", given / "squeeze.pth"))
    assert len(scores.methods[0].sections) == 16
    assert all(row["lpips"] > 0 for row in scores.methods[0].sections)


def test_an_unknown_network_is_refused(dense):
    with pytest.raises(RequestError, match="LPIPS knows the networks alex, vgg, squeeze, not 'resnet'"):
        evaluate(dense, ["linear"], EVERY_2, lpips=LpipsChoice("resnet"))


def test_lpips_is_not_mentioned_where_nobody_asked(dense):
    scores = evaluate(dense, ["linear"], EVERY_2)
    assert scores.lpips is None
    assert "lpips" not in scores.methods[0].mean

"""Examples that the networks which weigh labels learn from: made, written, read, and learned from."""

import sys

import numpy as np
import pytest
import torch

import train_label_fusion as script
from napari_depth_interp.labels.fusion import load
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.labels.network import logits_of

COUNT, SIZE, EVERY = 9, 40, 2


def discs():
    """A disc that moves to the right beside one that stays, and their image."""
    z, y, x = np.mgrid[:COUNT, :SIZE, :SIZE]
    labels = np.where(np.hypot(y - 14, x - 12 - z) < 7, 5, 0)
    labels[np.hypot(y - 29, x - 14) < 6] = 9
    return labels, ((labels > 0) + np.random.default_rng(0).normal(0, 0.2, labels.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / f"discs-{EVERY}.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "LearnedConfig", lambda: LearnedConfig(steps=20))
        made = list(script.examples_of(script.Volume("discs", "discs", 1.0, discs), EVERY))
    script.store(path, made)
    return made, path


def test_examples_are_read_as_they_were_written(file):
    made, path = file
    read = script.stored(path)
    assert len(made) == len(read) == COUNT // EVERY
    for one, other in zip(made, read, strict=True):
        assert one.shape == other.shape == (EVERY - 1, SIZE, SIZE)
        for here, there in zip(one.candidates, other.candidates, strict=True):
            np.testing.assert_array_equal(here.mask, there.mask)
            np.testing.assert_allclose(here.features, there.features, rtol=1e-3, atol=1e-3)
            assert here.told == there.told
            assert here.object.thing.box == there.object.thing.box
            assert here.object.thing.label == there.object.thing.label
        for here, there in zip(one.truth, other.truth, strict=True):
            np.testing.assert_array_equal(here, there)


def test_truth_is_what_the_hidden_section_holds(file):
    made, _ = file
    labels, _ = discs()
    for number, example in enumerate(made):
        for each, right in zip(example.candidates, example.truth, strict=True):
            here = labels[number * EVERY + 1][each.object.thing.box][each.mask]
            assert right.any()
            assert len(np.unique(here[right])) == 1
            assert here[right][0] not in here[~right]


def test_both_networks_tell_what_they_have_learned(file, monkeypatch):
    _, path = file
    monkeypatch.setattr(script, "STEPS", 60)
    first = script.trained([path])
    second = script.trained([path], first)
    for network, extra in ((first, None), (second, first)):
        rng = np.random.default_rng(1)
        pairs = [each for example in script.stored(path) for each in example.rows(extra, rng)]
        rows, truth = (np.concatenate(each) for each in zip(*pairs, strict=True))
        assert ((logits_of(network, torch.from_numpy(rows)).numpy()[:, 0] > 0) == truth).mean() > 0.9


def test_the_command_trains_on_files_that_are_there(file, tmp_path, monkeypatch):
    made, _ = file
    for kind in script.SIMULATED:
        for seed in range(script.SEEDS):
            for every in script.KEPT:
                script.store(tmp_path / f"{kind}{seed}-{every}.npz", made[:1])
    monkeypatch.setattr(script, "STEPS", 20)
    out = tmp_path / "both.safetensors"
    monkeypatch.setattr(sys, "argv", ["train_label_fusion.py", "--rows", str(tmp_path), "--out", str(out)])
    script.main()
    networks = load(out)
    assert networks.second.layers[0].in_features > networks.first.layers[0].in_features
    again = tmp_path / "again.safetensors"
    monkeypatch.setattr(script, "STEPS", 21)
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], str(again), "--first", str(out)])
    script.main()
    same = [
        torch.equal(*(getattr(each, name).layers[0].weight for each in (networks, load(again))))
        for name in ("first", "second")
    ]
    assert same == [True, False]

"""The check before anyone aligns."""

import json

import numpy as np

from displaced_stacks import dataset, tissue_like, with_moves
from napari_depth_interp.registration import check_jitter


def test_a_sound_stack_has_none():
    found = check_jitter(dataset(tissue_like(slant=1.0)))
    assert not found.is_there
    assert found.pixels < 0.2
    assert found.sentence.startswith("No jitter to speak of")


def test_single_sections_are_named():
    found = check_jitter(dataset(with_moves(tissue_like(), {3: (3, 0), 8: (0, -4)})))
    assert found.displaced == (3, 8)
    assert found.section == 8
    assert abs(found.largest - 4) < 0.3
    assert "2 of 12 sections are displaced (3, 8), by up to 4.0 pixels at section 8" in found.sentence


def test_jitter_everywhere():
    jitter = np.random.default_rng(0).normal(0, 2, (20, 2))
    found = check_jitter(dataset(with_moves(tissue_like(20), dict(enumerate(jitter)))))
    assert found.is_there
    assert found.sentence.startswith("The sections jitter")
    assert 1 < found.pixels < 3


def test_nothing_can_be_said_of_constant_sections():
    found = check_jitter(dataset(np.zeros((4, 40, 40))))
    assert not found.is_there
    assert found.unjudged == (0, 1, 2, 3)
    assert "cannot be said" in found.sentence


def test_turned_sections():
    stack = with_moves(tissue_like(size=96), {5: (0, 0, 5.0)})
    assert check_jitter(dataset(stack), "rigid").displaced == (5,)


def test_is_ready_for_json():
    text = json.dumps(check_jitter(dataset(tissue_like(6))).as_json(), allow_nan=False)
    assert json.loads(text)["sections"] == 6

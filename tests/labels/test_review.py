"""What the second weighing of pixels is told of the first one, and how both come from a file."""

import numpy as np
import pytest
import torch

from napari_depth_interp.labels.candidates import FEATURES, SHAPE, Candidate
from napari_depth_interp.labels.fusion import WIDTH, Networks, fused, load, review_of, save
from napari_depth_interp.labels.network import RowClassifier
from napari_depth_interp.labels.objects import Thing
from napari_depth_interp.labels.review import ADDED, Review, expected_dice
from napari_depth_interp.labels.scores import Scored

SIZE = 40
OWN, AROUND, BEFORE, AFTER, RIVAL, OTHERS, LARGER, SURE = 0, 1, 4, 5, 6, 8, 9, 10
LEFT, RIGHT = np.s_[0:SIZE, 0:26], np.s_[0:SIZE, 14:SIZE]


def object_in(box, label):
    nothing = np.zeros((0, 0), np.float32)
    return Scored(Thing(label, box, nothing.astype(np.uint8), nothing.astype(np.uint8)), nothing, nothing, None, None)


def candidate(scored, section, score):
    """An object whose outline runs where its score is 0; it is asked about where that is above -6."""
    mask = score > -6
    features = np.zeros((mask.sum(), FEATURES), np.float32)
    features[:, SHAPE] = score[mask]
    return Candidate(scored, section, mask, features)


@pytest.fixture
def two():
    """Two objects side by side on two sections; they overlap by twelve columns and move to the right by four."""
    x = np.broadcast_to(np.arange(SIZE, dtype=np.float32), (SIZE, SIZE))
    left, right = object_in(LEFT, 1), object_in(RIGHT, 2)
    return [
        candidate(each, section, sign * (x - 20 - 4 * section)[each.thing.box] / 2)
        for each, sign in ((left, -1), (right, 1))
        for section in (0, 1)
    ]


def told(two):
    """The review where the first weighing finds what the outlines say."""
    return Review.of(two, lambda sections: [each.features[:, SHAPE] for each in sections], (2, SIZE, SIZE))


def features_of(review, each):
    found = np.full((*each.mask.shape, ADDED), np.nan, np.float32)
    found[each.mask] = review.features(each)
    return found


def test_it_says_what_was_found_there_and_on_the_sections_beside(two):
    left = features_of(told(two), two[0])
    np.testing.assert_allclose(left[5, 10:24, OWN], (20 - np.arange(10, 24)) / 2)
    np.testing.assert_allclose(left[5, 14:24, AFTER], (24 - np.arange(14, 24)) / 2)  # the section after; 8 is the most
    np.testing.assert_array_equal(left[5, 10:24, BEFORE], left[5, 10:24, OWN])  # there is none before
    later = features_of(told(two), two[1])
    np.testing.assert_allclose(later[5, 14:24, BEFORE], (20 - np.arange(14, 24)) / 2)


def test_it_says_what_was_found_of_the_other_object_and_never_of_itself(two):
    left = features_of(told(two), two[0])
    np.testing.assert_allclose(left[5, 14:24, RIVAL], (np.arange(14, 24) - 20) / 2)
    assert (left[5, 5:14, RIVAL] == -8).all()  # no other object was asked there
    np.testing.assert_allclose(left[5, 14:24, OTHERS], 1 / (1 + np.exp(-left[5, 14:24, RIVAL])), rtol=1e-5)
    alone = features_of(told(two[:2]), two[0])
    assert (alone[5, 5:26, RIVAL] == -8).all()
    np.testing.assert_allclose(alone[5, 5:26, OTHERS], 0, atol=1e-6)


def test_parts_of_one_label_are_no_rivals(two):
    part = object_in(RIGHT, 1)
    found = [*two[:2], *(Candidate(part, each.section, each.mask, each.features) for each in two[2:])]
    assert (features_of(told(found), found[0])[5, 5:26, RIVAL] == -8).all()


def test_it_says_how_large_and_how_sure_an_object_is_and_looks_around(two):
    review = told(two)
    left = features_of(review, two[0])
    assert abs(left[5, 10, LARGER]) < 0.1  # as large as its outline
    assert left[5, 10, SURE] == pytest.approx(
        expected_dice(np.concatenate([each.features[:, SHAPE] for each in two[:2]])), abs=1e-3
    )
    assert left[20, 10, AROUND] > 0.9 > 0.6 > left[20, 20, AROUND] > 0.4
    doubled = Review.of(two, lambda sections: [each.features[:, SHAPE] + 2 for each in sections], (2, SIZE, SIZE))
    assert features_of(doubled, two[0])[5, 10, LARGER] > left[5, 10, LARGER] + 0.1


def test_both_networks_come_from_a_file_as_they_were_and_the_second_one_decides(two, tmp_path):
    torch.manual_seed(0)
    networks = Networks(*(RowClassifier(count, 1, WIDTH).eval() for count in (FEATURES, FEATURES + ADDED)))
    save(tmp_path / "both.safetensors", networks, {"steps": 0})
    read = load(tmp_path / "both.safetensors")
    first, second = (fused(each, lambda: iter(two), (2, SIZE, SIZE)) for each in (networks, read))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.confidence, second.confidence)
    said = [features_of(review_of(each.first, two, (2, SIZE, SIZE)), two[0]) for each in (networks, read)]
    np.testing.assert_array_equal(*said)
    with torch.no_grad():
        networks.second.layers[-1].bias += 40
    assert (fused(networks, lambda: iter(two), (2, SIZE, SIZE)).labels > 0).mean() > 0.95

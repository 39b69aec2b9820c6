"""How segmentations of several crops, images, places and segmenters are compared with those of the sparse stack."""

import pytest

from _downstream_tables import TOGETHER, recorded_f1, summary, table


def rows(filled, sparse, recorded=0.9, **about):
    """Give rows of one crop: F1 and the share of objects that are too many."""
    other = {
        "volume_bias": 0.0,
        "splits": 0.0,
        "merges": 0.0,
        "false_objects": 0.0,
        "surface": 1.0,
        "resolution_z": None,
    }
    about = {"volume": "a", "source": "a", "real": True, "every": 4, "segmenter": "otsu"} | about | other
    return [
        about | {"contender": name, "f1": f1, "count_error": count}
        for name, (f1, count) in (("auto:fast", filled), ("sparse", sparse), ("recorded", (recorded, 0)))
    ]


def of(found, score, segmenter="otsu", contender="auto:fast"):
    [row] = [
        row for row in found if (row["score"], row["segmenter"], row["contender"]) == (score, segmenter, contender)
    ]
    return row


def test_crops_of_an_image_are_averaged_before_images_are():
    found = summary(
        [*rows((0.8, 0), (0.4, 0)), *rows((0.6, 0), (0.4, 0), volume="a 2"), *rows((0.1, 0), (0.2, 0), source="b")]
    )
    row = of(found, "f1")
    assert (row["images"], row["places"]) == (2, 2)
    assert row["mean"] == pytest.approx((0.7 + 0.1) / 2)
    assert row["difference"] == pytest.approx((0.3 - 0.1) / 2)
    assert row["worst"] == pytest.approx(-0.1)
    assert row["low"] == pytest.approx(-0.1)
    assert row["high"] == pytest.approx(0.3)


def test_images_of_one_place_count_as_one():
    made = [*rows((0.8, 0), (0.4, 0)), *rows((0.8, 0), (0.4, 0), source="b"), *rows((0.1, 0), (0.2, 0), source="c")]
    row = of(summary(made, {"a": "here", "b": "here"}), "f1")
    assert (row["images"], row["places"]) == (3, 2)
    assert row["difference"] == pytest.approx((0.4 - 0.1) / 2)
    assert of(summary(made), "f1")["difference"] == pytest.approx((0.4 + 0.4 - 0.1) / 3)


def test_errors_are_compared_by_their_size_and_shown_with_their_sign():
    row = of(summary([*rows((0, -0.5), (0, 0.2)), *rows((0, 0.1), (0, -0.4), source="b")]), "count_error")
    assert row["mean"] == pytest.approx(-0.2)
    assert row["difference"] == pytest.approx((0.5 - 0.2 + 0.1 - 0.4) / 2)
    assert row["worst"] == pytest.approx(0.3)


def test_segmenters_together_are_those_of_each_image():
    made = [*rows((0.8, 0.5), (0.4, 0)), *rows((0.4, -0.5), (0.4, 0), segmenter="watershed")]
    found = summary(made)
    assert of(found, "f1", TOGETHER)["difference"] == pytest.approx(0.2)
    assert of(found, "count_error", TOGETHER)["difference"] == pytest.approx(0.5), "errors do not cancel"
    segmenters = [row["segmenter"] for row in found if row["score"] == "f1"]
    assert segmenters == ["otsu"] * 3 + ["watershed"] * 3 + [TOGETHER] * 3


def test_real_and_simulated_images_and_gaps_stand_apart():
    made = [*rows((0.8, 0), (0.4, 0)), *rows((0.1, 0), (0.4, 0), real=False), *rows((0.3, 0), (0.4, 0), every=8)]
    differences = {
        (row["real"], row["every"]): row["difference"]
        for row in summary(made)
        if (row["score"], row["segmenter"], row["contender"]) == ("f1", "otsu", "auto:fast")
    }
    assert differences == pytest.approx({(True, 4): 0.4, (False, 4): -0.3, (True, 8): -0.1})
    assert "| auto:fast | 0.800 | +0.400 (+0.400 to +0.400) |" in table(summary(made), True, 4, "otsu")


def test_who_cannot_segment_the_recorded_stack_does_not_count():
    able = [*rows((0.4, 0), (0.3, 0), 0.2), *rows((0.5, 0), (0.1, 0), 0.9, source="b")]
    unable = [*rows((0.9, 0), (0.1, 0), 0.19, segmenter="network"), *rows((0.9, 0), (0.1, 0), 0.0, source="c")]
    assert summary(able + unable) == summary(able)
    assert recorded_f1(able + unable)["a", "network"] == pytest.approx(0.19)

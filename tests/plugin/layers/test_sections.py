"""What a section is, told from what was written into it and what it is now; no window is needed."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_depth_interp.plugin.layers.marks import Mark, digest_of, ledger_from, names_on
from napari_depth_interp.plugin.layers.sections import Kind, Sections


def filled(layer, places, *, labels=(), run=1):
    """Write discs into sections as a fill does, and note that."""
    sections = Sections(layer)
    for place, value in places.items():
        sections.section(place)[2:4, 2:4] = value
        sections.ledger.write(place, Mark(run, labels, digest_of(sections.section(place), labels), "key"))
    return Sections(layer)


@pytest.fixture
def layer():
    data = np.zeros((6, 8, 8), np.int32)
    data[0, 1:5, 1:5] = data[5, 1:5, 1:5] = 7
    return Labels(data)


def kinds(sections, only=None):
    return [sections.status((0, z), only).kind for z in range(sections.count)]


def test_what_holds_labels_is_annotated_and_what_was_written_is_interpolated(layer):
    sections = filled(layer, {(0, 2): 7, (0, 3): 7})
    assert kinds(sections) == ["annotated", "empty", "interpolated", "interpolated", "empty", "annotated"]
    assert sections.counted(0) == [0, 5]


def test_a_section_that_was_changed_since_counts_as_annotated_until_that_is_taken_back(layer):
    sections = filled(layer, {(0, 2): 7, (0, 3): 7})
    layer.data[2, 6, 6] = 7
    sections.forget((0, 2))
    assert sections.status((0, 2)).kind is Kind.CORRECTED
    assert sections.counted(0) == [0, 2, 5]
    layer.data[2, 6, 6] = 0
    sections.forget((0, 2))
    assert sections.status((0, 2)).kind is Kind.INTERPOLATED


def test_what_was_rubbed_out_is_corrected_and_what_was_undone_is_empty(layer):
    sections = filled(layer, {(0, 2): 7, (0, 3): 7})
    layer.data[2] = 0
    sections.forget((0, 2))
    assert sections.status((0, 2)).kind is Kind.CORRECTED
    assert sections.counted(0) == [0, 2, 5]
    layer.data[3] = 0
    sections.forget()
    assert kinds(sections)[2:4] == ["empty", "empty"]


def test_a_section_that_was_filled_with_nothing_is_interpolated_as_long_as_the_fill_stands(layer):
    sections = filled(layer, {(0, 2): 7, (0, 3): 0})
    assert sections.status((0, 3)).kind is Kind.INTERPOLATED
    layer.data[2] = 0
    sections.forget()
    assert sections.status((0, 3)).kind is Kind.EMPTY


def test_a_tick_holds_until_the_section_is_changed(layer):
    sections = Sections(layer)
    sections.tick((0, 0), False)
    sections.tick((0, 3), True)
    assert sections.counted(0) == [3, 5]
    layer.data[0, 7, 7] = 7
    sections.forget((0, 0))
    assert sections.counted(0) == [0, 3, 5]


def test_one_label_is_told_from_the_others(layer):
    layer.data[2, 6:, 6:] = 9  # of somebody's own
    sections = filled(layer, {(0, 2): 7, (0, 3): 7}, labels=(7,))
    assert kinds(sections, only=(7,))[2] == "interpolated"
    assert kinds(sections)[2] == "annotated"
    layer.data[2, 6:, 6:] = 8
    sections.forget((0, 2))
    assert kinds(sections, only=(7,))[2] == "interpolated"
    bare = sections.bare(0, (7,))
    assert np.unique(bare[2]).tolist() == [0, 8]
    assert np.unique(bare[0]).tolist() == [0, 7]


def test_what_was_there_before_a_fill_is_not_lost(layer):
    layer.data[3, 7, 7] = 4
    sections = Sections(layer)
    sections.tick((0, 3), False)
    sections.ledger.before[0, 3] = layer.data[3].copy()
    sections = filled(layer, {(0, 3): 7, (0, 2): 7})
    assert sections.status((0, 3)).kind is Kind.INTERPOLATED
    assert np.argwhere(sections.bare(0)[3]).tolist() == [[7, 7]]
    assert not sections.bare(0)[2].any()


def test_time_points_are_told_apart():
    data = np.zeros((2, 4, 8, 8), np.uint16)
    data[1, 0, 1:5, 1:5] = 3
    sections = filled(Labels(data), {(1, 2): 3, (1, 1): 3})
    assert [sections.status((0, z)).kind for z in range(4)] == ["empty"] * 4
    assert [sections.status((1, z)).kind for z in range(4)] == ["annotated", "interpolated", "interpolated", "empty"]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "int64"])
def test_identifiers_of_any_type(dtype):
    high = np.iinfo(dtype).max
    section = np.zeros((4, 4), dtype)
    section[1, 1], section[2, 2] = high, 3
    assert names_on(section).tolist() == [3, high]
    assert names_on(section).dtype == section.dtype


def test_a_history_that_somebody_has_cut_or_spoiled_marks_nothing_that_is_not_there():
    data = np.zeros((3, 4, 4), np.uint8)
    ledger = ledger_from({"interpolated": [1, 99], "annotated": [0, 200], "labels": "all"}, data)
    assert list(ledger.marks) == [(0, 1)]
    assert list(ledger.ticks) == [(0, 0)]

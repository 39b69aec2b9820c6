"""Large sections in parts: the same labels as from whole ones, and no whole section for a method."""

import numpy as np
import pytest

from label_stacks import asked, dataset, dice, filled_in, only
from napari_depth_interp.labels import evidence, windows
from napari_depth_interp.labels.execute import execute_labels
from napari_depth_interp.labels.methods.shape import SHAPE
from napari_depth_interp.labels.series import Series
from napari_depth_interp.labels.suggest import suggest_sections, warnings_of
from napari_depth_interp.labels.windows import fullest, parts_of
from napari_depth_interp.stack.lazy import LazyVoxels

SIZE, COUNT = 160, 9


@pytest.fixture
def small(monkeypatch):
    """Parts of 40 pixels with 30 around them."""
    monkeypatch.setattr(windows, "_PIXELS", 100**2)
    monkeypatch.setattr(windows, "_VOXELS", 100**2 * 9)
    monkeypatch.setattr(windows, "_HALO", 30)
    monkeypatch.setattr(windows, "_LEAST", 40)


def many():
    """Balls and cones all over the sections, some across the borders of parts, and an image of them."""
    z, y, x = np.mgrid[:COUNT, :SIZE, :SIZE]
    rng, labels = np.random.default_rng(1), np.zeros((COUNT, SIZE, SIZE), np.uint16)
    for number, (row, column) in enumerate(np.argwhere(np.ones((7, 7))) * 22 + 13):
        centre = np.array([rng.uniform(0, 8), row, column]) + rng.uniform(-2, 2, 3)
        drift = rng.uniform(-0.5, 0.5, 2)
        away = (y - centre[1] - drift[0] * z) ** 2 + (x - centre[2] - drift[1] * z) ** 2
        labels[away + (2 * (z - centre[0])) ** 2 < rng.uniform(7, 10) ** 2] = 1000 + number
    image = 0.2 + 0.6 * (labels > 0) + rng.normal(0, 0.1, labels.shape)
    return labels, image.astype(np.float32)


LABELS, IMAGE = many()
SPARSE = only(LABELS, [0, 4, 8])


class Watched:
    """Sections of which it is noted how large the parts are that methods are asked for."""

    def __init__(self, monkeypatch, method="shape"):
        self.shapes = []
        inner = SHAPE.create(SHAPE.config(), None)
        fill = type(inner).fill

        def noted(this, gap, **more):
            self.shapes.append(gap.below.shape)
            return fill(this, gap, **more)

        monkeypatch.setattr(type(inner), "fill", noted)


@pytest.mark.parametrize("method", ["nearest", "shape"])
def test_objects_smaller_than_the_halo_are_filled_as_from_whole_sections(method, request):
    whole = filled_in(SPARSE, method=method, annotated="0,4,8")
    request.getfixturevalue("small")
    divided = filled_in(SPARSE, method=method, annotated="0,4,8")
    np.testing.assert_array_equal(divided.values, whole.values)
    np.testing.assert_allclose(divided.confidence, whole.confidence, atol=1e-6)


@pytest.mark.parametrize("method", ["flow", "learned"])
def test_with_an_image_nearly_the_same(method, request):
    options = {"method": method, "annotated": "0,4,8", "image": dataset(IMAGE)}
    whole = filled_in(SPARSE, **options).values
    request.getfixturevalue("small")
    divided = filled_in(SPARSE, **options).values
    assert dice(divided, whole) > 0.97
    assert (divided == whole).mean() > 0.98


def test_a_method_sees_no_whole_section(small, monkeypatch):
    watched = Watched(monkeypatch)
    source = LazyVoxels(SPARSE[None, None])
    execute_labels(asked(dataset(SPARSE).__class__(source, dataset(SPARSE).grid), method="shape", annotated="0,4,8"))
    assert len(watched.shapes) == 2 * 16
    assert max(rows * columns for rows, columns in watched.shapes) <= 100**2


@pytest.mark.parametrize("shape", [(100, 100), (101, 100), (97, 350), (333, 41)])
def test_parts_cover_every_pixel_once(small, shape):
    seen = np.zeros(shape, int)
    for each in parts_of(shape):
        seen[each.kept] += 1
        part = np.arange(np.prod(shape)).reshape(shape)
        np.testing.assert_array_equal(part[each.seen][each.inside], part[each.kept])
    assert (seen == 1).all()


def test_a_deep_gap_with_an_image_is_seen_in_smaller_parts(small):
    assert len(list(parts_of((100, 100), images=9))) == 1
    assert len(list(parts_of((100, 100), images=18))) > 1


def test_windows_of_windows_are_counted_from_their_first_row(monkeypatch):
    series = Series(LABELS[[0, 4, 8]].astype(np.int64), np.array([0.0, 4, 8]), 1.0, IMAGE, np.arange(9.0))
    inner = series.within((slice(20, 120), slice(40, 140))).within((slice(10, 40), slice(0, 50)))
    assert inner.shape == (30, 50)
    np.testing.assert_array_equal(inner.section(1), LABELS[4, 30:60, 40:90])
    gap, names = inner.gap(0, 1, [1.0, 2.0])
    np.testing.assert_array_equal(names[gap.below], LABELS[0, 30:60, 40:90])
    assert gap.image.shape == (7, 30, 50)
    np.testing.assert_allclose(gap.image[0], IMAGE[0, 30:60, 40:90])


def test_what_looks_for_itself_looks_at_the_fullest_part(monkeypatch):
    monkeypatch.setattr(windows, "_TRIED", 40)
    labels = np.zeros((5, 120, 120), np.int64)
    labels[:, 50:70, 90:110] = 3
    labels[1:3, 85, 85] = 4
    series = Series(labels, np.arange(5.0) * 8, 1.0)
    chosen = fullest(series)
    assert chosen.shape == (40, 40)
    assert chosen.section(1).any()
    assert len(suggest_sections(series, np.arange(0.0, 33))) == 4
    assert warnings_of(series) == warnings_of(chosen)


def test_a_smaller_part_is_looked_at_where_gaps_hold_many_sections_of_the_image(monkeypatch):
    monkeypatch.setattr(windows, "_TRIED", 40)
    monkeypatch.setattr(windows, "_LEAST", 10)
    monkeypatch.setattr(windows, "_VOXELS", 40**2 * 4)
    labels = np.zeros((3, 120, 120), np.int64)
    labels[:, 62:70, 102:110] = 3
    series = Series(labels, np.arange(3.0) * 8, 1.0)
    assert [fullest(series, images).shape for images in (4, 16, 10**6)] == [(40, 40), (20, 20), (10, 10)]
    assert fullest(series, 16).section(1).any()


def test_large_sections_are_learned_from_on_labels(monkeypatch):
    monkeypatch.setattr(evidence, "_AT_ONCE", 60 * 60)
    monkeypatch.setattr(evidence, "_WINDOW", 40)
    series = Series(LABELS[[0, 4, 8]].astype(np.int64), np.array([0.0, 4, 8]), 1.0, IMAGE, np.arange(9.0))
    learned = evidence.Evidence(60, 0)
    learned.fit(series, lambda _: None)
    gap, _ = series.gap(0, 1, [1.0, 2.0, 3.0])
    inside = learned.looks(gap)[2].inside
    assert inside[LABELS[2] > 0].mean() - inside[LABELS[2] == 0].mean() > 2

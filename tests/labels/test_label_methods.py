"""What the methods for labels make of forms whose sections in between are known."""

from dataclasses import replace

import numpy as np
import pytest

from label_stacks import cone, dataset, dice, filled_in, only
from napari_depth_interp.labels.gap import Gap
from napari_depth_interp.labels.methods import registry
from napari_depth_interp.labels.methods.learned import LearnedConfig
from napari_depth_interp.method import Runtime
from napari_depth_interp.progress import Cancelled, silent

ALL = sorted(registry.SPECS)
SHARES = np.array([0.25, 0.5, 0.75])
RNG = np.random.default_rng(3)


def disc(centre, radius, label=1, size=64):
    y, x = np.mgrid[:size, :size]
    return np.where(np.hypot(y - centre[0], x - centre[1]) < radius, label, 0).astype(np.int32)


def gap(below, above, width=8.0, image=None, **more):
    shares = None if image is None else np.linspace(0, 1, len(image))
    return Gap(below, above, SHARES, width, image=image, image_shares=shares, **more)


def made(name, asked, report=silent):
    """Return what a method makes of one gap, learned from a series of its two sections."""
    from napari_depth_interp.labels.series import Series

    spec = registry.get(name)
    method = spec.create(spec.config(), Runtime("cpu", 1, 0))
    image = np.zeros((5, *asked.below.shape), np.float32) if asked.image is None else asked.image
    depths = np.linspace(0, asked.width, len(image))
    series = Series(np.stack([asked.below, asked.above]).astype(np.int64), depths[[0, -1]], 1.0, image, depths)
    method.prepare(series, report=silent)
    whole = asked if asked.image is not None else gap(asked.below, asked.above, asked.width, image)
    return method.fill(whole, report=report)


def area(section, label=1):
    return int((section == label).sum())


class Quick(LearnedConfig):
    steps: int = 60


class TestEvery:
    """Conformance: what holds for each method."""

    @pytest.fixture(params=ALL)
    def name(self, request):
        return request.param

    @pytest.fixture(params=ALL)
    def quick(self, request, monkeypatch):
        """The name of a method, where it does not matter how well the one that trains has learned."""
        monkeypatch.setitem(registry.SPECS, "learned", replace(registry.get("learned"), config=Quick))
        return request.param

    def test_what_does_not_change_stays(self, name):
        below = disc((30, 30), 12) + disc((12, 50), 6, 5)
        found = made(name, gap(below, below.copy(), image=np.stack([below.astype(np.float32)] * 5)))
        assert all(dice(section == label, below == label) > 0.97 for section in found.labels for label in (1, 5))

    def test_only_labels_of_the_gap_and_probabilities(self, quick):
        below, above = disc((30, 30), 12, 3), disc((34, 30), 9, 3) + disc((10, 10), 5, 8)
        found = made(quick, gap(below, above, image=RNG.random((5, 64, 64), np.float32)))
        assert set(np.unique(found.labels)) <= {0, 3, 8}
        assert found.labels.shape == found.confidence.shape == (3, 64, 64)
        assert 0 <= found.confidence.min() <= found.confidence.max() <= 1

    def test_same_seed_same_result_and_input_unchanged(self, quick):
        asked = gap(disc((30, 30), 12), disc((34, 30), 9), image=RNG.random((5, 64, 64), np.float32))
        before = asked.below.copy(), asked.above.copy(), asked.image.copy()
        first, second = made(quick, asked), made(quick, asked)
        np.testing.assert_array_equal(first.labels, second.labels)
        np.testing.assert_array_equal(first.confidence, second.confidence)
        for was, now in zip(before, (asked.below, asked.above, asked.image), strict=True):
            np.testing.assert_array_equal(was, now)

    @pytest.mark.parametrize("quick", sorted(set(ALL) - {"nearest"}), indirect=True)  # which takes no time
    def test_a_gap_can_be_cancelled_while_it_is_filled(self, quick):
        below, above = disc((30, 30), 12) + disc((12, 50), 6, 2), disc((34, 30), 9) + disc((14, 50), 6, 2)
        calls = []

        def cancel(progress):
            calls.append(progress.fraction)
            if len(calls) == 2:
                raise Cancelled

        with pytest.raises(Cancelled):
            made(quick, gap(below, above, image=RNG.random((5, 64, 64), np.float32)), cancel)
        assert calls[1] <= 1

    @pytest.mark.parametrize("kind", ["one pixel", "whole section", "nothing", "tiny section", "flat image"])
    def test_extremes(self, quick, kind):
        size = 3 if kind == "tiny section" else 24
        below, above = disc((1, 1), 1, size=size), disc((size - 2, size - 2), 1, size=size)
        if kind == "whole section":
            below[:], above[:] = 1, 2
        if kind == "nothing":
            below[:], above[:] = 0, 0
        image = np.full((5, size, size), 0.5, np.float32)
        found = made(quick, gap(below, above, image=image))
        assert np.isfinite(found.confidence).all()
        if kind == "nothing":
            assert not found.labels.any()
        if kind == "whole section":
            assert (found.labels > 0).mean() > 0.95

    def test_annotated_and_other_labels_stay(self, quick):
        labels = only(cone(count=9, size=32, centre=(16, 16)), [0, 4, 8])
        labels[2, :3, :3] = 9
        found = filled_in(
            dataset(labels), method=quick, annotated="0,4,8", image=dataset(cone(9, 32).astype("float32"))
        )
        for kept in (0, 4, 8):
            np.testing.assert_array_equal(found.values[kept], labels[kept])
        assert (found.values[2, :3, :3] == 9).all()
        assert all(found.values[section].any() for section in (1, 2, 3, 5, 6, 7))


class TestForms:
    """Closed forms, from outlines alone."""

    def test_cone(self):
        beyond = {"before": disc((32, 32), 2), "after": disc((32, 32), 26)}
        for more, least in ((beyond, 0.98), ({}, 0.94)):  # rings of equally far pixels go in or not as versions align
            found = made_by_shape(gap(disc((32, 32), 10), disc((32, 32), 18), **more))
            for section, radius in zip(found.labels, (12, 14, 16), strict=True):
                assert dice(section, disc((32, 32), radius)) > least

    def test_a_disc_that_moves_without_overlap(self):
        found = made("shape", gap(disc((20, 12), 5), disc((20, 24), 5)))
        for section, column in zip(found.labels, (15, 18, 21), strict=True):
            assert dice(section, disc((20, column), 5)) > 0.85

    def test_an_ellipse_that_turns_into_a_wider_one(self):
        y, x = np.mgrid[:64, :64]
        below, above = (((y - 32) / a) ** 2 + ((x - 32) / b) ** 2 < 1 for a, b in ((20, 8), (8, 20)))
        found = made("shape", gap(below.astype(np.int32), above.astype(np.int32)))
        assert dice(found.labels[1], disc((32, 32), np.sqrt(160))) > 0.9

    def test_touching_spheres_keep_their_border(self):
        first, second = disc((32, 22), 11), disc((32, 42), 11, 2)
        both = np.where(second > 0, second, first)
        found = made("shape", gap(both, both.copy()))
        for section in found.labels:
            assert area(section[:, :32], 2) <= 3
            assert area(section[:, 33:], 1) <= 3

    def test_what_ends_shrinks_and_is_gone_before_the_next_section(self):
        found = made("shape", gap(disc((32, 32), 12), np.zeros((64, 64), np.int32)))
        areas = [area(section) for section in found.labels]
        assert area(disc((32, 32), 12)) >= areas[0] > areas[1] >= areas[2] == 0

    def test_what_was_shrinking_ends_sooner(self):
        nothing, small = np.zeros((64, 64), np.int32), disc((32, 32), 10)
        ends = [made_by_shape(gap(small, nothing, before=disc((32, 32), radius))) for radius in (20, 10)]
        assert area(ends[0].labels[1]) < area(ends[1].labels[1])

    def test_between_equal_sections_a_sphere_bulges(self):
        small, none = disc((32, 32), 10), np.zeros((64, 64), np.int32)
        found = made_by_shape(gap(small, small.copy(), before=none, after=none))
        assert area(found.labels[1]) > 1.1 * area(small)

    def test_a_hole_stays_a_hole(self):
        ring = disc((32, 32), 16) - disc((32, 32), 6)
        found = made("shape", gap(ring, ring.copy()))
        assert not found.labels[1][30:35, 30:35].any()
        assert area(found.labels[1]) == pytest.approx(area(ring), rel=0.1)

    def test_parts_of_one_label_end_alone(self):
        below = disc((16, 16), 7) + disc((48, 48), 7)
        found = made("shape", gap(below, disc((16, 16), 7)))
        assert area(found.labels[2][:32, :32]) > 100
        assert not found.labels[2][32:, 32:].any()

    def test_less_sure_between_and_at_outlines(self):
        found = made("shape", gap(disc((32, 32), 12), disc((32, 40), 12), width=16.0))
        assert found.confidence[1].mean() < found.confidence[0].mean()
        assert found.confidence[0, 32, 34] > found.confidence[0, 32, 32 + 14]


def made_by_shape(asked):
    spec = registry.get("shape")
    return spec.create(spec.config(), Runtime("cpu", 1, 0)).fill(asked)


def bent_tubes(count=17, size=64):
    """Two tubes that swing from side to side between annotated sections, and a noisy image of them."""
    z, y, x = np.mgrid[:count, :size, :size]
    swing = 7 * np.sin(np.pi * z / 4)
    labels = np.zeros(z.shape, np.uint16)
    labels[np.hypot(y - 20 - swing, x - 20) < 7] = 4
    labels[np.hypot(y - 44 + swing, x - 44) < 7] = 300
    labels[11:, :, :32] = 0  # the first one ends between annotated sections
    image = (labels > 0) + 0.2 * np.random.default_rng(0).normal(size=labels.shape)
    return labels, image.astype(np.float32)


class TestImage:
    """What the image adds."""

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls):
        labels, image = bent_tubes()
        sparse = dataset(only(labels, range(0, 17, 4)))
        return (
            labels,
            image,
            {
                name: filled_in(sparse, method=name, annotated="0,4,8,12,16", image=dataset(image))
                for name in ("shape", "flow", "learned", "auto")
            },
        )

    def test_flow_follows_the_image(self, found):
        labels, _, results = found
        assert dice(results["flow"].values == 300, labels == 300) > dice(results["shape"].values == 300, labels == 300)

    def test_learned_sees_where_an_object_ends(self, found):
        labels, _, results = found
        assert dice(results["learned"].values == 4, labels == 4) > 0.9
        assert dice(results["learned"].values, labels) > dice(results["flow"].values, labels)

    def test_auto_takes_what_is_best_and_says_what_to_expect(self, found):
        labels, _, results = found
        best = max(dice(results[name].values, labels) for name in ("shape", "flow", "learned"))
        assert dice(results["auto"].values, labels) >= best - 0.02
        assert 0.5 < results["auto"].expected_dice <= 1
        assert "Dice on annotated sections left out" in results["auto"].warnings[0]

    def test_surer_where_it_is_right(self, found):
        labels, _, results = found
        result = results["learned"]
        right = (result.values == labels)[result.interpolated]
        sure = result.confidence[0, 0][result.interpolated]
        assert sure[right].mean() > sure[~right].mean() + 0.1

    def test_hidden_sections_do_not_matter(self, found):
        labels, image, results = found
        changed = only(labels, range(0, 17, 4))
        changed[2] = 7  # not annotated: what stands there stays, and teaches nothing
        again = filled_in(dataset(changed), method="learned", annotated="0,4,8,12,16", image=dataset(image)).values
        np.testing.assert_array_equal(np.delete(results["learned"].values, 2, 0), np.delete(again, 2, 0))


class TestAuto:
    def test_without_an_image_and_few_sections(self):
        found = filled_in(dataset(only(cone(9), [0, 4, 8])), method="auto")
        assert found.expected_dice is None
        assert "shape fills the labels in" in found.warnings[0]

    def test_the_hidden_section_is_scored_by_what_can_be_found(self):
        found = filled_in(dataset(only(cone(25, growth=0.5), range(0, 25, 4))), method="auto")
        assert found.expected_dice == pytest.approx(1, abs=0.05)


def test_a_hundred_thousand_identifiers_in_one_gap():
    below = np.arange(330 * 330, dtype=np.int32).reshape(330, 330)  # every pixel its own
    below[:40, :40] = 1
    found = made_by_shape(gap(below, below.copy()))
    assert (found.labels == below).mean() > 0.99
    assert 0 < found.confidence.min() <= found.confidence.max() <= 1

"""What is asked for, checked against the labels: which sections are annotated, which depths are wanted, which image."""

import numpy as np
import pytest

from label_stacks import asked, cone, dataset, only
from napari_depth_interp.errors import InputError, MissingSpacingError, RequestError
from napari_depth_interp.run.result import RECORD_KEY
from napari_depth_interp.stack import Dataset, Grid
from napari_depth_interp.stack.lazy import LazyVoxels

SPARSE = only(cone(), [0, 4, 8])


def words_of(error):
    text = str(error.value)
    assert "\n" not in text
    return text


class TestAnnotated:
    def test_auto_takes_the_sections_that_hold_labels(self):
        request = asked(SPARSE)
        assert request.annotated == (0, 4, 8)
        assert request.observed.tolist() == [0, -1, -1, -1, 4, -1, -1, -1, 8]
        assert request.notes == ()

    def test_auto_takes_those_that_hold_the_labels_to_fill(self):
        both = SPARSE.copy()
        both[2, :3, :3] = 9
        assert asked(both).annotated == (0, 2, 4, 8)
        assert asked(both, labels=[7]).annotated == (0, 4, 8)

    def test_all_takes_empty_ones_too(self):
        assert asked(SPARSE, annotated="all").annotated == tuple(range(9))

    def test_an_empty_section_can_be_named(self):
        request = asked(only(cone(), [0, 4]), annotated="0,4,8")
        assert request.annotated == (0, 4, 8)

    def test_channels_and_time_points_each_have_their_own(self):
        voxels = np.stack([only(cone(), [0, 4, 8]), only(cone(), [0, 2, 8])])
        request = asked(dataset(voxels, axes="TZYX"))
        assert request.annotated_of == {(0, 0): (0, 4, 8), (1, 0): (0, 2, 8)}
        assert request.annotated == (0, 2, 4, 8)

    def test_a_time_point_without_two_is_left_and_said(self):
        voxels = np.stack([SPARSE, only(cone(), [3])])
        request = asked(dataset(voxels, axes="TZYX"))
        assert set(request.annotated_of) == {(0, 0)}
        assert request.notes == ("time 1: fewer than 2 sections are annotated, so nothing was filled",)

    def test_sections_of_an_earlier_run_are_made_anew(self):
        record = {RECORD_KEY: {"depths": list(range(9)), "interpolated": [1, 2, 3, 5, 6, 7]}}
        request = asked(dataset(cone(), record=record))
        assert request.annotated == (0, 4, 8)
        assert request.filled == (1, 2, 3, 5, 6, 7)
        assert "sections 1 to 3 and 5 to 7 were filled in by an earlier run" in request.notes[0]
        corrected = asked(dataset(cone(), record=record), annotated=[0, 2, 4, 8])
        assert corrected.annotated == (0, 2, 4, 8)
        assert corrected.filled == (1, 3, 5, 6, 7)

    def test_a_history_of_other_sections_counts_for_nothing(self):
        record = {RECORD_KEY: {"depths": [0, 1], "interpolated": [1]}}
        assert asked(dataset(cone(), record=record)).annotated == tuple(range(9))

    @pytest.mark.parametrize(
        ("voxels", "settings", "kind", "words"),
        [
            (np.zeros((4, 8, 8), int), {}, InputError, "no section holds a label: there is nothing to fill"),
            (only(cone(), [3]), {}, InputError, "only section 3 holds a label.*as --annotated 3,8"),
            (only(cone(), [8]), {}, InputError, "only section 8 holds a label.*as --annotated 8,0"),
            (SPARSE, {"labels": [7], "annotated": "4"}, RequestError, "only section 4 was named as annotated"),
            (SPARSE, {"annotated": "0,9"}, RequestError, "section 9 was named.*have sections 0 to 8; correct --ann"),
            (SPARSE, {"annotated": "-1,4"}, RequestError, "section -1 was named"),
            (SPARSE, {"annotated": "0-4"}, RequestError, "'0-4' names no sections; write auto, all, or numbers"),
            (SPARSE, {"labels": [7, 8, 70000, -3]}, RequestError, "there is no label -3, 8, 70000 in the labels"),
        ],
    )
    def test_too_few_or_wrong_ones_are_refused(self, voxels, settings, kind, words):
        with pytest.raises(kind, match=words) as error:
            asked(voxels, **settings)
        words_of(error)


class TestVoxels:
    @pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
    def test_integers_stay_as_they_are(self, kind):
        assert asked(only(cone(dtype=kind), [0, 4])).output_dtype == kind

    @pytest.mark.parametrize(("kind", "label", "wanted"), [("float32", 7, "int32"), ("float64", 2**40, "int64")])
    def test_whole_numbers_in_floats_become_integers(self, kind, label, wanted):
        request = asked(only(cone(dtype=kind, label=label), [0, 4]))
        assert request.output_dtype == wanted
        assert request.dataset.voxels.max() == label
        assert f"whole numbers stored as {kind}; they are filled and written as {wanted}" in request.notes[0]

    def test_lazy_floats_stay_in_their_file(self):
        voxels = only(cone(dtype="float32"), [0, 4])[None, None]
        request = asked(Dataset(LazyVoxels(voxels), Grid(np.arange(9.0))))
        assert isinstance(request.dataset.voxels, LazyVoxels)
        assert request.dataset.voxels[0, 0, 4].dtype == np.int32

    @pytest.mark.parametrize(
        ("voxels", "words"),
        [
            (cone(dtype="float32") + 0.5, r"float32 and not whole numbers \(one is 0.5\).*convert the labels"),
            (np.where(cone() > 0, np.nan, 0.0), r"one is nan"),
            (cone(dtype="float32", label=2**25), "floats cannot tell whole numbers apart; convert"),
            (cone()[:1], "the labels have 1 section, so there is nothing between sections"),
        ],
    )
    def test_what_is_no_labels_is_refused(self, voxels, words):
        with pytest.raises(InputError, match=words) as error:
            asked(voxels)
        words_of(error)

    def test_time_points_that_should_be_sections_are_named(self):
        with pytest.raises(InputError, match=r"1 section \(9 time points, 1 channels\)"):
            asked(dataset(cone()[:, None], axes="TZYX"))

    def test_colours_are_no_labels(self):
        colours = Dataset.from_array(np.zeros((4, 8, 8, 3), np.uint8), axes="ZYXS", z_spacing=1)
        with pytest.raises(InputError, match="this is a colour image, not labels"):
            asked(colours)


class TestTargets:
    def test_nothing_said_means_the_same_sections(self):
        request = asked(SPARSE)
        assert request.same_grid
        assert request.grid.depths.tolist() == list(range(9))

    @pytest.mark.parametrize(
        ("settings", "depths"),
        [
            ({"factor": 2}, [0, 2, 4, 6, 8]),
            ({"spacing": "1um"}, list(range(9))),
            ({"spacing": "2000nm"}, [0, 2, 4, 6, 8]),
            ({"isotropic": True}, list(range(9))),
        ],
    )
    def test_denser_ones(self, settings, depths):
        request = asked(dataset(cone()[::4], [0, 4, 8]), **settings)
        assert request.depths.tolist() == depths
        assert not request.same_grid

    def test_uneven_sections_give_a_regular_grid_and_a_note(self):
        request = asked(dataset(cone()[[0, 2, 8]], [0, 2, 8]), spacing="2um")
        assert request.observed.tolist() == [0, 1, -1, -1, 2]

    def test_without_a_spacing_the_same_sections_are_filled_and_it_is_said(self):
        request = asked(dataset(SPARSE, False))
        assert request.grid.depths is None
        assert "taken to be evenly spaced, 4 pixels apart" in request.notes[0]
        assert request.series().gap(0, 1, [2.0])[0].width == 16

    def test_without_a_spacing_a_denser_grid_is_refused(self):
        for settings in ({"factor": 2}, {"at": [0.5]}, {"like": dataset(cone())}):
            with pytest.raises(MissingSpacingError):
                asked(dataset(SPARSE, False), **settings)

    def test_an_image_on_the_same_sections_tells_where_they_lie(self):
        image = dataset(np.random.default_rng(0).random((9, 48, 48)), np.arange(9) * 3.0, pixel=(0.5, 0.5))
        request = asked(dataset(SPARSE, False), image=image)
        assert request.grid.spacing == 3
        assert request.series().pixel == 0.5
        assert "taken to lie where those of the image do" in request.notes[0]

    def test_the_grid_of_another_file(self):
        like = dataset(np.zeros((5, 48, 48)), [1000, 2000, 3000, 3500, 9000], unit="nm", pixel=(1000, 1000))
        request = asked(dataset(cone()[::4], [0, 4, 8]), like=like)
        assert request.depths.tolist() == [1, 2, 3, 3.5, 9]
        assert request.grid is like.grid

    @pytest.mark.parametrize(
        ("like", "words"),
        [
            (dataset(np.zeros((5, 48, 40))), r"48 x 40 pixels \(y, x\) and the labels have 48 x 48; only the sections"),
            (dataset(np.zeros((5, 48, 48)), pixel=(2, 2)), "pixels of the other file are 2 x 2.*those of the labels 1"),
            (dataset(np.zeros((3, 48, 48)), [50, 51, 52]), "lie at 50 to 52 and those of the labels at 0 to 8"),
        ],
    )
    def test_a_file_that_does_not_fit_is_refused(self, like, words):
        with pytest.raises(RequestError, match=words) as error:
            asked(SPARSE, like=like)
        words_of(error)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"factor": 2, "spacing": "1um"}, "--factor and --spacing exclude each other"),
            ({"factor": 2, "like": dataset(cone())}, "--factor and --like exclude each other"),
            ({"factor": 1}, "the factor must be 2 or more, got 1"),
            ({"spacing": "1e-9um"}, "sections, more than 100000; ask for fewer"),
            ({"at": [20.0, 30.0]}, "the depths asked for lie at 20 to 30"),
        ],
    )
    def test_targets_that_make_no_sense(self, settings, words):
        with pytest.raises(RequestError, match=words):
            asked(SPARSE, **settings)

    def test_depths_must_increase(self):
        with pytest.raises(InputError, match="depths must increase"):
            asked(SPARSE, at=[3.0, 1.0])


class TestImage:
    def image(self, count, **more):
        return dataset(np.random.default_rng(1).random((count, 48, 48)).astype("float32"), **more)

    def test_on_the_same_sections_it_is_taken_as_it_is(self):
        request = asked(SPARSE, image=self.image(9))
        assert request.image.dense is None

    def test_on_the_sections_of_the_result_too(self):
        request = asked(dataset(cone()[::4], [0, 4, 8]), image=self.image(9), factor=4)
        assert request.image.dense is None
        assert request.image.dataset.grid.depths.tolist() == list(range(9))

    def test_as_sparse_as_the_labels_it_is_made_dense(self):
        labels = dataset(cone()[::4], [0, 4, 8])
        request = asked(labels, image=self.image(3), factor=4, image_method="cubic")
        assert request.image.dense.spec.name == "cubic"
        assert request.image.dense.depths.tolist() == list(range(9))
        assert request.record()["image_method"] == "cubic"

    def test_annotated_depths_that_are_no_targets_are_made_too(self):
        like = dataset(np.zeros((4, 48, 48)), [1, 3, 5, 7])
        request = asked(dataset(cone()[::4], [0, 4, 8]), like=like, image=self.image(4))
        assert request.image.dense.depths.tolist() == [0, 1, 3, 4, 5, 7, 8]

    def test_colours_count_by_their_brightness_and_channels_by_their_mean(self):
        colours = Dataset.from_array(np.full((9, 48, 48, 3), (255, 0, 0), np.uint8), axes="ZYXS")
        assert asked(SPARSE, image=colours).image.dataset.voxels.max() == 54
        rng = np.random.default_rng(0)
        several = Dataset.from_array(rng.random((2, 9, 48, 48)), axes="CZYX")
        assert asked(SPARSE, image=several).image.dataset.voxels.shape == (1, 1, 9, 48, 48)
        one = asked(SPARSE, image=several, image_channel="1").image.dataset
        np.testing.assert_array_equal(one.voxels, several.voxels[:, 1:])

    def test_of_a_single_wanted_section(self):
        request = asked(dataset(cone()[::4], [0, 4, 8]), at=[2.0], image=self.image(3))
        assert request.image.dense.depths.tolist() == [0, 2, 4, 8]

    @pytest.mark.parametrize("shape", [(4, 48, 48), (9, 40, 48)])
    def test_of_another_shape_it_is_refused(self, shape):
        sizes = " x ".join(map(str, shape))
        with pytest.raises(RequestError, match=f"the image has {sizes} voxels .* and the labels have 9 x 48 x 48") as e:
            asked(SPARSE, image=dataset(np.zeros(shape)))
        words_of(e)

    def test_with_other_time_points_it_is_refused(self):
        movie = dataset(np.zeros((3, 9, 48, 48)), axes="TZYX")
        with pytest.raises(RequestError, match="the image has 3 time points and the labels have 1"):
            asked(SPARSE, image=movie)


class TestRecord:
    def test_equal_requests_have_equal_records(self):
        first, second = asked(SPARSE).record(), asked(SPARSE).record()
        assert first == second
        assert first["annotated"] == [0, 4, 8]
        assert first["labels"] == "all"
        assert asked(SPARSE, labels=[7]).record()["labels"] == [7]

    def test_depths_given_by_hand_are_taken(self):
        request = asked(dataset(cone()[::4], False), depths=[0, 1, 5], at=[0.5])
        assert request.depths.tolist() == [0.5]

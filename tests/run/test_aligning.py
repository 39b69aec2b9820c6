"""Aligning as the first step of a run: what is moved, what stays, and what the history says."""

import json
from dataclasses import replace

import numpy as np
import pytest

import napari_depth_interp as ndi
from displaced_stacks import dataset, displaced, tissue_like, with_moves
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.evaluate import evaluate, plan_of
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.registration import Transforms, estimate
from napari_depth_interp.run.estimate import estimate_run, memory_needed
from napari_depth_interp.run.execute import execute
from napari_depth_interp.run.outputs import Target
from napari_depth_interp.run.request import resolve
from napari_depth_interp.run.settings import make_settings
from napari_depth_interp.stack.lazy import LazyVoxels, as_array
from quick import QUICK


@pytest.fixture(scope="module")
def jittered():
    return dataset(with_moves(tissue_like(10), {3: (3, -2), 6: (-2, 3)}))


def request_for(given, **more):
    values = {"method": "linear", "factor": 2, "align": "translation"} | more
    return resolve(given, make_settings(**values))


@pytest.fixture(scope="module")
def result(jittered):
    return execute(request_for(jittered))


class TestResult:
    def test_is_that_of_the_aligned_stack(self, jittered, result):
        by_hand = execute(request_for(estimate(jittered).apply(jittered), align="none"))
        np.testing.assert_array_equal(result.dataset.voxels, by_hand.dataset.voxels)

    def test_unmoved_sections_are_as_they_were_recorded(self, jittered, result):
        assert result.is_observed.nonzero()[0].tolist() == [0, 2, 4, 8, 10, 14, 16, 18]
        assert result.is_moved.nonzero()[0].tolist() == [6, 12]
        for k in result.is_observed.nonzero()[0]:
            np.testing.assert_array_equal(result[k], jittered.voxels[0, 0, k // 2])
        assert not np.array_equal(result[6], jittered.voxels[0, 0, 3])

    def test_the_history_tells_how_and_of_what(self, jittered, result, tmp_path):
        plain = execute(request_for(jittered, align="none"))
        assert result.record["input"] == plain.record["input"]  # the recording, not what was made of it
        assert [each["section"] for each in result.record["align"]["moves"]] == [3, 6]
        result.save(tmp_path / "dense.ome.tif")
        again = ndi.Result.load(tmp_path / "dense.ome.tif")
        np.testing.assert_allclose(again.transforms.shifts, estimate(jittered).shifts)
        assert again.is_moved.tolist() == result.is_moved.tolist()
        assert plain.transforms is None
        assert not plain.is_moved.any()

    def test_says_what_was_moved(self, jittered, result):
        assert "2 of 10 sections were moved by up to 3." in result.warnings[-1]
        still = execute(request_for(dataset(tissue_like(10))))
        assert "no section was moved" in still.warnings[-1]
        assert still.is_observed.sum() == 10
        empty = execute(request_for(dataset(np.zeros((4, 30, 30)))))
        assert "too little in common" in empty.warnings[-1]

    def test_streamed_from_a_file_and_into_one(self, jittered, result, tmp_path):
        lazy = replace(jittered, voxels=as_array(LazyVoxels(jittered.voxels)))
        streamed = execute(request_for(lazy), target=Target(tmp_path / "dense.ome.zarr"))
        np.testing.assert_array_equal(streamed.values, result.values)
        assert streamed.is_moved.tolist() == result.is_moved.tolist()

    def test_what_moving_does_is_not_counted_as_certain(self, jittered):
        with_errors = execute(request_for(jittered, method="auto", parameters={"candidates": "linear,cubic"}))
        assert with_errors.uncertainty is not None
        assert np.isnan(with_errors.uncertainty[0, 0, [6, 12]]).all()
        assert (with_errors.uncertainty[0, 0, with_errors.is_observed] == 0).all()

    def test_brings_new_sections_closer_to_the_truth(self):
        """The truth is laid half-way between the neighbours as they lie in the end: where all lie nobody can know."""
        dense = tissue_like(25, slant=0.8)
        jitter = np.random.default_rng(5).normal(0, 2.5, (13, 2))
        sparse = np.stack([displaced(section, move) for section, move in zip(dense[::2], jitter, strict=True)])

        def off(align):
            found = ndi.interpolate(sparse, method="linear", factor=2, z_spacing=2.0, align=align)
            left = jitter - (0 if found.transforms is None else found.transforms.shifts[0])
            truth = [displaced(dense[2 * k + 1], (left[k] + left[k + 1]) / 2) for k in range(12)]
            return np.sqrt(((np.asarray(found, float)[1::2] - truth)[:, 14:-14, 14:-14] ** 2).mean())

        assert off("translation") < 0.4 * off("none")


class TestRigid:
    def test_turned_sections_are_turned_back(self):
        stack = tissue_like(8, size=96)
        found = execute(request_for(dataset(with_moves(stack, {3: (2, 1, 3.0)})), align="rigid"))
        assert found.transforms.kind == "rigid"
        np.testing.assert_allclose(np.degrees(found.transforms.angles[0, 3]), 3.0, atol=0.2)


class TestWithOtherSteps:
    def test_before_enhancing(self, jittered):
        more = {"enhance": "srcnn", "enhance_parameters": QUICK["srcnn"], "device": "cpu"}
        request = request_for(jittered, **more)
        found = execute(request)
        assert found.transforms.moved[0].nonzero()[0].tolist() == [3, 6]
        assert found.is_enhanced.sum() == 10

    def test_on_a_part_and_a_channel(self):
        one = with_moves(tissue_like(8), {4: (3, 0)})
        both = ndi.Dataset.from_array(np.stack([one, one]), z_spacing=1.0, axes="CZYX")
        found = execute(request_for(both, channel="1", crop="0:64,4:70"))
        assert found.transforms.pixels == (64, 66)
        assert found.is_moved.nonzero()[0].tolist() == [8]

    def test_with_depths_between(self, jittered):
        request = resolve(jittered, make_settings(method="linear", align="translation"), depths=[5.0, 6.0, 7.0])
        assert execute(request).is_moved.tolist() == [False, True, False]

    def test_is_estimated(self, jittered):
        request = request_for(jittered)
        assert estimate_run(request).seconds > 0
        assert memory_needed(request) > memory_needed(replace(request, align=None))

    def test_a_lazy_array_is_refused(self, jittered):
        import dask.array as dask

        with pytest.raises(RequestError, match="compute it first"):
            ndi.interpolate(dask.from_array(jittered.voxels[0, 0]), z_spacing=1.0, factor=2, align="translation")


class TestEvaluation:
    def test_hidden_sections_have_no_part_in_it(self):
        stack = dataset(with_moves(tissue_like(13), {4: (3, -2), 7: (5, 5)}))
        seen = []
        evaluate(
            stack, ["linear"], Protocol("keep_every", every=2), make_settings(align="translation"),
            on_result=lambda name, trial, result: seen.append(result),
        )  # fmt: skip
        [result] = seen
        assert len(result.transforms.moved[0]) == 7
        assert result.transforms.moved[0].nonzero()[0].tolist() == [2]  # section 4, and nothing of section 7

    def test_a_contender_may_be_aligned_alone(self):
        settings = make_settings(factor=2)
        assert plan_of("flow:align=rigid", settings).align == "rigid"
        assert plan_of("flow", settings).align == "none"
        assert plan_of("linear", make_settings(align="translation")).align == "translation"
        with pytest.raises(RequestError, match="align"):
            plan_of("flow:align=sideways", settings)


def test_the_record_is_plain_json(result):
    text = json.dumps(dict(result.record), allow_nan=False)
    assert Transforms.from_json(json.loads(text)["align"]).moved.sum() == 2

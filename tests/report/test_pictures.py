"""What is kept of results as they pass by, and how it is drawn."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from page_reader import picture

from napari_depth_interp.evaluation.evaluate import evaluate
from napari_depth_interp.evaluation.holdout import Protocol
from napari_depth_interp.report.montages import Montage
from napari_depth_interp.report.panels import sheet
from napari_depth_interp.report.pictures import LARGEST, Pictures
from napari_depth_interp.run.settings import Settings
from napari_depth_interp.simulate import simulate
from napari_depth_interp.stack import Dataset, Grid

DEFAULTS = Settings()


def collect(dataset, protocol, methods=("linear", "nearest"), settings=DEFAULTS, reference=None, uncertain=False):
    """Evaluate; return the montages, the results by method and trial, the trials, and the pictures."""
    truth = dataset if reference is None else reference
    pictures, seen = Pictures(truth, settings), {}

    def keep(name, trial, result):
        if uncertain:
            result = replace(result, uncertainty=np.abs(result.dataset.voxels.astype(np.float32)) / 10)
        seen.setdefault(name, []).append((trial, result))
        pictures.keep(name, trial, result)

    scores = evaluate(dataset, list(methods), protocol, settings, reference=reference, on_result=keep)
    return pictures.montages(scores.data_range[0]), seen, pictures


def dense(shape=(17, 20, 24), **grid):
    voxels = np.random.default_rng(0).integers(0, 1000, (1, 1, *shape)).astype(np.uint16)
    options = {"depths": np.arange(shape[0]) * 2.0, "pixel_size": (0.5, 0.5), "unit": "um"} | grid
    return Dataset(voxels, Grid(**options))


def restored(seen, method, index):
    """Return the restored section at an index of the reference."""
    for trial, result in seen[method]:
        found = np.flatnonzero(trial.truth_at == index)
        if len(found):
            return trial.on_reference_grid(result.dataset.voxels[0, 0, found[0]])
    raise AssertionError(index)


def test_sections_in_the_middle_of_gaps_are_shown():
    dataset = dense()
    montages, seen, _ = collect(dataset, Protocol("keep_every", every=4))
    assert [montage.index for montage in montages] == [2, 6, 10, None]
    for montage in montages[:-1]:
        truth = dataset.voxels[0, 0]
        np.testing.assert_array_equal(montage.truth[1], truth[montage.index])
        np.testing.assert_array_equal(montage.below[1], truth[montage.index - 2])
        np.testing.assert_array_equal(montage.above[1], truth[montage.index + 2])
        assert montage.below[0] == f"observed section at z = {2 * (montage.index - 2)} µm"
        for method in ("linear", "nearest"):
            values = restored(seen, method, montage.index)
            np.testing.assert_array_equal(montage.methods[method], values)
            error = np.abs(values.astype(float) - truth[montage.index])
            np.testing.assert_array_equal(montage.error(method), error)


def test_the_xz_plane_is_the_middle_row_at_true_proportions():
    dataset = dense()
    montages, seen, _ = collect(dataset, Protocol("keep_every", every=4))
    plane = montages[-1]
    assert plane.title.startswith("XZ plane")
    assert plane.pixel_aspect == pytest.approx(2.0 / 0.5)
    np.testing.assert_array_equal(plane.truth[1], dataset.voxels[0, 0, :, 10])
    for z in range(17):
        np.testing.assert_array_equal(plane.methods["linear"][z], restored(seen, "linear", z)[10])
        np.testing.assert_array_equal(plane.below[1][z], dataset.voxels[0, 0, min(int((z + 1.99) // 4) * 4, 16), 10])


def test_sections_after_the_last_kept_one_are_left_out():
    montages, _, _ = collect(dense((19, 20, 24)), Protocol("keep_every", every=4))
    assert montages[-1].truth[1].shape == (17, 24)


def test_leaving_one_out_collects_row_by_row():
    dataset = dense((9, 20, 24))
    montages, seen, _ = collect(dataset, Protocol("leave_one_out"))
    assert [montage.index for montage in montages] == [2, 4, 6, None]
    assert montages[1].below[0] == "observed section at z = 6 µm"
    np.testing.assert_array_equal(montages[1].above[1], dataset.voxels[0, 0, 5])
    plane = montages[-1]
    np.testing.assert_array_equal(plane.truth[1], dataset.voxels[0, 0, 1:8, 10])
    for z in range(1, 8):
        np.testing.assert_array_equal(plane.methods["linear"][z - 1], restored(seen, "linear", z)[10])
    assert plane.below is None


@pytest.mark.parametrize("count", [3, 4])
def test_the_smallest_stacks_left_one_out(count):
    montages, _, _ = collect(dense((count, 8, 8)), Protocol("leave_one_out"))
    assert [montage.index for montage in montages] == [*range(1, count - 1), None]


def test_a_single_hidden_section():
    montages, _, _ = collect(dense(), Protocol("hold_out", sections=(5,)))
    assert [montage.index for montage in montages] == [5, None]


def test_pooled_voxels_come_on_the_grid_of_the_reference():
    dataset = dense((16, 22, 24))
    montages, seen, _ = collect(dataset, Protocol("sr4"))
    first = montages[0]
    np.testing.assert_array_equal(first.truth[1], dataset.voxels[0, 0, first.index, :20])
    np.testing.assert_array_equal(first.methods["linear"], restored(seen, "linear", first.index))
    assert first.below[1].shape == first.above[1].shape == (20, 24)
    assert "projection at z" in first.below[0]
    plane = montages[-1]
    assert plane.pixel_aspect == pytest.approx(4.0)
    assert plane.truth[1].shape == plane.methods["linear"].shape == plane.below[1].shape == (16, 24)


def test_projections():
    montages, _, _ = collect(dense((16, 20, 24)), Protocol("projection", every=4))
    assert len(montages) == 4
    assert montages[-1].remark == "", "no section was seen, so none is without an error"


def test_against_a_reference_of_its_own_grid():
    truth = dense()
    sparse = replace(
        truth, voxels=truth.voxels[:, :, 4:13:4], grid=replace(truth.grid, depths=truth.grid.depths[4:13:4])
    )
    montages, _, _ = collect(sparse, Protocol("reference"), reference=truth)
    assert [montage.index for montage in montages] == [6, 10, None]
    np.testing.assert_array_equal(montages[0].truth[1], truth.voxels[0, 0, 6])
    np.testing.assert_array_equal(montages[-1].truth[1], truth.voxels[0, 0, 4:13, 10])


def test_a_reference_with_a_single_section_between():
    truth = dense((3, 20, 24))
    sparse = replace(truth, voxels=truth.voxels[:, :, ::2], grid=replace(truth.grid, depths=truth.grid.depths[::2]))
    middle = replace(truth, voxels=truth.voxels[:, :, 1:2], grid=replace(truth.grid, depths=truth.grid.depths[1:2]))
    montages, _, _ = collect(sparse, Protocol("reference"), reference=middle)
    assert [montage.index for montage in montages] == [0, None]


def test_the_first_channel_and_time_point_are_shown_or_the_one_chosen():
    voxels = np.random.default_rng(0).random((2, 3, 9, 12, 12))
    dataset = Dataset(voxels, Grid(np.arange(9.0)), axes="TCZYX")
    montages, _, _ = collect(dataset, Protocol("keep_every", every=2))
    np.testing.assert_array_equal(montages[0].truth[1], voxels[0, 0, montages[0].index])
    assert montages[-1].pixel_aspect == 1, "drawn as a cube where the pixel size is not known"
    chosen, _, _ = collect(dataset, Protocol("keep_every", every=2), settings=Settings(channel="2"))
    np.testing.assert_array_equal(chosen[0].truth[1], voxels[0, 2, chosen[0].index])


def test_uneven_sections_are_drawn_where_they_are():
    dataset = dense((5, 12, 12), depths=np.array([0.0, 1.0, 2.0, 4.0, 8.0]))
    montages, _, _ = collect(dataset, Protocol("keep_every", every=2))
    plane = montages[-1]
    rows = [0, 1, 2, 2, 3, 3, 3, 4, 4]
    assert plane.truth[1].shape == (9, 12)
    for row in (0, 1, 2, 4, 5, 7, 8):  # 3 and 6 lie in the middle between two
        np.testing.assert_array_equal(plane.truth[1][row], dataset.voxels[0, 0, rows[row], 6])
    assert plane.pixel_aspect == pytest.approx(1.0 / 0.5)


def test_uncertainty_is_kept_where_a_method_gives_it():
    montages, seen, _ = collect(dense(), Protocol("keep_every", every=4), uncertain=True)
    for montage in montages[:-1]:
        np.testing.assert_allclose(
            montage.uncertainty["linear"], restored(seen, "linear", montage.index) / 10, rtol=1e-6
        )
    assert montages[-1].uncertainty["linear"].shape == montages[-1].truth[1].shape


def test_large_stacks_are_thinned_and_let_go():
    dataset = dense((5, 1000, 700))
    montages, seen, pictures = collect(dataset, Protocol("keep_every", every=2), methods=("linear",))
    step = montages[0].step
    assert step == 3
    assert max(montages[0].truth[1].shape) <= LARGEST
    section = dataset.voxels[0, 0, montages[0].index]
    np.testing.assert_array_equal(montages[0].truth[1], section[::step, ::step])
    np.testing.assert_array_equal(
        montages[0].methods["linear"], restored(seen, "linear", montages[0].index)[::step, ::step]
    )
    assert montages[-1].pixel_aspect == pytest.approx(2.0 / (0.5 * step))
    assert len(pickle.dumps(pictures)) < dataset.voxels.nbytes / 2


def test_nothing_kept_nothing_shown():
    assert Pictures(dense(), Settings()).montages((0.0, 1.0)) == []


# Drawing


@pytest.fixture(scope="module")
def drawn():
    dataset = simulate("organoid", shape=(9, 24, 40), voxel_size=(2.0, 0.5, 0.5)).observed
    pictures = Pictures(dataset, Settings())

    def keep(name, trial, result):
        expected = result.dataset.voxels.astype(np.float32) / 10 if name == "cubic" else None
        pictures.keep(name, trial, replace(result, uncertainty=expected))

    scores = evaluate(dataset, ["linear", "cubic"], Protocol("keep_every", every=4), on_result=keep)
    montages = pictures.montages(scores.data_range[0])
    return montages, [sheet(montage, scores) for montage in montages], scores


def test_pictures_show_the_numbers(drawn):
    montages, sheets, scores = drawn
    low, high = scores.data_range[0]
    for montage, page in zip(montages, sheets, strict=True):
        truth = np.asarray(picture({"src": page.context[0].uri}))
        expected = np.clip((montage.truth[1] - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(truth, expected, atol=0.51)
        for each in page.methods:
            restored_one = np.asarray(picture({"src": each.panels[0].uri}))
            expected = np.clip((montage.methods[each.method] - low) / (high - low), 0, 1) * 255
            np.testing.assert_allclose(restored_one, expected, atol=0.51)
            error = np.asarray(picture({"src": each.panels[1].uri}).convert("L"), float)
            order = np.argsort(montage.error(each.method).ravel())
            assert error.ravel()[order[-5:]].min() > error.ravel()[order[:5]].max(), "large errors are bright"


def test_panels_have_their_true_proportions(drawn):
    montages, sheets, _ = drawn
    for montage, page in zip(montages, sheets, strict=True):
        rows, columns = montage.truth[1].shape
        for panel in page.context:
            assert panel.width / panel.height == pytest.approx(columns / (rows * montage.pixel_aspect), rel=0.02)


def test_captions_and_scores_of_the_section(drawn):
    montages, sheets, scores = drawn
    assert [panel.caption for panel in sheets[0].context] == ["truth", "change between the neighbours"]
    assert [panel.caption for panel in sheets[-1].context] == ["truth", "what the methods saw (nearest)"]
    linear, cubic = sheets[0].methods
    assert [panel.caption for panel in linear.panels] == ["restored", "absolute error"]
    assert [panel.caption for panel in cubic.panels] == ["restored", "absolute error", "uncertainty (expected error)"]
    row = next(row for row in scores.of("linear").sections if row["index"] == montages[0].index)
    assert [cell.value for cell in linear.scores] == [repr(row["psnr"]), repr(row["ssim"])]
    assert sheets[-1].methods[0].scores == []
    low, high = scores.data_range[0]
    assert (sheets[0].bars[0].low, sheets[0].bars[0].high) == (f"{low:.4g}", f"{high:.4g}")
    assert sheets[0].bars[1].high == f"{montages[0].error_limit():.4g}"
    assert all("input units" in bar.label for bar in sheets[0].bars)


def test_what_is_no_number_is_white(drawn):
    image = np.full((4, 4), 5.0)
    image[0, 0] = np.nan
    odd = Montage("odd", None, ("truth", image), None, {"linear": image}, (0.0, 10.0))
    page = sheet(odd, drawn[2])
    assert np.asarray(picture({"src": page.context[0].uri}))[0, 0] == 255
    assert np.asarray(picture({"src": page.methods[0].panels[1].uri}))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("shape", [(2, 400), (400, 2), (1, 1)])
def test_extreme_shapes_fit_on_the_page(drawn, shape):
    image = np.random.default_rng(0).random(shape)
    page = sheet(Montage("odd", None, ("truth", image), None, {"linear": image}, (0.0, 1.0)), drawn[2])
    panel = page.context[0]
    assert 1 <= panel.width <= 600
    assert 1 <= panel.height <= 450


def test_an_rgb_image_is_shown_in_its_colours():
    voxels = np.random.default_rng(0).integers(0, 255, (9, 12, 14, 3)).astype(np.uint8)
    dataset = Dataset.from_array(voxels, axes="ZYXS", z_spacing=2.0, pixel_size=(0.5, 0.5), unit="um")
    montages, seen, _ = collect(dataset, Protocol("keep_every", every=2), uncertain=True)
    section, across = montages[0], montages[-1]
    np.testing.assert_array_equal(section.truth[1], voxels[section.index])
    np.testing.assert_array_equal(section.below[1], voxels[section.index - 1])
    trial, result = seen["linear"][0]
    place = int(np.flatnonzero(trial.truth_at == section.index)[0])
    made = np.moveaxis(result.dataset.voxels[0, :, place], 0, -1)
    np.testing.assert_array_equal(section.methods["linear"], made)
    difference = np.abs(made.astype(float) - voxels[section.index]).mean(-1)
    np.testing.assert_allclose(section.error("linear"), difference)
    np.testing.assert_allclose(section.uncertainty["linear"], made.mean(-1) / 10, rtol=1e-5)
    assert across.truth[1].shape[1:] == across.below[1].shape[1:] == (14, 3)

"""Stacks, grids, datasets: what they hold, refuse and never let change."""

from dataclasses import FrozenInstanceError
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_depth_interp.errors import InputError, MissingSpacingError, RequestError
from napari_depth_interp.stack import Acquisition, Dataset, Grid, Source, Stack, fine_depths, to_tczyx

VOXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def dataset(shape=(1, 3, 4, 5, 6), **kwargs):
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Dataset(voxels, Grid(np.arange(shape[2]) * 2.0, unit="um"), axes="TCZYX", **kwargs)


# Acquisition


@pytest.mark.parametrize(("text", "n"), [("slice", 1), ("projection:2", 2), (" projection:40 ", 40)])
def test_acquisition_is_read_and_written(text, n):
    acquisition = Acquisition.parse(text)
    assert acquisition == Acquisition(n)
    assert str(acquisition) == text.strip()
    assert acquisition.is_projection == (n > 1)


@pytest.mark.parametrize("text", ["", "projection", "projection:", "projection:0", "projection:1", "projection:01",
                                  "projection:00", "projection:-2", "projection:2.5", "slice:2", "Bessel"])  # fmt: skip
def test_other_acquisitions_are_refused(text):
    with pytest.raises(RequestError, match=f"acquisition '{text}' is not known; write slice, or projection:6"):
        Acquisition.parse(text)


def test_an_acquisition_of_no_sections_is_refused():
    with pytest.raises(RequestError, match="not 0"):
        Acquisition(0)


# Grid


@pytest.mark.parametrize(
    ("depths", "message"),
    [
        ([], "must be a list of numbers"),
        (3.0, "must be a list of numbers"),
        ([[0, 1]], r"shape \(1, 2\)"),
        ([0, np.nan, 2], "must be finite"),
        ([0, np.inf], "must be finite"),
        ([0, 1, 1, 2], "section 1 is at 1 and section 2 at 1"),
        ([0, 3, 2], "section 1 is at 3 and section 2 at 2"),
    ],
)
def test_depths_that_make_no_sense_are_refused(depths, message):
    with pytest.raises(InputError, match=message):
        Grid(np.array(depths, float))


@pytest.mark.parametrize("size", [(0, 1), (1, -1), (np.nan, 1), (1, np.inf)])
def test_pixel_sizes_must_be_positive(size):
    with pytest.raises(InputError, match="pixel size"):
        Grid(None, pixel_size=size)


@pytest.mark.parametrize(("unit", "stored"), [("µm", "um"), ("micron", "um"), ("mm", "mm"), (None, None), ("", None)])
def test_a_grid_knows_one_spelling_of_a_unit(unit, stored):
    assert Grid(None, unit=unit).unit == stored


def test_an_unknown_unit_is_refused():
    with pytest.raises(InputError, match="unit 'parsec' is not known; use nm, um"):
        Grid(None, unit="parsec")


def test_the_grid_keeps_its_own_unwritable_copy_of_the_depths():
    mine = np.array([0.0, 1.0])
    grid = Grid(mine)
    mine[1] = 9
    assert grid.depths.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        grid.depths[0] = 5
    with pytest.raises(FrozenInstanceError):
        grid.unit = "mm"


@pytest.mark.parametrize(
    ("depths", "spacing", "even"),
    [
        (None, None, True),
        ([4.0], None, True),
        ([0.0, 2.0], 2.0, True),
        ([0, 1, 2, 5], 1.0, False),
        ([0, 1, 2.0009], 1.00045, True),
        ([0, 1, 2.01], 1.005, False),
    ],
)
def test_spacing_is_the_median_gap_and_even_forgives_the_rounding_of_headers(depths, spacing, even):
    grid = Grid(None if depths is None else np.array(depths, float))
    assert grid.spacing == pytest.approx(spacing)
    assert grid.is_even is even


@pytest.mark.parametrize(
    ("own", "given", "expected", "unit"),
    [("um", "mm", [0, 2000], "um"), ("um", None, [0, 2], "um"), (None, "mm", [0, 2], "mm"), (None, None, [0, 2], None),
     ("um", "µm", [0, 2], "um")],
)  # fmt: skip
def test_other_depths_come_in_the_unit_of_the_grid(own, given, expected, unit):
    grid = Grid(np.array([0.0, 1.0]), (0.5, 0.5), own, (1.0, 2.0), thickness=3.0).with_depths([0, 2], given)
    assert grid.depths.tolist() == expected
    assert (grid.unit, grid.pixel_size, grid.origin, grid.thickness) == (unit, (0.5, 0.5), (1.0, 2.0), 3.0)


@given(st.integers(1, 9), st.integers(1, 6), st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_fine_sections_fill_the_gaps_evenly_and_average_to_the_centre(n, sections, gap, first):
    grid = Grid(first + gap * np.arange(sections))
    fine = fine_depths(grid, n)
    assert fine.shape == (sections, n)
    np.testing.assert_allclose(fine.mean(axis=1), grid.depths, atol=1e-9)
    if sections > 1:
        np.testing.assert_allclose(np.diff(fine.ravel()), gap / n, rtol=1e-6)


def test_fine_sections_need_depths():
    with pytest.raises(MissingSpacingError, match=r"--z-spacing 2um \(z_spacing='2um' in Python\)"):
        fine_depths(Grid(None), 2)


# Stack


def test_a_stack_checks_its_axes_and_depths():
    with pytest.raises(InputError, match=r"axes \(z, y, x\), got an array of shape \(3, 4\)"):
        Stack(VOXELS[0], Grid(np.arange(3.0)))
    with pytest.raises(InputError, match="3 depths were given for 2 sections"):
        Stack(VOXELS, Grid(np.arange(3.0)))
    with pytest.raises(MissingSpacingError):
        Stack(VOXELS, Grid(None))


def test_some_rows_of_a_stack_are_a_view():
    stack = Stack(VOXELS, Grid(np.arange(2.0)), Acquisition(2))
    rows = stack.crop(slice(0, len(stack.depths)), slice(1, 3))
    assert rows.voxels.shape == (2, 2, 4)
    assert rows.voxels.base is not None
    assert np.shares_memory(rows.voxels, VOXELS)
    assert rows.fine_depths().tolist() == [[-0.25, 0.25], [0.75, 1.25]]
    with pytest.raises(FrozenInstanceError):
        stack.voxels = VOXELS


# Dataset


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.zeros((2, 2, 2)), "axes"),
        (np.zeros((1, 1, 0, 2, 2)), "empty"),
        (np.zeros((1, 1, 2, 2, 2), complex), "complex"),
        (np.zeros((1, 1, 2, 2, 2), bool), "type bool"),
        (np.full((1, 1, 2, 2, 2), "a"), "cannot be interpolated"),
        (np.zeros((1, 1, 2, 2, 2), object), "type object"),
        (np.zeros((1, 1, 3, 2, 2)), "2 depths were given for 3 sections"),
    ],
)
def test_a_dataset_refuses_what_is_no_image(voxels, message):
    with pytest.raises(InputError, match=message):
        Dataset(voxels, Grid(np.arange(2.0)))


def test_one_name_per_channel():
    with pytest.raises(InputError, match="2 channel names for 3 channels"):
        dataset(channel_names=("a", "b"))


@pytest.mark.parametrize("axes", [*map("".join, permutations("TCZYX")), "zyx", "XYZ", "YXC", "TYX", "YX"])
def test_from_array_takes_the_axes_in_any_order(axes):
    sizes = dict(zip("TCZYX", (2, 3, 4, 5, 6), strict=True))
    shape = [sizes[axis] for axis in axes.upper()]
    array = np.random.default_rng(0).integers(0, 255, shape)
    made = Dataset.from_array(array, z_spacing=2, axes=axes)
    assert made.voxels.shape == tuple(sizes[a] if a in axes.upper() else 1 for a in "TCZYX")
    assert made.shape == tuple(sizes[a] for a in "TCZYX" if a in axes.upper())
    at = tuple(np.random.default_rng(1).integers(0, shape))
    place = dict(zip(axes.upper(), at, strict=True))
    assert made.voxels[tuple(place.get(a, 0) for a in "TCZYX")] == array[at]
    assert np.shares_memory(made.voxels, array)


@pytest.mark.parametrize("axes", ["ZY", "ZYXC", "ZZX", "ZTC", "ZYA", ""])
def test_axes_that_do_not_fit_are_refused(axes):
    with pytest.raises(InputError, match=f"axes '{axes}' do not fit an array of shape"):
        Dataset.from_array(VOXELS, axes=axes)


def test_from_array_places_the_sections():
    made = Dataset.from_array(VOXELS, z_spacing=2.5, unit="µm", pixel_size=(0.5, 0.5))
    assert made.grid.depths.tolist() == [0, 2.5]
    assert made.grid.unit == "um"
    assert Dataset.from_array(VOXELS, depths=[1, 4]).grid.depths.tolist() == [1, 4]
    with pytest.raises(MissingSpacingError):
        Dataset.from_array(VOXELS).stack()
    with pytest.raises(InputError, match="exclude each other"):
        Dataset.from_array(VOXELS, z_spacing=2, depths=[0, 1])


@pytest.mark.parametrize("spacing", [0, -1, np.nan, np.inf])
def test_spacings_that_make_no_sense_are_refused(spacing):
    with pytest.raises(InputError, match="must be a positive number"):
        Dataset.from_array(VOXELS, z_spacing=spacing)
    with pytest.raises(InputError, match="must be a positive number"):
        dataset().with_z_spacing(spacing)


def test_stacks_are_views_of_every_time_and_channel():
    data = dataset((2, 3, 4, 5, 6))
    found = {(t, c): stack for t, c, stack in data.stacks()}
    assert list(found) == [(t, c) for t in range(2) for c in range(3)]
    for (t, c), stack in found.items():
        assert np.shares_memory(stack.voxels, data.voxels)
        np.testing.assert_array_equal(stack.voxels, data.voxels[t, c])


def test_the_first_section_stays_where_it_was_when_the_spacing_is_corrected():
    data = Dataset(np.zeros((1, 1, 3, 2, 2)), Grid(np.array([10.0, 11.0, 12.0]), unit="um"))
    assert data.with_z_spacing(0.002, "mm").grid.depths.tolist() == [10, 12, 14]
    assert data.with_z_spacing(3).grid.depths.tolist() == [10, 13, 16]
    assert data.with_z_spacing(2, "µm").grid.unit == "um"
    unknown = Dataset(np.zeros((1, 1, 3, 2, 2)), Grid(None))
    assert unknown.with_z_spacing(2, "mm").grid.depths.tolist() == [0, 2, 4]
    assert unknown.with_z_spacing(2, "mm").grid.unit == "mm"


def test_given_depths_follow_the_order_of_the_file():
    """A reader that turned the sections round gets the user's depths turned round too: the same gaps."""
    plain = Dataset(np.zeros((1, 1, 4, 2, 2)), Grid(None))
    assert plain.with_depths([0, 1, 3, 7]).grid.depths.tolist() == [0, 1, 3, 7]
    turned = Dataset(plain.voxels, Grid(None), source=Source(Path("a.nii"), "nifti", reversed_sections=True))
    assert turned.with_depths([0, 1, 3, 7]).grid.depths.tolist() == [0, 4, 6, 7]
    with pytest.raises(InputError, match="3 depths were given for 4 sections"):
        plain.with_depths([0, 1, 2])
    with pytest.raises(InputError, match=r"must increase .* or decrease throughout, but section 0 is at 3"):
        turned.with_depths([3, 1, 2, 0])


def test_decreasing_depths_are_distances_from_the_first_section_and_known_as_they_were_given():
    plain = Dataset(np.zeros((1, 1, 4, 2, 2)), Grid(None, unit="um"))
    placed = plain.with_depths([0.03, 0.02, 0.01, 0.005], "mm")
    np.testing.assert_allclose(placed.grid.depths, [0, 10, 20, 25], atol=1e-9)
    np.testing.assert_allclose(placed.grid.positions, [30, 20, 10, 5])
    assert "the depths decrease" in placed.notes[0]
    assert placed.with_z_spacing(2).grid.descends_from is None
    np.testing.assert_allclose(placed.keeping([0, 2]).grid.positions, [30, 10])
    assert Dataset.from_array(np.zeros((3, 2, 2)), depths=[3, 2, 0]).grid.positions.tolist() == [3, 2, 0]


def test_a_file_read_from_the_far_end_takes_decreasing_depths_as_they_are():
    turned = Dataset(
        np.zeros((1, 1, 4, 2, 2)), Grid(None), source=Source(Path("a.nii"), "nifti", reversed_sections=True)
    )
    placed = turned.with_depths([7, 3, 1, 0])
    assert placed.grid.depths.tolist() == placed.grid.positions.tolist() == [0, 1, 3, 7]
    assert placed.notes == ()


def test_a_channel_is_chosen_by_name_or_index():
    data = dataset(channel_names=("DAPI", "GFP", "0"))
    by_name = data.select_channel("GFP")
    assert by_name.channel_names == ("GFP",)
    assert by_name.axes == "TZYX"
    np.testing.assert_array_equal(by_name.voxels, data.voxels[:, 1:2])
    np.testing.assert_array_equal(data.select_channel("1").voxels, by_name.voxels)
    assert data.select_channel("0").channel_names == ("0",)  # a name goes before an index
    assert dataset().select_channel("2").voxels[0, 0, 0, 0, 0] == 2 * 4 * 5 * 6


@pytest.mark.parametrize("channel", ["3", "-1", "", "dapi", "1.0", "²"])
def test_other_channels_are_refused(channel):
    with pytest.raises(RequestError, match=rf"no channel '{channel}'; choose 0 to 2, or one of: DAPI, GFP, Cy5"):
        dataset(channel_names=("DAPI", "GFP", "Cy5")).select_channel(channel)


def test_datasets_and_sources_are_frozen():
    data = dataset(source=Source(None, "tiff"))
    for thing, name in ((data, "voxels"), (data.source, "path")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, None)


def test_to_tczyx_only_reorders():
    array = np.zeros((4, 5, 2))
    assert to_tczyx(array, "YXT").shape == (2, 1, 1, 4, 5)


def test_masked_values_become_nan_or_are_refused():
    array = np.ma.masked_greater(np.arange(24, dtype=np.float32).reshape(2, 3, 4), 20)
    voxels = Dataset.from_array(array, z_spacing=1.0).voxels
    assert type(voxels) is np.ndarray
    np.testing.assert_array_equal(np.isnan(voxels[0, 0]), array.mask)
    np.testing.assert_array_equal(voxels[0, 0][~array.mask], np.arange(21))
    whole = np.ma.masked_array(np.arange(24, dtype=np.uint16).reshape(2, 3, 4))  # a mask that masks nothing
    np.testing.assert_array_equal(Dataset.from_array(whole).voxels[0, 0], whole.data)
    with pytest.raises(InputError, match=r"3 voxels of the array are masked, and uint16 has no NaN.*filled\(value\)"):
        Dataset.from_array(array.astype(np.uint16))

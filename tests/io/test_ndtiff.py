"""Micro-Manager's NDTiff: images that tell their own place, in one file or several with an index."""

import json
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, RequestError

REAL = Path(__file__).parents[3] / "shared" / "data" / "formats" / "NDTiff3.2_multichannel_NDTiffStack.tif"


def values(*index):
    """Return an image that tells its indices by its values."""
    code = sum(number * 10**power for power, number in enumerate(index))
    return np.arange(20, dtype="uint16").reshape(4, 5) + 100 * code


def places(times=1, channels=("DAPI",), sections=3, **more):
    """Return the places of a full data set, section by section."""
    return [{"time": t, "channel": c, "z": z, **more} for t in range(times) for c in channels for z in range(sections)]


def about(place, **more):
    """Return the metadata of one image."""
    known = {"Axes": place, "PixelSizeUm": 0.5, "ZPosition_um_Intended": 10 + 0.4 * int(place.get("z", 0))}
    return known | {"ElapsedTime-ms": 2000 * int(place.get("time", 0))} | more


def ndtiff(path, records, image=None, add=None):
    """Write images with their metadata in tag 51123; return where their voxels lie."""
    names = sorted({str(each["Axes"].get("channel", "")) for each in records if isinstance(each.get("Axes"), dict)})
    with tifffile.TiffWriter(path) as writer:
        for each in records:
            place = each["Axes"] if isinstance(each.get("Axes"), dict) else {}
            index = (place.get("z", 0), names.index(str(place.get("channel", ""))), place.get("time", 0))
            found = values(*index) + np.uint16((add or {}).get(place.get("position"), 0)) if image is None else image
            tag = (51123, 2, None, json.dumps(each).encode(), True)
            writer.write(found, photometric="minisblack", metadata=None, extratags=[tag], contiguous=False)
    with tifffile.TiffFile(path) as tif:
        return [page.dataoffsets[0] for page in tif.pages]


def index_file(folder, entries):
    """Write NDTiff.index: (axes, file, offset, width, height) of each image."""
    content = b""
    for axes, name, offset, width, height in entries:
        place, file = json.dumps(axes).encode(), name.encode()
        content += struct.pack("<I", len(place)) + place + struct.pack("<I", len(file)) + file
        content += struct.pack("<IiiiiIii", offset, width, height, 1, 0, 0, 0, 0)
    (folder / "NDTiff.index").write_bytes(content)


def two_files(folder, order=lambda each: each):
    """Write a data set of two time points, one in each file, and its index."""
    entries = []
    for number in range(2):
        name = f"X_NDTiffStack{'_1' if number else ''}.tif"
        some = [each for each in places(2, ("DAPI", "FITC")) if each["time"] == number]
        offsets = ndtiff(folder / name, [about(each) for each in some])
        entries += [(each, name, offset, 5, 4) for each, offset in zip(some, offsets, strict=True)]
    index_file(folder, order(entries))
    return folder / "X_NDTiffStack.tif"


EXPECTED = np.array([[[values(z, c, t) for z in range(3)] for c in range(2)] for t in range(2)])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_places_spacing_and_names_are_read(tmp_path, lazy, shuffled):
    records = [about(each) for each in places(2, ("DAPI", "FITC"))]
    if shuffled:
        records = records[:1] + records[:0:-1]
    ndtiff(tmp_path / "a.tif", records)
    dataset = io.read(tmp_path / "a.tif", lazy=lazy)
    assert (dataset.axes, dataset.source.format) == ("TCZYX", "Micro-Manager NDTiff")
    first = dataset.channel_names.index("DAPI")
    np.testing.assert_array_equal(np.asarray(dataset.voxels)[:, [first, 1 - first]], EXPECTED)
    np.testing.assert_allclose(dataset.grid.depths, [10, 10.4, 10.8])
    assert (dataset.grid.pixel_size, dataset.grid.unit, dataset.time_step) == ((0.5, 0.5), "um", 2.0)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", ["X_NDTiffStack.tif", "X_NDTiffStack_1.tif"])
def test_a_data_set_of_several_files_is_read_by_its_index(tmp_path, name, lazy):
    two_files(tmp_path)
    dataset = io.read(tmp_path / name, lazy=lazy)
    np.testing.assert_array_equal(np.asarray(dataset.voxels), EXPECTED)
    assert dataset.channel_names == ("DAPI", "FITC")
    np.testing.assert_allclose(dataset.grid.depths, [10, 10.4, 10.8])
    assert io.parts(tmp_path / name) == (tmp_path / "X_NDTiffStack.tif", tmp_path / "X_NDTiffStack_1.tif")


@pytest.mark.parametrize("finest", [".", "Full resolution"])
def test_the_folder_of_a_data_set_is_read_as_its_files(tmp_path, finest):
    inside = tmp_path / "data" / finest
    inside.mkdir(parents=True)
    two_files(inside)
    dataset = io.open_stack(tmp_path / "data")
    np.testing.assert_array_equal(np.asarray(dataset.voxels), EXPECTED)
    assert dataset.source.path == inside / "X_NDTiffStack.tif"
    assert io.series_of(tmp_path / "data") == ["0"]
    with pytest.raises(RequestError, match="has no positions '7'"):
        io.read(f"{tmp_path / 'data'}::7")


@pytest.mark.parametrize("content", [b"", b"\x02\0\0\0}}\x05\0\0\0a.tif" + bytes(32)])
def test_a_folder_with_a_damaged_index_ends_in_words(tmp_path, content):
    (tmp_path / "NDTiff.index").write_bytes(content)
    # Older tifffile reads the axes of an entry before it sees that there are none.
    with pytest.raises(InputError, match=r"'NDTiff.index' is damaged: it (names no image|cannot be decoded)"):
        io.read(tmp_path)


def test_tifffile_reads_the_same_by_the_index(tmp_path):
    """An independent reader, where the data set has an index."""
    path = two_files(tmp_path)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].kind in ("ndtiff", "generic", "uniform")
    assert [axes for axes, *_ in tifffile.read_ndtiff_index(tmp_path / "NDTiff.index")] == places(2, ("DAPI", "FITC"))


def test_channels_that_have_numbers_are_called_as_their_images_say(tmp_path):
    """So NDTiff 2 and early 3 store them; two of one name have none."""
    for names, expected in ((("DAPI", "FITC"), ("DAPI", "FITC")), (("DAPI", "DAPI"), ()), (("", ""), ())):
        records = [about(each, Channel=names[each["channel"]]) for each in places(2, (0, 1))]
        ndtiff(tmp_path / "a.tif", records)
        assert io.read(tmp_path / "a.tif").channel_names == expected


def test_an_image_that_was_made_again_counts_once(tmp_path):
    ndtiff(tmp_path / "a.tif", [about(each) for each in [*places(sections=2), *places(sections=2)[:1]]])
    dataset = io.read(tmp_path / "a.tif")
    assert dataset.voxels.shape == (1, 1, 2, 4, 5)
    assert dataset.notes == ("1 images were made anew at the place of another; the last ones were read",)


def test_depths_may_be_uneven_or_run_down(tmp_path):
    for number, (positions, depths) in enumerate([([1, 2, 4], [1, 2, 4]), ([4, 3, 1], [0, 1, 3])]):
        records = [about(each, ZPosition_um_Intended=z) for each, z in zip(places(), positions, strict=True)]
        ndtiff(tmp_path / f"{number}.tif", records)
        assert io.read(tmp_path / f"{number}.tif").grid.depths.tolist() == depths


def test_what_is_not_said_stays_unknown(tmp_path):
    ndtiff(tmp_path / "a.tif", [{"Axes": each, "PixelSizeUm": 0} for each in places(2)])
    dataset = io.read(tmp_path / "a.tif")
    assert (dataset.grid.depths, dataset.grid.pixel_size, dataset.time_step) == (None, None, None)
    ndtiff(tmp_path / "b.tif", [about(each, ZPositionUm=7.0) | {"ZPosition_um_Intended": None} for each in places()])
    dataset = io.read(tmp_path / "b.tif")
    assert dataset.grid.depths is None
    assert "neither increase nor decrease" in dataset.notes[0]


def test_the_last_time_point_may_be_unfinished(tmp_path):
    ndtiff(tmp_path / "a.tif", [about(each) for each in places(3, ("a", "b"))[:-2]])
    dataset = io.read(tmp_path / "a.tif")
    assert dataset.voxels.shape == (2, 2, 3, 4, 5)
    assert "1 of 3 time points lack images" in dataset.notes[0]
    ndtiff(tmp_path / "b.tif", [about(each) for each in places(1, ("a", "b"))[:-1]])
    with pytest.raises(InputError, match="images are missing: 5 of 6"):
        io.read(tmp_path / "b.tif")


def test_of_several_positions_the_first_is_read(tmp_path):
    records = [about(each) for name in ("A1", "B2") for each in places(position=name, row=0)]
    ndtiff(tmp_path / "a.tif", records, add={"B2": 7})
    dataset = io.read(tmp_path / "a.tif")
    assert dataset.voxels.shape == (1, 1, 3, 4, 5)
    assert dataset.notes == (
        "the file holds 2 positions (0 'A1', 1 'B2'); the first one was read: FILE::NAME reads another",
    )
    assert io.series_of(tmp_path / "a.tif") == ["A1", "B2"]
    for name in ("B2", "1"):
        dataset = io.read(f"{tmp_path / 'a.tif'}::{name}", lazy=True)
        assert (dataset.notes, dataset.source.path.name) == ((), f"a.tif::{name}")
        np.testing.assert_array_equal(np.asarray(dataset.voxels)[0, 0], [values(z) + 7 for z in range(3)])
    with pytest.raises(RequestError, match="has no positions 'C3'; choose a number from 0 or a name: 0 'A1', 1 'B2'"):
        io.read(f"{tmp_path / 'a.tif'}::C3")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"Axes": {"z": 0, "probe": n}} for n in range(3)], r"axes that are not known \(probe\)"),
        ([{"Axes": {"z": 0}}, {"Axes": {"slice": 1}}], "not all of its images have the axes z"),
        ([{"Axes": {"z": 0}}, {}], "does not tell its place"),
        ([{"Axes": {"z": 0}}, {"Axes": {"z": [1]}}], "does not tell its place"),
        ([{"Axes": {"z": 0}}, {"Axes": "z"}], "does not tell its place"),
        ([{"Axes": {"z": 0}}, {"Axes": {"z": True}}], "does not tell its place"),
        ([{"Axes": {"z": n, "channel": 10**9 * n, "time": n}} for n in range(50)], "images are missing: 1 of 2500"),
    ],
)
def test_what_makes_no_stack_ends_in_words(tmp_path, records, words):
    ndtiff(tmp_path / "a.tif", records, image=values(0))
    started = time.perf_counter()
    with pytest.raises(InputError, match=words):
        io.read(tmp_path / "a.tif")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/passwd", "/dev/zero"])
def test_names_in_the_index_stay_inside_the_folder(tmp_path, name):
    folder = tmp_path / "data"
    folder.mkdir()
    two_files(folder, lambda entries: [*entries[:-1], (entries[-1][0], name, *entries[-1][2:])])
    with pytest.raises(InputError, match="names a file outside its folder"):
        io.read(folder / "X_NDTiffStack.tif")


def test_an_index_that_lies_is_found_out(tmp_path):
    path = two_files(tmp_path, lambda entries: [*entries[:-1], (*entries[-1][:2], 10**9, 5, 4)])
    with pytest.raises(InputError, match=r"'NDTiff.index' tells of images that 'X_NDTiffStack_1.tif' does not hold"):
        io.read(path)
    two_files(tmp_path, lambda entries: [(*each[:3], 5000, 4000) for each in entries])
    with pytest.raises(InputError, match="does not hold"):
        io.read(path)
    two_files(tmp_path)
    (tmp_path / "X_NDTiffStack_1.tif").unlink()
    with pytest.raises(InputError, match=r"'X_NDTiffStack_1.tif' is missing"):
        io.read(path)


def by_hand(metadata):
    """Return a file of one image of 5 x 4 pixels with NDTiff's own head, version 3.2."""
    summary, text = b'{"z-step_um": 2.0}', json.dumps(metadata).encode() + b"\0"
    head = struct.pack("<IIIII", 483729, 3, 2, 2355492, len(summary)) + summary + bytes(len(summary) % 2)
    tags = [(256, 4, 1, 5), (257, 4, 1, 4), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0)]
    tags += [(277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 40), (51123, 2, len(text), 0)]
    start = 8 + len(head)
    voxels = start + 2 + 12 * len(tags) + 4
    places = {273: voxels, 51123: voxels + 40}
    entries = b"".join(struct.pack("<HHII", *tag[:3], places.get(tag[0], tag[3])) for tag in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + head + directory + values(0).tobytes() + text


def test_an_index_is_not_believed_where_the_images_do_not_tell_their_places(tmp_path):
    """tifffile by itself would open what the index names."""
    folder = tmp_path / "data"
    folder.mkdir()
    plain = folder / "a.tif"
    plain.write_bytes(by_hand({"Width": 5}))
    (tmp_path / "secret.tif").write_bytes(by_hand({"Width": 5}))
    index_file(folder, [({"z": 0}, "a.tif", 0, 5, 4), ({"z": 1}, "../secret.tif", 0, 5, 4)])
    with tifffile.TiffFile(plain) as tif:
        assert tif.is_ndtiff
    dataset = io.read(plain)
    np.testing.assert_array_equal(dataset.voxels[0, 0, 0], values(0))
    assert dataset.source.format == "TIFF"


def test_the_step_of_the_summary_counts_where_images_have_no_position(tmp_path):
    plain = tmp_path / "a.tif"
    plain.write_bytes(by_hand({"Axes": {"z": 0}}))
    assert io.read(plain).grid.depths.tolist() == [0]


@pytest.mark.parametrize("shape", [(4, 6), (5, 5)])
def test_images_of_other_sizes_are_refused(tmp_path, shape):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for z, size in enumerate([(4, 5), shape]):
            tag = (51123, 2, None, json.dumps({"Axes": {"z": z}}).encode(), True)
            writer.write(np.zeros(size, "uint16"), photometric="minisblack", metadata=None, extratags=[tag])
    with pytest.raises(InputError, match="image 2 has another size or type"):
        io.read(path)


def test_a_real_file_where_it_is_there():
    """What its own tags say, read with tifffile alone: 2 channels, 8 times, 16 sections 0.4 um apart."""
    if not REAL.exists():
        return
    dataset = io.read(REAL)
    assert (dataset.voxels.shape, dataset.axes) == ((8, 2, 16, 64, 64), "TCZYX")
    np.testing.assert_allclose(dataset.grid.depths, 0.4 * np.arange(16), atol=1e-9)
    assert (dataset.grid.pixel_size, dataset.channel_names) == ((1, 1), ("DAPI", "FITC"))
    with tifffile.TiffFile(REAL) as tif:
        for page in tif.pages:
            place = page.tags[51123].value["Axes"]
            index = place["time"], ("DAPI", "FITC").index(place["channel"]), place["z"]
            np.testing.assert_array_equal(dataset.voxels[index], page.asarray())

"""OME-TIFF in several files, and OME-XML that tells of more than there is or of files elsewhere."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_depth_interp import io
from napari_depth_interp.errors import InputError, OutputError
from ome_files import data, image, ome, one_per_file, plane, tiff, with_companion

REAL = Path(__file__).parents[3] / "shared" / "data" / "formats" / "TZ_nucleus.ome.tif"
NAMES = ["a.ome.tif", "b.ome.tif", "c.ome.tif"]


def sections(path, **options):
    return io.read(path, **options).voxels[0, 0]


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_set_gives_the_whole_set(tmp_path, name, lazy):
    one_per_file(tmp_path, NAMES)
    dataset = io.read(tmp_path / name, lazy=lazy)
    np.testing.assert_array_equal(np.asarray(dataset.voxels)[0, 0], [plane(z) for z in range(3)])
    assert dataset.grid.depths.tolist() == [0, 3, 6]
    assert dataset.source.path == tmp_path / name


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("name", ["set.companion.ome", *NAMES])
def test_a_companion_file_describes_the_set(tmp_path, name, lazy):
    with_companion(tmp_path, NAMES)
    dataset = io.read(tmp_path / name, lazy=lazy)
    np.testing.assert_array_equal(np.asarray(dataset.voxels)[0, 0], [plane(z) for z in range(3)])
    assert (dataset.grid.spacing, dataset.grid.pixel_size, dataset.source.format) == (3, (0.5, 0.5), "OME-TIFF")


def test_what_tifffile_reads_with_the_companion_is_the_same(tmp_path):
    """An independent reader, handed the companion as it says."""
    companion = with_companion(tmp_path, NAMES)
    with tifffile.TiffFile(tmp_path / NAMES[0], omexml=companion.read_text()) as tif:
        np.testing.assert_array_equal(sections(companion), tif.asarray())


def test_tiffs_that_say_nothing_are_read_by_their_companion(tmp_path):
    companion = with_companion(tmp_path, ["s0.tif", "s1.tif"])
    for number in range(2):
        tifffile.imwrite(tmp_path / f"s{number}.tif", plane(number))  # with words of tifffile's own
    np.testing.assert_array_equal(sections(companion), [plane(0), plane(1)])


def test_a_companion_names_another_tiff_as_the_one_that_describes(tmp_path):
    main = tiff(tmp_path / "main.ome.tif", ome(image(data(["main.ome.tif", "b.ome.tif"]), 2), "urn:uuid:1"), plane(0))
    only = ome('<BinaryOnly MetadataFile="main.ome.tif" UUID="urn:uuid:1"/>')
    other = tiff(tmp_path / "b.ome.tif", only, plane(1))
    for path in (main, other):
        np.testing.assert_array_equal(sections(path), [plane(0), plane(1)])


def test_of_several_images_that_of_the_file_is_read(tmp_path):
    """As Micro-Manager and slide scanners write positions: all are described in every file."""
    xml = image(data(["p0.ome.tif"]), 1) + image(data(["p1.ome.tif"]), 1, n=1, spacing=5)
    for number in range(2):
        tiff(tmp_path / f"p{number}.ome.tif", ome(xml, f"urn:uuid:p{number}.ome.tif"), plane(number))
    for number in range(2):
        path = tmp_path / f"p{number}.ome.tif"
        dataset = io.read(path)
        np.testing.assert_array_equal(dataset.voxels[0, 0], [plane(number)])
        assert "2 image series" in dataset.notes[0]
        other = 1 - number
        dataset = io.read(f"{path}::{other}", lazy=True)
        np.testing.assert_array_equal(np.asarray(dataset.voxels)[0, 0], [plane(other)])
        assert (dataset.notes, io.series_of(path)) == ((), ["0", "1"])
    (tmp_path / "p1.ome.tif").unlink()
    np.testing.assert_array_equal(sections(tmp_path / "p0.ome.tif"), [plane(0)])


def test_a_renamed_file_is_still_itself(tmp_path):
    two = '<TiffData FirstZ="0" IFD="0" PlaneCount="2"><UUID FileName="{}">urn:uuid:1</UUID></TiffData>'
    for number, (name, uuid) in enumerate(
        [("old.ome.tif", "urn:uuid:1"), ("C:\\data\\old.ome.tif", "urn:uuid:1"), ("old.ome.tif", None)]
    ):
        path = tiff(tmp_path / f"{number}.ome.tif", ome(image(two.format(name), 2), uuid), plane(0), plane(1))
        np.testing.assert_array_equal(sections(path), [plane(0), plane(1)])


def test_files_that_carry_the_xml_of_the_first_one_unchanged(tmp_path):
    xml = ome(image(data(NAMES), 3), "urn:uuid:a.ome.tif")
    for number, name in enumerate(NAMES):
        tiff(tmp_path / name, xml, plane(number))
    np.testing.assert_array_equal(sections(tmp_path / "c.ome.tif"), [plane(z) for z in range(3)])


# --- names that lead elsewhere --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../secret.tif", "sub/../../secret.tif", "/dev/zero", "/etc/passwd", "..\\secret.tif", "C:\\x.tif", "//h/s/x"],
)
@pytest.mark.parametrize("kind", ["set", "companion", "master"])
def test_names_stay_inside_the_folder(tmp_path, name, kind):
    folder = tmp_path / "folder"
    folder.mkdir()
    tiff(tmp_path / "secret.tif", "", plane(9))
    xml = image(data(["a.ome.tif", name]), 2)
    if kind == "companion":
        path = folder / "x.companion.ome"
        path.write_text(ome(xml))
        tiff(folder / "a.ome.tif", "", plane(0))
    else:
        text = ome(xml, "urn:uuid:a.ome.tif") if kind == "set" else ome(f'<BinaryOnly MetadataFile="{name}"/>')
        path = tiff(folder / "a.ome.tif", text, plane(0))
    with pytest.raises(InputError, match=r"names a file outside its folder \('.+'\), which is not opened"):
        io.read(path)
    with pytest.raises(InputError, match="outside its folder"):
        io.read(path, lazy=True)


def test_a_folder_below_is_inside(tmp_path):
    (tmp_path / "sub").mkdir()
    tiff(tmp_path / "sub" / "b.tif", "", plane(1))
    path = tiff(tmp_path / "a.ome.tif", ome(image(data(["a.ome.tif", "sub/b.tif"]), 2), "urn:uuid:a.ome.tif"), plane(0))
    np.testing.assert_array_equal(sections(path), [plane(0), plane(1)])


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "b.ome.tif")
    path = tiff(tmp_path / "a.ome.tif", ome(image(data(NAMES[:2]), 2), "urn:uuid:a.ome.tif"), plane(0))
    with pytest.raises(InputError, match="no regular file"):
        io.read(path)


@pytest.mark.parametrize("name", ["set.companion.ome", "b.ome.tif"])
def test_missing_files_are_named(tmp_path, name):
    with_companion(tmp_path, NAMES)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"'{name}' is missing"):
        io.read(tmp_path / "a.ome.tif")


# --- numbers that tell of more than there is --------------------------------------------------------


def inner(**changed):
    words = {"FirstZ": "0", "IFD": "0", "PlaneCount": "4"} | changed
    return "<TiffData " + " ".join(f'{key}="{value}"' for key, value in words.items()) + "/>"


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (image(inner(), 10**7), r"tells of 10000000 images \(SizeZ 10000000, SizeC 1, SizeT 1\) but the file holds 4"),
        (image(inner(PlaneCount=10**9), 10**9), "tells of 1000000000 images"),
        (image(inner(PlaneCount=10**9), 4), "gives the places of 1000000000 images but there are 4"),
        (image("<TiffData/>" * 2000, 4), "gives the places of 8000 images"),
        (image(inner(), "9" * 400), "no number of images"),
        (image(inner(), "many"), "SizeZ='many'"),
        (image(inner(), -4), "SizeZ='-4'"),
        (image(inner(), 5), "tells of 5 images"),
        (image(inner(FirstZ=10**9), 4), "images are there|does not describe"),
        (image(inner(IFD=10**12), 4), "images are there|does not describe"),
    ],
)
def test_lies_end_at_once_in_one_line(tmp_path, xml, words):
    path = tiff(tmp_path / "a.ome.tif", ome(xml), *map(plane, range(4)))
    started = time.perf_counter()
    with pytest.raises(InputError, match=words) as caught:
        io.read(path)
    assert "\n" not in str(caught.value)
    assert time.perf_counter() - started < 5


def test_a_lie_about_an_image_that_is_not_read_does_not_matter(tmp_path):
    xml = image(inner(), 4) + image(inner(PlaneCount=10**9), 10**9, n=1)
    path = tiff(tmp_path / "a.ome.tif", ome(xml), *map(plane, range(4)))
    np.testing.assert_array_equal(sections(path), [plane(z) for z in range(4)])


def test_steps_of_an_axis_are_counted_before_they_are_listed(tmp_path):
    along = '<ModuloAlongZ Type="other" Start="0" End="1e12" Step="1"/>'
    modulo = (
        '<StructuredAnnotations><XMLAnnotation ID="A:0" Namespace="openmicroscopy.org/omero/dimension/modulo"><Value>'
        f"<Modulo>{along}</Modulo></Value></XMLAnnotation></StructuredAnnotations>"
    )
    path = tiff(tmp_path / "a.ome.tif", ome(image(inner(), 4) + modulo), *map(plane, range(4)))
    with pytest.raises(InputError, match="divides Z into more steps than it has"):
        io.read(path)


# --- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xml", "words"),
    [("<!DOCTYPE a><OME></OME>", "document type declaration"), ("<OME><Image></OME>", "malformed")],
)
def test_xml_that_is_not_believed(tmp_path, xml, words):
    path = tiff(tmp_path / "a.ome.tif", xml, plane(0), plane(1))
    assert any(words in note and note.endswith("; it was ignored") for note in io.read(path).notes)
    companion = tmp_path / "x.companion.ome"
    companion.write_text(xml)
    with pytest.raises(InputError, match=words):
        io.read(companion)
    companion.write_bytes(xml.encode("utf-16"))
    with pytest.raises(InputError, match="no OME-XML in UTF-8"):
        io.read(companion)


@pytest.mark.parametrize("value", ["NaN", "-0.5", "INF", "wide"])
def test_sizes_that_are_none_are_named(tmp_path, value):
    xml = ome(image(inner(), 4)).replace('PhysicalSizeX="0.5"', f'PhysicalSizeX="{value}"')
    dataset = io.read(tiff(tmp_path / "a.ome.tif", xml, *map(plane, range(4))))
    assert dataset.grid.pixel_size is None
    assert f"PhysicalSizeX in the file is '{value}', which is no size; the pixel size is not known" in dataset.notes
    xml = ome(image(inner(), 4, spacing=value))
    dataset = io.read(tiff(tmp_path / "b.ome.tif", xml, *map(plane, range(4))))
    if value == "-0.5":
        assert dataset.grid.spacing == 0.5
    else:
        assert dataset.grid.depths is None
        assert f"'{value}', which is no length" in dataset.notes[0]


def test_a_companion_is_no_format_to_write(tmp_path):
    one_per_file(tmp_path, NAMES)
    dataset = io.read(tmp_path / NAMES[0])
    with pytest.raises(OutputError, match="OME companion is read, but not written so"):
        io.write(tmp_path / "x.companion.ome", dataset)


# --- which files belong together ---------------------------------------------------------------------


def test_the_files_that_belong_together(tmp_path):
    for name in ("many", "companion", "alone"):
        (tmp_path / name).mkdir()
    one_per_file(tmp_path / "many", NAMES)
    assert {io.parts(tmp_path / "many" / name) for name in NAMES[:1]} == {tuple(tmp_path / "many" / n for n in NAMES)}
    companion = with_companion(tmp_path / "companion", NAMES)
    for name in NAMES:
        assert io.parts(companion.with_name(name)) == (companion, *(companion.with_name(n) for n in NAMES))
    alone = tiff(tmp_path / "alone" / "x.tif", "", plane(0))
    assert io.parts(alone) == (alone,)
    assert io.parts(tmp_path / "none.tif") == (tmp_path / "none.tif",)
    (tmp_path / "alone" / "y.tif").write_text("no TIFF")
    assert io.parts(tmp_path / "alone" / "y.tif") == (tmp_path / "alone" / "y.tif",)


# --- colour tables ------------------------------------------------------------------------------------


def lut(*weights):
    ramp = np.arange(256, dtype=np.uint16) * 257
    return np.stack([ramp * weight for weight in weights])


def test_a_ramp_of_one_colour_beside_ome_xml_is_intensity(tmp_path):
    """As Bio-Formats writes 8-bit images that were shown in red."""
    values = np.arange(4 * 35, dtype=np.uint8).reshape(4, 5, 7)
    options = {"ome": True, "photometric": "palette", "metadata": {"axes": "ZYX", "PhysicalSizeZ": 2.0}}
    tifffile.imwrite(tmp_path / "red.ome.tif", values, colormap=lut(1, 0, 0), **options)
    dataset = io.read(tmp_path / "red.ome.tif")
    np.testing.assert_array_equal(dataset.voxels[0, 0], values)
    assert "colour table" in dataset.notes[0]
    colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "labels.ome.tif", values, colormap=colours, **options)
    with pytest.raises(InputError, match="palette"):
        io.read(tmp_path / "labels.ome.tif")


def test_a_real_file_of_bio_formats_where_it_is_there():
    """8 bit with a red ramp as colour table; what tifffile says beside what is read."""
    if not REAL.exists():
        return
    dataset = io.read(REAL)
    with tifffile.TiffFile(REAL) as tif:
        np.testing.assert_array_equal(dataset.voxels[:, 0], tif.asarray())
        assert tif.series[0].axes == dataset.axes == "TZYX"
    assert dataset.grid.spacing == 1.5
    assert dataset.grid.pixel_size == pytest.approx((0.41513292348643577,) * 2)
    assert dataset.time_step == 180

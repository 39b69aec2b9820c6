"""DICOM series: places, gaps, thickness and values as written, several series told apart, no names of people."""

import imagecodecs
import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread
from pydicom.dataset import Dataset as Header
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import MPEG2MPML, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from dicom_files import IMAGE, NAME, header
from dicom_files import dicom_series as series
from napari_depth_interp import api, io
from napari_depth_interp.errors import InputError, RequestError
from real_files import real


def test_places_are_those_of_simpleitk(tmp_path):
    folder = series(tmp_path / "a", [(1, 2, z) for z in (8, 6, 4, 2)], RescaleSlope=1, RescaleIntercept=-1024)
    found = io.read(folder)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    np.testing.assert_array_equal(found.voxels[0, 0][:, ::-1, ::-1], SimpleITK.GetArrayFromImage(image))
    assert found.voxels.dtype == np.int16
    assert found.grid.depths == pytest.approx([2, 4, 6, 8])
    assert found.grid.pixel_size == image.GetSpacing()[1::-1]
    affine = np.diag([-1, -1, 1, 1]) @ found.source.header.affine
    assert affine[:3, 3] == pytest.approx(image.GetOrigin())
    assert (found.grid.unit, found.thickness) == ("mm", 3)
    assert found.source.format == "DICOM"


def test_thickness_and_distance_are_two_things_through_a_run(tmp_path):
    folder = series(tmp_path / "a", [(0, 0, 2 * z) for z in range(4)])
    result = api.interpolate(folder, method="linear", factor=2)
    result.save(tmp_path / "b.nii.gz")
    back = io.read(tmp_path / "b.nii.gz")
    assert (back.grid.spacing, back.thickness) == (1, 3)
    assert back.source.format == "NIfTI-1"


def test_uneven_gaps(tmp_path):
    found = io.read(series(tmp_path / "a", [(0, 0, z) for z in (10, 4, 3, 0)]))
    assert found.grid.depths == pytest.approx([0, 3, 4, 10])
    assert "from 1 to 6 mm" in " ".join(found.notes)
    assert found.voxels[0, 0, :, -1, -1].tolist() == [300, 200, 100, 0]


def test_sagittal_and_oblique(tmp_path):
    folder = series(tmp_path / "a", [(x, 0, 0) for x in (1, 4, 8)], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    found = io.read(folder)
    assert io.section_axis(found) == "x"
    assert found.grid.depths == pytest.approx([-8, -4, -1])
    assert found.grid.pixel_size == (0.5, 0.7)
    assert found.voxels[0, 0, :, -1, -1].tolist() == [200, 100, 0]
    turn = np.array([0.8, 0.6, 0]), np.array([-0.6, 0.8, 0])
    places = [np.array([0, 0, 2.0]) * z for z in range(3)]
    oblique = io.read(series(tmp_path / "b", places, ImageOrientationPatient=[*turn[0], *turn[1]]))
    assert oblique.grid.spacing == 2


def test_files_that_are_lost_are_said(tmp_path):
    folder = series(tmp_path / "a", [(0, 0, 2 * z) for z in range(4)])
    assert not io.read(folder).notes
    sorted(folder.iterdir())[1].write_bytes(b"")
    (folder / "link.dcm").symlink_to(tmp_path / "gone")
    (folder / "zero").symlink_to("/dev/zero")
    found = io.read(folder)
    assert found.notes[0] == "'10-3', 'link.dcm', 'zero': empty, or no regular file; left out"
    assert found.voxels.shape[2] == 3


def test_a_tilted_gantry_is_said(tmp_path):
    found = io.read(series(tmp_path / "a", [(0, z, 2 * z) for z in range(3)]))
    assert "tilted gantry" in " ".join(found.notes)
    assert found.grid.spacing == pytest.approx(np.hypot(1, 2))


def test_slopes_of_each_image(tmp_path):
    folder = series(tmp_path / "a", [(0, 0, z) for z in range(3)], RescaleSlope="0.5", RescaleIntercept="10")
    found = io.read(folder)
    assert found.voxels.dtype == np.float32
    np.testing.assert_array_equal(found.voxels[0, 0, 1][::-1, ::-1], (IMAGE + 100) * 0.5 + 10)


def test_several_series_are_listed_and_chosen(tmp_path):
    folder = series(tmp_path / "a", [(0, 0, z) for z in range(3)])
    series(folder, [(0, 0, z) for z in range(4)], SeriesInstanceUID="1.2.4", SeriesDescription="Lung", SeriesNumber=2)
    with pytest.raises(InputError, match=r"2 DICOM series: 0 'Body 3.0' \(3 files\), 1 'Lung' \(4 files\)"):
        io.read(folder)
    assert io.series_of(folder) == ["Body 3.0", "Lung"]
    assert io.read(f"{folder}::Lung").voxels.shape[2] == 4
    assert io.read(f"{folder}::0").voxels.shape[2] == 3
    with pytest.raises(RequestError, match="no series 'Head'"):
        io.read(f"{folder}::Head")
    assert io.read(next(folder.glob("*1.2.4"))).voxels.shape[2] == 4  # one file stands for its series


def test_times_at_the_same_places(tmp_path):
    places = [(0, 0, z) for t in range(2) for z in range(3)]
    folder = series(tmp_path / "a", places)
    found = io.read(folder)
    assert found.voxels.shape[:3] == (2, 1, 3)
    assert found.voxels[:, 0, :, -1, -1].tolist() == [[0, 100, 200], [300, 400, 500]]
    assert found.time_step is None
    assert io.read(series(tmp_path / "b", places, RepetitionTime=2500)).time_step == 2.5
    next(folder.iterdir()).unlink()
    with pytest.raises(InputError, match="5 images at 3 places, 1 to 2 at each"):
        io.read(folder)


def test_many_frames_in_one_file(tmp_path):
    made = header(NumberOfFrames=3)
    made.PixelData = np.stack([IMAGE, IMAGE + 100, IMAGE + 200]).tobytes()
    shared, frames = Header(), []
    shared.PixelMeasuresSequence = Sequence([Header()])
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.7]
    shared.PixelMeasuresSequence[0].SliceThickness = 4
    for z in (9, 6, 3):
        frame, place = Header(), Header()
        place.ImagePositionPatient = [0, 0, z]
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence(frames)
    made.save_as(tmp_path / "many.dcm", enforce_file_format=True)
    found = io.read(tmp_path / "many.dcm")
    assert found.grid.depths == pytest.approx([3, 6, 9])
    assert found.thickness == 4
    assert found.voxels[0, 0, :, -1, -1].tolist() == [200, 100, 0]


def test_without_places_the_numbers_count(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for number in range(3):
        made = header(InstanceNumber=3 - number, SpacingBetweenSlices=2.5)
        made.PixelData = (IMAGE + 100 * number).tobytes()
        made.save_as(folder / str(number), enforce_file_format=True)
    found = io.read(folder)
    assert found.grid.spacing == 2.5
    assert "in the order of their numbers" in " ".join(found.notes)
    assert found.voxels[0, 0, :, -1, -1].tolist() == [200, 100, 0]


def test_nothing_of_the_patient_is_told(tmp_path):
    folder = series(tmp_path / NAME, [(0, 0, z) for z in range(3)])  # as archives call their folders
    found = io.read(folder)
    result = api.interpolate(found, method="linear", factor=2)
    for name in ("b.nii", "b.ome.tif"):
        result.save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        assert b"Doe" not in data
        assert b"4711" not in data
    assert result.record["input"]["file"] == "DICOM Body 3.0"
    assert found.source.name == "DICOM Body 3.0"


def test_colours_and_other_files(tmp_path):
    folder = series(tmp_path / "a", [(0, 0, z) for z in range(3)])
    (folder / "notes.txt").write_text("not an image")
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert io.read(folder).voxels.shape[2] == 3
    made = header(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8)
    made.BitsStored, made.HighBit, made.PixelData = 8, 7, bytes(90)
    made.save_as(tmp_path / "colours.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match="is a colour image"):
        io.read(tmp_path / "colours.dcm")


def test_a_real_series():
    """20 CT images, 2 mm apart and 3 mm thick, as SimpleITK reads them."""
    for folder in real("dicom_ct"):
        found = io.read(folder)
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        image = reader.Execute()
        np.testing.assert_array_equal(found.voxels[0, 0][:, ::-1, ::-1], SimpleITK.GetArrayFromImage(image))
        assert (found.grid.spacing, found.thickness) == (image.GetSpacing()[2], 3)
        assert found.grid.depths[0] == image.GetOrigin()[2]


def compressed(folder, uid, encode, images, **fields):
    for number, image in enumerate(images):
        made = header(ImagePositionPatient=[0.0, 0.0, 2.0 * number], InstanceNumber=number + 1, **fields)
        made.file_meta.TransferSyntaxUID = uid
        made.PixelData = encapsulate([encode(image)])
        made["PixelData"].VR = "OB"
        folder.mkdir(exist_ok=True)
        made.save_as(folder / f"{number}", enforce_file_format=True)
    return folder


CODECS = [
    (JPEGLosslessSV1, imagecodecs.ljpeg_encode), (JPEGLSLossless, imagecodecs.jpegls_encode),
    (JPEG2000Lossless, lambda image: imagecodecs.jpeg2k_encode(image, codecformat="j2k", reversible=True)),
]  # fmt: skip


@pytest.mark.parametrize(("uid", "encode"), CODECS)
@pytest.mark.parametrize("signed", [False, True])
def test_compressed_pixels_as_simpleitk_decodes_them(tmp_path, uid, encode, signed):
    rng = np.random.default_rng(3)
    images = rng.integers(-2048 if signed else 0, 2048 if signed else 4096, (3, 24, 20), np.int16)
    if signed and uid == JPEG2000Lossless:
        stored, bits = images, 16  # it has a sign of its own
    else:  # those that have none store the lowest bits
        stored, bits = (images & 0xFFF).astype(np.uint16), 12
    size = {"Rows": 24, "Columns": 20, "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(signed)}
    folder = compressed(tmp_path / "a", uid, encode, stored, **size)
    found = io.read(folder)
    np.testing.assert_array_equal(found.voxels[0, 0][:, ::-1, ::-1], images)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(reader.Execute()), images)


@pytest.mark.parametrize(("uid", "encode"), CODECS)
def test_a_frame_that_says_it_is_larger(tmp_path, uid, encode):
    def lying(image):
        data = bytearray(encode(image))
        for size, lie in ((b"\0\x18\0\x14", b"\xff\xff\xff\xff"), (b"\0\0\0\x14\0\0\0\x18", b"\0\0\xff\xff" * 2)):
            data = data.replace(size, lie)
        return bytes(data)

    with pytest.raises(InputError, match="is damaged"):
        io.read(compressed(tmp_path / "a", uid, lying, np.ones((3, 24, 20), np.uint16), Rows=24, Columns=20))


def test_what_is_no_volume_is_said_to_be_so(tmp_path):
    folder = compressed(tmp_path / "a", MPEG2MPML, lambda image: image.tobytes(), [IMAGE, IMAGE])
    with pytest.raises(InputError, match=r"is compressed as MPEG2 .* is not read; decompress the series first"):
        io.read(folder)
    with pytest.raises(InputError, match=r"is a mosaic: all sections of a volume in one image; convert .* dcm2niix"):
        io.read(series(tmp_path / "b", [(0, 0, 0), (0, 0, 3)], ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]))
    folder = series(tmp_path / "c", [(0, 0, 0), (0, 0, 3)])
    for file in folder.iterdir():
        data = dcmread(file)
        del data.PixelData
        data.save_as(file)
    with pytest.raises(InputError, match=r"holds no pixels \(CT Image Storage\)"):
        io.read(folder)

"""``depth-interp labels`` on real files, read back by tifffile and nibabel."""

import json

import nibabel
import numpy as np
import pytest
import tifffile

import napari_depth_interp as ndi
from command_line import MODULE, depth_interp, fail, files, noise, run_json, succeed, write_imagej
from label_stacks import cone, dice, only

KEYS = [
    "input", "output", "method", "config", "shape", "dtype", "spacing", "unit", "annotated", "interpolated",
    "expected_dice", "seconds", "seed", "warnings",
]  # fmt: skip
TRUTH = cone(9, 40, centre=(20, 18))
PLAIN = ("--method", "shape", "--threads", 1)


@pytest.fixture
def sparse(tmp_path):
    """9 sections, 1 um apart, of which 0, 4 and 8 are annotated; pixels of 1 um."""
    return write_imagej(tmp_path / "sparse.tif", only(TRUTH, [0, 4, 8]), spacing=1.0, pixel=1.0)


@pytest.fixture
def kept(tmp_path):
    """The three annotated sections alone, 4 um apart."""
    return write_imagej(tmp_path / "kept.tif", TRUTH[::4], spacing=4.0, pixel=1.0)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.tif"


def write_nifti(path, voxels, *, spacing=1.0, first=0.0, intent="label", angle=0.0):
    """Write (z, y, x) sections from top to bottom, along the stored x axis: sagittal; the whole turned about z."""
    stored = voxels[::-1].transpose(0, 2, 1)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-spacing, 1.0, 1.0])
    affine[:3, 3] = turn @ [first + spacing * (len(voxels) - 1), 5.0, -30.0]
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    image.header.set_intent(intent)
    nibabel.save(image, path)
    return path


def stored(path):
    image = nibabel.load(path)
    return image, np.asanyarray(image.dataobj)


class TestFilling:
    def test_sections_between_annotated_ones(self, sparse, out):
        done = succeed("labels", sparse, out, *PLAIN)
        found = tifffile.imread(out)
        assert dice(found, TRUTH) > 0.99
        np.testing.assert_array_equal(found[::4], TRUTH[::4])
        assert found.dtype == np.uint16
        assert done.stdout.startswith(f"{out}: 9 x 40 x 40 voxels (z, y, x), sections 1 um apart, 3 annotated and 6 fi")

    def test_json_tells_sections_apart(self, sparse, out):
        found = run_json("labels", sparse, out, *PLAIN)
        assert list(found) == KEYS
        assert found["annotated"] == [0, 4, 8]
        assert found["interpolated"] == [1, 2, 3, 5, 6, 7]
        assert found["method"] == "shape"
        assert found["expected_dice"] is None
        assert (found["dtype"], found["shape"], found["unit"]) == ("uint16", [9, 40, 40], "um")

    def test_a_denser_grid_in_every_format(self, kept, tmp_path):
        for name in ("a.tif", "a.ome.tif", "a.ome.zarr", "a.nii.gz"):
            succeed("labels", kept, tmp_path / name, "--factor", 4, *PLAIN)
            found = ndi.LabelResult.load(tmp_path / name)
            assert dice(found, TRUTH) > 0.99
            assert found.spacing == 1
            assert found.annotated.nonzero()[0].tolist() == [0, 4, 8]

    def test_confidence_beside_it(self, kept, tmp_path):
        for suffix in (".tif", ".ome.zarr"):
            names = tmp_path / f"a{suffix}", tmp_path / f"sure{suffix}"
            succeed("labels", kept, names[0], "--confidence", names[1], "--spacing", "2um", *PLAIN)
            sure = ndi.read(names[1]).voxels[0, 0]
            assert sure.dtype == np.float32
            np.testing.assert_array_equal(sure[::2], 1)
            assert 0.4 < sure[1].min() < 0.8

    def test_some_labels_and_sections_only(self, tmp_path, out):
        voxels = only(TRUTH, [0, 4, 8])
        voxels[:, :3, :3] = 9
        source = write_imagej(tmp_path / "two.tif", voxels, spacing=1.0)
        found = run_json("labels", source, out, "--label", "7", "--annotated", "0,8", *PLAIN)
        assert found["annotated"] == [0, 8]
        result = tifffile.imread(out)
        np.testing.assert_array_equal(result[:, :3, :3], 9)
        np.testing.assert_array_equal(result[4][TRUTH[4] == 7], 7)

    def test_labels_in_the_colours_of_fiji(self, tmp_path, out):
        colours = np.random.default_rng(0).integers(0, 65536, (3, 256)).astype(np.uint16)
        source = tmp_path / "in.tif"
        voxels = only(TRUTH, [0, 8]).astype(np.uint8)
        tifffile.imwrite(source, voxels, imagej=True, colormap=colours, metadata={"axes": "ZYX", "spacing": 1.0})
        succeed("labels", source, out, *PLAIN)
        assert set(np.unique(tifffile.imread(out)[4])) == {0, 7}
        assert "'depth-interp labels'" in fail(1, "run", source, tmp_path / "grey.tif", "--factor", 2)

    def test_uneven_depths_from_a_list(self, tmp_path, out):
        source = write_imagej(tmp_path / "uneven.tif", TRUTH[[0, 1, 8]], spacing=None)
        found = run_json("labels", source, out, "--depths", "0,1,8", "--spacing", "1", *PLAIN)
        assert found["annotated"] == [0, 1, 8]
        assert dice(tifffile.imread(out), TRUTH) > 0.97

    def test_an_image_of_the_sparse_sections_is_made_dense_first(self, kept, tmp_path, out):
        image = write_imagej(tmp_path / "image.tif", noise((3, 40, 40)), spacing=4.0)
        succeed("labels", kept, out, "--factor", 4, "--image", image, "--image-method", "cubic", *PLAIN)
        assert ndi.LabelResult.load(out).record["image_method"] == "cubic"

    def test_which_section_to_annotate_next(self, sparse, out):
        (first, second) = run_json("labels", sparse, out, *PLAIN, "--suggest")["suggestions"]
        assert {first["section"], second["section"]} == {2, 6}
        assert first["loss"] >= second["loss"] > 0
        told = succeed("labels", sparse, out, *PLAIN, "--suggest", "--overwrite").stdout
        assert f"annotate section {first['section']} (depth {first['depth']:g} um) to set about" in told


class TestGridOfAnotherFile:
    @pytest.mark.parametrize("angle", [0.0, 0.3])
    def test_nifti_there_and_back(self, tmp_path, angle):
        dense = write_nifti(tmp_path / "dense.nii.gz", TRUTH, first=20, angle=angle)
        sparse = write_nifti(tmp_path / "sparse.nii", TRUTH[2::4], spacing=4.0, first=22, angle=angle)
        succeed("labels", sparse, tmp_path / "there.nii.gz", "--like", dense, *PLAIN)
        there, voxels = stored(tmp_path / "there.nii.gz")
        np.testing.assert_allclose(there.affine, nibabel.load(dense).affine, atol=1e-5)
        assert there.header.get_intent()[0] == "label"
        assert there.get_data_dtype() == np.uint16
        np.testing.assert_array_equal(voxels[[2, 6]], stored(dense)[1][[2, 6]])
        assert dice(voxels[1:8], stored(dense)[1][1:8]) > 0.95
        succeed("labels", tmp_path / "there.nii.gz", tmp_path / "back.nii", "--like", sparse, *PLAIN)
        back, voxels = stored(tmp_path / "back.nii")
        np.testing.assert_array_equal(voxels, stored(sparse)[1])
        np.testing.assert_allclose(back.affine, nibabel.load(sparse).affine, atol=1e-5)

    def test_depths_between_recorded_ones_are_interpolated(self, tmp_path, out):
        dense = write_imagej(tmp_path / "dense.tif", TRUTH, spacing=1.0, pixel=1.0)
        like = write_imagej(tmp_path / "like.tif", noise((4, 40, 40)), spacing=2.5, pixel=1.0)
        found = run_json("labels", dense, out, "--like", like, *PLAIN)
        assert found["annotated"] == [0, 2]
        result = tifffile.imread(out)
        np.testing.assert_array_equal(result[2], TRUTH[5])
        assert (TRUTH[2] > 0).sum() < (result[1] > 0).sum() < (TRUTH[3] > 0).sum()

    def test_a_turned_or_shifted_file_is_refused(self, tmp_path):
        sparse = write_nifti(tmp_path / "sparse.nii", TRUTH[::4], spacing=4.0)
        turned = write_nifti(tmp_path / "turned.nii", TRUTH, angle=0.2)
        assert "turned against each other; resample" in fail(
            2, "labels", sparse, tmp_path / "out.nii", "--like", turned, *PLAIN
        )
        image = nibabel.load(sparse)
        affine = image.affine.copy()
        affine[1, 3] += 3
        nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), affine, image.header), tmp_path / "beside.nii")
        told = fail(2, "labels", sparse, tmp_path / "out.nii", "--like", tmp_path / "beside.nii", *PLAIN)
        assert "lie 3 rows and 0 columns beside" in told or "lie 0 rows and 3 columns beside" in told


class TestRefused:
    def test_in_one_line_and_nothing_is_left(self, sparse, tmp_path):
        grey = write_imagej(tmp_path / "grey.tif", np.random.default_rng(0).random((5, 40, 40)).astype("float32"))
        flat = write_imagej(tmp_path / "flat.tif", TRUTH[:1])
        empty = write_imagej(tmp_path / "empty.tif", np.zeros((4, 40, 40), np.uint8))
        small = write_imagej(tmp_path / "small.tif", noise((9, 20, 20)))
        colours = tmp_path / "colours.ome.tif"
        tifffile.imwrite(colours, np.zeros((4, 40, 40, 3), np.uint8), photometric="rgb", metadata={"axes": "ZYXS"})
        before = files(tmp_path)
        for source, options, status, words in [
            (grey, (), 1, "float32 and not whole numbers"),
            (flat, (), 1, "the labels have 1 section"),
            (empty, (), 1, "no section holds a label"),
            (colours, (), 1, "this is a colour image, not labels"),
            (sparse, ("--image", small), 2, "the image has 9 x 20 x 20 voxels (z, y, x) and the labels have 9 x 40 x"),
            (sparse, ("--like", small), 2, "the other file has 20 x 20 pixels (y, x) and the labels have 40 x 40"),
            (sparse, ("--annotated", "0,20"), 2, "section 20 was named as annotated"),
            (sparse, ("--annotated", "first"), 2, "'first' names no sections"),
            (sparse, ("--label", "0"), 2, "0 is the background and no label"),
            (sparse, ("--label", "a"), 2, "should be a valid integer"),
            (sparse, ("--factor", 2, "--isotropic"), 2, "--factor and --isotropic exclude each other"),
            (sparse, ("-p", "sigma=2"), 2, "shape: 'sigma' is not known"),
            (sparse, ("--confidence", tmp_path / "out.tif"), 2, "is given for the labels and for the confidence"),
            (tmp_path / "none.tif", (), 1, "there is no file"),
        ]:
            assert words in fail(status, "labels", source, tmp_path / "out.tif", *options, *PLAIN)
        assert "no method 'linear' for labels; choose" in fail(
            2, "labels", sparse, tmp_path / "out.tif", "--method", "linear"
        )
        assert files(tmp_path) == before

    def test_an_output_that_is_there_stays(self, sparse, kept, out):
        succeed("labels", sparse, out, *PLAIN)
        before = out.read_bytes()
        assert "exists already" in fail(1, "labels", sparse, out, *PLAIN)
        assert out.read_bytes() == before
        assert "is the input" in fail(2, "labels", sparse, kept, "--like", kept, "--overwrite", *PLAIN)


class TestRunNoticesLabels:
    def test_it_names_this_command_and_does_as_it_was_told(self, kept, out):
        done = succeed("run", kept, out, "--factor", 2)
        assert "looks like a label image, and linear blends identifiers" in done.stderr
        assert "'depth-interp labels'" in done.stderr
        assert out.exists()

    def test_nothing_is_blended_by_nearest(self, kept, out):
        assert not succeed("run", kept, out, "--factor", 2, "--method", "nearest").stderr

    def test_a_nifti_file_may_say_so_itself(self, tmp_path):
        source = write_nifti(tmp_path / "in.nii", noise((4, 20, 20)), spacing=3.0)
        done = succeed("run", source, tmp_path / "out.nii", "--factor", 2)
        assert "the input says that it holds labels" in done.stderr


def test_as_a_process_of_its_own(sparse, out):
    done = depth_interp("labels", sparse, out, *PLAIN, "--json", command=list(MODULE))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["interpolated"] == [1, 2, 3, 5, 6, 7]

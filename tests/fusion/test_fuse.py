"""Fusing stacks by the library: better than averaging, registered, told what it knows."""

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import napari_depth_interp as ndi
from napari_depth_interp import io
from napari_depth_interp.fusion.looks import chessboard, on_volume
from napari_depth_interp.fusion.request import resolve_fusion
from napari_depth_interp.fusion.settings import make_fuse_settings
from napari_depth_interp.progress import Cancelled
from thick_stacks import affine_along, specimen, stacks, thick, write_stacks

STILL = {"registration": "none", "profile": "box", "threads": 1}
INNER = (slice(4, -4),) * 3


def rms(values):
    return float(np.sqrt(np.mean((np.asarray(values, float) - specimen())[INNER] ** 2)))


@pytest.fixture(scope="module")
def fused():
    arrays, affines = stacks(3)
    return ndi.fuse(*arrays, affines=affines, score=True, **STILL)


class TestVolume:
    def test_is_sharper_than_the_average_and_says_so(self, fused):
        arrays, affines = stacks(3)
        average = ndi.fuse(*arrays, affines=affines, method="average", **STILL)
        assert rms(fused) < 0.6 * rms(average)  # more than 4 dB
        assert average.uncertainty is None
        for stack in fused.stacks:
            assert stack["held_out"]["gain_db"] > 3
            assert stack["left_out"]["gain_db"] > 2
            assert stack["consistency"]["ratio"] < 1.25  # what is seen of it are the sections, within the noise
        assert not fused.record["averaged"]
        assert not fused.warnings

    def test_knows_how_wrong_it_is(self, fused):
        error = np.abs(np.asarray(fused, float) - specimen())[INNER]
        expected = fused.uncertainty[0, 0][INNER]
        assert 0.5 < error.mean() / expected.mean() < 2
        assert np.corrcoef(error.ravel(), expected.ravel())[0, 1] > 0.2

    def test_two_stacks_will_do(self):
        arrays, affines = stacks(2)
        both = ndi.fuse(*arrays, affines=affines, **STILL)
        average = ndi.fuse(*arrays, affines=affines, method="average", **STILL)
        assert rms(both) < 0.8 * rms(average)

    def test_is_the_average_where_that_predicts_better(self):
        """The files lie by three voxels, and nothing is registered."""
        away = np.eye(4)
        away[0, 3] = 3
        arrays, affines = [thick(2), thick(1, motion=away)], [affine_along(2), affine_along(1)]
        found = ndi.fuse(*arrays, affines=affines, **STILL)
        average = ndi.fuse(*arrays, affines=affines, method="average", **STILL)
        assert np.array_equal(np.asarray(found), np.asarray(average))
        assert found.record["averaged"]
        assert any("the result is the average" in each for each in found.warnings)

    def test_is_the_first_stack_where_the_others_lie_elsewhere(self):
        away = np.eye(4)
        away[0, 3] = 4
        arrays, affines = [thick(2), thick(1, motion=away)], [affine_along(2), affine_along(1)]
        found = ndi.fuse(*arrays, affines=affines, **STILL)
        average = ndi.fuse(*arrays, affines=affines, method="average", **STILL)
        assert found.record["first_alone"]
        assert not found.record["averaged"]
        assert "the result is the first one alone" in found.warnings[0]
        assert rms(found) < 0.8 * rms(average)

    @pytest.mark.parametrize("told", [{"profile": "gaussian"}, {"thickness": 6}])
    def test_is_better_than_the_average_even_where_it_is_told_wrongly(self, told):
        arrays, affines = stacks(2)
        found = ndi.fuse(*arrays, affines=affines, **{**STILL, **told})
        average = ndi.fuse(*arrays, affines=affines, method="average", **{**STILL, **told})
        assert rms(found) < rms(average)

    def test_says_which_stack_reaches_where(self):
        arrays, affines = stacks(2)
        short = arrays[1][:4]  # the coronal stack ends in the middle
        covered = ndi.fuse(arrays[0], short, affines=affines, **STILL, unchecked=True).coverage[0, 0]
        assert set(np.unique(covered)) == {1, 3}
        assert (covered[:, :15] == 3).all()
        assert (covered[:, 18:] == 1).all()

    @pytest.mark.parametrize(
        ("method", "parameters"),
        [
            ("in_plane", {"training_steps": 10}),
            ("field", {"training_steps": 40, "rays": 256, "levels": 4, "table": 10}),
        ],
    )
    def test_other_methods(self, method, parameters):
        arrays, affines = stacks(2)
        found = ndi.fuse(*arrays, affines=affines, method=method, parameters=parameters, unchecked=True, **STILL)
        assert found.record["method"] == method
        assert rms(found) < (75 if method == "in_plane" else 200)  # of 300 between inside and outside


class TestRegistration:
    @pytest.mark.parametrize("kind", ["rigid", "affine"])
    def test_finds_a_moved_stack_and_its_brightness(self, kind, tmp_path):
        """The specimen moved before the coronal stack was taken, and the scanner's gain changed."""
        turn = Rotation.from_euler("xyz", [2, -3, 1.5], degrees=True).as_matrix()
        centre = np.full(3, 15.5)
        there = np.eye(4)  # from voxels (z, y, x) of the moved specimen to those of the first
        there[:3, :3], there[:3, 3] = turn, centre - turn @ centre + [1.5, -1.0, 0.7]
        moved = thick(1, motion=there) * 1.2
        size = np.diag([0.02, 0.02, 0.02, 1.0]) if kind == "rigid" else np.eye(4)  # voxels of any size
        affines = [size @ affine_along(2), size @ affine_along(1)]
        found = ndi.fuse(thick(2), moved, affines=affines, registration=kind, profile="box", threads=1, unchecked=True)
        swap = np.eye(4)[[2, 1, 0, 3]]
        wanted = size @ swap @ there @ swap @ np.linalg.inv(size)
        corners = np.array([[x, y, z, 1.0] for x in (0, 31) for y in (0, 31) for z in (0, 31)]).T
        off = np.linalg.norm((np.linalg.inv(size) @ (found.motions[1] - wanted) @ size @ corners)[:3], axis=0)
        assert off.max() < (0.5 if kind == "rigid" else 1.2)  # voxels; they were off by 3
        entry = found.stacks[1]
        assert entry["correlation"] > entry["correlation_before"]
        assert np.mean(entry["gains"]) == pytest.approx(1.2, rel=0.15)
        assert entry["registration"]["angle"] == pytest.approx(3.9, abs=0.6)
        assert 0.2 < entry["registration"]["uncertainty"] / np.sqrt(np.mean(off**2)) / size[0, 0] < 5
        (written,) = found.save_transforms(tmp_path / "moves")
        assert written.read_text().startswith("#Insight Transform File")
        again = ndi.fuse(
            thick(2), moved, affines=affines, transforms=tmp_path / "moves", profile="box", threads=1, unchecked=True
        )
        assert np.allclose(again.motions[1], found.motions[1], atol=1e-9)
        assert np.array_equal(np.asarray(again), np.asarray(found))

    @pytest.mark.parametrize(("noise", "told"), [(5.0, False), (200.0, True)])
    def test_says_when_a_motion_is_known_too_badly(self, noise, told):
        """In noise the turn is known to within less than needed for the finest detail."""
        turn = Rotation.from_euler("xyz", [2, -2, 1.5], degrees=True).as_matrix()
        there, centre = np.eye(4), np.full(3, 15.5)
        there[:3, :3], there[:3, 3] = turn, centre - turn @ centre + [1.5, -1.0, 1.0]
        arrays = [thick(2, noise=noise), thick(1, noise=noise, motion=there)]
        affines = [affine_along(2), affine_along(1)]
        found = ndi.fuse(*arrays, affines=affines, profile="box", threads=1, unchecked=True)
        known = found.stacks[1]["registration"]
        assert (known["angle_uncertainty"] > 0.3) == told
        assert any("is registered to within" in each for each in found.warnings) == told
        assert known["angle"] == pytest.approx(3.2, abs=0.3 if not told else 1.5)

    def test_finds_where_a_ball_is(self):
        """How it is turned cannot be seen."""
        away = np.square(np.indices((32, 32, 32)) - 15.5).sum(axis=0)
        ball = 1000 * np.exp(-away / 72).astype(np.float32)
        shift = np.eye(4)
        shift[:3, 3] = 2, -1, 1
        affines = [affine_along(2), affine_along(1)]
        arrays = thick(2, volume=ball), thick(1, volume=ball, motion=shift)
        found = ndi.fuse(*arrays, affines=affines, profile="box", threads=1, method="average")
        move = found.stacks[1]["registration"]
        assert move["shift"] == pytest.approx(6**0.5, abs=0.3)
        assert move["angle"] < 12
        assert "could not be registered" not in str(found.warnings)

    def test_leaves_a_stack_where_its_file_says_if_nothing_tells_better(self):
        affines, noisy = [affine_along(2), affine_along(1)], {"noise": 400.0}
        found = ndi.fuse(
            thick(2, **noisy), thick(1, **noisy), affines=affines, profile="box", threads=1, method="average"
        )
        assert np.array_equal(found.motions[1], np.eye(4))
        assert found.stacks[1]["registration"]["uncertainty"] is None
        (said,) = (each for each in found.warnings if "could not be registered" in each)
        assert "was left where its file says that it lies" in said
        assert "\n" not in said

    def test_itk_brings_the_stack_on_with_the_file(self, tmp_path):
        """A transform means in ITK what it means here."""
        import SimpleITK

        paths = write_stacks(tmp_path, 2)
        image = nibabel.load(paths[1])
        shifted = image.affine.copy()
        shifted[:3, 3] += (3, -2, 1)  # the file says that it lies elsewhere
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), shifted, image.header), paths[1])
        found = ndi.fuse(*paths, profile="box", threads=1, unchecked=True)
        (written,) = found.save_transforms(tmp_path)
        first, second = (SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32) for path in paths)
        on = SimpleITK.GetArrayFromImage(SimpleITK.Resample(second, first, SimpleITK.ReadTransform(str(written))))
        before = SimpleITK.GetArrayFromImage(SimpleITK.Resample(second, first))
        target = SimpleITK.GetArrayFromImage(first)
        inner = (slice(1, -1), slice(6, -6), slice(6, -6))
        assert np.corrcoef(on[inner].ravel(), target[inner].ravel())[0, 1] > 0.9
        assert np.corrcoef(before[inner].ravel(), target[inner].ravel())[0, 1] < 0.85


class TestFiles:
    def test_lies_where_the_first_stack_lies_and_keeps_its_history(self, tmp_path):
        paths = write_stacks(tmp_path, 2)
        request = resolve_fusion([io.read(path) for path in paths], make_fuse_settings(**STILL, spacing="2mm"))
        found = ndi.fuse(*paths, **STILL, spacing="2mm")
        assert found.dtype == np.int16
        assert found.unit == "mm"
        found.save(tmp_path / "fused.nii.gz")
        found.save_uncertainty(tmp_path / "error.nii.gz")
        found.save_coverage(tmp_path / "seen.nii.gz")
        image = nibabel.load(tmp_path / "fused.nii.gz")
        assert image.shape == (16, 16, 16)
        assert np.allclose(image.affine, [[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1]])
        seen = nibabel.load(tmp_path / "seen.nii.gz")
        assert np.allclose(seen.affine, image.affine)
        assert (np.asarray(seen.dataobj) == 3).all()
        halved = specimen().reshape(16, 2, 16, 2, 16, 2).mean(axis=(1, 3, 5)).T
        assert np.corrcoef(halved.ravel(), np.asarray(image.dataobj).ravel())[0, 1] > 0.95
        again = type(found).load(tmp_path / "fused.nii.gz")
        assert [each["name"] for each in again.stacks] == ["axial.nii.gz", "coronal.nii.gz"]
        assert np.array_equal(np.asarray(again), np.asarray(found))
        board = chessboard(np.asarray(found, np.float32), on_volume(request, found, 1))
        assert np.corrcoef(board.ravel(), np.asarray(found).ravel())[0, 1] > 0.9

    def test_takes_the_grid_of_another_image(self, tmp_path):
        paths = write_stacks(tmp_path, 2)
        found = ndi.fuse(*paths, like=paths[1], **STILL, unchecked=True)
        found.save(tmp_path / "like.nii.gz")
        image, like = nibabel.load(tmp_path / "like.nii.gz"), nibabel.load(paths[1])
        assert image.shape == like.shape or sorted(image.shape) == sorted(like.shape)
        corner = np.linalg.inv(like.affine) @ image.affine
        assert np.allclose(np.abs(corner[:3, :3]).sum(axis=0), 1)  # the same voxels, perhaps in another order

    def test_sections_that_are_not_numbers_do_not_count(self):
        arrays, affines = stacks(2)
        holed = arrays[0].copy()
        holed[2, 5:20, 5:20] = np.nan
        found = ndi.fuse(holed, arrays[1], affines=affines, **STILL, unchecked=True)
        assert np.isfinite(np.asarray(found)).all()
        assert rms(found) < 90


def test_cancelled_at_its_next_report():
    arrays, affines = stacks(2)
    told = []

    def report(progress):
        told.append(progress.fraction)
        if progress.fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        ndi.fuse(*arrays, affines=affines, report=report, **STILL)
    assert told == sorted(told)

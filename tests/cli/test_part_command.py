"""``--crop`` and ``--times``: what is written, where it lies, what is refused."""

import re

import nibabel
import numpy as np
import pytest

from command_line import fail, files, noise, run_json, succeed, write_imagej
from napari_depth_interp import interpolate, io


def test_a_part_of_a_tiff(tmp_path):
    voxels = noise((3, 4, 20, 30))
    write_imagej(tmp_path / "a.tif", voxels, axes="TZYX")
    part = ("--crop", "5:15,10:", "--times", "1:3")
    run_json("run", tmp_path / "a.tif", tmp_path / "out.tif", "--factor", 2, *part)
    found = io.read(tmp_path / "out.tif")
    expected = interpolate(tmp_path / "a.tif", method="linear", factor=2).dataset.voxels[1:3, :, :, 5:15, 10:]
    np.testing.assert_array_equal(found.voxels, expected)
    np.testing.assert_allclose(found.grid.origin, (2.5, 5.0))
    assert found.record["depth_interp"]["crop"] == "5:15,10:"
    assert found.record["depth_interp"]["times"] == "1:3"


def test_a_part_of_a_nifti_lies_where_it_lay(tmp_path):
    affine = np.array([[-0.5, 0, 0, 40], [0, 0.5, 0, -20], [0, 0, 3, 7], [0, 0, 0, 1]])
    voxels = noise((30, 20, 5), "int16")
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(tmp_path / "a.nii.gz")
    run_json("run", tmp_path / "a.nii.gz", tmp_path / "out.nii.gz", "--factor", 3, "--crop", "4:14,10:30")
    part = nibabel.load(tmp_path / "out.nii.gz")
    # The reader shows x from left to right; stored it goes from right to left: columns 10 to 30 are 0 to 20 there.
    assert part.shape == (20, 10, 13)
    np.testing.assert_allclose(part.affine, [[-0.5, 0, 0, 40], [0, 0.5, 0, -18], [0, 0, 1, 7], [0, 0, 0, 1]])
    np.testing.assert_array_equal(np.asarray(part.dataobj)[:, :, ::3], voxels[0:20, 4:14])


def test_parts_in_a_folder_and_in_scores(tmp_path):
    (tmp_path / "in").mkdir()
    voxels = noise((5, 20, 30))
    write_imagej(tmp_path / "in" / "a.tif", voxels)
    part = ("--crop", "5:15,10:25")
    succeed("batch", tmp_path / "in", tmp_path / "out", "--method", "linear", "--factor", 2, *part)
    expected = interpolate(voxels[:, 5:15, 10:25], method="linear", z_spacing=2, factor=2)
    np.testing.assert_array_equal(io.read(tmp_path / "out" / "a.tif").voxels[0, 0], expected)
    write_imagej(tmp_path / "cut.tif", voxels[:, 5:15, 10:25])
    scored = [
        run_json("evaluate", *of, "--keep-every", 2)
        for of in ((tmp_path / "in" / "a.tif", *part), [tmp_path / "cut.tif"])
    ]
    assert scored[0]["methods"][0]["mean"] == scored[1]["methods"][0]["mean"]


def test_the_report_shows_the_part(tmp_path):
    voxels = noise((5, 40, 60))
    write_imagej(tmp_path / "a.tif", voxels)
    write_imagej(tmp_path / "cut.tif", voxels[:, 10:40, 20:60])
    shown = []
    for name, options in (("a.tif", ("--crop", "10:,20:")), ("cut.tif", ())):
        folder = tmp_path / f"report of {name}"
        succeed("evaluate", tmp_path / name, "--keep-every", 2, "--methods", "linear", "--report", folder, *options)
        shown.append(re.findall(r"data:image/[^\"']+", (folder / "report.html").read_text("utf-8")))
    assert len(shown[0]) > 1
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--crop", "5:15"), "the crop '5:15' is not known; give rows and columns"),
        (("--crop", "5:21,:"), "rows 5 to 21 .* the image has rows 0 to 20; correct --crop"),
        (("--times", "1"), "time points 1 to 2 .* the image has time points 0 to 1; correct --times"),
    ],
)
def test_what_the_image_does_not_have_is_refused(tmp_path, options, message):
    write_imagej(tmp_path / "a.tif", noise((4, 20, 30)))
    said = fail(2, "run", tmp_path / "a.tif", tmp_path / "out.tif", "--factor", 2, *options)
    assert re.search(message, said), said
    assert files(tmp_path) == {"a.tif"}


def test_a_batch_refuses_before_the_first_file(tmp_path):
    (tmp_path / "in").mkdir()
    write_imagej(tmp_path / "in" / "a.tif", noise((4, 20, 30)))
    said = fail(2, "batch", tmp_path / "in", tmp_path / "out", "--factor", 2, "--method", "linear", "--crop", "all")
    assert said.startswith("the crop 'all' is not known")

"""Which files a batch takes, and what it refuses before the first one."""

import os

import numpy as np
import pytest

from batches import fill, plan
from dicom_files import dicom_series
from microscope_files import oif
from napari_depth_interp import io
from napari_depth_interp.batch import run_batch
from napari_depth_interp.batch.plan import check_settings, find_inputs, outputs_of
from napari_depth_interp.errors import DepthInterpError, InputError, OutputError, RequestError
from ome_files import one_per_file, with_companion

PLACES = [(0, 0, z) for z in range(3)]


def found(source, target, **options):
    return [each.name for each in find_inputs(plan(source, target, **options)).files]


class TestFindInputs:
    def test_the_folder_alone_or_all_below_it(self, source, target):
        assert found(source, target) == ["a.tif", "b.tif", "c.tif"]
        assert found(source, target, recursive=True) == ["a.tif", "b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif"]

    def test_only_what_can_be_read_and_nothing_hidden(self, source, target):
        for name in ("notes.txt", ".hidden.tif", "._a.tif", "table.csv"):
            (source / name).write_text("x")
        (source / ".trash").mkdir()
        (source / ".trash" / "z.tif").write_text("x")
        (source / "upper.TIF").write_text("x")
        assert found(source, target, recursive=True)[:3] == ["a.tif", "b.tif", "c.tif"]
        assert "upper.TIF" in found(source, target)
        assert not {"notes.txt", ".hidden.tif", "._a.tif", ".trash/z.tif"} & set(found(source, target, recursive=True))

    @pytest.mark.parametrize(
        ("patterns", "names"),
        [
            (["a*"], ["a.tif"]),
            (["a*", "*e.tif"], ["a.tif", "sub/deep/e.tif"]),
            (["sub/*"], ["sub/d.tif", "sub/deep/e.tif"]),
            (["!a*"], ["b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif"]),
            (["[ab].tif", "!b*"], ["a.tif"]),
        ],
    )
    def test_patterns(self, source, target, patterns, names):
        assert found(source, target, recursive=True, patterns=tuple(patterns)) == names

    def test_results_inside_the_input_folder_are_not_inputs(self, source):
        target = source / "dense"
        fill(target, ["a.tif"])
        assert "dense/a.tif" not in found(source, target, recursive=True)

    def test_results_of_earlier_batches_are_not_inputs(self, source, target):
        run_batch(plan(source, source / "dense"))
        files = find_inputs(plan(source, target, recursive=True))
        assert [each.name for each in files.files] == ["a.tif", "b.tif", "c.tif", "sub/d.tif", "sub/deep/e.tif"]
        assert files.notes == (f"1 folder left out: '{source / 'dense'}' holds the results of an earlier batch",)
        assert found(source / "dense", target) == ["a.tif", "b.tif", "c.tif"]  # where it was asked for

    def test_a_set_of_files_is_one_input(self, source, target):
        one_per_file(source, ["x1.ome.tif", "x2.ome.tif", "x3.ome.tif"])
        (source / "sub" / "set").mkdir()
        with_companion(source / "sub" / "set", ["s0.ome.tif", "s1.ome.tif"])
        files = find_inputs(plan(source, target, recursive=True))
        names = [each.name for each in files.files]
        assert names == [
            "a.tif",
            "b.tif",
            "c.tif",
            "sub/d.tif",
            "sub/deep/e.tif",
            "sub/set/set.companion.ome",
            "x1.ome.tif",
        ]
        sizes = {each.name: each.size for each in files.files}
        assert sizes["x1.ome.tif"] == sum((source / f"x{n}.ome.tif").stat().st_size for n in (1, 2, 3))
        assert "4 files read together with 'sub/set/set.companion.ome' and 1 more" in files.notes[0]
        assert outputs_of(plan(source, target), "sub/set/set.companion.ome")[0] == target / "sub/set/set.ome.tif"
        # what the patterns leave of a set stands for it
        assert found(source, target, patterns=("x[23]*",)) == ["x2.ome.tif"]
        assert found(source / "sub" / "set", target, patterns=("s[01]*",)) == ["s0.ome.tif"]

    def test_links_are_followed_but_not_in_circles(self, source, target, tmp_path):
        fill(tmp_path / "elsewhere", ["f.tif"])
        (source / "linked").symlink_to(tmp_path / "elsewhere")
        (source / "sub" / "circle").symlink_to(source)
        names = found(source, target, recursive=True)
        assert "linked/f.tif" in names
        assert len(names) == 6

    def test_a_folder_called_like_a_file_is_one_row(self, source, target):
        (source / "series.tif").mkdir()
        (source / "series.tif" / "inner.tif").write_bytes(b"x")
        names = found(source, target, recursive=True)
        assert "series.tif" in names
        assert "series.tif/inner.tif" not in names

    def test_images_of_an_oif_file_are_no_stacks(self, source, target):
        oif(source / "x.oif", np.ones((1, 3, 8, 9), np.uint16))
        (source / "y.oif.files").mkdir()  # of a file that is not there
        (source / "y.oif.files" / "z.tif").write_bytes(b"x")
        names = found(source, target, recursive=True)
        assert [name for name in names if "oif" in name] == ["x.oif", "y.oif.files/z.tif"]

    def test_names_of_any_letters(self, source, target):
        odd = ["Gewebe µm – 組織.tif", "with space.tif", "line\nbreak.tif", "=cmd.tif"]
        if os.name == "posix":
            odd.append(os.fsdecode(b"caf\xe9.tif"))
        for name in odd:
            (source / name).write_bytes(b"x")
        assert set(odd) <= set(found(source, target))


class TestRefused:
    def test_nothing_there(self, source, target, tmp_path):
        with pytest.raises(InputError, match="does not exist; give a folder"):
            find_inputs(plan(tmp_path / "none", target))
        with pytest.raises(InputError, match="is a file; give a folder"):
            find_inputs(plan(source / "a.tif", target))
        (tmp_path / "empty").mkdir()
        with pytest.raises(
            InputError, match=r"holds no stack of a format that is read \(TIFF, NIfTI, DICOM ...\); add --recursive"
        ):
            find_inputs(plan(tmp_path / "empty", target))
        with pytest.raises(InputError, match=r"that matches x\*"):
            find_inputs(plan(source, target, patterns=("x*",)))

    def test_what_only_begins_as_dicom(self, source, target, tmp_path):
        series = tmp_path / "dicom" / "series1"
        series.mkdir(parents=True)
        (series / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 50)
        with pytest.raises(InputError, match="series1' holds no DICOM image, but files that begin as one"):
            find_inputs(plan(tmp_path / "dicom", target))
        (source / "scan.dcm").write_bytes(b"x")
        files = find_inputs(plan(source, target))
        assert len(files.files) == 3
        assert "1 folder left out" in files.notes[0]

    def test_results_must_not_replace_inputs(self, source, tmp_path):
        with pytest.raises(RequestError, match="is the input folder"):
            find_inputs(plan(source, source))
        fill(source, ["sub/sub/d.tif"])
        with pytest.raises(RequestError, match="would replace an input"):
            find_inputs(plan(source / "sub", source, recursive=True))

    def test_two_results_of_one_name(self, source, target):
        fill(source, ["a_uncertainty.tif"])
        with pytest.raises(RequestError, match="two results would be called"):
            find_inputs(plan(source, target, uncertainty=True))

    def test_a_file_where_the_output_folder_should_be(self, source, target):
        target.write_bytes(b"x")
        with pytest.raises(OutputError, match="is a file; give a folder"):
            find_inputs(plan(source, target))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"method": "magic"}, "no method 'magic'"),
            ({"factor": None}, "say how dense"),
            ({"spacing": "1um"}, "exclude each other"),
            ({"factor": None, "spacing": "much"}, "not a length"),
            ({"z_spacing": "2um", "depths": [0, 1]}, "exclude each other"),
            ({"device": "warp"}, "device 'warp'"),
            ({"uncertainty": True}, "gives no uncertainty"),
            ({"keep_every": 1}, "must be 2 or more"),
            ({"data_range": (5.0, 5.0)}, "low < high"),
            ({"parameters": {"no": 1}}, "'no' is not known"),
            ({"method": "srcnn"}, "makes no new ones"),
            ({"method": "srcnn", "factor": None, "keep_every": 2}, "no sections that could be scored"),
            ({"enhance": "cubic"}, "cubic makes new sections and does not enhance"),
            ({"enhance": "srcnn", "enhance_parameters": {"no": 1}}, "'no' is not known"),
        ],
    )
    def test_settings_that_fit_no_file(self, source, target, options, words):
        with pytest.raises(DepthInterpError, match=words):
            check_settings(plan(source, target, **options))

    def test_a_projection_needs_no_factor(self, source, target):
        assert check_settings(plan(source, target, factor=None, acquisition="projection:3"))[0].name == "linear"


@pytest.mark.parametrize(
    ("name", "uncertainty"),
    [("a.tif", "a_uncertainty.tif"), ("s/b.nii.gz", "s/b_uncertainty.nii.gz"), ("c.x.TIFF", "c.x_uncertainty.TIFF")],
)
def test_where_results_go(source, target, name, uncertainty):
    assert outputs_of(plan(source, target), name) == (target / name, None)
    assert outputs_of(plan(source, target, uncertainty=True), name) == (target / name, target / uncertainty)


class TestDicom:
    """Each series is a stack; several in a folder are told apart by their names."""

    def test_series_of_folders(self, tmp_path, target):
        for folder, numbers in (("alone", [1]), ("two", [1, 2])):
            for number in numbers:
                dicom_series(tmp_path / folder, PLACES, SeriesInstanceUID=f"1.{number}", SeriesNumber=number,
                             SeriesDescription=f"T{number} 2.5mm")  # fmt: skip
        asked = plan(tmp_path, target)
        files = find_inputs(asked).files
        assert [each.name for each in files] == ["alone", "two::T1 2.5mm", "two::T2 2.5mm"]
        assert [len(each.others) for each in files] == [2, 2, 2]
        names = [outputs_of(asked, each.name)[0].relative_to(target).as_posix() for each in files]
        assert names == ["alone.nii.gz", "two_T1 2.5mm.nii.gz", "two_T2 2.5mm.nii.gz"]
        assert [each.name for each in find_inputs(plan(tmp_path / "two", target)).files] == [
            "::T1 2.5mm", "::T2 2.5mm"]  # fmt: skip
        for each in files:  # as the window opens it
            assert io.read(tmp_path / each.name).voxels.shape[2] == 3
        assert [each.name for each in find_inputs(plan(tmp_path, target, patterns=("*T2*",))).files] == [files[2].name]

    def test_names_that_lead_elsewhere(self, tmp_path, target):
        dicom_series(tmp_path / "a", PLACES, SeriesInstanceUID="1.1", SeriesDescription="../../x.tif")
        dicom_series(tmp_path / "a", PLACES, SeriesInstanceUID="1.2", SeriesDescription="..")
        asked = plan(tmp_path / "a", target)
        for each in find_inputs(asked).files:
            assert outputs_of(asked, each.name)[0].parent == target

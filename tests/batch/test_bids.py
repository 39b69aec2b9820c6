"""The BIDS App: which images are taken, what their derivatives are called, what stands beside them."""

import json

import nibabel as nib
import numpy as np
import pytest

from command_line import depth_interp, run_json
from napari_depth_interp.batch.bids import Image, find_images


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two participants: a session, a run, one more contrast; sections three times as far apart as the pixels."""
    home = tmp_path_factory.mktemp("bids") / "raw"
    names = ("sub-01/ses-a/anat/sub-01_ses-a_run-1_T2w", "sub-02/anat/sub-02_T2w", "sub-02/anat/sub-02_FLAIR")
    for seed, name in enumerate(names):
        path = home / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.random.default_rng(seed).integers(0, 900, (6, 7, 4)).astype("int16")
        image = nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0]))
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
    (home / "sub-02/anat/sub-02_T2w.json").write_text('{"SkullStripped": true}')
    (home / "dataset_description.json").write_text('{"Name": "Tiny", "BIDSVersion": "1.9.0"}')
    return home


def test_every_image_has_a_derivative_that_names_its_source(dataset, tmp_path):
    out = tmp_path / "out"
    done = depth_interp("bids", dataset, out, "participant", "--method", "linear")
    assert (done.returncode, done.stderr) == (0, "")
    stem = "sub-01/ses-a/anat/sub-01_ses-a_run-1_res-dense_desc-linear_T2w"
    image = nib.load(out / f"{stem}.nii.gz")
    assert (image.shape, image.header.get_zooms()) == ((6, 7, 10), (1, 1, 1))
    about = json.loads((out / f"{stem}.json").read_text())
    assert about["Sources"] == ["bids:raw:sub-01/ses-a/anat/sub-01_ses-a_run-1_T2w.nii.gz"]
    assert about["Resolution"] == "Sections at 1 mm instead of 3 mm; pixels as acquired"
    assert about["SkullStripped"] is False
    described = json.loads((out / "dataset_description.json").read_text())
    assert (described["DatasetType"], described["DatasetLinks"]) == ("derivative", {"raw": dataset.as_uri()})
    of_two = sorted(path.name for path in (out / "sub-02/anat").glob("*.json"))
    assert of_two == ["sub-02_res-dense_desc-linear_FLAIR.json", "sub-02_res-dense_desc-linear_T2w.json"]
    assert json.loads((out / "sub-02/anat" / of_two[1]).read_text())["SkullStripped"] is True


@pytest.mark.parametrize(
    ("words", "count"),
    [(["--participant-label", "01", "sub-02"], 3), (["--participant_label", "02"], 2), (["--suffix", "FLAIR"], 1)],
)
def test_participants_and_contrasts_are_chosen(dataset, tmp_path, words, count):
    images = run_json("bids", dataset, tmp_path / "out", "participant", *words, "--method", "nearest")["images"]
    assert len(images) == count
    assert all(each["problem"] is None for each in images)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["participant", "--participant-label", "7"], "has no participant sub-7"),
     (["group"], "the level of analysis 'group' is not known"), (["participant", "01"], "'01' is not understood"),
     (["participant", "--suffix", "T1w"], "no T1w was found")],
)  # fmt: skip
def test_what_is_not_there_is_told(dataset, tmp_path, words, said):
    done = depth_interp("bids", dataset, tmp_path / "out", *words)
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_the_dataset_is_left_alone_and_one_failure_ends_nothing(dataset, tmp_path):
    refused = depth_interp("bids", dataset, dataset / "sub-01", "participant")
    assert "lies in the dataset itself" in " ".join(refused.stderr.split())
    out = dataset / "derivatives" / "dense"
    words = ["bids", dataset, out, "participant", "--method", "linear", "--suffix", "T2w"]
    (out / "sub-02/anat").mkdir(parents=True)
    (out / "sub-02/anat/sub-02_res-dense_desc-linear_T2w.nii.gz").write_text("there before")
    done = depth_interp(*words)
    assert done.returncode == 1
    assert "1 of 2 images done" in done.stdout
    assert "exists already" in " ".join(done.stderr.split())


def test_entities_stand_in_the_order_of_the_specification(tmp_path):
    folder = tmp_path / "sub-x" / "anat"
    folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    (folder / "sub-x_space-T1w_desc-preproc_T2w.nii.gz").write_bytes(b"")
    [image] = find_images(tmp_path)
    assert image == Image(image.path, folder.relative_to(tmp_path), "sub-x_space-T1w_desc-preproc", "T2w")
    assert image.derivative("section_sr").name == "sub-x_space-T1w_res-dense_desc-sectionsr_T2w.nii.gz"

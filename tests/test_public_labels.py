"""Public images with labels are read from clones that the user has, and from nothing else."""

import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.io import imsave

import public_labels
from napari_depth_interp import io
from public_labels import Source, SourceError, pair


def source(folder, image, labels, **about):
    """Say where the files of a clone are, and what they hold now."""
    sha256 = tuple(
        hashlib.sha256(b"".join(each.read_bytes() for each in sorted((folder / "clone").glob(pattern)))).hexdigest()
        for pattern in (image, labels)
    )
    about = {"voxel_size": (2.0, 0.5, 0.25)} | about
    return Source("cells", "cells", "somebody/clone", "abc", "MIT", image, labels, sha256, **about)


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    return folder


def test_hdf5_holds_both_and_small_objects_do_not_count(tmp_path, clone):
    image = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)
    labels = np.zeros((4, 6, 6), np.uint16)
    labels[:, :3], labels[0, 4, 4], labels[2:, 4:, :2] = 700, 9, 12
    with h5py.File(clone / "one.h5", "w") as file:
        file["raw"], file["label"] = image, labels
    seen, objects = pair(source(tmp_path, "one.h5", "one.h5", smallest=2), tmp_path)
    np.testing.assert_array_equal(seen.voxels[0, 0], image)
    np.testing.assert_array_equal(objects.voxels[0, 0], np.where(labels == 700, 2, np.where(labels == 12, 1, 0)))
    assert (seen.grid.spacing, seen.grid.pixel_size, seen.grid.unit) == (2.0, (0.5, 0.25), "um")
    asked = source(tmp_path, "one.h5", "one.h5", only=(9,), box=((0, 2), (3, None), (2, 6)))
    seen, objects = pair(asked, tmp_path)
    np.testing.assert_array_equal(seen.voxels[0, 0], image[:2, 3:, 2:6])
    assert np.argwhere(objects.voxels[0, 0]).tolist() == [[0, 1, 2]]


def test_pieces_of_neuroproof_are_put_together(tmp_path, clone):
    pieces = np.array([[[1, 2], [3, 3]]], np.int32)
    with h5py.File(clone / "plain.h5", "w") as file:
        file["stack"], file["transforms"] = pieces, np.array([[1, 50], [2, 50], [3, 0]])
    (clone / "truth.h5.gz").write_bytes(gzip.compress((clone / "plain.h5").read_bytes()))
    tifffile.imwrite(clone / "a.tif", np.array([[7, 8], [9, 10]], np.uint8))
    _, objects = pair(source(tmp_path, "*.tif", "truth.h5.gz", data_sets=("", "stack")), tmp_path)
    assert objects.voxels[0, 0].tolist() == [[[1, 1], [0, 0]]]


def test_sections_in_files_of_their_own_are_binned_and_a_mask_becomes_objects(tmp_path, clone):
    image = np.random.default_rng(0).integers(0, 255, (2, 4, 8), dtype=np.uint8)
    mask = np.zeros((2, 4, 8), np.uint8)
    mask[:, :, :2] = mask[0, :, 6:] = 255
    for number in range(2):
        tifffile.imwrite(clone / f"raw-{number}.tif", image[number])
        imsave(clone / f"mask-{number}.png", mask[number], check_contrast=False)
    seen, objects = pair(source(tmp_path, "raw-*.tif", "mask-*.png", binned=2, mask=True), tmp_path)
    means = image.reshape(2, 2, 2, 4, 2).mean((2, 4))
    np.testing.assert_allclose(seen.voxels[0, 0], means, atol=0.5)
    assert objects.voxels[0, 0].tolist() == [[[1, 0, 0, 2]] * 2, [[1, 0, 0, 0]] * 2]


def test_membranes_are_a_class_and_no_objects(tmp_path, clone):
    membranes = np.zeros((6, 6), bool)
    membranes[:, 1] = membranes[:, 4] = True
    tifffile.imwrite(clone / "a.tif", np.ones((6, 6), np.uint8))
    Image.fromarray(membranes).save(clone / "a.png")
    _, drawn = pair(source(tmp_path, "a.tif", "a.png", teaches=True), tmp_path)
    np.testing.assert_array_equal(drawn.voxels[0, 0, 0], membranes)


def test_a_file_that_is_missing_or_another_is_refused(tmp_path, clone):
    tifffile.imwrite(clone / "a.tif", np.zeros((2, 4, 4), np.uint8))
    asked = source(tmp_path, "a.tif", "a.tif")
    with pytest.raises(SourceError, match=r"^cells: no .*b\.tif; clone github\.com/somebody/clone there, commit abc$"):
        pair(replace(asked, image="b.tif"), tmp_path)
    tifffile.imwrite(clone / "a.tif", np.ones((2, 4, 4), np.uint8))
    with pytest.raises(SourceError, match=r"a\.tif has SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}; take abc$"):
        pair(asked, tmp_path)


def test_the_command_names_what_is_missing_and_writes_the_rest(tmp_path, clone, monkeypatch, capsys):
    tifffile.imwrite(clone / "a.tif", np.ones((3, 4, 4), np.uint8))
    there = source(tmp_path, "a.tif", "a.tif", dark=True, membranes=True)
    monkeypatch.setattr(public_labels, "SOURCES", (there, replace(there, name="others", labels="b.tif")))
    assert list(public_labels.written(tmp_path, tmp_path)) == json.loads(
        '[{"name": "cells", "image": "cells-image.tif", "labels": "cells-labels.tif", "dark": true,'
        ' "place": "somebody/clone", "membranes": true}]'
    )
    assert capsys.readouterr().err.startswith("others: no ")
    assert io.read(tmp_path / "cells-labels.tif", labels=True).voxels.max() == 1
    words = [sys.executable, public_labels.__file__, tmp_path / "empty", "--out", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == len(
        json.loads(Path(public_labels.__file__).with_suffix(".json").read_text())
    )


def test_every_source_says_where_it_is_and_under_which_licence():
    for each in public_labels.SOURCES:
        assert each.licence
        assert len(each.commit) == 40
        assert all(len(sha256) == 64 for sha256 in each.sha256)
        assert len(each.voxel_size) == 3

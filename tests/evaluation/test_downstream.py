"""Segmentations of what methods made, judged by labels: which stacks are segmented and where they are compared."""

import sys

import numpy as np
import pytest

import napari_depth_interp as ndi
from napari_depth_interp.errors import RequestError
from napari_depth_interp.evaluation.downstream import RECORDED, SPARSE
from napari_depth_interp.metrics.objects import OBJECT_METRICS
from napari_depth_interp.stack import Dataset, Grid


def balls(shape=(17, 40, 40), radius=6.0, noise=0.0):
    """Two bright balls in voxels of 2 x 1 x 1 um, and their labels."""
    z, y, x = np.indices(shape).astype(float)
    labels = np.zeros(shape, np.uint16)
    middle = shape[0] // 2
    for label, centre in ((5, (middle, 12, 12)), (9, (middle, 26, 26))):
        inside = (2 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2
        labels[inside] = label
    grey = 100.0 * (labels > 0) + noise * np.random.default_rng(0).standard_normal(shape)
    grid = Grid(2.0 * np.arange(shape[0]), (1.0, 1.0), "um")
    return Dataset(grey.astype(np.float32)[None, None], grid), Dataset(labels[None, None], grid)


def test_methods_stand_beside_linear_the_sparse_and_the_recorded_stack():
    image, labels = balls()
    found = ndi.evaluate(image, ["nearest"], keep_every=2, labels=labels).downstream
    assert found.segmenters() == ["otsu", "watershed"]
    names = [row["method"] for row in found.of("watershed")]
    assert names == ["nearest", "linear", SPARSE, RECORDED]
    rows = {row["method"]: row for row in found.of("watershed")}
    assert set(OBJECT_METRICS) <= set(rows["linear"])
    assert rows[RECORDED]["f1"] == 1
    assert all(rows[name]["drawn"] == rows[name]["found"] == 2 for name in names[1:]), "a gap is no reason to cut"
    assert (found.objects, found.brought_by) == (2, "shape")
    kept = {row["method"]: row for row in found.of("otsu", "kept")}
    assert kept["nearest"]["surface"] < rows["nearest"]["surface"], "sections that were kept are as they were"


def test_it_is_part_of_the_json_only_where_there_are_labels():
    image, labels = balls()
    plain = ndi.evaluate(image, ["linear"], keep_every=4).as_json()
    assert "downstream" not in plain
    written = ndi.evaluate(image, ["linear"], keep_every=4, labels=labels).as_json()
    assert [row["method"] for row in written["downstream"]["rows"][:2]] == ["linear", "linear"]
    assert written["methods"][0]["mean"] == plain["methods"][0]["mean"]


def test_a_command_segments_every_stack(tmp_path):
    script = tmp_path / "my segmenter.py"
    script.write_text(
        "import sys, tifffile, numpy as np\n"
        "image = tifffile.imread(sys.argv[1])\n"
        f"open({str(tmp_path / 'seen')!r}, 'a').write(f'{{len(image)}} ')\n"
        "tifffile.imwrite(sys.argv[2], (image > 50).astype(np.uint8))\n"
    )
    image, labels = balls()
    command = f"'{sys.executable}' '{script}' {{in}} {{out}}"
    found = ndi.evaluate(image, ["linear"], keep_every=2, labels=labels, segment=command).downstream
    assert (found.segmenters(), found.command) == (["command"], command)
    assert (tmp_path / "seen").read_text().split() == ["17", "9", "17"], "filled, sparse, recorded"
    assert {row["merges"] for row in found.of("command")} == {0.5}, "one label for all is one object"


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ("segment {in}", r"lacks \{out\}"),
        ("no-such-program {in} {out}", "'no-such-program' cannot be started"),
        (f"{sys.executable} -c 'raise SystemExit(\"too dark\")' {{in}} {{out}}", "ended with status 1: too dark"),
        (f"{sys.executable} -c pass {{in}} {{out}}", "wrote nothing"),
        ("'unfinished", "is no command"),
    ],
)
def test_a_command_that_does_not_work_is_named(segment, message):
    image, labels = balls((5, 20, 20))
    with pytest.raises(RequestError, match=message):
        ndi.evaluate(image, ["linear"], keep_every=2, labels=labels, segment=segment)


def test_labels_have_to_lie_on_the_stack():
    image, labels = balls((5, 20, 20))
    with pytest.raises(RequestError, match=r"the labels have 5 x 20 x 19 voxels .* and the stack has 5 x 20 x 20"):
        ndi.evaluate(image, ["linear"], keep_every=2, labels=labels.voxels[0, 0, :, :, :-1])
    with pytest.raises(RequestError, match="labels needs a sparse stack"):
        ndi.evaluate(image, ["linear"], labels=labels)
    with pytest.raises(RequestError, match="segment needs labels"):
        ndi.evaluate(image, ["linear"], keep_every=2, segment="a {in} {out}")
    two = np.concatenate([image.voxels] * 2, axis=1)
    with pytest.raises(RequestError, match="the stack has 2 and 1"):
        ndi.evaluate(Dataset(two, image.grid), ["linear"], keep_every=2, labels=labels)


def test_labels_are_cut_as_the_stack_is():
    image, labels = balls()
    found = ndi.evaluate(image, ["linear"], keep_every=2, labels=labels, crop="0:19,0:19").downstream
    assert found.objects == 1

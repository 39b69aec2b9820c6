"""What the recipes of segmenting, tracing and rendering print as commands works as printed, on files."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import recipes
from _volumes import Volume, cropped
from command_line import succeed
from napari_depth_interp import io
from napari_depth_interp.evaluation.holdout import Protocol, make_trials
from napari_depth_interp.metrics.objects import object_scores
from napari_depth_interp.simulate import nuclei, simulate
from napari_depth_interp.stack import Dataset
from quick import QUICK

PAGES = Path(__file__).parents[1] / "docs" / "how-to"
EVERY = 9
"""The factor that the page of segmenting names."""


def blocks(page, language):
    """Return the blocks of a page in a language; "" for commands."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


def commands(page):
    """Return the command lines of a page, in the order in which they stand there."""
    return [shlex.split(line) for block in blocks(page, "") for line in block.splitlines()]


def quickly(words):
    """Return the same command with little training, and the Python of these tests."""
    words = [each.replace("python ", f"{shlex.quote(sys.executable)} ") for each in words]
    if "auto" in words:
        words += ["--preset", "fast", "-p", f"training_steps={QUICK['auto']['training_steps']}"]
    return ["linear" if each == "linear,auto" else each for each in words]


@pytest.fixture(scope="module")
def recorded():
    """Nuclei in 19 sections that are as far apart as pixels, and their labels."""
    made, objects = nuclei(shape=(2 * EVERY + 1, 40, 40), voxel_size=(0.5, 0.5, 0.5))
    return made.observed, Dataset(objects[None, None].astype(np.uint16), made.observed.grid)


@pytest.fixture
def folder(tmp_path, recorded):
    image, labels = recorded
    [trial] = make_trials(image, Protocol("keep_every", every=EVERY))
    [drawn] = make_trials(labels, Protocol("keep_every", every=EVERY))
    io.write(tmp_path / "stack.tif", image)
    io.write(tmp_path / "drawn.tif", labels)
    io.write(tmp_path / "sparse.tif", trial.visible)
    io.write(tmp_path / "sparse_drawn.tif", drawn.visible)
    [segment] = blocks("segment.md", "python")
    (tmp_path / "segment.py").write_text(segment, encoding="utf-8")
    return tmp_path


def of(page, command, number=0):
    """Return the words of a command of depth-interp on a page, without the name of the program."""
    found = [words[1:] for words in commands(page) if words[:2] == ["depth-interp", command]]
    return found[number]


def test_every_command_of_the_pages_is_walked_here():
    walked = {
        "segment.md": [("depth-interp", "evaluate"), ("depth-interp", "run"), ("python", "segment.py"),
                       ("depth-interp", "labels")],
        "after-filling.md": [("depth-interp", "run"), ("depth-interp", "run")],
    }  # fmt: skip
    for page, expected in walked.items():
        assert [tuple(words[:2]) for words in commands(page)] == expected


def test_measure_first(folder):
    (folder / "drawn.tif").rename(folder / "labels.tif")
    done = succeed(*quickly(of("segment.md", "evaluate")), cwd=folder)
    assert re.search(r"Segmenting \(command\): .*fill", done.stdout), done.stdout
    page = (folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "What it is worth: segmentations against labels" in page


def test_fill_segment_go_back(folder, recorded):
    succeed(*quickly(of("segment.md", "run")), cwd=folder)
    [words] = [words for words in commands("segment.md") if words[0] == "python"]
    subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True, timeout=100)
    succeed(*of("segment.md", "labels"), cwd=folder)
    cubes, back = (io.read(folder / name, labels=True) for name in ("cubes_labels.tif", "labels.tif"))
    assert np.ptp([cubes.grid.spacing, *cubes.grid.pixel_size]) < 1e-6
    assert back.grid.spacing == pytest.approx(io.read(folder / "sparse.tif").grid.spacing)
    np.testing.assert_array_equal(back.voxels[0, 0], cubes.voxels[0, 0, ::EVERY])
    drawn = io.read(folder / "sparse_drawn.tif", labels=True)
    found = object_scores(drawn.voxels[0, 0], back.voxels[0, 0], back.grid.depths, (0.5, 0.5))
    assert found["f1"] > 0.3


def test_labels_of_the_sparse_stack_are_brought_to_more_sections(folder):
    [words] = re.findall(r"`depth-interp (labels .*?)`", (PAGES / "segment.md").read_text(encoding="utf-8"))
    (folder / "sparse_drawn.tif").rename(folder / "labels.tif")
    succeed(*shlex.split(words), cwd=folder)
    assert io.read(folder / "dense_labels.tif", labels=True).voxels.shape[2] == 2 * 4 + 1


def test_trace(folder):
    succeed(*quickly(of("after-filling.md", "run")), cwd=folder)
    [script] = blocks("after-filling.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, check=True, timeout=100, capture_output=True, text=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    path, unsure = map(int, re.fullmatch(r"(\d+) voxels of path, (\d+) of them not sure\n", done.stdout).groups())
    assert path > unsure >= 0
    assert path > 20


def test_render(folder):
    succeed(*quickly(of("after-filling.md", "run", 1)), cwd=folder)
    assert io.read(folder / "dense.ome.zarr").voxels.shape[2] == 2 * 4 + 1


def test_the_benefit_is_measured_against_the_recorded_stack(monkeypatch):
    monkeypatch.setattr(recipes, "METHODS", ("nearest", "linear"))
    volume = Volume("dendrites", cropped(simulate("dendrites").observed, (17, 40, 40), 4))
    found = {row["contender"]: row for row in recipes.score(volume, 4)}
    assert list(found) == ["recorded", "sparse", "nearest", "linear"]
    assert found["linear"]["render"] > found["nearest"]["render"] > 10
    assert 0 < found["sparse"]["trace"] < 1
    assert found["recorded"]["register"] < 0.5 < found["nearest"]["register"]
    dense = volume.dataset.voxels[0, 0].astype(float)
    assert recipes._traced(dense > recipes._otsu(dense), dense) == 1
    other = [{key: value for key, value in row.items() if key != "volume"} | {"volume": "b"} for row in found.values()]
    rows = recipes.summary([*found.values(), *({**row, "register": 9.0} for row in other)])
    [each] = [row for row in rows if (row["contender"], row["score"]) == ("linear", "register")]
    assert (each["worst"], each["volumes"]) == (9.0, 2)
    assert "| linear | " in recipes.table(rows, 4)

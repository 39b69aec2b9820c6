"""More than 400 damaged and odd files: each ends in one clear line or a correct result, and nothing else happens."""

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cases import Case, stack
from corpus import MEMORY_MB, SECONDS, Outcome, arguments, make, run, table, told_by

from command_line import depth_interp
from napari_depth_interp import io

KINDS = (
    "TIFF cut off", "TIFF wrong magic", "TIFF lying header", "TIFF cyclic directories", "TIFF wrong endianness",
    "OME-XML", "OME-TIFF sets", "OME-XML that lies", "NDTiff", "NDTiff index", "ImageJ description",
    "TIFF bytes changed", "bombs", "NaN and Inf", "NIfTI cut off", "NIfTI wrong sizes", "zero and odd spacing",
    "NIfTI endianness", "NIfTI extensions", "NIfTI bytes changed",
    "OME-Zarr sound", "OME-Zarr metadata", "OME-Zarr chunks", "pickle planted", "odd names", "symlinks", "no files",
    "other formats sound", "other formats cut off", "other formats, bytes changed", "other formats, lying sizes",
    "paths in headers", "HDF5", "N5 and sequences",
)  # fmt: skip


@dataclass
class Ran:
    """All cases and what became of them."""

    root: object
    cases: list[Case]
    outcomes: list[Outcome]
    before: dict
    after: dict


def seen(root):
    """Everything below a folder: size and time of change of files, targets of links."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            about = path.lstat()
            found[str(path)] = path.readlink() if path.is_symlink() else (about.st_size, about.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    cases = make(root)
    before = seen(root)
    outcomes = run(cases, root / "outputs", processes=1)  # other tests run beside this one
    after = {path: what for path, what in seen(root).items() if not path.startswith(f"{root}/outputs/")}
    yield Ran(root, cases, outcomes, before, after)
    shutil.rmtree(root)


def check(case, status, error):
    """One clear line, or a result."""
    lines = [line for line in error.splitlines() if not line.startswith("warning: ")]
    assert status in (0, 1, 2), (case, error)
    assert "Traceback" not in error, (case, error)
    assert "unexpected" not in error, (case, error)
    assert len(lines) == (0 if status == 0 else 1), (case, error)
    if status:
        assert lines[0].startswith("depth-interp: "), (case, error)
        assert 20 < len(lines[0]) < 1000, (case, error)
    if case.expect != "either":
        assert (status == 0) == (case.expect == "ok"), (case, error)


@pytest.mark.parametrize("kind", KINDS)
def test_each_ends_in_one_clear_line_or_a_result(ran, kind):
    chosen = [(case, outcome) for case, outcome in zip(ran.cases, ran.outcomes, strict=True) if case.kind == kind]
    assert chosen
    for case, outcome in chosen:
        check(case, outcome.status, outcome.error)
        assert outcome.seconds < SECONDS, case
        assert outcome.peak_mb < MEMORY_MB, case


def test_results_are_correct(ran):
    """Of sound files in odd clothes: the observed sections, and the mean of two between them."""
    expected = stack().astype(float)
    middle = np.rint((expected[:-1] + expected[1:]) / 2)
    sound = [i for i, case in enumerate(ran.cases) if case.expect == "ok"]
    assert len(sound) > 15
    for i in sound:
        dense = io.read(ran.root / "outputs" / f"{i:03d}.tif").voxels[0, 0].astype(float)
        if ran.cases[i].name == "z spacing negative" and ran.cases[i].path.suffix == ".nii":
            dense = dense[..., ::-1]  # without any form, x of NIfTI runs to the left
        np.testing.assert_array_equal(dense[::2], expected, err_msg=str(ran.cases[i]))
        np.testing.assert_allclose(dense[1::2], middle, atol=1, err_msg=str(ran.cases[i]))


def test_there_is_an_output_for_each_result_and_nothing_else(ran):
    wanted = {f"{i:03d}.tif" for i, outcome in enumerate(ran.outcomes) if outcome.status == 0}
    assert {path.name for path in (ran.root / "outputs").iterdir()} == wanted


def test_nothing_else_was_written_or_changed(ran):
    assert ran.after == ran.before


def test_pickle_is_never_loaded(ran):
    planted = [case for case in ran.cases if case.kind == "pickle planted"]
    assert len(planted) >= 8
    assert not told_by(ran.root).exists()


def test_the_planted_pickle_is_a_live_one(ran):
    """Loaded, it would tell: the test above can fail."""
    import pickle

    path = next(case.path for case in ran.cases if case.name == "named .tif")
    pickle.loads(path.read_bytes())  # noqa: S301
    assert told_by(ran.root).read_text() == "pickle was loaded"
    told_by(ran.root).unlink()


def test_the_corpus_is_large_and_tells_what_became_of_it(ran):
    assert len(ran.cases) >= 400
    assert Counter(case.kind for case in ran.cases).keys() == set(KINDS)
    text = table(ran.cases, ran.outcomes)
    assert f"| all | {len(ran.cases)} |" in text
    print(text)


def test_the_real_command_line_says_the_same(ran, tmp_path):
    """Some of every kind, each in a process of its own."""
    chosen = []
    for number, kind in enumerate(KINDS):
        places = [i for i, case in enumerate(ran.cases) if case.kind == kind]
        chosen += places[:: max(1, len(places) // 2)][: 1 + number % 2]
    assert len(chosen) >= 30

    def command(i):
        words = arguments(ran.cases[i], tmp_path / f"{i:03d}.tif")
        return depth_interp(*words[:-3], "--json", *words[-3:], cwd=tmp_path)

    done = {i: command(i) for i in chosen}
    for i, process in done.items():
        check(ran.cases[i], process.returncode, process.stderr)
        assert process.returncode == ran.outcomes[i].status
        assert ("error" in json.loads(process.stdout)) == (process.returncode != 0)
    written = {f"{i:03d}.tif" for i, process in done.items() if process.returncode == 0}
    assert {path.name for path in tmp_path.iterdir()} == written

"""Other programs are run in environments of their own; the page about them is what a script makes of their figures."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

import napari_depth_interp as ndi
import peer_table
import peers
import worth_page
import worth_tables
from napari_depth_interp.stack import Dataset, Grid

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    """An environment for scipy, which is that of these tests."""
    venv.create(tmp_path / "zoom", with_pip=False)
    inside = sysconfig.get_path("purelib", "venv", {"base": str(tmp_path / "zoom")})
    (Path(inside) / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return tmp_path


def test_a_peer_fills_in_a_process_of_its_own(folder):
    stack = np.arange(4, dtype=np.uint16)[:, None, None] * np.full((1, 5, 6), 30, np.uint16)
    found = peers.run("zoom", stack, peers.Job(factor=3, gap=3.0), folder)
    np.testing.assert_allclose(found.voxels[::3], stack, atol=1e-3)
    assert (np.diff(found.voxels[:, 0, 0]) > 0).all()
    assert found.cpu_seconds > 0
    assert found.version.startswith("scipy ")
    assert peers.installed(folder) == ["zoom"]


def test_a_peer_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(peers.PeerError, match=r"rife is not installed; run python benchmarks/make_peers.py rife"):
        peers.run("rife", np.zeros((2, 4, 4)), peers.Job(2, 2.0), tmp_path)


def stand_in(folder, name, modules=(), programs=()):
    """Make the environment of a peer with modules and programs in place of the real ones."""
    venv.create(folder / name, with_pip=False)
    inside = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / name)}))
    for module, text in dict(modules).items():
        (inside / module).parent.mkdir(parents=True, exist_ok=True)
        (inside / f"{module}.py").write_text(text, encoding="utf-8")
    (inside / "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    for program, text in dict(programs).items():
        python = peers.python_of(name, folder)
        file = python.with_name(program)
        file.write_text(f"#!{python}\n{text}", encoding="utf-8")
        file.chmod(0o755)


SAVED_MODEL = """
class saved_model:
    @staticmethod
    def load(folder):
        assert folder == "film-weights"

        def model(inputs, training):
            assert not training
            assert inputs["x0"].shape == inputs["x1"].shape == (1, 64, 128, 3)
            assert inputs["time"].shape == (1, 1)
            share = float(inputs["time"][0, 0])
            return {"image": (1 - share) * inputs["x0"] + share * inputs["x1"]}

        return model
"""
"""What TensorFlow gives for FILM's SavedModel, which halves gaps; here by linear interpolation."""


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_film_is_asked_as_its_authors_ask_it(tmp_path, monkeypatch, factor):
    monkeypatch.setenv("FILM_MODEL", "film-weights")
    stand_in(tmp_path, "film", {"tensorflow": SAVED_MODEL})
    stack = np.random.default_rng(0).uniform(100, 200, (3, 40, 70)).astype(np.float32)
    found = peers.run("film", stack, peers.Job(factor, float(factor), 100.0, 200.0), tmp_path)
    places = np.arange(2 * factor + 1) / factor
    below = np.minimum(places.astype(int), 1)
    share = (places - below)[:, None, None]
    np.testing.assert_allclose(found.voxels, (1 - share) * stack[below] + share * stack[below + 1], atol=1e-3)
    assert found.version == "as installed by the user"
    assert peers.installed(tmp_path) == ["film"]


SMOOTHER = """
import sys
from pathlib import Path

import nibabel
import numpy as np

image = nibabel.load(sys.argv[sys.argv.index(IN) + 1])
folder = Path(sys.argv[sys.argv.index(OUT) + 1])
voxels = np.asarray(image.dataobj)
apart = round(float(image.header.get_zooms()[2]))
places = np.arange((voxels.shape[2] - 1) * apart + 1) / apart
below = np.minimum(places.astype(int), voxels.shape[2] - 2)
dense = voxels[:, :, below] * (1 - (places - below)) + voxels[:, :, below + 1] * (places - below)
(folder / RESULT).parent.mkdir(exist_ok=True)
nibabel.save(nibabel.Nifti1Image(dense, np.diag([1.0, 1.0, 1.0, 1.0])), folder / RESULT)
"""
"""A program for NIfTI files that makes voxels cubes, as SMORE and ECLARE do; here by linear interpolation."""
RAMP = np.arange(4, dtype=np.float32)[:, None, None] * np.full((1, 5, 6), 30, np.float32)
DENSE_RAMP = np.arange(10)[:, None, None] * np.full((1, 5, 6), 10.0)


SLOW = """
import time
from pathlib import Path

import torch


class WDSR(torch.nn.Conv2d):
    def __init__(self, n_resblocks, num_channels, scale):
        super().__init__(1, 1, 3)
        Path(__file__).with_name("threads").write_text(str(torch.get_num_threads()))

    def forward(self, image):
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        return super().forward(image)
"""
"""A network that takes 50 ms of a batch, in place of that of ECLARE."""


def smoother(flag_in, flag_out, result, told=""):
    text = SMOOTHER + told
    for word, value in {"IN": flag_in, "OUT": flag_out, "RESULT": result}.items():
        text = text.replace(word, repr(value))
    return text


def smore_is_there(folder, monkeypatch):
    stand_in(folder, "smore", programs={"ssmore-train": smoother("-i", "-o", "results/epoch-1.nii.gz")})
    python = peers.python_of("smore", folder)
    words = f"{python.as_posix()} {python.with_name('ssmore-train').as_posix()} -i {{in}} -o {{folder}}"
    monkeypatch.setenv("SMORE_COMMAND", words)


def smore_as_the_user_says(folder, monkeypatch):
    smore_is_there(folder, monkeypatch)
    return peers.run("smore", RAMP, peers.Job(factor=3, gap=3.0, seconds=4.0), folder)


def eclare_for(folder, seconds):
    """Return what it made, the number of patches and the batch that it was told, and the threads of its pace."""
    told = """
numbers = [int(sys.argv[sys.argv.index(flag) + 1]) for flag in ("--n-patches", "--batch-size") if flag in sys.argv]
(Path(sys.argv[0]).parent / "told").write_text(repr(numbers))
"""
    program = smoother("--in-fpath", "--out-dir", "stack_eclare.nii.gz", told)
    stand_in(folder, "eclare", {"eclare/models/wdsr": SLOW}, {"run-eclare": program})
    found = peers.run("eclare", RAMP, peers.Job(factor=3, gap=3.0, seconds=seconds), folder)
    numbers = json.loads(peers.python_of("eclare", folder).with_name("told").read_text(encoding="utf-8"))
    [threads] = folder.glob("**/eclare/models/threads")
    return found, numbers, int(threads.read_text())


def eclare_by_default(folder, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found, numbers, _ = eclare_for(folder, 0.0)
    assert not numbers
    return found


def eclare_as_long_as_it_is_given(folder, monkeypatch):
    seconds = 4.0
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found, (patches, batch), threads = eclare_for(folder, seconds)
    pace = 0.05 / threads
    assert found.default_seconds > 1_000_000 / batch * pace
    assert 1 <= patches / batch <= seconds / pace
    assert patches / seconds == pytest.approx(1_000_000 / found.default_seconds, rel=0.2)
    return found


STARTED = [smore_as_the_user_says, eclare_by_default, eclare_as_long_as_it_is_given]


@pytest.mark.parametrize("started", STARTED[: len(STARTED) if os.name == "posix" else 1])
def test_programs_for_nifti_files_are_started_as_their_documentation_says(tmp_path, monkeypatch, started):
    found = started(tmp_path, monkeypatch)
    np.testing.assert_allclose(found.voxels, DENSE_RAMP, atol=1)
    np.testing.assert_allclose(found.voxels[::3], RAMP, atol=1)


@pytest.mark.parametrize(
    ("options", "trained"), [(["--train-first", "2"], "ab"), (["--train-on", "c"], "c"), ([], "a")]
)
def test_programs_that_train_are_run_on_the_volumes_that_are_asked_for(tmp_path, monkeypatch, options, trained):
    monkeypatch.setattr(peer_table, "OURS", ("linear",))
    (tmp_path / "volumes").mkdir()
    voxels = np.random.default_rng(0).integers(0, 255, (1, 1, 9, 12, 12), np.uint8)
    for name in "abc":
        ndi.write(tmp_path / "volumes" / f"{name}.tif", Dataset(voxels, Grid(np.arange(9.0), (1.0, 1.0), "um")))
    smore_is_there(tmp_path, monkeypatch)
    words = [
        "--data",
        str(tmp_path / "volumes"),
        "--folder",
        str(tmp_path),
        "--train",
        "smore=5",
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", ["peer_table.py", *words, *options])
    peer_table.main()
    found = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    rows = {row["volume"]: row for row in found["rows"] if row["contender"] == "smore"}
    assert "".join(rows) == trained
    assert all(row["seconds_given"] == 5 and row["psnr"] > 0 for row in rows.values())


@pytest.mark.parametrize(("name", "variable"), [("film", "FILM_MODEL"), ("smore", "SMORE_COMMAND")])
def test_what_only_the_user_has_is_asked_for_in_one_line(tmp_path, monkeypatch, name, variable):
    monkeypatch.delenv(variable, raising=False)
    stand_in(tmp_path, name)
    assert peers.installed(tmp_path) == []
    with pytest.raises(
        peers.PeerError, match=f"^{name} needs the variable {variable}; benchmarks/peers/{name}.py says"
    ):
        peers.run(name, np.zeros((2, 4, 4)), peers.Job(2, 2.0), tmp_path)


def test_a_program_that_fails_is_told_by_its_last_line(tmp_path, monkeypatch):
    stand_in(tmp_path, "smore")
    monkeypatch.setenv(
        "SMORE_COMMAND", f"{peers.python_of('smore', tmp_path).as_posix()} -c 'raise SystemExit(\"no CUDA device\")'"
    )
    with pytest.raises(peers.PeerError, match=r"^smore: no CUDA device$"):
        peers.run("smore", np.zeros((2, 4, 4)), peers.Job(2, 2.0), tmp_path)


@pytest.mark.parametrize("name", peers.NAMES)
def test_every_adapter_says_where_its_program_comes_from(name):
    module = peers.adapter(name)
    for words in (module.TITLE, module.SOURCE, module.LICENCE, module.__doc__):
        assert words
    assert all(isinstance(each, str) for each in module.REQUIRES)
    assert callable(getattr(module, "fill", None) or module.fill_labels)


def test_no_figure_of_the_page_was_typed():
    for file, made in ((worth_page.PAGE, worth_page.page), (worth_page.TABLES, worth_page.tables)):
        assert file.read_text(encoding="utf-8") == made(), "run scripts/worth_page.py"
    drawn = re.findall(r"images/(worth-.*?\.png)", worth_page.tables())
    assert len(drawn) == len(worth_page.FIGURES)
    assert all((worth_page.IMAGES / name).exists() for name in drawn)


def test_simulated_images_stand_beside_the_real_ones_and_count_for_nothing(tmp_path, monkeypatch):
    kept = ("peers", "downstream")
    for name in kept:
        (tmp_path / f"{name}.json").write_bytes((worth_page.RESULTS / f"{name}.json").read_bytes())
    monkeypatch.setattr(worth_page, "RESULTS", tmp_path)
    before, short = worth_page.tables(), worth_page.page()
    row = {"real": False, "every": 4, "segmenter": "otsu", "score": "f1", "images": 3, "difference": 0.25}
    rows = [row | {"contender": "sparse", "mean": 0.5}, row | {"contender": worth_tables.OURS, "mean": 0.75}]
    recorded = {f"{tissue} {n}": {"otsu": 0.5, "walls": 0.1} for tissue in ("nuclei", "cells") for n in (1, 2)}
    found = {"machine": "somewhere", "summary": rows, "recorded": recorded}
    (tmp_path / "downstream-simulated.json").write_text(json.dumps(found), encoding="utf-8")
    after = worth_page.tables()
    assert worth_page.page() == short
    assert "4 simulated images" in after
    assert "otsu on 2 of nuclei and 2 of cells, walls on none." in after
    assert "| **`auto:fast`** | 0.75 (+0.25) |" in after
    assert after.split("## So: fill, or not?")[1] == before.split("## So: fill, or not?")[1]


def test_one_command_makes_the_page_anew():
    """Each of its commands is a script of ours, with options that this one has."""
    words = ["make", "--dry-run", "worth", "CLONES=clones", "VOLUMES=volumes", "LPIPS=weights"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found = re.findall(r"python (benchmarks|scripts)/(\w+)\.py(.*)", done.stdout.replace("\\\n", " "))
    names = [name for _, name, _ in found]
    assert names == ["make_peers", "downstream", "public_labels", "downstream", "peer_table", "recipes", "worth_page"]
    for folder, name, options in found:
        source = (ROOT / folder / f"{name}.py").read_text(encoding="utf-8")
        for option in re.findall(r"--([a-z-]+)", options):
            assert f'"--{option}"' in source or (name == "worth_page" and f'"{option}":' in source), option
    assert "--crop 41 80 80" in done.stdout
    assert "eclare=120 --train-first 3 " in done.stdout
    named = subprocess.run([*words, "TRAIN_ON=a b"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "eclare=120 --train-on a b " in named.stdout
    assert worth_page.results("downstream")["crop"] == [41, 80, 80], "what the page shows is what the command makes"


def test_the_page_says_where_filling_hurts_and_what_a_default_would_take():
    field = {"real": True, "contender": worth_tables.OURS, "segmenter": "otsu", "every": 4, "places": 9}
    gain = field | {"score": "f1", "difference": 0.3, "low": 0.2, "high": 0.4}
    single = gain | {"places": 1}
    none = field | {"score": "surface", "difference": 0.1, "low": -0.2, "high": 0.4}
    volumes = field | {"score": "volume_bias", "segmenter": worth_tables.TOGETHER, "difference": 0.25}
    ours = {"contender": worth_tables.OURS, "lpips_change": 0.05, "gradient_z": 0.7}
    eclare = {"contender": "eclare", "default_seconds": 54_000.0}
    linear = {"contender": worth_tables.BASELINE, "gradient_z": 0.6, "default_seconds": None}
    lines = worth_tables.hurts([eclare, ours, linear], [gain, none, single, volumes]).splitlines()
    assert "*no clear gain* in 1 of 2 fields" in lines[0]
    assert "+0.25 (k = 4)" in lines[1]
    assert "LPIPS +0.050; gradient along z 0.70 of the recorded one (linear 0.60)" in lines[2]
    assert (
        worth_tables.default_times([eclare, ours, linear])
        == "By the pace seen here, that would take 15 hours (ECLARE). "
    )
    assert worth_tables.default_times([ours]) == ""


def test_every_question_has_its_row():
    filled = {"real": True, "every": 8, "segmenter": worth_tables.TOGETHER, "contender": worth_tables.OURS, "mean": 0.5}
    change = {"difference": 0.2, "low": 0.1, "high": 0.3}
    rows = [filled | change | {"score": "merges"}]
    rows += [
        {**filled, "contender": name, "score": "merges", "mean": mean}
        for name, mean in (("sparse", 0.3), ("recorded", 1))
    ]
    table = worth_tables.questions_table(rows)
    assert "| Are objects stuck together? (merges) | 0.30, **0.50**, 1.00 (+0.20; +0.10 to +0.30) |" in table
    assert len(table.splitlines()) == 2 + len(worth_page.FIGURES)


def test_one_place_has_no_interval_and_a_segmenter_that_was_not_asked_no_score():
    row = {"score": "f1", "places": 1, "difference": 0.5, "low": 0.5, "high": 0.5}
    assert worth_tables.verdict(row) == "one place: +0.50"
    assert worth_tables.verdict(row | {"places": 2}).startswith("leans to fill: +0.50")
    shown = worth_tables.able_table({"a": {"otsu": 0.1}, "b": {"otsu": 0.3, "membranes": 0.25}})
    assert "| a | 0.10 | not asked |" in shown
    assert "| b | **0.30** | **0.25** |" in shown

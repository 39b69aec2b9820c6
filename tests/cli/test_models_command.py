"""``depth-interp models`` as a user types it, and models by name in train and run."""

import json

import pytest

from command_line import depth_interp, many, noise, write_imagej
from small_models import make_model

SMALL = [
    "-p",
    "training_steps=10",
    "-p",
    "channels=8",
    "-p",
    "levels=1",
    "-p",
    "batch=2",
    "-p",
    "rows=2",
    "--threads",
    "1",
]


@pytest.fixture
def environment(models_home):
    return {"DEPTH_INTERP_MODELS": str(models_home)}


def answers(commands, environment):
    """Run the commands; return (status, JSON answer) of each."""
    return [(done.returncode, json.loads(done.stdout)) for done in many(commands, environment)]


def test_a_models_life(models_home, environment, tmp_path):
    make_model(models_home / "first")
    first, shown, renamed, exported, imported, listed, removed, left = answers(
        [
            ("models",),
            ("models", "show", "first"),
            ("models", "rename", "first", "second"),
            ("models", "export", "second", tmp_path / "out.zip"),
            ("models", "import", tmp_path / "out.zip", "--name", "third"),
            ("models", "list"),
            ("models", "remove", "second", "third"),
            ("models", "list"),
        ],
        environment,
    )
    assert [each["name"] for each in first[1]["models"]] == ["first"]
    assert first[1]["folder"] == str(models_home)
    assert first[1]["models"][0]["scores"] == {"step": 1.0, "psnr": 31.0, "psnr_linear": 30.0}
    assert shown[1]["record"]["licence"] == "CC-BY-4.0"
    assert (renamed[1]["model"], exported[1]["format"], imported[1]["state"]) == ("second", "zip", "ready")
    assert [each["name"] for each in listed[1]["models"]] == ["second", "third"]
    assert removed[1]["removed"] == ["second", "third"]
    assert left[1]["models"] == []
    assert {status for status, _ in (first, shown, renamed, exported, imported, listed, removed, left)} == {0}
    assert (tmp_path / "out.zip").is_file()


def test_what_goes_wrong_is_said_in_one_line(models_home, environment, tmp_path):
    make_model(models_home / "first")
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    commands = {
        ("models", "show", "none"): "there is no model 'none'",
        ("models", "remove", "first", "none"): "there is no model 'none'",
        ("models", "rename", "first", "../up"): "cannot be the name",
        ("models", "import", str(tmp_path / "bad.zip")): "no exported model",
        ("models", "import", "hf:somebody/model"): "does not say which commit",
        ("models", "import", "hf:somebody/model@main"): "does not say which commit",
        ("models", "import", "hf:///"): "write hf:OWNER/REPOSITORY@COMMIT",
        ("models", "export", "first", "hf:me/it@0123"): "names a commit",
        ("models", "export", "first", str(tmp_path / "x"), "--format", "bioimageio"): "give --author NAME",
        ("models", "export", "none", str(tmp_path / "x.zip")): "there is no model 'none'",
        ("train", "msdsr", str(tmp_path)): "give one place for the model",
        ("train", "msdsr", str(tmp_path), "--name", "first"): "holds a model already",
    }
    for words, (status, answer) in zip(commands.values(), answers(commands, environment), strict=True):
        assert status in (1, 2)
        assert words in answer["error"]
        assert "unexpected" not in answer["error"]
    assert [each.name for each in models_home.iterdir()] == ["first"]


def test_people_get_a_table_and_words(models_home, environment):
    assert "There are no models in" in depth_interp("models", environment=environment).stdout
    make_model(models_home / "first")
    table = depth_interp("models", environment=environment).stdout
    assert table.splitlines()[1].split() == ["first", "msdsr", "PSNR", "31", "0", "kB", "ready"]
    shown = depth_interp("models", "show", "first", environment=environment).stdout
    assert "scores:   PSNR 31, 1.00 dB above linear on held-back data, at step 1" in shown


def test_a_model_is_trained_and_used_by_name(models_home, environment, tmp_path):
    (tmp_path / "data").mkdir()
    write_imagej(tmp_path / "data" / "dense.tif", noise((9, 32, 24)))
    trained = depth_interp(
        "train", "msdsr", tmp_path / "data", "--name", "mine", *SMALL, "--licence", "CC0-1.0", environment=environment
    )
    assert trained.returncode == 0, trained.stderr
    assert "use it with -p 'model=mine'" in trained.stdout
    looks = trained.stderr.strip().splitlines()
    assert looks[-1].startswith("step 10 of 10: loss ")
    assert "validation: psnr " in looks[-1]
    assert json.loads((models_home / "mine" / "training.json").read_text())["licence"] == "CC0-1.0"
    write_imagej(tmp_path / "sparse.tif", noise((4, 24, 20)))
    run = depth_interp(
        "run", tmp_path / "sparse.tif", tmp_path / "dense.tif", "--method", "msdsr", "--factor", "2",
        "-p", "model=mine", "-p", "steps=1", "-p", "samples=1", "--threads", "1", environment=environment,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr

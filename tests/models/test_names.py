"""Where models live, and what they may be called."""

from pathlib import Path

import platformdirs
import pytest

from napari_depth_interp.errors import RequestError
from napari_depth_interp.models import names as model_names


def test_models_are_in_the_users_data_folder_or_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("DEPTH_INTERP_MODELS")
    own = Path(platformdirs.user_data_dir("napari-depth-interp", appauthor=False))
    assert model_names.home() == own / "models"
    monkeypatch.setenv("DEPTH_INTERP_MODELS", str(tmp_path))
    assert model_names.home() == tmp_path


@pytest.mark.parametrize("name", ["a", "msdsr 2", "brain-k4.v2", "Zelle_ä+b"])
def test_plain_names_are_taken(models_home, name):
    assert model_names.folder_of(name) == models_home / name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\n", "ends.", "CON", "nul.txt", "x" * 81, "a:b"]
)
def test_names_that_are_no_folder_everywhere_are_refused(models_home, name):
    with pytest.raises(RequestError, match="cannot be the name of a model"):
        model_names.folder_of(name)


def test_a_folder_wins_over_a_name(models_home, tmp_path, monkeypatch):
    (models_home / "mine").mkdir(parents=True)
    assert model_names.find(Path("mine")) == models_home / "mine"
    assert model_names.find(Path("other")) == Path("other")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert model_names.find(Path("mine")) == Path("mine")
    assert model_names.find(tmp_path / "mine") == tmp_path / "mine"

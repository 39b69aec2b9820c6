"""The user's models: listed, described, renamed, removed; taken in only if all of them is right."""

import json
import zipfile

import pytest

from napari_depth_interp.errors import OutputError, RequestError, WeightsError
from napari_depth_interp.models import card as model_card
from napari_depth_interp.models import library
from napari_depth_interp.models.folder import load
from small_models import make_model

TOO_LARGE = b'{"a":{"dtype":"I8","shape":[9999999999999],"data_offsets":[0,9999999999999]}}'
FILES = ["config.json", "model.safetensors", "training.json"]


@pytest.fixture
def model(models_home):
    return make_model(models_home / "first")


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class TestListing:
    def test_ready_unfinished_and_damaged_ones(self, models_home, model):
        make_model(models_home / "cut")
        weights = models_home / "cut" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4])
        (models_home / "waiting").mkdir()
        (models_home / "waiting" / "checkpoint.safetensors").write_bytes(b"state")
        (models_home / "holiday pictures").mkdir()
        (models_home / "notes.txt").write_text("not a model")
        states = {each.name: each.state for each in library.entries()}
        assert states == {"cut": "damaged", "first": "ready", "waiting": "unfinished"}
        assert [each.name for each in library.entries("msdsr")] == ["first"]
        assert library.entries("srcnn") == []
        assert "cut short" in library.get("cut").problem

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"<html>not found</html>",
            (2**62).to_bytes(8, "little") + b"{}",
            (100_000).to_bytes(8, "little") + b"[" * 100_000,
            len(TOO_LARGE).to_bytes(8, "little") + TOO_LARGE,
        ],
        ids=["empty", "text", "header beyond the file", "deep", "tensor beyond the memory"],
    )
    def test_damaged_weights_are_said_in_one_line(self, model, data):
        (model / "model.safetensors").write_bytes(data)
        found = library.get("first")
        assert found.state == "damaged"
        assert "is no safetensors file, or cut short" in found.problem
        assert "\n" not in found.problem

    def test_no_models_yet(self, models_home):
        assert library.entries() == []
        with pytest.raises(RequestError, match=r"there is no model 'x' in .* the models are: none yet"):
            library.get("x")

    def test_a_model_is_described_in_words(self, model):
        said = dict(model_card.describe(library.get("first")))
        assert said["method"] == "msdsr"
        assert said["data"] == "a.tif"
        assert said["scores"] == "PSNR 31, 1.00 dB above linear on held-back data, at step 1"
        assert said["licence"] == "CC-BY-4.0"
        assert said["history"].startswith("3 steps of 5: stopped; loss 1 to 0.25")
        assert model_card.score_of(library.get("first").about.record) == "PSNR 31"

    def test_worse_than_linear_is_said_plainly(self):
        assert (
            model_card.verdict({"step": 2, "psnr": 29.5, "psnr_linear": 30.0}) == "PSNR 29.5, 0.50 dB worse than linear"
        )

    def test_a_model_that_was_not_validated(self, models_home):
        make_model(models_home / "blind", validation=[])
        assert dict(model_card.describe(library.get("blind")))["scores"].startswith("none: nothing was held back")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "newer version .*format 2, this one knows 1.* upgrade"),
        ({"method": None}, "does not describe a model of this package"),
        ({"config": []}, "does not describe a model of this package"),
        ({"sha256": "00"}, "is not what was saved"),
        ({"config": {"channels": 8}}, "does not fit msdsr .*levels.* is missing"),
        ({"config": {"channels": 7, "levels": 2}}, r"does not fit msdsr \(channels"),
    ],
)
def test_what_does_not_fit_is_said(model, changes, words):
    from napari_depth_interp.methods.msdsr import MsdsrConfig

    edit(model / "config.json", **changes)
    needs = ("channels", "levels")
    with pytest.raises(WeightsError, match=words):
        load(model, "msdsr", MsdsrConfig, needs)


@pytest.mark.parametrize("record", ["[]", '{"loss": 5}', '{"validation": [{"psnr": "good"}]}', "[" * 100_000, "{"])
def test_a_damaged_record_is_said(model, record):
    (model / "training.json").write_text(record)
    assert library.get("first").state == "damaged"
    with pytest.raises(WeightsError, match="holds a damaged model"):
        load(model, "msdsr")


def test_a_model_is_loaded_by_name(model):
    assert load(model.parent / "first", "msdsr").record["steps"] == 3
    from pathlib import Path

    assert load(Path("first"), "msdsr").record["steps"] == 3
    with pytest.raises(WeightsError, match="neither such a folder nor a model of this name; the models are: first"):
        load(Path("second"), "msdsr")


class TestChanging:
    def test_rename(self, models_home, model):
        make_model(models_home / "taken")
        with pytest.raises(OutputError, match="there is a model 'taken'"):
            library.rename("first", "taken")
        with pytest.raises(RequestError, match="cannot be the name"):
            library.rename("first", "../out")
        library.rename("first", "other")
        assert [each.name for each in library.entries()] == ["other", "taken"]

    def test_remove_takes_only_what_is_a_models(self, models_home, model):
        (model / "my notes.txt").write_text("precious")
        library.remove("first")
        assert [each.name for each in model.iterdir()] == ["my notes.txt"]
        make_model(models_home / "second")
        library.remove("second")
        assert not (models_home / "second").exists()

    @pytest.mark.parametrize("name", ["..", "../first", "/tmp"])
    def test_nothing_outside_is_removed(self, model, name):
        with pytest.raises(RequestError):
            library.remove(name)
        assert model.exists()


def packed(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members:
            archive.writestr(name, text)
    return path


class TestCarrying:
    def test_one_file_there_and_back(self, models_home, model, tmp_path):
        path = library.export("first", tmp_path / "carried")
        assert path.name == "carried.zip"
        with zipfile.ZipFile(path) as archive:
            assert sorted(archive.namelist()) == FILES
        assert library.export("first", tmp_path / "again.zip").read_bytes() == path.read_bytes()
        found = library.import_model(path, "second")
        assert found.state == "ready"
        for name in FILES:
            assert (models_home / "second" / name).read_bytes() == (model / name).read_bytes()
        assert sorted(each.name for each in models_home.iterdir()) == ["first", "second"]

    def test_an_existing_file_or_model_is_kept(self, model, tmp_path):
        path = library.export("first", tmp_path / "first.zip")
        with pytest.raises(OutputError, match="exists already"):
            library.export("first", path)
        with pytest.raises(OutputError, match="there is a model 'first'"):
            library.import_model(path)

    def test_a_folder_is_taken_in_without_what_does_not_belong_to_it(self, models_home, tmp_path):
        folder = make_model(tmp_path / "from elsewhere")
        (folder / "virus.pkl").write_bytes(b"no")
        assert library.import_model(folder).name == "from elsewhere"
        assert sorted(each.name for each in (models_home / "from elsewhere").iterdir()) == FILES

    def test_a_damaged_model_is_not_exported(self, model, tmp_path):
        edit(model / "config.json", sha256="00")
        with pytest.raises(WeightsError, match="is not what was saved"):
            library.export("first", tmp_path / "out.zip")
        assert not (tmp_path / "out.zip").exists()

    @pytest.mark.parametrize(
        "extra", ["../../evil.json", "/abs.json", "evil.pkl", "sub/config.json", "model.safetensors "]
    )
    def test_foreign_members_are_refused(self, models_home, model, tmp_path, extra):
        members = [(name, (model / name).read_bytes()) for name in FILES]
        with pytest.raises(WeightsError, match="is no exported model: it holds"):
            library.import_model(packed(tmp_path / "bad.zip", [*members, (extra, b"x")]), "new")
        self.nothing_was_kept(models_home, tmp_path)

    def test_a_member_twice_or_missing_is_refused(self, models_home, model, tmp_path):
        members = [(name, (model / name).read_bytes()) for name in FILES]
        with pytest.warns(UserWarning, match="Duplicate"):
            double = packed(tmp_path / "double.zip", [*members, members[0]])
        for path in (double, packed(tmp_path / "few.zip", members[:2])):
            with pytest.raises(WeightsError, match=r"does not hold .* once each"):
                library.import_model(path, "new")
        self.nothing_was_kept(models_home, tmp_path)

    def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_is(self, models_home, model, tmp_path, monkeypatch):
        monkeypatch.setattr("napari_depth_interp.models.folder.LARGEST_JSON", 1000)
        members = {name: (model / name).read_bytes() for name in FILES} | {"training.json": b" " * 5000}
        path = packed(tmp_path / "bomb.zip", members.items())
        with pytest.raises(WeightsError, match=r"is refused: training\.json would have"):
            library.import_model(path, "new")
        with pytest.raises(WeightsError, match="too large"), zipfile.ZipFile(path) as archive:
            library._copy(archive.open("training.json"), tmp_path / "training.json")
        self.nothing_was_kept(models_home, tmp_path)

    @pytest.mark.parametrize("how", ["cut", "text", "changed", "missing"])
    def test_damaged_files_are_refused(self, models_home, model, tmp_path, how):
        path = library.export("first", tmp_path / "first.zip")
        data = bytearray(path.read_bytes())
        if how == "changed":
            data[data.index(b"channels") + 14] ^= 1
        path.write_bytes({"cut": bytes(data[:-30]), "text": b"not a zip", "changed": bytes(data), "missing": b""}[how])
        if how == "missing":
            path.unlink()
        with pytest.raises(WeightsError, match=r"no exported model|no file"):
            library.import_model(path, "new")
        self.nothing_was_kept(models_home, tmp_path)

    def test_other_weights_than_asked_for_are_refused(self, models_home, model, tmp_path):
        path = library.export("first", tmp_path / "first.zip")
        with pytest.raises(WeightsError, match="weights are others than asked for"):
            library.import_model(path, "new", sha256="0" * 64)
        assert library.import_model(path, "new", sha256=library.get("first").about.sha256.upper()).name == "new"

    def nothing_was_kept(self, models_home, tmp_path):
        assert [each.name for each in models_home.iterdir()] == ["first"]
        assert not [each for each in tmp_path.rglob("*") if "evil" in each.name or each.name == "abs.json"]
